/* The walker: finds the regular files of a tree. Symbolic links are not followed. */
#ifndef CHECKSUM_TREE_WALK_H
#define CHECKSUM_TREE_WALK_H

#include "checksum_tree/metrics.h"
#include "checksum_tree/queue.h"

/* Pushes the path of every regular file below `root` (or root itself). What cannot be read is counted, not fatal.
 * Returns 0, or an errno if the walk ended early. */
int walk(const char *root, path_queue *queue, const task_metrics *metrics);

#endif
