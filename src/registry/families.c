/* Making families and series: under the registry's create_lock. */
#include <stdio.h>
#include <string.h>

#include "base/family.h"
#include "base/given_labels.h"
#include "base/hash.h"
#include "base/names.h"
#include "registry/registry.h"

tm__family *tm__family_find(tm_registry *registry, const char *name)
{
    return tm__table_get(&registry->families, tm__short_hash(name, strlen(name), 0), name);
}

/* ---- printed names ------------------------------------------------------------------------------------------- */

/* Every name that a family of a type may print, as suffixes of its printed name. */
static const char *const *suffixes_of(tm_type type)
{
    static const char *const counter[] = {"", "_total", "_created", NULL};
    static const char *const gauge[] = {"", NULL};
    static const char *const histogram[] = {"", "_bucket", "_count", "_sum", "_created", NULL};
    return type == TM_TYPE_COUNTER ? counter : type == TM_TYPE_GAUGE ? gauge : histogram;
}

typedef struct sample_name {
    uint64_t hash;
    size_t len;
    char text[TM__PRINTED_MAX + sizeof "_created"];
} sample_name;

static sample_name name_with_suffix(const char *printed, const char *suffix)
{
    sample_name name;
    name.len = (size_t)snprintf(name.text, sizeof name.text, "%s%s", printed, suffix);
    name.hash = tm__hash(name.text, name.len, 0);
    return name;
}

static int claim_name(tm_registry *registry, const tm__family *family, const char *suffix)
{
    sample_name name = name_with_suffix(family->printed, suffix);
    if (tm__table_get(&registry->printed_names, name.hash, name.text))
        return TM_ECONFLICT;
    tm__name_claim *claim = tm__arena_alloc(&registry->arena, sizeof *claim + name.len + 1);
    if (!claim)
        return TM_ENOMEM;
    claim->owner = family;
    memcpy(claim->name, name.text, name.len + 1);
    return tm__table_put(&registry->printed_names, name.hash, claim);
}

static int claim_names(tm_registry *registry, const tm__family *family)
{
    int status = TM_OK;
    for (const char *const *suffix = suffixes_of(family->type); *suffix && status == TM_OK; suffix++)
        status = claim_name(registry, family, *suffix);
    return status;
}

/* Gives up what claim_names has claimed before it failed. */
static void give_up_names(tm_registry *registry, const tm__family *family)
{
    for (const char *const *suffix = suffixes_of(family->type); *suffix; suffix++) {
        sample_name name = name_with_suffix(family->printed, *suffix);
        const tm__name_claim *claim = tm__table_get(&registry->printed_names, name.hash, name.text);
        if (claim && claim->owner == family)
            tm__table_remove(&registry->printed_names, name.hash, name.text);
    }
}

/* ---- families ------------------------------------------------------------------------------------------------ */

static void link_family(tm_registry *registry, tm__family *family)
{
    if (registry->last_family)
        atomic_store_explicit(&registry->last_family->next, family, memory_order_release);
    else
        atomic_store_explicit(&registry->first_family, family, memory_order_release);
    registry->last_family = family;
    atomic_fetch_add_explicit(&registry->family_count, 1, memory_order_relaxed);
}

static tm__family *new_family(tm_registry *registry, const tm_family *description)
{
    tm__family *family = tm__arena_alloc(&registry->arena, sizeof *family);
    tm_family *info = tm__arena_alloc(&registry->arena, sizeof *info);
    if (!family || !info || tm__family_copy(description, &registry->arena, info) != TM_OK)
        return NULL;
    char printed[TM__PRINTED_MAX];
    family->printed = tm__arena_copy(&registry->arena, printed, tm__printed_name(info, printed));
    if (!family->printed)
        return NULL;
    family->registry = registry;
    family->name = info->name;
    family->name_len = strlen(info->name);
    family->name_hash = tm__short_hash(info->name, family->name_len, 0);
    family->type = info->type;
    family->value_count = tm__family_value_count(info);
    /* Release: whoever finds the family through its info, or later through a table, finds it complete. */
    atomic_store_explicit(&family->info, info, memory_order_release);
    return family;
}

/* A family that is refused leaves nothing behind: its name may be asked for again and again. */
static int add_family(tm_registry *registry, const tm_family *description, tm__family **out)
{
    if (atomic_load_explicit(&registry->family_count, memory_order_relaxed) >= registry->max_families)
        return TM_ECARDINALITY;
    tm__arena_mark before = tm__arena_here(&registry->arena);
    tm__family *family = new_family(registry, description);
    int status = family ? claim_names(registry, family) : TM_ENOMEM;
    if (status == TM_OK)
        status = tm__table_put(&registry->families, family->name_hash, family);
    if (status == TM_OK) {
        link_family(registry, family);
        *out = family;
        return TM_OK;
    }
    if (family)
        give_up_names(registry, family);
    tm__arena_back_to(&registry->arena, before);
    return status;
}

/* Help may be added once; readers keep the description they hold. */
static int add_help(tm__family *family, const tm_family *info, const char *help)
{
    tm_registry *registry = family->registry;
    tm_family *with_help = tm__arena_alloc(&registry->arena, sizeof *with_help);
    char *copy = tm__arena_copy(&registry->arena, help, strlen(help));
    if (!with_help || !copy)
        return TM_ENOMEM;
    *with_help = *info;
    with_help->help = copy;
    atomic_store_explicit(&family->info, with_help, memory_order_release);
    return TM_OK;
}

