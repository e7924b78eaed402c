/* Clearing while others record, read and register. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "registries.h"
#include "registry/registry.h"
#include "test.h"
#include "threads.h"

enum { WRITERS = 4, OBSERVERS = 2, BUCKETS = 5 };
static const double bounds[BUCKETS - 1] = {0, 1, 3, 6};

/* ---- everything at once -------------------------------------------------------------------------------------- */

enum { CLEARED_OPERATIONS = 150000, NEW_SERIES_EVERY = 500 };

typedef struct clearing {
    tm_registry *registry;
    tm_counter *counter;
    tm_histogram *histogram;
    tm_gauge *gauge;
    tm_counter *idle; /* recorded to before the first clear, and never again */
    atomic_size_t writers_left;
} clearing;

static void write_cleared(clearing *c)
{
    for (unsigned i = 0; i < CLEARED_OPERATIONS; i++) {
        tm_counter_inc(c->counter);
        tm_histogram_observe(c->histogram, (double)(i % 8));
        tm_gauge_add(c->gauge, 1);
        if (i % NEW_SERIES_EVERY == 0) {
            char value[16];
            snprintf(value, sizeof value, "%u", i / NEW_SERIES_EVERY);
            must(tm_observe(c->registry, "made_meanwhile", 1, TM_LABELS("i", value)) == TM_OK);
        }
    }
    atomic_fetch_sub(&c->writers_left, 1);
}

/* A clear that a reader half sees must not make it subtract more than there is. */
static void watch_cleared(clearing *c)
{
    const uint64_t most = (uint64_t)WRITERS * CLEARED_OPERATIONS;
    while (atomic_load(&c->writers_left) > 0) {
        must(tm_counter_value(c->counter) <= most);
        must(tm_histogram_count(c->histogram) <= most);
        double gauge = tm_gauge_value(c->gauge);
        must(gauge >= 0 && gauge <= (double)most);
        tm_snapshot *snapshot = snapshot_of(c->registry);
        const tm_number *values = values_in(snapshot, "h", "");
        for (size_t i = 0; values && i < BUCKETS; i++)
            must(values[i].u <= most);
        values = values_in(snapshot, "c", "");
        must(!values || values->u <= most);
        tm_snapshot_free(snapshot);
    }
}

static void clear_repeatedly(clearing *c)
{
    while (atomic_load(&c->writers_left) > 0)
        must(tm_registry_clear(c->registry, NULL) == TM_OK);
}

static void write_watch_or_clear(void *ctx, size_t number)
{
    if (number < WRITERS)
        write_cleared(ctx);
    else if (number < WRITERS + OBSERVERS)
        watch_cleared(ctx);
    else
        clear_repeatedly(ctx);
}

TEST(clearing_while_others_record_loses_nothing_and_shows_nothing_wrong)
{
    clearing c = {.registry = new_registry(), .writers_left = WRITERS};
    c.counter = counter_of(c.registry, "c", TM_NO_LABELS);
    c.histogram = histogram_with(c.registry, "h", bounds, BUCKETS - 1);
    c.gauge = gauge_of(c.registry, "g", TM_NO_LABELS);
    run_threads(WRITERS + OBSERVERS + 1, write_watch_or_clear, &c);

    tm_snapshot *raw;
    assert_ok(tm__snapshot_take_raw(c.registry, &raw));
    assert_int_equal(values_in(raw, "c", "")->u, WRITERS * CLEARED_OPERATIONS);
    uint64_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        count += values_in(raw, "h", "")[i].u;
    assert_int_equal(count, WRITERS * CLEARED_OPERATIONS);
    tm_snapshot_free(raw);
    size_t cleared;
    assert_ok(tm_registry_clear(c.registry, &cleared));
    assert_int_equal(cleared, 3 + CLEARED_OPERATIONS / NEW_SERIES_EVERY);
    assert_int_equal(tm_counter_value(c.counter), 0);
    assert_int_equal(tm_histogram_count(c.histogram), 0);
    assert_true(tm_gauge_value(c.gauge) == 0);
    tm_counter_inc(c.counter);
    assert_int_equal(tm_counter_value(c.counter), 1);
    tm_registry_free(c.registry);
}

/* ---- in the middle of a read --------------------------------------------------------------------------------- */

/* Few series, so that clears and reads meet all the time. */
enum { READS = 1000000 };

static void read_and_check(clearing *c)
{
    for (unsigned i = 0; i < READS; i++) {
        must(tm_counter_value(c->counter) < UINT64_MAX / 2);
        must(tm_histogram_count(c->histogram) < UINT64_MAX / 2);
    }
    atomic_fetch_sub(&c->writers_left, 1);
}

static void record_until_read(clearing *c)
{
    while (atomic_load_explicit(&c->writers_left, memory_order_relaxed) > 0) {
        tm_counter_inc(c->counter);
        tm_histogram_observe(c->histogram, 1);
    }
}

static void read_record_or_clear(void *ctx, size_t number)
{
    if (number < OBSERVERS)
        read_and_check(ctx);
    else if (number == OBSERVERS)
        record_until_read(ctx);
    else
        clear_repeatedly(ctx);
}

TEST(a_clear_in_the_middle_of_a_read_shows_no_less_than_zero)
{
    clearing c = {.registry = new_registry(), .writers_left = OBSERVERS};
    c.counter = counter_of(c.registry, "c", TM_NO_LABELS);
    c.histogram = histogram_with(c.registry, "h", bounds, BUCKETS - 1);
    run_threads(OBSERVERS + 2, read_record_or_clear, &c);
    tm_registry_free(c.registry);
}

