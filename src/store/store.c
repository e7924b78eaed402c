#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"

enum { FEWEST_CHANGES = 300 };

const char *tm_strategy_name(tm_strategy strategy)
{
    switch (strategy) {
    case TM_STRATEGY_LOCAL_ONLY:
        return "local_only";
    case TM_STRATEGY_DISTRIBUTED_BASIC:
        return "distributed_basic";
    case TM_STRATEGY_DISTRIBUTED_ATOMIC:
        return "distributed_atomic";
    }
    return "unknown";
}

int64_t tm_monotonic_ns(void)
{
    return tm__monotonic_ns();
}

int tm__store_status(int returned)
{
    switch (returned) {
#define KNOWN_STATUS(number, name, text) \
    case (number):                       \
        return returned;
        TM_STATUS_LIST(KNOWN_STATUS)
#undef KNOWN_STATUS
    default:
        return TM_EPROTO;
    }
}

static bool ops_ok(const tm_store_ops *ops)
{
    if (!ops || ops->size < sizeof *ops || !ops->kind || !ops->apply || !ops->read || !ops->close)
        return false;
    if (ops->strategy < TM_STRATEGY_LOCAL_ONLY || ops->strategy > TM_STRATEGY_DISTRIBUTED_ATOMIC)
        return false;
    if ((ops->capabilities & TM_CAP_LOCKING) && !(ops->lock && ops->unlock && ops->extend))
        return false;
    if ((ops->capabilities & TM_CAP_TTL_INSPECTION) && !ops->ttl)
        return false;
    return ops->max_changes == 0 || ops->max_changes >= FEWEST_CHANGES;
}

/* A handle that cannot say what is behind it stands for itself. */
static char *unique_identity(const char *kind)
{
    static _Atomic uint64_t last;
    char text[96];
    snprintf(text, sizeof text, "%.60s#%llu", kind, (unsigned long long)atomic_fetch_add(&last, 1));
    return strdup(text);
}

int tm__store_make(const tm_store_ops *ops, void *self, const char *identity, const tm_store_options *options,
                   tm_store **out)
{
    *out = NULL;
    if (!ops_ok(ops))
        return TM_EINVAL;
    tm_store *store = calloc(1, sizeof *store);
    if (store) {
        store->ops = *ops;
        store->self = self;
        store->sync_timeout_ms =
            options && options->sync_timeout_ms > 0 ? options->sync_timeout_ms : TM__SYNC_TIMEOUT_MS;
        store->identity = identity ? strdup(identity) : unique_identity(ops->kind);
    }
    if (store && store->identity) {
        *out = store;
        return TM_OK;
    }
    free(store);
    ops->close(self);
    return TM_ENOMEM;
}

int tm_store_new(const tm_store_ops *ops, void *self, tm_store **out)
{
    return out ? tm__store_make(ops, self, NULL, NULL, out) : TM_EINVAL;
}

void tm_store_close(tm_store *store)
{
    if (!store)
        return;
    int cancel = tm__cancel_put_off();
    store->ops.close(store->self);
    free(store->identity);
    free(store);
    tm__cancel_allow(cancel);
}

tm_strategy tm_store_strategy(const tm_store *store)
{
    return store ? store->ops.strategy : TM_STRATEGY_LOCAL_ONLY;
}

tm_capabilities tm_store_capabilities(const tm_store *store)
{
    return store ? store->ops.capabilities : 0;
}
