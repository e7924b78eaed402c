/* Snapshots: immutable families of series with plain numbers. They are all that stores and exporters ever see.
 * Applications read them; authors of stores also build them. */
#ifndef TASKERMETRICS_SNAPSHOT_H
#define TASKERMETRICS_SNAPSHOT_H

#include <taskermetrics/base.h>

TM_BEGIN_DECLS

/* One series. labels is the canonical text: name="value" pairs sorted by name and joined by commas, without braces,
 * values escaped as Prometheus prints them (\\ \" \n); empty for no labels.
 * values: a counter has one (u), a gauge one (d), a histogram bucket_count + 2: a count for each bucket that is NOT
 * cumulative (u), the last of them +Inf, then the sum (d). */
typedef struct tm_series {
    const char *labels;
    size_t labels_bytes;
    const tm_number *values;
} tm_series;

/* How many numbers a series of this family has. Errors: none. Threads: any. Ownership: none. */
TM_API size_t tm_family_value_count(const tm_family *family);

/* When the snapshot was taken, in milliseconds since 1970. Errors: none. Threads: any. Ownership: none. */
TM_API int64_t tm_snapshot_time_ms(const tm_snapshot *snapshot);

/* How many families there are. Errors: none. Threads: any. Ownership: none. */
TM_API size_t tm_snapshot_family_count(const tm_snapshot *snapshot);

/* The description of family i, 0 <= i < tm_snapshot_family_count. Absent texts are "", never NULL; the buckets are
 * always filled in for histograms. Errors: NULL for an i out of range. Threads: any. Ownership: the snapshot's. */
TM_API const tm_family *tm_snapshot_family(const tm_snapshot *snapshot, size_t i);

/* How many series family i has. Errors: 0 for an i out of range. Threads: any. Ownership: none. */
TM_API size_t tm_snapshot_series_count(const tm_snapshot *snapshot, size_t i);

/* Series k of family i. Errors: all fields zero for an index out of range. Threads: any. Ownership: the snapshot's. */
TM_API tm_series tm_snapshot_series(const tm_snapshot *snapshot, size_t i, size_t k);

/* Frees a snapshot; NULL is allowed. Errors: none. Threads: one, at the end. Ownership: takes the snapshot. */
TM_API void tm_snapshot_free(tm_snapshot *snapshot);

/* For authors of stores. An empty snapshot, to be filled by the two functions below.
 * time_ms: milliseconds since 1970.
 * Errors: TM_EINVAL, TM_ENOMEM; *out is then NULL.
 * Threads: one until it is complete. Ownership: the caller frees it. */
TM_API int tm_snapshot_new(int64_t time_ms, tm_snapshot **out);

/* Adds a family; each once. *index receives its place, for tm_snapshot_add_series.
 * Errors: TM_EINVAL, TM_ENAME (a description that tm_describe would refuse), TM_ENOMEM.
 * Threads: one. Ownership: everything is copied. */
TM_API int tm_snapshot_add_family(tm_snapshot *snapshot, const tm_family *family, size_t *index);

/* Adds a series to family `index`; each series once. labels: canonical text as in tm_series. values:
 * tm_family_value_count numbers.
 * Errors: TM_EINVAL, TM_ELABEL (not canonical), TM_ENOMEM.
 * Threads: one. Ownership: everything is copied. */
TM_API int tm_snapshot_add_series(tm_snapshot *snapshot, size_t index, const char *labels, size_t labels_bytes,
                                  const tm_number *values);

TM_END_DECLS

#endif
