#include "base/family.h"

#include <math.h>
#include <string.h>

#include "base/names.h"

enum { HELP_MAX = 65535 };

const double tm__default_buckets[TM__DEFAULT_BUCKET_COUNT] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

static bool help_ok(const char *help)
{
    size_t len = help ? strnlen(help, HELP_MAX + 1) : 0;
    return len <= HELP_MAX && tm__utf8_ok(help, len);
}

static bool unit_ok(const char *unit)
{
    size_t len = unit ? strnlen(unit, TM_NAME_MAX + 1) : 0;
    if (len > TM_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", unit[i]))
            return false;
    return true;
}

/* The number of finite bounds: a last +Inf is implied. */
static size_t finite_bounds(const tm_family *family)
{
    size_t count = family->bucket_count;
    return count > 0 && family->buckets && family->buckets[count - 1] == INFINITY ? count - 1 : count;
}

static bool buckets_ok(const tm_family *family)
{
    if (family->type != TM_TYPE_HISTOGRAM)
        return family->bucket_count == 0;
    if (family->bucket_count > 0 && !family->buckets)
        return false;
    size_t count = finite_bounds(family);
    if (count > TM_BUCKETS_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(family->buckets[i]) || (i > 0 && !(family->buckets[i - 1] < family->buckets[i])))
            return false;
    return true;
}

int tm__family_check(const tm_family *family)
{
    if (!family || (family->size != 0 && family->size < sizeof *family))
        return TM_EINVAL;
    if (!tm__name_ok(family->name))
        return TM_ENAME;
    bool type_ok = family->type >= TM_TYPE_COUNTER && family->type <= TM_TYPE_HISTOGRAM;
    bool aggregation_ok = family->aggregation >= TM_AGGREGATE_LAST && family->aggregation <= TM_AGGREGATE_EACH &&
                          (family->type == TM_TYPE_GAUGE || family->aggregation == TM_AGGREGATE_LAST);
    return type_ok && aggregation_ok && help_ok(family->help) && unit_ok(family->unit) && buckets_ok(family)
               ? TM_OK
               : TM_EINVAL;
}

static const char *copy_text(tm__arena *arena, const char *text)
{
    return text && text[0] ? tm__arena_copy(arena, text, strlen(text)) : "";
}

int tm__family_copy(const tm_family *family, tm__arena *arena, tm_family *out)
{
    tm_family copy = {.size = sizeof copy, .type = family->type, .aggregation = family->aggregation};
    copy.name = copy_text(arena, family->name);
    copy.help = copy_text(arena, family->help);
    copy.unit = copy_text(arena, family->unit);
    if (!copy.name || !copy.help || !copy.unit)
        return TM_ENOMEM;
    if (family->type == TM_TYPE_HISTOGRAM) {
        /* A complete description with no finite bounds has buckets, though their count is 0. */
        const double *bounds = family->buckets ? family->buckets : tm__default_buckets;
        copy.bucket_count = family->buckets ? finite_bounds(family) : TM__DEFAULT_BUCKET_COUNT;
        double *buckets = tm__arena_alloc(arena, (copy.bucket_count + 1) * sizeof *buckets);
        if (!buckets)
            return TM_ENOMEM;
        memcpy(buckets, bounds, copy.bucket_count * sizeof *buckets);
        copy.buckets = buckets;
    }
    *out = copy;
    return TM_OK;
}

bool tm__family_same(const tm_family *a, const tm_family *b)
{
    return a->type == b->type && a->aggregation == b->aggregation && strcmp(a->name, b->name) == 0 &&
           strcmp(a->unit, b->unit) == 0 && a->bucket_count == b->bucket_count &&
           (a->bucket_count == 0 || memcmp(a->buckets, b->buckets, a->bucket_count * sizeof *a->buckets) == 0);
}

size_t tm__family_value_count(const tm_family *family)
{
    return family->type == TM_TYPE_HISTOGRAM ? family->bucket_count + 2 : 1;
}

bool tm__family_part_is_double(const tm_family *family, size_t part)
{
    return family->type == TM_TYPE_GAUGE || (family->type == TM_TYPE_HISTOGRAM && part == family->bucket_count + 1);
}
