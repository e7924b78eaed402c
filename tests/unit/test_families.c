/* Describing families, what clashes with what, and the caps on their number and their series. */
#include <math.h>
#include <stdbool.h>

#include "registries.h"
#include "test.h"

/* describe(registry, "name", TM_TYPE_GAUGE, .unit = "bytes") */
#define describe(registry, ...) tm_describe((registry), &(tm_family){.size = sizeof(tm_family), __VA_ARGS__})

static int use(tm_registry *registry, const char *name, tm_type type)
{
    switch (type) {
    case TM_TYPE_COUNTER:
        return tm_count(registry, name, 1, TM_NO_LABELS);
    case TM_TYPE_GAUGE:
        return tm_set(registry, name, 1, TM_NO_LABELS);
    default:
        return tm_observe(registry, name, 1, TM_NO_LABELS);
    }
}

/* ---- describing ---------------------------------------------------------------------------------------------- */

TEST(a_description_comes_back_complete)
{
    tm_registry *registry = new_registry();
    double bounds[] = {-1, 0, 2.5, (double)INFINITY};
    char help[] = "How \"long\".";
    assert_ok(describe(registry, "h", TM_TYPE_HISTOGRAM, .help = help, .unit = "seconds", .buckets = bounds,
                       .bucket_count = 4));
    help[0] = '#';
    bounds[0] = 7;
    assert_ok(use(registry, "h", TM_TYPE_HISTOGRAM));
    tm_snapshot *snapshot = snapshot_of(registry);
    const tm_family *family = tm_snapshot_family(snapshot, 0);
    assert_string_equal(family->name, "h");
    assert_string_equal(family->help, "How \"long\".");
    assert_string_equal(family->unit, "seconds");
    assert_int_equal(family->type, TM_TYPE_HISTOGRAM);
    assert_int_equal(family->bucket_count, 3);
    assert_true(family->buckets[0] == -1 && family->buckets[1] == 0 && family->buckets[2] == 2.5);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(an_undescribed_histogram_has_the_duration_buckets)
{
    static const double expected[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
    tm_registry *registry = new_registry();
    assert_ok(use(registry, "h", TM_TYPE_HISTOGRAM));
    tm_snapshot *snapshot = snapshot_of(registry);
    const tm_family *family = tm_snapshot_family(snapshot, 0);
    assert_int_equal(family->bucket_count, 11);
    assert_memory_equal(family->buckets, expected, sizeof expected);
    assert_string_equal(family->help, "");
    assert_string_equal(family->unit, "");
    tm_snapshot_free(snapshot);
    assert_ok(describe(registry, "h", TM_TYPE_HISTOGRAM));
    assert_ok(describe(registry, "h", TM_TYPE_HISTOGRAM, .buckets = expected, .bucket_count = 11));
    tm_registry_free(registry);
}

TEST(a_family_may_be_described_before_and_after_its_use_and_twice)
{
    tm_registry *registry = new_registry();
    assert_ok(describe(registry, "g", TM_TYPE_GAUGE, .unit = "bytes", .aggregation = TM_AGGREGATE_MAX));
    assert_ok(describe(registry, "g", TM_TYPE_GAUGE, .unit = "bytes", .aggregation = TM_AGGREGATE_MAX));
    assert_ok(use(registry, "g", TM_TYPE_GAUGE));
    assert_ok(describe(registry, "g", TM_TYPE_GAUGE, .unit = "bytes", .aggregation = TM_AGGREGATE_MAX));
    assert_ok(use(registry, "c", TM_TYPE_COUNTER));
    assert_ok(describe(registry, "c", TM_TYPE_COUNTER));
    assert_int_equal(stats_of(registry).families, 2);
    assert_int_equal(stats_of(registry).dropped, 0);
    tm_registry_free(registry);
}

TEST(help_may_come_once_later)
{
    tm_registry *registry = new_registry();
    assert_ok(use(registry, "c", TM_TYPE_COUNTER));
    tm_snapshot *early = snapshot_of(registry);
    assert_ok(describe(registry, "c", TM_TYPE_COUNTER, .help = "First."));
    assert_ok(describe(registry, "c", TM_TYPE_COUNTER, .help = "Second."));
    assert_ok(describe(registry, "c", TM_TYPE_COUNTER));
    tm_snapshot *late = snapshot_of(registry);
    assert_string_equal(tm_snapshot_family(early, 0)->help, "");
    assert_string_equal(tm_snapshot_family(late, 0)->help, "First.");
    tm_snapshot_free(early);
    tm_snapshot_free(late);
    tm_registry_free(registry);
}

TEST(a_described_family_without_series_is_not_shown)
{
    tm_registry *registry = new_registry();
    assert_ok(describe(registry, "c", TM_TYPE_COUNTER));
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(tm_snapshot_family_count(snapshot), 0);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(bad_descriptions_are_refused)
{
    static const double falling[] = {1, 1};
    static const double infinite[] = {-(double)INFINITY, 1};
    static const double not_numbers[] = {0, (double)NAN};
    static double many[TM_BUCKETS_MAX + 1];
    for (size_t i = 0; i <= TM_BUCKETS_MAX; i++)
        many[i] = (double)i;
    tm_registry *registry = new_registry();
    assert_status(describe(registry, NULL, TM_TYPE_COUNTER), TM_ENAME);
    assert_status(describe(registry, "1", TM_TYPE_COUNTER), TM_ENAME);
    assert_status(describe(registry, "m", (tm_type)0), TM_EINVAL);
    assert_status(describe(registry, "m", (tm_type)4), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_COUNTER, .unit = "m/s"), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_COUNTER, .help = "\xff"), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_COUNTER, .aggregation = TM_AGGREGATE_SUM), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_GAUGE, .buckets = falling, .bucket_count = 1), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_HISTOGRAM, .buckets = falling, .bucket_count = 2), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_HISTOGRAM, .buckets = infinite, .bucket_count = 2), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_HISTOGRAM, .buckets = not_numbers, .bucket_count = 2), TM_EINVAL);
    assert_status(describe(registry, "m", TM_TYPE_HISTOGRAM, .buckets = many, .bucket_count = TM_BUCKETS_MAX + 1),
                  TM_EINVAL);
    assert_int_equal(stats_of(registry).families, 0);
    assert_ok(describe(registry, "m", TM_TYPE_HISTOGRAM, .buckets = many, .bucket_count = TM_BUCKETS_MAX));
    tm_registry_free(registry);
}

