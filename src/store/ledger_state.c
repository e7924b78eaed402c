#include "store/ledger_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/family.h"
#include "base/hash.h"
#include "base/names.h"

static uint64_t hash_text(const char *text)
{
    return tm__hash(text, strlen(text), 0);
}

/* ---- what the tables ask of their entries; a key is an entry of which only the identity is filled in --------- */

static unsigned long name_hash(const void *family, unsigned long seed)
{
    (void)seed;
    return ((const tm__ledger_family *)family)->name_hash;
}

static bool same_name(const void *family, const void *key)
{
    return strcmp(((const tm__ledger_family *)family)->info.name, ((const tm__ledger_family *)key)->info.name) == 0;
}

static unsigned long printed_hash(const void *family, unsigned long seed)
{
    (void)seed;
    return ((const tm__ledger_family *)family)->printed_hash;
}

static bool same_printed(const void *family, const void *key)
{
    return strcmp(((const tm__ledger_family *)family)->printed, ((const tm__ledger_family *)key)->printed) == 0;
}

static unsigned long series_hash(const void *series, unsigned long seed)
{
    (void)seed;
    return ((const tm__ledger_series *)series)->hash;
}

static bool same_series(const void *series, const void *key)
{
    const tm__ledger_series *a = series;
    const tm__ledger_series *b = key;
    return a->hash == b->hash && a->family == b->family && a->labels_len == b->labels_len &&
           memcmp(a->labels, b->labels, a->labels_len) == 0;
}

static unsigned long instance_hash(const void *instance, unsigned long seed)
{
    (void)seed;
    return ((const tm__ledger_instance *)instance)->hash;
}

static bool same_instance(const void *instance, const void *key)
{
    return strcmp(((const tm__ledger_instance *)instance)->name, ((const tm__ledger_instance *)key)->name) == 0;
}

static unsigned long held_hash(const void *held, unsigned long seed)
{
    (void)seed;
    return ((const tm__held *)held)->series->hash;
}

static bool same_held(const void *held, const void *key)
{
    return ((const tm__held *)held)->series == ((const tm__held *)key)->series;
}

/* ---- the ledger ---------------------------------------------------------------------------------------------- */

int tm__ledger_make(tm__ledger **out)
{
    tm__ledger *ledger = *out = calloc(1, sizeof *ledger);
    if (!ledger)
        return TM_ENOMEM;
    ledger->retired_until_ms = INT64_MIN;
    ledger->families_end = &ledger->families;
    ledger->series_end = &ledger->series;
    ledger->instances_end = &ledger->instances;
    if (tm__table_init(&ledger->by_name, name_hash, same_name) == TM_OK &&
        tm__table_init(&ledger->by_printed, printed_hash, same_printed) == TM_OK &&
        tm__table_init(&ledger->by_labels, series_hash, same_series) == TM_OK &&
        tm__table_init(&ledger->by_instance, instance_hash, same_instance) == TM_OK)
        return TM_OK;
    tm__ledger_free(ledger);
    *out = NULL;
    return TM_ENOMEM;
}

int tm__ledger_new(tm__ledger **out)
{
    int status = tm__ledger_make(out);
    if (status == TM_OK)
        status = tm__random_bytes((*out)->id, sizeof(*out)->id);
    if (status != TM_OK) {
        tm__ledger_free(*out);
        *out = NULL;
    }
    return status;
}

void tm__ledger_free(tm__ledger *ledger)
{
    if (!ledger)
        return;
    while (ledger->instances) {
        tm__ledger_instance *next = ledger->instances->next;
        tm__instance_free(ledger->instances);
        ledger->instances = next;
    }
    tm__table_free(&ledger->by_name);
    tm__table_free(&ledger->by_printed);
    tm__table_free(&ledger->by_labels);
    tm__table_free(&ledger->by_instance);
    tm__arena_free(&ledger->arena);
    tm__arena_free(&ledger->totals);
    free(ledger);
}

/* ---- finding ------------------------------------------------------------------------------------------------- */

tm__ledger_family *tm__ledger_find_family(const tm__ledger *ledger, const char *name)
{
    tm__ledger_family key = {.info.name = name};
    return tm__table_get(&ledger->by_name, hash_text(name), &key);
}

tm__ledger_family *tm__ledger_find_printed(const tm__ledger *ledger, const char *printed)
{
    tm__ledger_family key = {.printed = printed};
    return tm__table_get(&ledger->by_printed, hash_text(printed), &key);
}

static const tm_family *find_printed_info(const void *ledger, const char *printed)
{
    const tm__ledger_family *found = tm__ledger_find_printed(ledger, printed);
    return found ? &found->info : NULL;
}

bool tm__ledger_has_samples_like(const tm__ledger *ledger, const tm_family *family)
{
    return tm__sample_names_taken(family, find_printed_info, ledger);
}

