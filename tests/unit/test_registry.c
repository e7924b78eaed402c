/* Registries and looking series up: handles, one-call recording, what goes wrong and how it is counted. */
#include "registry/registry.h"

#include <math.h>
#include <pthread.h>

#include "registries.h"
#include "test.h"
#include "threads.h"

/* Before main, and before the constructors of the library that have no priority. */
static int early_status = TM_EINVAL;
__attribute__((constructor)) static void record_early(void)
{
    early_status = tm_count(tm_registry_default(), "early", 1, TM_NO_LABELS);
}

/* ---- handles ------------------------------------------------------------------------------------------------- */

TEST(the_same_labels_in_any_order_give_the_same_handle)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "tasks", TM_LABELS("b", "2", "a", "1"));
    assert_ptr_equal(counter_of(registry, "tasks", TM_LABELS("a", "1", "b", "2")), counter);
    assert_ptr_not_equal(counter_of(registry, "tasks", TM_LABELS("a", "1")), counter);
    assert_ptr_not_equal(counter_of(registry, "tasks", TM_NO_LABELS), counter);
    assert_int_equal(stats_of(registry).series, 3);
    assert_int_equal(stats_of(registry).families, 1);
    tm_registry_free(registry);
}

TEST(every_string_is_copied)
{
    tm_registry *registry = new_registry();
    char name[] = "jobs";
    char label[] = "kind";
    char value[] = "x\"y";
    tm_counter *counter = counter_of(registry, name, TM_LABELS(label, value));
    memset(name, '#', sizeof name - 1);
    memset(label, '#', sizeof label - 1);
    memset(value, '#', sizeof value - 1);
    assert_ptr_equal(counter_of(registry, "jobs", TM_LABELS("kind", "x\"y")), counter);
    tm_counter_inc(counter);
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(values_in(snapshot, "jobs", "kind=\"x\\\"y\"")->u, 1);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(a_counter_counts_and_wraps_at_2_to_64)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    assert_int_equal(tm_counter_value(counter), 0);
    tm_counter_inc(counter);
    tm_counter_add(counter, 41);
    tm_counter_add(counter, 0);
    assert_int_equal(tm_counter_value(counter), 42);
    tm_counter_add(counter, UINT64_MAX);
    assert_int_equal(tm_counter_value(counter), 41);
    tm_registry_free(registry);
}

TEST(one_call_recording_reaches_the_series_of_the_handles)
{
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "c", 3, TM_LABELS("k", "v")));
    assert_ok(tm_set(registry, "g", 2.5, TM_LABELS("k", "v")));
    assert_ok(tm_observe(registry, "h", 0.1, TM_LABELS("k", "v")));
    assert_int_equal(tm_counter_value(counter_of(registry, "c", TM_LABELS("k", "v"))), 3);
    assert_true(tm_gauge_value(gauge_of(registry, "g", TM_LABELS("k", "v"))) == 2.5);
    assert_int_equal(tm_histogram_count(histogram_of(registry, "h", TM_LABELS("k", "v"))), 1);
    tm_registry_free(registry);
}

