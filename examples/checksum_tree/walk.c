#include "checksum_tree/walk.h"

#include <errno.h>
#include <fts.h>
#include <string.h>

static void directory_failed(const task_metrics *metrics, int error)
{
    tm_counter_inc(metrics->directories[FAILURE]);
    metrics_count_error(metrics, "walk", error);
}

static int submit(path_queue *queue, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return ENOMEM;
    queue_push(queue, copy);
    return 0;
}

/* What fts found: FTS_F a regular file, FTS_DP a directory that has been read, FTS_DNR, FTS_ERR and FTS_DC one that
 * cannot be, FTS_NS something that cannot be looked at. */
static int visit(const FTSENT *entry, path_queue *queue, const task_metrics *metrics)
{
    switch (entry->fts_info) {
    case FTS_F:
        return submit(queue, entry->fts_path);
    case FTS_DP:
        tm_counter_inc(metrics->directories[SUCCESS]);
        return 0;
    case FTS_DC:
        directory_failed(metrics, ELOOP);
        return 0;
    case FTS_DNR:
    case FTS_ERR:
        directory_failed(metrics, entry->fts_errno);
        return 0;
    case FTS_NS:
        metrics_count_error(metrics, "walk", entry->fts_errno);
        return 0;
    default:
        return 0;
    }
}

int walk(const char *root, path_queue *queue, const task_metrics *metrics)
{
    char *roots[] = {(char *)root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return errno;
    int error = 0;
    while (!error) {
        errno = 0;
        FTSENT *entry = fts_read(tree);
        if (!entry) {
            error = errno;
            break;
        }
        error = visit(entry, queue, metrics);
    }
    fts_close(tree);
    return error;
}
