/* The Redis store against a real server: the contract of all stores, opening, and what stands in the server. */
#include <math.h>
#include <stdbool.h>
#include <unistd.h>

#include "contract.h"
#include "redis_server.h"
#include "registries.h"
#include "stores.h"
#include "test.h"

static redis_server *server;
static char *url;

static void start(void)
{
    server = redis_server_start(REDIS_PLAIN);
    url = redis_server_url(server);
}

static tm_store *contract_open(void)
{
    start();
    return open_store(url, NULL);
}

static tm_store *start_and_open(void)
{
    return contract_open();
}

static void end(tm_store *store)
{
    tm_store_close(store);
    redis_server_stop(server);
    free(url);
}

CONTRACT_CASES(CONTRACT_TEST)

/* ---- opening ------------------------------------------------------------------------------------------------- */

TEST(the_strategy_and_the_capabilities_are_told)
{
    tm_store *store = start_and_open();
    assert_int_equal(tm_store_strategy(store), TM_STRATEGY_DISTRIBUTED_ATOMIC);
    assert_int_equal(tm_store_capabilities(store), TM_CAP_DISTRIBUTED | TM_CAP_ATOMIC_INCREMENT | TM_CAP_LOCKING |
                                                       TM_CAP_TTL_INSPECTION | TM_CAP_PER_INSTANCE |
                                                       TM_CAP_PERSISTENCE);
    end(store);
}

TEST(tcp_and_unix_urls_reach_the_same_totals)
{
    tm_store *by_path = start_and_open();
    char *tcp_url = redis_server_tcp_url(server);
    tm_store *by_port = open_store(tcp_url, NULL);
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 2, TM_NO_LABELS));
    sync_store(registry, by_port);
    assert_int_equal(stored_count(by_path, "tasks", "", 0), 2);
    tm_registry_free(registry);
    tm_store_close(by_port);
    free(tcp_url);
    end(by_path);
}

TEST(a_host_name_is_looked_up)
{
    tm_store *store = start_and_open();
    char text[64];
    tm_error error;
    snprintf(text, sizeof text, "redis://localhost:%u/?ns=test", server->port);
    tm_store_close(open_store(text, NULL));
    tm_store_options quick = TM_STORE_OPTIONS_INIT;
    quick.sync_timeout_ms = 300;
    tm_store *none;
    int status = tm_store_open("redis://no-such-host.invalid/", &quick, &none, &error);
    assert_true(status == TM_EUNAVAILABLE || status == TM_ETIMEOUT);
    assert_null(none);
    end(store);
}

TEST(namespaces_are_kept_apart)
{
    tm_store *store = start_and_open();
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.ns = "other"; /* wins over the URL */
    tm_store *other = open_store(url, &options);
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 2, TM_NO_LABELS));
    sync_store(registry, other);
    assert_int_equal(stored_count(other, "tasks", "", 0), 2);
    assert_int_equal(stored_count(store, "tasks", "", 0), 0);
    redis_expect(server, "1", "EXISTS", "{other}:totals");
    redis_expect(server, "0", "EXISTS", "{test}:totals");
    tm_registry_free(registry);
    tm_store_close(other);
    end(store);
}

TEST(the_database_of_the_url_is_selected)
{
    tm_store *store = start_and_open();
    char text[64];
    snprintf(text, sizeof text, "redis://127.0.0.1:%u/3?ns=test", server->port);
    tm_store *third = open_store(text, NULL);
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 2, TM_NO_LABELS));
    sync_store(registry, third);
    assert_int_equal(stored_count(third, "tasks", "", 0), 2);
    assert_int_equal(stored_count(store, "tasks", "", 0), 0);
    tm_registry_free(registry);
    tm_store_close(third);

    tm_error error;
    snprintf(text, sizeof text, "redis://127.0.0.1:%u/99?ns=test", server->port);
    open_must_fail(text, NULL, TM_EURL, &error);
    end(store);
}

