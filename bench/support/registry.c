#include "registry.h"

#include <stdlib.h>

static void *room_for(size_t n, size_t bytes)
{
    void *room = malloc(n * bytes);
    if (!room)
        bench_fail("no memory");
    return room;
}

tm_registry *bench_registry(size_t series)
{
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = series + 10;
    options.max_series = series + 100;
    tm_registry *registry;
    if (tm_registry_new(&options, &registry) != TM_OK)
        bench_fail("no registry");
    return registry;
}

const tm_labels *bench_label_sets(size_t series)
{
    const bench_task_name *names = bench_task_names(series);
    const char *(*pairs)[4] = room_for(2 * series, sizeof *pairs);
    tm_labels *sets = room_for(2 * series, sizeof *sets);
    for (size_t i = 0; i < 2 * series; i++) {
        size_t status_at = i % 2 ? 2 : 0;
        size_t name_at = 2 - status_at;
        pairs[i][status_at] = "status";
        pairs[i][status_at + 1] = bench_status(i / 2);
        pairs[i][name_at] = "task_name";
        pairs[i][name_at + 1] = names[i / 2].text;
        sets[i] = (tm_labels){pairs[i], 2};
    }
    return sets;
}

tm_counter **bench_counters(tm_registry *registry, const tm_labels *label_sets, size_t series)
{
    tm_counter **counters = room_for(series, sizeof *counters);
    for (size_t i = 0; i < series; i++)
        if (tm_counter_get(registry, "bench_tasks", label_sets[2 * i], &counters[i]) != TM_OK)
            bench_fail("no counter");
    return counters;
}

static void describe_histogram(tm_registry *registry, const char *name, const double *bounds, size_t bound_count)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = name;
    family.type = TM_TYPE_HISTOGRAM;
    family.buckets = bounds;
    family.bucket_count = bound_count;
    if (tm_describe(registry, &family) != TM_OK)
        bench_fail("no family");
}

tm_histogram **bench_histograms(tm_registry *registry, const tm_labels *label_sets, size_t series)
{
    describe_histogram(registry, "bench_task_seconds", bench_bounds, BENCH_BOUNDS);
    tm_histogram **histograms = room_for(series, sizeof *histograms);
    for (size_t i = 0; i < series; i++)
        if (tm_histogram_get(registry, "bench_task_seconds", label_sets[2 * i], &histograms[i]) != TM_OK)
            bench_fail("no histogram");
    return histograms;
}

tm_histogram *bench_histogram(tm_registry *registry, const char *name, const double *bounds, size_t bound_count)
{
    describe_histogram(registry, name, bounds, bound_count);
    tm_histogram *histogram;
    if (tm_histogram_get(registry, name, TM_NO_LABELS, &histogram) != TM_OK)
        bench_fail("no histogram");
    return histogram;
}
