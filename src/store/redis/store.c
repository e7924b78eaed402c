/* The Redis store: its functions, and how it is opened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/redis/answer.h"
#include "store/redis/lock.h"
#include "store/redis/read.h"
#include "store/redis/script.h"
#include "store/store.h"

/* Linkers of the static library are told this name, to bring in the constructor below. */
int tm__redis_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error);

/* ---- applying ------------------------------------------------------------------------------------------------ */

/* A batch on its way. */
typedef struct sending {
    const tm_batch *batch;
    tm__redis_request *request;
    tm_reply *reply;
} sending;

static int run_apply(tm__redis *redis, const sending *s, int64_t deadline_ns, tm_error *error)
{
    const redisReply *answer;
    int status =
        tm__redis_run_script(&redis->connection, &tm__redis_apply_script, s->request->count, s->request->arguments,
                             s->request->lens, REDIS_REPLY_ARRAY, deadline_ns, &answer, error);
    if (status == TM_OK)
        status = tm__redis_answer_read(redis, answer, s->request, s->reply, error);
    if (status == TM_OK && s->reply->answer == TM_ANSWER_RESYNC && s->reply->memory == TM_MEMORY_VALUES)
        status = tm__redis_recall(redis, s->batch->instance, deadline_ns, s->reply, error);
    return status;
}

static int send_batch(tm__redis *redis, void *ctx, int64_t deadline_ns, tm_error *error)
{
    const sending *s = ctx;
    uint64_t bytes_before = redis->connection.bytes;
    int status = run_apply(redis, s, deadline_ns, error);
    s->reply->bytes = redis->connection.bytes - bytes_before;
    return status;
}

static int apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    tm__redis_request request;
    int status = tm__redis_request_make(self, batch, &request, error);
    if (status != TM_OK)
        return status;
    sending s = {batch, &request, reply};
    status = tm__redis_do(self, send_batch, &s, deadline_ns, error);
    tm__redis_request_free(&request);
    return status;
}

static void close_store(void *self)
{
    tm__redis_free(self);
}

static const tm_store_ops ops = {
    .size = sizeof ops,
    .kind = "redis",
    .strategy = TM_STRATEGY_DISTRIBUTED_ATOMIC,
    .capabilities = TM_CAP_DISTRIBUTED | TM_CAP_ATOMIC_INCREMENT | TM_CAP_LOCKING | TM_CAP_TTL_INSPECTION |
                    TM_CAP_PER_INSTANCE | TM_CAP_PERSISTENCE,
    .max_changes = TM__REDIS_CHANGES_MAX,
    .apply = apply,
    .read = tm__redis_read,
    .close = close_store,
    .lock = tm__redis_lock,
    .unlock = tm__redis_unlock,
    .extend = tm__redis_extend,
    .ttl = tm__redis_ttl,
};

/* ---- opening ------------------------------------------------------------------------------------------------- */

/* Connects and asks the server what it can do. */
static int try_server(tm__redis *redis, const tm_store_options *options, tm_error *error)
{
    int64_t timeout_ms = options->sync_timeout_ms > 0 ? options->sync_timeout_ms : TM__SYNC_TIMEOUT_MS;
    int status = tm__redis_do(redis, NULL, NULL, tm__monotonic_ns() + timeout_ms * 1000000, error);
    bool out_of_reach = status == TM_EUNAVAILABLE || status == TM_ETIMEOUT;
    return out_of_reach && options->skip_if_unavailable ? TM_OK : status;
}

/* Names the server, the database and the namespace, but no secret. */
static int make_store(tm__redis *redis, const tm_store_options *options, tm_store **out, tm_error *error)
{
    const tm__redis_target *target = &redis->target;
    char *identity;
    int len = target->path ? asprintf(&identity, "redis+unix://%s?ns=%s", target->path, redis->ns)
                           : asprintf(&identity, "redis://%s:%s/%s?ns=%s", target->host, target->port, target->database,
                                      redis->ns);
    if (len < 0) {
        tm__redis_free(redis);
        return tm__fail(error, TM_ENOMEM, "redis: out of memory");
    }
    int status = tm__store_make(&ops, redis, identity, options, out);
    free(identity);
    return status == TM_OK ? TM_OK : tm__fail(error, status, "redis: %s", tm_status_text(status));
}

int tm__redis_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error)
{
    *out = NULL;
    tm__redis *redis;
    int status = tm__redis_new(url, options, &redis, error);
    if (status != TM_OK)
        return status;
    status = try_server(redis, options, error);
    if (status == TM_OK)
        return make_store(redis, options, out, error);
    tm__redis_free(redis);
    return status;
}

/* Loading the library, or linking it, makes the schemes known. Without memory for that they stay unknown, and
 * tm_store_open says so. */
__attribute__((constructor)) static void register_schemes(void)
{
    tm_store_register("redis", tm__redis_store_open);
    tm_store_register("redis+unix", tm__redis_store_open);
}
