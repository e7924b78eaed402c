/* The body of a Redis store: its options, its keys, and one connection that its callers use in turn. */
#ifndef TM__STORE_REDIS_HANDLE_H
#define TM__STORE_REDIS_HANDLE_H

#include <pthread.h>
#include <stdbool.h>

#include <taskermetrics/store.h>

#include "base/clock.h"
#include "base/fork.h"
#include "store/redis/connection.h"

typedef struct tm__redis {
    tm__redis_target target;
    char *ns;
    char *totals; /* keys: {ns}:totals and so on; what stands there docs/redis.md tells */
    char *families;
    char *instances;
    int64_t liveness_ms;
    int64_t values_ttl_ms;
    int64_t retention_ms;
    void (*warn)(void *ctx, const char *text);
    void *warn_ctx;

    pthread_mutex_t mutex; /* guards taken; never held while waiting for the server */
    pthread_cond_t given_back;
    bool taken;
    tm__fork_node fork_node;

    /* For the one whose turn it is: */
    tm__redis_connection connection;
    bool reused;  /* the connection was open before it was taken */
    bool failing; /* the last attempt to connect failed */
    tm__backoff backoff;
    bool examined; /* the server has been asked what it can do */
} tm__redis;

/* options: complete. TM_EURL, TM_EINVAL (namespace), TM_ENOMEM. */
int tm__redis_new(const char *url, const tm_store_options *options, tm__redis **out, tm_error *error);
void tm__redis_free(tm__redis *redis);

/* Does work on the connection, opened, while no other thread does. Waits, until the deadline, for others to be done,
 * and a little after a failed attempt to connect. */
typedef int (*tm__redis_work)(tm__redis *redis, void *ctx, int64_t deadline_ns, tm_error *error);
int tm__redis_do(tm__redis *redis, tm__redis_work work, void *ctx, int64_t deadline_ns, tm_error *error);

/* The same, for work that may be done twice: once more if a connection that was open before turns out to be dead. */
int tm__redis_do_again(tm__redis *redis, tm__redis_work work, void *ctx, int64_t deadline_ns, tm_error *error);

/* "{ns}:kind:name", from malloc. NULL: no memory. */
char *tm__redis_key(const tm__redis *redis, const char *kind, const char *name);

#endif
