/* The pull side: from a registry or a store, through a snapshot, to an exporter. */
#include <taskermetrics/export.h>
#include <taskermetrics/registry.h>

#include "base/clock.h"
#include "store/store.h"

int tm_export(tm_registry *registry, tm_format format, const tm_export_options *options, tm_sink sink, void *ctx)
{
    tm_snapshot *snapshot;
    int status = tm_snapshot_take(registry, &snapshot);
    if (status == TM_OK)
        status = tm_snapshot_export(snapshot, format, options, sink, ctx);
    tm_snapshot_free(snapshot);
    return status;
}

static int read_store(tm_store *store, const tm_export_options *options, tm_snapshot *into)
{
    int64_t deadline_ns = tm__monotonic_ns() + store->sync_timeout_ms * 1000000;
    tm_read_options reading = {.size = sizeof reading, .include_instances = options && options->include_instances};
    tm_error error = {0};
    return store->ops.read(store->self, &reading, deadline_ns, into, &error);
}

int tm_export_distributed(tm_store *store, tm_format format, const tm_export_options *options, tm_sink sink, void *ctx)
{
    if (!store || (options && options->size != 0 && options->size < sizeof *options))
        return TM_EINVAL;
    tm_snapshot *snapshot;
    int status = tm_snapshot_new(tm__wall_ms(), &snapshot);
    if (status == TM_OK)
        status = read_store(store, options, snapshot);
    if (status == TM_OK)
        status = tm_snapshot_export(snapshot, format, options, sink, ctx);
    tm_snapshot_free(snapshot);
    return status;
}
