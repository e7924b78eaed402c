#include "registries.h"

#include "test.h"

tm_registry *new_registry(void)
{
    tm_registry *registry;
    assert_ok(tm_registry_new(NULL, &registry));
    return registry;
}

tm_registry_stats_t stats_of(tm_registry *registry)
{
    tm_registry_stats_t stats = TM_REGISTRY_STATS_INIT;
    assert_ok(tm_registry_stats(registry, &stats));
    return stats;
}

tm_counter *counter_of(tm_registry *registry, const char *name, tm_labels labels)
{
    tm_counter *counter;
    assert_ok(tm_counter_get(registry, name, labels, &counter));
    return counter;
}

tm_gauge *gauge_of(tm_registry *registry, const char *name, tm_labels labels)
{
    tm_gauge *gauge;
    assert_ok(tm_gauge_get(registry, name, labels, &gauge));
    return gauge;
}

tm_histogram *histogram_of(tm_registry *registry, const char *name, tm_labels labels)
{
    tm_histogram *histogram;
    assert_ok(tm_histogram_get(registry, name, labels, &histogram));
    return histogram;
}

tm_histogram *histogram_with(tm_registry *registry, const char *name, const double *bounds, size_t bound_count)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = name;
    family.type = TM_TYPE_HISTOGRAM;
    family.buckets = bounds;
    family.bucket_count = bound_count;
    assert_ok(tm_describe(registry, &family));
    return histogram_of(registry, name, TM_NO_LABELS);
}

tm_snapshot *snapshot_of(tm_registry *registry)
{
    tm_snapshot *snapshot;
    assert_ok(tm_snapshot_take(registry, &snapshot));
    return snapshot;
}

size_t family_place(const tm_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++)
        if (strcmp(tm_snapshot_family(snapshot, i)->name, name) == 0)
            return i;
    return SIZE_MAX;
}

const tm_number *values_in(const tm_snapshot *snapshot, const char *name, const char *labels)
{
    size_t place = family_place(snapshot, name);
    for (size_t k = 0; k < tm_snapshot_series_count(snapshot, place); k++) {
        tm_series series = tm_snapshot_series(snapshot, place, k);
        if (series.labels_bytes == strlen(labels) && memcmp(series.labels, labels, series.labels_bytes) == 0)
            return series.values;
    }
    return NULL;
}
