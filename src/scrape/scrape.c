/* The pull side: from a registry or a store, through a snapshot, to an exporter. */
#include <taskermetrics/export.h>
#include <taskermetrics/registry.h>
#include <taskermetrics/snapshot.h>
#include <taskermetrics/store.h>

int tm_export(tm_registry *registry, tm_format format, const tm_export_options *options, tm_sink sink, void *ctx)
{
    tm_snapshot *snapshot;
    int status = tm_snapshot_take(registry, &snapshot);
    if (status == TM_OK)
        status = tm_snapshot_export(snapshot, format, options, sink, ctx);
    tm_snapshot_free(snapshot);
    return status;
}

int tm_export_distributed(tm_store *store, tm_format format, const tm_export_options *options, tm_sink sink, void *ctx)
{
    if (options && options->size != 0 && options->size < sizeof *options)
        return TM_EINVAL;
    tm_read_options reading = TM_READ_OPTIONS_INIT;
    reading.include_instances = options && options->include_instances;
    tm_snapshot *snapshot;
    int status = tm_store_read(store, &reading, &snapshot, NULL);
    if (status == TM_OK)
        status = tm_snapshot_export(snapshot, format, options, sink, ctx);
    tm_snapshot_free(snapshot);
    return status;
}
