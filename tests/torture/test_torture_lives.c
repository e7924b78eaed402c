/* Threads, processes and registries that come and go while others record. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "registries.h"
#include "test.h"
#include "threads.h"

typedef struct three {
    tm_registry *registry;
    tm_counter *counter;
    tm_gauge *gauge;
    tm_histogram *histogram;
} three;

static three make_three(tm_registry *registry)
{
    return (three){registry, counter_of(registry, "c", TM_NO_LABELS), gauge_of(registry, "g", TM_NO_LABELS),
                   histogram_of(registry, "h", TM_NO_LABELS)};
}

static void record(const three *t)
{
    tm_counter_inc(t->counter);
    tm_gauge_add(t->gauge, 1);
    tm_histogram_observe(t->histogram, 1);
}

static bool shows(const three *t, uint64_t times)
{
    return tm_counter_value(t->counter) == times && tm_gauge_value(t->gauge) == (double)times &&
           tm_histogram_count(t->histogram) == times && tm_histogram_sum(t->histogram) == (double)times;
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

enum { AT_ONCE = 8, BATCHES = 1250 };

typedef struct churn {
    three numbers;
    pthread_barrier_t recorded;
} churn;

static void live_shortly(void *ctx, size_t number)
{
    (void)number;
    churn *c = ctx;
    record(&c->numbers);
    pthread_barrier_wait(&c->recorded);
    record(&c->numbers);
}

TEST(ten_thousand_short_threads_leave_their_numbers_and_nothing_else)
{
    churn c = {.numbers = make_three(new_registry())};
    assert_int_equal(pthread_barrier_init(&c.recorded, NULL, AT_ONCE), 0);
    run_threads(AT_ONCE, live_shortly, &c);
    tm_registry_stats_t first = stats_of(c.numbers.registry);
    assert_int_equal(first.threads, AT_ONCE);
    for (int batch = 1; batch < BATCHES; batch++)
        run_threads(AT_ONCE, live_shortly, &c);
    tm_registry_stats_t last = stats_of(c.numbers.registry);
    assert_int_equal(last.threads, first.threads);
    assert_int_equal(last.memory_bytes, first.memory_bytes);
    assert_true(shows(&c.numbers, 2 * AT_ONCE * BATCHES));
    pthread_barrier_destroy(&c.recorded);
    tm_registry_free(c.numbers.registry);
}

/* ---- fork ---------------------------------------------------------------------------------------------------- */

enum { FORKS = 60, RECORDERS = 2 };

typedef struct load {
    three numbers;
    atomic_bool over;
    atomic_uint recorders;
    atomic_ullong recorded;
    unsigned generation;
} load;

static const char *child_of_the_load(void *ctx)
{
    load *l = ctx;
    if (!shows(&l->numbers, 0))
        return "the child does not begin at zero";
    for (int i = 0; i < 100; i++)
        record(&l->numbers);
    if (!shows(&l->numbers, 100))
        return "the child's records are not there";
    tm_registry *own;
    if (tm_registry_new(NULL, &own) != TM_OK || tm_count(own, "c", 2, TM_NO_LABELS) != TM_OK)
        return "a new registry does not work";
    if (tm_count(l->numbers.registry, "child", 3, TM_LABELS("k", "v")) != TM_OK)
        return "the child cannot register";
    tm_snapshot *snapshot;
    if (tm_snapshot_take(l->numbers.registry, &snapshot) != TM_OK)
        return "the child cannot take a snapshot";
    const tm_number *values = values_in(snapshot, "child", "k=\"v\"");
    if (!values || values->u != 3 || values_in(snapshot, "c", "")->u != 100)
        return "the child's snapshot is wrong";
    tm_snapshot_free(snapshot);
    if (tm_registry_clear(l->numbers.registry, NULL) != TM_OK)
        return "the child cannot clear";
    tm_registry_free(own);
    return l->generation-- > 0 ? complaint_of_child(child_of_the_load, l) : NULL;
}

static void record_until_over(load *l)
{
    unsigned long long times = 1;
    record(&l->numbers);
    atomic_fetch_add(&l->recorders, 1);
    for (; !atomic_load_explicit(&l->over, memory_order_relaxed); times++)
        record(&l->numbers);
    atomic_fetch_add(&l->recorded, times);
}

