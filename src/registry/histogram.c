#include <math.h>

#include "base/family.h"
#include "registry/registry.h"

/* Counts the bounds below the value instead of searching for the first that is not: no branch to mispredict. */
static inline size_t bucket_of(const tm__histogram *histogram, double value)
{
    size_t below = 0;
    for (size_t i = 0; i < histogram->bound_count; i++)
        below += value > histogram->bounds[i];
    return below;
}

static void count_nan(const tm__series *series)
{
    if (series->family)
        atomic_fetch_add_explicit(&series->family->registry->dropped_nan, 1, memory_order_relaxed);
}

void tm_histogram_observe(tm_histogram *handle, double value)
{
    const tm__histogram *histogram = (const tm__histogram *)handle;
    if (__builtin_expect(isnan(value), 0)) {
        count_nan(&histogram->series);
        return;
    }
    tm__cell *cells = tm__own_cells(histogram->series.cells);
    if (__builtin_expect(!cells, 0)) {
        tm__count_series_drop(&histogram->series);
        return;
    }
    tm__cell_add(&cells[bucket_of(histogram, value)], 1);
    tm__cell_add_double(&cells[histogram->bound_count + 1], value);
}

/* The numbers shown: bucket counts, then the sum; all zero for a no-op handle. */
typedef struct picture {
    tm_number values[TM_BUCKETS_MAX + 2];
    uint64_t count;
} picture;

static void take_picture(const tm__histogram *histogram, picture *out)
{
    out->count = 0;
    if (tm__series_is_no_op(&histogram->series))
        out->values[histogram->bound_count + 1].d = 0;
    else
        (void)tm__series_shown(&histogram->series, out->values);
    for (size_t i = 0; i <= histogram->bound_count && !tm__series_is_no_op(&histogram->series); i++)
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
