/* What a real Redis remembers of an instance: absolute values that have run out, seqs that have been retired, and
 * what must never be taken for all there was. */
#include <time.h>

#include "redis_case.h"
#include "store/store.h"

static void drop_own_key(redis_case *c, const char *kind)
{
    char *key = redis_case_own_key(c, kind);
    redis_expect(c->server, "1", "DEL", key);
    free(key);
}

TEST(expired_values_do_not_keep_a_sync_from_counting)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    drop_own_key(&c, "values");
    redis_case_count(&c, 4);
    assert_int_equal(redis_case_sync(&c).resyncs, 0);
    assert_int_equal(redis_case_total(&c), 7);
    char *values = redis_case_own_key(&c, "values");
    redis_expect(c.server, "0", "EXISTS", values); /* not begun anew halfway */
    free(values);
    redis_case_end(&c);
}

/* The seq goes back but the values are gone: the client keeps its own baseline, and says that counts may be missing. */
TEST(a_server_that_goes_back_without_the_values_is_never_counted_above_the_truth)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    drop_own_key(&c, "values");
    redis_tell(c.server, "SAVE");
    redis_case_count(&c, 4);
    redis_case_sync(&c);
    redis_server_restart(c.server);
    redis_case_count(&c, 5);
    sync_must_fail(c.registry, c.store, TM_ELOST);
    assert_int_equal(redis_case_total(&c), 3 + 5);
    redis_case_count(&c, 1);
    redis_case_sync(&c);
    assert_int_equal(redis_case_total(&c), 3 + 5 + 1);
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
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    pause_ms(100);
    assert_ok(tm_count(other, "tasks", 10, TM_LABELS("a", "b")));
    sync_store(other, c.store);
    redis_expect(c.server, "1", "ZCARD", "{test}:instances");
    redis_case_count(&c, 4);
    sync_must_fail(c.registry, c.store, TM_ELOST); /* the server might have gone back before it forgot */
    assert_int_equal(redis_case_total(&c), 17);
    redis_case_count(&c, 1);
    redis_case_sync(&c);
    assert_int_equal(redis_case_total(&c), 18);
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
    redis_case_count(&c, 1);
    redis_case_sync(&c);
    redis_case_count(&c, 2);
    redis_case_sync(&c);
    redis_expect(c.server, "1", "DEL", "{test}:families");
    change_seq(&c);
    redis_case_count(&c, 4);
    sync_must_fail(c.registry, c.store, TM_ELOST);
    assert_int_equal(redis_case_total(&c), 7);
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
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    pause_ms(100);
    sync_store(other, c.store);
    assert_ok(tm_count(other, "others", 1, TM_NO_LABELS));
    sync_store(other, c.store);
    assert_ok(tm_count(c.registry, "new", 1, TM_NO_LABELS));
    assert_int_equal(sync_must_fail(c.registry, c.store, TM_ELOST).resyncs, 1);
    assert_ok(tm_count(c.registry, "new", 1, TM_NO_LABELS));
    redis_case_sync(&c);
    change_seq(&c);
    sync_must_fail(c.registry, c.store, TM_ELOST);
    assert_int_equal(redis_case_total(&c), 3);
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
    redis_case_count(&c, 3);
    redis_case_sync(&c);
    redis_tell(c.server, "SAVE");
    assert_ok(tm_count(younger, "tasks", 10, TM_LABELS("a", "b")));
    sync_store(younger, c.store);
    redis_server_restart(c.server);
    sync_store(younger, c.store);
    assert_int_equal(redis_case_total(&c), 13);
    tm_registry_free(younger);
    redis_case_end(&c);
}

TEST_MAIN("redis_memory", T(expired_values_do_not_keep_a_sync_from_counting),
          T(a_server_that_goes_back_without_the_values_is_never_counted_above_the_truth),
          T(a_retired_instance_that_comes_back_is_not_counted_twice),
          T(a_server_that_goes_back_without_the_families_is_never_counted_above_the_truth),
          T(a_retired_instance_that_comes_back_is_never_told_less_than_was_counted),
          T(what_began_with_a_difference_is_never_told_as_all_there_was), T(values_of_lost_totals_are_forgotten),
          T(batches_that_break_the_contract_are_refused_whole),
          T(an_instance_younger_than_a_restored_state_starts_from_zero_there))
