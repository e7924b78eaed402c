/* The commands of memcached's text protocol that the store needs: gets, add, cas. What fails on a connection closes it,
 * and the error names the server. */
#ifndef TM__STORE_MEMCACHED_PROTOCOL_H
#define TM__STORE_MEMCACHED_PROTOCOL_H

#include <stddef.h>

#include "store/memcached/server.h"

enum {
    TM__MEMCACHED_KEY_BYTES = 128,       /* of the 250 that the protocol allows */
    TM__MEMCACHED_KEYS_MAX = 128,        /* in one request */
    TM__MEMCACHED_VALUE_BYTES = 1 << 20, /* what a server stores that does not say */
    TM__MEMCACHED_VALUE_LIMIT = 8 << 20, /* what we take even if the server would store more */
    TM__MEMCACHED_ITEM_OVERHEAD = 256    /* of what a server calls the size of an item: its header and the key */
};

/* Keys to ask for in one request, and what the caller calls them. */
typedef struct tm__memcached_keys {
    uint32_t renew_s; /* not 0: what is found shall live for so long from now */
    size_t count;
    size_t ids[TM__MEMCACHED_KEYS_MAX];
    char texts[TM__MEMCACHED_KEYS_MAX][TM__MEMCACHED_KEY_BYTES];
} tm__memcached_keys;

/* An item as it was found. `connection` and `cas` tell it from later ones. */
typedef struct tm__memcached_item {
    tm__memcached_server *server;
    const char *bytes;
    size_t len;
    uint64_t cas;
    uint64_t connection;
} tm__memcached_item;

/* Takes an item that is there; its bytes live until it returns. */
typedef int (*tm__memcached_taker)(void *ctx, size_t id, const tm__memcached_item *item, tm_error *error);

/* Asks for the keys; then takes the answer. Between the two other servers may be asked. */
int tm__memcached_ask(tm__memcached_server *server, const tm__memcached_keys *keys, int64_t deadline_ns,
                      tm_error *error);
int tm__memcached_answer(tm__memcached_server *server, const tm__memcached_keys *keys, tm__memcached_taker take,
                         void *ctx, int64_t deadline_ns, tm_error *error);

/* Stores a value in the place of `old`, or, if that is NULL, where no item is. *stored is false if something else has
 * come there meanwhile. ttl_s: 0 means for ever.
 * TM_ETOOBIG and TM_ENOSPC: the server has said so; the old value is still there. After other errors the value may be
 * stored, perhaps later. */
int tm__memcached_store(tm__memcached_server *server, const char *key, const tm__memcached_item *old, const char *value,
                        size_t len, uint32_t ttl_s, int64_t deadline_ns, bool *stored, tm_error *error);

#endif