/* ---- clashes ------------------------------------------------------------------------------------------------- */

TEST(one_name_has_one_type_one_unit_one_bucket_list_and_one_aggregation)
{
    static const double bounds[] = {1, 2};
    tm_registry *registry = new_registry();
    assert_ok(describe(registry, "h", TM_TYPE_HISTOGRAM, .unit = "bytes", .buckets = bounds, .bucket_count = 2));
    assert_ok(use(registry, "g", TM_TYPE_GAUGE));
    assert_status(describe(registry, "h", TM_TYPE_HISTOGRAM, .unit = "bytes"), TM_ECONFLICT);
    assert_status(describe(registry, "h", TM_TYPE_HISTOGRAM, .unit = "bytes", .buckets = bounds, .bucket_count = 1),
                  TM_ECONFLICT);
    assert_status(describe(registry, "h", TM_TYPE_HISTOGRAM, .buckets = bounds, .bucket_count = 2), TM_ECONFLICT);
    assert_status(describe(registry, "h", TM_TYPE_COUNTER, .unit = "bytes"), TM_ECONFLICT);
    assert_status(describe(registry, "g", TM_TYPE_GAUGE, .aggregation = TM_AGGREGATE_SUM), TM_ECONFLICT);
    assert_status(describe(registry, "g", TM_TYPE_GAUGE, .unit = "bytes"), TM_ECONFLICT);
    assert_status(use(registry, "h", TM_TYPE_COUNTER), TM_ECONFLICT);
    assert_status(use(registry, "h", TM_TYPE_GAUGE), TM_ECONFLICT);
    assert_status(use(registry, "g", TM_TYPE_HISTOGRAM), TM_ECONFLICT);
    assert_ok(use(registry, "h", TM_TYPE_HISTOGRAM));
    assert_int_equal(stats_of(registry).dropped, 3);
    assert_int_equal(stats_of(registry).families, 2);
    tm_registry_free(registry);
}

typedef struct clash {
    const char *name;
    tm_type type;
    const char *unit;
} clash;

/* Neither order of the two goes; the one that came first still works, and what the refused one would have printed
 * besides is free for others. */
static void assert_clash(clash a, clash b)
{
    for (int turn = 0; turn < 2; turn++) {
        tm_registry *registry = new_registry();
        assert_ok(describe(registry, a.name, a.type, .unit = a.unit));
        int status = describe(registry, b.name, b.type, .unit = b.unit);
        if (status != TM_ECONFLICT)
            fail_msg("%s beside %s: %s", b.name, a.name, tm_status_name(status));
        assert_ok(describe(registry, a.name, a.type, .unit = a.unit));
        assert_int_equal(stats_of(registry).families, 1);
        tm_registry_free(registry);
        clash other = a;
        a = b;
        b = other;
    }
}

