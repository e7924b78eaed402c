/* Applying a batch to a partition: read, modify, compare and swap. */
#ifndef TM__STORE_MEMCACHED_APPLY_H
#define TM__STORE_MEMCACHED_APPLY_H

#include "store/memcached/handle.h"

/* As tm_store_ops.apply. The turn must be taken. */
int tm__memcached_apply(tm__memcached *memcached, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply,
                        tm_error *error);

#endif
