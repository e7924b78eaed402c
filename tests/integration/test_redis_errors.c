/* What a Redis that refuses, is full, busy or broken does to a sync: a named error, no secret shown, nothing lost,
 * and all is well once the cause is gone. */
#include <stdbool.h>
#include <time.h>

#include "redis_case.h"

static void count(redis_case *c, uint64_t n)
{
    assert_ok(tm_count(c->registry, "tasks", n, TM_NO_LABELS));
}

static uint64_t stored(redis_case *c)
{
    return stored_count(c->store, "tasks", "", 0);
}

/* ---- servers that refuse everything -------------------------------------------------------------------------- */

TEST(a_full_server_takes_nothing_and_later_everything)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    sync_store(c.registry, c.store);
    redis_tell(c.server, "CONFIG", "SET", "maxmemory", "1");
    count(&c, 4);
    sync_must_fail(c.registry, c.store, TM_ENOSPC);
    assert_int_equal(stored(&c), 3);
    redis_tell(c.server, "SCRIPT", "FLUSH");
    sync_must_fail(c.registry, c.store, TM_ENOSPC);
    redis_tell(c.server, "CONFIG", "SET", "maxmemory", "0");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 7);
    redis_case_end(&c);
}

TEST(a_read_only_replica_is_named)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    count(&c, 3);
    sync_store(c.registry, c.store);
    redis_tell(c.server, "REPLICAOF", "127.0.0.1", "1");
    count(&c, 4);
    sync_must_fail(c.registry, c.store, TM_EREADONLY);
    redis_tell(c.server, "CONFIG", "SET", "replica-serve-stale-data", "no");
    sync_must_fail(c.registry, c.store, TM_EUNAVAILABLE); /* MASTERDOWN */
    redis_tell(c.server, "REPLICAOF", "NO", "ONE");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 7);
    redis_case_end(&c);
}

TEST(too_few_replicas_are_waited_for)
{
    redis_case c = redis_case_begin(NULL, REDIS_OPTIONS("--min-replicas-to-write", "1"));
    count(&c, 3);
    sync_must_fail(c.registry, c.store, TM_EUNAVAILABLE);
    redis_tell(c.server, "CONFIG", "SET", "min-replicas-to-write", "0");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 3);
    redis_case_end(&c);
}

/* Thousands of keys, each slowed down by the server's own test option. */
TEST(a_loading_server_is_unavailable)
{
    redis_case c = redis_case_begin(
        NULL, REDIS_OPTIONS("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"));
    count(&c, 3);
    sync_store(c.registry, c.store);
    redis_tell(c.server, "DEBUG", "POPULATE", "30000");
    redis_tell(c.server, "SAVE");
    redis_server_restart_busy(c.server);
    sync_must_fail(c.registry, c.store, TM_EUNAVAILABLE);
    tm_error error;
    open_must_fail(c.url, NULL, TM_EUNAVAILABLE, &error);
    assert_non_null(strstr(error.text, "LOADING"));
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.skip_if_unavailable = 1;
    tm_store *store = open_store(c.url, &options);
    sync_must_fail(c.registry, store, TM_EUNAVAILABLE);
    redis_tell(c.server, "CONFIG", "SET", "key-load-delay", "0");
    for (int i = 0; i < 1000 && tm_sync_to_cache(c.registry, store, NULL) != TM_OK; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    sync_store(c.registry, store);
    assert_int_equal(stored(&c), 3);
    tm_store_close(store);
    redis_case_end(&c);
}

static void run_endless_script(const redis_case *c)
{
    char text[200];
    snprintf(text, sizeof text, "redis-cli -s %s EVAL 'while true do end' 0 >/dev/null 2>&1 &", c->server->path);
    assert_int_equal(system(text), 0);
}

static void wait_until_busy(const redis_case *c)
{
    for (int i = 0; i < 2000; i++) {
        char *reply = redis_ask(c->server, "PING");
        bool busy = strncmp(reply, "-BUSY", 5) == 0;
        free(reply);
        if (busy)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    fail_msg("the server is not busy");
}

TEST(a_busy_server_is_unavailable)
{
    redis_case c = redis_case_begin(NULL, REDIS_OPTIONS("--lua-time-limit", "20"));
    count(&c, 3);
    run_endless_script(&c);
    wait_until_busy(&c);
    tm_sync_report report = sync_must_fail(c.registry, c.store, TM_EUNAVAILABLE);
    assert_non_null(strstr(report.error.text, "BUSY"));
    redis_tell(c.server, "SCRIPT", "KILL");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 3);
    redis_case_end(&c);
}

/* ---- passwords and permissions ------------------------------------------------------------------------------- */

static char *url_with(const redis_case *c, const char *user_and_password)
{
    char *url;
    assert_true(asprintf(&url, "redis+unix://%s@%s?ns=test", user_and_password, c->server->path) > 0);
    return url;
}

static void must_be_denied(const redis_case *c, const char *user_and_password)
{
    char *url = url_with(c, user_and_password);
    tm_error error;
    open_must_fail(url, NULL, TM_EDENIED, &error);
    free(url);
}

static void must_sync(const redis_case *c, const char *user_and_password)
{
    char *url = url_with(c, user_and_password);
    tm_store *store = open_store(url, NULL);
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "tasks", 1, TM_NO_LABELS));
    sync_store(registry, store);
    tm_registry_free(registry);
    tm_store_close(store);
    free(url);
}

