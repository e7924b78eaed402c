/* A memcached of the test's own, on a free loopback port. Dies with the process that started it. */
#ifndef TM_TESTS_MEMCACHED_SERVER_H
#define TM_TESTS_MEMCACHED_SERVER_H

#include <stddef.h>
#include <sys/types.h>

enum { MEMCACHED_ARGUMENTS_MAX = 16 };

typedef struct memcached_server {
    pid_t pid; /* 0: not running */
    int port;
    const char *arguments[MEMCACHED_ARGUMENTS_MAX]; /* beside those that every server gets */
    char url[64];                                   /* memcached://127.0.0.1:port/ */
} memcached_server;

/* Starts a server and waits until it answers. arguments: "-m", "1", ..., NULL; or NULL. NULL, with a text on stderr, if
 * it does not start. */
memcached_server *memcached_start(const char *const *arguments);

/* Ends it, if it runs, and frees it; NULL is allowed. */
void memcached_stop(memcached_server *server);

/* Ends it with SIGKILL; starts it again, empty, on the same port. memcached_revive is 0 if it answers. */
void memcached_kill(memcached_server *server);
int memcached_revive(memcached_server *server);

/* SIGSTOP, and back when it has stopped; SIGCONT. */
void memcached_pause(memcached_server *server);
void memcached_resume(memcached_server *server);

/* Sends a command line and returns what comes until the reply ends in `end`; "" if anything fails. To be used at
 * once. */
const char *memcached_tell(memcached_server *server, const char *command, const char *end);

#endif
