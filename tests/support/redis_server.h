/* A redis-server of the test's own, in a directory of its own, on a unix socket and a free port. It ends with the
 * process. Every function fails the test if it cannot do its work; so does a missing redis-server. */
#ifndef TM_TESTS_REDIS_SERVER_H
#define TM_TESTS_REDIS_SERVER_H

#include <stddef.h>
#include <sys/types.h>

typedef struct redis_server {
    pid_t pid;
    unsigned port;
    char path[108]; /* of the socket */
    char *options[32];
} redis_server;

/* Starts a server and waits until it answers. options: further words of its command line, ending with NULL. */
redis_server *redis_server_start(const char *const *options);
#define REDIS_OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define REDIS_PLAIN ((const char *const[]){NULL})

/* Kills it; what it held is gone, but for what it was told to save. */
void redis_server_stop(redis_server *server);

/* Kills it and starts it again, with the same address and options; loads what was saved. The second waits only until it
 * listens. */
void redis_server_restart(redis_server *server);
void redis_server_restart_busy(redis_server *server);

/* SIGSTOP, until redis_server_resume. */
void redis_server_pause(redis_server *server);
void redis_server_resume(redis_server *server);

/* "redis+unix:///...?ns=test" and "redis://127.0.0.1:port/0?ns=test"; a new string each time, freed with free. */
char *redis_server_url(const redis_server *server);
char *redis_server_tcp_url(const redis_server *server);

/* Sends a command on a connection of its own and returns the reply as text: strings as they are, integers in digits,
 * errors with "-" in front, nil as "(nil)", the elements of an array each on a line. To be freed. */
char *redis_server_ask(const redis_server *server, const char *const *command);
#define redis_ask(server, ...) redis_server_ask((server), (const char *const[]){__VA_ARGS__, NULL})

/* The same, for commands that must succeed and whose reply does not matter. */
void redis_server_tell(const redis_server *server, const char *const *command);
#define redis_tell(server, ...) redis_server_tell((server), (const char *const[]){__VA_ARGS__, NULL})

/* The same, and the reply must be this. */
void redis_server_expect(const redis_server *server, const char *reply, const char *const *command);
#define redis_expect(server, reply, ...) \
    redis_server_expect((server), (reply), (const char *const[]){__VA_ARGS__, NULL})

#endif
