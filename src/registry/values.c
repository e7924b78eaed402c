/* Reading what was recorded, and setting it back. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/family.h"
#include "registry/registry.h"
#include "snapshot/snapshot.h"

static size_t bucket_count(const tm__series *series)
{
    return series->family->value_count - 1;
}

/* Adds every shard's copy of a histogram's buckets and sum to values, shard by shard. */
static void add_histogram(const tm__series *series, tm_number *values)
{
    size_t buckets = bucket_count(series);
    tm__shard *shard = NULL;
    for (tm__cell *copy; (copy = tm__cells_next(series->cells, &shard));) {
        for (size_t i = 0; i < buckets; i++)
            values[i].u += atomic_load_explicit(&copy[i], memory_order_relaxed);
        values[buckets].d += tm__bits_to_double(atomic_load_explicit(&copy[buckets], memory_order_relaxed));
    }
}

bool tm__series_raw(const tm__series *series, tm_number *values)
{
    bool is_set = true;
    switch (series->family->type) {
    case TM_TYPE_COUNTER:
        values[0].u = tm__cells_sum(series->cells, 0);
        break;
    case TM_TYPE_GAUGE:
        values[0].d = tm__gauge_read((const tm__gauge *)series, &is_set);
        break;
    case TM_TYPE_HISTOGRAM:
        for (size_t i = 0; i < bucket_count(series); i++)
            values[i].u = 0;
        values[bucket_count(series)].d = 0;
        add_histogram(series, values);
        break;
    }
    return is_set;
}

/* ---- clear --------------------------------------------------------------------------------------------------- */

/* The offset of one number. The acquire pairs with the release in clear_number: a reader that sees the offset then sees
 * cells at least as high as the clear did, so what it shows never goes below zero. Offsets are therefore read first. */
static uint64_t offset_of(const tm__cleared *cleared, size_t part)
{
    return cleared && part < cleared->count ? atomic_load_explicit(&cleared->offsets[part], memory_order_acquire) : 0;
}

static bool counter_shown(const tm__series *series, const tm__cleared *cleared, tm_number *values)
{
    uint64_t offset = offset_of(cleared, series->first_part);
    values[0].u = tm__cells_sum(series->cells, 0) - offset;
    return values[0].u != 0;
}

/* Unsigned subtraction may pass through 2^64 and comes back when the cells are added. */
static bool histogram_shown(const tm__series *series, const tm__cleared *cleared, tm_number *values)
{
    size_t buckets = bucket_count(series);
    for (size_t i = 0; i < buckets; i++)
        values[i].u = 0 - offset_of(cleared, series->first_part + i);
    double sum_offset = tm__bits_to_double(offset_of(cleared, series->first_part + buckets));
    values[buckets].d = 0;
    add_histogram(series, values);
    uint64_t count = 0;
    for (size_t i = 0; i < buckets; i++)
        count += values[i].u;
    values[buckets].d = count == 0 ? 0 : values[buckets].d - sum_offset;
    return count != 0;
}

bool tm__series_shown(const tm__series *series, tm_number *values)
{
    const tm__cleared *cleared = atomic_load_explicit(&series->family->registry->cleared, memory_order_acquire);
    bool hides = atomic_load_explicit(&series->flags, memory_order_relaxed) & TM__SERIES_CLEARED;
    bool recorded = false;
    switch (series->family->type) {
    case TM_TYPE_COUNTER:
        recorded = counter_shown(series, cleared, values);
        break;
    case TM_TYPE_GAUGE:
        values[0].d = tm__gauge_read((const tm__gauge *)series, &recorded);
        break;
    case TM_TYPE_HISTOGRAM:
        recorded = histogram_shown(series, cleared, values);
        break;
    }
    return recorded || !hides;
}

/* Room for an offset for every number there is. Readers may be in the old array, so it stays; arrays double, so that
 * all the old ones together are no larger than the new. */
