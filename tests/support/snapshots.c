#include "snapshots.h"

#include "base/labels.h"
#include "test.h"

tm_snapshot *new_snapshot(int64_t time_ms)
{
    tm_snapshot *snapshot;
    assert_ok(tm_snapshot_new(time_ms, &snapshot));
    return snapshot;
}

size_t add_family(tm_snapshot *snapshot, tm_family family)
{
    size_t place;
    assert_ok(tm_snapshot_add_family(snapshot, &family, &place));
    return place;
}

static void add_series(tm_snapshot *snapshot, size_t place, tm_labels labels, const tm_number *values)
{
    tm__labels_text text;
    assert_ok(tm__labels_write(labels, &text));
    assert_ok(tm_snapshot_add_series(snapshot, place, text.text, text.len, values));
}

void add_counter(tm_snapshot *snapshot, size_t place, tm_labels labels, uint64_t value)
{
    assert_int_equal(tm_snapshot_family(snapshot, place)->type, TM_TYPE_COUNTER);
    add_series(snapshot, place, labels, &(tm_number){.u = value});
}

void add_gauge(tm_snapshot *snapshot, size_t place, tm_labels labels, double value)
{
    assert_int_equal(tm_snapshot_family(snapshot, place)->type, TM_TYPE_GAUGE);
    add_series(snapshot, place, labels, &(tm_number){.d = value});
}

void add_histogram(tm_snapshot *snapshot, size_t place, tm_labels labels, double sum, const uint64_t *counts)
{
    const tm_family *family = tm_snapshot_family(snapshot, place);
    assert_int_equal(family->type, TM_TYPE_HISTOGRAM);
    tm_number values[TM_BUCKETS_MAX + 2];
    for (size_t i = 0; i <= family->bucket_count; i++)
        values[i].u = counts[i];
    values[family->bucket_count + 1].d = sum;
    add_series(snapshot, place, labels, values);
}