tm__ledger_series *tm__ledger_find_series(const tm__ledger *ledger, tm__ledger_family *family, const char *labels,
                                          size_t labels_len)
{
    uint64_t hash = tm__series_hash(family->name_hash, labels, labels_len);
    tm__ledger_series key = {.family = family, .hash = hash, .labels = labels, .labels_len = labels_len};
    return tm__table_get(&ledger->by_labels, hash, &key);
}

tm__ledger_instance *tm__ledger_find_instance(const tm__ledger *ledger, const char *name)
{
    tm__ledger_instance key = {.name = name};
    return tm__table_get(&ledger->by_instance, hash_text(name), &key);
}

/* ---- adding -------------------------------------------------------------------------------------------------- */

int tm__ledger_copy_family(const tm_family *family, tm__arena *arena, tm_family *out)
{
    static const double no_finite_bounds[] = {INFINITY};
    tm_family given = *family;
    if (given.type == TM_TYPE_HISTOGRAM && given.bucket_count == 0 && given.buckets) {
        given.buckets = no_finite_bounds;
        given.bucket_count = 1;
    }
    return tm__family_copy(&given, arena, out);
}

int tm__ledger_add_family(tm__ledger *ledger, const tm_family *family, tm__ledger_family **out)
{
    tm__arena_mark before = tm__arena_here(&ledger->arena);
    tm__ledger_family *added = tm__arena_alloc(&ledger->arena, sizeof *added);
    char printed[TM__PRINTED_MAX];
    if (!added || tm__ledger_copy_family(family, &ledger->arena, &added->info) != TM_OK)
        goto no_memory;
    added->printed = tm__arena_copy(&ledger->arena, printed, tm__printed_name(&added->info, printed));
    if (!added->printed)
        goto no_memory;
    added->name_hash = hash_text(added->info.name);
    added->printed_hash = hash_text(added->printed);
    added->value_count = tm__family_value_count(&added->info);
    added->index = ledger->family_count;
    if (tm__table_put(&ledger->by_name, added->name_hash, added) != TM_OK)
        goto no_memory;
    if (tm__table_put(&ledger->by_printed, added->printed_hash, added) != TM_OK) {
        tm__table_remove(&ledger->by_name, added->name_hash, added);
        goto no_memory;
    }
    *ledger->families_end = added;
    ledger->families_end = &added->next;
    ledger->family_count++;
    *out = added;
    return TM_OK;
no_memory:
    tm__arena_back_to(&ledger->arena, before);
    return TM_ENOMEM;
}

int tm__ledger_add_series(tm__ledger *ledger, tm__ledger_family *family, const char *labels, size_t labels_len,
                          tm__ledger_series **out)
{
    tm__ledger_mark before = tm__ledger_here(ledger);
    bool has_totals = family->info.type != TM_TYPE_GAUGE;
    tm__ledger_series *added = tm__arena_alloc(&ledger->arena, sizeof *added);
    if (!added)
        goto no_memory;
    if (has_totals)
        added->totals = tm__arena_alloc(&ledger->totals, family->value_count * sizeof *added->totals);
    added->family = family;
    added->hash = tm__series_hash(family->name_hash, labels, labels_len);
    added->labels = tm__arena_copy(&ledger->arena, labels, labels_len);
    added->labels_len = labels_len;
    added->index = ledger->series_count;
    if (!added->labels || (has_totals && !added->totals) ||
        tm__table_put(&ledger->by_labels, added->hash, added) != TM_OK)
        goto no_memory;
    *ledger->series_end = added;
    ledger->series_end = &added->next;
    ledger->series_count++;
    *out = added;
    return TM_OK;
no_memory:
    tm__ledger_back_to(ledger, before);
    return TM_ENOMEM;
}

