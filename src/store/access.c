/* What an application does with an open store besides syncing: reading the aggregate, and locks. */
#include <stdbool.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "snapshot/clashes.h"
#include "store/store.h"

static int64_t deadline_of(const tm_store *store)
{
    return tm__monotonic_ns() + store->sync_timeout_ms * 1000000;
}

/* The end of every function here. A store's functions are always given an error to fill; the caller may not want it. */
static int finish(int returned, int cancel, const tm_error *error, tm_error *out)
{
    tm__cancel_allow(cancel);
    int status = tm__store_status(returned);
    if (out)
        *out = (tm_error){0};
    if (status == TM_OK || !out)
        return status;
    if (error->status == status)
        *out = *error;
    else
        tm__fail(out, status, "%s", tm_status_text(status));
    return status;
}

int tm_store_read(tm_store *store, const tm_read_options *options, tm_snapshot **out, tm_error *error)
{
    static const tm_read_options defaults = TM_READ_OPTIONS_INIT;
    tm_error said = {0};
    int cancel = tm__cancel_put_off();
    if (out)
        *out = NULL;
    if (!store || !out || (options && options->size != 0 && options->size < sizeof *options))
        return finish(TM_EINVAL, cancel, &said, error);
    tm_snapshot *snapshot;
    int status = tm_snapshot_new(tm__wall_ms(), &snapshot);
    if (status == TM_OK)
        status = store->ops.read(store->self, options ? options : &defaults, deadline_of(store), snapshot, &said);
    if (status == TM_OK)
        status = tm__snapshot_drop_clashes(snapshot);
    if (status == TM_OK)
        *out = snapshot;
    else
        tm_snapshot_free(snapshot);
    return finish(status, cancel, &said, error);
}

/* ---- locks --------------------------------------------------------------------------------------------------- */

static bool word_ok(const char *word, size_t longest)
{
    size_t len = word ? strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") : 0;
    return len > 0 && len <= longest && word[len] == '\0';
}

static int check(const tm_store *store, tm_capabilities needed, const char *name, const char *token, int64_t ttl_ms)
{
    bool ttl_ok = ttl_ms > 0 && ttl_ms <= TM_LOCK_TTL_MAX_MS;
    if (!store || !word_ok(name, TM_LOCK_NAME_MAX) || !word_ok(token, TM_LOCK_TOKEN_MAX) || !ttl_ok)
        return TM_EINVAL;
    return store->ops.capabilities & needed ? TM_OK : TM_EUNSUPPORTED;
}

int tm_store_lock(tm_store *store, const char *name, const char *token, int64_t ttl_ms, tm_error *error)
{
    tm_error said = {0};
    int cancel = tm__cancel_put_off();
    int status = check(store, TM_CAP_LOCKING, name, token, ttl_ms);
    if (status == TM_OK)
        status = store->ops.lock(store->self, name, token, ttl_ms, deadline_of(store), &said);
    return finish(status, cancel, &said, error);
}

int tm_store_unlock(tm_store *store, const char *name, const char *token, tm_error *error)
{
    tm_error said = {0};
    int cancel = tm__cancel_put_off();
    int status = check(store, TM_CAP_LOCKING, name, token, 1);
    if (status == TM_OK)
        status = store->ops.unlock(store->self, name, token, deadline_of(store), &said);
    return finish(status, cancel, &said, error);
}

int tm_store_lock_extend(tm_store *store, const char *name, const char *token, int64_t ttl_ms, tm_error *error)
{
    tm_error said = {0};
    int cancel = tm__cancel_put_off();
    int status = check(store, TM_CAP_LOCKING, name, token, ttl_ms);
    if (status == TM_OK)
        status = store->ops.extend(store->self, name, token, ttl_ms, deadline_of(store), &said);
    return finish(status, cancel, &said, error);
}

int tm_store_lock_ttl(tm_store *store, const char *name, int64_t *ttl_ms, tm_error *error)
{
    tm_error said = {0};
    int cancel = tm__cancel_put_off();
    int status = ttl_ms ? check(store, TM_CAP_TTL_INSPECTION, name, "-", 1) : TM_EINVAL;
    if (status == TM_OK)
        status = store->ops.ttl(store->self, name, deadline_of(store), ttl_ms, &said);
    return finish(status, cancel, &said, error);
}
