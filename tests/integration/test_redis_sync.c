/* Exactly once through a real Redis: lost requests and replies, lost scripts, lost and older data, expired values. */
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "redis_case.h"
#include "store/store.h"

static void count(redis_case *c, uint64_t n)
{
    assert_ok(tm_count(c->registry, "tasks", n, TM_LABELS("a", "b")));
}

static uint64_t stored(redis_case *c)
{
    return stored_count(c->store, "tasks", "a=\"b\"", 0);
}

static tm_sync_report sync_now(redis_case *c)
{
    return sync_store(c->registry, c->store);
}

/* The keys of the one instance. */
static char *own_key(redis_case *c, const char *kind)
{
    char *name = redis_ask(c->server, "ZRANGE", "{test}:instances", "0", "0");
    char *key;
    assert_true(asprintf(&key, "{test}:%s:%s", kind, name) > 0);
    free(name);
    return key;
}

static void drop_own_key(redis_case *c, const char *kind)
{
    char *key = own_key(c, kind);
    redis_expect(c->server, "1", "DEL", key);
    free(key);
}

/* ---- requests and replies ------------------------------------------------------------------------------------ */

TEST(a_lost_reply_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    count(&c, 3);
    sync_now(&c);
    proxy_set_fault(c.proxy, PROXY_DROP_REPLY, 1, 0);
    count(&c, 4);
    tm_sync_report report = sync_now(&c);
    assert_int_equal(report.duplicates, 1);
    assert_int_equal(report.retries, 1);
    assert_int_equal(stored(&c), 7);
    redis_case_end(&c);
}

TEST(a_lost_request_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    count(&c, 3);
    sync_now(&c);
    proxy_set_fault(c.proxy, PROXY_DROP_REQUEST, 2, 0);
    count(&c, 4);
    tm_sync_report report = sync_now(&c);
    assert_int_equal(report.duplicates, 0);
    assert_int_equal(stored(&c), 7);
    redis_case_end(&c);
}

TEST(a_request_that_lands_after_its_repetition_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    count(&c, 3);
    sync_now(&c);
    proxy_set_fault(c.proxy, PROXY_LATE_REQUEST, 1, 0);
    count(&c, 4);
    sync_now(&c);
    count(&c, 5);
    sync_now(&c);
    assert_int_equal(proxy_deliver_late(c.proxy), 1);
    assert_int_equal(stored(&c), 12);
    count(&c, 1);
    sync_now(&c);
    assert_int_equal(stored(&c), 13);
    redis_case_end(&c);
}

TEST(a_reply_that_is_cut_anywhere_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    count(&c, 1);
    sync_now(&c);
    for (size_t bytes = 0; bytes < 90; bytes += 7) {
        proxy_set_fault(c.proxy, PROXY_CUT_REPLY, 1, bytes);
        count(&c, 1);
        sync_now(&c);
        assert_int_equal(stored(&c), 2 + bytes / 7);
    }
    redis_case_end(&c);
}

TEST(a_connection_that_the_server_closed_is_replaced_without_a_word)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    for (uint64_t i = 1; i <= 5; i++) {
        redis_tell(c.server, "CLIENT", "KILL", "TYPE", "normal");
        count(&c, 1);
        tm_sync_report report = sync_now(&c);
        assert_int_equal(report.retries, 0);
        assert_int_equal(stored(&c), i);
    }
    redis_case_end(&c);
}

/* ---- lost scripts and data ----------------------------------------------------------------------------------- */

TEST(a_script_flush_before_every_sync_goes_unnoticed)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    for (uint64_t i = 1; i <= 5; i++) {
        redis_tell(c.server, "SCRIPT", "FLUSH");
        count(&c, 1);
        tm_sync_report report = sync_now(&c);
        assert_int_equal(report.retries + report.resyncs + report.duplicates, 0);
        assert_int_equal(stored(&c), i);
    }
    redis_case_end(&c);
}

TEST(a_flush_heals_in_one_sync)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_registry *second = new_registry();
    count(&c, 3);
    assert_ok(tm_set(c.registry, "level", 2.5, TM_NO_LABELS));
    assert_ok(tm_observe(c.registry, "time", 0.3, TM_NO_LABELS));
    assert_ok(tm_count(second, "tasks", 10, TM_LABELS("a", "b")));
    sync_now(&c);
    sync_store(second, c.store);
    redis_tell(c.server, "FLUSHALL");
    assert_int_equal(sync_now(&c).resyncs, 1);
    assert_int_equal(stored(&c), 3);
    assert_double_near(stored_gauge(c.store, "level", ""), 2.5, 0);
    sync_store(second, c.store);
    assert_int_equal(stored(&c), 13);
    tm_registry_free(second);
    redis_case_end(&c);
}

