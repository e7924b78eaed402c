/* From a name and labels to a series. Finding takes no lock; making takes the registry's create_lock. */
#include <string.h>

#include "base/bytes.h"
#include "base/family.h"
#include "base/given_labels.h"
#include "base/labels.h"
#include "base/names.h"
#include "registry/registry.h"

/* A lookup is one function, whoever asks for it: what passes between calls would be a tenth of its cost. */
#define INLINED __attribute__((always_inline)) static inline

#define OVERFLOW_LABELS "otel_metric_overflow=\"true\""

/* What a lookup asks for, as it was given. */
typedef struct wanted {
    const char *name;
    size_t name_len;
    tm_type type;
    uint32_t hash;
    tm__given_labels labels;
} wanted;

static inline bool has_name(const tm__series *series, const char *name, size_t name_len)
{
    const tm__family *family = series->family;
    return family->name_len == name_len && tm__bytes_equal(family->name, name, name_len);
}

INLINED tm__series *find(const tm_registry *registry, const wanted *w)
{
    tm__index_search search = tm__index_begin(&registry->series, w->hash);
    for (tm__series *series; (series = tm__index_next(&search));) {
        tm__labels_shape shape = {series->label_count, series->labels_escaped};
        if (tm__labels_match(tm__series_labels(series), series->labels_len, shape, &w->labels) &&
            has_name(series, w->name, w->name_len))
            return series;
    }
    return NULL;
}

tm__series *tm__series_find(const tm_registry *registry, const char *name, const char *labels, size_t labels_len)
{
    size_t name_len = strlen(name);
    uint32_t hash = (uint32_t)(tm__short_hash(name, name_len, 0) + tm__labels_hash(labels, labels_len));
    tm__index_search search = tm__index_begin(&registry->series, hash);
    for (tm__series *series; (series = tm__index_next(&search));)
        if (series->labels_len == labels_len && memcmp(tm__series_labels(series), labels, labels_len) == 0 &&
            has_name(series, name, name_len))
            return series;
    return NULL;
}

/* Whoever looks a series up means to use it: a clear no longer hides it. */
TM__COLD static void found_with_flags(tm_registry *registry, tm__series *series, uint8_t flags)
{
    if (flags & TM__SERIES_OVERFLOW)
        atomic_fetch_add_explicit(&registry->overflowed, 1, memory_order_relaxed);
    if (flags & TM__SERIES_CLEARED)
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
    atomic_fetch_or_explicit(&series->flags, TM__SERIES_OVERFLOW, memory_order_relaxed);
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

static int make_locked(tm_registry *registry, const wanted *w, const tm__labels_text *text, tm__series **out)
{
    *out = find(registry, w);
    if (*out)
        return TM_OK;
    tm__family *family = tm__family_find(registry, w->name);
    if (!family) {
        tm_family description = {.size = sizeof description, .name = w->name, .type = w->type};
        int status = tm__family_make(registry, &description, &family);
        if (status != TM_OK)
            return status;
    }
    if (family->type != w->type)
        return TM_ECONFLICT;
    return is_full(family) ? make_overflow(family, out) : tm__series_make(family, text->text, text->len, out);
}

/* Only now are the labels checked and their canonical text made: what was found before needs neither. */
TM__COLD static int make(tm_registry *registry, const wanted *w, tm_labels labels, tm__series **out)
{
    tm__labels_text text;
    int status = tm__labels_write(labels, &text);
    if (status != TM_OK)
        return status;
    *out = overflow_of(registry, w->name);
    if (*out)
        return TM_OK;
    if (!tm__name_ok(w->name))
        return TM_ENAME;
    pthread_mutex_lock(&registry->create_lock);
    status = make_locked(registry, w, &text, out);
    pthread_mutex_unlock(&registry->create_lock);
    return status;
}

/* NULL and *status on an error. */
INLINED tm__series *find_or_make(tm_registry *registry, const char *name, tm_labels labels, tm_type type, int *status)
{
    wanted w;
    *status = registry && name ? tm__labels_take(labels, &w.labels) : TM_EINVAL;
    if (*status != TM_OK)
        return NULL;
    w.name = name;
    w.name_len = strlen(name);
    w.type = type;
    w.hash = (uint32_t)(tm__short_hash(name, w.name_len, 0) + w.labels.hash);
    tm__series *series = find(registry, &w);
    if (!series) {
        *status = make(registry, &w, labels, &series);
        if (*status != TM_OK)
            return NULL;
    }
    if (series->type != type) {
        *status = TM_ECONFLICT;
        return NULL;
    }
    uint8_t flags = atomic_load_explicit(&series->flags, memory_order_relaxed);
    if (__builtin_expect(flags != 0, 0))
        found_with_flags(registry, series, flags);
    return series;
}

TM__COLD static tm__series *drop(tm_registry *registry, tm_type type)
{
    tm__count_drop(registry);
    return tm__no_op_series(registry, type);
}

INLINED tm__series *get(tm_registry *registry, const char *name, tm_labels labels, tm_type type, int *status)
{
    tm__series *series = find_or_make(registry, name, labels, type, status);
    return series ? series : drop(registry, type);
}

int tm_counter_get(tm_registry *registry, const char *name, tm_labels labels, tm_counter **out)
{
    if (!out)
        return TM_EINVAL;
    int status;
    *out = (tm_counter *)get(registry, name, labels, TM_TYPE_COUNTER, &status);
    return status;
}

int tm_gauge_get(tm_registry *registry, const char *name, tm_labels labels, tm_gauge **out)
{
    if (!out)
        return TM_EINVAL;
    int status;
    *out = (tm_gauge *)get(registry, name, labels, TM_TYPE_GAUGE, &status);
    return status;
}

int tm_histogram_get(tm_registry *registry, const char *name, tm_labels labels, tm_histogram **out)
{
    if (!out)
        return TM_EINVAL;
    int status;
    *out = (tm_histogram *)get(registry, name, labels, TM_TYPE_HISTOGRAM, &status);
    return status;
}

int tm_count(tm_registry *registry, const char *name, uint64_t n, tm_labels labels)
{
    int status;
    tm__series *series = get(registry, name, labels, TM_TYPE_COUNTER, &status);
    if (status == TM_OK)
        tm_counter_add((tm_counter *)series, n);
    return status;
}

int tm_set(tm_registry *registry, const char *name, double value, tm_labels labels)
{
    int status;
    tm__series *series = get(registry, name, labels, TM_TYPE_GAUGE, &status);
    if (status == TM_OK)
        tm_gauge_set((tm_gauge *)series, value);
    return status;
}

int tm_observe(tm_registry *registry, const char *name, double value, tm_labels labels)
{
    int status;
    tm__series *series = get(registry, name, labels, TM_TYPE_HISTOGRAM, &status);
    if (status == TM_OK)
        tm_histogram_observe((tm_histogram *)series, value);
    return status;
}
