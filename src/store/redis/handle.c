#include "store/redis/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "store/redis/examine.h"
#include "store/store.h"

#define DEFAULT_NAMESPACE "tasker"

/* ---- fork ---------------------------------------------------------------------------------------------------- */

static void init_turns(tm__redis *redis)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&redis->mutex, NULL);
    pthread_cond_init(&redis->given_back, &attributes);
    pthread_condattr_destroy(&attributes);
    redis->taken = false;
}

static void before_fork(void *self)
{
    pthread_mutex_lock(&((tm__redis *)self)->mutex);
}

static void after_fork(void *self)
{
    pthread_mutex_unlock(&((tm__redis *)self)->mutex);
}

/* Whoever had taken the connection, and whoever waited for it, stayed in the parent. */
static void in_forked_child(void *self)
{
    tm__redis *redis = self;
    init_turns(redis);
    tm__redis_connection_abandon(&redis->connection);
}

/* ---- making and freeing -------------------------------------------------------------------------------------- */

char *tm__redis_key(const tm__redis *redis, const char *kind, const char *name)
{
    char *key;
    return asprintf(&key, "{%s}:%s%s%s", redis->ns, kind, name ? ":" : "", name ? name : "") < 0 ? NULL : key;
}

static int name_keys(tm__redis *redis, const char *ns, tm_error *error)
{
    int status = tm__namespace_check(ns, error);
    if (status != TM_OK)
        return status;
    redis->ns = strdup(ns);
    if (redis->ns) {
        redis->totals = tm__redis_key(redis, "totals", NULL);
        redis->families = tm__redis_key(redis, "families", NULL);
        redis->instances = tm__redis_key(redis, "instances", NULL);
    }
    if (redis->ns && redis->totals && redis->families && redis->instances)
        return TM_OK;
    return tm__fail(error, TM_ENOMEM, "redis: out of memory");
}

static int take_url(tm__redis *redis, const char *text, const tm_store_options *options, tm_error *error)
{
    tm__url url;
    int status = tm__url_parse(text, &url, error);
    if (status != TM_OK)
        return status;
    status = tm__redis_target_make(&url, &redis->target, error);
    if (status == TM_OK)
        status = name_keys(redis, options->ns ? options->ns : url.ns[0] ? url.ns : DEFAULT_NAMESPACE, error);
    tm__url_free(&url);
    return status;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

int tm__redis_new(const char *url, const tm_store_options *options, tm__redis **out, tm_error *error)
{
    *out = NULL;
    tm__redis *redis = calloc(1, sizeof *redis);
    if (!redis)
        return tm__fail(error, TM_ENOMEM, "redis: out of memory");
    redis->liveness_ms = or_default(options->liveness_ms, TM__LIVENESS_MS);
    redis->values_ttl_ms = or_default(options->values_ttl_ms, TM__VALUES_TTL_MS);
    redis->retention_ms = or_default(options->retention_ms, TM__RETENTION_MS);
    redis->warn = options->warn;
    redis->warn_ctx = options->warn_ctx;
    init_turns(redis);
    tm__redis_connection_init(&redis->connection, &redis->target);
    redis->fork_node =
        (tm__fork_node){.before = before_fork, .after = after_fork, .child = in_forked_child, .self = redis};
    int status = take_url(redis, url, options, error);
    if (status == TM_OK && tm__fork_register(&redis->fork_node) != TM_OK)
        status = tm__fail(error, TM_ENOMEM, "redis: out of memory");
    if (status == TM_OK)
        *out = redis;
    else
        tm__redis_free(redis);
    return status;
}

void tm__redis_free(tm__redis *redis)
{
    tm__fork_unregister(&redis->fork_node);
    tm__redis_connection_close(&redis->connection);
    tm__resolver_free(&redis->connection.resolver);
    pthread_cond_destroy(&redis->given_back);
    pthread_mutex_destroy(&redis->mutex);
    tm__redis_target_free(&redis->target);
    free(redis->ns);
    free(redis->totals);
    free(redis->families);
    free(redis->instances);
    free(redis);
}

/* ---- taking turns -------------------------------------------------------------------------------------------- */

static int wait_turn(tm__redis *redis, int64_t deadline_ns, tm_error *error)
{
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    pthread_mutex_lock(&redis->mutex);
    int failure = 0;
    while (redis->taken && failure == 0)
        failure = pthread_cond_timedwait(&redis->given_back, &redis->mutex, &deadline);
    bool mine = !redis->taken;
    redis->taken = true;
    pthread_mutex_unlock(&redis->mutex);
    return mine ? TM_OK
                : tm__fail(error, TM_ETIMEOUT, "%s: other threads used the store until the deadline",
                           redis->target.shown);
}

static void give_back(tm__redis *redis)
{
    tm__redis_release_replies(&redis->connection);
    if (redis->connection.unanswered > 0)
        tm__redis_connection_close(&redis->connection);
    pthread_mutex_lock(&redis->mutex);
    redis->taken = false;
    pthread_cond_signal(&redis->given_back);
    pthread_mutex_unlock(&redis->mutex);
}

static int open_connection(tm__redis *redis, int64_t deadline_ns, tm_error *error)
{
    if (redis->failing && tm__backoff_wait(&redis->backoff, deadline_ns) != TM_OK)
        return tm__fail(error, TM_ETIMEOUT, "%s: no time left to connect", redis->target.shown);
    int status = tm__redis_connection_open(&redis->connection, deadline_ns, &redis->reused, error);
    redis->failing = status != TM_OK;
    if (!redis->failing)
        redis->backoff = (tm__backoff){0};
    return status;
}

/* Opens the connection and, the first time, asks the server what it can do. */
static int prepare(tm__redis *redis, int64_t deadline_ns, tm_error *error)
{
    int status = open_connection(redis, deadline_ns, error);
    if (status != TM_OK || redis->examined)
        return status;
    status = tm__redis_examine(redis, deadline_ns, error);
    redis->examined = status == TM_OK;
    return status;
}

int tm__redis_do(tm__redis *redis, tm__redis_work work, void *ctx, int64_t deadline_ns, tm_error *error)
{
    int status = wait_turn(redis, deadline_ns, error);
    if (status != TM_OK)
        return status;
    status = prepare(redis, deadline_ns, error);
    if (status == TM_OK && work)
        status = work(redis, ctx, deadline_ns, error);
    give_back(redis);
    return status;
}

/* Work to be done, and on what kind of connection it was done. */
typedef struct attempt {
    tm__redis_work work;
    void *ctx;
    bool reused;
} attempt;

static int do_attempt(tm__redis *redis, void *ctx, int64_t deadline_ns, tm_error *error)
{
    attempt *a = ctx;
    a->reused = redis->reused;
    return a->work(redis, a->ctx, deadline_ns, error);
}

int tm__redis_do_again(tm__redis *redis, tm__redis_work work, void *ctx, int64_t deadline_ns, tm_error *error)
{
    attempt a = {.work = work, .ctx = ctx};
    int status = tm__redis_do(redis, do_attempt, &a, deadline_ns, error);
    if (status == TM_EUNAVAILABLE && a.reused)
        status = tm__redis_do(redis, do_attempt, &a, deadline_ns, error);
    return status;
}
