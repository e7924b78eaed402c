#include "store/redis/aggregate.h"

#include <math.h>

#include "base/labels.h"

/* ---- gauges -------------------------------------------------------------------------------------------------- */

/* NaN only if both are. */
static double lesser(double a, double b)
{
    return isnan(a) || b < a ? b : a;
}

static double greater(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

static double combine(tm_aggregation aggregation, double a, double b)
{
    switch (aggregation) {
    case TM_AGGREGATE_SUM:
        return a + b;
    case TM_AGGREGATE_MIN:
        return lesser(a, b);
    case TM_AGGREGATE_MAX:
        return greater(a, b);
    default:
        return b;
    }
}

static void merge(tm__redis_series *total, const tm__redis_series *one)
{
    tm_aggregation aggregation = one->family->info->aggregation;
    bool first = !total->has[0];
    bool outdated = aggregation == TM_AGGREGATE_LAST && one->stamp_us < total->stamp_us;
    if (!first && outdated)
        return;
    total->values[0].d = first ? one->values[0].d : combine(aggregation, total->values[0].d, one->values[0].d);
    total->stamp_us = one->stamp_us;
    total->has[0] = true;
}

int tm__redis_aggregate_gauges(tm__redis_collection *collection)
{
    size_t count = collection->count; /* totals are added behind */
    for (size_t i = 0; i < count; i++) {
        const tm__redis_series *one = collection->series[i];
        const tm_family *info = one->family->info;
        if (!one->instance || info->type != TM_TYPE_GAUGE || info->aggregation == TM_AGGREGATE_EACH)
            continue;
        tm__redis_sample sample = {.family = one->family, .labels = one->labels};
        tm__redis_series *total;
        int status = tm__redis_collection_get(collection, &sample, NULL, &total);
        if (status != TM_OK)
            return status;
        merge(total, one);
    }
    return TM_OK;
}

/* ---- the snapshot -------------------------------------------------------------------------------------------- */

/* A histogram whose only bucket is +Inf says so, because no buckets at all would mean the usual ones. */
static int add_family(tm_snapshot *into, const tm__redis_families *families, const tm__redis_family *family,
                      size_t *index)
{
    static const double only_bucket = INFINITY;
    tm_family info = *family->info;
    info.help = tm__redis_families_help(families, family);
    if (info.type == TM_TYPE_HISTOGRAM && info.bucket_count == 0) {
        info.buckets = &only_bucket;
        info.bucket_count = 1;
    }
    return tm_snapshot_add_family(into, &info, index);
}

static int add_of_instance(tm_snapshot *into, size_t index, const tm__redis_series *series)
{
    tm__labels_text labels;
    int status = tm__labels_insert(series->labels.text, series->labels.len, "instance", series->instance, &labels);
    return status == TM_OK ? tm_snapshot_add_series(into, index, labels.text, labels.len, series->values) : status;
}

static bool is_shown(const tm__redis_series *series, bool include_instances)
{
    return !series->instance || include_instances || series->family->info->aggregation == TM_AGGREGATE_EACH;
}

int tm__redis_fill_snapshot(tm__redis_collection *collection, const tm__redis_families *families,
                            bool include_instances, tm_snapshot *into)
{
    const tm__redis_family *family = NULL;
    size_t index = 0;
    tm__redis_collection_sort(collection);
    for (size_t i = 0; i < collection->count; i++) {
        const tm__redis_series *series = collection->series[i];
        if (!is_shown(series, include_instances))
            continue;
        int status = family == series->family ? TM_OK : add_family(into, families, series->family, &index);
        if (status != TM_OK)
            return status;
        family = series->family;
        status = series->instance
                     ? add_of_instance(into, index, series)
                     : tm_snapshot_add_series(into, index, series->labels.text, series->labels.len, series->values);
        if (status != TM_OK && status != TM_ELABEL) /* a label set that grew too long by the instance is left out */
            return status;
    }
    return TM_OK;
}