TEST(urls_that_make_no_sense_are_refused)
{
    const char *const bad[] = {
        "redis:",
        "redis://",
        "redis://:6379",
        "redis://a,b",
        "redis://a:0",
        "redis://a:70000",
        "redis://a:port",
        "redis://a/db",
        "redis://a/-1",
        "redis://a/1/2",
        "redis://[::1",
        "redis://[::1]x",
        "redis+unix:",
        "redis+unix://h/sock",
        "redis+unix:relative",
        "redis://a:",
        "redis://a?ns={x}",
        "redis://user:secret@a:x/",
        "redis://a/0?db=1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm_error error;
        open_must_fail(bad[i], NULL, TM_EURL, &error);
    }
}

TEST(a_server_that_is_not_there_is_an_error_or_tried_at_each_sync)
{
    start();
    tm_error error;
    char nowhere[160];
    snprintf(nowhere, sizeof nowhere, "redis+unix://user:secret@%s/none?ns=test", test_directory());
    open_must_fail(nowhere, NULL, TM_EUNAVAILABLE, &error);
    assert_non_null(strstr(error.text, "redis+unix://***@/"));

    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.skip_if_unavailable = 1;
    char link[140];
    snprintf(link, sizeof link, "%s/none", test_directory());
    tm_store *store = open_store(nowhere, &options);
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 2, TM_NO_LABELS));
    sync_must_fail(registry, store, TM_EUNAVAILABLE);
    sync_must_fail(registry, store, TM_EUNAVAILABLE);
    redis_tell(server, "ACL", "SETUSER", "user", "on", ">secret", "~*", "+@all");
    assert_int_equal(symlink(server->path, link), 0);
    sync_store(registry, store);
    assert_int_equal(stored_count(store, "tasks", "", 0), 2);
    tm_registry_free(registry);
    end(store);
}

TEST(a_node_of_a_cluster_takes_the_namespace_whose_keys_it_holds)
{
    server = redis_server_start(REDIS_OPTIONS("--cluster-enabled", "yes"));
    url = redis_server_url(server);
    redis_tell(server, "CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    for (int i = 0; i < 1000; i++) {
        char *info = redis_ask(server, "CLUSTER", "INFO");
        bool ready = strstr(info, "cluster_state:ok") != NULL;
        free(info);
        if (ready)
            break;
        usleep(10000);
    }
    tm_store *store = open_store(url, NULL);
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 2, TM_NO_LABELS));
    assert_ok(tm_set(registry, "level", 2, TM_NO_LABELS));
    sync_store(registry, store);
    tm_snapshot *snapshot = read_instances(store);
    assert_int_equal(values_in(snapshot, "tasks", "")[0].u, 2);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
    end(store);
}

static void note_warning(void *ctx, const char *text)
{
    test_text *warnings = ctx;
    text_sink(warnings, text, strlen(text));
    text_sink(warnings, "\n", 1);
}

static size_t count_lines(const test_text *text)
{
    size_t lines = 0;
    for (const char *at = text->data; at && *at; at++)
        lines += *at == '\n';
    return lines;
}

TEST(a_policy_that_may_evict_is_warned_of_once)
{
    start();
    test_text warnings = {0};
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.warn = note_warning;
    options.warn_ctx = &warnings;
    tm_store_close(open_store(url, &options));
    assert_int_equal(count_lines(&warnings), 0);

    const char *const policies[] = {"allkeys-lru", "volatile-ttl"};
    for (size_t i = 0; i < 2; i++) {
        redis_tell(server, "CONFIG", "SET", "maxmemory-policy", policies[i]);
        tm_store *store = open_store(url, &options);
        tm_registry *registry = new_registry();
        sync_store(registry, store);
        redis_tell(server, "CLIENT", "KILL", "TYPE", "normal"); /* a new connection does not warn again */
        assert_ok(tm_count(registry, "tasks", 1, TM_NO_LABELS));
        sync_store(registry, store);
        assert_int_equal(count_lines(&warnings), i + 1);
        assert_non_null(strstr(warnings.data, policies[i]));
        tm_registry_free(registry);
        tm_store_close(store);
    }
    text_free(&warnings);
    end(NULL);
}

/* ---- what stands in the server ------------------------------------------------------------------------------- */