static tm__cleared *offsets_for_all(tm_registry *registry)
{
    tm__cleared *cleared = atomic_load_explicit(&registry->cleared, memory_order_relaxed);
    size_t parts = atomic_load_explicit(&registry->part_count, memory_order_relaxed);
    if (cleared && parts <= cleared->count)
        return cleared;
    size_t count = cleared && parts < 2 * cleared->count ? 2 * cleared->count : parts;
    tm__cleared *larger = calloc(1, sizeof *larger + count * sizeof larger->offsets[0]);
    if (!larger)
        return NULL;
    larger->outgrown = cleared;
    larger->count = count;
    for (size_t i = 0; cleared && i < cleared->count; i++)
        atomic_store_explicit(&larger->offsets[i], atomic_load(&cleared->offsets[i]), memory_order_relaxed);
    atomic_store_explicit(&registry->cleared, larger, memory_order_release);
    return larger;
}

static void clear_numbers(const tm__series *series, tm__cleared *cleared)
{
    tm_number values[TM_BUCKETS_MAX + 2];
    (void)tm__series_raw(series, values);
    for (size_t i = 0; i < series->family->value_count; i++)
        atomic_store_explicit(&cleared->offsets[series->first_part + i], values[i].u, memory_order_release);
}

static void clear_series(tm__series *series, tm__cleared *cleared)
{
    if (series->family->type == TM_TYPE_GAUGE)
        tm__gauge_clear((tm__gauge *)series);
    else
        clear_numbers(series, cleared);
    atomic_fetch_or_explicit(&series->flags, TM__SERIES_CLEARED, memory_order_relaxed);
}

int tm_registry_clear(tm_registry *registry, size_t *cleared_count)
{
    if (cleared_count)
        *cleared_count = 0;
    if (!registry)
        return TM_EINVAL;
    size_t count = 0;
    pthread_mutex_lock(&registry->create_lock);
    tm__cleared *cleared = offsets_for_all(registry);
    tm__family *family = cleared ? tm__registry_first_family(registry) : NULL;
    for (; family; family = tm__family_next(family))
        for (tm__series *series = tm__family_first_series(family); series; series = tm__series_next(series), count++)
            clear_series(series, cleared);
    pthread_mutex_unlock(&registry->create_lock);
    if (cleared_count)
        *cleared_count = count;
    return cleared ? TM_OK : TM_ENOMEM;
}

/* ---- snapshots ----------------------------------------------------------------------------------------------- */

/* The numbers of all series of a family, as one array: growing series by series would move it. */
static int add_series(tm_snapshot *snapshot, tm__snapshot_family *into, const tm__family *family, bool raw)
{
    tm_number *values = tm__arena_alloc(&snapshot->arena, into->series_capacity * family->value_count * sizeof *values);
    if (!values)
        return TM_ENOMEM;
    const tm__series *series = tm__family_first_series(family);
    for (; series && into->series_count < into->series_capacity; series = tm__series_next(series)) {
        bool said = raw ? tm__series_raw(series, values) : tm__series_shown(series, values);
        if (!said && !raw)
            continue;
        tm__snapshot_series *added =
            tm__snapshot_borrow_series(into, tm__series_labels(series), series->labels_len, values);
        if (!added)
            return TM_ENOMEM;
        added->first_part = series->first_part;
        added->unset = !said;
        values += family->value_count;
    }
    return TM_OK;
}

static int take(tm_registry *registry, bool raw, tm_snapshot **out)
{
    if (!out)
        return TM_EINVAL;
    *out = NULL;
    if (!registry)
        return TM_EINVAL;
    tm_snapshot *snapshot;
    int status = tm_snapshot_new(tm__wall_ms(), &snapshot);
    if (status != TM_OK)
        return status;
    const tm__family *family = tm__registry_first_family(registry);
    for (; family && status == TM_OK; family = tm__family_next(family)) {
        size_t count = atomic_load_explicit(&family->series_count, memory_order_relaxed);
        if (count == 0)
            continue;
        const tm_family *info = atomic_load_explicit(&family->info, memory_order_acquire);
        tm__snapshot_family *into = tm__snapshot_borrow_family(snapshot, info, family->printed, count);
        status = into ? add_series(snapshot, into, family, raw) : TM_ENOMEM;
    }
    if (status == TM_OK)
        *out = snapshot;
    else
        tm_snapshot_free(snapshot);
    return status;
}

int tm_snapshot_take(tm_registry *registry, tm_snapshot **out)
{
    return take(registry, false, out);
}

int tm__snapshot_take_raw(tm_registry *registry, tm_snapshot **out)
{
    return take(registry, true, out);
}
