#include "export/walk.h"

#include <math.h>
#include <string.h>

void tm__walk_begin(tm__walk *walk, const tm_snapshot *snapshot, const char *instance, tm_type only)
{
    walk->snapshot = snapshot;
    walk->instance = instance;
    walk->only = only;
    walk->family = NULL;
    walk->status = TM_OK;
    walk->next_family = 0;
    walk->next_series = 0;
}

/* Goes to the next family that has series of the wanted type. */
static bool next_family(tm__walk *walk)
{
    while (walk->next_family < walk->snapshot->family_count) {
        const tm__snapshot_family *family = &walk->snapshot->families[walk->next_family++];
        if (family->series_count == 0 || (walk->only && family->info->type != walk->only))
            continue;
        walk->family = family;
        walk->next_series = 0;
        return true;
    }
    return false;
}

bool tm__walk_next(tm__walk *walk)
{
    if (!walk->family || walk->next_series == walk->family->series_count)
        if (!next_family(walk))
            return false;
    walk->family_begins = walk->next_series == 0;
    const tm__snapshot_series *series = &walk->family->series[walk->next_series++];
    walk->series = (tm_series){series->labels, series->labels_len, series->values};
    if (!walk->instance)
        return true;
    walk->status =
        tm__labels_insert(series->labels, series->labels_len, "instance", walk->instance, &walk->with_instance);
    walk->series.labels = walk->with_instance.text;
    walk->series.labels_bytes = walk->with_instance.len;
    return walk->status == TM_OK;
}

/* Stays at the largest number instead of starting again at zero, so that buckets never fall. */
static uint64_t add_counts(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t tm__histogram_count(const tm_family *family, const tm_number *values)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= family->bucket_count; i++)
        count = add_counts(count, values[i].u);
    return count;
}

static void each_histogram_sample(const tm_family *family, const tm_number *values, tm__sample_visit visit, void *ctx)
{
    tm__sample sample = {.kind = TM__SAMPLE_BUCKET};
    for (sample.bucket = 0; sample.bucket <= family->bucket_count; sample.bucket++) {
        sample.value.u = add_counts(sample.value.u, values[sample.bucket].u);
        visit(ctx, &sample);
    }
    tm_number count = sample.value;
    visit(ctx, &(tm__sample){.kind = TM__SAMPLE_SUM, .is_double = true, .value = values[family->bucket_count + 1]});
    visit(ctx, &(tm__sample){.kind = TM__SAMPLE_COUNT, .value = count});
}

void tm__each_sample(const tm_family *family, const tm_number *values, tm__sample_visit visit, void *ctx)
{
    switch (family->type) {
    case TM_TYPE_COUNTER:
        visit(ctx, &(tm__sample){.kind = TM__SAMPLE_TOTAL, .value = values[0]});
        break;
    case TM_TYPE_GAUGE:
        visit(ctx, &(tm__sample){.kind = TM__SAMPLE_VALUE, .is_double = true, .value = values[0]});
        break;
    case TM_TYPE_HISTOGRAM:
        each_histogram_sample(family, values, visit, ctx);
        break;
    }
}

const char *tm__type_name(tm_type type)
{
    static const char *const names[] = {
        [TM_TYPE_COUNTER] = "counter",
        [TM_TYPE_GAUGE] = "gauge",
        [TM_TYPE_HISTOGRAM] = "histogram",
    };
    return names[type];
}

void tm__print_bounds(const tm_family *family, size_t (*print)(double value, char out[TM__NUMBER_MAX]),
                      tm__bound_texts *out)
{
    for (size_t i = 0; i < family->bucket_count; i++)
        out->bounds[i].len = print(family->buckets[i], out->bounds[i].text);
    tm__bound_text *last = &out->bounds[family->bucket_count];
    last->len = print(INFINITY, last->text);
}
