/* Checking, copying and comparing descriptions of families. */
#ifndef TM__BASE_FAMILY_H
#define TM__BASE_FAMILY_H

#include <stdbool.h>

#include <taskermetrics/base.h>

#include "base/arena.h"
#include "base/shared.h"

/* The buckets of a histogram that was given none: .005 to 10 seconds. */
#define TM__DEFAULT_BUCKET_COUNT 11
extern const double tm__default_buckets[TM__DEFAULT_BUCKET_COUNT];

/* TM_OK, TM_EINVAL (NULL, size, type, help, unit, buckets, aggregation) or TM_ENAME. */
TM__SHARED int tm__family_check(const tm_family *family);

/* Copies a checked description into the arena and fills in what was left out: absent texts become "", a histogram gets
 * the default buckets, a last +Inf bound goes. TM_ENOMEM leaves *out unset. */
int tm__family_copy(const tm_family *family, tm__arena *arena, tm_family *out);

/* Whether two complete descriptions (from tm__family_copy) agree in all but the help. */
bool tm__family_same(const tm_family *a, const tm_family *b);

/* How many numbers a series has, and which of them are doubles. */
TM__SHARED size_t tm__family_value_count(const tm_family *family);
TM__SHARED bool tm__family_part_is_double(const tm_family *family, size_t part);

#endif