TEST(many_series_are_all_found_again)
{
    enum { SERIES = 1500 };
    tm_registry *registry = new_registry();
    static tm_counter *counters[SERIES];
    char value[16];
    for (unsigned i = 0; i < SERIES; i++) {
        snprintf(value, sizeof value, "%u", i);
        counters[i] = counter_of(registry, "c", TM_LABELS("i", value));
        tm_counter_add(counters[i], i);
    }
    for (unsigned i = 0; i < SERIES; i++) {
        snprintf(value, sizeof value, "%u", i);
        assert_ptr_equal(counter_of(registry, "c", TM_LABELS("i", value)), counters[i]);
        assert_int_equal(tm_counter_value(counters[i]), i);
    }
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(tm_snapshot_series_count(snapshot, 0), SERIES);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

/* ---- what goes wrong ----------------------------------------------------------------------------------------- */

/* Asks for all three types, each of which must be refused with `status`, and uses the handles all the same. */
static void assert_refused(tm_registry *registry, const char *name, tm_labels labels, int status)
{
    tm_counter *counter = NULL;
    tm_gauge *gauge = NULL;
    tm_histogram *histogram = NULL;
    uint64_t before = registry ? stats_of(registry).dropped : 0;
    assert_status(tm_counter_get(registry, name, labels, &counter), status);
    assert_status(tm_gauge_get(registry, name, labels, &gauge), status);
    assert_status(tm_histogram_get(registry, name, labels, &histogram), status);
    assert_status(tm_count(registry, name, 1, labels), status);
    assert_status(tm_set(registry, name, 1, labels), status);
    assert_status(tm_observe(registry, name, 1, labels), status);
    tm_counter_inc(counter);
    tm_counter_add(counter, UINT64_MAX);
    tm_gauge_set(gauge, 5);
    tm_gauge_add(gauge, 5);
    tm_histogram_observe(histogram, 5);
    assert_int_equal(tm_counter_value(counter), 0);
    assert_true(tm_gauge_value(gauge) == 0);
    assert_int_equal(tm_histogram_count(histogram), 0);
    assert_true(tm_histogram_sum(histogram) == 0);
    assert_true(isnan(tm_histogram_quantile(histogram, 0.5)));
    if (registry)
        assert_int_equal(stats_of(registry).dropped, before + 6 + 5);
}

TEST(bad_names_give_handles_that_record_nothing)
{
    char too_long[TM_NAME_MAX + 2];
    memset(too_long, 'n', sizeof too_long - 1);
    too_long[TM_NAME_MAX + 1] = '\0';
    tm_registry *registry = new_registry();
    const char *const bad[] = {"", "1a", ".a", "a b", "a-b", "a\n", "\xc3\xa4", "a{}", too_long};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(registry, bad[i], TM_NO_LABELS, TM_ENAME);
    assert_refused(registry, NULL, TM_NO_LABELS, TM_EINVAL);
    assert_int_equal(stats_of(registry).families, 0);
    assert_ok(tm_count(registry, too_long + 1, 1, TM_NO_LABELS));
    assert_ok(tm_count(registry, ":a.b_1:C", 1, TM_NO_LABELS));
    assert_ok(tm_count(registry, "_", 1, TM_NO_LABELS));
    assert_int_equal(stats_of(registry).families, 3);
    tm_registry_free(registry);
}

TEST(bad_labels_give_handles_that_record_nothing)
{
    static char long_value[TM_VALUE_MAX + 2];
    memset(long_value, 'v', TM_VALUE_MAX + 1);
    tm_registry *registry = new_registry();
    const tm_labels bad[] = {
        TM_LABELS("", "v"),
        TM_LABELS("1a", "v"),
        TM_LABELS("a.b", "v"),
        TM_LABELS("__a", "v"),
        TM_LABELS("le", "1"),
        TM_LABELS("quantile", "1"),
        TM_LABELS("a", "\xff"),
        TM_LABELS("a", "1", "a", "2"),
        TM_LABELS("a", long_value),
        {NULL, 1},
        {NULL, SIZE_MAX},
        {(const char *const[]){"a", NULL}, 1},
        {(const char *const[]){NULL, "v"}, 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(registry, "m", bad[i], TM_ELABEL);
    assert_int_equal(stats_of(registry).series, 0);
    assert_ok(tm_count(registry, "m", 1, TM_LABELS("a", long_value + 1)));
    assert_ok(tm_count(registry, "m", 1, TM_LABELS("A_1", "", "_b", "\xe2\x82\xac\n\"\\")));
    tm_registry_free(registry);
}

TEST(a_series_has_at_most_32_labels)
{
    static const char *pairs[2 * (TM_LABELS_MAX + 1)];
    static char names[TM_LABELS_MAX + 1][8];
    for (size_t i = 0; i <= TM_LABELS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "l%zu", i);
        pairs[2 * i] = names[i];
        pairs[2 * i + 1] = "v";
    }
    tm_registry *registry = new_registry();
    assert_refused(registry, "m", (tm_labels){pairs, TM_LABELS_MAX + 1}, TM_ELABEL);
    assert_ok(tm_count(registry, "m", 1, (tm_labels){pairs, TM_LABELS_MAX}));
    tm_registry_free(registry);
}

TEST(a_null_registry_records_nothing_everywhere)
{
    assert_refused(NULL, "m", TM_NO_LABELS, TM_EINVAL);
    tm_snapshot *snapshot = (tm_snapshot *)&snapshot;
    assert_status(tm_snapshot_take(NULL, &snapshot), TM_EINVAL);
    assert_null(snapshot);
    tm_registry_stats_t stats = TM_REGISTRY_STATS_INIT;
    assert_status(tm_registry_stats(NULL, &stats), TM_EINVAL);
    size_t cleared = 7;
    assert_status(tm_registry_clear(NULL, &cleared), TM_EINVAL);
    assert_int_equal(cleared, 0);
    tm_family family = TM_FAMILY_INIT;
    family.name = "m";
    family.type = TM_TYPE_COUNTER;
    assert_status(tm_describe(NULL, &family), TM_EINVAL);
    tm_registry_free(NULL);
}

TEST(null_outputs_are_refused)
{
    tm_registry *registry = new_registry();
    assert_status(tm_registry_new(NULL, NULL), TM_EINVAL);
    assert_status(tm_counter_get(registry, "c", TM_NO_LABELS, NULL), TM_EINVAL);
    assert_status(tm_gauge_get(registry, "g", TM_NO_LABELS, NULL), TM_EINVAL);
    assert_status(tm_histogram_get(registry, "h", TM_NO_LABELS, NULL), TM_EINVAL);
    assert_status(tm_snapshot_take(registry, NULL), TM_EINVAL);
    assert_status(tm_registry_stats(registry, NULL), TM_EINVAL);
    assert_status(tm_describe(registry, NULL), TM_EINVAL);
    assert_int_equal(stats_of(registry).families, 0);
    tm_registry_free(registry);
}

TEST(structs_of_a_wrong_size_are_refused)
{
    tm_registry *registry = (tm_registry *)&registry;
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.size = sizeof options - 1;
    assert_status(tm_registry_new(&options, &registry), TM_EINVAL);
    assert_null(registry);
    options.size = 0;
    assert_ok(tm_registry_new(&options, &registry));
    tm_registry_stats_t stats = {.size = 8};
    assert_status(tm_registry_stats(registry, &stats), TM_EINVAL);
    tm_family family = {.size = 8, .name = "c", .type = TM_TYPE_COUNTER};
    assert_status(tm_describe(registry, &family), TM_EINVAL);
    family.size = 0;
    assert_ok(tm_describe(registry, &family));
    tm_registry_free(registry);
}

TEST(nan_observations_are_counted_and_not_recorded)
{
    tm_registry *registry = new_registry();
    assert_ok(tm_observe(registry, "h", (double)NAN, TM_NO_LABELS));
    assert_ok(tm_observe(registry, "h", -(double)NAN, TM_NO_LABELS));
    assert_int_equal(tm_histogram_count(histogram_of(registry, "h", TM_NO_LABELS)), 0);
    assert_true(tm_histogram_sum(histogram_of(registry, "h", TM_NO_LABELS)) == 0);
    assert_int_equal(stats_of(registry).dropped_nan, 2);
    assert_int_equal(stats_of(registry).dropped, 0);
    tm_registry_free(registry);
}

/* ---- registries ---------------------------------------------------------------------------------------------- */

TEST(two_registries_know_nothing_of_each_other)
{
    tm_registry *one = new_registry();
    tm_registry *two = new_registry();
    tm_counter *in_one = counter_of(one, "m", TM_NO_LABELS);
    tm_gauge *in_two = gauge_of(two, "m", TM_NO_LABELS);
    tm_counter_add(in_one, 3);
    tm_gauge_add(in_two, 7);
    assert_int_equal(tm_counter_value(in_one), 3);
    assert_true(tm_gauge_value(in_two) == 7);
    size_t cleared;
    assert_ok(tm_registry_clear(one, &cleared));
    assert_int_equal(cleared, 1);
    assert_true(tm_gauge_value(in_two) == 7);
    assert_status(tm_set(one, "m", 1, TM_NO_LABELS), TM_ECONFLICT);
    assert_int_equal(stats_of(one).dropped, 1);
    assert_int_equal(stats_of(two).dropped, 0);
    tm_registry_free(one);
    tm_gauge_add(in_two, 1);
    assert_true(tm_gauge_value(in_two) == 8);
    tm_registry_free(two);
}

static void use_default(void *seen, size_t number)
{
    ((tm_registry **)seen)[number] = tm_registry_default();
    (void)tm_count(tm_registry_default(), "uses", 1, TM_NO_LABELS);
}

TEST(the_default_registry_is_one_and_outlives_free)
{
    tm_registry *seen[8];
    run_threads(8, use_default, seen);
    for (size_t i = 0; i < 8; i++)
        assert_ptr_equal(seen[i], tm_registry_default());
    tm_registry_free(tm_registry_default());
    assert_int_equal(tm_counter_value(counter_of(seen[0], "uses", TM_NO_LABELS)), 8);
}

TEST(constructors_of_the_program_can_record)
{
    assert_ok(early_status);
    assert_int_equal(tm_counter_value(counter_of(tm_registry_default(), "early", TM_NO_LABELS)), 1);
}

TEST(stats_tell_what_there_is)
{
    tm_registry *registry = new_registry();
    tm_registry_stats_t before = stats_of(registry);
    assert_int_equal(before.families, 0);
    assert_int_equal(before.series, 0);
    assert_int_equal(before.dropped, 0);
    assert_int_equal(before.overflowed, 0);
    for (unsigned i = 0; i < 300; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        assert_ok(tm_count(registry, i % 2 ? "a" : "b", 1, TM_LABELS("i", value)));
    }
    tm_registry_stats_t after = stats_of(registry);
    assert_int_equal(after.families, 2);
    assert_int_equal(after.series, 300);
    assert_in_range(after.threads, 1, 1000);
    assert_in_range(after.memory_bytes, before.memory_bytes + 300 * 40, before.memory_bytes + 300 * 400);
    tm_registry_free(registry);
}

TEST_MAIN("registry", T(the_same_labels_in_any_order_give_the_same_handle), T(every_string_is_copied),
          T(a_counter_counts_and_wraps_at_2_to_64), T(one_call_recording_reaches_the_series_of_the_handles),
          T(many_series_are_all_found_again), T(bad_names_give_handles_that_record_nothing),
          T(bad_labels_give_handles_that_record_nothing), T(a_series_has_at_most_32_labels),
          T(a_null_registry_records_nothing_everywhere), T(null_outputs_are_refused),
          T(structs_of_a_wrong_size_are_refused), T(nan_observations_are_counted_and_not_recorded),
          T(two_registries_know_nothing_of_each_other), T(the_default_registry_is_one_and_outlives_free),
          T(constructors_of_the_program_can_record), T(stats_tell_what_there_is))
