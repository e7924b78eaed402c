/* A Redis store inside a process that forks, has many threads, runs out of memory, or speaks another language. */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "faults.h"
#include "locales.h"
#include "redis_case.h"
#include "threads.h"

/* ---- fork ---------------------------------------------------------------------------------------------------- */

static const char *count_in_child(void *ctx)
{
    redis_case *c = ctx;
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    if (tm_count(c->registry, "tasks", 4, TM_NO_LABELS) != TM_OK)
        return "count";
    if (tm_sync_to_cache(c->registry, c->store, &report) != TM_OK)
        return "sync";
    return report.retries == 0 && report.resyncs == 0 ? NULL : "it was not a plain sync";
}

/* Since CONFIG RESETSTAT, that of this question left out. */
static long connections(const redis_case *c)
{
    char *stats = redis_ask(c->server, "INFO", "stats");
    char *at = strstr(stats, "total_connections_received:");
    assert_non_null(at);
    long count = strtol(strchr(at, ':') + 1, NULL, 10) - 1;
    free(stats);
    return count;
}

TEST(a_forked_child_syncs_by_a_connection_of_its_own)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_ok(tm_count(c.registry, "tasks", 3, TM_NO_LABELS));
        redis_tell(c.server, "CONFIG", "RESETSTAT");
        assert_int_equal(sync_store(c.registry, c.store).retries, 0);
        assert_int_equal(connections(&c), 0);
        redis_tell(c.server, "CONFIG", "RESETSTAT");
        run_child(count_in_child, &c);
        assert_int_equal(connections(&c), 1);
        assert_int_equal(stored_count(c.store, "tasks", "", 0), 7 * i);
    }
    redis_case_end(&c);
}

static void *sync_blocked(void *argument)
{
    redis_case *c = argument;
    tm_sync_to_cache(c->registry, c->store, NULL);
    return NULL;
}

static const char *count_when_resumed(void *ctx)
{
    redis_case *c = ctx;
    redis_server_resume(c->server);
    return count_in_child(c);
}

TEST(a_fork_while_another_thread_waits_for_the_server_leaves_both_well)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 30000;
    redis_case c = redis_case_begin_behind_proxy(&options);
    assert_ok(tm_count(c.registry, "tasks", 3, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    assert_ok(tm_count(c.registry, "tasks", 3, TM_NO_LABELS));
    redis_server_pause(c.server);
    size_t requests = proxy_request_count(c.proxy);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sync_blocked, &c), 0);
    while (proxy_request_count(c.proxy) == requests)
        sched_yield();
    run_child(count_when_resumed, &c);
    pthread_join(thread, NULL);
    sync_store(c.registry, c.store);
    assert_int_equal(stored_count(c.store, "tasks", "", 0), 10);
    redis_case_end(&c);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 50 };

typedef struct threads_case {
    redis_case c;
    tm_registry *registries[THREADS];
    int status[THREADS];
} threads_case;

static void use_everything(void *ctx, size_t number)
{
    threads_case *t = ctx;
    for (int i = 0; i < ROUNDS && t->status[number] == TM_OK; i++) {
        tm_error error;
        tm_snapshot *snapshot = NULL;
        tm_count(t->registries[number], "tasks", 1, TM_NO_LABELS);
        t->status[number] = tm_sync_to_cache(t->registries[number], t->c.store, NULL);
        if (t->status[number] == TM_OK && i % 5 == 0)
            t->status[number] = tm_store_read(t->c.store, NULL, &snapshot, &error);
        if (t->status[number] == TM_OK && tm_store_lock(t->c.store, "l", "t", 1000, &error) == TM_OK)
            t->status[number] = tm_store_lock_extend(t->c.store, "l", "t", 1000, &error);
        tm_snapshot_free(snapshot);
    }
}

TEST(threads_share_one_handle)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 30000;
    threads_case t = {.c = redis_case_begin(&options, REDIS_PLAIN)};
    for (size_t i = 0; i < THREADS; i++)
        t.registries[i] = new_registry();
    run_threads(THREADS, use_everything, &t);
    for (size_t i = 0; i < THREADS; i++) {
        assert_status(t.status[i], TM_OK);
        tm_registry_free(t.registries[i]);
    }
    assert_int_equal(stored_count(t.c.store, "tasks", "", 0), THREADS * ROUNDS);
    redis_case_end(&t.c);
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static void record_one_of_each(redis_case *c)
{
    assert_ok(tm_count(c->registry, "tasks", 1, TM_LABELS("a", "b")));
    assert_ok(tm_observe(c->registry, "time", 0.5, TM_NO_LABELS));
    assert_ok(tm_set(c->registry, "level", 1, TM_NO_LABELS));
}

