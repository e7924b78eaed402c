/* Snapshots through their public functions: reading, building, and what is refused. */
#include <math.h>

#include "base/clock.h"
#include "base/labels.h"
#include "registries.h"
#include "snapshots.h"
#include "test.h"
#include "threads.h"

static int add_labels(tm_snapshot *snapshot, size_t place, const char *labels)
{
    return tm_snapshot_add_series(snapshot, place, labels, strlen(labels), &(tm_number){.u = 1});
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

TEST(an_empty_snapshot_has_nothing_but_its_time)
{
    tm_snapshot *snapshot = new_snapshot(-5);
    assert_int_equal(tm_snapshot_time_ms(snapshot), -5);
    assert_int_equal(tm_snapshot_family_count(snapshot), 0);
    assert_null(tm_snapshot_family(snapshot, 0));
    assert_int_equal(tm_snapshot_series_count(snapshot, 0), 0);
    assert_null(tm_snapshot_series(snapshot, 0, 0).values);
    tm_snapshot_free(snapshot);
}

TEST(null_is_an_empty_snapshot)
{
    assert_int_equal(tm_snapshot_time_ms(NULL), 0);
    assert_int_equal(tm_snapshot_family_count(NULL), 0);
    assert_null(tm_snapshot_family(NULL, 0));
    assert_int_equal(tm_snapshot_series_count(NULL, 0), 0);
    tm_series series = tm_snapshot_series(NULL, 0, 0);
    assert_null(series.labels);
    assert_null(series.values);
    assert_int_equal(series.labels_bytes, 0);
    assert_int_equal(tm_family_value_count(NULL), 0);
    tm_snapshot_free(NULL);
}

TEST(places_out_of_range_give_nothing)
{
    tm_snapshot *snapshot = new_snapshot(0);
    size_t place = add_family(snapshot, FAMILY("c", TM_TYPE_COUNTER, .help = "h"));
    add_counter(snapshot, place, TM_LABELS("a", "1"), 7);
    static const size_t out_of_range[] = {1, 8, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        assert_null(tm_snapshot_family(snapshot, out_of_range[i]));
        assert_int_equal(tm_snapshot_series_count(snapshot, out_of_range[i]), 0);
        assert_null(tm_snapshot_series(snapshot, out_of_range[i], 0).values);
        assert_null(tm_snapshot_series(snapshot, place, out_of_range[i]).values);
    }
    assert_int_equal(tm_snapshot_series(snapshot, place, 0).values->u, 7);
    tm_snapshot_free(snapshot);
}

TEST(the_number_of_values_follows_the_type)
{
    tm_snapshot *snapshot = new_snapshot(0);
    double bound = 1;
    size_t counter = add_family(snapshot, FAMILY("c", TM_TYPE_COUNTER, .help = ""));
    size_t gauge = add_family(snapshot, FAMILY("g", TM_TYPE_GAUGE, .help = ""));
    size_t narrow = add_family(snapshot, FAMILY("n", TM_TYPE_HISTOGRAM, .buckets = &bound, .bucket_count = 1));
    size_t usual = add_family(snapshot, FAMILY("u", TM_TYPE_HISTOGRAM, .help = ""));
    assert_int_equal(tm_family_value_count(tm_snapshot_family(snapshot, counter)), 1);
    assert_int_equal(tm_family_value_count(tm_snapshot_family(snapshot, gauge)), 1);
    assert_int_equal(tm_family_value_count(tm_snapshot_family(snapshot, narrow)), 3);
    assert_int_equal(tm_family_value_count(tm_snapshot_family(snapshot, usual)), 13);
    tm_snapshot_free(snapshot);
}

static int64_t fixed_time_ms(void)
{
    return 1234567890123;
}

TEST(a_snapshot_of_a_registry_is_what_was_there_then)
{
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "c", 3, TM_LABELS("b", "x\ny", "a", "\"\\")));
    assert_ok(tm_set(registry, "g", -0.5, TM_NO_LABELS));
    tm_histogram *histogram = histogram_with(registry, "h", BOUNDS(1, 2));
    tm_histogram_observe(histogram, 1.5);
    tm_histogram_observe(histogram, 7);
    tm__wall_clock_replace(fixed_time_ms);
    tm_snapshot *snapshot = snapshot_of(registry);
    tm__wall_clock_replace(NULL);
    assert_ok(tm_count(registry, "c", 1, TM_LABELS("b", "x\ny", "a", "\"\\")));
    assert_ok(tm_count(registry, "later", 1, TM_NO_LABELS));
    tm_histogram_observe(histogram, 0);
    assert_int_equal(tm_snapshot_time_ms(snapshot), 1234567890123);
    assert_int_equal(tm_snapshot_family_count(snapshot), 3);
    assert_int_equal(values_in(snapshot, "c", "a=\"\\\"\\\\\",b=\"x\\ny\"")->u, 3);
    assert_true(values_in(snapshot, "g", "")->d == -0.5);
    const tm_number *values = values_in(snapshot, "h", "");
    assert_int_equal(values[0].u, 0);
    assert_int_equal(values[1].u, 1);
    assert_int_equal(values[2].u, 1);
    assert_true(values[3].d == 8.5);
    assert_null(values_in(snapshot, "later", ""));
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(families_and_series_come_in_the_order_they_were_made)
{
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "z", 1, TM_LABELS("i", "2")));
    assert_ok(tm_count(registry, "a", 1, TM_NO_LABELS));
    assert_ok(tm_count(registry, "z", 1, TM_LABELS("i", "1")));
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(family_place(snapshot, "z"), 0);
    assert_int_equal(family_place(snapshot, "a"), 1);
    assert_int_equal(tm_snapshot_series_count(snapshot, 0), 2);
    assert_memory_equal(tm_snapshot_series(snapshot, 0, 0).labels, "i=\"2\"", 5);
    assert_memory_equal(tm_snapshot_series(snapshot, 0, 1).labels, "i=\"1\"", 5);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

