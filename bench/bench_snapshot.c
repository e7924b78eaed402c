/* Snapshots: what one costs, and what recording feels of them. */
#include <pthread.h>
#include <time.h>

#include "registry.h"

static const bench_case *asked_case;
static tm_registry *registry;
static tm_counter **counters;
static const uint32_t *picks;

static void take_one(void)
{
    tm_snapshot *snapshot;
    if (tm_snapshot_take(registry, &snapshot) != TM_OK)
        bench_fail("no snapshot");
    tm_snapshot_free(snapshot);
}

static void make_counters(const bench_case *asked)
{
    asked_case = asked;
    registry = bench_registry(asked->series);
    counters = bench_counters(registry, bench_label_sets(asked->series), asked->series);
    picks = bench_picks();
}

static void add_to_any(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        tm_counter_add(counters[bench_choose(picks[(first + i) % BENCH_INPUTS], asked_case->series)], 1);
}

/* On whichever core has time; ends with the process. */
static void *take_again_and_again(void *arg)
{
    const struct timespec *pause = arg;
    for (;;) {
        take_one();
        if (pause)
            nanosleep(pause, NULL);
    }
    return NULL;
}

static void make_counters_and_taker(const bench_case *asked, struct timespec *pause)
{
    make_counters(asked);
    pthread_t taker;
    if (pthread_create(&taker, NULL, take_again_and_again, pause) != 0)
        bench_fail("no thread");
}

static void take_now_and_then(const bench_case *asked)
{
    static struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    make_counters_and_taker(asked, &pause);
}

static void take_without_pause(const bench_case *asked)
{
    make_counters_and_taker(asked, NULL);
}

/* ---- one snapshot of what many threads have recorded --------------------------------------------------------- */

static pthread_barrier_t all_recorded;

static void record_everywhere(size_t thread)
{
    (void)thread;
    for (size_t i = 0; i < asked_case->series; i++)
        tm_counter_inc(counters[i]);
    pthread_barrier_wait(&all_recorded);
}

static void measure_snapshot(const bench_case *asked)
{
    make_counters(asked);
    pthread_barrier_init(&all_recorded, NULL, (unsigned)asked->threads);
    bench_on_threads(asked->threads, record_everywhere);
    take_one();
    size_t taken = 0;
    double begin = bench_now_ns();
    double ns;
    do {
        take_one();
        taken++;
        ns = bench_now_ns() - begin;
    } while (ns < asked->window_ns);
    bench_report(ns / (double)taken);
}

static const bench_work works[] = {
    {.name = "snapshot", .measure = measure_snapshot},
    {.name = "add_undisturbed", .prepare = make_counters, .repeat = add_to_any, .cpu_time = true},
    {.name = "add_under_snapshots", .prepare = take_now_and_then, .repeat = add_to_any, .cpu_time = true},
    {.name = "add_under_snapshots_without_pause",
     .prepare = take_without_pause,
     .repeat = add_to_any,
     .cpu_time = true},
};

int main(int argc, char **argv)
{
    return bench_main("taskermetrics", works, sizeof works / sizeof *works, argc, argv);
}
