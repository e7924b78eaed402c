/* The handles given out on errors. Their cells are in a segment that no thread has, so recording to them ends where
 * it does when there is no memory: the registry, if there is one, counts a drop. */
#include "registry/registry.h"

/* A set looks twice if there have been adds. Nothing is ever written here. */
static tm__gauge_state no_state = {.has_adds = true};

static tm__no_ops of_no_registry = {
    .counter = {.cells = {.segment = TM__NO_SEGMENT}},
    .gauge = {.series = {.cells = {.segment = TM__NO_SEGMENT}}, .state = &no_state},
    .histogram = {.series = {.cells = {.segment = TM__NO_SEGMENT}}},
};

void tm__no_ops_make(tm_registry *registry)
{
    tm__family *family = &registry->no_op_family;
    tm__no_ops *no_ops = &registry->no_ops;
    family->registry = registry;
    *no_ops = of_no_registry;
    no_ops->counter.family = no_ops->gauge.series.family = no_ops->histogram.series.family = family;
}

tm__series *tm__no_op_series(tm_registry *registry, tm_type type)
{
    tm__no_ops *no_ops = registry ? &registry->no_ops : &of_no_registry;
    return type == TM_TYPE_COUNTER ? &no_ops->counter
           : type == TM_TYPE_GAUGE ? &no_ops->gauge.series
                                   : &no_ops->histogram.series;
}
