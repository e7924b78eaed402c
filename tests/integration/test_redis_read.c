/* Reading the aggregate from Redis: gauges and who speaks, instances, consistency, large stores. And locks. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "redis_case.h"

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void describe_gauge(tm_registry *registry, const char *name, tm_aggregation aggregation)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = name;
    family.type = TM_TYPE_GAUGE;
    family.aggregation = aggregation;
    assert_ok(tm_describe(registry, &family));
}

/* ---- gauges -------------------------------------------------------------------------------------------------- */

/* As if it had last been heard of in 1970. */
static void silence_everyone(const redis_case *c)
{
    redis_tell(c->server, "EVAL",
               "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
               "local seq = string.match(redis.call('HGET', KEYS[2], '#seq ' .. name), '^%d+') "
               "redis.call('HSET', KEYS[2], '#seq ' .. name, seq .. ' 1000') end",
               "2", "{test}:instances", "{test}:totals");
}

TEST(gauges_of_the_silent_no_longer_speak_but_counts_stay)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_registry *other = new_registry();
    describe_gauge(c.registry, "level", TM_AGGREGATE_SUM);
    describe_gauge(other, "level", TM_AGGREGATE_SUM);
    assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
    assert_ok(tm_count(c.registry, "tasks", 3, TM_NO_LABELS));
    assert_ok(tm_set(other, "level", 10, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    silence_everyone(&c);
    assert_true(isnan(stored_gauge(c.store, "level", "")));
    sync_store(other, c.store);
    assert_double_near(stored_gauge(c.store, "level", ""), 10, 0);
    assert_int_equal(stored_count(c.store, "tasks", "", 0), 3);
    sync_store(c.registry, c.store); /* nothing changed, but it lives */
    assert_double_near(stored_gauge(c.store, "level", ""), 11, 0);
    tm_registry_free(other);
    redis_case_end(&c);
}

TEST(the_value_that_changed_last_is_the_last)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_registry *other = new_registry();
    assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    assert_ok(tm_set(other, "level", 2, TM_NO_LABELS));
    sync_store(other, c.store);
    assert_double_near(stored_gauge(c.store, "level", ""), 2, 0);
    assert_ok(tm_count(c.registry, "tasks", 3, TM_NO_LABELS)); /* a sync, but no change of the gauge */
    sync_store(c.registry, c.store);
    assert_double_near(stored_gauge(c.store, "level", ""), 2, 0);
    redis_tell(c.server, "EVAL",
               "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
               "local rest = string.match(redis.call('HGET', KEYS[2], '#seq ' .. name), ' .*$') "
               "redis.call('HSET', KEYS[2], '#seq ' .. name, '0' .. rest) "
               "redis.call('HSET', '{test}:values:' .. name, '#seq', '0') end",
               "2", "{test}:instances", "{test}:totals");
    assert_int_equal(sync_store(c.registry, c.store).resyncs, 1); /* the gauge is sent again, but did not change */
    assert_double_near(stored_gauge(c.store, "level", ""), 2, 0);
    assert_ok(tm_set(c.registry, "level", 3, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    assert_double_near(stored_gauge(c.store, "level", ""), 3, 0);
    tm_registry_free(other);
    redis_case_end(&c);
}

TEST(gauges_that_are_not_finite_are_kept)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    const double values[] = {INFINITY, -INFINITY, NAN, 5e-324, 1.7976931348623157e308, -0.0, 0.1};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_ok(tm_set(c.registry, "level", values[i], TM_NO_LABELS));
        sync_store(c.registry, c.store);
        assert_double_near(stored_gauge(c.store, "level", ""), values[i], 0);
    }
    redis_case_end(&c);
}

/* ---- instances ----------------------------------------------------------------------------------------------- */

