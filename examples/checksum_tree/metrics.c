#include "checksum_tree/metrics.h"

#include <string.h>

#define TASK_NAME "checksum_file"

/* Files are small and disks are fast: from 10 microseconds to 10 seconds. */
static const double duration_bounds[] = {.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005,
                                         .01,    .025,    .05,    .1,    .25,    .5,    1,    2.5,   10};

static const struct description {
    const char *name;
    const char *unit;
    const char *help;
    tm_type type;
} descriptions[] = {
    {"tasker.tasks", NULL, "Tasks that ended.", TM_TYPE_COUNTER},
    {"tasker.tasks.active", NULL, "Tasks that are running, in all processes.", TM_TYPE_GAUGE},
    {"tasker.task.duration", "seconds", "Time a task took.", TM_TYPE_HISTOGRAM},
    {"tasker.steps", NULL, "Steps of tasks that ended.", TM_TYPE_COUNTER},
    {"tasker.step.duration", "seconds", "Time a step of a task took.", TM_TYPE_HISTOGRAM},
    {"tasker.errors", NULL, "What went wrong, by the step and the system's name of the error.", TM_TYPE_COUNTER},
    {"tasker.directories", NULL, "Directories walked; a failure could not be read.", TM_TYPE_COUNTER},
    {"tasker.file.size", "bytes", "Sizes of the files, as stat tells them.", TM_TYPE_COUNTER},
    {"tasker.file.read", "bytes", "Bytes read from the files.", TM_TYPE_COUNTER},
};

static const char *const outcome_names[OUTCOMES] = {"success", "failure"};

const char *step_name(task_step step)
{
    static const char *const names[STEPS] = {"stat", "read", "digest"};
    return names[step];
}

static int describe(tm_registry *registry, const struct description *d)
{
    tm_family family = {.size = sizeof family, .name = d->name, .type = d->type, .unit = d->unit, .help = d->help};
    if (d->type == TM_TYPE_GAUGE)
        family.aggregation = TM_AGGREGATE_SUM;
    if (d->type == TM_TYPE_HISTOGRAM) {
        family.buckets = duration_bounds;
        family.bucket_count = sizeof duration_bounds / sizeof duration_bounds[0];
    }
    return tm_describe(registry, &family);
}

static int describe_all(tm_registry *registry)
{
    int status = TM_OK;
    for (size_t i = 0; status == TM_OK && i < sizeof descriptions / sizeof descriptions[0]; i++)
        status = describe(registry, &descriptions[i]);
    return status;
}

static int first_error(int before, int now)
{
    return before != TM_OK ? before : now;
}

static int make_outcome_handles(task_metrics *m, task_outcome outcome)
{
    const char *status_label = outcome_names[outcome];
    tm_labels task_labels = TM_LABELS("task_name", TASK_NAME, "status", status_label);
    int status = tm_counter_get(m->registry, "tasker.tasks", task_labels, &m->tasks[outcome]);
    for (task_step step = 0; step < STEPS; step++) {
        tm_labels labels = TM_LABELS("task_name", TASK_NAME, "step_name", step_name(step), "status", status_label);
        status = first_error(status, tm_counter_get(m->registry, "tasker.steps", labels, &m->steps[step][outcome]));
    }
    tm_labels labels = TM_LABELS("status", status_label);
    return first_error(status, tm_counter_get(m->registry, "tasker.directories", labels, &m->directories[outcome]));
}

static int make_step_histogram(task_metrics *m, task_step step)
{
    tm_labels labels = TM_LABELS("task_name", TASK_NAME, "step_name", step_name(step));
    return tm_histogram_get(m->registry, "tasker.step.duration", labels, &m->step_seconds[step]);
}

int metrics_init(task_metrics *m, tm_registry *registry)
{
    tm_labels labels = TM_LABELS("task_name", TASK_NAME);
    m->registry = registry;
    int status = describe_all(registry);
    for (task_outcome outcome = 0; outcome < OUTCOMES; outcome++)
        status = first_error(status, make_outcome_handles(m, outcome));
    for (task_step step = 0; step < STEPS; step++)
        status = first_error(status, make_step_histogram(m, step));
    status = first_error(status, tm_histogram_get(registry, "tasker.task.duration", labels, &m->task_seconds));
    status = first_error(status, tm_gauge_get(registry, "tasker.tasks.active", labels, &m->active_tasks));
    tm_gauge_set(m->active_tasks, 0); /* known from the start: a gauge that was never set is not synced */
    status = first_error(status, tm_counter_get(registry, "tasker.file.size", labels, &m->size_bytes));
    return first_error(status, tm_counter_get(registry, "tasker.file.read", labels, &m->read_bytes));
}

void metrics_count_error(const task_metrics *m, const char *step_name, int error)
{
    const char *error_name = strerrorname_np(error);
    tm_count(m->registry, "tasker.errors", 1,
             TM_LABELS("task_name", TASK_NAME, "step_name", step_name, "error", error_name ? error_name : "unknown"));
}
