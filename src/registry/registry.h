/* The bodies of registries and families. */
#ifndef TM__REGISTRY_REGISTRY_H
#define TM__REGISTRY_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <taskermetrics/registry.h>

#include "base/arena.h"
#include "base/fork.h"
#include "base/table.h"
#include "registry/index.h"
#include "registry/series.h"

struct tm__family {
    tm_registry *registry;
    _Atomic(const tm_family *) info; /* replaced once if help is given late; stored with release */
    const char *name;
    size_t name_len;
    const char *printed;
    uint64_t name_hash;
    tm_type type;
    size_t value_count;
    _Atomic(tm__family *) next; /* in the registry, in order of creation; stored with release */
    _Atomic(tm__series *) first;
    tm__series *last; /* guarded by the registry's create_lock */
    _Atomic size_t series_count;
    _Atomic(tm__series *) overflow; /* set once a cap is reached: then every unknown label set goes here */
};

/* Offsets that a clear takes from what is shown, by place of number; cells themselves never go down. */
typedef struct tm__cleared {
    struct tm__cleared *outgrown;
    size_t count;
    _Atomic uint64_t offsets[];
} tm__cleared;

/* The handles given out on errors: series without cells, in no table and no family list. */
typedef struct tm__no_ops {
    tm__series counter;
    tm__gauge gauge;
    tm__histogram histogram;
} tm__no_ops;

struct tm_registry {
    tm__no_ops no_ops;
    tm__family no_op_family; /* names the registry for the no-op handles */
    size_t max_series_per_family;
    size_t max_series;
    size_t max_families;
    tm__index series;        /* by family name and labels */
    tm__table families;      /* by name */
    tm__table printed_names; /* every sample name that a family prints, to keep them apart */
    _Atomic(tm__family *) first_family;
    _Atomic size_t family_count;
    _Atomic size_t series_count;
    _Atomic size_t part_count; /* numbers of all series */
    _Atomic(tm__cleared *) cleared;
    _Atomic uint64_t dropped;
    _Atomic uint64_t dropped_nan;
    _Atomic uint64_t overflowed;

    pthread_mutex_t create_lock; /* creating, describing, clearing; guards what follows */
    tm__family *last_family;
    tm__arena arena;
    tm__cell_block *blocks; /* the first is the one to cut from */
    uint64_t cell_count;    /* in all blocks */
    tm__gauge_state *spare_gauge_states;
    size_t spare_gauge_state_count;
    tm__fork_node fork_node;

    /* Owned by the sync engine, which alone knows what it is; freed with the registry. */
    void *sync_state;
    void (*free_sync_state)(void *sync_state);
    _Atomic uint32_t sync_holder; /* 0, or 1 + the incarnation that is syncing */
};

/* A printed name that is taken, and by which family. */
typedef struct tm__name_claim {
    const tm__family *owner;
    char name[];
} tm__name_claim;

/* Counts a recording that went nowhere. registry may be NULL. */
static inline void tm__count_drop(tm_registry *registry)
{
    if (registry)
        atomic_fetch_add_explicit(&registry->dropped, 1, memory_order_relaxed);
}

static inline void tm__count_series_drop(const tm__series *series)
{
    if (series->family)
        tm__count_drop(series->family->registry);
}

/* lookup.c: a series that exists, or NULL; counts and changes nothing. */
tm__series *tm__series_find(const tm_registry *registry, const char *name, const char *labels, size_t labels_len);

/* families.c, under create_lock: finds a family by name, makes one, or checks that the one there is the same. */
tm__family *tm__family_find(tm_registry *registry, const char *name);
int tm__family_make(tm_registry *registry, const tm_family *description, tm__family **out);

/* Links a new, complete series in; its memory comes from the registry's arena. Under create_lock. */
int tm__series_make(tm__family *family, const char *labels, size_t labels_len, tm__series **out);

/* values.c: the numbers of a series, tm__family.value_count of them. cleared: tm__registry_cleared for what is shown,
 * NULL for what was recorded ever since. False if nothing was: for a gauge, if it was not set, or not since a clear. */
bool tm__series_read(const tm__series *series, const tm__cleared *cleared, tm_number *values);

static inline const tm__cleared *tm__registry_cleared(const tm_registry *registry)
{
    return atomic_load_explicit(&registry->cleared, memory_order_acquire);
}

/* gauge.c. A read gives 0 and !*is_set after a clear. make: under create_lock; NULL if there is no memory. */
tm__gauge_state *tm__gauge_state_make(tm_registry *registry);
double tm__gauge_read(const tm__gauge *gauge, bool *is_set);
void tm__gauge_clear(tm__gauge *gauge);
void tm__gauge_restart(tm__gauge *gauge); /* in a forked child: zero */

/* no_op.c: makes the no-op handles of a registry; gives the one of a type. registry may be NULL there. */
void tm__no_ops_make(tm_registry *registry);
tm__series *tm__no_op_series(tm_registry *registry, tm_type type);

/* A snapshot of every series with its raw values and first_part, for the sync engine. */
int tm__snapshot_take_raw(tm_registry *registry, tm_snapshot **out);

/* The series of a family, in order of creation, without a lock. */
static inline tm__series *tm__family_first_series(const tm__family *family)
{
    return atomic_load_explicit(&family->first, memory_order_acquire);
}

static inline tm__family *tm__registry_first_family(const tm_registry *registry)
{
    return atomic_load_explicit(&registry->first_family, memory_order_acquire);
}

static inline tm__family *tm__family_next(const tm__family *family)
{
    return atomic_load_explicit(&family->next, memory_order_acquire);
}

#endif
