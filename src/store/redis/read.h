/* Reading the aggregate. */
#ifndef TM__STORE_REDIS_READ_H
#define TM__STORE_REDIS_READ_H

#include "store/redis/handle.h"

/* As tm_store_ops.read. */
int tm__redis_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into, tm_error *error);

#endif
