#include "store/redis/collection.h"

#include <stdlib.h>
#include <string.h>

#include "base/family.h"
#include "base/hash.h"
#include "base/labels.h"
#include "store/redis/number.h"

/* What tells series apart. */
typedef struct series_key {
    const tm__redis_family *family;
    const char *instance;
    tm__redis_text labels;
} series_key;

static uint64_t hash_key(const series_key *key)
{
    const void *pointers[] = {key->family, key->instance};
    return tm__hash(key->labels.text, key->labels.len, tm__hash(pointers, sizeof pointers, 0));
}

static unsigned long hash_series(const void *object, unsigned long seed)
{
    const tm__redis_series *series = object;
    (void)seed;
    return hash_key(&(series_key){series->family, series->instance, series->labels});
}

static bool same_series(const void *object, const void *wanted)
{
    const tm__redis_series *series = object;
    const series_key *key = wanted;
    return series->family == key->family && series->instance == key->instance &&
           series->labels.len == key->labels.len && memcmp(series->labels.text, key->labels.text, key->labels.len) == 0;
}

int tm__redis_collection_init(tm__redis_collection *collection)
{
    return tm__table_init(&collection->by_name, hash_series, same_series);
}

void tm__redis_collection_free(tm__redis_collection *collection)
{
    tm__table_free(&collection->by_name);
    tm__arena_free(&collection->arena);
    free(collection->series);
    *collection = (tm__redis_collection){0};
}

static int fit_list(tm__redis_collection *collection)
{
    if (collection->count < collection->capacity)
        return TM_OK;
    size_t larger = collection->capacity ? 2 * collection->capacity : 64;
    tm__redis_series **series = realloc(collection->series, larger * sizeof(tm__redis_series *));
    if (!series)
        return TM_ENOMEM;
    collection->series = series;
    collection->capacity = larger;
    return TM_OK;
}

static tm__redis_series *make_series(tm__redis_collection *collection, const series_key *key)
{
    size_t value_count = tm__family_value_count(key->family->info);
    tm__redis_series *series =
        tm__arena_alloc(&collection->arena, sizeof *series + value_count * (sizeof series->values[0] + sizeof(bool)));
    char *labels = tm__arena_copy(&collection->arena, key->labels.text, key->labels.len);
    if (!series || !labels)
        return NULL;
    series->family = key->family;
    series->instance = key->instance;
    series->labels = (tm__redis_text){labels, key->labels.len};
    series->has = (bool *)&series->values[value_count];
    return series;
}

static int add_series(tm__redis_collection *collection, const series_key *key, tm__redis_series **out)
{
    if (!tm__labels_ok(key->labels.text, key->labels.len))
        return TM_EINVAL;
    size_t bytes = collection->arena.bytes + collection->by_name.bytes + collection->capacity * sizeof(void *);
    if (bytes > TM__REDIS_COLLECTION_BYTES_MAX)
        return TM_ETOOBIG;
    int status = fit_list(collection);
    *out = status == TM_OK ? make_series(collection, key) : NULL;
    if (!*out || tm__table_put(&collection->by_name, hash_key(key), *out) != TM_OK)
        return TM_ENOMEM;
    collection->series[collection->count++] = *out;
    return TM_OK;
}

int tm__redis_collection_get(tm__redis_collection *collection, const tm__redis_sample *sample, const char *instance,
                             tm__redis_series **out)
{
    series_key key = {sample->family, instance, sample->labels};
    *out = tm__table_get(&collection->by_name, hash_key(&key), &key);
    return *out ? TM_OK : add_series(collection, &key, out);
}

/* What cannot be read is as if it were not there. */
static int unless_invalid(int status)
{
    return status == TM_EINVAL ? TM_OK : status;
}

int tm__redis_collect_count(tm__redis_collection *collection, const tm__redis_families *families, const char *instance,
                            tm__redis_text field, tm__redis_text value)
{
    tm__redis_sample sample;
    tm__redis_series *series;
    tm_number number;
    if (!tm__redis_field_parse(families, field.text, field.len, false, &sample) ||
        !tm__redis_sample_number(&sample, value, &number))
        return TM_OK;
    int status = tm__redis_collection_get(collection, &sample, instance, &series);
    if (status != TM_OK)
        return unless_invalid(status);
    series->values[sample.part] = number;
    series->has[sample.part] = true;
    return TM_OK;
}

int tm__redis_collect_gauge(tm__redis_collection *collection, const tm__redis_families *families, const char *instance,
                            tm__redis_text field, tm__redis_text value)
{
    tm__redis_sample sample;
    tm__redis_series *series;
    tm_number number;
    uint64_t stamp_us;
    const char *space = memchr(value.text, ' ', value.len);
    if (!space || !tm__redis_field_parse(families, field.text, field.len, true, &sample))
        return TM_OK;
    size_t number_len = (size_t)(space - value.text);
    if (!tm__redis_read_count(space + 1, value.len - number_len - 1, &stamp_us) ||
        !tm__redis_read_double(value.text, number_len, &number.d))
        return TM_OK;
    int status = tm__redis_collection_get(collection, &sample, instance, &series);
    if (status != TM_OK)
        return unless_invalid(status);
    series->values[0] = number;
    series->has[0] = true;
    series->stamp_us = stamp_us;
    return TM_OK;
}

/* ---- order --------------------------------------------------------------------------------------------------- */

static int compare_texts(tm__redis_text a, tm__redis_text b)
{
    int order = memcmp(a.text, b.text, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_series(const void *left, const void *right)
{
    const tm__redis_series *a = *(const tm__redis_series *const *)left;
    const tm__redis_series *b = *(const tm__redis_series *const *)right;
    int order = a->family == b->family ? 0 : compare_texts(a->family->printed, b->family->printed);
    if (order == 0)
        order = compare_texts(a->labels, b->labels);
    return order != 0 ? order : strcmp(a->instance ? a->instance : "", b->instance ? b->instance : "");
}

void tm__redis_collection_sort(tm__redis_collection *collection)
{
    if (collection->count > 0)
        qsort(collection->series, collection->count, sizeof collection->series[0], compare_series);
}
