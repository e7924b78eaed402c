#include "store/redis/lock.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "store/redis/script.h"

enum { ARGUMENTS = 7, FIRST = 2 };

static int run_operation(tm__redis *redis, const char *key, const char *operation, const char *token, int64_t ttl_ms,
                         int64_t deadline_ns, tm_error *error)
{
    char ttl[TM__NUMBER_MAX + 1];
    ttl[tm__print_u64((uint64_t)ttl_ms, ttl)] = '\0';
    const char *arguments[ARGUMENTS] = {NULL, NULL, "1", key, operation, token, ttl};
    size_t lens[ARGUMENTS];
    for (size_t i = FIRST; i < ARGUMENTS; i++)
        lens[i] = strlen(arguments[i]);
    const redisReply *reply;
    int status = tm__redis_run_script(&redis->connection, &tm__redis_lock_script, ARGUMENTS, arguments, lens,
                                      REDIS_REPLY_INTEGER, deadline_ns, &reply, error);
    if (status != TM_OK || reply->integer == 1)
        return status;
    return tm__fail(error, TM_ELOCKED, "%s: %s", redis->target.shown, tm_status_text(TM_ELOCKED));
}

static int operate(tm__redis *redis, const char *name, const char *operation, const char *token, int64_t ttl_ms,
                   int64_t deadline_ns, tm_error *error)
{
    char *key = tm__redis_key(redis, "lock", name);
    if (!key)
        return tm__fail(error, TM_ENOMEM, "redis: out of memory");
    int status = tm__redis_take(redis, deadline_ns, error);
    if (status == TM_OK) {
        status = run_operation(redis, key, operation, token, ttl_ms, deadline_ns, error);
        tm__redis_give_back(redis);
    }
    free(key);
    return status;
}

int tm__redis_lock(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns, tm_error *error)
{
    return operate(self, name, "lock", token, ttl_ms, deadline_ns, error);
}

int tm__redis_extend(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns,
                     tm_error *error)
{
    return operate(self, name, "extend", token, ttl_ms, deadline_ns, error);
}

int tm__redis_unlock(void *self, const char *name, const char *token, int64_t deadline_ns, tm_error *error)
{
    return operate(self, name, "unlock", token, 1, deadline_ns, error);
}

static int ask_ttl(tm__redis *redis, const char *key, int64_t deadline_ns, int64_t *ttl_ms, tm_error *error)
{
    const redisReply *reply;
    int status = tm__redis_queue_strings(&redis->connection, (const char *const[]){"PTTL", key, NULL}, error);
    if (status == TM_OK)
        status = tm__redis_expect(&redis->connection, REDIS_REPLY_INTEGER, deadline_ns, &reply, error);
    if (status == TM_OK)
        *ttl_ms = reply->integer > 0 ? reply->integer : 0;
    return status;
}

int tm__redis_ttl(void *self, const char *name, int64_t deadline_ns, int64_t *ttl_ms, tm_error *error)
{
    tm__redis *redis = self;
    char *key = tm__redis_key(redis, "lock", name);
    if (!key)
        return tm__fail(error, TM_ENOMEM, "redis: out of memory");
    int status = tm__redis_take(redis, deadline_ns, error);
    if (status == TM_OK) {
        status = ask_ttl(redis, key, deadline_ns, ttl_ms, error);
        tm__redis_give_back(redis);
    }
    free(key);
    return status;
}
