/* The pull side: from a registry or a store, through a snapshot, to an exporter. */
#include <taskermetrics/export.h>
#include <taskermetrics/registry.h>
#include <taskermetrics/snapshot.h>
#include <taskermetrics/store.h>

#include "export/export.h"

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
    tm_export_options checked;
    int status = tm__export_check_options(format, options, sink, &checked);
    if (status != TM_OK)
        return status;
    checked.instance = NULL; /* names a process, which an aggregate is not */
    tm_read_options reading = TM_READ_OPTIONS_INIT;
    reading.include_instances = checked.include_instances;
    tm_snapshot *snapshot;
    status = tm_store_read(store, &reading, &snapshot, NULL);
    if (status == TM_OK)
        status = tm_snapshot_export(snapshot, format, &checked, sink, ctx);
    tm_snapshot_free(snapshot);
    return status;
}