/* ---- while the registry grows -------------------------------------------------------------------------------- */

/* The offsets move to a larger place at each clear that finds new series; the idle counter comes last in every
 * clear. */
enum { GROWING_ROUNDS = 40, GROWTHS = 3, GROWTH = 300 };

static void grow_and_clear(clearing *c)
{
    for (unsigned i = 0; i < GROWTHS * GROWTH; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        must(tm_count(c->registry, "first", 1, TM_LABELS("i", value)) == TM_OK);
        if (i % GROWTH == GROWTH - 1)
            must(tm_registry_clear(c->registry, NULL) == TM_OK);
    }
    atomic_fetch_sub(&c->writers_left, 1);
}

static void grow_or_watch(void *ctx, size_t number)
{
    clearing *c = ctx;
    if (number == 0)
        grow_and_clear(c);
    else
        while (atomic_load(&c->writers_left) > 0)
            must(tm_counter_value(c->idle) == 0);
}

TEST(what_was_cleared_stays_so_while_the_registry_grows)
{
    for (int round = 0; round < GROWING_ROUNDS; round++) {
        clearing c = {.registry = new_registry(), .writers_left = 1};
        (void)counter_of(c.registry, "first", TM_NO_LABELS);
        c.idle = counter_of(c.registry, "idle", TM_NO_LABELS);
        tm_counter_add(c.idle, 1000);
        assert_ok(tm_registry_clear(c.registry, NULL));
        run_threads(1 + OBSERVERS, grow_or_watch, &c);
        tm_registry_free(c.registry);
    }
}

/* ---- threads that are born in the middle of a read ------------------------------------------------------------- */

enum { BIRTHS = 120, COUNTERS = 200 };

typedef struct births {
    tm_registry *registry;
    tm_counter *counters[COUNTERS];
    sem_t recorded;
    sem_t may_end;
    atomic_bool over;
} births;

static atomic_size_t halts; /* of the reader, in its signal handler */
static atomic_size_t go_on;

static void halt(int signal)
{
    (void)signal;
    size_t number = atomic_fetch_add(&halts, 1) + 1;
    while (atomic_load(&go_on) < number)
        ;
}

static void *read_until_over(void *ctx)
{
    births *b = ctx;
    while (!atomic_load(&b->over)) {
        tm_snapshot *snapshot;
        must(tm_snapshot_take(b->registry, &snapshot) == TM_OK);
        for (size_t i = 0; i < tm_snapshot_series_count(snapshot, 0); i++)
            must(tm_snapshot_series(snapshot, 0, i).values[0].u < UINT64_MAX / 2);
        tm_snapshot_free(snapshot);
    }
    return NULL;
}

/* Lives on, or the next one would go on with its cells. */
static void *record_and_stay(void *ctx)
{
    births *b = ctx;
    for (size_t i = 0; i < COUNTERS; i++)
        tm_counter_add(b->counters[i], 100);
    sem_post(&b->recorded);
    sem_wait(&b->may_end);
    return NULL;
}

/* While the reader stands still somewhere, a new thread records and a clear takes what it recorded. */
static void clear_a_birth(births *b, pthread_t reader, size_t number, pthread_t *born)
{
    usleep((useconds_t)(50 + number * 37 % 200));
    must(pthread_kill(reader, SIGUSR1) == 0);
    while (atomic_load(&halts) <= number)
        ;
    must(pthread_create(born, NULL, record_and_stay, b) == 0);
    sem_wait(&b->recorded);
    must(tm_registry_clear(b->registry, NULL) == TM_OK);
    atomic_store(&go_on, number + 1);
}

TEST(what_a_thread_recorded_that_was_born_in_the_middle_of_a_read_is_not_cleared_below_zero)
{
    static births b;
    b.registry = new_registry();
    for (size_t i = 0; i < COUNTERS; i++) {
        char value[8];
        snprintf(value, sizeof value, "%zu", i);
        b.counters[i] = counter_of(b.registry, "c", TM_LABELS("i", value));
        tm_counter_inc(b.counters[i]);
    }
    assert_int_equal(sem_init(&b.recorded, 0, 0) | sem_init(&b.may_end, 0, 0), 0);
    assert_int_equal(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = halt}, NULL), 0);
    pthread_t reader;
    pthread_t born[BIRTHS];
    assert_int_equal(pthread_create(&reader, NULL, read_until_over, &b), 0);
    for (size_t i = 0; i < BIRTHS; i++)
        clear_a_birth(&b, reader, i, &born[i]);
    atomic_store(&b.over, true);
    pthread_join(reader, NULL);
    for (size_t i = 0; i < BIRTHS; i++)
        sem_post(&b.may_end);
    for (size_t i = 0; i < BIRTHS; i++)
        pthread_join(born[i], NULL);
    tm_registry_free(b.registry);
}

TEST_MAIN("torture_clear", T_LIMIT(clearing_while_others_record_loses_nothing_and_shows_nothing_wrong, 120),
          T_LIMIT(a_clear_in_the_middle_of_a_read_shows_no_less_than_zero, 120),
          T(what_was_cleared_stays_so_while_the_registry_grows),
          T_LIMIT(what_a_thread_recorded_that_was_born_in_the_middle_of_a_read_is_not_cleared_below_zero, 120))
