/* Building snapshots by hand, in few words. Every function fails the test if it cannot do its work. */
#ifndef TM_TESTS_SNAPSHOTS_H
#define TM_TESTS_SNAPSHOTS_H

#include <taskermetrics/snapshot.h>

tm_snapshot *new_snapshot(int64_t time_ms);

/* Adds a family and returns its place. */
size_t add_family(tm_snapshot *snapshot, tm_family family);

/* FAMILY("name", TM_TYPE_COUNTER, .unit = "bytes"): a description. */
#define FAMILY(name_, type_, ...) \
    ((tm_family){.size = sizeof(tm_family), .name = (name_), .type = (type_), __VA_ARGS__})

/* Each adds a series to the family at `place`. */
void add_counter(tm_snapshot *snapshot, size_t place, tm_labels labels, uint64_t value);
void add_gauge(tm_snapshot *snapshot, size_t place, tm_labels labels, double value);

/* counts: one for each bucket, +Inf included, not cumulative. */
void add_histogram(tm_snapshot *snapshot, size_t place, tm_labels labels, double sum, const uint64_t *counts);
#define COUNTS(...) ((const uint64_t[]){__VA_ARGS__})

#endif
