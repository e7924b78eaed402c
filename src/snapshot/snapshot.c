#include "snapshot/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/family.h"
#include "base/labels.h"
#include "base/names.h"

size_t tm_family_value_count(const tm_family *family)
{
    return family ? tm__family_value_count(family) : 0;
}

int64_t tm_snapshot_time_ms(const tm_snapshot *snapshot)
{
    return snapshot ? snapshot->time_ms : 0;
}

size_t tm_snapshot_family_count(const tm_snapshot *snapshot)
{
    return snapshot ? snapshot->family_count : 0;
}

const tm_family *tm_snapshot_family(const tm_snapshot *snapshot, size_t i)
{
    return i < tm_snapshot_family_count(snapshot) ? snapshot->families[i].info : NULL;
}

size_t tm_snapshot_series_count(const tm_snapshot *snapshot, size_t i)
{
    return i < tm_snapshot_family_count(snapshot) ? snapshot->families[i].series_count : 0;
}

tm_series tm_snapshot_series(const tm_snapshot *snapshot, size_t i, size_t k)
{
    if (k >= tm_snapshot_series_count(snapshot, i))
        return (tm_series){0};
    const tm__snapshot_series *series = &snapshot->families[i].series[k];
    return (tm_series){series->labels, series->labels_len, series->values};
}

int tm_snapshot_new(int64_t time_ms, tm_snapshot **out)
{
    if (!out)
        return TM_EINVAL;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return TM_ENOMEM;
    (*out)->time_ms = time_ms;
    return TM_OK;
}

void tm_snapshot_free(tm_snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->family_count; i++)
        free(snapshot->families[i].series);
    free(snapshot->families);
    tm__arena_free(&snapshot->arena);
    free(snapshot);
}

/* Grows an array to hold at least one more; NULL, with the array as it was, if there is no memory. */
static void *grow(void *array, size_t item_bytes, size_t count, size_t *capacity)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity ? 2 * *capacity : 8;
    void *grown = realloc(array, larger * item_bytes);
    if (grown)
        *capacity = larger;
    return grown;
}

tm__snapshot_family *tm__snapshot_borrow_family(tm_snapshot *snapshot, const tm_family *info, const char *printed,
                                                size_t series_capacity)
{
    void *families =
        grow(snapshot->families, sizeof *snapshot->families, snapshot->family_count, &snapshot->family_capacity);
    if (!families)
        return NULL;
    snapshot->families = families;
    tm__snapshot_family family = {.info = info, .printed = printed, .printed_len = strlen(printed)};
    if (series_capacity > 0) {
        family.series = malloc(series_capacity * sizeof *family.series);
        if (!family.series)
            return NULL;
        family.series_capacity = series_capacity;
    }
    tm__snapshot_family *place = &snapshot->families[snapshot->family_count++];
    *place = family;
    return place;
}

bool tm__snapshot_reserve_series(tm__snapshot_family *family)
{
    void *grown = grow(family->series, sizeof *family->series, family->series_count, &family->series_capacity);
    if (grown)
        family->series = grown;
    return grown;
}

int tm_snapshot_add_family(tm_snapshot *snapshot, const tm_family *family, size_t *index)
{
    if (!snapshot || !index)
        return TM_EINVAL;
    int status = tm__family_check(family);
    if (status != TM_OK)
        return status;
    tm_family *copy = tm__arena_alloc(&snapshot->arena, sizeof *copy);
    if (!copy || tm__family_copy(family, &snapshot->arena, copy) != TM_OK)
        return TM_ENOMEM;
    char name[TM__PRINTED_MAX];
    char *printed = tm__arena_copy(&snapshot->arena, name, tm__printed_name(copy, name));
    if (!printed || !tm__snapshot_borrow_family(snapshot, copy, printed, 0))
        return TM_ENOMEM;
    *index = snapshot->family_count - 1;
    return TM_OK;
}

int tm_snapshot_add_series(tm_snapshot *snapshot, size_t index, const char *labels, size_t labels_bytes,
                           const tm_number *values)
{
    if (index >= tm_snapshot_family_count(snapshot) || (!labels && labels_bytes > 0) || !values)
        return TM_EINVAL;
    if (!tm__labels_ok(labels, labels_bytes))
        return TM_ELABEL;
    tm__snapshot_family *family = &snapshot->families[index];
    size_t value_count = tm__family_value_count(family->info);
    char *labels_copy = tm__arena_copy(&snapshot->arena, labels, labels_bytes);
    tm_number *values_copy = tm__arena_alloc(&snapshot->arena, value_count * sizeof *values_copy);
    if (!labels_copy || !values_copy)
        return TM_ENOMEM;
    memcpy(values_copy, values, value_count * sizeof *values_copy);
    return tm__snapshot_borrow_series(family, labels_copy, labels_bytes, values_copy) ? TM_OK : TM_ENOMEM;
}
