/* A server on a unix socket that answers what it is told to, whatever it is asked. */
#ifndef TM_TESTS_HOSTILE_SERVER_H
#define TM_TESTS_HOSTILE_SERVER_H

#include <stddef.h>

typedef struct hostile_server hostile_server;

/* The answers of each connection: whenever something comes in, the next one is sent, the last again and again. They
 * end with NULL and are borrowed; the last has `last_len` bytes, unless that is 0. flood: NULL, or sent without end
 * behind the last answer. Fails the test if it cannot listen. */
hostile_server *hostile_start(const char *const *answers, size_t last_len, const char *flood);
void hostile_stop(hostile_server *server);

const char *hostile_path(const hostile_server *server);

#endif
