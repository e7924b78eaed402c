/* Threads that record while others look: every snapshot is consistent, and the end is what sequential arithmetic
 * says. */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "registries.h"
#include "registry/registry.h"
#include "snapshot/snapshot.h"
#include "test.h"
#include "threads.h"

enum { WRITERS = 4, OBSERVERS = 2 };

/* ---- everything at once -------------------------------------------------------------------------------------- */

enum { OPERATIONS = 1500000, COUNTERS = 3, BUCKETS = 5 };
static const double bounds[BUCKETS - 1] = {0, 1, 3, 6};

typedef struct everything {
    tm_registry *registry;
    tm_counter *counters[COUNTERS];
    tm_gauge *gauge;
    tm_histogram *histogram;
    atomic_size_t writers_left;
} everything;

static void write_everything(everything *e, size_t number)
{
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        tm_counter_add(e->counters[i % COUNTERS], i % 5);
        tm_histogram_observe(e->histogram, (double)(i % 8));
        tm_gauge_add(e->gauge, i % 2 ? -1 : 1);
        if (i % 16 == 0)
            must(tm_count(e->registry, "by_call", 1, TM_LABELS("writer", number % 2 ? "odd" : "even")) == TM_OK);
    }
    atomic_fetch_sub(&e->writers_left, 1);
}

/* What an observer saw last of one family; the numbers of counters and histograms never fall. */
typedef struct seen {
    const char *name;
    const char *labels;
    size_t count; /* of integers */
    uint64_t values[BUCKETS];
} seen;

static void look_at(const tm_snapshot *snapshot, seen *last)
{
    const tm_number *values = values_in(snapshot, last->name, last->labels);
    for (size_t i = 0; values && i < last->count; i++) {
        must(values[i].u >= last->values[i]);
        last->values[i] = values[i].u;
    }
}

/* The number after a line's beginning in a text. */
static uint64_t number_after(const test_text *text, const char *beginning)
{
    const char *at = strstr(text->data, beginning);
    must(at != NULL);
    return strtoull(at + strlen(beginning), NULL, 10);
}

/* As it is printed: _count, the bucket of +Inf and the sum of what was not cumulated are one number. */
static void look_at_text(const tm_snapshot *snapshot)
{
    test_text text = {0};
    must(tm_snapshot_export(snapshot, TM_FORMAT_PROMETHEUS, NULL, text_sink, &text) == TM_OK);
    uint64_t count = number_after(&text, "\nh_count ");
    must(number_after(&text, "\nh_bucket{le=\"+Inf\"} ") == count);
    const tm_number *values = values_in(snapshot, "h", "");
    uint64_t sum = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        sum += values[i].u;
    must(sum == count);
    text_free(&text);
}

static void observe_everything(everything *e)
{
    seen last[] = {{"c0", "", 1, {0}},
                   {"c1", "", 1, {0}},
                   {"c2", "", 1, {0}},
                   {"h", "", BUCKETS, {0}},
                   {"by_call", "writer=\"odd\"", 1, {0}}};
    uint64_t count = 0;
    for (unsigned round = 0; atomic_load(&e->writers_left) > 0; round++) {
        tm_snapshot *snapshot = snapshot_of(e->registry);
        for (size_t i = 0; i < sizeof last / sizeof last[0]; i++)
            look_at(snapshot, &last[i]);
        double gauge = values_in(snapshot, "g", "")->d;
        must(gauge >= 0 && gauge <= WRITERS && gauge == floor(gauge));
        if (round % 16 == 0)
            look_at_text(snapshot);
        tm_snapshot_free(snapshot);
        uint64_t now = tm_histogram_count(e->histogram);
        must(now >= count && now <= (uint64_t)WRITERS * OPERATIONS);
        count = now;
    }
}

static void write_or_observe(void *ctx, size_t number)
{
    if (number < WRITERS)
        write_everything(ctx, number);
    else
        observe_everything(ctx);
}

