/* From what was collected to a snapshot. */
#ifndef TM__STORE_REDIS_AGGREGATE_H
#define TM__STORE_REDIS_AGGREGATE_H

#include <taskermetrics/snapshot.h>

#include "store/redis/collection.h"

/* Puts the gauges of the instances together as their families say. TM_ENOMEM, TM_ETOOBIG. */
int tm__redis_aggregate_gauges(tm__redis_collection *collection);

/* Adds all series to a snapshot; those of single instances only with include_instances, or where a gauge's family says
 * so, with the label `instance`. TM_ENOMEM. */
int tm__redis_fill_snapshot(tm__redis_collection *collection, const tm__redis_families *families,
                            bool include_instances, tm_snapshot *into);

#endif
