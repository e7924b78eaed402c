#include "stores.h"

#include <math.h>

#include "registries.h"
#include "test.h"

tm_store *open_store(const char *url, const tm_store_options *options)
{
    tm_store *store;
    tm_error error;
    if (tm_store_open(url, options, &store, &error) != TM_OK)
        fail_msg("%s: %s", tm_status_name(error.status), error.text);
    return store;
}

void open_must_fail(const char *url, const tm_store_options *options, int status, tm_error *error)
{
    tm_store *store = (tm_store *)1;
    assert_status(tm_store_open(url, options, &store, error), status);
    assert_null(store);
    assert_int_equal(error->status, status);
    assert_true(error->text[0] != '\0');
    if (strstr(error->text, "secret"))
        fail_msg("a secret is shown: %s", error->text);
}

tm_sync_report sync_store(tm_registry *registry, tm_store *store)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    if (tm_sync_to_cache(registry, store, &report) != TM_OK)
        fail_msg("%s: %s", tm_status_name(report.error.status), report.error.text);
    return report;
}

tm_sync_report sync_must_fail(tm_registry *registry, tm_store *store, int status)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int got = tm_sync_to_cache(registry, store, &report);
    if (got != status)
        fail_msg("%s, expected %s: %s", tm_status_name(got), tm_status_name(status), report.error.text);
    assert_int_equal(report.error.status, status);
    assert_true(report.error.text[0] != '\0');
    if (strstr(report.error.text, "secret"))
        fail_msg("a secret is shown: %s", report.error.text);
    return report;
}

static tm_snapshot *read_with(tm_store *store, int include_instances)
{
    tm_read_options options = TM_READ_OPTIONS_INIT;
    options.include_instances = include_instances;
    tm_snapshot *snapshot;
    tm_error error;
    if (tm_store_read(store, &options, &snapshot, &error) != TM_OK)
        fail_msg("%s: %s", tm_status_name(error.status), error.text);
    return snapshot;
}

tm_snapshot *read_store(tm_store *store)
{
    return read_with(store, 0);
}

tm_snapshot *read_instances(tm_store *store)
{
    return read_with(store, 1);
}

uint64_t stored_count(tm_store *store, const char *family, const char *labels, size_t part)
{
    tm_snapshot *snapshot = read_store(store);
    const tm_number *values = values_in(snapshot, family, labels);
    uint64_t count = values ? values[part].u : 0;
    tm_snapshot_free(snapshot);
    return count;
}

double stored_gauge(tm_store *store, const char *family, const char *labels)
{
    tm_snapshot *snapshot = read_store(store);
    const tm_number *values = values_in(snapshot, family, labels);
    double value = values ? values[0].d : NAN;
    tm_snapshot_free(snapshot);
    return value;
}