static int describe_again(tm__family *family, const tm_family *description)
{
    const tm_family *info = atomic_load_explicit(&family->info, memory_order_relaxed);
    tm__arena scratch = {0};
    tm_family complete;
    int status = tm__family_copy(description, &scratch, &complete);
    if (status == TM_OK && !tm__family_same(info, &complete))
        status = TM_ECONFLICT;
    if (status == TM_OK && complete.help[0] && !info->help[0])
        status = add_help(family, info, complete.help);
    tm__arena_free(&scratch);
    return status;
}

int tm__family_make(tm_registry *registry, const tm_family *description, tm__family **out)
{
    int status = tm__family_check(description);
    if (status != TM_OK)
        return status;
    *out = tm__family_find(registry, description->name);
    return *out ? describe_again(*out, description) : add_family(registry, description, out);
}

int tm_describe(tm_registry *registry, const tm_family *family)
{
    if (!registry)
        return TM_EINVAL;
    tm__family *made = NULL;
    pthread_mutex_lock(&registry->create_lock);
    int status = tm__family_make(registry, family, &made);
    pthread_mutex_unlock(&registry->create_lock);
    return status;
}

/* ---- series -------------------------------------------------------------------------------------------------- */

/* A registry's blocks grow with it, so that a small registry costs a thread little and a large one wastes little. */
static tm__cell_block *add_block(tm_registry *registry, size_t cell_count)
{
    uint32_t block_cells = TM__SMALLEST_BLOCK_CELLS;
    while (block_cells < TM__LARGEST_BLOCK_CELLS &&
           (block_cells < cell_count || (uint64_t)2 * block_cells <= registry->cell_count / 8))
        block_cells *= 2;
    tm__cell_block *block = tm__cell_block_new(block_cells);
    if (block) {
        block->next = registry->blocks;
        registry->blocks = block;
        registry->cell_count += block_cells;
    }
    return block;
}

static bool cut_cells(tm_registry *registry, size_t count, tm__cells *out)
{
    tm__cell_block *block = registry->blocks;
    if (!block || block->count - block->used < count)
        block = add_block(registry, count);
    if (!block)
        return false;
    *out = tm__cells_at(block->first.segment, block->first.slot + block->used);
    block->used += (uint32_t)count;
    return true;
}

static bool complete_by_type(tm__family *family, tm__series *series)
{
    if (family->type == TM_TYPE_GAUGE) {
        tm__gauge *gauge = (tm__gauge *)series;
        gauge->state = tm__gauge_state_make(family->registry);
        if (gauge->state)
            tm__gauge_restart(gauge);
        return gauge->state;
    }
    if (family->type == TM_TYPE_HISTOGRAM) {
        tm__histogram *histogram = (tm__histogram *)series;
        const tm_family *info = atomic_load_explicit(&family->info, memory_order_relaxed);
        histogram->bounds = info->buckets;
        histogram->bound_count = info->bucket_count;
    }
    return true;
}

static tm__series *new_series(tm__family *family, const char *labels, size_t labels_len)
{
    tm_registry *registry = family->registry;
    size_t header_bytes = tm__series_header_bytes(family->type);
    size_t cell_count = family->type == TM_TYPE_GAUGE ? 2 : family->value_count;
    tm__series *series = tm__arena_alloc(&registry->arena, header_bytes + labels_len);
    if (!series || !cut_cells(registry, cell_count, &series->cells))
        return NULL;
    series->family = family;
    series->hash = (uint32_t)(family->name_hash + tm__labels_hash(labels, labels_len));
    series->first_part = (uint32_t)atomic_load_explicit(&registry->part_count, memory_order_relaxed);
    tm__labels_shape shape = tm__labels_shape_of(labels, labels_len);
    series->labels_len = labels_len & 0x3fff;
    series->label_count = shape.count & 0x3f;
    series->labels_escaped = shape.escaped;
    series->type = family->type & 7;
    if (labels_len > 0)
        memcpy((char *)series + header_bytes, labels, labels_len);
    if (!complete_by_type(family, series))
        return NULL;
    return series;
}

static void link_series(tm__family *family, tm__series *series)
{
    tm_registry *registry = family->registry;
    /* First, so that whoever finds the series finds its numbers counted. */
    atomic_fetch_add_explicit(&registry->part_count, family->value_count, memory_order_relaxed);
    if (family->last)
        atomic_store_explicit(&family->last->next, series, memory_order_release);
    else
        atomic_store_explicit(&family->first, series, memory_order_release);
    family->last = series;
    /* Release: pairs with the acquire in values.c, for whom there are as many series as it counts. */
    atomic_fetch_add_explicit(&family->series_count, 1, memory_order_release);
    atomic_fetch_add_explicit(&registry->series_count, 1, memory_order_relaxed);
}

int tm__series_make(tm__family *family, const char *labels, size_t labels_len, tm__series **out)
{
    tm_registry *registry = family->registry;
    if (atomic_load_explicit(&registry->part_count, memory_order_relaxed) > UINT32_MAX - family->value_count)
        return TM_ENOMEM;
    tm__series *series = new_series(family, labels, labels_len);
    if (!series)
        return TM_ENOMEM;
    link_series(family, series);
    tm__index_add(&registry->series, series);
    *out = series;
    return TM_OK;
}
