/* Recording through the shared library, against the same work written out in the bench. */
#include <stdatomic.h>
#include <stdio.h>

#include <taskermetrics/taskermetrics.h>

#include "bench.h"

enum { COUNTS = 20 * 1000 * 1000, OBSERVATIONS = 5 * 1000 * 1000, BOUNDS = 11, SERIES = 10000 };

static tm_counter *counter;
static tm_gauge *gauge;
static tm_gauge *added_gauge;
static tm_histogram *histogram;
static const double *values;

static void add_counter(size_t thread, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_counter_inc(counter);
}

static void set_gauge(size_t thread, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_gauge_set(gauge, (double)i);
}

static void add_gauge(size_t thread, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_gauge_add(added_gauge, 1);
}

static void observe(size_t thread, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tm_histogram_observe(histogram, values[(i + thread * 1009) % BENCH_VALUES]);
}

/* ---- the floors ---------------------------------------------------------------------------------------------- */

static _Atomic uint64_t shared_number;

static void add_shared(size_t thread, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        atomic_fetch_add_explicit(&shared_number, 1, memory_order_relaxed);
}

static const double bounds[BOUNDS] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

typedef struct own_cells {
    _Alignas(64) _Atomic uint64_t buckets[BOUNDS + 1];
    _Atomic double sum;
} own_cells;

static own_cells cells[BENCH_THREADS_MAX];

/* As many bounds as the library is told at run time, not a number the compiler knows. */
static volatile size_t bound_count = BOUNDS;

static void observe_inline(size_t thread, size_t count)
{
    own_cells *own = &cells[thread];
    for (size_t i = 0; i < count; i++) {
        double value = values[(i + thread * 1009) % BENCH_VALUES];
        size_t below = 0;
        size_t n = bound_count;
        for (size_t k = 0; k < n; k++)
            below += value > bounds[k];
        _Atomic uint64_t *bucket = &own->buckets[below];
        atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1, memory_order_relaxed);
        double sum = atomic_load_explicit(&own->sum, memory_order_relaxed) + value;
        atomic_store_explicit(&own->sum, sum, memory_order_relaxed);
    }
}

/* ---- the marks ----------------------------------------------------------------------------------------------- */

enum { COUNTER, SHARED, GAUGE_SET, GAUGE_ADD, OBSERVE, INLINE, CONTESTANTS };

static void measure(bench_contestant contestants[CONTESTANTS], size_t threads)
{
    const bench_contestant fresh[CONTESTANTS] = {
        [COUNTER] = {.name = "counter add", .work = add_counter, .count = COUNTS},
        [SHARED] = {.name = "floor: shared lock xadd", .work = add_shared, .count = COUNTS / 5},
        [GAUGE_SET] = {.name = "gauge set", .work = set_gauge, .count = COUNTS / 5},
        [GAUGE_ADD] = {.name = "gauge add", .work = add_gauge, .count = COUNTS},
        [OBSERVE] = {.name = "histogram observe, 11 bounds", .work = observe, .count = OBSERVATIONS},
        [INLINE] = {.name = "floor: observe written inline", .work = observe_inline, .count = OBSERVATIONS},
    };
    for (size_t i = 0; i < CONTESTANTS; i++)
        contestants[i] = fresh[i];
    bench_run(contestants, CONTESTANTS, threads);
    printf("%zu thread%s, ns an operation and thread, median of %d\n", threads, threads == 1 ? "" : "s", BENCH_REPEATS);
    for (size_t i = 0; i < CONTESTANTS; i++)
        printf("  %-34s %8.2f\n", contestants[i].name, contestants[i].median_ns);
}

static double bytes_of_a_series(void)
{
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = SERIES;
    tm_registry_stats_t before = TM_REGISTRY_STATS_INIT;
    tm_registry_stats_t after = TM_REGISTRY_STATS_INIT;
    tm_registry_stats(tm_registry_default(), &before);
    tm_registry *registry;
    if (tm_registry_new(&options, &registry) != TM_OK)
        return -1;
    for (size_t i = 0; i < SERIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "task_%05zu", i);
        tm_count(registry, "tasks", 1, TM_LABELS("status", "success", "task_name", name));
    }
    tm_registry_stats(registry, &after);
    tm_registry_free(registry);
    return (double)(after.memory_bytes - before.memory_bytes) / SERIES;
}

int main(void)
{
    tm_registry *registry = tm_registry_default();
    values = bench_values(12);
    tm_counter_get(registry, "bench_counter", TM_NO_LABELS, &counter);
    tm_gauge_get(registry, "bench_gauge", TM_NO_LABELS, &gauge);
    tm_gauge_get(registry, "bench_added_gauge", TM_NO_LABELS, &added_gauge);
    tm_histogram_get(registry, "bench_histogram", TM_NO_LABELS, &histogram);

    size_t cores = bench_cores() < BENCH_THREADS_MAX ? bench_cores() : BENCH_THREADS_MAX;
    double bytes = bytes_of_a_series();
    bench_contestant one[CONTESTANTS];
    bench_contestant all[CONTESTANTS];
    measure(one, 1);
    measure(all, cores);

    printf("marks\n");
    double speed_up = (double)cores * one[COUNTER].median_ns / all[COUNTER].median_ns;
    bench_mark("counter add: total rate at all cores / that of one thread", speed_up, ">=", 0.6 * (double)cores);
    bench_mark("counter add: rate / that of a shared lock xadd, all cores",
               all[SHARED].median_ns / all[COUNTER].median_ns, ">=", 5);
    bench_mark("histogram observe: cost / the same written inline", one[OBSERVE].median_ns / one[INLINE].median_ns, "<=",
               2);
    bench_mark("bytes a counter series of two labels, one thread", bytes, "<=", 200);
    return bench_result();
}
