/* How long from when a value is recorded in one process until it stands in what another one scrapes, through Redis. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "registry.h"
#include "server.h"

enum { INTERVAL_MS = 100, TEXT_BYTES = 4 << 20 };

/* Between the two processes. CLOCK_MONOTONIC is the same for both. */
typedef struct record {
    _Atomic int64_t time_ns; /* of the last event: stored before it is counted */
    _Atomic uint64_t seen;   /* how many events the scraper has seen; then comes the next */
} record;

static record *shared;

static void sleep_ns(int64_t ns)
{
    if (ns > 0)
        nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

static tm_store *open_store(void)
{
    tm_store *store;
    tm_error error;
    if (tm_store_open(bench_redis_url(), NULL, &store, &error) != TM_OK)
        bench_fail(error.text);
    return store;
}

/* ---- the process that records -------------------------------------------------------------------------------- */

/* At moments that have nothing to do with those of the syncs, and are others in every process. */
static void *count_events(void *arg)
{
    tm_counter *events = arg;
    const uint32_t *picks = bench_picks();
    size_t first = (size_t)getpid() * 1009;
    for (uint64_t i = 0;; i++) {
        while (atomic_load(&shared->seen) != i)
            sleep_ns(100 * 1000);
        sleep_ns((int64_t)bench_choose(picks[(first + i) % BENCH_INPUTS], INTERVAL_MS * 1000000));
        atomic_store(&shared->time_ns, tm_monotonic_ns());
        tm_counter_inc(events);
    }
    return NULL;
}

__attribute__((noreturn)) static void sync_again_and_again(tm_registry *registry)
{
    tm_store *store = open_store();
    for (int64_t next_ns = tm_monotonic_ns();; next_ns += INTERVAL_MS * INT64_C(1000000)) {
        sleep_ns(next_ns - tm_monotonic_ns());
        tm_sync_report report = TM_SYNC_REPORT_INIT;
        if (tm_sync_to_cache(registry, store, &report) != TM_OK)
            bench_fail(report.error.text);
    }
}

__attribute__((noreturn)) static void record_and_sync(size_t series)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    tm_registry *registry = bench_registry(series);
    bench_counters(registry, bench_label_sets(series), series);
    tm_counter *events;
    pthread_t thread;
    if (tm_counter_get(registry, "bench_events", TM_NO_LABELS, &events) != TM_OK ||
        pthread_create(&thread, NULL, count_events, events) != 0)
        bench_fail("no recorder");
    sync_again_and_again(registry);
}

/* ---- the process that scrapes -------------------------------------------------------------------------------- */

static char text[TEXT_BYTES];
static size_t text_len;

static int keep(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    if (len >= TEXT_BYTES - text_len)
        return 1;
    memcpy(text + text_len, bytes, len);
    text_len += len;
    return 0;
}

static uint64_t scrape_events(tm_store *store)
{
    text_len = 0;
    int status = tm_export_distributed(store, TM_FORMAT_PROMETHEUS, NULL, keep, NULL);
    if (status != TM_OK)
        bench_fail(tm_status_text(status));
    text[text_len] = '\0';
    const char *line = strstr(text, "\nbench_events_total ");
    return line ? strtoull(line + strlen("\nbench_events_total "), NULL, 10) : 0;
}

static void measure(const bench_case *asked)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bench_fail("no memory");
    pid_t recorder = fork();
    if (recorder < 0)
        bench_fail("no process");
    if (recorder == 0)
        record_and_sync(asked->series);
    tm_store *store = open_store();
    double begin = bench_now_ns();
    while (bench_now_ns() - begin < asked->window_ns && waitpid(recorder, NULL, WNOHANG) == 0)
        if (scrape_events(store) > atomic_load(&shared->seen)) {
            bench_report((double)(tm_monotonic_ns() - atomic_load(&shared->time_ns)));
            atomic_fetch_add(&shared->seen, 1);
        }
    kill(recorder, SIGKILL);
    waitpid(recorder, NULL, 0);
    tm_store_close(store);
}

static const bench_work works[] = {{.name = "visibility", .measure = measure}};

int main(int argc, char **argv)
{
    return bench_main("taskermetrics", works, sizeof works / sizeof *works, argc, argv);
}
