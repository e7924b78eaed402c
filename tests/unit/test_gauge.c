/* Gauges: set and add, alone, from threads, and across a clear. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "registries.h"
#include "registry/registry.h"
#include "test.h"
#include "threads.h"

typedef struct one_gauge {
    tm_registry *registry;
    tm_gauge *gauge;
} one_gauge;

static one_gauge make(void)
{
    one_gauge g = {.registry = new_registry()};
    g.gauge = gauge_of(g.registry, "g", TM_NO_LABELS);
    return g;
}

static void assert_value(tm_gauge *gauge, double expected)
{
    double value = tm_gauge_value(gauge);
    if (!(value == expected || (isnan(value) && isnan(expected))))
        fail_msg("the gauge is %.17g, not %.17g", value, expected);
}

static void add_one(void *gauge, size_t number)
{
    (void)number;
    tm_gauge_add(gauge, 1);
}

static void set_thousand(void *gauge)
{
    tm_gauge_set(gauge, 1000);
}

TEST(a_new_gauge_is_zero_and_is_shown)
{
    one_gauge g = make();
    assert_value(g.gauge, 0);
    tm_snapshot *snapshot = snapshot_of(g.registry);
    assert_true(values_in(snapshot, "g", "")->d == 0);
    tm_snapshot_free(snapshot);
    tm_registry_free(g.registry);
}

TEST(set_replaces_and_add_adds_in_any_order)
{
    one_gauge g = make();
    tm_gauge_set(g.gauge, 5);
    assert_value(g.gauge, 5);
    tm_gauge_set(g.gauge, -7.25);
    assert_value(g.gauge, -7.25);
    tm_gauge_add(g.gauge, 0.25);
    tm_gauge_add(g.gauge, -3);
    assert_value(g.gauge, -10);
    tm_gauge_set(g.gauge, 2);
    assert_value(g.gauge, 2);
    tm_gauge_add(g.gauge, 1);
    tm_gauge_set(g.gauge, 4);
    tm_gauge_set(g.gauge, 6);
    tm_gauge_add(g.gauge, 1);
    assert_value(g.gauge, 7);
    tm_registry_free(g.registry);
}

TEST(every_double_goes_in_and_comes_out)
{
    static const double values[] = {0.0, -0.0, 5e-324, -1.7976931348623157e308, 0.1, 9007199254740993.0};
    one_gauge g = make();
    for (int with_adds = 0; with_adds < 2; with_adds++) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            tm_gauge_set(g.gauge, values[i]);
            assert_value(g.gauge, values[i]);
            assert_int_equal(!!signbit(tm_gauge_value(g.gauge)), !!signbit(values[i]));
        }
        tm_gauge_set(g.gauge, (double)INFINITY);
        assert_value(g.gauge, (double)INFINITY);
        tm_gauge_set(g.gauge, (double)NAN);
        assert_value(g.gauge, (double)NAN);
        tm_gauge_add(g.gauge, 1);
        assert_value(g.gauge, (double)NAN);
    }
    tm_gauge_set(g.gauge, 3);
    tm_gauge_add(g.gauge, -(double)INFINITY);
    assert_value(g.gauge, -(double)INFINITY);
    tm_gauge_set(g.gauge, 3);
    assert_value(g.gauge, 3);
    tm_registry_free(g.registry);
}

TEST(a_set_voids_what_all_threads_had_added)
{
    one_gauge g = make();
    run_threads(4, add_one, g.gauge);
    assert_value(g.gauge, 4);
    tm_gauge_add(g.gauge, 10);
    run_thread(set_thousand, g.gauge);
    assert_value(g.gauge, 1000);
    run_threads(4, add_one, g.gauge);
    tm_gauge_add(g.gauge, 10);
    assert_value(g.gauge, 1014);
    tm_registry_free(g.registry);
}

/* What a set that has begun, and not yet written its base, leaves for the others to see; and how it ends. */
static tm__gauge_state *begin_a_set(tm_gauge *gauge)
{
    tm__gauge_state *state = ((tm__gauge *)gauge)->state;
    atomic_fetch_add(&state->version, 1);
    return state;
}

static void end_the_set(tm__gauge_state *state, double value)
{
    atomic_store(&state->base, tm__double_to_bits(value));
    atomic_fetch_add(&state->version, 1);
}

TEST(a_set_during_another_voids_what_was_added_before_it)
{
    one_gauge g = make();
    tm_gauge_add(g.gauge, 1);
    tm__gauge_state *state = begin_a_set(g.gauge);
    tm_gauge_add(g.gauge, 3);
    tm_gauge_set(g.gauge, 10);
    end_the_set(state, 500);
    assert_value(g.gauge, 500);
    tm_registry_free(g.registry);
}

