/* Exactly once through a real Redis: lost requests and replies, lost scripts, lost and older data, expired values. */
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "redis_case.h"

static void drop_own_key(redis_case *c, const char *kind)
{
    char *key = redis_case_own_key(c, kind);
    redis_expect(c->server, "1", "DEL", key);
    free(key);
}

/* ---- requests and replies ------------------------------------------------------------------------------------ */

TEST(a_lost_reply_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    proxy_set_fault(c.proxy, PROXY_DROP_REPLY, 1, 0);
    redis_case_count(&c, 4);
    tm_sync_report report = redis_case_sync(&c);
    assert_int_equal(report.duplicates, 1);
    assert_int_equal(report.retries, 1);
    assert_int_equal(redis_case_total(&c), 7);
    redis_case_end(&c);
}

TEST(a_lost_request_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    proxy_set_fault(c.proxy, PROXY_DROP_REQUEST, 2, 0);
    redis_case_count(&c, 4);
    tm_sync_report report = redis_case_sync(&c);
    assert_int_equal(report.duplicates, 0);
    assert_int_equal(redis_case_total(&c), 7);
    redis_case_end(&c);
}

TEST(a_request_that_lands_after_its_repetition_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    proxy_set_fault(c.proxy, PROXY_LATE_REQUEST, 1, 0);
    redis_case_count(&c, 4);
    redis_case_sync(&c);
    redis_case_count(&c, 5);
    redis_case_sync(&c);
    assert_int_equal(proxy_deliver_late(c.proxy), 1);
    assert_int_equal(redis_case_total(&c), 12);
    redis_case_count(&c, 1);
    redis_case_sync(&c);
    assert_int_equal(redis_case_total(&c), 13);
    redis_case_end(&c);
}

TEST(a_reply_that_is_cut_anywhere_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    redis_case_count(&c, 1);
    redis_case_sync(&c);
    for (size_t bytes = 0; bytes < 90; bytes += 7) {
        proxy_set_fault(c.proxy, PROXY_CUT_REPLY, 1, bytes);
        redis_case_count(&c, 1);
        redis_case_sync(&c);
        assert_int_equal(redis_case_total(&c), 2 + bytes / 7);
    }
    redis_case_end(&c);
}

TEST(a_connection_that_the_server_closed_is_replaced_without_a_word)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    for (uint64_t i = 1; i <= 5; i++) {
        redis_tell(c.server, "CLIENT", "KILL", "TYPE", "normal");
        redis_case_count(&c, 1);
        tm_sync_report report = redis_case_sync(&c);
        assert_int_equal(report.retries, 0);
        assert_int_equal(redis_case_total(&c), i);
    }
    redis_case_end(&c);
}

/* ---- lost scripts and data ----------------------------------------------------------------------------------- */

TEST(a_script_flush_before_every_sync_goes_unnoticed)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    for (uint64_t i = 1; i <= 5; i++) {
        redis_tell(c.server, "SCRIPT", "FLUSH");
        redis_case_count(&c, 1);
        tm_sync_report report = redis_case_sync(&c);
        assert_int_equal(report.retries + report.resyncs + report.duplicates, 0);
        assert_int_equal(redis_case_total(&c), i);
    }
    redis_case_end(&c);
}

TEST(a_flush_heals_in_one_sync)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_registry *second = new_registry();
    redis_case_count(&c, 3);
    assert_ok(tm_set(c.registry, "level", 2.5, TM_NO_LABELS));
    assert_ok(tm_observe(c.registry, "time", 0.3, TM_NO_LABELS));
    assert_ok(tm_count(second, "tasks", 10, TM_LABELS("a", "b")));
    redis_case_sync(&c);
    sync_store(second, c.store);
    redis_tell(c.server, "FLUSHALL");
    assert_int_equal(redis_case_sync(&c).resyncs, 1);
    assert_int_equal(redis_case_total(&c), 3);
    assert_double_near(stored_gauge(c.store, "level", ""), 2.5, 0);
    sync_store(second, c.store);
    assert_int_equal(redis_case_total(&c), 13);
    tm_registry_free(second);
    redis_case_end(&c);
}

TEST(a_restarted_empty_server_heals_in_one_sync)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    redis_server_restart(c.server);
    redis_case_count(&c, 4);
    redis_case_sync(&c);
    assert_int_equal(redis_case_total(&c), 7);
    redis_case_end(&c);
}

TEST(the_loss_of_any_one_key_never_counts_twice)
{
    const char *const kinds[] = {"totals", "families", "instances", "values", "gauges"};
    for (size_t i = 0; i < 5; i++) {
        redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
        redis_case_count(&c, 3);
        assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
        redis_case_sync(&c);
        if (i < 3) {
            char key[32];
            snprintf(key, sizeof key, "{test}:%s", kinds[i]);
            redis_expect(c.server, "1", "DEL", key);
        } else {
            drop_own_key(&c, kinds[i]);
        }
        redis_case_count(&c, 4);
        redis_case_sync(&c);
        assert_int_equal(redis_case_total(&c), 7);
        redis_case_end(&c);
    }
}

