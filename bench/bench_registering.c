/* Making series, and the memory that they take. */
#include <pthread.h>
#include <string.h>

#include "registry.h"

static const bench_case *asked_case;

/* For all series, together with a first count. The registry before stays, so that its memory does not come back. */
static void measure_registering(const bench_case *asked)
{
    const tm_labels *label_sets = bench_label_sets(asked->series);
    for (int round = 0; round < 2; round++) {
        double begin = bench_now_ns();
        tm_registry *registry = bench_registry(asked->series);
        for (size_t i = 0; i < asked->series; i++)
            tm_count(registry, "bench_tasks", 1, label_sets[2 * i]);
        if (round == 1)
            bench_report(bench_now_ns() - begin);
    }
}

/* ---- memory: bytes a series ---------------------------------------------------------------------------------- */

static tm_registry *registry;
static tm_counter **counters;
static tm_histogram **histograms;
static pthread_barrier_t all_recorded;

/* A thread that ends leaves its cells to the next: all must be there at once. */
static void record_everywhere(size_t thread)
{
    (void)thread;
    for (size_t i = 0; i < asked_case->series; i++)
        if (counters)
            tm_counter_inc(counters[i]);
        else
            tm_histogram_observe(histograms[i], 0.1);
    pthread_barrier_wait(&all_recorded);
}

static double heap_growth(const tm_labels *label_sets)
{
    size_t handle_bytes = asked_case->series * sizeof(void *);
    size_t before = bench_heap_bytes();
    registry = bench_registry(asked_case->series);
    if (strstr(asked_case->work, "counters"))
        counters = bench_counters(registry, label_sets, asked_case->series);
    else
        histograms = bench_histograms(registry, label_sets, asked_case->series);
    bench_on_threads(asked_case->threads, record_everywhere);
    return (double)(bench_heap_bytes() - before - handle_bytes);
}

static double told_by_stats(void)
{
    tm_registry_stats_t stats = TM_REGISTRY_STATS_INIT;
    tm_registry_stats(registry, &stats);
    return (double)stats.memory_bytes;
}

static void measure_memory(const bench_case *asked)
{
    asked_case = asked;
    pthread_barrier_init(&all_recorded, NULL, (unsigned)asked->threads);
    double bytes = heap_growth(bench_label_sets(asked->series));
    if (strstr(asked->work, "stats"))
        bytes = told_by_stats();
    bench_report(bytes / (double)asked->series);
}

static const bench_work works[] = {
    {.name = "register", .measure = measure_registering},
    {.name = "heap_of_counters", .measure = measure_memory},
    {.name = "heap_of_histograms", .measure = measure_memory},
    {.name = "stats_of_counters", .measure = measure_memory},
    {.name = "stats_of_histograms", .measure = measure_memory},
};

int main(int argc, char **argv)
{
    return bench_main("taskermetrics", works, sizeof works / sizeof *works, argc, argv);
}
