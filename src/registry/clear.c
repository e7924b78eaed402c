/* Setting back what is shown. */
#include <stdlib.h>

#include "registry/registry.h"

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
    (void)tm__series_read(series, NULL, values);
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
