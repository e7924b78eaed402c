/* The items that a sync fetched at its start, all at once, until their partitions' batches come for them. */
#ifndef TM__STORE_MEMCACHED_PREFETCH_H
#define TM__STORE_MEMCACHED_PREFETCH_H

#include "store/memcached/cluster.h"

/* What is known of a partition's item. */
typedef struct tm__memcached_found {
    enum { TM__MEMCACHED_UNKNOWN = 0, TM__MEMCACHED_ABSENT, TM__MEMCACHED_PRESENT } state;
    tm__memcached_item item; /* of a present one; its bytes are `copy` */
    char *copy;              /* to be freed */
} tm__memcached_found;

/* Makes the found item a copy of this one. TM_ENOMEM. */
int tm__memcached_found_copy(tm__memcached_found *found, const tm__memcached_item *item, tm_error *error);

/* Zero-initialised is empty. */
typedef struct tm__memcached_prefetch {
    tm__memcached_found *found;
    size_t count;
    size_t bytes;
    int64_t deadline_ns; /* of the call that fetched */
} tm__memcached_prefetch;

void tm__memcached_prefetch_clear(tm__memcached_prefetch *prefetch);

/* Fetches the layout's item and, as far as they are not too much to keep, those of the layout's partitions, if it is
 * known. take: gets the layout's items. */
int tm__memcached_prefetch_fill(tm__memcached_prefetch *prefetch, tm__memcached_cluster *cluster, const char *ns,
                                const tm__memcached_layout *layout, tm__memcached_taker take, void *ctx,
                                int64_t deadline_ns, tm_error *outcomes, tm_error *error);

/* What was found of a partition, once; for a call that began no later than the one that fetched: a later call asks the
 * servers itself. */
tm__memcached_found tm__memcached_prefetch_take(tm__memcached_prefetch *prefetch, size_t partition,
                                                int64_t deadline_ns);

#endif
