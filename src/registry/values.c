/* Reading what was recorded. */
#include "base/clock.h"
#include "registry/registry.h"
#include "snapshot/snapshot.h"

/* So many series of a family are read together. Those made one after the other lie one after the other. */
enum { AT_ONCE = 256, PREFETCH_BYTES = 4096 };

/* The offset of one number. The acquire pairs with the release in clear_numbers: a reader that sees the offset then
 * sees cells at least as high as the clear did, so what it shows never goes below zero. So offsets are read first. */
static uint64_t offset_of(const tm__cleared *cleared, size_t part)
{
    return cleared && part < cleared->count ? atomic_load_explicit(&cleared->offsets[part], memory_order_acquire) : 0;
}

/* What a clear took is entered as a debt: counts may pass through 2^64, and come back when the cells are added. Returns
 * that of the sum, which is taken off at the end: only then does it leave nothing where nothing was added since. */
static inline double begin(const tm__series *series, size_t counts, bool sum, const tm__cleared *cleared,
                           tm_number *values)
{
    for (size_t i = 0; i < counts; i++)
        values[i].u = 0 - offset_of(cleared, series->first_part + i);
    if (!sum)
        return 0;
    values[counts].d = 0;
    return tm__bits_to_double(offset_of(cleared, series->first_part + counts));
}

static inline void add_copy(const tm__shard *shard, tm__cells cells, size_t counts, bool sum, tm_number *values)
{
    const tm__cell *copy = tm__cells_in(shard, cells);
    if (!copy)
        return;
    for (size_t i = 0; i < counts; i++)
        values[i].u += atomic_load_explicit(&copy[i], memory_order_relaxed);
    if (sum)
        values[counts].d += tm__bits_to_double(atomic_load_explicit(&copy[counts], memory_order_relaxed));
}

/* Shard by shard, so that memory is gone through in the order in which it lies; the first on the way, where there are
 * no offsets. Where there are, all are read before the shards are looked for: what a clear took may be in a new one. */
static inline void read_cells(const tm__series *series, size_t count, size_t counts, bool sum,
                              const tm__cleared *cleared, tm_number *values)
{
    tm__cells cells[AT_ONCE];
    double sum_debts[AT_ONCE];
    const size_t step = counts + sum;
    const tm__shard *first = cleared ? NULL : tm__shards();
    for (size_t i = 0; i < count; i++, series = tm__series_next(series)) {
        __builtin_prefetch((const char *)series + PREFETCH_BYTES);
        cells[i] = series->cells;
        sum_debts[i] = begin(series, counts, sum, cleared, values + i * step);
        if (first)
            add_copy(first, cells[i], counts, sum, values + i * step);
    }
    const tm__shard *shard = first ? first->next : tm__shards();
    for (; shard; shard = shard->next)
        for (size_t i = 0; i < count; i++)
            add_copy(shard, cells[i], counts, sum, values + i * step);
    for (size_t i = 0; sum && i < count; i++)
        values[i * step + counts].d -= sum_debts[i];
}

static void begin_read(const tm__series *first, size_t count, const tm__cleared *cleared, tm_number *values)
{
    const tm__family *family = first->family;
    if (family->type == TM_TYPE_COUNTER)
        read_cells(first, count, 1, false, cleared, values);
    else if (family->type == TM_TYPE_HISTOGRAM)
        read_cells(first, count, family->value_count - 1, true, cleared, values);
}

/* A sum without observations is that of one that is being made. */
static inline bool end_read(const tm__series *series, tm_number *values)
{
    const tm__family *family = series->family;
    if (family->type == TM_TYPE_COUNTER)
        return values[0].u != 0;
    if (family->type == TM_TYPE_GAUGE) {
        bool is_set;
        values[0].d = tm__gauge_read((const tm__gauge *)series, &is_set);
        return is_set;
    }
    uint64_t recorded = 0;
    for (size_t i = 0; i < family->value_count - 1; i++)
        recorded |= values[i].u;
    if (recorded == 0)
        values[family->value_count - 1].d = 0;
    return recorded != 0;
}

bool tm__series_read(const tm__series *series, const tm__cleared *cleared, tm_number *values)
{
    begin_read(series, 1, cleared, values);
    return end_read(series, values);
}

/* ---- snapshots ----------------------------------------------------------------------------------------------- */

static bool is_hidden(const tm__series *series)
{
    return atomic_load_explicit(&series->flags, memory_order_relaxed) & TM__SERIES_CLEARED;
}

static int add_one(tm__snapshot_family *into, const tm__series *series, const tm_number *values, bool unset)
{
    tm__snapshot_series *added =
        tm__snapshot_borrow_series(into, tm__series_labels(series), series->labels_len, values);
    if (!added)
        return TM_ENOMEM;
    added->first_part = series->first_part;
    added->unset = unset;
    return TM_OK;
}

/* Adds series that follow each other. Their numbers stand in one array, from *values on, those of hidden ones left out.
 * *series and *values are then behind them. raw: all are added, whatever a clear hides. */
static int add_some(tm__snapshot_family *into, const tm__series **series, size_t count, bool raw, tm_number **values)
{
    const tm__family *family = (*series)->family;
    const tm__cleared *cleared = raw ? NULL : tm__registry_cleared(family->registry);
    tm_number *read = *values;
    begin_read(*series, count, cleared, read);
    for (; count > 0; count--, read += family->value_count, *series = tm__series_next(*series)) {
        bool recorded = end_read(*series, read);
        if (!recorded && !raw && is_hidden(*series))
            continue;
        if (*values != read)
            memcpy(*values, read, family->value_count * sizeof *read);
        int status = add_one(into, *series, *values, !recorded && family->type == TM_TYPE_GAUGE);
        if (status != TM_OK)
            return status;
        *values += family->value_count;
    }
    return TM_OK;
}

/* The numbers of all series of a family stand in one array: growing series by series would move it. */
static int add_series(tm_snapshot *snapshot, tm__snapshot_family *into, const tm__family *family, bool raw)
{
    size_t left = into->series_capacity;
    tm_number *values = tm__arena_alloc(&snapshot->arena, left * family->value_count * sizeof *values);
    int status = values ? TM_OK : TM_ENOMEM;
    const tm__series *series = tm__family_first_series(family);
    while (status == TM_OK && left > 0) {
        size_t count = left < AT_ONCE ? left : AT_ONCE;
        status = add_some(into, &series, count, raw, &values);
        left -= count;
    }
    return status;
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
        size_t count = atomic_load_explicit(&family->series_count, memory_order_acquire);
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
