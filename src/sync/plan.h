/* Which series go to which partition, and what of them has changed. */
#ifndef TM__SYNC_PLAN_H
#define TM__SYNC_PLAN_H

#include "sync/session.h"

/* Series of one family that stand together in the snapshot and go to one partition. */
typedef struct tm__plan_run {
    const tm_family *family;
    const tm__snapshot_series *series;
    size_t count;
} tm__plan_run;

/* The series of a snapshot ordered by partition: those of partition p are runs[begin[p]] up to runs[begin[p + 1]]. */
typedef struct tm__plan {
    tm__plan_run *runs;
    size_t *begin;
} tm__plan;

/* A place in a partition, which begins at {begin[p], 0}. */
typedef struct tm__plan_cursor {
    size_t run;
    size_t series;
} tm__plan_cursor;

/* TM_ENOMEM. The plan borrows the snapshot. */
int tm__plan_make(const tm_snapshot *snapshot, size_t partition_count, tm__plan *out);
void tm__plan_free(tm__plan *plan);

/* Fills an empty batch with what has changed since the baseline, from the cursor on, up to run `end` or to max_changes
 * (0: no limit), and moves the cursor. Numbers that are below their baseline are left out and counted in *fallen.
 * TM_ENOMEM: the batch is empty. */
int tm__plan_next_batch(const tm__plan *plan, const tm__session *session, tm__plan_cursor *cursor, size_t end,
                        size_t max_changes, tm__outgoing *out, size_t *fallen);

#endif
