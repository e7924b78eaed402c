/* One memcached server: where it is, what it stores, and whether it is worth waiting for. One thread at a time. */
#ifndef TM__STORE_MEMCACHED_SERVER_H
#define TM__STORE_MEMCACHED_SERVER_H

#include "store/memcached/connection.h"

typedef struct tm__memcached_server {
    char *host;
    char *port;
    char *name; /* host:port, for messages and for placing partitions */
    bool alone; /* the only one of its store */
    size_t value_bytes_max;
    tm__memcached_connection connection;
    bool fresh;   /* the connection was made for the request that is under way */
    int troubles; /* the weight of what went wrong in calls with this deadline or an earlier one */
    int64_t troubles_deadline_ns;
    char trouble[sizeof((tm_error *)NULL)->text]; /* the last of it */
} tm__memcached_server;

/* text: "name", "name:port", "[v6]" or "[v6]:port". TM_EURL, TM_ENOMEM; then it is to be freed all the same. */
int tm__memcached_server_init(tm__memcached_server *server, const char *text, size_t len, tm_error *error);
void tm__memcached_server_free(tm__memcached_server *server);

/* Begins a request of a call with this deadline. TM_EUNAVAILABLE, at once, if enough went wrong in that call already: a
 * dead server costs a call one wait and not one for each partition. Where there are other servers a request may take
 * half of the time that is left, so that one server that hangs does not starve them. */
int tm__memcached_server_begin(tm__memcached_server *server, int64_t deadline_ns, tm_error *error);

/* The answer to a request may take as long again from now on: until now we have waited for other servers. */
void tm__memcached_server_wait_from_now(tm__memcached_server *server, int64_t deadline_ns);

/* What every failure on a connection ends in: closes it, remembers the trouble, puts the server's name into the text.
 * Returns the status that the caller is to see. */
int tm__memcached_server_failed(tm__memcached_server *server, int64_t deadline_ns, int status, tm_error *error);

/* Puts the server's name in front of the error's text. Returns status. */
int tm__memcached_server_says(const tm__memcached_server *server, int status, tm_error *error);

#endif
