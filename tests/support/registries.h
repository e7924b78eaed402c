/* Registries, series and snapshots of them, in few words. Every function fails the test if it cannot do its work. */
#ifndef TM_TESTS_REGISTRIES_H
#define TM_TESTS_REGISTRIES_H

#include <taskermetrics/taskermetrics.h>

tm_registry *new_registry(void);
tm_registry_stats_t stats_of(tm_registry *registry);

tm_counter *counter_of(tm_registry *registry, const char *name, tm_labels labels);
tm_gauge *gauge_of(tm_registry *registry, const char *name, tm_labels labels);
tm_histogram *histogram_of(tm_registry *registry, const char *name, tm_labels labels);

/* A histogram with buckets of its own: BOUNDS(1, 2, 5). */
tm_histogram *histogram_with(tm_registry *registry, const char *name, const double *bounds, size_t bound_count);
#define BOUNDS(...) ((const double[]){__VA_ARGS__}), sizeof((const double[]){__VA_ARGS__}) / sizeof(double)

tm_snapshot *snapshot_of(tm_registry *registry);

/* The place of a family in a snapshot, SIZE_MAX if it is not there. */
size_t family_place(const tm_snapshot *snapshot, const char *name);

/* The numbers of a series, by family and canonical labels; NULL if it is not in the snapshot. */
const tm_number *values_in(const tm_snapshot *snapshot, const char *name, const char *labels);

#endif