TEST(a_password_is_needed_and_right_or_denied)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    must_be_denied(&c, ":secret"); /* the server wants none */
    redis_tell(c.server, "CONFIG", "SET", "requirepass", "secret@/:?%");
    tm_error error;
    open_must_fail(c.url, NULL, TM_EDENIED, &error);
    must_be_denied(&c, ":secret");
    must_be_denied(&c, "nobody:secret");
    must_sync(&c, ":secret%40%2F%3A%3F%25");
    must_sync(&c, "default:secret%40%2F%3A%3F%25");
    redis_case_end(&c);
}

TEST(a_password_that_changes_under_an_open_store_is_named)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    redis_tell(c.server, "ACL", "SETUSER", "me", "on", ">secret", "~*", "+@all");
    char *url = url_with(&c, "me:secret");
    tm_store *store = open_store(url, NULL);
    count(&c, 3);
    redis_tell(c.server, "ACL", "SETUSER", "me", "resetpass", ">secret2");
    redis_tell(c.server, "CLIENT", "KILL", "TYPE", "normal");
    sync_must_fail(c.registry, store, TM_EDENIED);
    redis_tell(c.server, "ACL", "SETUSER", "me", "resetpass", ">secret");
    sync_store(c.registry, store);
    tm_store_close(store);
    free(url);
    redis_case_end(&c);
}

/* As docs/redis.md has it. */
static void make_minimal_user(const redis_case *c)
{
    redis_tell(c->server, "ACL", "SETUSER", "metrics", "on", ">secret", "~{test}:*", "resetchannels", "-@all", "+eval",
               "+evalsha", "+info", "+time", "+hget", "+hmget", "+hset", "+hdel", "+hlen", "+hincrby", "+hscan",
               "+hgetall", "+zadd", "+zrem", "+zrangebyscore", "+get", "+set", "+del", "+pexpire", "+pttl", "+select");
}

static char *ask_as_metrics(const redis_case *c, const char *command)
{
    char text[300];
    snprintf(text, sizeof text, "redis-cli -s %s --no-auth-warning --user metrics --pass secret %s 2>&1",
             c->server->path, command);
    FILE *pipe = popen(text, "r");
    assert_non_null(pipe);
    char *reply = calloc(1, 1000);
    assert_non_null(reply);
    size_t got = fread(reply, 1, 999, pipe);
    assert_true(got > 0);
    pclose(pipe);
    return reply;
}

