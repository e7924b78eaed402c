#include <math.h>

#include "base/family.h"
#include "registry/registry.h"

enum { GROUP = 8, FEW_BOUNDS = 2 * GROUP };

static inline size_t count_below(const double *bounds, size_t count, double value)
{
    size_t below = 0;
    for (size_t i = 0; i < count; i++)
        below += value > bounds[i];
    return below;
}

/* Many bounds in two steps: the groups whose last bound is below the value, then the bounds of the next group. */
static size_t bucket_among_many(const double *bounds, size_t count, double value)
{
    size_t first = 0;
    for (size_t last = GROUP - 1; last < count; last += GROUP)
        first += value > bounds[last] ? (size_t)GROUP : 0;
    size_t left = count - first;
    return first + count_below(bounds + first, left < GROUP ? left : (size_t)GROUP, value);
}

/* Counts the bounds below the value instead of searching for the first that is not: no branch to mispredict. */
static inline size_t bucket_of(const tm__histogram *histogram, double value)
{
    return histogram->bound_count <= FEW_BOUNDS ? count_below(histogram->bounds, histogram->bound_count, value)
                                                : bucket_among_many(histogram->bounds, histogram->bound_count, value);
}

static inline void observe_in_cells(const tm__histogram *histogram, tm__cell *cells, double value)
{
    tm__cell_add(&cells[bucket_of(histogram, value)], 1);
    tm__cell_add_double(&cells[histogram->bound_count + 1], value);
}

TM__COLD static void count_nan(const tm__series *series)
{
    if (series->family)
        atomic_fetch_add_explicit(&series->family->registry->dropped_nan, 1, memory_order_relaxed);
}

TM__COLD static void observe_first(const tm__histogram *histogram, double value)
{
    tm__cell *cells = tm__own_cells(histogram->series.cells);
    if (cells)
        observe_in_cells(histogram, cells, value);
    else
        tm__count_series_drop(&histogram->series);
}

void tm_histogram_observe(tm_histogram *handle, double value)
{
    const tm__histogram *histogram = (const tm__histogram *)handle;
    tm__cell *cells = tm__touched_cells(histogram->series.cells);
    if (__builtin_expect(isnan(value), 0))
        count_nan(&histogram->series);
    else if (cells)
        observe_in_cells(histogram, cells, value);
    else
        observe_first(histogram, value);
}

/* The numbers shown: bucket counts, then the sum; all zero for a no-op handle. */
typedef struct picture {
    tm_number values[TM_BUCKETS_MAX + 2];
    uint64_t count;
} picture;

static void take_picture(const tm__histogram *histogram, picture *out)
{
    const tm__series *series = &histogram->series;
    out->count = 0;
    out->values[histogram->bound_count + 1].d = 0;
    if (tm__series_is_no_op(series))
        return;
    (void)tm__series_read(series, tm__registry_cleared(series->family->registry), out->values);
    for (size_t i = 0; i <= histogram->bound_count; i++)
        out->count += out->values[i].u;
}

uint64_t tm_histogram_count(tm_histogram *handle)
{
    picture now;
    take_picture((const tm__histogram *)handle, &now);
    return now.count;
}

double tm_histogram_sum(tm_histogram *handle)
{
    const tm__histogram *histogram = (const tm__histogram *)handle;
    picture now;
    take_picture(histogram, &now);
    return now.values[histogram->bound_count + 1].d;
}

/* Linear between the bounds of the bucket that the rank falls in, as Prometheus' histogram_quantile. */
static double interpolate(const tm__histogram *histogram, const picture *now, double q)
{
    const double *bounds = histogram->bounds;
    double rank = q * (double)now->count;
    uint64_t below = 0;
    size_t i = 0;
    while (i < histogram->bound_count && (double)(below + now->values[i].u) < rank)
        below += now->values[i++].u;
    if (i == histogram->bound_count)
        return i > 0 ? bounds[i - 1] : NAN;
    if (i == 0 && bounds[0] <= 0)
        return bounds[0];
    double lower = i > 0 ? bounds[i - 1] : 0;
    if (now->values[i].u == 0)
        return lower;
    return lower + (bounds[i] - lower) * ((rank - (double)below) / (double)now->values[i].u);
}

double tm_histogram_quantile(tm_histogram *handle, double q)
{
    const tm__histogram *histogram = (const tm__histogram *)handle;
    picture now;
    take_picture(histogram, &now);
    if (isnan(q) || now.count == 0)
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    return interpolate(histogram, &now, q);
}
