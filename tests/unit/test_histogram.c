/* Histograms: which bucket a value falls into, count and sum, quantiles. */
#include <math.h>

#include "registries.h"
#include "test.h"
#include "threads.h"

static const double plain_bounds[] = {-2, -1, 0, 0.5, 1, 2, 5};
enum { PLAIN_BOUNDS = sizeof plain_bounds / sizeof plain_bounds[0] };

/* The counts of a histogram's buckets, as a snapshot shows them; returns the sum. */
static double buckets_of(tm_registry *registry, const char *name, size_t bound_count, uint64_t *counts)
{
    tm_snapshot *snapshot = snapshot_of(registry);
    const tm_number *values = values_in(snapshot, name, "");
    assert_non_null(values);
    for (size_t i = 0; i <= bound_count; i++)
        counts[i] = values[i].u;
    double sum = values[bound_count + 1].d;
    tm_snapshot_free(snapshot);
    return sum;
}

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- buckets ------------------------------------------------------------------------------------------------- */

TEST(a_value_falls_into_the_first_bucket_whose_bound_is_not_below_it)
{
    static const struct {
        double value;
        size_t bucket;
    } cases[] = {
        {-(double)INFINITY, 0},
        {-3, 0},
        {-2, 0},
        {-1.5, 1},
        {-0.0, 2},
        {0, 2},
        {5e-324, 3},
        {0.5, 3},
        {1, 4},
        {1.0000000000000002, 5},
        {5, 6},
        {5.000000000000001, 7},
        {1e308, 7},
        {(double)INFINITY, 7},
    };
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", plain_bounds, PLAIN_BOUNDS);
    uint64_t expected[PLAIN_BOUNDS + 1] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_histogram_observe(histogram, cases[i].value);
        expected[cases[i].bucket]++;
        uint64_t counts[PLAIN_BOUNDS + 1];
        (void)buckets_of(registry, "h", PLAIN_BOUNDS, counts);
        assert_memory_equal(counts, expected, sizeof expected);
        assert_int_equal(tm_histogram_count(histogram), i + 1);
    }
    tm_registry_free(registry);
}

/* Values on, between and beyond so many bounds. */
static void compare_buckets(size_t bound_count)
{
    double bounds[TM_BUCKETS_MAX];
    for (size_t i = 0; i < bound_count; i++)
        bounds[i] = (double)i * 0.75 - 5;
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", bounds, bound_count);
    uint64_t expected[TM_BUCKETS_MAX + 1] = {0};
    double sum = 0;
    for (int i = 0; i < 3000; i++) {
        double value = (double)(next_random() % (4 * bound_count + 8)) * 0.1875 - 5.375;
        size_t bucket = 0;
        while (bucket < bound_count && !(value <= bounds[bucket]))
            bucket++;
        expected[bucket]++;
        sum += value;
        tm_histogram_observe(histogram, value);
    }
    uint64_t counts[TM_BUCKETS_MAX + 1];
    assert_true(buckets_of(registry, "h", bound_count, counts) == sum);
    assert_memory_equal(counts, expected, (bound_count + 1) * sizeof counts[0]);
    assert_true(tm_histogram_sum(histogram) == sum);
    tm_registry_free(registry);
}

TEST(random_values_agree_with_a_linear_search)
{
    random_state = 42;
    for (size_t bound_count = 1; bound_count <= 40; bound_count++)
        compare_buckets(bound_count);
    compare_buckets(TM_BUCKETS_MAX - 1);
    compare_buckets(TM_BUCKETS_MAX);
}

TEST(infinities_are_counted_and_make_the_sum_infinite)
{
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", BOUNDS(1, 2));
    tm_histogram_observe(histogram, (double)INFINITY);
    assert_true(tm_histogram_sum(histogram) == (double)INFINITY);
    tm_histogram_observe(histogram, -(double)INFINITY);
    assert_true(isnan(tm_histogram_sum(histogram)));
    assert_int_equal(tm_histogram_count(histogram), 2);
    assert_int_equal(stats_of(registry).dropped_nan, 0);
    tm_registry_free(registry);
}

TEST(a_histogram_may_have_one_bucket_or_257)
{
    double many[TM_BUCKETS_MAX];
    for (size_t i = 0; i < TM_BUCKETS_MAX; i++)
        many[i] = (double)i;
    tm_registry *registry = new_registry();
    tm_histogram *single = histogram_with(registry, "single", BOUNDS((double)INFINITY));
    tm_histogram *wide = histogram_with(registry, "wide", many, TM_BUCKETS_MAX);
    for (size_t i = 0; i <= TM_BUCKETS_MAX; i++) {
        tm_histogram_observe(single, (double)i);
        tm_histogram_observe(wide, (double)i);
    }
    uint64_t counts[TM_BUCKETS_MAX + 1];
    (void)buckets_of(registry, "wide", TM_BUCKETS_MAX, counts);
    for (size_t i = 0; i <= TM_BUCKETS_MAX; i++)
        assert_int_equal(counts[i], 1);
    (void)buckets_of(registry, "single", 0, counts);
    assert_int_equal(counts[0], TM_BUCKETS_MAX + 1);
    assert_int_equal(tm_histogram_count(single), TM_BUCKETS_MAX + 1);
    assert_true(isnan(tm_histogram_quantile(single, 0.5)));
    tm_registry_free(registry);
}

