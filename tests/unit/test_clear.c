/* tm_registry_clear: what it hides, what it keeps, and that it counts exactly. */
#include <math.h>

#include "registries.h"
#include "registry/registry.h"
#include "test.h"
#include "threads.h"

static uint64_t raw_count(void *counter)
{
    tm_number value;
    (void)tm__series_read(counter, NULL, &value);
    return value.u;
}

TEST(a_cleared_registry_shows_nothing)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_LABELS("k", "v"));
    tm_histogram *histogram = histogram_of(registry, "h", TM_NO_LABELS);
    tm_counter_add(counter, 5);
    tm_histogram_observe(histogram, 0.3);
    assert_ok(tm_set(registry, "g", 4, TM_NO_LABELS));
    size_t cleared;
    assert_ok(tm_registry_clear(registry, &cleared));
    assert_int_equal(cleared, 3);
    assert_int_equal(tm_counter_value(counter), 0);
    assert_int_equal(tm_histogram_count(histogram), 0);
    assert_true(tm_histogram_sum(histogram) == 0);
    tm_snapshot *snapshot = snapshot_of(registry);
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++)
        assert_int_equal(tm_snapshot_series_count(snapshot, i), 0);
    tm_snapshot_free(snapshot);
    assert_int_equal(stats_of(registry).series, 3);
    assert_int_equal(stats_of(registry).families, 3);
    tm_registry_free(registry);
}

TEST(what_is_recorded_after_a_clear_counts_from_zero)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    tm_histogram *histogram = histogram_with(registry, "h", BOUNDS(1, 2));
    for (uint64_t round = 1; round < 50; round++) {
        tm_counter_add(counter, round);
        tm_histogram_observe(histogram, 1);
        tm_histogram_observe(histogram, 2);
        tm_histogram_observe(histogram, 3);
        assert_int_equal(tm_counter_value(counter), round);
        assert_int_equal(tm_histogram_count(histogram), 3);
        assert_true(tm_histogram_sum(histogram) == 6);
        assert_true(tm_histogram_quantile(histogram, 0.5) == 1.5);
        tm_snapshot *snapshot = snapshot_of(registry);
        assert_int_equal(values_in(snapshot, "c", "")->u, round);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(values_in(snapshot, "h", "")[i].u, 1);
        tm_snapshot_free(snapshot);
        assert_ok(tm_registry_clear(registry, NULL));
        assert_ok(tm_registry_clear(registry, NULL));
    }
    assert_int_equal(raw_count(counter), 49 * 50 / 2);
    tm_registry_free(registry);
}

TEST(a_cleared_series_is_shown_when_it_is_looked_up)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_LABELS("k", "1"));
    (void)counter_of(registry, "c", TM_LABELS("k", "2"));
    assert_ok(tm_registry_clear(registry, NULL));
    assert_ptr_equal(counter_of(registry, "c", TM_LABELS("k", "1")), counter);
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(values_in(snapshot, "c", "k=\"1\"")->u, 0);
    assert_null(values_in(snapshot, "c", "k=\"2\""));
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(reading_a_cleared_series_does_not_show_it)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    tm_counter_inc(counter);
    assert_ok(tm_registry_clear(registry, NULL));
    assert_int_equal(tm_counter_value(counter), 0);
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_null(values_in(snapshot, "c", ""));
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(series_made_between_clears_are_cleared_too)
{
    tm_registry *registry = new_registry();
    size_t cleared;
    assert_ok(tm_registry_clear(registry, &cleared));
    assert_int_equal(cleared, 0);
    for (unsigned i = 1; i <= 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%u", i);
        tm_histogram *histogram = histogram_of(registry, name, TM_NO_LABELS);
        tm_histogram_observe(histogram, 1);
        assert_int_equal(tm_histogram_count(histogram), 1);
        assert_ok(tm_registry_clear(registry, &cleared));
        assert_int_equal(cleared, i);
        for (unsigned k = 1; k <= i; k++) {
            snprintf(name, sizeof name, "h%u", k);
            assert_int_equal(tm_histogram_count(histogram_of(registry, name, TM_NO_LABELS)), 0);
        }
    }
    tm_registry_free(registry);
}

static void add_hundred(void *counter)
{
    tm_counter_add(counter, 100);
}

TEST(a_clear_covers_what_all_threads_recorded)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    tm_counter_add(counter, UINT64_MAX - 50);
    run_thread(add_hundred, counter);
    assert_int_equal(tm_counter_value(counter), 49);
    assert_ok(tm_registry_clear(registry, NULL));
    assert_int_equal(tm_counter_value(counter), 0);
    run_thread(add_hundred, counter);
    assert_int_equal(tm_counter_value(counter), 100);
    tm_counter_add(counter, UINT64_MAX);
    assert_int_equal(tm_counter_value(counter), 99);
    tm_registry_free(registry);
}

TEST(a_clear_keeps_what_a_sync_is_yet_to_send)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    tm_counter_add(counter, 7);
    assert_ok(tm_registry_clear(registry, NULL));
    tm_counter_add(counter, 2);
    tm_snapshot *raw;
    assert_ok(tm__snapshot_take_raw(registry, &raw));
    assert_int_equal(values_in(raw, "c", "")->u, 9);
    tm_snapshot_free(raw);
    tm_registry_free(registry);
}

TEST(descriptions_and_caps_survive_a_clear)
{
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = 1;
    tm_registry *registry;
    assert_ok(tm_registry_new(&options, &registry));
    assert_ok(tm_count(registry, "c", 1, TM_LABELS("i", "1")));
    assert_ok(tm_count(registry, "c", 1, TM_LABELS("i", "2")));
    assert_ok(tm_registry_clear(registry, NULL));
    assert_status(tm_set(registry, "c", 1, TM_NO_LABELS), TM_ECONFLICT);
    assert_ok(tm_count(registry, "c", 5, TM_LABELS("i", "3")));
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(values_in(snapshot, "c", "otel_metric_overflow=\"true\"")->u, 5);
    assert_null(values_in(snapshot, "c", "i=\"1\""));
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

static void observe_3(void *histogram)
{
    tm_histogram_observe(histogram, 3);
}

static void observe_1e17(void *histogram)
{
    tm_histogram_observe(histogram, 1e17);
}

static void assert_nothing_is_left(void (*here)(void *), void (*in_a_thread)(void *))
{
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_of(registry, "h", TM_NO_LABELS);
    here(histogram);
    run_thread(in_a_thread, histogram);
    assert_ok(tm_registry_clear(registry, NULL));
    tm_histogram_observe(histogram, 0);
    assert_int_equal(tm_histogram_count(histogram), 1);
    assert_true(tm_histogram_sum(histogram) == 0);
    tm_registry_free(registry);
}

/* 1e17 + 3 is 1e17, but 1e17 - 1e17 + 3 is 3. */
TEST(a_cleared_sum_leaves_nothing_behind_however_it_was_rounded)
{
    assert_nothing_is_left(observe_3, observe_1e17);
    assert_nothing_is_left(observe_1e17, observe_3);
}

TEST_MAIN("clear", T(a_cleared_sum_leaves_nothing_behind_however_it_was_rounded), T(a_cleared_registry_shows_nothing),
          T(what_is_recorded_after_a_clear_counts_from_zero), T(a_cleared_series_is_shown_when_it_is_looked_up),
          T(reading_a_cleared_series_does_not_show_it), T(series_made_between_clears_are_cleared_too),
          T(a_clear_covers_what_all_threads_recorded), T(a_clear_keeps_what_a_sync_is_yet_to_send),
          T(descriptions_and_caps_survive_a_clear))
