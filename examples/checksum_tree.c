/* A small workflow engine with metrics: digests every regular file of a tree with worker threads.
 *
 * The walker (the main thread) puts paths into a bounded queue, the workers run one task for each: stat, read, digest.
 * Meanwhile the application's own timer brings the metrics into a store; at the end the aggregate of all runs, past
 * ones and those at work elsewhere included, is read back from it and printed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum_tree/metrics.h"
#include "checksum_tree/options.h"
#include "checksum_tree/output.h"
#include "checksum_tree/periodic.h"
#include "checksum_tree/queue.h"
#include "checksum_tree/task.h"
#include "checksum_tree/walk.h"

enum { PROGRESS_INTERVAL_MS = 100 };

typedef struct tree_engine {
    const tree_options *options;
    task_metrics metrics;
    tm_store *store;
    path_queue queue;
    int sync_status; /* of the timer's last sync: each new trouble is told once */
} tree_engine;

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "checksum_tree: %s: %s\n", what, why);
    return false;
}

/* ---- Sync ---- */

static void sync_from_timer(void *arg)
{
    tree_engine *engine = arg;
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(engine->metrics.registry, engine->store, &report);
    if (status != TM_OK && status != engine->sync_status)
        complain("sync failed, the next one goes on", report.error.text);
    engine->sync_status = status;
}

static bool sync_for_the_last_time(tree_engine *engine)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(engine->metrics.registry, engine->store, &report);
    return status == TM_OK || complain("the final sync failed", report.error.text);
}

/* ---- Progress ---- */

static uint64_t tasks_ended(const task_metrics *metrics)
{
    return tm_counter_value(metrics->tasks[SUCCESS]) + tm_counter_value(metrics->tasks[FAILURE]);
}

static void show_progress(void *arg)
{
    const task_metrics *metrics = &((tree_engine *)arg)->metrics;
    fprintf(stderr, "\r\033[K%" PRIu64 " files, %.1f MiB read, %.0f at work", tasks_ended(metrics),
            (double)tm_counter_value(metrics->read_bytes) / (1024 * 1024), tm_gauge_value(metrics->active_tasks));
}

static void show_summary(const task_metrics *metrics, tree_digest digest, int64_t duration_ns)
{
    fprintf(stderr,
            "%s%" PRIu64 " files (%" PRIu64 " failed), %" PRIu64 " bytes, %" PRIu64 " directories (%" PRIu64
            " unreadable), digest %016" PRIx64 "%016" PRIx64 ", in %.2f s\n",
            isatty(STDERR_FILENO) ? "\r\033[K" : "", tasks_ended(metrics), tm_counter_value(metrics->tasks[FAILURE]),
            tm_counter_value(metrics->size_bytes),
            tm_counter_value(metrics->directories[SUCCESS]) + tm_counter_value(metrics->directories[FAILURE]),
            tm_counter_value(metrics->directories[FAILURE]), digest.high, digest.low, (double)duration_ns * 1e-9);
}

/* ---- Workers ---- */

typedef struct worker_thread {
    pthread_t thread;
    tree_engine *engine;
    tree_digest digest;
} worker_thread;

static void *work(void *arg)
{
    worker_thread *self = arg;
    self->digest = run_tasks(&self->engine->queue, &self->engine->metrics);
    return NULL;
}

/* Starts as many workers as it can and returns how many. */
static size_t start_workers(tree_engine *engine, worker_thread *workers)
{
    size_t count = 0;
    for (; count < engine->options->threads; count++) {
        workers[count].engine = engine;
        if (pthread_create(&workers[count].thread, NULL, work, &workers[count]) != 0)
            break;
    }
    return count;
}

static tree_digest join_workers(worker_thread *workers, size_t count)
{
    tree_digest total = {0};
    for (size_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        tree_digest_add(&total, workers[i].digest);
    }
    return total;
}

static bool walk_with_workers(tree_engine *engine, tree_digest *digest)
{
    worker_thread *workers = calloc(engine->options->threads, sizeof *workers);
    size_t count = workers ? start_workers(engine, workers) : 0;
    int error = count > 0 ? walk(engine->options->path, &engine->queue, &engine->metrics) : EAGAIN;
    queue_close(&engine->queue);
    *digest = join_workers(workers, count);
    free(workers);
    return error == 0 || complain(count > 0 ? engine->options->path : "cannot start a thread", strerror(error));
}

/* ---- The whole run ---- */

static bool run(tree_engine *engine)
{
    int64_t started_ns = tm_monotonic_ns();
    periodic_job sync_timer;
    periodic_job progress;
    tree_digest digest;
    int error = periodic_start(&sync_timer, engine->options->interval_ms, sync_from_timer, engine);
    if (error)
        return complain("cannot start the sync timer", strerror(error));
    bool has_progress =
        isatty(STDERR_FILENO) && periodic_start(&progress, PROGRESS_INTERVAL_MS, show_progress, engine) == 0;
    bool walked = walk_with_workers(engine, &digest);
    if (has_progress)
        periodic_stop(&progress);
    periodic_stop(&sync_timer);
    show_summary(&engine->metrics, digest, tm_monotonic_ns() - started_ns);
    return walked;
}

/* One picture of the store in all three formats. */
static bool report(const tree_engine *engine)
{
    const char *directory = engine->options->out_directory;
    tm_snapshot *aggregate;
    tm_error error;
    if (tm_store_read(engine->store, NULL, &aggregate, &error) != TM_OK)
        return complain("cannot read the store", error.text);
    bool json = write_snapshot(aggregate, TM_FORMAT_JSON, directory, "metrics.json");
    bool csv = write_snapshot(aggregate, TM_FORMAT_CSV, directory, "metrics.csv");
    bool text = print_snapshot(aggregate, TM_FORMAT_PROMETHEUS, stdout);
    tm_snapshot_free(aggregate);
    if (json && csv)
        fprintf(stderr, "the same in %s/metrics.json and %s/metrics.csv\n", directory, directory);
    return json && csv && text;
}

static bool prepare(tree_engine *engine)
{
    struct stat info;
    tm_error error;
    if (lstat(engine->options->path, &info) != 0)
        return complain(engine->options->path, strerror(errno));
    if (!make_directories(engine->options->out_directory))
        return complain(engine->options->out_directory, strerror(errno));
    int status = metrics_init(&engine->metrics, tm_registry_default());
    if (status != TM_OK)
        return complain("cannot register the metrics", tm_status_text(status));
    status = tm_store_open(engine->options->store_url, NULL, &engine->store, &error);
    return status == TM_OK || complain("cannot open the store", error.text);
}

/* A walk that ended early is reported like any other; the exit status tells. */
static bool do_all(tree_engine *engine)
{
    if (!prepare(engine))
        return false;
    bool walked = run(engine);
    return sync_for_the_last_time(engine) && report(engine) && walked;
}

int main(int argc, char **argv)
{
    tree_options options;
    int exit_status = options_parse(&options, argc, argv);
    if (exit_status >= 0)
        return exit_status;
    tree_engine engine = {.options = &options};
    queue_init(&engine.queue);
    bool done = do_all(&engine);
    tm_store_close(engine.store);
    queue_destroy(&engine.queue);
    options_free(&options);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
