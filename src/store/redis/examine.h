/* What the server at the other end can do. */
#ifndef TM__STORE_REDIS_EXAMINE_H
#define TM__STORE_REDIS_EXAMINE_H

#include "store/redis/handle.h"

/* Whether scripts may be run: else TM_EDENIED, TM_EUNSUPPORTED, TM_EUNAVAILABLE ... Warns if the server
 * might throw keys away. A server that does not tell about itself is taken as it is. */
int tm__redis_examine(tm__redis *redis, int64_t deadline_ns, tm_error *error);

#endif