TEST(instances_are_shown_beside_the_totals)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_registry *other = new_registry();
    tm_registry *registries[] = {c.registry, other};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(tm_count(registries[i], "tasks", 3 + i, TM_LABELS("instance", "mine")));
        assert_ok(tm_observe(registries[i], "time", 0.3, TM_NO_LABELS));
        assert_ok(tm_set(registries[i], "level", 1, TM_NO_LABELS));
        sync_store(registries[i], c.store);
    }
    tm_snapshot *snapshot = read_instances(c.store);
    assert_int_equal(values_in(snapshot, "tasks", "instance=\"mine\"")[0].u, 7);
    const char *const families[] = {"tasks", "time", "level"};
    for (size_t f = 0; f < 3; f++)
        assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, families[f])), 3);
    tm_series one = tm_snapshot_series(snapshot, family_place(snapshot, "tasks"), 1);
    assert_non_null(memmem(one.labels, one.labels_bytes, "exported_instance=\"mine\"", 24));
    tm_snapshot_free(snapshot);
    snapshot = read_store(c.store);
    for (size_t f = 0; f < 3; f++)
        assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, families[f])), 1);
    tm_snapshot_free(snapshot);
    tm_registry_free(other);
    redis_case_end(&c);
}

TEST(more_instances_than_are_asked_at_once_are_read)
{
    enum { INSTANCES = 150 };
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    describe_gauge(c.registry, "level", TM_AGGREGATE_SUM);
    for (size_t i = 0; i < INSTANCES; i++) {
        tm_registry *registry = new_registry();
        describe_gauge(registry, "level", TM_AGGREGATE_SUM);
        assert_ok(tm_set(registry, "level", 2, TM_NO_LABELS));
        assert_ok(tm_count(registry, "tasks", 1, TM_NO_LABELS));
        sync_store(registry, c.store);
        tm_registry_free(registry);
    }
    tm_snapshot *snapshot = read_instances(c.store);
    assert_double_near(values_in(snapshot, "level", "")[0].d, 2 * INSTANCES, 0);
    assert_int_equal(values_in(snapshot, "tasks", "")[0].u, INSTANCES);
    assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, "tasks")), INSTANCES + 1);
    tm_snapshot_free(snapshot);
    redis_case_end(&c);
}

/* ---- consistency --------------------------------------------------------------------------------------------- */

enum { PAIRS = 4000 };

typedef struct writer {
    redis_case *c;
    tm_store *store;
    atomic_bool stop;
    int status;
} writer;

/* Every sync moves all pairs by the same amount. */
static void *write_pairs(void *argument)
{
    writer *w = argument;
    tm_counter *counters[2];
    assert_ok(tm_counter_get(w->c->registry, "left", TM_NO_LABELS, &counters[0]));
    assert_ok(tm_counter_get(w->c->registry, "right", TM_NO_LABELS, &counters[1]));
    while (!atomic_load(&w->stop) && w->status == TM_OK) {
        tm_counter_inc(counters[0]);
        tm_counter_inc(counters[1]);
        w->status = tm_sync_to_cache(w->c->registry, w->store, NULL);
    }
    return NULL;
}

/* Enough fields beside the two that a read takes many steps, while every sync changes both. */
TEST(a_read_shows_no_half_batch_while_syncs_go_on)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 20000;
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    tm_registry *others = new_registry();
    for (unsigned i = 0; i < PAIRS; i++) {
        char label[16];
        snprintf(label, sizeof label, "%u", i);
        assert_ok(tm_count(others, i % 2 ? "more" : "other", 1, TM_LABELS("i", label)));
    }
    for (unsigned i = 0; i < 1900; i++) {
        char label[16];
        snprintf(label, sizeof label, "%u", i);
        assert_ok(tm_count(others, "third", 1, TM_LABELS("i", label)));
    }
    sync_store(others, c.store);
    writer w = {.c = &c, .store = open_store(c.url, &options)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_pairs, &w), 0);
    for (int i = 0; i < 100; i++) {
        tm_snapshot *snapshot = read_store(c.store);
        const tm_number *left = values_in(snapshot, "left", "");
        const tm_number *right = values_in(snapshot, "right", "");
        assert_int_equal(left ? left[0].u : 0, right ? right[0].u : 0);
        assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, "third")), 1900);
        tm_snapshot_free(snapshot);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    assert_status(w.status, TM_OK);
    tm_store_close(w.store);
    tm_registry_free(others);
    redis_case_end(&c);
}

