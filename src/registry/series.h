/* The bodies of series: what the handles point to. */
#ifndef TM__REGISTRY_SERIES_H
#define TM__REGISTRY_SERIES_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <taskermetrics/base.h>

#include "registry/cells.h"

typedef struct tm__family tm__family;

enum tm__series_flag {
    TM__SERIES_CLEARED = 1,  /* not shown until recorded to or looked up */
    TM__SERIES_OVERFLOW = 2, /* takes what is recorded to unknown label sets, see tm__family.overflow */
};

/* What the handle types tm_counter, tm_gauge and tm_histogram begin with; they are never defined themselves. The label
 * text follows the type's own struct. */
typedef struct tm__series {
    tm__family *family;                /* NULL: belongs to no registry */
    _Atomic(struct tm__series *) next; /* in its family, in order of creation; stored with release */
    _Atomic(struct tm__series *) next_in_index;
    tm__cells cells;
    uint32_t hash;       /* of the family's name plus that of the labels */
    uint32_t first_part; /* the place of its first number among all numbers of the registry */
    unsigned labels_len : 14;
    unsigned label_count : 6;
    unsigned labels_escaped : 1;
    unsigned type : 3; /* tm_type */
    _Atomic uint8_t flags;
} tm__series;

/* Alone on its cache line: setting a gauge must not slow down the readers of neighbouring handles. See gauge.c. */
typedef struct tm__gauge_state {
    alignas(64) _Atomic uint64_t base;
    _Atomic uint64_t version;
    _Atomic bool has_adds;
} tm__gauge_state;

typedef struct tm__gauge {
    tm__series series;
    tm__gauge_state *state;
} tm__gauge;

typedef struct tm__histogram {
    tm__series series;
    const double *bounds;
    size_t bound_count;
} tm__histogram;

_Static_assert(sizeof(tm__series) == 40, "there are many series");

/* The structs of gauges and histograms are each one word longer than the one before. */
static inline size_t tm__series_header_bytes(tm_type type)
{
    _Static_assert(TM_TYPE_COUNTER == 1 && TM_TYPE_GAUGE == 2 && TM_TYPE_HISTOGRAM == 3, "in this order");
    _Static_assert(sizeof(tm__gauge) == sizeof(tm__series) + sizeof(void *), "one word");
    _Static_assert(sizeof(tm__histogram) == sizeof(tm__series) + 2 * sizeof(void *), "two words");
    return sizeof(tm__series) + sizeof(void *) * ((size_t)type - 1);
}

static inline const char *tm__series_labels(const tm__series *series)
{
    return (const char *)series + tm__series_header_bytes(series->type);
}

static inline bool tm__series_is_no_op(const tm__series *series)
{
    return series->cells.segment == TM__NO_SEGMENT;
}

/* The series that follows in its family, without a lock. */
static inline tm__series *tm__series_next(const tm__series *series)
{
    return atomic_load_explicit(&series->next, memory_order_acquire);
}

#endif
