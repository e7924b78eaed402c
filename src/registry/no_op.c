/* The handles given out on errors. Those of a registry count into cells of its own; these belong to no registry. */
#include "registry/registry.h"

static tm__gauge_state nowhere_state = {.has_adds = true};
static tm__series nowhere_counter;
static tm__gauge nowhere_gauge = {.state = &nowhere_state};
static tm__histogram nowhere_histogram;

static tm__series *pick(tm_type type, tm__series *counter, tm__gauge *gauge, tm__histogram *histogram)
{
    return type == TM_TYPE_COUNTER ? counter : type == TM_TYPE_GAUGE ? &gauge->series : &histogram->series;
}

tm__series *tm__no_op_series(tm_registry *registry, tm_type type)
{
    if (!registry)
        return pick(type, &nowhere_counter, &nowhere_gauge, &nowhere_histogram);
    return pick(type, &registry->no_ops.counter, &registry->no_ops.gauge, &registry->no_ops.histogram);
}
