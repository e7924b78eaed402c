/* Agreeing with the other processes on the layout. */
#ifndef TM__STORE_MEMCACHED_AGREE_H
#define TM__STORE_MEMCACHED_AGREE_H

#include "store/memcached/handle.h"

/* Reads the layout's items, the newest of which holds, and the partitions of the layout as it was known before, for
 * memcached->prefetch. Where the newest is missing it is put; where there is none a new one is made. What holds becomes
 * memcached->layout. Servers that are dead do not matter as long as one is not. The turn must be taken. */
int tm__memcached_agree(tm__memcached *memcached, int64_t deadline_ns, tm_error *error);

/* Reads the newest layout and changes nothing; partition_count is 0 if there is none. */
int tm__memcached_look(tm__memcached *memcached, tm__memcached_layout *out, int64_t deadline_ns, tm_error *error);

#endif
