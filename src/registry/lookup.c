/* From a name and labels to a series. Finding takes no lock; making takes the registry's create_lock. */
#include <string.h>

#include "base/bytes.h"
#include "base/family.h"
#include "base/hash.h"
#include "base/labels.h"
#include "base/names.h"
#include "registry/registry.h"

#define OVERFLOW_LABELS "otel_metric_overflow=\"true\""

/* The acquire pairs with the release that set READY: what was written before is complete. */
bool tm__series_is(const tm__series *series, const tm__series_key *key)
{
    (void)atomic_load_explicit(&series->flags, memory_order_acquire);
    if (series->hash != key->hash)
        return false;
    const char *labels = tm__series_labels(series);
    tm__labels_shape shape = {series->label_count, series->labels_escaped};
    bool same_labels = key->given
                           ? tm__labels_match(labels, series->labels_len, shape, key->given)
                           : series->labels_len == key->labels_len && memcmp(labels, key->labels, key->labels_len) == 0;
    return same_labels && series->family->name_len == key->name_len &&
           tm__bytes_equal(series->family->name, key->name, key->name_len);
}

static tm__series *find(const tm_registry *registry, const tm__series_key *key)
{
    return tm__table_get(&registry->series, key->hash, key);
}

tm__series *tm__series_find(const tm_registry *registry, const char *name, const char *labels, size_t labels_len)
{
    tm__series_key key = {.name = name, .name_len = strlen(name), .labels = labels, .labels_len = labels_len};
    key.hash = (uint32_t)(tm__hash(name, key.name_len, 0) + tm__labels_hash(labels, labels_len));
    return find(registry, &key);
}

/* Whoever looks a series up means to use it: a clear no longer hides it. */
static void show_again(tm__series *series)
{
    if (atomic_load_explicit(&series->flags, memory_order_relaxed) & TM__SERIES_CLEARED)
        atomic_fetch_and_explicit(&series->flags, (uint8_t)~TM__SERIES_CLEARED, memory_order_relaxed);
}

static bool is_full(const tm__family *family)
{
    const tm_registry *registry = family->registry;
    return atomic_load_explicit(&family->series_count, memory_order_relaxed) >= registry->max_series_per_family ||
           atomic_load_explicit(&registry->series_count, memory_order_relaxed) >= registry->max_series;
}

static int make_overflow(tm__family *family, tm__series **out)
{
    const size_t len = sizeof OVERFLOW_LABELS - 1;
    tm__series *series = tm__series_find(family->registry, family->name, OVERFLOW_LABELS, len);
    int status = series ? TM_OK : tm__series_make(family, OVERFLOW_LABELS, len, &series);
    if (status != TM_OK)
        return status;
    /* Release: pairs with the acquire in overflow_of. */
    atomic_store_explicit(&family->overflow, series, memory_order_release);
    *out = series;
    return TM_OK;
}

/* The overflow series of a family that has reached a cap, without a lock; NULL if it has not. */
static tm__series *overflow_of(tm_registry *registry, const char *name)
{
    tm__family *family = tm__family_find(registry, name);
    return family ? atomic_load_explicit(&family->overflow, memory_order_acquire) : NULL;
}

static int make_locked(tm_registry *registry, const tm__series_key *key, tm_type type, tm__series **out)
{
    tm__series *series = find(registry, key);
    if (series) {
        *out = series;
        return TM_OK;
    }
    tm__family *family = tm__family_find(registry, key->name);
    if (!family) {
        tm_family description = {.size = sizeof description, .name = key->name, .type = type};
        int status = tm__family_make(registry, &description, &family);
        if (status != TM_OK)
            return status;
    }
    if (family->type != type)
        return TM_ECONFLICT;
    return is_full(family) ? make_overflow(family, out) : tm__series_make(family, key->labels, key->labels_len, out);
}

static int make(tm_registry *registry, const tm__series_key *key, tm_type type, tm__series **out)
{
    if (!tm__name_ok(key->name))
        return TM_ENAME;
    pthread_mutex_lock(&registry->create_lock);
    int status = make_locked(registry, key, type, out);
    pthread_mutex_unlock(&registry->create_lock);
    return status;
}