TEST(a_person_can_read_the_totals)
{
    tm_store *store = start_and_open();
    tm_registry *registry = new_registry();
    tm_histogram *time = histogram_with(registry, "tasker.time", BOUNDS(0.1, 1));
    assert_ok(tm_count(registry, "tasker.tasks", 7, TM_LABELS("status", "ok")));
    tm_histogram_observe(time, 0.5);
    tm_histogram_observe(time, 0.25);
    tm_histogram_observe(time, 9);
    sync_store(registry, store);
    redis_expect(server, "7", "HGET", "{test}:totals", "tasker_tasks_total{status=\"ok\"}");
    redis_expect(server, "2", "HGET", "{test}:totals", "tasker_time_bucket{gt=\"0.1\",le=\"1\"}");
    redis_expect(server, "1", "HGET", "{test}:totals", "tasker_time_bucket{gt=\"1\",le=\"+Inf\"}");
    redis_expect(server, "9.75", "HGET", "{test}:totals", "tasker_time_sum");
    redis_expect(server, "tasker_time histogram tasker.time - last 0.1,1", "HGET", "{test}:families", "tasker_time");
    redis_expect(server, "1", "ZCARD", "{test}:instances");
    tm_registry_free(registry);
    end(store);
}

TEST(every_key_is_under_one_hash_tag_and_what_an_instance_owns_runs_out)
{
    tm_store *store = start_and_open();
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 7, TM_NO_LABELS));
    assert_ok(tm_set(registry, "level", 7, TM_NO_LABELS));
    sync_store(registry, store);
    redis_expect(server, "5", "DBSIZE");
    char *keys = redis_ask(server, "KEYS", "{test}:*");
    char *position = keys;
    size_t count = 0;
    for (char *key; (key = strsep(&position, "\n")); count++) {
        bool expires = strncmp(key, "{test}:values:", 14) == 0 || strncmp(key, "{test}:gauges:", 14) == 0;
        char *ttl = redis_ask(server, "PTTL", key);
        assert_true(expires ? strtoll(ttl, NULL, 10) > 1000000 : strcmp(ttl, "-1") == 0);
        free(ttl);
    }
    assert_int_equal(count, 5);
    free(keys);
    tm_registry_free(registry);
    end(store);
}

TEST(a_sync_with_nothing_new_is_one_command)
{
    tm_store *store = start_and_open();
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 7, TM_NO_LABELS));
    sync_store(registry, store);
    redis_tell(server, "CONFIG", "RESETSTAT");
    sync_store(registry, store);
    char *stats = redis_ask(server, "INFO", "commandstats");
    assert_non_null(strstr(stats, "cmdstat_evalsha:calls=1,"));
    assert_null(strstr(stats, "cmdstat_eval:"));
    assert_null(strstr(stats, "cmdstat_auth:"));
    free(stats);
    tm_registry_free(registry);
    end(store);
}

TEST(a_histogram_with_no_finite_bound_is_kept)
{
    tm_store *store = start_and_open();
    tm_registry *registry = new_registry();
    tm_histogram *all = histogram_with(registry, "all", BOUNDS(INFINITY));
    tm_histogram_observe(all, 3);
    sync_store(registry, store);
    tm_snapshot *snapshot = read_store(store);
    assert_int_equal(tm_snapshot_family(snapshot, family_place(snapshot, "all"))->bucket_count, 0);
    assert_int_equal(values_in(snapshot, "all", "")[0].u, 1);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
    end(store);
}

TEST_MAIN("redis", CONTRACT_CASES(CONTRACT_ENTRY) T(the_strategy_and_the_capabilities_are_told),
          T(tcp_and_unix_urls_reach_the_same_totals), T(a_host_name_is_looked_up), T(namespaces_are_kept_apart),
          T(the_database_of_the_url_is_selected), T(urls_that_make_no_sense_are_refused),
          T(a_server_that_is_not_there_is_an_error_or_tried_at_each_sync),
          T(a_node_of_a_cluster_takes_the_namespace_whose_keys_it_holds), T(a_policy_that_may_evict_is_warned_of_once),
          T(a_person_can_read_the_totals), T(every_key_is_under_one_hash_tag_and_what_an_instance_owns_runs_out),
          T(a_sync_with_nothing_new_is_one_command), T(a_histogram_with_no_finite_bound_is_kept))
