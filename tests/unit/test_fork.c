/* fork: a child counts from zero, and everything in it works. Without other threads; with them see
 * torture/test_fork_load.c. In the child there is no cmocka: its functions return a complaint. */
#include "base/fork.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "registries.h"
#include "registry/registry.h"
#include "test.h"
#include "threads.h"

typedef struct series {
    tm_registry *registry;
    tm_counter *counter;
    tm_gauge *set;
    tm_gauge *added;
    tm_histogram *histogram;
    const char *(*then)(const struct series *);
} series;

static void record(const series *s)
{
    tm_counter_add(s->counter, 3);
    tm_gauge_set(s->set, 5);
    tm_gauge_add(s->added, 7);
    tm_histogram_observe(s->histogram, 0.5);
}

static series make(void)
{
    series s = {.registry = new_registry()};
    s.counter = counter_of(s.registry, "c", TM_NO_LABELS);
    s.set = gauge_of(s.registry, "set", TM_NO_LABELS);
    s.added = gauge_of(s.registry, "added", TM_NO_LABELS);
    s.histogram = histogram_of(s.registry, "h", TM_NO_LABELS);
    record(&s);
    return s;
}

static bool shows(const series *s, uint64_t count, double set, double added, uint64_t observations)
{
    return tm_counter_value(s->counter) == count && tm_gauge_value(s->set) == set &&
           tm_gauge_value(s->added) == added && tm_histogram_count(s->histogram) == observations &&
           tm_histogram_sum(s->histogram) == 0.5 * (double)observations;
}

static const char *from_zero(void *ctx)
{
    const series *s = ctx;
    if (!shows(s, 0, 0, 0, 0))
        return "the child does not begin at zero";
    record(s);
    record(s);
    if (!shows(s, 6, 5, 14, 2))
        return "the child's records are not there";
    return s->then ? s->then(s) : NULL;
}

static void record_in_thread(void *s)
{
    record(s);
}

TEST(a_child_begins_at_zero_and_the_parent_goes_on)
{
    series s = make();
    run_thread(record_in_thread, &s);
    for (int i = 0; i < 3; i++) {
        run_child(from_zero, &s);
        assert_true(shows(&s, 6, 5, 14, 2));
    }
    tm_counter_inc(s.counter);
    assert_int_equal(tm_counter_value(s.counter), 7);
    tm_registry_free(s.registry);
}

static const char *fork_again(const series *s)
{
    series next = *s;
    next.then = NULL;
    const char *complaint = complaint_of_child(from_zero, &next);
    if (complaint)
        return complaint;
    return shows(s, 6, 5, 14, 2) ? NULL : "the child's own child changed it";
}

TEST(a_child_can_fork_again)
{
    series s = make();
    s.then = fork_again;
    run_child(from_zero, &s);
    tm_registry_free(s.registry);
}

static const char *use_everything(const series *s)
{
    tm_registry *another;
    if (tm_registry_new(NULL, &another) != TM_OK || tm_count(another, "c", 1, TM_NO_LABELS) != TM_OK)
        return "a new registry does not work";
    tm_registry_free(another);
    if (tm_count(s->registry, "new", 2, TM_LABELS("k", "v")) != TM_OK)
        return "nothing can be registered";
    tm_snapshot *snapshot;
    if (tm_snapshot_take(s->registry, &snapshot) != TM_OK || tm_snapshot_family_count(snapshot) != 5 ||
        values_in(snapshot, "new", "k=\"v\"")->u != 2)
        return "the snapshot is wrong";
    tm_snapshot_free(snapshot);
    if (tm_registry_clear(s->registry, NULL) != TM_OK || !shows(s, 0, 0, 0, 0))
        return "a clear does not work";
    tm_registry_free(s->registry);
    return NULL;
}

TEST(everything_works_in_a_child)
{
    series s = make();
    s.then = use_everything;
    run_child(from_zero, &s);
    tm_registry_free(s.registry);
}

TEST(a_child_of_a_cleared_registry_begins_at_zero)
{
    series s = make();
    assert_ok(tm_registry_clear(s.registry, NULL));
    record(&s);
    run_child(from_zero, &s);
    assert_true(shows(&s, 3, 5, 7, 1));
    tm_registry_free(s.registry);
}

static const char *shows_nothing(void *registry)
{
    tm_snapshot *snapshot;
    if (tm_snapshot_take(registry, &snapshot) != TM_OK)
        return "no snapshot";
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++)
        if (tm_snapshot_series_count(snapshot, i) != 0)
            return tm_snapshot_family(snapshot, i)->name;
    tm_snapshot_free(snapshot);
    return NULL;
}

