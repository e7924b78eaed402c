/* What stands in Redis but should not: keys of another type, fields that are no numbers, families that disagree.
 * Each is named, the rest is applied, and all is well once it is gone. */
#include "redis_case.h"

static void count(redis_case *c, uint64_t n)
{
    assert_ok(tm_count(c->registry, "tasks", n, TM_NO_LABELS));
}

static uint64_t stored(redis_case *c)
{
    return stored_count(c->store, "tasks", "", 0);
}

TEST(keys_of_another_type_are_named_and_nothing_moves)
{
    const char *const kinds[] = {"totals", "families", "instances"};
    for (size_t i = 0; i < 3; i++) {
        redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
        char key[32];
        snprintf(key, sizeof key, "{test}:%s", kinds[i]);
        redis_tell(c.server, "SET", key, "x");
        count(&c, 3);
        sync_must_fail(c.registry, c.store, TM_ECORRUPT);
        redis_tell(c.server, "DEL", key);
        sync_store(c.registry, c.store);
        assert_int_equal(stored(&c), 3);
        redis_case_end(&c);
    }
}

TEST(keys_of_an_instance_of_another_type_are_named_and_nothing_moves)
{
    const char *const kinds[] = {"values", "gauges"};
    for (size_t i = 0; i < 2; i++) {
        redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
        count(&c, 3);
        sync_store(c.registry, c.store);
        char *key = redis_case_own_key(&c, kinds[i]);
        redis_tell(c.server, "DEL", key);
        redis_tell(c.server, "SET", key, "x");
        count(&c, 4);
        assert_ok(tm_observe(c.registry, "time", 0.5, TM_NO_LABELS));
        assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
        sync_must_fail(c.registry, c.store, TM_ECORRUPT);
        sync_must_fail(c.registry, c.store, TM_ECORRUPT);
        redis_expect(c.server, "3", "HGET", "{test}:totals", "tasks_total");
        redis_tell(c.server, "DEL", key);
        sync_store(c.registry, c.store);
        assert_int_equal(stored(&c), 7);
        free(key);
        redis_case_end(&c);
    }
}

TEST(a_poisoned_field_is_reported_and_the_rest_is_applied)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_tell(c.server, "HSET", "{test}:totals", "poison_total", "abc", "time_sum", "xyz", "full_total",
               "9223372036854775807");
    assert_ok(tm_count(c.registry, "poison", 1, TM_NO_LABELS));
    assert_ok(tm_count(c.registry, "full", 1, TM_NO_LABELS));
    assert_ok(tm_observe(c.registry, "time", 0.5, TM_NO_LABELS));
    count(&c, 3);
    for (int i = 0; i < 3; i++) {
        tm_sync_report report = sync_must_fail(c.registry, c.store, TM_EFIELD);
        assert_int_equal(report.failed_fields, 3);
        assert_int_equal(stored(&c), 3);
        redis_expect(c.server, "abc", "HGET", "{test}:totals", "poison_total");
    }
    redis_tell(c.server, "HDEL", "{test}:totals", "poison_total", "time_sum");
    redis_tell(c.server, "HSET", "{test}:totals", "full_total", "5");
    sync_store(c.registry, c.store);
    assert_int_equal(stored_count(c.store, "poison", "", 0), 1);
    assert_int_equal(stored_count(c.store, "full", "", 0), 6);
    redis_expect(c.server, "0.5", "HGET", "{test}:totals", "time_sum");
    redis_case_end(&c);
}

