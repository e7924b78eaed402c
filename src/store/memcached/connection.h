/* A connection: bytes out, lines and values in. The other side may send what it likes: memory grows only with what has
 * really come in, and no wait outlasts the limit. After an error the connection is to be closed. One thread at a
 * time. */
#ifndef TM__STORE_MEMCACHED_CONNECTION_H
#define TM__STORE_MEMCACHED_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <taskermetrics/base.h>

#include "base/buffer.h"
#include "store/resolve.h"

typedef struct tm__memcached_connection {
    tm__resolver resolver;
    int fd;           /* -1: none */
    uint64_t number;  /* how many there were: a CAS token is worth nothing on another one */
    int64_t limit_ns; /* for the request that is under way */
    tm__buffer out;   /* to be sent */
    tm__buffer in;    /* received; up to `taken` it has been looked at */
    size_t taken;
    uint64_t bytes; /* sent and received, on all connections */
} tm__memcached_connection;

/* Sees to a connection that is there and silent. *fresh: it is a new one.
 * TM_EUNAVAILABLE, TM_EDENIED, TM_ETIMEOUT, TM_ENOMEM, TM_EIO. */
int tm__memcached_connect(tm__memcached_connection *connection, const char *host, const char *port, bool *fresh,
                          tm_error *error);
void tm__memcached_disconnect(tm__memcached_connection *connection);

/* Closes it, and frees what belongs to it. */
void tm__memcached_connection_free(tm__memcached_connection *connection);

/* In a forked child: lets go of the parent's connection without a word on it. torn: a thread that stayed in the parent
 * was using it. */
void tm__memcached_connection_abandon(tm__memcached_connection *connection, bool torn);

/* Sends what is in `out`. */
int tm__memcached_send(tm__memcached_connection *connection, tm_error *error);

/* The next line, with a NUL instead of its CR LF; lives until the next call. TM_EPROTO for an endless one. */
int tm__memcached_line(tm__memcached_connection *connection, char **line, tm_error *error);

/* The next `len` bytes, which CR LF must follow; they live until the next call. */
int tm__memcached_value(tm__memcached_connection *connection, size_t len, const char **value, tm_error *error);

/* TM_EPROTO if more has come than was taken. */
int tm__memcached_nothing_left(const tm__memcached_connection *connection, tm_error *error);

#endif