TEST(a_restarted_empty_server_heals_in_one_sync)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    sync_now(&c);
    redis_server_restart(c.server);
    count(&c, 4);
    sync_now(&c);
    assert_int_equal(stored(&c), 7);
    redis_case_end(&c);
}

TEST(the_loss_of_any_one_key_never_counts_twice)
{
    const char *const kinds[] = {"totals", "families", "instances", "values", "gauges"};
    for (size_t i = 0; i < 5; i++) {
        redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
        count(&c, 3);
        assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
        sync_now(&c);
        if (i < 3) {
            char key[32];
            snprintf(key, sizeof key, "{test}:%s", kinds[i]);
            redis_expect(c.server, "1", "DEL", key);
        } else {
            drop_own_key(&c, kinds[i]);
        }
        count(&c, 4);
        sync_now(&c);
        assert_int_equal(stored(&c), 7);
        redis_case_end(&c);
    }
}

/* Goes back to a state that was saved, as after a restart from an old snapshot. */
TEST(a_server_that_goes_back_is_brought_up_to_date)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    assert_ok(tm_observe(c.registry, "time", 0.25, TM_NO_LABELS));
    sync_now(&c);
    redis_tell(c.server, "SAVE");
    for (int i = 0; i < 3; i++) {
        count(&c, 4);
        assert_ok(tm_observe(c.registry, "time", 0.25, TM_NO_LABELS));
        sync_now(&c);
    }
    redis_server_restart(c.server); /* loads what SAVE wrote */
    redis_expect(c.server, "3", "HGET", "{test}:totals", "tasks_total{a=\"b\"}");
    count(&c, 1);
    assert_int_equal(sync_now(&c).resyncs, 1);
    assert_int_equal(stored(&c), 16);
    redis_expect(c.server, "1", "HGET", "{test}:totals", "time_sum");
    redis_case_end(&c);
}

TEST(a_reloaded_server_goes_on_as_before)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    sync_now(&c);
    redis_tell(c.server, "DEBUG", "RELOAD");
    count(&c, 4);
    assert_int_equal(sync_now(&c).resyncs, 0);
    assert_int_equal(stored(&c), 7);
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
    count(&c, 3);
    sync_now(&c);
    redis_expect(c.server, "1", "WAIT", "1", "10000");
    sync_must_fail(c.registry, replica_store, TM_EREADONLY);
    redis_server_pause(replica);
    redis_tell(c.server, "CLIENT", "KILL", "TYPE", "replica");
    count(&c, 4);
    sync_now(&c);
    assert_int_equal(kill(c.server->pid, SIGKILL), 0);
    redis_server_resume(replica);
    redis_tell(replica, "REPLICAOF", "NO", "ONE");
    redis_expect(replica, "3", "HGET", "{test}:totals", "tasks_total{a=\"b\"}");
    count(&c, 1);
    sync_store(c.registry, replica_store);
    assert_int_equal(stored_count(replica_store, "tasks", "a=\"b\"", 0), 8);
    tm_store_close(replica_store);
    redis_server_stop(replica);
    free(replica_url);
    redis_case_end(&c);
}

/* ---- expired values and seqs --------------------------------------------------------------------------------- */

TEST(expired_values_do_not_keep_a_sync_from_counting)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    sync_now(&c);
    drop_own_key(&c, "values");
    count(&c, 4);
    assert_int_equal(sync_now(&c).resyncs, 0);
    assert_int_equal(stored(&c), 7);
    char *values = own_key(&c, "values");
    redis_expect(c.server, "0", "EXISTS", values); /* not begun anew halfway */
    free(values);
    redis_case_end(&c);
}

/* The seq goes back but the values are gone: the client keeps its own baseline, and says that counts may be missing. */
TEST(a_server_that_goes_back_without_the_values_is_never_counted_above_the_truth)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    sync_now(&c);
    drop_own_key(&c, "values");
    redis_tell(c.server, "SAVE");
    count(&c, 4);
    sync_now(&c);
    redis_server_restart(c.server);
    count(&c, 5);
    sync_must_fail(c.registry, c.store, TM_ELOST);
    assert_int_equal(stored(&c), 3 + 5);
    count(&c, 1);
    sync_now(&c);
    assert_int_equal(stored(&c), 3 + 5 + 1);
    redis_case_end(&c);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Another instance's sync retires those that were silent for longer than the retention. */
