#include "registry/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { DEFAULT_SERIES_PER_FAMILY = 2000, DEFAULT_SERIES = 1000000, DEFAULT_FAMILIES = 10000 };

static _Atomic(tm_registry *) default_registry;

/* ---- tables -------------------------------------------------------------------------------------------------- */

static unsigned long hash_family(const void *entry, unsigned long seed)
{
    (void)seed;
    return (unsigned long)((const tm__family *)entry)->name_hash;
}

/* The acquire pairs with the release of the family's info, which is stored last. */
static bool same_family(const void *entry, const void *key)
{
    const tm__family *family = entry;
    (void)atomic_load_explicit(&family->info, memory_order_acquire);
    return strcmp(family->name, key) == 0;
}

static unsigned long hash_claim(const void *entry, unsigned long seed)
{
    (void)seed;
    const tm__name_claim *claim = entry;
    return (unsigned long)tm__hash(claim->name, strlen(claim->name), 0);
}

static bool same_claim(const void *entry, const void *key)
{
    return strcmp(((const tm__name_claim *)entry)->name, key) == 0;
}

/* ---- fork ---------------------------------------------------------------------------------------------------- */

static void before_fork(void *self)
{
    pthread_mutex_lock(&((tm_registry *)self)->create_lock);
}

static void after_fork(void *self)
{
    pthread_mutex_unlock(&((tm_registry *)self)->create_lock);
}

/* The cells have been zeroed; what is kept beside them follows. */
static void in_child(void *self)
{
    tm_registry *registry = self;
    tm__cleared *cleared = atomic_load(&registry->cleared);
    for (size_t i = 0; cleared && i < cleared->count; i++)
        atomic_store_explicit(&cleared->offsets[i], 0, memory_order_relaxed);
    for (tm__family *family = tm__registry_first_family(registry); family; family = tm__family_next(family))
        for (tm__series *series = tm__family_first_series(family); series; series = tm__series_next(series))
            if (family->type == TM_TYPE_GAUGE)
                tm__gauge_restart((tm__gauge *)series);
    atomic_store(&registry->dropped, 0);
    atomic_store(&registry->dropped_nan, 0);
    atomic_store(&registry->overflowed, 0);
    pthread_mutex_unlock(&registry->create_lock);
}

/* ---- making and freeing -------------------------------------------------------------------------------------- */

static int prepare(tm_registry *registry)
{
    tm__index_init(&registry->series);
    int status = tm__cells_status();
    if (status == TM_OK)
        status = tm__table_init(&registry->families, hash_family, same_family);
    if (status == TM_OK)
        status = tm__table_init(&registry->printed_names, hash_claim, same_claim);
    if (status != TM_OK)
        return status;
    registry->fork_node =
        (tm__fork_node){.before = before_fork, .after = after_fork, .child = in_child, .self = registry};
    return tm__fork_register(&registry->fork_node);
}

static size_t or_default(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}

static void destroy(tm_registry *registry)
{
    if (!registry)
        return;
    tm__fork_unregister(&registry->fork_node);
    if (registry->sync_state)
        registry->free_sync_state(registry->sync_state);
    tm__index_free(&registry->series);
    tm__table_free(&registry->families);
    tm__table_free(&registry->printed_names);
    tm__cell_blocks_free(registry->blocks);
    tm__arena_free(&registry->arena);
    for (tm__cleared *cleared = atomic_load(&registry->cleared); cleared;) {
        tm__cleared *outgrown = cleared->outgrown;
        free(cleared);
        cleared = outgrown;
    }
    pthread_mutex_destroy(&registry->create_lock);
    free(registry);
}

int tm_registry_new(const tm_registry_options *options, tm_registry **out)
{
    if (!out)
        return TM_EINVAL;
    *out = NULL;
    static const tm_registry_options defaults = TM_REGISTRY_OPTIONS_INIT;
    if (!options)
        options = &defaults;
    if (options->size != 0 && options->size < sizeof *options)
        return TM_EINVAL;
    tm_registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return TM_ENOMEM;
    pthread_mutex_init(&registry->create_lock, NULL);
    tm__no_ops_make(registry);
    registry->max_series_per_family = or_default(options->max_series_per_family, DEFAULT_SERIES_PER_FAMILY);
    registry->max_series = or_default(options->max_series, DEFAULT_SERIES);
    registry->max_families = or_default(options->max_families, DEFAULT_FAMILIES);
    int status = prepare(registry);
    if (status == TM_OK)
        *out = registry;
    else
        destroy(registry);
    return status;
}

void tm_registry_free(tm_registry *registry)
{
    if (registry != atomic_load(&default_registry))
        destroy(registry);
}

tm_registry *tm_registry_default(void)
{
    tm_registry *registry = atomic_load_explicit(&default_registry, memory_order_acquire);
    if (registry)
        return registry;
    tm_registry *made = NULL;
    if (tm_registry_new(NULL, &made) != TM_OK)
        return NULL;
    if (atomic_compare_exchange_strong(&default_registry, &registry, made))
        return made;
    destroy(made);
    return registry;
}

int tm_registry_stats(tm_registry *registry, tm_registry_stats_t *stats)
{
    if (!registry || !stats || (stats->size != 0 && stats->size < sizeof *stats))
        return TM_EINVAL;
    tm_registry_stats_t now = TM_REGISTRY_STATS_INIT;
    now.families = atomic_load(&registry->family_count);
    now.series = atomic_load(&registry->series_count);
    now.dropped = atomic_load(&registry->dropped);
    now.dropped_nan = atomic_load(&registry->dropped_nan);
    now.overflowed = atomic_load(&registry->overflowed);
    tm__cells_usage(&now.threads, &now.memory_bytes);
    pthread_mutex_lock(&registry->create_lock);
    now.memory_bytes += sizeof *registry + registry->arena.bytes + tm__index_bytes(&registry->series) +
                        registry->families.bytes + registry->printed_names.bytes;
    for (tm__cell_block *block = registry->blocks; block; block = block->next)
        now.memory_bytes += sizeof *block;
    for (tm__cleared *cleared = atomic_load(&registry->cleared); cleared; cleared = cleared->outgrown)
        now.memory_bytes += sizeof *cleared + cleared->count * sizeof cleared->offsets[0];
    pthread_mutex_unlock(&registry->create_lock);
    *stats = now;
    return TM_OK;
}