static void register_until_over(load *l)
{
    for (unsigned i = 0; !atomic_load_explicit(&l->over, memory_order_relaxed); i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i % 1000);
        must(tm_observe(l->numbers.registry, i % 2 ? "odd" : "even", 1, TM_LABELS("i", value)) == TM_OK);
    }
}

static void live_and_die_until_over(load *l)
{
    while (!atomic_load_explicit(&l->over, memory_order_relaxed)) {
        three own = make_three(new_registry());
        record(&own);
        tm_snapshot *snapshot = snapshot_of(l->numbers.registry);
        must(shows(&own, 1));
        tm_snapshot_free(snapshot);
        must(tm_registry_clear(own.registry, NULL) == TM_OK);
        tm_registry_free(own.registry);
    }
}

static void fork_under_load(load *l)
{
    while (atomic_load(&l->recorders) < RECORDERS)
        sched_yield();
    for (unsigned i = 0; i < FORKS; i++) {
        l->generation = i % 10 == 0 ? 2 : 0;
        const char *complaint = complaint_of_child(child_of_the_load, l);
        if (complaint)
            fprintf(stderr, "in child %u: %s\n", i, complaint);
        must(!complaint);
    }
    atomic_store(&l->over, true);
}

static void fork_or_load(void *ctx, size_t number)
{
    if (number == 0)
        fork_under_load(ctx);
    else if (number <= RECORDERS)
        record_until_over(ctx);
    else if (number == RECORDERS + 1)
        register_until_over(ctx);
    else
        live_and_die_until_over(ctx);
}

TEST(children_forked_under_load_are_whole_and_the_parent_loses_nothing)
{
    load l = {.numbers = make_three(new_registry())};
    size_t allocating = WITH_ADDRESS_SANITIZER || WITH_THREAD_SANITIZER ? 0 : 2;
    run_threads(1 + RECORDERS + allocating, fork_or_load, &l);
    assert_true(shows(&l.numbers, atomic_load(&l.recorded)));
    assert_int_equal(stats_of(l.numbers.registry).dropped, 0);
    tm_registry_free(l.numbers.registry);
}

/* ---- registries ---------------------------------------------------------------------------------------------- */

enum { LIVES = 1500, TIMES = 40, LASTING = 1000000, LASTING_THREADS = 2, MORTAL_THREADS = 3 };

static void live_many_lives(void)
{
    for (unsigned life = 1; life <= LIVES; life++) {
        three own = make_three(new_registry());
        for (unsigned i = 0; i < life % TIMES; i++)
            record(&own);
        must(shows(&own, life % TIMES));
        tm_registry_free(own.registry);
    }
}

static void last_or_live(void *ctx, size_t number)
{
    if (number < LASTING_THREADS)
        for (unsigned i = 0; i < LASTING; i++)
            record(ctx);
    else
        live_many_lives();
}

TEST(registries_that_come_and_go_do_not_touch_one_that_lasts)
{
    three lasting = make_three(new_registry());
    run_threads(LASTING_THREADS + MORTAL_THREADS, last_or_live, &lasting);
    assert_true(shows(&lasting, LASTING_THREADS * LASTING));
    tm_registry_free(lasting.registry);
}

/* Handed from thread to thread: the cells that one filled must be zero for the next registry's threads. */
static void record_once(void *ctx, size_t number)
{
    (void)number;
    record(ctx);
}

TEST(cells_given_back_are_zero_for_all_threads)
{
    for (int life = 0; life < 200; life++) {
        three own = make_three(new_registry());
        record(&own);
        run_threads(6, record_once, &own);
        assert_true(shows(&own, 7));
        tm_registry_free(own.registry);
    }
}

TEST_MAIN("torture_lives", T_LIMIT(ten_thousand_short_threads_leave_their_numbers_and_nothing_else, 120),
          T_LIMIT(children_forked_under_load_are_whole_and_the_parent_loses_nothing, 120),
          T_LIMIT(registries_that_come_and_go_do_not_touch_one_that_lasts, 120),
          T(cells_given_back_are_zero_for_all_threads))
