/* The body of a Redis store: its options, its keys, and one connection that its callers take in turn. */
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

    /* For the one who has taken the connection: */
    tm__redis_connection connection;
    bool failing; /* the last attempt to connect failed */
    tm__backoff backoff;
    bool examined; /* the server has been asked what it can do */
} tm__redis;

/* options: complete. TM_EURL, TM_EINVAL (namespace), TM_ENOMEM. */
int tm__redis_new(const char *url, const tm_store_options *options, tm__redis **out, tm_error *error);
void tm__redis_free(tm__redis *redis);

/* Takes the connection, opened; TM_OK must be followed by tm__redis_give_back. Waits, until the deadline, for others to
 * give it back, and a little after a failed attempt to connect. */
int tm__redis_take(tm__redis *redis, int64_t deadline_ns, tm_error *error);
void tm__redis_give_back(tm__redis *redis);

/* "{ns}:kind:name", from malloc. NULL: no memory. */
char *tm__redis_key(const tm__redis *redis, const char *kind, const char *name);

#endif