TEST(what_many_threads_record_is_exact_and_every_snapshot_is_consistent)
{
    everything e = {.registry = new_registry(), .writers_left = WRITERS};
    for (size_t i = 0; i < COUNTERS; i++)
        e.counters[i] = counter_of(e.registry, (const char *const[]){"c0", "c1", "c2"}[i], TM_NO_LABELS);
    e.gauge = gauge_of(e.registry, "g", TM_NO_LABELS);
    e.histogram = histogram_with(e.registry, "h", bounds, BUCKETS - 1);
    run_threads(WRITERS + OBSERVERS, write_or_observe, &e);

    uint64_t expected[COUNTERS] = {0};
    uint64_t buckets[BUCKETS] = {0};
    double sum = 0;
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        expected[i % COUNTERS] += WRITERS * (i % 5);
        size_t bucket = 0;
        while (bucket < BUCKETS - 1 && (double)(i % 8) > bounds[bucket])
            bucket++;
        buckets[bucket] += WRITERS;
        sum += WRITERS * (double)(i % 8);
    }
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(tm_counter_value(e.counters[i]), expected[i]);
    tm_snapshot *snapshot = snapshot_of(e.registry);
    for (size_t i = 0; i < BUCKETS; i++)
        assert_int_equal(values_in(snapshot, "h", "")[i].u, buckets[i]);
    assert_true(values_in(snapshot, "h", "")[BUCKETS].d == sum);
    assert_int_equal(values_in(snapshot, "by_call", "writer=\"odd\"")->u, OPERATIONS / 16 * (WRITERS / 2));
    tm_snapshot_free(snapshot);
    assert_true(tm_gauge_value(e.gauge) == 0);
    assert_int_equal(stats_of(e.registry).dropped, 0);
    tm_registry_free(e.registry);
}

/* ---- two registries ------------------------------------------------------------------------------------------ */

enum { TURNS = 2000000 };

static void record_in_both(void *ctx, size_t number)
{
    tm_registry **both = ctx;
    tm_counter *counter = counter_of(both[0], "m", TM_NO_LABELS);
    tm_gauge *gauge = gauge_of(both[1], "m", TM_NO_LABELS);
    for (unsigned i = 0; i < TURNS; i++) {
        tm_counter_add(counter, number);
        tm_gauge_add(gauge, 1);
    }
}

TEST(two_registries_recorded_to_at_once_keep_apart)
{
    tm_registry *both[] = {new_registry(), new_registry()};
    run_threads(WRITERS, record_in_both, both);
    assert_int_equal(tm_counter_value(counter_of(both[0], "m", TM_NO_LABELS)), TURNS * (0 + 1 + 2 + 3));
    assert_true(tm_gauge_value(gauge_of(both[1], "m", TM_NO_LABELS)) == (double)TURNS * WRITERS);
    tm_registry_free(both[0]);
    tm_registry_free(both[1]);
}

/* ---- registration -------------------------------------------------------------------------------------------- */

enum { SERIES = 1200, NAMES = 10, ROUNDS = 20 };

typedef struct registration {
    tm_registry *registry;
    atomic_size_t makers_left;
    atomic_uint won[2]; /* tm_count on "clash.a" and "clash_a" that went well */
} registration;

static void make_series(registration *r, size_t number)
{
    for (unsigned i = 0; i < SERIES; i++) {
        unsigned which = (unsigned)(number % 2 ? SERIES - 1 - i : i);
        char name[16];
        char value[16];
        snprintf(name, sizeof name, "c%u", which % NAMES);
        snprintf(value, sizeof value, "%u", which);
        must(tm_count(r->registry, name, which, TM_LABELS("i", value)) == TM_OK);
    }
    size_t side = number % 2;
    int status = tm_count(r->registry, side ? "clash_a" : "clash.a", 1, TM_NO_LABELS);
    must(status == TM_OK || status == TM_ECONFLICT);
    atomic_fetch_add(&r->won[side], status == TM_OK);
    atomic_fetch_sub(&r->makers_left, 1);
}

