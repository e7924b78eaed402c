#include "store/redis/lock.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "store/redis/script.h"

enum { ARGUMENTS = 7, FIRST = 2 };

/* One operation on one lock. */
typedef struct operation {
    const char *word;
    const char *name;
    const char *token;
    int64_t ttl_ms; /* to set, or as it was found */
} operation;

static int no_memory(tm_error *error)
{
    return tm__fail(error, TM_ENOMEM, "redis: out of memory");
}

static int run_script(tm__redis *redis, const char *key, const operation *o, int64_t deadline_ns, tm_error *error)
{
    char ttl[TM__NUMBER_MAX + 1];
    ttl[tm__print_u64((uint64_t)o->ttl_ms, ttl)] = '\0';
    const char *arguments[ARGUMENTS] = {NULL, NULL, "1", key, o->word, o->token, ttl};
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

static int operate(tm__redis *redis, void *ctx, int64_t deadline_ns, tm_error *error)
{
    const operation *o = ctx;
    char *key = tm__redis_key(redis, "lock", o->name);
    int status = key ? run_script(redis, key, o, deadline_ns, error) : no_memory(error);
    free(key);
    return status;
}

int tm__redis_lock(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns,
                   tm_error *error)
{
    operation o = {"lock", name, token, ttl_ms};
    return tm__redis_do_again(self, operate, &o, deadline_ns, error);
}

int tm__redis_extend(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns,
                     tm_error *error)
{
    operation o = {"extend", name, token, ttl_ms};
    return tm__redis_do_again(self, operate, &o, deadline_ns, error);
}

/* Done twice, it would say that the lock is not ours. */
int tm__redis_unlock(void *self, const char *name, const char *token, int64_t deadline_ns, tm_error *error)
{
    operation o = {"unlock", name, token, 1};
    return tm__redis_do(self, operate, &o, deadline_ns, error);
}

static int ask_ttl(tm__redis *redis, void *ctx, int64_t deadline_ns, tm_error *error)
{
    operation *o = ctx;
    const redisReply *reply;
    char *key = tm__redis_key(redis, "lock", o->name);
    if (!key)
        return no_memory(error);
    int status = tm__redis_queue_strings(&redis->connection, (const char *const[]){"PTTL", key, NULL}, error);
    if (status == TM_OK)
        status = tm__redis_expect(&redis->connection, REDIS_REPLY_INTEGER, deadline_ns, &reply, error);
    if (status == TM_OK)
        o->ttl_ms = reply->integer > 0 ? reply->integer : 0;
    free(key);
    return status;
}

int tm__redis_ttl(void *self, const char *name, int64_t deadline_ns, int64_t *ttl_ms, tm_error *error)
{
    operation o = {.name = name};
    int status = tm__redis_do_again(self, ask_ttl, &o, deadline_ns, error);
    *ttl_ms = o.ttl_ms;
    return status;
}