bool tm__instance_name_ok(const char *name)
{
    size_t len = name ? strnlen(name, TM__INSTANCE_NAME_MAX + 1) : 0;
    if (len == 0 || len > TM__INSTANCE_NAME_MAX || !tm__utf8_ok(name, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
            return false;
    return true;
}

int tm__instance_new(const char *name, size_t len, tm__ledger_instance **out)
{
    tm__ledger_instance *instance = calloc(1, sizeof *instance + len + 1);
    if (!instance)
        return TM_ENOMEM;
    char *copy = (char *)(instance + 1);
    memcpy(copy, name, len);
    instance->name = copy;
    instance->hash = hash_text(copy);
    instance->told_ms = INT64_MIN;
    instance->values.end = &instance->values.first;
    instance->gauges.end = &instance->gauges.first;
    *out = instance;
    return TM_OK;
}

void tm__instance_free(tm__ledger_instance *instance)
{
    if (!instance)
        return;
    tm__held_free(&instance->values);
    tm__held_free(&instance->gauges);
    tm__instance_forget_numbers(instance);
    free(instance);
}

tm__held *tm__instance_recall(const tm__ledger_instance *instance, uint32_t number)
{
    return number < instance->number_count ? instance->by_number[number] : NULL;
}

void tm__instance_remember(tm__ledger_instance *instance, uint32_t number, tm__held *held)
{
    size_t count = instance->number_count;
    if (number >= count) {
        size_t larger = number < 2 * count ? 2 * count : (size_t)number + 64;
        tm__held **grown = realloc(instance->by_number, larger * sizeof(*grown));
        if (!grown)
            return;
        memset(grown + count, 0, (larger - count) * sizeof(*grown));
        instance->by_number = grown;
        instance->number_count = larger;
    }
    instance->by_number[number] = held;
}

void tm__instance_forget_numbers(tm__ledger_instance *instance)
{
    free(instance->by_number);
    instance->by_number = NULL;
    instance->number_count = 0;
}

int tm__ledger_put_instance(tm__ledger *ledger, tm__ledger_instance *instance)
{
    if (tm__table_put(&ledger->by_instance, instance->hash, instance) != TM_OK)
        return TM_ENOMEM;
    *ledger->instances_end = instance;
    ledger->instances_end = &instance->next;
    ledger->instance_count++;
    return TM_OK;
}

/* ---- what instances hold ------------------------------------------------------------------------------------- */

int tm__held_add(tm__held_list *list, tm__ledger_series *series, tm__held **out)
{
    size_t value_count = series->family->value_count;
    tm__held *added = tm__arena_alloc(&list->arena, sizeof *added + value_count * sizeof added->values[0]);
    if (!added)
        return TM_ENOMEM;
    added->series = series;
    added->totals = series->totals;
    *list->end = added;
    list->end = &added->next;
    list->count++;
    *out = added;
    return TM_OK;
}

static int index_list(tm__held_list *list)
{
    int status = tm__table_init(&list->by_series, held_hash, same_held);
    if (status == TM_OK)
        status = tm__table_reserve(&list->by_series, list->count);
    for (tm__held *held = list->first; held && status == TM_OK; held = held->next)
        status = tm__table_put(&list->by_series, held->series->hash, held);
    if (status != TM_OK)
        tm__table_free(&list->by_series);
    return status;
}

/* An instance tells its numbers in the same order each time, so the next one in the list is mostly the one. */
int tm__held_get(tm__held_list *list, tm__ledger_series *series, tm__held **out)
{
    tm__held *next = list->got ? list->got->next : list->first;
    if (next && next->series == series) {
        list->got = *out = next;
        return TM_OK;
    }
    if (!list->by_series.ready && index_list(list) != TM_OK)
        return TM_ENOMEM;
    tm__held key = {.series = series};
    list->got = *out = tm__table_get(&list->by_series, series->hash, &key);
    if (*out)
        return TM_OK;
    tm__held_mark before = tm__held_here(list);
    int status = tm__held_add(list, series, out);
    if (status == TM_OK)
        status = tm__table_put(&list->by_series, series->hash, *out);
    if (status != TM_OK)
        tm__held_back_to(list, before);
    else
        list->got = *out;
    return status;
}

void tm__held_free(tm__held_list *list)
{
    tm__table_free(&list->by_series);
    tm__arena_free(&list->arena);
    *list = (tm__held_list){0};
    list->end = &list->first;
}

/* ---- going back ---------------------------------------------------------------------------------------------- */

tm__held_mark tm__held_here(const tm__held_list *list)
{
    return (tm__held_mark){list->end, list->count, tm__arena_here(&list->arena)};
}

void tm__held_back_to(tm__held_list *list, tm__held_mark mark)
{
    if (list->by_series.ready)
        for (const tm__held *held = *mark.end; held; held = held->next)
            tm__table_remove(&list->by_series, held->series->hash, held);
    *mark.end = NULL;
    list->end = mark.end;
    list->got = NULL;
    list->count = mark.count;
    tm__arena_back_to(&list->arena, mark.arena);
}

tm__ledger_mark tm__ledger_here(const tm__ledger *ledger)
{
    return (tm__ledger_mark){ledger->families_end, ledger->family_count,           ledger->series_end,
                             ledger->series_count, tm__arena_here(&ledger->arena), tm__arena_here(&ledger->totals)};
}

void tm__ledger_back_to(tm__ledger *ledger, tm__ledger_mark mark)
{
    for (const tm__ledger_series *series = *mark.series_end; series; series = series->next)
        tm__table_remove(&ledger->by_labels, series->hash, series);
    for (const tm__ledger_family *family = *mark.families_end; family; family = family->next) {
        tm__table_remove(&ledger->by_name, family->name_hash, family);
        tm__table_remove(&ledger->by_printed, family->printed_hash, family);
    }
    *mark.series_end = NULL;
    ledger->series_end = mark.series_end;
    ledger->series_count = mark.series_count;
    *mark.families_end = NULL;
    ledger->families_end = mark.families_end;
    ledger->family_count = mark.family_count;
    tm__arena_back_to(&ledger->arena, mark.arena);
    tm__arena_back_to(&ledger->totals, mark.totals);
}