enum { MANY = 1000 };

/* To every third series nothing is added. */
static void add_to_many(void *counters)
{
    for (size_t i = 0; i < MANY; i++)
        if (i % 3 > 0)
            tm_counter_add(((tm_counter **)counters)[i], i);
}

/* More than are read at once, recorded to by two threads; a clear hides every third. */
TEST(a_family_of_many_series_is_whole_and_in_order)
{
    static tm_counter *counters[MANY];
    static char numbers[MANY][8];
    tm_registry *registry = new_registry();
    for (size_t i = 0; i < MANY; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%zu", i);
        counters[i] = counter_of(registry, "c", TM_LABELS("i", numbers[i]));
    }
    add_to_many(counters);
    assert_ok(tm_registry_clear(registry, NULL));
    add_to_many(counters);
    run_thread(add_to_many, counters);
    tm_snapshot *snapshot = snapshot_of(registry);
    size_t place = 0;
    for (size_t i = 0; i < MANY; i++) {
        if (i % 3 == 0)
            continue;
        tm_series series = tm_snapshot_series(snapshot, 0, place++);
        assert_memory_equal(series.labels + 3, numbers[i], strlen(numbers[i]));
        assert_int_equal(series.values[0].u, 2 * i);
    }
    assert_int_equal(tm_snapshot_series_count(snapshot, 0), place);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

/* ---- building ------------------------------------------------------------------------------------------------ */

TEST(everything_is_copied)
{
    tm_snapshot *snapshot = new_snapshot(0);
    char name[] = "h";
    char help[] = "Help.";
    char unit[] = "seconds";
    char labels[] = "a=\"1\"";
    double bounds[] = {1, 2};
    tm_number values[] = {{.u = 1}, {.u = 2}, {.u = 3}, {.d = 4.5}};
    size_t place = add_family(
        snapshot, FAMILY(name, TM_TYPE_HISTOGRAM, .help = help, .unit = unit, .buckets = bounds, .bucket_count = 2));
    assert_ok(tm_snapshot_add_series(snapshot, place, labels, strlen(labels), values));
    memset(name, '#', 1);
    memset(help, '#', 5);
    memset(unit, '#', 7);
    memset(labels, '#', 5);
    memset(bounds, 0, sizeof bounds);
    memset(values, 0, sizeof values);
    const tm_family *family = tm_snapshot_family(snapshot, place);
    assert_string_equal(family->name, "h");
    assert_string_equal(family->help, "Help.");
    assert_string_equal(family->unit, "seconds");
    assert_true(family->buckets[0] == 1 && family->buckets[1] == 2);
    const tm_number *copied = values_in(snapshot, "h", "a=\"1\"");
    assert_true(copied[0].u == 1 && copied[1].u == 2 && copied[2].u == 3 && copied[3].d == 4.5);
    tm_snapshot_free(snapshot);
}

TEST(absent_texts_become_empty_and_absent_buckets_the_usual)
{
    tm_snapshot *snapshot = new_snapshot(0);
    size_t place = add_family(snapshot, FAMILY("h", TM_TYPE_HISTOGRAM, .help = NULL));
    const tm_family *family = tm_snapshot_family(snapshot, place);
    assert_string_equal(family->help, "");
    assert_string_equal(family->unit, "");
    assert_int_equal(family->bucket_count, 11);
    assert_true(family->buckets[0] == .005 && family->buckets[10] == 10);
    tm_snapshot_free(snapshot);
}

TEST(many_families_and_series_keep_their_places)
{
    enum { FAMILIES = 40, SERIES = 30 };
    tm_snapshot *snapshot = new_snapshot(0);
    char text[16];
    for (unsigned i = 0; i < FAMILIES; i++) {
        snprintf(text, sizeof text, "c%u", i);
        assert_int_equal(add_family(snapshot, FAMILY(text, TM_TYPE_COUNTER, .help = "")), i);
    }
    for (unsigned k = 0; k < SERIES; k++)
        for (unsigned i = 0; i < FAMILIES; i++) {
            snprintf(text, sizeof text, "%u", k);
            add_counter(snapshot, i, TM_LABELS("k", text), 100 * i + k);
        }
    for (unsigned i = 0; i < FAMILIES; i++) {
        snprintf(text, sizeof text, "c%u", i);
        assert_string_equal(tm_snapshot_family(snapshot, i)->name, text);
        assert_int_equal(tm_snapshot_series_count(snapshot, i), SERIES);
        for (unsigned k = 0; k < SERIES; k++)
            assert_int_equal(tm_snapshot_series(snapshot, i, k).values->u, 100 * i + k);
    }
    tm_snapshot_free(snapshot);
}

TEST(bad_arguments_are_refused)
{
    tm_snapshot *snapshot = new_snapshot(0);
    tm_family good = FAMILY("c", TM_TYPE_COUNTER, .help = "");
    tm_family nameless = FAMILY("1", TM_TYPE_COUNTER, .help = "");
    tm_family typeless = FAMILY("t", (tm_type)9, .help = "");
    size_t place = 77;
    assert_status(tm_snapshot_new(0, NULL), TM_EINVAL);
    assert_status(tm_snapshot_add_family(NULL, &good, &place), TM_EINVAL);
    assert_status(tm_snapshot_add_family(snapshot, NULL, &place), TM_EINVAL);
    assert_status(tm_snapshot_add_family(snapshot, &good, NULL), TM_EINVAL);
    assert_status(tm_snapshot_add_family(snapshot, &nameless, &place), TM_ENAME);
    assert_status(tm_snapshot_add_family(snapshot, &typeless, &place), TM_EINVAL);
    tm_family shorter = good;
    shorter.size = sizeof shorter - 1;
    assert_status(tm_snapshot_add_family(snapshot, &shorter, &place), TM_EINVAL);
    assert_int_equal(place, 77);
    assert_int_equal(tm_snapshot_family_count(snapshot), 0);
    assert_ok(tm_snapshot_add_family(snapshot, &good, &place));
    tm_number one = {.u = 1};
    assert_status(tm_snapshot_add_series(NULL, place, "", 0, &one), TM_EINVAL);
    assert_status(tm_snapshot_add_series(snapshot, place + 1, "", 0, &one), TM_EINVAL);
    assert_status(tm_snapshot_add_series(snapshot, place, NULL, 1, &one), TM_EINVAL);
    assert_status(tm_snapshot_add_series(snapshot, place, "", 0, NULL), TM_EINVAL);
    assert_int_equal(tm_snapshot_series_count(snapshot, place), 0);
    assert_ok(tm_snapshot_add_series(snapshot, place, NULL, 0, &one));
    assert_int_equal(values_in(snapshot, "c", "")->u, 1);
    tm_snapshot_free(snapshot);
}

TEST(labels_that_are_not_canonical_are_refused)
{
    static const char *const bad[] = {
        "a",
        "a=",
        "a=1",
        "a=\"1",
        "a=\"1\",",
        ",a=\"1\"",
        "a=\"1\"b=\"2\"",
        "b=\"1\",a=\"2\"",
        "a=\"1\",a=\"2\"",
        "a=\"\\x\"",
        "a=\"\n\"",
        "a=\"\"\"",
        "{a=\"1\"}",
        "a = \"1\"",
        "__a=\"1\"",
        "le=\"1\"",
        "quantile=\"1\"",
        "1=\"1\"",
        "a=\"\xff\"",
        "=\"1\"",
        "a=\"1\" ",
        "a.b=\"1\"",
    };
    tm_snapshot *snapshot = new_snapshot(0);
    size_t place = add_family(snapshot, FAMILY("c", TM_TYPE_COUNTER, .help = ""));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (add_labels(snapshot, place, bad[i]) != TM_ELABEL)
            fail_msg("taken: %s", bad[i]);
    assert_status(tm_snapshot_add_series(snapshot, place, "a=\"\0\"", 5, &(tm_number){.u = 1}), TM_ELABEL);
    assert_int_equal(tm_snapshot_series_count(snapshot, place), 0);
    assert_ok(add_labels(snapshot, place, "A=\"\",a=\"\\\\\\\"\\n\",b=\"\xe2\x82\xac,c=\\\"\""));
    tm_snapshot_free(snapshot);
}

TEST_MAIN("snapshot", T(an_empty_snapshot_has_nothing_but_its_time), T(null_is_an_empty_snapshot),
          T(places_out_of_range_give_nothing), T(the_number_of_values_follows_the_type),
          T(a_snapshot_of_a_registry_is_what_was_there_then), T(families_and_series_come_in_the_order_they_were_made),
          T(a_family_of_many_series_is_whole_and_in_order), T(everything_is_copied),
          T(absent_texts_become_empty_and_absent_buckets_the_usual), T(many_families_and_series_keep_their_places),
          T(bad_arguments_are_refused), T(labels_that_are_not_canonical_are_refused))
