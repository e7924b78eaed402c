/* Recording through the shared library. */
#include "registry.h"

static tm_registry *registry;
static const tm_labels *label_sets;
static const uint32_t *picks;
static const double *durations;
static size_t series;

static void make_registry(const bench_case *asked)
{
    series = asked->series;
    registry = bench_registry(series);
    label_sets = bench_label_sets(series);
    picks = bench_picks();
    durations = bench_durations();
}

/* ---- counters ------------------------------------------------------------------------------------------------ */

static tm_counter *counter;

/* The last of all series, so that it lies where much room was taken before. */
static void prepare_counter(const bench_case *asked)
{
    make_registry(asked);
    counter = bench_counters(registry, label_sets, series)[series - 1];
}

static void add_to_counter(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++)
        tm_counter_add(counter, 1);
}

static void prepare_lookup(const bench_case *asked)
{
    make_registry(asked);
    bench_counters(registry, label_sets, series);
}

/* order: 0 or 1, see bench_label_sets. A place in a program gives its labels in one order, so each order is a work. */
static inline void look_up_and_add(size_t order, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t chosen = bench_choose(picks[(first + i) % BENCH_INPUTS], series);
        tm_count(registry, "bench_tasks", 1, label_sets[2 * chosen + order]);
    }
}

static void look_up_in_order(size_t thread, size_t first, size_t count)
{
    (void)thread;
    look_up_and_add(0, first, count);
}

static void look_up_out_of_order(size_t thread, size_t first, size_t count)
{
    (void)thread;
    look_up_and_add(1, first, count);
}

/* ---- gauges -------------------------------------------------------------------------------------------------- */

static tm_gauge *shared_gauge;
static tm_gauge *own_gauges[BENCH_THREADS_MAX];

static void prepare_gauges(const bench_case *asked)
{
    make_registry(asked);
    tm_gauge_get(registry, "bench_gauge", TM_NO_LABELS, &shared_gauge);
    const tm_labels *sets = bench_label_sets(asked->threads);
    for (size_t i = 0; i < asked->threads; i++)
        tm_gauge_get(registry, "bench_gauge", sets[2 * i], &own_gauges[i]);
}

static void set_shared_gauge(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_gauge_set(shared_gauge, durations[(first + i) % BENCH_INPUTS]);
}

static void set_own_gauge(size_t thread, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tm_gauge_set(own_gauges[thread], durations[(first + i) % BENCH_INPUTS]);
}

static void add_to_gauge(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_gauge_add(shared_gauge, durations[(first + i) % BENCH_INPUTS]);
}

/* ---- histograms ---------------------------------------------------------------------------------------------- */

static tm_histogram *histogram;

static void prepare_histogram(const bench_case *asked)
{
    make_registry(asked);
    histogram = bench_histogram(registry, "bench_seconds", bench_bounds, BENCH_BOUNDS);
}

static void prepare_wide_histogram(const bench_case *asked)
{
    make_registry(asked);
    histogram = bench_histogram(registry, "bench_seconds", bench_many_bounds, BENCH_MANY_BOUNDS);
}

static void observe(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_histogram_observe(histogram, durations[(first + i) % BENCH_INPUTS]);
}

static const bench_work works[] = {
    {.name = "counter", .prepare = prepare_counter, .repeat = add_to_counter},
    {.name = "counter_cpu", .prepare = prepare_counter, .repeat = add_to_counter, .cpu_time = true},
    {.name = "lookup", .prepare = prepare_lookup, .repeat = look_up_in_order},
    {.name = "lookup_unordered", .prepare = prepare_lookup, .repeat = look_up_out_of_order},
    {.name = "gauge_set", .prepare = prepare_gauges, .repeat = set_shared_gauge},
    {.name = "gauge_set_own", .prepare = prepare_gauges, .repeat = set_own_gauge},
    {.name = "gauge_add", .prepare = prepare_gauges, .repeat = add_to_gauge},
    {.name = "observe", .prepare = prepare_histogram, .repeat = observe},
    {.name = "observe_40", .prepare = prepare_wide_histogram, .repeat = observe},
};

int main(int argc, char **argv)
{
    return bench_main("taskermetrics", works, sizeof works / sizeof *works, argc, argv);
}
