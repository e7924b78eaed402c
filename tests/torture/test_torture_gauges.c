/* Gauges under threads that set, add and read at once. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "registries.h"
#include "test.h"
#include "threads.h"

/* ---- sets with the adds that belong to them ------------------------------------------------------------------ */

enum { VERSIONS = 400000, READERS = 3, SPACING = 1024 };

typedef struct versions {
    tm_gauge *gauge;
    atomic_bool done;
} versions;

/* What is added after the i-th set: never twice the same in a row. */
static unsigned added_after(unsigned i)
{
    return 1 + i * 37 % (SPACING - 1);
}

static void set_and_add(versions *v)
{
    for (unsigned i = 1; i <= VERSIONS; i++) {
        tm_gauge_set(v->gauge, (double)i * SPACING);
        tm_gauge_add(v->gauge, added_after(i));
    }
    atomic_store(&v->done, true);
}

static void read_versions(versions *v)
{
    double last = 0;
    while (!atomic_load(&v->done)) {
        double value = tm_gauge_value(v->gauge);
        unsigned i = (unsigned)(value / SPACING);
        double rest = value - (double)i * SPACING;
        must(value >= last);
        must(rest == 0 || rest == added_after(i));
        last = value;
    }
}

static void write_or_read_versions(void *ctx, size_t number)
{
    if (number == 0)
        set_and_add(ctx);
    else
        read_versions(ctx);
}

TEST(a_reader_never_joins_one_set_with_the_adds_of_another)
{
    tm_registry *registry = new_registry();
    versions v = {.gauge = gauge_of(registry, "g", TM_NO_LABELS)};
    tm_gauge_set(v.gauge, 0);
    tm_gauge_add(v.gauge, added_after(0));
    run_threads(1 + READERS, write_or_read_versions, &v);
    assert_true(tm_gauge_value(v.gauge) == (double)VERSIONS * SPACING + added_after(VERSIONS));
    tm_registry_free(registry);
}

/* ---- any order of sets and adds ------------------------------------------------------------------------------ */

enum { ROUNDS = WITH_THREAD_SANITIZER ? 40000 : 400000, FRESH = 1900, PROGRAMS = 3, STEPS = 3, OUTCOMES = 256 };

/* Short programs that run at once, each in a thread. The sum tells which adds were counted. */
typedef struct step {
    double set;
    double add;
} step;

static const step programs[PROGRAMS][STEPS] = {
    {{.add = 1}, {.set = 100}, {.add = 2}},
    {{.set = 200}, {.add = 4}, {.set = 300}},
    {{.add = 8}, {.set = 400}, {.add = 16}},
};

typedef struct race {
    tm_gauge **gauges; /* taken in turn */
    unsigned gauge_count;
    unsigned rounds;
    atomic_uint round;
    atomic_uint finished;
    double outcomes[OUTCOMES]; /* of all orders that keep each program's own */
    size_t outcome_count;
} race;

static void take_step(tm_gauge *gauge, step s)
{
    if (s.set != 0)
        tm_gauge_set(gauge, s.set);
    if (s.add != 0)
        tm_gauge_add(gauge, s.add);
}

static bool is_outcome(const race *r, double value)
{
    for (size_t i = 0; i < r->outcome_count; i++)
        if (r->outcomes[i] == value)
            return true;
    return false;
}

/* Every order of what is left of the programs. */
static void collect_outcomes(race *r, double value, const size_t *at)
{
    bool at_end = true;
    for (size_t p = 0; p < PROGRAMS; p++) {
        if (at[p] == STEPS)
            continue;
        at_end = false;
        step s = programs[p][at[p]];
        size_t next[PROGRAMS];
        memcpy(next, at, sizeof next);
        next[p]++;
        collect_outcomes(r, (s.set != 0 ? s.set : value) + s.add, next);
    }
    if (at_end && !is_outcome(r, value)) {
        assert_in_range(r->outcome_count, 0, OUTCOMES - 1);
        r->outcomes[r->outcome_count++] = value;
    }
}

static void wait_for(const atomic_uint *number, unsigned value)
{
    for (unsigned spins = 1; atomic_load_explicit(number, memory_order_acquire) < value; spins++)
        if (spins % 200 == 0)
            sched_yield();
}

static tm_gauge *gauge_of_round(const race *r, unsigned round)
{
    return r->gauges[round % r->gauge_count];
}