TEST(what_a_clear_hides_stays_hidden_in_a_child)
{
    series s = make();
    assert_ok(tm_registry_clear(s.registry, NULL));
    assert_null(shows_nothing(s.registry));
    run_child(shows_nothing, s.registry);
    tm_registry_free(s.registry);
}

static const char *sets_and_reads(void *gauge)
{
    if (tm_gauge_value(gauge) != 0)
        return "the gauge is not zero";
    tm_gauge_set(gauge, 3);
    tm_gauge_add(gauge, 1);
    return tm_gauge_value(gauge) == 4 ? NULL : "the gauge cannot be set";
}

TEST(a_set_that_another_thread_was_in_the_middle_of_does_not_hold_up_a_child)
{
    series s = make();
    tm__gauge_state *state = ((tm__gauge *)s.added)->state;
    tm_gauge_set(s.added, 1);
    atomic_fetch_add(&state->version, 1);
    run_child(sets_and_reads, s.added);
    atomic_fetch_add(&state->version, 1);
    assert_true(tm_gauge_value(s.added) == 1);
    tm_registry_free(s.registry);
}

static const char *has_dropped_nothing(void *registry)
{
    tm_registry_stats_t stats = TM_REGISTRY_STATS_INIT;
    if (tm_registry_stats(registry, &stats) != TM_OK)
        return "no stats";
    return stats.dropped || stats.dropped_nan || stats.overflowed ? "drops of the parent are counted" : NULL;
}

TEST(the_drops_of_the_parent_are_not_the_child_s)
{
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = 1;
    tm_registry *registry;
    assert_ok(tm_registry_new(&options, &registry));
    tm_gauge *gauge;
    assert_ok(tm_count(registry, "c", 1, TM_LABELS("i", "1")));
    assert_ok(tm_count(registry, "c", 1, TM_LABELS("i", "2")));
    assert_status(tm_gauge_get(registry, "c", TM_NO_LABELS, &gauge), TM_ECONFLICT);
    tm_gauge_add(gauge, 1);
    assert_ok(tm_observe(registry, "h", (double)NAN, TM_NO_LABELS));
    assert_int_equal(stats_of(registry).dropped, 2);
    run_child(has_dropped_nothing, registry);
    assert_int_equal(stats_of(registry).dropped, 2);
    tm_registry_free(registry);
}

enum { CROWD = 3 };

typedef struct crowd {
    tm_registry *registry;
    pthread_barrier_t recorded;
    pthread_barrier_t forked;
} crowd;

static void record_and_wait(void *ctx, size_t number)
{
    (void)number;
    crowd *c = ctx;
    must(tm_count(c->registry, "c", 1, TM_NO_LABELS) == TM_OK);
    pthread_barrier_wait(&c->recorded);
}

/* How many shards there are when so many new threads were alive at once. */
static uint64_t shards_after(tm_registry *registry, size_t threads)
{
    crowd c = {.registry = registry};
    pthread_barrier_init(&c.recorded, NULL, (unsigned)threads);
    run_threads(threads, record_and_wait, &c);
    pthread_barrier_destroy(&c.recorded);
    return stats_of(registry).threads;
}

static const char *has_shards_of_its_own(void *registry)
{
    if (stats_of(registry).threads != 0)
        return "the child has shards before it has recorded";
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    tm_counter_inc(counter);
    if (stats_of(registry).threads != 1 || tm_counter_value(counter) != 1)
        return "the child's first record made no shard";
    if (WITH_THREAD_SANITIZER)
        return NULL;
    if (shards_after(registry, CROWD) != 1 + CROWD || shards_after(registry, CROWD) != 1 + CROWD)
        return "the child's threads do not have one shard each";
    return tm_counter_value(counter) == 1 + 2 * CROWD ? NULL : "numbers were lost";
}

static void record_and_fork(void *ctx, size_t number)
{
    crowd *c = ctx;
    record_and_wait(c, number);
    const char *complaint = number == 0 ? complaint_of_child(has_shards_of_its_own, c->registry) : NULL;
    if (complaint)
        fprintf(stderr, "in the child: %s\n", complaint);
    must(!complaint);
    pthread_barrier_wait(&c->forked);
}

TEST(a_child_of_many_threads_begins_without_their_shards)
{
    crowd c = {.registry = new_registry()};
    pthread_barrier_init(&c.recorded, NULL, CROWD);
    pthread_barrier_init(&c.forked, NULL, CROWD);
    run_threads(CROWD, record_and_fork, &c);
    assert_int_equal(tm_counter_value(counter_of(c.registry, "c", TM_NO_LABELS)), CROWD);
    assert_int_equal(stats_of(c.registry).threads, CROWD);
    pthread_barrier_destroy(&c.recorded);
    pthread_barrier_destroy(&c.forked);
    tm_registry_free(c.registry);
}