TEST(names_that_print_the_same_clash)
{
    assert_clash((clash){"a.b", TM_TYPE_GAUGE, NULL}, (clash){"a_b", TM_TYPE_GAUGE, NULL});
    assert_clash((clash){"a", TM_TYPE_COUNTER, NULL}, (clash){"a_total", TM_TYPE_GAUGE, NULL});
    assert_clash((clash){"a", TM_TYPE_COUNTER, NULL}, (clash){"a_total", TM_TYPE_COUNTER, NULL});
    assert_clash((clash){"a", TM_TYPE_COUNTER, NULL}, (clash){"a_created", TM_TYPE_GAUGE, NULL});
    assert_clash((clash){"a", TM_TYPE_HISTOGRAM, NULL}, (clash){"a_count", TM_TYPE_GAUGE, NULL});
    assert_clash((clash){"a", TM_TYPE_HISTOGRAM, NULL}, (clash){"a.sum", TM_TYPE_COUNTER, NULL});
    assert_clash((clash){"a", TM_TYPE_HISTOGRAM, NULL}, (clash){"a_bucket", TM_TYPE_HISTOGRAM, NULL});
    assert_clash((clash){"a", TM_TYPE_GAUGE, "bytes"}, (clash){"a_bytes", TM_TYPE_GAUGE, NULL});
    assert_clash((clash){"a_total", TM_TYPE_COUNTER, "bytes"}, (clash){"a.bytes", TM_TYPE_COUNTER, "bytes"});
}

TEST(names_that_print_apart_do_not_clash)
{
    tm_registry *registry = new_registry();
    assert_ok(use(registry, "a", TM_TYPE_GAUGE));
    assert_ok(use(registry, "a_total", TM_TYPE_GAUGE));
    assert_ok(use(registry, "a_count", TM_TYPE_GAUGE));
    assert_ok(use(registry, "a_bucket", TM_TYPE_COUNTER));
    assert_ok(use(registry, "A", TM_TYPE_HISTOGRAM));
    assert_ok(describe(registry, "a", TM_TYPE_GAUGE));
    assert_ok(describe(registry, "b", TM_TYPE_GAUGE, .unit = "bytes"));
    assert_ok(describe(registry, "b_seconds", TM_TYPE_GAUGE));
    tm_registry_free(registry);
}

TEST(a_refused_family_leaves_nothing_behind)
{
    tm_registry *registry = new_registry();
    assert_ok(use(registry, "x_count", TM_TYPE_GAUGE));
    assert_status(use(registry, "x", TM_TYPE_HISTOGRAM), TM_ECONFLICT);
    assert_ok(use(registry, "x.bucket", TM_TYPE_GAUGE));
    uint64_t memory_bytes = stats_of(registry).memory_bytes;
    for (int i = 0; i < 20000; i++) {
        assert_status(use(registry, "x", TM_TYPE_HISTOGRAM), TM_ECONFLICT);
        assert_status(use(registry, "x_bucket", TM_TYPE_GAUGE), TM_ECONFLICT);
    }
    assert_int_equal(stats_of(registry).memory_bytes, memory_bytes);
    assert_ok(use(registry, "x", TM_TYPE_GAUGE));
    assert_int_equal(stats_of(registry).dropped, 1 + 2 * 20000);
    tm_registry_free(registry);
}

/* ---- caps ---------------------------------------------------------------------------------------------------- */

static tm_registry *with_caps(size_t per_family, size_t series, size_t families)
{
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = per_family;
    options.max_series = series;
    options.max_families = families;
    tm_registry *registry;
    assert_ok(tm_registry_new(&options, &registry));
    return registry;
}

static const char *digits(unsigned number)
{
    static char text[16];
    snprintf(text, sizeof text, "%u", number);
    return text;
}

#define OVERFLOW "otel_metric_overflow=\"true\""