TEST(a_retired_instance_that_comes_back_is_not_counted_twice)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.retention_ms = 50;
    options.values_ttl_ms = 50;
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    tm_registry *other = new_registry();
    count(&c, 3);
    sync_now(&c);
    pause_ms(100);
    assert_ok(tm_count(other, "tasks", 10, TM_LABELS("a", "b")));
    sync_store(other, c.store);
    redis_expect(c.server, "1", "ZCARD", "{test}:instances");
    count(&c, 4);
    sync_now(&c);
    assert_int_equal(stored(&c), 17);
    count(&c, 1);
    sync_now(&c);
    assert_int_equal(stored(&c), 18);
    tm_registry_free(other);
    redis_case_end(&c);
}

/* The server remembers what it does under an earlier seq. */
static void change_seq(const redis_case *c)
{
    redis_tell(c->server, "EVAL",
               "for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
               "local seq, rest = string.match(redis.call('HGET', KEYS[2], '#seq ' .. name), '^(%d+)(.*)$') "
               "redis.call('HSET', KEYS[2], '#seq ' .. name, (seq - 1) .. rest) "
               "local values = '{test}:values:' .. name "
               "if redis.call('HGET', values, '#seq') == seq then redis.call('HSET', values, '#seq', seq - 1) end end",
               "2", "{test}:instances", "{test}:totals");
}

/* Values whose family nobody can tell any more are no baseline. */
TEST(a_server_that_goes_back_without_the_families_is_never_counted_above_the_truth)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 1);
    sync_now(&c);
    count(&c, 2);
    sync_now(&c);
    redis_expect(c.server, "1", "DEL", "{test}:families");
    change_seq(&c);
    count(&c, 4);
    sync_must_fail(c.registry, c.store, TM_ELOST);
    assert_int_equal(stored(&c), 7);
    redis_case_end(&c);
}

/* What it sends first after its return is new as a whole, but it is not all that the totals hold of it. */
TEST(a_retired_instance_that_comes_back_is_never_told_less_than_was_counted)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.retention_ms = 50;
    options.sync_timeout_ms = 20000;
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    tm_registry *other = new_registry();
    count(&c, 3);
    sync_now(&c);
    pause_ms(100);
    sync_store(other, c.store);
    assert_ok(tm_count(other, "others", 1, TM_NO_LABELS));
    sync_store(other, c.store);
    assert_ok(tm_count(c.registry, "new", 1, TM_NO_LABELS));
    assert_int_equal(sync_now(&c).resyncs, 1);
    assert_ok(tm_count(c.registry, "new", 1, TM_NO_LABELS));
    sync_now(&c);
    change_seq(&c);
    sync_must_fail(c.registry, c.store, TM_ELOST);
    assert_int_equal(stored(&c), 3);
    tm_registry_free(other);
    redis_case_end(&c);
}

static size_t told_count;

static int hear_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    told_count++;
    return TM_OK;
}

/* Applies a batch with the store's own function; returns what is remembered. */
static tm_memory apply(redis_case *c, const tm_batch *batch, tm_answer answer)
{
    tm_reply reply = {.remembered = hear_memory};
    tm_error error;
    told_count = 0;
    assert_ok(c->store->ops.apply(c->store->self, batch, tm_monotonic_ns() + INT64_C(20000000000), &reply, &error));
    assert_int_equal(reply.answer, answer);
    return reply.memory;
}

/* A batch as the engine would never send it: the first of an instance that counts from a baseline of its own. */
TEST(what_began_with_a_difference_is_never_told_as_all_there_was)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_family family = {sizeof family, "tasks", TM_TYPE_COUNTER, "", "", NULL, 0, TM_AGGREGATE_LAST};
    tm_change change = {&family, "", 0, 0, {.u = 10}, {.u = 4}};
    tm_batch batch = {.instance = "i", .prev = 0, .seq = 1, .changes = &change, .change_count = 1};
    apply(&c, &batch, TM_ANSWER_APPLIED);
    batch.prev = 7;
    batch.seq = 8;
    assert_int_equal(apply(&c, &batch, TM_ANSWER_RESYNC), TM_MEMORY_EXPIRED);
    redis_case_end(&c);
}

