/* What the engine counts and times. Handles are made once; recording through them is wait-free. */
#ifndef CHECKSUM_TREE_METRICS_H
#define CHECKSUM_TREE_METRICS_H

#include <taskermetrics/taskermetrics.h>

typedef enum task_step { STEP_STAT, STEP_READ, STEP_DIGEST, STEPS } task_step;
typedef enum task_outcome { SUCCESS, FAILURE, OUTCOMES } task_outcome;

typedef struct task_metrics {
    tm_registry *registry;
    tm_gauge *active_tasks;
    tm_counter *tasks[OUTCOMES];
    tm_histogram *task_seconds;
    tm_counter *steps[STEPS][OUTCOMES];
    tm_histogram *step_seconds[STEPS];
    tm_counter *directories[OUTCOMES];
    tm_counter *size_bytes;
    tm_counter *read_bytes;
} task_metrics;

/* Describes every family and makes the handles. TM_OK or the first error. */
int metrics_init(task_metrics *metrics, tm_registry *registry);

/* Counts a failure by its place and its errno. Labels that vary: looked up at each call. */
void metrics_count_error(const task_metrics *metrics, const char *step_name, int error);

const char *step_name(task_step step);

#endif