TEST(a_hundred_thousand_fields_are_read_in_small_steps)
{
    enum { FIELDS = 100000 };
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 30000;
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    assert_ok(tm_count(c.registry, "tasks", 1, TM_LABELS("i", "0")));
    sync_store(c.registry, c.store);
    char script[300];
    snprintf(script, sizeof script,
             "for i = 1, %d do redis.call('HSET', KEYS[1], 'tasks_total{i=\"' .. i .. '\"}', i) end", FIELDS);
    redis_tell(c.server, "EVAL", script, "1", "{test}:totals");
    redis_tell(c.server, "CONFIG", "RESETSTAT");
    tm_snapshot *snapshot = read_store(c.store);
    assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, "tasks")), FIELDS + 1);
    assert_int_equal(values_in(snapshot, "tasks", "i=\"77777\"")[0].u, 77777);
    tm_snapshot_free(snapshot);
    char *stats = redis_ask(c.server, "INFO", "commandstats");
    assert_non_null(strstr(stats, "cmdstat_hscan:calls="));
    assert_null(strstr(stats, "cmdstat_hgetall:"));
    free(stats);
    redis_case_end(&c);
}

TEST(an_empty_server_is_an_empty_aggregate)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_snapshot *snapshot = read_instances(c.store);
    assert_int_equal(tm_snapshot_family_count(snapshot), 0);
    tm_snapshot_free(snapshot);
    redis_case_end(&c);
}

/* ---- locks --------------------------------------------------------------------------------------------------- */

TEST(a_lock_is_held_by_one_owner)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_error error;
    int64_t ttl_ms;
    assert_ok(tm_store_lock_ttl(c.store, "export", &ttl_ms, &error));
    assert_int_equal(ttl_ms, 0);
    assert_ok(tm_store_lock(c.store, "export", "me", 60000, &error));
    assert_status(tm_store_lock(c.store, "export", "you", 60000, &error), TM_ELOCKED);
    assert_status(tm_store_unlock(c.store, "export", "you", &error), TM_ELOCKED);
    assert_status(tm_store_lock_extend(c.store, "export", "you", 60000, &error), TM_ELOCKED);
    assert_ok(tm_store_lock(c.store, "other", "you", 60000, &error));
    assert_ok(tm_store_lock_ttl(c.store, "export", &ttl_ms, &error));
    assert_in_range(ttl_ms, 1, 60000);
    assert_ok(tm_store_lock_extend(c.store, "export", "me", 90000, &error));
    assert_ok(tm_store_lock_ttl(c.store, "export", &ttl_ms, &error));
    assert_in_range(ttl_ms, 60001, 90000);
    assert_ok(tm_store_unlock(c.store, "export", "me", &error));
    assert_status(tm_store_unlock(c.store, "export", "me", &error), TM_ELOCKED);
    assert_ok(tm_store_lock(c.store, "export", "you", 60000, &error));
    redis_case_end(&c);
}

TEST(a_lock_runs_out)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_error error;
    assert_ok(tm_store_lock(c.store, "export", "me", 30, &error));
    pause_ms(100);
    assert_status(tm_store_lock_extend(c.store, "export", "me", 60000, &error), TM_ELOCKED);
    assert_ok(tm_store_lock(c.store, "export", "you", 60000, &error));
    assert_status(tm_store_unlock(c.store, "export", "me", &error), TM_ELOCKED);
    redis_case_end(&c);
}

TEST(a_lock_whose_reply_was_lost_is_ours)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    tm_error error;
    assert_ok(tm_store_lock(c.store, "warm-up", "me", 60000, &error)); /* the server knows the script */
    proxy_set_fault(c.proxy, PROXY_DROP_REPLY, 1, 0);
    assert_ok(tm_store_lock(c.store, "export", "me", 60000, &error));
    assert_status(tm_store_lock(c.store, "export", "you", 60000, &error), TM_ELOCKED);
    proxy_set_fault(c.proxy, PROXY_DROP_REPLY, 1, 0);
    assert_status(tm_store_unlock(c.store, "export", "me", &error), TM_EUNAVAILABLE); /* but it was done */
    assert_ok(tm_store_lock(c.store, "export", "you", 60000, &error));
    redis_case_end(&c);
}

TEST_MAIN("redis_read", T(gauges_of_the_silent_no_longer_speak_but_counts_stay),
          T(the_value_that_changed_last_is_the_last), T(gauges_that_are_not_finite_are_kept),
          T(instances_are_shown_beside_the_totals), T(more_instances_than_are_asked_at_once_are_read),
          T(a_read_shows_no_half_batch_while_syncs_go_on), T(a_hundred_thousand_fields_are_read_in_small_steps),
          T(an_empty_server_is_an_empty_aggregate), T(a_lock_is_held_by_one_owner), T(a_lock_runs_out),
          T(a_lock_whose_reply_was_lost_is_ours))
