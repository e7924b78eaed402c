/* From a URL's scheme to the store behind it. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/error.h"
#include "store/store.h"
#include "store/url.h"

enum { SCHEME_MAX = 32, PARTITIONS_MAX = 4096, DEFAULT_PARTITIONS = 64 };

/* A hundred years: an upper bound that cannot overflow as nanoseconds. */
#define LONGEST_MS (INT64_C(100) * 366 * 24 * 3600 * 1000)

/* ---- schemes ------------------------------------------------------------------------------------------------- */

/* The list only grows at its head and its nodes never change, so nobody waits, not even in the child of a fork. */
typedef struct scheme {
    struct scheme *next;
    tm_store_opener open;
    char name[SCHEME_MAX + 1];
} scheme;

static scheme file_scheme = {.name = "file", .open = tm__file_store_open};
static scheme memory_scheme = {.next = &file_scheme, .name = "memory", .open = tm__memory_store_open};

/* Release in tm_store_register, acquire in find_scheme: a node that is seen is complete. */
static scheme *_Atomic schemes = &memory_scheme;

static const scheme *find_scheme(const scheme *first, const char *name)
{
    while (first && strcmp(first->name, name) != 0)
        first = first->next;
    return first;
}

/* How many characters at the beginning of a text can be a scheme. */
static size_t scheme_length(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    bool begins_with_letter = (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z');
    return begins_with_letter && len <= SCHEME_MAX ? len : 0;
}

static void copy_in_lower_case(const char *text, size_t len, char out[SCHEME_MAX + 1])
{
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    out[len] = '\0';
}

int tm_store_register(const char *name, tm_store_opener open)
{
    size_t len = name ? scheme_length(name) : 0;
    if (len == 0 || name[len] != '\0' || !open)
        return TM_EINVAL;
    scheme *added = malloc(sizeof *added);
    if (!added)
        return TM_ENOMEM;
    added->open = open;
    copy_in_lower_case(name, len, added->name);
    added->next = atomic_load_explicit(&schemes, memory_order_acquire);
    do {
        if (find_scheme(added->next, added->name)) {
            free(added);
            return TM_EBUSY;
        }
    } while (!atomic_compare_exchange_weak_explicit(&schemes, &added->next, added, memory_order_acq_rel,
                                                    memory_order_acquire));
    return TM_OK;
}

/* The libraries of the project that bring further schemes; loading one registers them. */
static const struct {
    const char *scheme;
    const char *library;
} optional_libraries[] = {
    {"redis", "libtaskermetrics_redis.so.0"},
    {"redis+unix", "libtaskermetrics_redis.so.0"},
    {"memcached", "libtaskermetrics_memcached.so.0"},
};

static const char *library_for(const char *name)
{
    for (size_t i = 0; i < sizeof optional_libraries / sizeof optional_libraries[0]; i++)
        if (strcmp(optional_libraries[i].scheme, name) == 0)
            return optional_libraries[i].library;
    return NULL;
}

/* The scheme of a URL, after loading the library that brings it if need be. The URL may hold a password where nobody
 * expects one, so the texts quote none of it. */
static int scheme_of(const char *url, const scheme **out, tm_error *error)
{
    size_t len = scheme_length(url);
    if (len == 0 || url[len] != ':')
        return tm__fail(error, TM_EURL, "store URL: it does not begin with a scheme such as \"file:\"");
    char name[SCHEME_MAX + 1];
    copy_in_lower_case(url, len, name);
    *out = find_scheme(atomic_load_explicit(&schemes, memory_order_acquire), name);
    const char *library = *out ? NULL : library_for(name);
    if (library && dlopen(library, RTLD_NOW | RTLD_LOCAL))
        *out = find_scheme(atomic_load_explicit(&schemes, memory_order_acquire), name);
    if (*out)
        return TM_OK;
    if (library)
        return tm__fail(error, TM_EUNSUPPORTED, "%s: needs the library %s: install it, or link the program with it",
                        name, library);
    return tm__fail(error, TM_EUNSUPPORTED, "store URL: no store is registered for its scheme");
}

/* ---- options ------------------------------------------------------------------------------------------------- */

/* Copies the fields that the caller's version of the struct has. */
static tm_store_options known_fields(const tm_store_options *given)
{
    tm_store_options known = {.size = sizeof known};
#define TAKE(field)                                                                     \
    if (given && given->size >= offsetof(tm_store_options, field) + sizeof known.field) \
    known.field = given->field
    TAKE(ns);
    TAKE(sync_timeout_ms);
    TAKE(liveness_ms);
    TAKE(values_ttl_ms);
    TAKE(retention_ms);
    TAKE(partitions);
    TAKE(skip_if_unavailable);
    TAKE(warn);
    TAKE(warn_ctx);
#undef TAKE
    return known;
}

static int complete_time(int64_t *time_ms, int64_t default_ms, const char *what, tm_error *error)
{
    if (*time_ms < 0 || *time_ms > LONGEST_MS)
        return tm__fail(error, TM_EINVAL, "store options: %s is out of range", what);
    if (*time_ms == 0)
        *time_ms = default_ms;
    return TM_OK;
}

static int complete_options(const tm_store_options *given, tm_store_options *out, tm_error *error)
{
    *out = known_fields(given);
    int status = complete_time(&out->sync_timeout_ms, TM__SYNC_TIMEOUT_MS, "sync_timeout_ms", error);
    if (status == TM_OK)
        status = complete_time(&out->liveness_ms, TM__LIVENESS_MS, "liveness_ms", error);
    if (status == TM_OK)
        status = complete_time(&out->values_ttl_ms, TM__VALUES_TTL_MS, "values_ttl_ms", error);
    if (status == TM_OK)
        status = complete_time(&out->retention_ms, TM__RETENTION_MS, "retention_ms", error);
    if (status == TM_OK && out->partitions > PARTITIONS_MAX)
        status = tm__fail(error, TM_EINVAL, "store options: partitions is out of range");
    if (status == TM_OK && out->ns)
        status = tm__namespace_check(out->ns, error);
    if (out->partitions == 0)
        out->partitions = DEFAULT_PARTITIONS;
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

int tm_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error)
{
    tm_error unwanted;
    if (!error)
        error = &unwanted;
    *error = (tm_error){0};
    if (out)
        *out = NULL;
    if (!url || !out)
        return tm__fail(error, TM_EINVAL, "tm_store_open: a NULL where a URL or a place for the store is needed");
    const scheme *found;
    tm_store_options complete;
    int status = complete_options(options, &complete, error);
    if (status == TM_OK)
        status = scheme_of(url, &found, error);
    int cancel = tm__cancel_put_off();
    if (status == TM_OK)
        status = found->open(url, &complete, out, error);
    tm__cancel_allow(cancel);
    if (status == TM_OK)
        *error = (tm_error){0}; /* a store that tries again at each sync may have noted why */
    else if (error->status != status)
        tm__fail(error, status, "store: %s", tm_status_text(status));
    return status;
}
