/* Locks: as the functions of that name in tm_store_ops. */
#ifndef TM__STORE_REDIS_LOCK_H
#define TM__STORE_REDIS_LOCK_H

#include "store/redis/handle.h"

int tm__redis_lock(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns,
                   tm_error *error);
int tm__redis_unlock(void *self, const char *name, const char *token, int64_t deadline_ns, tm_error *error);
int tm__redis_extend(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns,
                     tm_error *error);
int tm__redis_ttl(void *self, const char *name, int64_t deadline_ns, int64_t *ttl_ms, tm_error *error);

#endif
