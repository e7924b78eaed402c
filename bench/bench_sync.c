/* Syncing 10,000 changed series, or none, of many: into a store in memory, into Redis and into Memcached. */
#include <string.h>

#include "registry.h"
#include "server.h"

enum { CHANGED = 10000, ROUNDS = 20, ROUNDS_OF_A_SERVER = 6, WARM_UP_ROUNDS = 2 };

static tm_registry *registry;
static tm_counter **counters;
static tm_store *store;

static void open_store(const char *url)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 60000;
    tm_error error;
    if (tm_store_open(url, &options, &store, &error) != TM_OK)
        bench_fail(error.text);
}

static double sync_ns(void)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    double begin = bench_now_ns();
    if (tm_sync_to_cache(registry, store, &report) != TM_OK)
        bench_fail(report.error.text);
    return bench_now_ns() - begin;
}

/* Each round another choice of series; step: from one to the next, in the order in which they were made. */
static void add_to_some(size_t series, size_t changed, size_t step, size_t round)
{
    for (size_t i = 0; i < changed; i++)
        tm_counter_inc(counters[(i * step + round) % series]);
}

static void measure_syncs(size_t series, size_t changed, size_t step, size_t rounds)
{
    double sum = 0;
    for (size_t round = 0; round < WARM_UP_ROUNDS + rounds; round++) {
        add_to_some(series, changed, step, round);
        double ns = sync_ns();
        sum += round < WARM_UP_ROUNDS ? 0 : ns;
    }
    bench_report(sum / (double)rounds);
}

static void measure_reads(size_t rounds)
{
    double begin = bench_now_ns();
    for (size_t round = 0; round < rounds; round++) {
        tm_snapshot *snapshot;
        tm_error error;
        if (tm_store_read(store, NULL, &snapshot, &error) != TM_OK)
            bench_fail(error.text);
        tm_snapshot_free(snapshot);
    }
    bench_report((bench_now_ns() - begin) / (double)rounds);
}

static const char *url_for(const char *work)
{
    return strncmp(work, "redis", 5) == 0       ? bench_redis_url()
           : strncmp(work, "memcached", 9) == 0 ? bench_memcached_url()
                                                : "memory:";
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

/* Everything is there before; the name of the work says where, and what changes. */
static void measure(const bench_case *asked)
{
    size_t series = asked->series;
    registry = bench_registry(series);
    counters = bench_counters(registry, bench_label_sets(series), series);
    const char *url = url_for(asked->work);
    open_store(url);
    add_to_some(series, series, 1, 0);
    sync_ns();
    size_t rounds = strcmp(url, "memory:") == 0 ? ROUNDS : ROUNDS_OF_A_SERVER;
    if (ends_with(asked->work, "_read"))
        measure_reads(rounds);
    else if (ends_with(asked->work, "_idle"))
        measure_syncs(series, 0, 1, rounds);
    else if (ends_with(asked->work, "_spread"))
        measure_syncs(series, CHANGED, series / CHANGED, rounds);
    else
        measure_syncs(series, CHANGED, 1, rounds);
}

static const bench_work works[] = {
    {.name = "sync_spread", .measure = measure},
    {.name = "sync_together", .measure = measure},
    {.name = "sync_idle", .measure = measure},
    {.name = "redis_sync_spread", .measure = measure},
    {.name = "redis_sync_idle", .measure = measure},
    {.name = "redis_read", .measure = measure},
    {.name = "memcached_sync_spread", .measure = measure},
    {.name = "memcached_sync_idle", .measure = measure},
    {.name = "memcached_read", .measure = measure},
};

int main(int argc, char **argv)
{
    return bench_main("taskermetrics", works, sizeof works / sizeof *works, argc, argv);
}