TEST(what_is_added_after_a_set_during_another_counts)
{
    one_gauge g = make();
    tm_gauge_add(g.gauge, 1);
    tm__gauge_state *state = begin_a_set(g.gauge);
    tm_gauge_add(g.gauge, 3);
    tm_gauge_set(g.gauge, 10);
    tm_gauge_add(g.gauge, 4);
    run_threads(2, add_one, g.gauge);
    end_the_set(state, 500);
    assert_value(g.gauge, 506);
    tm_gauge_set(g.gauge, 7);
    assert_value(g.gauge, 7);
    tm_registry_free(g.registry);
}

TEST(what_is_added_during_a_set_belongs_to_it)
{
    one_gauge g = make();
    tm_gauge_add(g.gauge, 1);
    tm__gauge_state *state = begin_a_set(g.gauge);
    tm_gauge_add(g.gauge, 3);
    run_threads(2, add_one, g.gauge);
    end_the_set(state, 100);
    assert_value(g.gauge, 105);
    tm_registry_free(g.registry);
}

typedef struct reading {
    tm_gauge *gauge;
    double value;
    atomic_bool done;
} reading;

static void *read_gauge(void *ctx)
{
    reading *r = ctx;
    r->value = tm_gauge_value(r->gauge);
    atomic_store(&r->done, true);
    return NULL;
}

/* A read that does not wait is most likely done long before the end of the pause. */
TEST(a_read_waits_for_the_end_of_a_set)
{
    one_gauge g = make();
    tm_gauge_add(g.gauge, 1);
    reading r = {.gauge = g.gauge};
    tm__gauge_state *state = begin_a_set(g.gauge);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_gauge, &r), 0);
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    assert_false(atomic_load(&r.done));
    end_the_set(state, 500);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(r.value == 500);
    tm_registry_free(g.registry);
}

TEST(a_cleared_gauge_is_zero_and_hidden_until_it_is_used)
{
    for (int with_adds = 0; with_adds < 2; with_adds++) {
        one_gauge g = make();
        tm_gauge_set(g.gauge, 5);
        if (with_adds)
            tm_gauge_add(g.gauge, 2);
        assert_ok(tm_registry_clear(g.registry, NULL));
        assert_value(g.gauge, 0);
        tm_snapshot *snapshot = snapshot_of(g.registry);
        assert_null(values_in(snapshot, "g", ""));
        tm_snapshot_free(snapshot);
        tm_gauge_add(g.gauge, 3);
        assert_value(g.gauge, 3);
        assert_ok(tm_registry_clear(g.registry, NULL));
        tm_gauge_set(g.gauge, 0);
        snapshot = snapshot_of(g.registry);
        assert_true(values_in(snapshot, "g", "")->d == 0);
        tm_snapshot_free(snapshot);
        tm_registry_free(g.registry);
    }
}

TEST(adds_that_cancel_out_show_a_cleared_gauge)
{
    one_gauge g = make();
    assert_ok(tm_registry_clear(g.registry, NULL));
    tm_gauge_add(g.gauge, 2);
    tm_gauge_add(g.gauge, -2);
    tm_snapshot *snapshot = snapshot_of(g.registry);
    assert_true(values_in(snapshot, "g", "")->d == 0);
    tm_snapshot_free(snapshot);
    tm_registry_free(g.registry);
}

TEST(many_gauges_do_not_disturb_each_other)
{
    enum { GAUGES = 200 };
    tm_registry *registry = new_registry();
    tm_gauge *gauges[GAUGES];
    for (unsigned i = 0; i < GAUGES; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        gauges[i] = gauge_of(registry, "g", TM_LABELS("i", value));
        assert_int_equal((uintptr_t)((tm__gauge *)gauges[i])->state % 64, 0);
        tm_gauge_set(gauges[i], i);
    }
    for (unsigned i = 0; i < GAUGES; i += 2)
        tm_gauge_add(gauges[i], 0.5);
    for (unsigned i = 0; i < GAUGES; i++)
        assert_value(gauges[i], i % 2 ? i : i + 0.5);
    tm_registry_free(registry);
}

TEST_MAIN("gauge", T(a_new_gauge_is_zero_and_is_shown), T(set_replaces_and_add_adds_in_any_order),
          T(every_double_goes_in_and_comes_out), T(a_set_voids_what_all_threads_had_added),
          T(a_set_during_another_voids_what_was_added_before_it), T(what_is_added_after_a_set_during_another_counts),
          T(what_is_added_during_a_set_belongs_to_it), T(a_read_waits_for_the_end_of_a_set),
          T(a_cleared_gauge_is_zero_and_hidden_until_it_is_used), T(adds_that_cancel_out_show_a_cleared_gauge),
          T(many_gauges_do_not_disturb_each_other))
