/* A server on a unix socket that answers what it is told to, whatever it is asked. */
#ifndef TM_TESTS_HOSTILE_SERVER_H
#define TM_TESTS_HOSTILE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct hostile_server hostile_server;

/* The answers of each connection: whenever something comes in, the next one is sent, the last again and again; with `flood`
 * it is sent without end from then on. They end with NULL and are borrowed. The last may hold NUL bytes: it has
 * `last_len` bytes, unless that is 0. Fails the test if it cannot listen. */
hostile_server *hostile_start(const char *const *answers, size_t last_len, bool flood);
void hostile_stop(hostile_server *server);

const char *hostile_path(const hostile_server *server);

#endif