TEST(what_is_over_the_cap_of_a_family_goes_to_its_overflow_series)
{
    tm_registry *registry = with_caps(10, 0, 0);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 50; i++)
            assert_ok(tm_count(registry, "c", i, TM_LABELS("i", digits(i))));
    assert_ok(tm_count(registry, "other", 5, TM_LABELS("i", "1")));
    tm_registry_stats_t stats = stats_of(registry);
    assert_int_equal(stats.series, 10 + 1 + 1);
    assert_int_equal(stats.overflowed, 2 * 40);
    assert_int_equal(stats.dropped, 0);
    tm_snapshot *snapshot = snapshot_of(registry);
    uint64_t total = 0;
    for (size_t k = 0; k < tm_snapshot_series_count(snapshot, 0); k++)
        total += tm_snapshot_series(snapshot, 0, k).values->u;
    assert_int_equal(total, 2 * 49 * 50 / 2);
    assert_int_equal(values_in(snapshot, "c", OVERFLOW)->u, total - 2 * 9 * 10 / 2);
    assert_null(values_in(snapshot, "other", OVERFLOW));
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(all_handles_over_the_cap_are_the_overflow_series)
{
    tm_registry *registry = with_caps(1, 0, 0);
    tm_histogram *first = histogram_of(registry, "h", TM_LABELS("i", "0"));
    tm_histogram *second = histogram_of(registry, "h", TM_LABELS("i", "1"));
    assert_ptr_equal(histogram_of(registry, "h", TM_LABELS("i", "2")), second);
    assert_ptr_equal(histogram_of(registry, "h", TM_LABELS("otel_metric_overflow", "true")), second);
    assert_ptr_equal(histogram_of(registry, "h", TM_LABELS("i", "0")), first);
    assert_ptr_not_equal(first, second);
    assert_int_equal(stats_of(registry).overflowed, 3);
    tm_gauge *gauge;
    assert_status(tm_gauge_get(registry, "h", TM_LABELS("i", "3"), &gauge), TM_ECONFLICT);
    tm_registry_free(registry);
}

TEST(a_series_of_the_overflow_labels_that_was_there_before_is_used)
{
    tm_registry *registry = with_caps(2, 0, 0);
    tm_counter *own = counter_of(registry, "c", TM_LABELS("otel_metric_overflow", "true"));
    (void)counter_of(registry, "c", TM_NO_LABELS);
    assert_int_equal(stats_of(registry).overflowed, 0);
    assert_ptr_equal(counter_of(registry, "c", TM_LABELS("i", "1")), own);
    assert_int_equal(stats_of(registry).series, 2);
    assert_int_equal(stats_of(registry).overflowed, 1);
    tm_registry_free(registry);
}

TEST(the_cap_of_the_registry_holds_for_all_families_together)
{
    tm_registry *registry = with_caps(0, 3, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_ok(tm_count(registry, "a", 1, TM_LABELS("i", digits(i))));
        assert_ok(tm_count(registry, "b", 1, TM_LABELS("i", digits(i))));
    }
    assert_int_equal(stats_of(registry).series, 3 + 2);
    assert_int_equal(stats_of(registry).overflowed, 3 + 4);
    tm_snapshot *snapshot = snapshot_of(registry);
    assert_int_equal(values_in(snapshot, "a", OVERFLOW)->u, 3);
    assert_int_equal(values_in(snapshot, "b", OVERFLOW)->u, 4);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
}

TEST(a_registry_that_is_full_of_names_takes_no_more)
{
    tm_registry *registry = with_caps(0, 0, 2);
    assert_ok(use(registry, "a", TM_TYPE_COUNTER));
    assert_ok(describe(registry, "b", TM_TYPE_GAUGE));
    tm_counter *counter;
    assert_status(tm_counter_get(registry, "c", TM_NO_LABELS, &counter), TM_ECARDINALITY);
    tm_counter_inc(counter);
    assert_status(describe(registry, "d", TM_TYPE_GAUGE), TM_ECARDINALITY);
    assert_ok(use(registry, "a", TM_TYPE_COUNTER));
    assert_ok(use(registry, "b", TM_TYPE_GAUGE));
    assert_int_equal(stats_of(registry).dropped, 2);
    tm_registry_free(registry);
}

TEST(the_default_cap_of_a_family_is_2000)
{
    tm_registry *registry = new_registry();
    for (unsigned i = 0; i < 2010; i++)
        assert_ok(tm_count(registry, "c", 1, TM_LABELS("i", digits(i))));
    assert_int_equal(stats_of(registry).series, 2001);
    assert_int_equal(stats_of(registry).overflowed, 10);
    tm_registry_free(registry);
}

TEST_MAIN("families", T(a_description_comes_back_complete), T(an_undescribed_histogram_has_the_duration_buckets),
          T(a_family_may_be_described_before_and_after_its_use_and_twice), T(help_may_come_once_later),
          T(a_described_family_without_series_is_not_shown), T(bad_descriptions_are_refused),
          T(one_name_has_one_type_one_unit_one_bucket_list_and_one_aggregation), T(names_that_print_the_same_clash),
          T(names_that_print_apart_do_not_clash), T(a_refused_family_leaves_nothing_behind),
          T(what_is_over_the_cap_of_a_family_goes_to_its_overflow_series),
          T(all_handles_over_the_cap_are_the_overflow_series),
          T(a_series_of_the_overflow_labels_that_was_there_before_is_used),
          T(the_cap_of_the_registry_holds_for_all_families_together), T(a_registry_that_is_full_of_names_takes_no_more),
          T(the_default_cap_of_a_family_is_2000))