/* The first program's thread looks at what came of the last round and begins the next. */
static void begin_round(race *r, unsigned round)
{
    wait_for(&r->finished, (round - 1) * PROGRAMS);
    must(round == 1 || is_outcome(r, tm_gauge_value(gauge_of_round(r, round - 1))));
    tm_gauge_set(gauge_of_round(r, round), 0);
    atomic_store_explicit(&r->round, round, memory_order_release);
}

static void run_program(void *ctx, size_t number)
{
    race *r = ctx;
    for (unsigned round = 1; round <= r->rounds; round++) {
        if (number == 0)
            begin_round(r, round);
        else
            wait_for(&r->round, round);
        for (volatile unsigned pause = round * (unsigned)(number + 1) * 7919 % 32; pause > 0;)
            pause--;
        for (size_t i = 0; i < STEPS; i++)
            take_step(gauge_of_round(r, round), programs[number][i]);
        atomic_fetch_add_explicit(&r->finished, 1, memory_order_release);
    }
}

static void run_race(race *r)
{
    collect_outcomes(r, 0, (const size_t[PROGRAMS]){0});
    assert_in_range(r->outcome_count, 5, OUTCOMES / 2);
    run_threads(PROGRAMS, run_program, r);
    assert_true(is_outcome(r, tm_gauge_value(gauge_of_round(r, r->rounds))));
}

TEST(whatever_the_order_the_value_is_that_of_some_order)
{
    tm_registry *registry = new_registry();
    tm_gauge *gauge = gauge_of(registry, "g", TM_NO_LABELS);
    race r = {.gauges = &gauge, .gauge_count = 1, .rounds = ROUNDS};
    tm_gauge_add(gauge, 1);
    run_race(&r);
    tm_registry_free(registry);
}

TEST(the_first_add_of_a_gauge_s_life_meets_sets)
{
    tm_registry *registry = new_registry();
    static tm_gauge *fresh[FRESH];
    for (unsigned i = 0; i < FRESH; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        fresh[i] = gauge_of(registry, "g", TM_LABELS("i", value));
    }
    race r = {.gauges = fresh, .gauge_count = FRESH, .rounds = FRESH};
    run_race(&r);
    tm_registry_free(registry);
}

/* ---- sets that never cease ----------------------------------------------------------------------------------- */

enum { ADDERS = 100, SETTERS = 3, READS = 20000 };

typedef struct flood {
    tm_gauge *gauge;
    pthread_barrier_t added;
    atomic_uint reads;
} flood;

/* All alive at once, so that a read has many shards to go through. */
static void add_once(void *ctx, size_t number)
{
    flood *f = ctx;
    tm_gauge_add(f->gauge, (double)number);
    pthread_barrier_wait(&f->added);
}

static void set_or_read(void *ctx, size_t number)
{
    flood *f = ctx;
    if (number > 0)
        while (atomic_load_explicit(&f->reads, memory_order_relaxed) < READS)
            tm_gauge_set(f->gauge, (double)number);
    else
        for (unsigned i = 0; i < READS; i++) {
            double value = tm_gauge_value(f->gauge);
            must(value == 0 || value == 1 || value == 2 || value == 3);
            atomic_fetch_add_explicit(&f->reads, 1, memory_order_relaxed);
        }
}

TEST(sets_that_never_cease_do_not_keep_a_reader)
{
    tm_registry *registry = new_registry();
    flood f = {.gauge = gauge_of(registry, "g", TM_NO_LABELS)};
    assert_int_equal(pthread_barrier_init(&f.added, NULL, ADDERS), 0);
    run_threads(ADDERS, add_once, &f);
    assert_in_range(stats_of(registry).threads, ADDERS, 2 * ADDERS);
    tm_gauge_set(f.gauge, 0);
    run_threads(1 + SETTERS, set_or_read, &f);
    pthread_barrier_destroy(&f.added);
    tm_registry_free(registry);
}

TEST_MAIN("torture_gauges", T_LIMIT(a_reader_never_joins_one_set_with_the_adds_of_another, 120),
          T_LIMIT(whatever_the_order_the_value_is_that_of_some_order, 120),
          T(the_first_add_of_a_gauge_s_life_meets_sets), T(sets_that_never_cease_do_not_keep_a_reader))
