#include "checksum_tree/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct task_worker {
    const task_metrics *metrics;
    tree_digest total;
    XXH3_state_t digest;
    unsigned char buffer[65536];
} task_worker;

void tree_digest_add(tree_digest *to, tree_digest digest)
{
    to->high += digest.high;
    to->low += digest.low;
}

/* The time since *mark, which moves to now. */
static int64_t lap_ns(int64_t *mark)
{
    int64_t before = *mark;
    *mark = tm_monotonic_ns();
    return *mark - before;
}

static double seconds(int64_t ns)
{
    return (double)ns * 1e-9;
}

/* Records the end of a step; whether the task goes on. error: an errno, 0 for success. */
static bool finish_step(const task_metrics *metrics, task_step step, int error, int64_t duration_ns)
{
    tm_counter_inc(metrics->steps[step][error ? FAILURE : SUCCESS]);
    tm_histogram_observe(metrics->step_seconds[step], seconds(duration_ns));
    if (error)
        metrics_count_error(metrics, step_name(step), error);
    return !error;
}

static bool stat_step(task_worker *worker, const char *path)
{
    struct stat info;
    int64_t mark = tm_monotonic_ns();
    int error = lstat(path, &info) == 0 ? 0 : errno;
    if (!error && !S_ISREG(info.st_mode))
        error = ESTALE; /* replaced since the walker saw it */
    if (!error)
        tm_counter_add(worker->metrics->size_bytes, (uint64_t)info.st_size);
    return finish_step(worker->metrics, STEP_STAT, error, lap_ns(&mark));
}

static void add_digest(task_worker *worker)
{
    XXH128_hash_t hash = XXH3_128bits_digest(&worker->digest);
    tree_digest_add(&worker->total, (tree_digest){.high = hash.high64, .low = hash.low64});
}

/* Piece by piece, so that a file of any size needs one small buffer; the time of each step is the sum of its pieces. */
static bool read_and_digest_steps(task_worker *worker, const char *path)
{
    int64_t read_ns = 0;
    int64_t digest_ns = 0;
    int64_t mark = tm_monotonic_ns();
    XXH3_128bits_reset(&worker->digest);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, worker->buffer, sizeof worker->buffer);
    read_ns += lap_ns(&mark);
    while (len > 0) {
        tm_counter_add(worker->metrics->read_bytes, (uint64_t)len);
        XXH3_128bits_update(&worker->digest, worker->buffer, (size_t)len);
        digest_ns += lap_ns(&mark);
        len = read(fd, worker->buffer, sizeof worker->buffer);
        read_ns += lap_ns(&mark);
    }
    int error = len < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (!finish_step(worker->metrics, STEP_READ, error, read_ns))
        return false;
    mark = tm_monotonic_ns();
    add_digest(worker);
    return finish_step(worker->metrics, STEP_DIGEST, 0, digest_ns + lap_ns(&mark));
}

static void run_task(task_worker *worker, const char *path)
{
    const task_metrics *metrics = worker->metrics;
    int64_t mark = tm_monotonic_ns();
    tm_gauge_add(metrics->active_tasks, 1);
    bool done = stat_step(worker, path) && read_and_digest_steps(worker, path);
    tm_gauge_add(metrics->active_tasks, -1);
    tm_histogram_observe(metrics->task_seconds, seconds(lap_ns(&mark)));
    tm_counter_inc(metrics->tasks[done ? SUCCESS : FAILURE]);
}

tree_digest run_tasks(path_queue *queue, const task_metrics *metrics)
{
    task_worker worker = {.metrics = metrics};
    for (char *path = queue_pop(queue); path; path = queue_pop(queue)) {
        run_task(&worker, path);
        free(path);
    }
    return worker.total;
}
