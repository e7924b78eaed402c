/* The task: one file, in the steps stat, read, digest. */
#ifndef CHECKSUM_TREE_TASK_H
#define CHECKSUM_TREE_TASK_H

#include <stdint.h>

#include "checksum_tree/metrics.h"
#include "checksum_tree/queue.h"

/* The sum of the XXH3-128 digests of many files: the same in whatever order they come. */
typedef struct tree_digest {
    uint64_t high;
    uint64_t low;
} tree_digest;

void tree_digest_add(tree_digest *to, tree_digest digest);

/* Runs tasks from the queue until it ends, and adds up their digests. */
tree_digest run_tasks(path_queue *queue, const task_metrics *metrics);

#endif