static void observe_a_thousand(void *histogram, size_t number)
{
    for (int i = 0; i < 1000; i++)
        tm_histogram_observe(histogram, (double)number);
}

TEST(observations_of_all_threads_add_up)
{
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", BOUNDS(0, 1, 2));
    run_threads(5, observe_a_thousand, histogram);
    uint64_t counts[4];
    assert_true(buckets_of(registry, "h", 3, counts) == 1000 * (0 + 1 + 2 + 3 + 4));
    assert_int_equal(counts[0], 1000);
    assert_int_equal(counts[3], 2000);
    tm_registry_free(registry);
}

/* ---- quantiles ----------------------------------------------------------------------------------------------- */

/* Prometheus' histogram_quantile, written from its documentation: over cumulative counts, the last of them +Inf's. */
static double quantile_by_the_book(const double *bounds, size_t bound_count, const uint64_t *cumulative, double q)
{
    double rank = q * (double)cumulative[bound_count];
    size_t b = 0;
    while (b < bound_count && (double)cumulative[b] < rank)
        b++;
    if (b == bound_count)
        return bounds[bound_count - 1];
    if (b == 0 && bounds[0] <= 0)
        return bounds[0];
    double start = b == 0 ? 0 : bounds[b - 1];
    uint64_t before = b == 0 ? 0 : cumulative[b - 1];
    return start + (bounds[b] - start) * ((rank - (double)before) / (double)(cumulative[b] - before));
}

static void compare_quantiles(const double *bounds, size_t bound_count, uint64_t seed)
{
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", bounds, bound_count);
    uint64_t cumulative[16] = {0};
    random_state = seed;
    for (size_t bucket = 0; bucket <= bound_count; bucket++) {
        uint64_t count = next_random() % 3 ? next_random() % 50 : 0;
        for (uint64_t i = 0; i < count; i++)
            tm_histogram_observe(histogram, bucket < bound_count ? bounds[bucket] : (double)INFINITY);
        cumulative[bucket] = (bucket > 0 ? cumulative[bucket - 1] : 0) + count;
    }
    for (int i = 1; i <= 400 && cumulative[bound_count] > 0; i++)
        assert_double_near(tm_histogram_quantile(histogram, i / 400.0),
                           quantile_by_the_book(bounds, bound_count, cumulative, i / 400.0), 0);
    tm_registry_free(registry);
}

TEST(quantiles_are_those_of_prometheus)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        compare_quantiles(plain_bounds, PLAIN_BOUNDS, seed);
        compare_quantiles(BOUNDS(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10), seed + 1000);
        compare_quantiles(BOUNDS(3), seed + 2000);
        compare_quantiles(BOUNDS(-3), seed + 3000);
        compare_quantiles(BOUNDS(0, 1), seed + 4000);
    }
}

TEST(quantiles_of_known_histograms)
{
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", BOUNDS(1, 2, 4));
    for (int i = 0; i < 4; i++)
        tm_histogram_observe(histogram, 1.5);
    assert_true(tm_histogram_quantile(histogram, 0.5) == 1.5);
    assert_true(tm_histogram_quantile(histogram, 1) == 2);
    assert_true(tm_histogram_quantile(histogram, 0) == 0);
    for (int i = 0; i < 4; i++)
        tm_histogram_observe(histogram, 100);
    assert_true(tm_histogram_quantile(histogram, 0.99) == 4);
    assert_true(tm_histogram_quantile(histogram, 0.5) == 2);
    tm_registry_free(registry);
}

TEST(quantiles_without_an_answer)
{
    tm_registry *registry = new_registry();
    tm_histogram *histogram = histogram_with(registry, "h", BOUNDS(1, 2));
    assert_true(isnan(tm_histogram_quantile(histogram, 0.5)));
    assert_true(isnan(tm_histogram_quantile(histogram, -1)));
    tm_histogram_observe(histogram, 1);
    assert_true(isnan(tm_histogram_quantile(histogram, (double)NAN)));
    assert_true(tm_histogram_quantile(histogram, -0.001) == -(double)INFINITY);
    assert_true(tm_histogram_quantile(histogram, 1.001) == (double)INFINITY);
    assert_ok(tm_registry_clear(registry, NULL));
    assert_true(isnan(tm_histogram_quantile(histogram, 0.5)));
    tm_histogram_observe(histogram, 2);
    assert_true(tm_histogram_quantile(histogram, 1) == 2);
    tm_registry_free(registry);
}

TEST_MAIN("histogram", T(a_value_falls_into_the_first_bucket_whose_bound_is_not_below_it),
          T(random_values_agree_with_a_linear_search), T(infinities_are_counted_and_make_the_sum_infinite),
          T(a_histogram_may_have_one_bucket_or_257), T(observations_of_all_threads_add_up),
          T(quantiles_are_those_of_prometheus), T(quantiles_of_known_histograms), T(quantiles_without_an_answer))