/* The totals are lost, the values are not: of those, only what was counted anew may be told. */
TEST(values_of_lost_totals_are_forgotten)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_family family = {sizeof family, "tasks", TM_TYPE_COUNTER, "", "", NULL, 0, TM_AGGREGATE_LAST};
    tm_change changes[] = {{&family, "", 0, 0, {.u = 3}, {.u = 3}}, {&family, "a=\"b\"", 5, 0, {.u = 5}, {.u = 5}}};
    tm_batch batch = {.instance = "i", .prev = 0, .seq = 1, .changes = changes, .change_count = 2};
    apply(&c, &batch, TM_ANSWER_APPLIED);
    redis_expect(c.server, "1", "DEL", "{test}:totals");
    batch.prev = 1;
    batch.seq = 2;
    assert_int_equal(apply(&c, &batch, TM_ANSWER_RESYNC), TM_MEMORY_NOTHING);
    batch.prev = 0;
    batch.change_count = 1;
    apply(&c, &batch, TM_ANSWER_APPLIED);
    batch.prev = 7;
    batch.seq = 8;
    assert_int_equal(apply(&c, &batch, TM_ANSWER_RESYNC), TM_MEMORY_VALUES);
    assert_int_equal(told_count, 1);
    redis_case_end(&c);
}

TEST(batches_that_break_the_contract_are_refused_whole)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_family family = {sizeof family, "tasks", TM_TYPE_COUNTER, "", "", NULL, 0, TM_AGGREGATE_LAST};
    tm_family bad_family = family;
    bad_family.name = "a b";
    tm_change good = {&family, "", 0, 0, {.u = 10}, {.u = 10}};
    tm_change bad[] = {good, good, good, good};
    bad[0].family = &bad_family;
    bad[1].part = 1;
    bad[2].labels = "a=b";
    bad[2].labels_bytes = 3;
    bad[3].labels = "b=\"\",a=\"\"";
    bad[3].labels_bytes = 9;
    tm_error error;
    tm_reply reply = {0};
    int64_t deadline_ns = tm_monotonic_ns() + INT64_C(20000000000);
    for (size_t i = 0; i < 9; i++) {
        tm_change changes[] = {good, i < 4 ? bad[i] : good};
        tm_batch batch = {.instance = "i", .prev = 0, .seq = 1, .changes = changes, .change_count = 2};
        batch.instance = i == 4 ? "a b" : i == 5 ? "" : "i";
        batch.seq = i == 6 ? 0 : 1;
        batch.prev = i == 7 ? 1 : 0;
        batch.partition = i == 8;
        assert_status(c.store->ops.apply(c.store->self, &batch, deadline_ns, &reply, &error), TM_EINVAL);
    }
    redis_expect(c.server, "0", "DBSIZE");
    redis_case_end(&c);
}

TEST(an_instance_younger_than_a_restored_state_starts_from_zero_there)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    tm_registry *younger = new_registry();
    count(&c, 3);
    sync_now(&c);
    redis_tell(c.server, "SAVE");
    assert_ok(tm_count(younger, "tasks", 10, TM_LABELS("a", "b")));
    sync_store(younger, c.store);
    redis_server_restart(c.server);
    sync_store(younger, c.store);
    assert_int_equal(stored(&c), 13);
    tm_registry_free(younger);
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
        tm_sync_report report = sync_now(&c);
        assert_true(report.batches > 2);
        redis_tell(c.server, "FLUSHALL");
    }
    sync_now(&c);
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
          T(a_lagging_replica_that_is_promoted_is_brought_up_to_date),
          T(expired_values_do_not_keep_a_sync_from_counting),
          T(a_server_that_goes_back_without_the_values_is_never_counted_above_the_truth),
          T(a_retired_instance_that_comes_back_is_not_counted_twice),
          T(a_server_that_goes_back_without_the_families_is_never_counted_above_the_truth),
          T(a_retired_instance_that_comes_back_is_never_told_less_than_was_counted),
          T(values_of_lost_totals_are_forgotten), T(what_began_with_a_difference_is_never_told_as_all_there_was),
          T(batches_that_break_the_contract_are_refused_whole),
          T(an_instance_younger_than_a_restored_state_starts_from_zero_there),
          T(a_registry_of_many_batches_survives_a_flush))
