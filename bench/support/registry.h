/* Registries with many series, for the contestants of this library. */
#ifndef TM_BENCH_REGISTRY_H
#define TM_BENCH_REGISTRY_H

#include <taskermetrics/taskermetrics.h>

#include "bench.h"

/* A registry that takes this many series and some more. */
tm_registry *bench_registry(size_t series);

/* The labels of each series two times: at 2 i the status first, at 2 i + 1 the task name. */
const tm_labels *bench_label_sets(size_t series);

/* The family bench_tasks, with this many series. */
tm_counter **bench_counters(tm_registry *registry, const tm_labels *label_sets, size_t series);

/* The family bench_task_seconds, with bench_bounds. */
tm_histogram **bench_histograms(tm_registry *registry, const tm_labels *label_sets, size_t series);

/* The histogram without labels of a family of its own. */
tm_histogram *bench_histogram(tm_registry *registry, const char *name, const double *bounds, size_t bound_count);

#endif