typedef struct heir {
    series s; /* a copy: the stack of a thread that has ended is nobody's */
    pthread_t forked;
} heir;

static void *record_as_heir(void *ctx)
{
    const heir *h = ctx;
    pthread_join(h->forked, NULL);
    record(&h->s);
    _exit(shows(&h->s, 3, 5, 7, 1) ? 0 : 1);
}

/* The thread that forked ends in the child without having recorded there. */
static const char *leave_it_to_an_heir(void *ctx)
{
    static heir h;
    h = (heir){*(const series *)ctx, pthread_self()};
    pthread_t thread;
    if (pthread_create(&thread, NULL, record_as_heir, &h) != 0)
        return "there is no thread";
    pthread_exit(NULL);
}

TEST(a_child_whose_first_thread_ends_does_not_go_on_with_a_shard_of_the_parent)
{
    if (WITH_THREAD_SANITIZER)
        skip(); /* it does not let the first thread be joined */
    series s = make();
    run_child(leave_it_to_an_heir, &s);
    assert_true(shows(&s, 3, 5, 7, 1));
    tm_registry_free(s.registry);
}

/* ---- locks --------------------------------------------------------------------------------------------------- */

typedef struct waiting_fork {
    tm_registry *registry;
    const char *complaint;
    atomic_bool done;
} waiting_fork;

static const char *registers(void *registry)
{
    return tm_count(registry, "new", 1, TM_NO_LABELS) == TM_OK ? NULL : "the child cannot register";
}

static void *fork_and_wait(void *ctx)
{
    waiting_fork *w = ctx;
    w->complaint = complaint_of_child(registers, w->registry);
    atomic_store(&w->done, true);
    return NULL;
}

/* A fork that does not wait is most likely done long before the end of the pause. */
TEST(a_fork_waits_while_another_thread_is_making_a_series)
{
    waiting_fork w = {.registry = new_registry()};
    pthread_mutex_lock(&w.registry->create_lock);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fork_and_wait, &w), 0);
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    assert_false(atomic_load(&w.done));
    pthread_mutex_unlock(&w.registry->create_lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(w.complaint);
    assert_int_equal(stats_of(w.registry).series, 0);
    tm_registry_free(w.registry);
}

/* ---- nodes --------------------------------------------------------------------------------------------------- */

static char calls[64];

static void note_before(void *self)
{
    strncat(calls, self, 1);
}

static void note_after(void *self)
{
    strncat(calls, (const char *)self + 1, 1);
}

static const char *noted_in_child(void *ctx)
{
    (void)ctx;
    return strcmp(calls, "BA34") == 0 && tm__incarnation() == 1 ? NULL : "the child's functions were called otherwise";
}

static void note_child(void *self)
{
    strncat(calls, (const char *)self + 2, 1);
}

TEST(nodes_are_called_newest_first_before_and_oldest_first_after)
{
    static char a[] = "A13";
    static char b[] = "B24";
    tm__fork_node older = {.before = note_before, .after = note_after, .child = note_child, .self = a};
    tm__fork_node newer = {.before = note_before, .after = note_after, .child = note_child, .self = b};
    tm__fork_node empty = {0};
    assert_ok(tm__fork_register(&older));
    assert_ok(tm__fork_register(&empty));
    assert_ok(tm__fork_register(&newer));
    assert_int_equal(tm__incarnation(), 0);
    run_child(noted_in_child, NULL);
    assert_string_equal(calls, "BA12");
    assert_int_equal(tm__incarnation(), 0);
    tm__fork_unregister(&older);
    tm__fork_unregister(&empty);
    tm__fork_unregister(&newer);
    tm__fork_unregister(&newer);
    calls[0] = '\0';
    assert_int_equal(complaint_of_child(noted_in_child, NULL) == NULL, 0);
    assert_string_equal(calls, "");
}

TEST_MAIN("fork", T(a_child_begins_at_zero_and_the_parent_goes_on), T(a_child_can_fork_again),
          T(everything_works_in_a_child), T(a_child_of_a_cleared_registry_begins_at_zero),
          T(what_a_clear_hides_stays_hidden_in_a_child),
          T(a_set_that_another_thread_was_in_the_middle_of_does_not_hold_up_a_child),
          T(the_drops_of_the_parent_are_not_the_child_s), T(a_child_of_many_threads_begins_without_their_shards),
          T(a_child_whose_first_thread_ends_does_not_go_on_with_a_shard_of_the_parent),
          T(a_fork_waits_while_another_thread_is_making_a_series),
          T(nodes_are_called_newest_first_before_and_oldest_first_after))
