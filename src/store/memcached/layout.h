/* The layout: how many partitions there are and what they are called, agreed upon by all processes through an item. */
#ifndef TM__STORE_MEMCACHED_LAYOUT_H
#define TM__STORE_MEMCACHED_LAYOUT_H

#include "store/memcached/protocol.h"

enum { TM__MEMCACHED_GENERATION = 32, TM__MEMCACHED_PARTITIONS_MAX = 4096 };

/* generation: its time in milliseconds and a random number, as hexadecimal digits: the newer is the greater text. It is
 * part of the keys of the partitions, so that a layout that was lost and made anew never finds the partitions of the
 * old. */
typedef struct tm__memcached_layout {
    size_t partition_count; /* 0: none is known */
    char generation[TM__MEMCACHED_GENERATION + 1];
} tm__memcached_layout;

/* A layout that never was before. TM_EIO (no randomness). */
int tm__memcached_layout_new(size_t partition_count, tm__memcached_layout *out, tm_error *error);

/* As an item. Returns the length. */
enum { TM__MEMCACHED_LAYOUT_BYTES = 96 };
size_t tm__memcached_layout_write(const tm__memcached_layout *layout, char out[TM__MEMCACHED_LAYOUT_BYTES]);

/* TM_ECORRUPT, TM_EUNSUPPORTED (a later version). */
int tm__memcached_layout_read(const char *bytes, size_t len, tm__memcached_layout *out, tm_error *error);

/* Keys: "NS:layout" and "NS:GENERATION:PARTITION". NS is a checked namespace. */
void tm__memcached_layout_key(const char *ns, char out[TM__MEMCACHED_KEY_BYTES]);
void tm__memcached_partition_key(const char *ns, const tm__memcached_layout *layout, size_t partition,
                                 char out[TM__MEMCACHED_KEY_BYTES]);

#endif
