/* A server on a free loopback port that says whatever a test wants, one client at a time. */
#ifndef TM_TESTS_FAKE_SERVER_H
#define TM_TESTS_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fake_server fake_server;

/* Talks to one client, in the server's thread; the connection closes when it returns. */
typedef void (*fake_script)(int client, void *ctx);

fake_server *fake_server_start(fake_script script, void *ctx);
unsigned fake_server_port(const fake_server *server);
void fake_server_stop(fake_server *server);

/* For scripts. Each is false once the client, or the server, is gone. */
bool fake_send(int client, const void *bytes, size_t len);
bool fake_say(int client, const char *text);
bool fake_hear_line(int client, char *line, size_t capacity); /* without CR LF; what does not fit is dropped */

#endif