/* Whoever finds a series finds room for its numbers counted; a series that was seen stays. */
static void watch_series(registration *r)
{
    size_t seen_before = 0;
    while (atomic_load(&r->makers_left) > 0) {
        tm_snapshot *snapshot;
        must(tm__snapshot_take_raw(r->registry, &snapshot) == TM_OK);
        size_t parts = atomic_load(&r->registry->part_count);
        size_t seen_now = 0;
        for (size_t i = 0; i < snapshot->family_count; i++) {
            const tm__snapshot_family *family = &snapshot->families[i];
            seen_now += family->series_count;
            for (size_t k = 0; k < family->series_count; k++)
                must(family->series[k].first_part + tm_family_value_count(family->info) <= parts);
        }
        must(seen_now >= seen_before);
        seen_before = seen_now;
        tm_snapshot_free(snapshot);
    }
}

static void make_or_watch(void *ctx, size_t number)
{
    if (number < WRITERS)
        make_series(ctx, number);
    else
        watch_series(ctx);
}

static void make_all_series(void)
{
    registration r = {.registry = new_registry(), .makers_left = WRITERS};
    run_threads(WRITERS + OBSERVERS, make_or_watch, &r);
    assert_int_equal(stats_of(r.registry).series, SERIES + 1);
    assert_int_equal(stats_of(r.registry).families, NAMES + 1);
    assert_true((atomic_load(&r.won[0]) == 0) != (atomic_load(&r.won[1]) == 0));
    for (unsigned i = 0; i < SERIES; i++) {
        char name[16];
        char value[16];
        snprintf(name, sizeof name, "c%u", i % NAMES);
        snprintf(value, sizeof value, "%u", i);
        assert_int_equal(tm_counter_value(counter_of(r.registry, name, TM_LABELS("i", value))), WRITERS * i);
    }
    tm_registry_free(r.registry);
}

TEST(series_made_by_many_threads_at_once_exist_once)
{
    for (int round = 0; round < ROUNDS; round++)
        make_all_series();
}

/* ---- late help ----------------------------------------------------------------------------------------------- */

enum { HELPED = 1000 };

typedef struct helping {
    tm_registry *registry;
    atomic_bool done;
} helping;

static void help_late(helping *h)
{
    for (unsigned i = 0; i < HELPED; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        must(tm_describe(h->registry, &(tm_family){.name = name, .type = TM_TYPE_COUNTER, .help = "Late."}) == TM_OK);
    }
    atomic_store(&h->done, true);
}

static void read_help(helping *h)
{
    while (!atomic_load_explicit(&h->done, memory_order_relaxed)) {
        tm_snapshot *snapshot = snapshot_of(h->registry);
        for (size_t i = 0; i < HELPED; i++) {
            const char *help = tm_snapshot_family(snapshot, i)->help;
            must(help[0] == '\0' || strcmp(help, "Late.") == 0);
        }
        tm_snapshot_free(snapshot);
    }
}

static void help_or_read(void *ctx, size_t number)
{
    if (number == 0)
        help_late(ctx);
    else
        read_help(ctx);
}

TEST(help_that_comes_late_is_read_whole_or_not_at_all)
{
    helping h = {.registry = new_registry()};
    for (unsigned i = 0; i < HELPED; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        assert_ok(tm_count(h.registry, name, 1, TM_NO_LABELS));
    }
    run_threads(1 + OBSERVERS, help_or_read, &h);
    tm_registry_free(h.registry);
}

/* ---- the default registry ------------------------------------------------------------------------------------ */

static void record_by_default(void *ctx, size_t number)
{
    (void)ctx;
    (void)number;
    must(tm_count(tm_registry_default(), "c", 1, TM_NO_LABELS) == TM_OK);
}

TEST(the_default_registry_is_made_once_however_many_ask_first)
{
    run_threads(8, record_by_default, NULL);
    assert_int_equal(tm_counter_value(counter_of(tm_registry_default(), "c", TM_NO_LABELS)), 8);
}

TEST_MAIN("torture", T_LIMIT(what_many_threads_record_is_exact_and_every_snapshot_is_consistent, 120),
          T(two_registries_recorded_to_at_once_keep_apart),
          T_LIMIT(series_made_by_many_threads_at_once_exist_once, 120),
          T(help_that_comes_late_is_read_whole_or_not_at_all),
          T(the_default_registry_is_made_once_however_many_ask_first))