TEST(every_allocation_of_opening_may_fail)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_tell(c.server, "ACL", "SETUSER", "me", "on", ">secret", "~*", "+@all");
    char url[200];
    snprintf(url, sizeof url, "redis://me:secret@localhost:%u/2?ns=test", c.server->port);
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        tm_store *store;
        tm_error error;
        int status = tm_store_open(url, NULL, &store, &error);
        faults_off();
        assert_true(status == (store ? TM_OK : TM_ENOMEM));
        assert_null(strstr(error.text, "secret"));
        tm_store_close(store);
    }
    redis_case_end(&c);
}

static void disturb_nothing(const redis_case *c)
{
    (void)c;
}

static void flush(const redis_case *c)
{
    redis_tell(c->server, "FLUSHALL");
}

static void forget_script(const redis_case *c)
{
    redis_tell(c->server, "SCRIPT", "FLUSH");
}

/* The server remembers the values under an earlier seq, and has to tell them. */
static void change_seq(const redis_case *c)
{
    redis_tell(c->server, "EVAL",
               "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
               "local seq = redis.call('HGET', '{test}:values:' .. name, '#seq') - 1 "
               "redis.call('HSET', '{test}:totals', '#seq ' .. name, seq .. ' 1000') "
               "redis.call('HSET', '{test}:values:' .. name, '#seq', seq) end",
               "1", "{test}:instances");
}

TEST(every_allocation_of_a_sync_may_fail_and_nothing_is_lost)
{
    void (*const disturbances[])(const redis_case *) = {disturb_nothing, flush, forget_script, change_seq};
    for (size_t d = 0; d < sizeof disturbances / sizeof disturbances[0]; d++) {
        redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
        uint64_t recorded = 0;
        bool more = true;
        for (size_t n = 1; more; n++) {
            record_one_of_each(&c);
            sync_store(c.registry, c.store);
            record_one_of_each(&c);
            recorded += 2;
            disturbances[d](&c);
            more = faults_fail_allocation(n);
            tm_sync_report report = TM_SYNC_REPORT_INIT;
            int status = tm_sync_to_cache(c.registry, c.store, &report);
            faults_off();
            if (status != TM_OK && status != TM_ENOMEM)
                fail_msg("disturbance %zu, allocation %zu: %s", d, n, report.error.text);
            assert_true(stored_count(c.store, "tasks", "a=\"b\"", 0) <= recorded);
        }
        sync_store(c.registry, c.store);
        assert_int_equal(stored_count(c.store, "tasks", "a=\"b\"", 0), recorded);
        redis_case_end(&c);
    }
}

TEST(every_allocation_of_a_read_may_fail)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    record_one_of_each(&c);
    sync_store(c.registry, c.store);
    tm_read_options options = TM_READ_OPTIONS_INIT;
    options.include_instances = 1;
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        tm_snapshot *snapshot;
        tm_error error;
        int status = tm_store_read(c.store, &options, &snapshot, &error);
        faults_off();
        assert_true(status == (snapshot ? TM_OK : TM_ENOMEM));
        if (snapshot)
            assert_int_equal(tm_snapshot_family_count(snapshot), 3);
        tm_snapshot_free(snapshot);
    }
    redis_case_end(&c);
}

/* ---- locale -------------------------------------------------------------------------------------------------- */

TEST(a_decimal_comma_changes_nothing)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    use_locale("de_DE", ",");
    assert_ok(tm_set(c.registry, "level", 2.5, TM_NO_LABELS));
    assert_ok(tm_observe(c.registry, "time", 0.25, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    redis_expect(c.server, "0.25", "HGET", "{test}:totals", "time_sum");
    assert_double_near(stored_gauge(c.store, "level", ""), 2.5, 0);
    tm_snapshot *snapshot = read_store(c.store);
    assert_double_near(values_in(snapshot, "time", "")[12].d, 0.25, 0);
    assert_int_equal(values_in(snapshot, "time", "")[5].u, 1);
    tm_snapshot_free(snapshot);
    redis_case_end(&c);
}

TEST_MAIN("redis_process", T(a_forked_child_syncs_by_a_connection_of_its_own),
          T(a_fork_while_another_thread_waits_for_the_server_leaves_both_well), T(threads_share_one_handle),
          T(every_allocation_of_opening_may_fail), T(every_allocation_of_a_sync_may_fail_and_nothing_is_lost),
          T(every_allocation_of_a_read_may_fail), T(a_decimal_comma_changes_nothing))