/* Each pair prints a sample of the same name; which comes first does not matter. */
TEST(families_whose_samples_have_the_same_name_are_refused)
{
    static const tm_family pairs[][2] = {
        {{.size = sizeof(tm_family), .name = "a", .type = TM_TYPE_COUNTER},
         {.size = sizeof(tm_family), .name = "a_total", .type = TM_TYPE_GAUGE}},
        {{.size = sizeof(tm_family), .name = "b", .type = TM_TYPE_HISTOGRAM},
         {.size = sizeof(tm_family), .name = "b_count", .type = TM_TYPE_GAUGE}},
        {{.size = sizeof(tm_family), .name = "c", .type = TM_TYPE_HISTOGRAM},
         {.size = sizeof(tm_family), .name = "c_created", .type = TM_TYPE_GAUGE}},
    };
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    for (size_t i = 0; i < 3; i++)
        for (size_t first = 0; first < 2; first++) {
            redis_tell(c.server, "FLUSHALL");
            for (size_t k = 0; k < 2; k++) {
                tm_registry *registry = new_registry(); /* one alone would not take both */
                const tm_family *family = &pairs[i][k == 0 ? first : 1 - first];
                assert_ok(tm_describe(registry, family));
                tm_labels none = TM_NO_LABELS;
                assert_ok(family->type == TM_TYPE_COUNTER ? tm_count(registry, family->name, 1, none)
                          : family->type == TM_TYPE_GAUGE ? tm_set(registry, family->name, 1, none)
                                                          : tm_observe(registry, family->name, 1, none));
                if (k == 0)
                    sync_store(registry, c.store);
                else
                    sync_must_fail(registry, c.store, TM_EFIELD);
                tm_registry_free(registry);
            }
        }
    redis_case_end(&c);
}

TEST(a_count_above_what_redis_can_hold_is_refused)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    assert_ok(tm_count(c.registry, "huge", UINT64_MAX, TM_NO_LABELS));
    assert_int_equal(sync_must_fail(c.registry, c.store, TM_EFIELD).failed_fields, 1);
    assert_int_equal(stored(&c), 3);
    redis_expect(c.server, "0", "HEXISTS", "{test}:totals", "huge_total");
    redis_case_end(&c);
}

TEST(a_lost_reply_to_a_batch_that_was_refused_in_part_is_counted_once)
{
    redis_case c = redis_case_begin_behind_proxy(NULL);
    redis_tell(c.server, "HSET", "{test}:totals", "poison_total", "abc");
    count(&c, 3);
    sync_store(c.registry, c.store);
    for (int expired = 0; expired < 2; expired++) {
        if (expired) {
            char *keys = redis_ask(c.server, "KEYS", "{test}:values:*");
            redis_tell(c.server, "DEL", keys);
            free(keys);
        }
        assert_ok(tm_count(c.registry, "poison", 1, TM_NO_LABELS));
        count(&c, 4);
        proxy_set_fault(c.proxy, PROXY_DROP_REPLY, 1, 0);
        sync_must_fail(c.registry, c.store, TM_EFIELD);
        assert_int_equal(stored(&c), expired ? 11 : 7);
    }
    redis_tell(c.server, "HSET", "{test}:totals", "poison_total", "0");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 11);
    assert_int_equal(stored_count(c.store, "poison", "", 0), 2);
    redis_case_end(&c);
}

TEST(a_poisoned_aggregate_is_read_without_what_cannot_be_read)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    assert_ok(tm_count(c.registry, "poison", 1, TM_NO_LABELS));
    assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    redis_tell(c.server, "HSET", "{test}:totals", "poison_total", "-5", "tasks_total{", "1", "tasks_total{a}", "1",
               "tasks_total}", "1", "", "1", "#", "", "#seq", "", "#seq x", "y", "{}", "1", "level", "7",
               "tasks_bucket", "1");
    redis_tell(c.server, "HSET", "{test}:families", "x", "y", "help x", "\xff", "", "", "help ", "", "a",
               "a counter a - last -", "b", "b histogram b - last 1,1", "c", "c gauge c - sum");
    tm_snapshot *snapshot = read_instances(c.store);
    assert_int_equal(values_in(snapshot, "tasks", "")[0].u, 3);
    assert_null(values_in(snapshot, "poison", ""));
    assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, "tasks")), 2);
    tm_snapshot_free(snapshot);
    redis_case_end(&c);
}

TEST_MAIN("redis_poison", T(keys_of_another_type_are_named_and_nothing_moves),
          T(keys_of_an_instance_of_another_type_are_named_and_nothing_moves),
          T(a_poisoned_field_is_reported_and_the_rest_is_applied),
          T(families_whose_samples_have_the_same_name_are_refused), T(a_count_above_what_redis_can_hold_is_refused),
          T(a_lost_reply_to_a_batch_that_was_refused_in_part_is_counted_once),
          T(a_poisoned_aggregate_is_read_without_what_cannot_be_read))