static void must_not_be_permitted(const redis_case *c, const char *command)
{
    char *reply = ask_as_metrics(c, command);
    if (strncmp(reply, "NOPERM", 6) != 0 && !strstr(reply, "The user executing the script can't access"))
        fail_msg("%s: %s", command, reply);
    free(reply);
}

TEST(the_documented_permissions_suffice_and_allow_no_more)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    make_minimal_user(&c);
    redis_tell(c.server, "SET", "foreign", "1");
    char *url = url_with(&c, "metrics:secret");
    tm_store *store = open_store(url, NULL);
    count(&c, 3);
    assert_ok(tm_set(c.registry, "level", 1, TM_NO_LABELS));
    assert_ok(tm_observe(c.registry, "time", 1, TM_NO_LABELS));
    sync_store(c.registry, store);
    redis_tell(c.server, "FLUSHALL");
    redis_tell(c.server, "SCRIPT", "FLUSH");
    sync_store(c.registry, store);
    redis_tell(c.server, "HSET", "{test}:totals", "#seq x", "9 1");
    tm_snapshot_free(read_instances(store));
    tm_error error;
    int64_t ttl_ms;
    assert_ok(tm_store_lock(store, "l", "t", 60000, &error));
    assert_ok(tm_store_lock_extend(store, "l", "t", 90000, &error));
    assert_ok(tm_store_lock_ttl(store, "l", &ttl_ms, &error));
    assert_ok(tm_store_unlock(store, "l", "t", &error));

    must_not_be_permitted(&c, "FLUSHALL");
    must_not_be_permitted(&c, "KEYS '*'");
    must_not_be_permitted(&c, "CONFIG GET '*'");
    must_not_be_permitted(&c, "GET foreign");
    must_not_be_permitted(&c, "DEL foreign");
    must_not_be_permitted(&c, "HGETALL '{other}:totals'");
    must_not_be_permitted(&c, "EVAL 'return redis.call(\"GET\", \"foreign\")' 0");
    tm_store_close(store);
    free(url);
    redis_case_end(&c);
}

TEST(a_user_without_a_permission_gets_a_named_error_and_no_half_batch)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    const char *const missing[] = {"-evalsha", "-time", "-hmget", "-hget",          "-hlen",
                                   "-hset",    "-zadd", "-del",   "-zrangebyscore", "-pexpire"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        make_minimal_user(&c);
        char *url = url_with(&c, "metrics:secret");
        tm_store *store = open_store(url, NULL);
        redis_tell(c.server, "ACL", "SETUSER", "metrics", missing[i]);
        count(&c, 1);
        sync_must_fail(c.registry, store, TM_EDENIED);
        redis_expect(c.server, "0", "EXISTS", "{test}:totals");
        tm_store_close(store);
        free(url);
    }
    redis_tell(c.server, "ACL", "SETUSER", "metrics", "-eval");
    must_be_denied(&c, "metrics:secret");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), sizeof missing / sizeof missing[0]);
    redis_case_end(&c);
}

TEST(a_server_that_hides_its_info_is_taken_as_it_is)
{
    redis_case c = redis_case_begin(NULL, REDIS_PLAIN);
    make_minimal_user(&c);
    redis_tell(c.server, "ACL", "SETUSER", "metrics", "-info");
    must_sync(&c, "metrics:secret");
    redis_case_end(&c);
}

TEST_MAIN("redis_errors", T(a_full_server_takes_nothing_and_later_everything), T(a_read_only_replica_is_named),
          T(too_few_replicas_are_waited_for), T(a_loading_server_is_unavailable), T(a_busy_server_is_unavailable),
          T(a_password_is_needed_and_right_or_denied), T(a_password_that_changes_under_an_open_store_is_named),
          T(the_documented_permissions_suffice_and_allow_no_more),
          T(a_user_without_a_permission_gets_a_named_error_and_no_half_batch),
          T(a_server_that_hides_its_info_is_taken_as_it_is))
