/* The body of a snapshot, for those who fill or render one. */
#ifndef TM__SNAPSHOT_SNAPSHOT_H
#define TM__SNAPSHOT_SNAPSHOT_H

#include <taskermetrics/snapshot.h>

#include <stdbool.h>

#include "base/arena.h"

typedef struct tm__snapshot_series {
    const char *labels; /* canonical, not NUL-terminated */
    const tm_number *values;
    uint32_t labels_len;
    bool unset;          /* registry snapshots: a gauge that was not set, or not since a clear */
    uint32_t first_part; /* registry snapshots: the place of values[0] among all numbers of the registry */
} tm__snapshot_series;

typedef struct tm__snapshot_family {
    const tm_family *info; /* complete, as from tm__family_copy */
    const char *printed;   /* tm__printed_name(info) */
    size_t printed_len;
    tm__snapshot_series *series;
    size_t series_count;
    size_t series_capacity;
} tm__snapshot_family;

struct tm_snapshot {
    int64_t time_ms;
    tm__snapshot_family *families;
    size_t family_count;
    size_t family_capacity;
    tm__arena arena; /* what was copied; borrowed parts belong to the registry */
};

/* Adds a family whose description and printed name the snapshot borrows, with room for `series_capacity` series.
 * NULL if there is no memory. Valid until the next family is added. */
tm__snapshot_family *tm__snapshot_borrow_family(tm_snapshot *snapshot, const tm_family *info, const char *printed,
                                                size_t series_capacity);

/* Makes room for one more series. False if there is no memory. */
bool tm__snapshot_reserve_series(tm__snapshot_family *family);

/* Adds a series; labels and values are borrowed. NULL if there is no memory. */
static inline tm__snapshot_series *tm__snapshot_borrow_series(tm__snapshot_family *family, const char *labels,
                                                              size_t labels_len, const tm_number *values)
{
    if (family->series_count == family->series_capacity && !tm__snapshot_reserve_series(family))
        return NULL;
    tm__snapshot_series *place = &family->series[family->series_count++];
    *place = (tm__snapshot_series){.labels = labels, .labels_len = (uint32_t)labels_len, .values = values};
    return place;
}

#endif