/* Goes back to a state that was saved, as after a restart from an old snapshot. */
TEST(a_server_that_goes_back_is_brought_up_to_date)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_case_count(&c, 3);
    assert_ok(tm_observe(c.registry, "time", 0.25, TM_NO_LABELS));
    redis_case_sync(&c);
    redis_tell(c.server, "SAVE");
    for (int i = 0; i < 3; i++) {
        redis_case_count(&c, 4);
        assert_ok(tm_observe(c.registry, "time", 0.25, TM_NO_LABELS));
        redis_case_sync(&c);
    }
    redis_server_restart(c.server); /* loads what SAVE wrote */
    redis_expect(c.server, "3", "HGET", "{test}:totals", "tasks_total{a=\"b\"}");
    redis_case_count(&c, 1);
    assert_int_equal(redis_case_sync(&c).resyncs, 1);
    assert_int_equal(redis_case_total(&c), 16);
    redis_expect(c.server, "1", "HGET", "{test}:totals", "time_sum");
    redis_case_end(&c);
}

TEST(a_reloaded_server_goes_on_as_before)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    redis_tell(c.server, "DEBUG", "RELOAD");
    redis_case_count(&c, 4);
    assert_int_equal(redis_case_sync(&c).resyncs, 0);
    assert_int_equal(redis_case_total(&c), 7);
    redis_case_end(&c);
}

static void wait_for(redis_server *server, const char *section, const char *line)
{
    for (int i = 0; i < 2000; i++) {
        char *info = redis_ask(server, "INFO", section);
        bool there = strstr(info, line) != NULL;
        free(info);
        if (there)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    fail_msg("no %s in INFO %s", line, section);
}

/* The replica has the first sync but not the second when it takes over. */
TEST(a_lagging_replica_that_is_promoted_is_brought_up_to_date)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    char port[16];
    snprintf(port, sizeof port, "%u", c.server->port);
    redis_server *replica = redis_server_start(REDIS_OPTIONS("--replicaof", "127.0.0.1", port));
    char *replica_url = redis_server_url(replica);
    tm_store *replica_store = open_store(replica_url, NULL);
    wait_for(replica, "replication", "master_link_status:up");
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    redis_expect(c.server, "1", "WAIT", "1", "10000");
    sync_must_fail(c.registry, replica_store, TM_EREADONLY);
    redis_server_pause(replica);
    redis_tell(c.server, "CLIENT", "KILL", "TYPE", "replica");
    redis_case_count(&c, 4);
    redis_case_sync(&c);
    assert_int_equal(kill(c.server->pid, SIGKILL), 0);
    redis_server_resume(replica);
    redis_tell(replica, "REPLICAOF", "NO", "ONE");
    redis_expect(replica, "3", "HGET", "{test}:totals", "tasks_total{a=\"b\"}");
    redis_case_count(&c, 1);
    sync_store(c.registry, replica_store);
    assert_int_equal(stored_count(replica_store, "tasks", "a=\"b\"", 0), 8);
    tm_store_close(replica_store);
    redis_server_stop(replica);
    free(replica_url);
    redis_case_end(&c);
}

/* ---- many numbers -------------------------------------------------------------------------------------------- */

TEST(a_registry_of_many_batches_survives_a_flush)
{
    enum { SERIES = 1900 };
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 20000;
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < SERIES; i++) {
            char label[16];
            snprintf(label, sizeof label, "%u", i);
            assert_ok(tm_count(c.registry, "many", i, TM_LABELS("i", label)));
            assert_ok(tm_observe(c.registry, "times", 0.01 * i, TM_LABELS("i", label)));
        }
        tm_sync_report report = redis_case_sync(&c);
        assert_true(report.batches > 2);
        redis_tell(c.server, "FLUSHALL");
    }
    redis_case_sync(&c);
    tm_snapshot *snapshot = read_store(c.store);
    for (unsigned i = 0; i < SERIES; i++) {
        char labels[16];
        snprintf(labels, sizeof labels, "i=\"%u\"", i);
        assert_int_equal(values_in(snapshot, "many", labels)[0].u, 2 * i);
    }
    tm_snapshot_free(snapshot);
    redis_case_end(&c);
}

TEST_MAIN("redis_sync", T(a_lost_reply_is_counted_once), T(a_lost_request_is_counted_once),
          T(a_request_that_lands_after_its_repetition_is_counted_once), T(a_reply_that_is_cut_anywhere_is_counted_once),
          T(a_connection_that_the_server_closed_is_replaced_without_a_word),
          T(a_script_flush_before_every_sync_goes_unnoticed), T(a_flush_heals_in_one_sync),
          T(a_restarted_empty_server_heals_in_one_sync), T(the_loss_of_any_one_key_never_counts_twice),
          T(a_server_that_goes_back_is_brought_up_to_date), T(a_reloaded_server_goes_on_as_before),
          T(a_lagging_replica_that_is_promoted_is_brought_up_to_date), T(a_registry_of_many_batches_survives_a_flush))
