/* Reading hashes of any size: the server works in small steps, and nothing is kept here. */
#ifndef TM__STORE_REDIS_HASHES_H
#define TM__STORE_REDIS_HASHES_H

#include "store/redis/connection.h"
#include "store/redis/family.h"

/* Takes one field. The texts are gone when it returns. Not TM_OK ends the reading. */
typedef int (*tm__redis_field_taker)(void *ctx, tm__redis_text field, tm__redis_text value);

typedef struct tm__redis_hash {
    const char *key;
    tm__redis_field_taker take;
    void *ctx;
    char cursor[24]; /* how far it has been read; "" is the beginning */
} tm__redis_hash;

/* Reads hashes step by step, many at once. A field may come twice, and one that changes meanwhile as either value. */
int tm__redis_scan(tm__redis_connection *connection, tm__redis_hash *hashes, size_t count, int64_t deadline_ns,
                   tm_error *error);

/* Reads a hash in one step, in which the server does nothing else. */
int tm__redis_read_whole(tm__redis_connection *connection, const tm__redis_hash *hash, int64_t deadline_ns,
                         tm_error *error);

#endif