/* Only now are the labels checked and their canonical text made: what was found before needs neither. */
__attribute__((noinline)) static int make_missing(tm_registry *registry, const tm__series_key *key, tm_labels labels,
                                                  tm_type type, tm__series **out)
{
    tm__labels_text text;
    int status = tm__labels_write(labels, &text);
    if (status != TM_OK)
        return status;
    *out = overflow_of(registry, key->name);
    if (*out)
        return TM_OK;
    tm__series_key with_text = *key;
    with_text.labels = text.text;
    with_text.labels_len = text.len;
    return make(registry, &with_text, type, out);
}

static int find_or_make(tm_registry *registry, const char *name, tm_labels labels, tm_type type, tm__series **out)
{
    if (!registry || !name)
        return TM_EINVAL;
    tm__given_labels given;
    int status = tm__labels_take(labels, &given);
    if (status != TM_OK)
        return status;
    tm__series_key key = {.name = name, .name_len = strlen(name), .given = &given};
    key.hash = (uint32_t)(tm__hash(name, key.name_len, 0) + given.hash);
    tm__series *series = find(registry, &key);
    if (!series)
        status = make_missing(registry, &key, labels, type, &series);
    if (status != TM_OK)
        return status;
    if (series->family->type != type)
        return TM_ECONFLICT;
    if (__builtin_expect(series == atomic_load_explicit(&series->family->overflow, memory_order_relaxed), 0))
        atomic_fetch_add_explicit(&registry->overflowed, 1, memory_order_relaxed);
    show_again(series);
    *out = series;
    return TM_OK;
}

int tm__series_get(tm_registry *registry, const char *name, tm_labels labels, tm_type type, tm__series **out)
{
    int status = find_or_make(registry, name, labels, type, out);
    if (status != TM_OK) {
        tm__count_drop(registry);
        *out = tm__no_op_series(registry, type);
    }
    return status;
}

int tm_counter_get(tm_registry *registry, const char *name, tm_labels labels, tm_counter **out)
{
    if (!out)
        return TM_EINVAL;
    tm__series *series;
    int status = tm__series_get(registry, name, labels, TM_TYPE_COUNTER, &series);
    *out = (tm_counter *)series;
    return status;
}

int tm_gauge_get(tm_registry *registry, const char *name, tm_labels labels, tm_gauge **out)
{
    if (!out)
        return TM_EINVAL;
    tm__series *series;
    int status = tm__series_get(registry, name, labels, TM_TYPE_GAUGE, &series);
    *out = (tm_gauge *)series;
    return status;
}

int tm_histogram_get(tm_registry *registry, const char *name, tm_labels labels, tm_histogram **out)
{
    if (!out)
        return TM_EINVAL;
    tm__series *series;
    int status = tm__series_get(registry, name, labels, TM_TYPE_HISTOGRAM, &series);
    *out = (tm_histogram *)series;
    return status;
}

int tm_count(tm_registry *registry, const char *name, uint64_t n, tm_labels labels)
{
    tm__series *series;
    int status = tm__series_get(registry, name, labels, TM_TYPE_COUNTER, &series);
    if (status == TM_OK)
        tm_counter_add((tm_counter *)series, n);
    return status;
}

int tm_set(tm_registry *registry, const char *name, double value, tm_labels labels)
{
    tm__series *series;
    int status = tm__series_get(registry, name, labels, TM_TYPE_GAUGE, &series);
    if (status == TM_OK)
        tm_gauge_set((tm_gauge *)series, value);
    return status;
}

int tm_observe(tm_registry *registry, const char *name, double value, tm_labels labels)
{
    tm__series *series;
    int status = tm__series_get(registry, name, labels, TM_TYPE_HISTOGRAM, &series);
    if (status == TM_OK)
        tm_histogram_observe((tm_histogram *)series, value);
    return status;
}
