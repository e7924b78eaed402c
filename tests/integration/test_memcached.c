/* The Memcached store against a real server: the contract of all stores, opening, and what stands in the server. */
#include <stdbool.h>

#include "contract.h"
#include "memcached_case.h"
#include "store/store.h"

/* ---- the contract -------------------------------------------------------------------------------------------- */

static memcached_server *contract_server;

static void stop_contract_server(void)
{
    memcached_stop(contract_server);
}

static tm_store *contract_open(void)
{
    contract_server = memcached_must_start(NULL);
    atexit(stop_contract_server);
    return open_store(contract_server->url, NULL);
}

CONTRACT_CASES(CONTRACT_TEST)

/* ---- opening ------------------------------------------------------------------------------------------------- */

static size_t partitions_of(tm_store *store)
{
    size_t count = 0;
    tm_error error;
    assert_ok(store->ops.partitions(store->self, tm_monotonic_ns() + INT64_C(20000000000), &count, &error));
    return count;
}

static tm_store_options with_partitions(uint32_t partitions)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.partitions = partitions;
    return options;
}

static void count(memcached_case *c, uint64_t n)
{
    assert_ok(tm_count(c->registry, "tasks", n, TM_LABELS("a", "b")));
}

static uint64_t stored(memcached_case *c)
{
    return stored_count(c->store, "tasks", "a=\"b\"", 0);
}

TEST(the_strategy_and_the_capabilities_are_told)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    assert_int_equal(tm_store_strategy(c.store), TM_STRATEGY_DISTRIBUTED_BASIC);
    assert_int_equal(tm_store_capabilities(c.store), TM_CAP_DISTRIBUTED | TM_CAP_PER_INSTANCE);
    assert_int_equal(partitions_of(c.store), 64);
    memcached_case_end(&c);
}

TEST(a_host_name_is_looked_up)
{
    memcached_server *server = memcached_must_start(NULL);
    char url[64];
    snprintf(url, sizeof url, "memcached://LocalHost:%d", server->port);
    tm_store_close(open_store(url, NULL));
    tm_store_options quick = TM_STORE_OPTIONS_INIT;
    quick.sync_timeout_ms = 300;
    tm_error error;
    tm_store *none;
    int status = tm_store_open("memcached://no-such-host.invalid/", &quick, &none, &error);
    assert_true(status == TM_EUNAVAILABLE || status == TM_ETIMEOUT);
    assert_null(none);
    memcached_stop(server);
}

TEST(urls_that_make_no_sense_are_refused)
{
    const char *const bad[] = {
        "memcached:",
        "memcached://",
        "memcached://,",
        "memcached://a,",
        "memcached://a,,b",
        "memcached://a:0",
        "memcached://a:70000",
        "memcached://a:port",
        "memcached://a:",
        "memcached://:11211",
        "memcached://a/1",
        "memcached://[::1",
        "memcached://[::1]x",
        "memcached://[x]:1",
        "memcached://a b",
        "memcached://a,A",
        "memcached://a,a:11211",
        "memcached://a?ns={x}",
        "memcached://a?x=1",
        "memcached:///path",
        "memcached://u:secret@a/",
        "memcached://secret@a,b/",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm_error error;
        open_must_fail(bad[i], NULL, TM_EURL, &error);
    }
}

TEST(a_retention_that_the_server_would_take_for_a_date_is_refused)
{
    const int64_t month_ms = INT64_C(30) * 24 * 3600 * 1000;
    memcached_server *server = memcached_must_start(NULL);
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    tm_error error;
    options.retention_ms = month_ms;
    open_must_fail(server->url, &options, TM_EINVAL, &error);
    assert_non_null(strstr(error.text, "retention_ms"));
    options.retention_ms = month_ms - 1;
    tm_store_close(open_store(server->url, &options));
    memcached_stop(server);
}

TEST(a_server_that_is_not_there_is_an_error_or_tried_at_each_sync)
{
    memcached_server *server = memcached_must_start(NULL);
    tm_error error;
    memcached_kill(server);
    open_must_fail(server->url, NULL, TM_EUNAVAILABLE, &error);
    assert_non_null(strstr(error.text, "127.0.0.1:"));

    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.skip_if_unavailable = 1;
    tm_store *store = open_store(server->url, &options);
    tm_registry *registry = new_registry();
    assert_int_equal(tm_store_strategy(store), TM_STRATEGY_DISTRIBUTED_BASIC);
    assert_ok(tm_count(registry, "tasks", 2, TM_NO_LABELS));
    sync_must_fail(registry, store, TM_EUNAVAILABLE);
    sync_must_fail(registry, store, TM_EUNAVAILABLE);
    memcached_must_revive(server);
    sync_store(registry, store);
    assert_int_equal(stored_count(store, "tasks", "", 0), 2);
    tm_registry_free(registry);
    tm_store_close(store);
    memcached_stop(server);
}

TEST(an_empty_server_gives_an_empty_aggregate)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    for (int i = 0; i < 2; i++) {
        tm_snapshot *snapshot = read_store(c.store);
        assert_int_equal(tm_snapshot_family_count(snapshot), 0);
        tm_snapshot_free(snapshot);
        memcached_expect(c.server, "OK\r\n", "flush_all");
    }
    memcached_expect(c.server, "END\r\n", "get test:layout"); /* a reader makes none */
    memcached_case_end(&c);
}

TEST(namespaces_are_kept_apart)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.ns = "other"; /* wins over the URL */
    tm_store *other = open_store(c.url, &options);
    count(&c, 2);
    sync_store(c.registry, other);
    assert_int_equal(stored_count(other, "tasks", "a=\"b\"", 0), 2);
    assert_int_equal(stored(&c), 0);
    tm_store_close(other);
    memcached_case_end(&c);
}

/* ---- the layout ---------------------------------------------------------------------------------------------- */

/* "taskermetrics layout 1 COUNT GENERATION" */
static void read_layout(memcached_server *server, unsigned *partitions, char generation[33])
{
    const char *item = memcached_tell(server, "get test:layout", "END\r\n");
    const char *text = strstr(item, "taskermetrics layout 1 ");
    assert_non_null(text);
    assert_int_equal(sscanf(text, "taskermetrics layout 1 %u %32s", partitions, generation), 2);
    assert_int_equal(strlen(generation), 32);
}

TEST(the_first_process_says_how_many_partitions_there_are)
{
    tm_store_options eight = with_partitions(8);
    tm_store_options three = with_partitions(3);
    memcached_case c = memcached_case_begin(&eight, NULL);
    tm_store *second = open_store(c.url, &three);
    assert_int_equal(partitions_of(c.store), 8);
    assert_int_equal(partitions_of(second), 8);
    count(&c, 3);
    sync_store(c.registry, second);
    assert_int_equal(stored(&c), 3);
    tm_store_close(second);
    memcached_case_end(&c);
}

TEST(one_and_4096_partitions_work)
{
    const uint32_t counts[] = {1, 4096};
    for (size_t i = 0; i < 2; i++) {
        tm_store_options options = with_partitions(counts[i]);
        options.sync_timeout_ms = 20000;
        memcached_case c = memcached_case_begin(&options, NULL);
        assert_int_equal(partitions_of(c.store), counts[i]);
        count(&c, 3);
        assert_ok(tm_observe(c.registry, "time", 1, TM_NO_LABELS));
        sync_store(c.registry, c.store);
        assert_int_equal(stored(&c), 3);
        memcached_case_end(&c);
    }
}

TEST(items_have_the_keys_and_the_times_to_live_that_are_documented)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    unsigned partitions;
    char generation[33];
    char command[96];
    count(&c, 3);
    sync_store(c.registry, c.store);
    read_layout(c.server, &partitions, generation);
    assert_int_equal(partitions, 64);
    sync_store(c.registry, c.store); /* fetches, and so renews, the layout too */
    assert_in_range(strtol(memcached_tell(c.server, "mg test:layout t", "\r\n") + strlen("HD t"), NULL, 10),
                    604800 - 100, 604801);
    size_t found = 0;
    for (unsigned p = 0; p < partitions; p++) {
        snprintf(command, sizeof command, "mg test:%s:%u t", generation, p);
        const char *reply = memcached_tell(c.server, command, "\r\n");
        const char *seconds = strstr(reply, " t");
        if (!seconds)
            continue;
        found++;
        assert_in_range(strtol(seconds + 2, NULL, 10), 604800 - 100, 604801);
    }
    assert_int_equal(found, 1); /* one series is in one partition */
    assert_int_equal(memcached_stat(c.server, "curr_items"), 2);
    memcached_case_end(&c);
}

TEST(a_layout_that_was_lost_is_made_anew_and_never_finds_the_old_partitions)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    unsigned partitions;
    char before[33];
    char after[33];
    count(&c, 3);
    sync_store(c.registry, c.store);
    read_layout(c.server, &partitions, before);
    memcached_expect(c.server, "DELETED\r\n", "delete test:layout");
    count(&c, 4);
    assert_true(sync_store(c.registry, c.store).resyncs > 0);
    read_layout(c.server, &partitions, after);
    assert_string_not_equal(before, after);
    assert_int_equal(partitions, 64);
    assert_int_equal(stored(&c), 7);
    memcached_case_end(&c);
}

TEST(when_another_process_has_made_another_layout_all_follow)
{
    tm_store_options eight = with_partitions(8);
    tm_store_options three = with_partitions(3);
    memcached_case c = memcached_case_begin(&eight, NULL);
    count(&c, 3);
    for (int i = 0; i < 20; i++) {
        char name[24];
        snprintf(name, sizeof name, "more_%d", i);
        assert_ok(tm_count(c.registry, name, 1, TM_NO_LABELS));
    }
    sync_store(c.registry, c.store);
    memcached_expect(c.server, "OK\r\n", "flush_all");
    tm_registry *other = new_registry();
    tm_store *others = open_store(c.url, &three);
    assert_ok(tm_count(other, "tasks", 10, TM_LABELS("a", "b")));
    sync_store(other, others);
    count(&c, 4);
    sync_store(c.registry, c.store);
    assert_int_equal(partitions_of(c.store), 3);
    assert_int_equal(stored(&c), 17);
    assert_int_equal(stored_count(others, "more_19", "", 0), 1);
    tm_registry_free(other);
    tm_store_close(others);
    memcached_case_end(&c);
}

/* A call that has distributed its series by the old number of partitions must not write into the new ones. */
TEST(a_batch_for_a_layout_with_another_number_of_partitions_is_refused)
{
    tm_store_options eight = with_partitions(8);
    tm_store_options three = with_partitions(3);
    memcached_case c = memcached_case_begin(&eight, NULL);
    int64_t old_deadline_ns = tm_monotonic_ns() + INT64_C(20000000000);
    size_t partitions;
    tm_error error;
    assert_ok(c.store->ops.partitions(c.store->self, old_deadline_ns, &partitions, &error));
    memcached_expect(c.server, "OK\r\n", "flush_all");
    tm_store_close(open_store(c.url, &three));
    assert_ok(c.store->ops.partitions(c.store->self, old_deadline_ns + 1, &partitions, &error));
    assert_int_equal(partitions, 3);
    tm_reply reply = {0};
    const tm_batch batch = {.instance = "i", .partition = 1, .prev = 7, .seq = 7};
    assert_status(c.store->ops.apply(c.store->self, &batch, old_deadline_ns, &reply, &error), TM_EUNAVAILABLE);
    assert_ok(c.store->ops.apply(c.store->self, &batch, old_deadline_ns + 1, &reply, &error));
    const tm_batch beyond = {.instance = "i", .partition = 3, .prev = 7, .seq = 7};
    assert_status(c.store->ops.apply(c.store->self, &beyond, old_deadline_ns + 1, &reply, &error), TM_EINVAL);
    memcached_case_end(&c);
}

TEST(a_strange_layout_is_told_and_left_as_it_is)
{
    const struct {
        const char *text;
        int status;
    } strange[] = {
        {"something else", TM_ECORRUPT},
        {"", TM_ECORRUPT},
        {"taskermetrics layout 1 0 00000000000000000000000000000000", TM_ECORRUPT},
        {"taskermetrics layout 1 64", TM_ECORRUPT},
        {"taskermetrics layout 2 whatever", TM_EUNSUPPORTED},
    };
    memcached_case c = memcached_case_begin(NULL, NULL);
    count(&c, 3);
    sync_store(c.registry, c.store);
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        char command[160];
        char reply[160];
        tm_error error;
        snprintf(command, sizeof command, "set test:layout 0 0 %zu\r\n%s", strlen(strange[i].text), strange[i].text);
        memcached_expect(c.server, "STORED\r\n", command);
        sync_must_fail(c.registry, c.store, strange[i].status);
        open_must_fail(c.url, NULL, strange[i].status, &error);
        assert_non_null(strstr(error.text, "layout"));
        snprintf(reply, sizeof reply, "VALUE test:layout 0 %zu\r\n%s\r\nEND\r\n", strlen(strange[i].text),
                 strange[i].text);
        memcached_expect(c.server, reply, "get test:layout");
    }
    memcached_expect(c.server, "DELETED\r\n", "delete test:layout");
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 3);
    memcached_case_end(&c);
}

/* ---- partitions ---------------------------------------------------------------------------------------------- */

TEST(a_damaged_partition_is_told_and_keeps_no_other_from_being_synced)
{
    tm_store_options two = with_partitions(2);
    memcached_case c = memcached_case_begin(&two, NULL);
    unsigned partitions;
    char generation[33];
    char command[96];
    char name[24];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "more_%d", i);
        assert_ok(tm_count(c.registry, name, 1, TM_NO_LABELS));
    }
    sync_store(c.registry, c.store);
    read_layout(c.server, &partitions, generation);
    snprintf(command, sizeof command, "set test:%s:0 0 0 5\r\nwrong", generation);
    memcached_expect(c.server, "STORED\r\n", command);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "more_%d", i);
        assert_ok(tm_count(c.registry, name, 1, TM_NO_LABELS));
    }
    tm_sync_report report = sync_must_fail(c.registry, c.store, TM_ECORRUPT);
    assert_int_equal(report.batches, 1);
    assert_in_range(report.series_sent, 1, 19);
    assert_non_null(strstr(report.error.text, "127.0.0.1:"));

    tm_snapshot *snapshot;
    tm_error error;
    assert_status(tm_store_read(c.store, NULL, &snapshot, &error), TM_ECORRUPT);
    snprintf(command, sizeof command, "delete test:%s:0", generation);
    memcached_expect(c.server, "DELETED\r\n", command);
    sync_store(c.registry, c.store);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "more_%d", i);
        assert_int_equal(stored_count(c.store, name, "", 0), 2);
    }
    memcached_case_end(&c);
}

TEST(a_sync_with_nothing_new_is_one_request)
{
    memcached_case c = memcached_case_begin_behind_proxy(NULL);
    count(&c, 3);
    for (int i = 0; i < 200; i++) {
        char name[24];
        snprintf(name, sizeof name, "more_%d", i);
        assert_ok(tm_count(c.registry, name, 1, TM_NO_LABELS));
    }
    sync_store(c.registry, c.store);
    size_t before = proxy_request_count(c.proxy);
    sync_store(c.registry, c.store);
    assert_int_equal(proxy_request_count(c.proxy) - before, 1);
    memcached_case_end(&c);
}

TEST(a_sync_fetches_everything_at_once_and_writes_what_changed)
{
    memcached_case c = memcached_case_begin_behind_proxy(NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2000; i++) {
            char name[24];
            snprintf(name, sizeof name, "%d", i);
            assert_ok(tm_count(c.registry, "tasks", 1, TM_LABELS("i", name)));
        }
        size_t before = proxy_request_count(c.proxy);
        assert_int_equal(sync_store(c.registry, c.store).batches, 64);
        assert_int_equal(proxy_request_count(c.proxy) - before, 1 + 64);
    }
    memcached_case_end(&c);
}

/* ---- single batches ------------------------------------------------------------------------------------------ */

static const tm_family counted = {
    .size = sizeof(tm_family), .name = "tasks", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};
static const tm_family measured = {
    .size = sizeof(tm_family), .name = "tasks", .type = TM_TYPE_GAUGE, .help = "", .unit = ""};

static void count_refusals(void *ctx, size_t index, int status)
{
    (void)index, (void)status;
    ++*(int *)ctx;
}

static int64_t far_deadline_ns(void)
{
    return tm_monotonic_ns() + INT64_C(20000000000);
}

/* One number of one family, as the first batch of an instance; returns how many were refused. */
static int apply_first(tm_store *store, const tm_family *family, const char *instance, int64_t deadline_ns)
{
    int refused = 0;
    const tm_change change = {family, "", 0, 0, {.u = 7}, {.u = 7}};
    const tm_batch batch = {.instance = instance, .seq = 1, .changes = &change, .change_count = 1};
    tm_reply reply = {.ctx = &refused, .refused = count_refusals};
    tm_error error;
    assert_ok(store->ops.apply(store->self, &batch, deadline_ns, &reply, &error));
    assert_int_equal(reply.answer, TM_ANSWER_APPLIED);
    assert_true(reply.bytes > 0);
    return refused;
}

static tm_answer ask_whether_known(tm_store *store, const char *instance, int64_t deadline_ns)
{
    const tm_batch batch = {.instance = instance, .prev = 1, .seq = 1};
    tm_reply reply = {0};
    tm_error error;
    assert_ok(store->ops.apply(store->self, &batch, deadline_ns, &reply, &error));
    return reply.answer;
}

static void delete_partition_0(memcached_server *server)
{
    unsigned partitions;
    char generation[33];
    char command[96];
    read_layout(server, &partitions, generation);
    snprintf(command, sizeof command, "delete test:%s:0", generation);
    memcached_expect(server, "DELETED\r\n", command);
}

/* The number would clash with a family that is there when the sync begins, and is gone when the batch is written. */
TEST(what_an_overtaken_attempt_refused_is_not_told)
{
    tm_store_options one = with_partitions(1);
    memcached_case c = memcached_case_begin(&one, NULL);
    int64_t deadline_ns = far_deadline_ns();
    size_t partitions;
    tm_error error;
    assert_int_equal(apply_first(c.store, &measured, "one", deadline_ns), 0);
    assert_int_equal(apply_first(c.store, &counted, "two", deadline_ns), 1);
    assert_ok(c.store->ops.partitions(c.store->self, deadline_ns, &partitions, &error));
    delete_partition_0(c.server);
    assert_int_equal(apply_first(c.store, &counted, "three", deadline_ns), 0);
    assert_int_equal(stored_count(c.store, "tasks", "", 0), 7);
    memcached_case_end(&c);
}

TEST(what_one_sync_has_fetched_is_not_news_to_the_next)
{
    tm_store_options one = with_partitions(1);
    memcached_case c = memcached_case_begin(&one, NULL);
    int64_t deadline_ns = far_deadline_ns();
    size_t partitions;
    tm_error error;
    apply_first(c.store, &counted, "one", deadline_ns);
    assert_int_equal(ask_whether_known(c.store, "one", deadline_ns), TM_ANSWER_DUPLICATE);
    assert_ok(c.store->ops.partitions(c.store->self, deadline_ns, &partitions, &error));
    delete_partition_0(c.server);
    assert_int_equal(ask_whether_known(c.store, "one", deadline_ns + 1), TM_ANSWER_RESYNC);
    memcached_case_end(&c);
}

/* ---- sizes --------------------------------------------------------------------------------------------------- */

/* About `bytes` of label text in series of one family. */
static void fill(tm_registry *registry, const char *family, size_t bytes)
{
    char value[1001];
    for (size_t i = 0; i < bytes / 1000; i++) {
        memset(value, 'x', sizeof value - 1);
        int digits = snprintf(value, sizeof value, "%zu", i);
        value[digits] = '-';
        value[1000] = '\0';
        assert_ok(tm_count(registry, family, 1, TM_LABELS("text", value)));
    }
}

TEST(an_item_that_would_be_too_large_is_told_and_what_is_there_stays)
{
    tm_store_options one = with_partitions(1);
    memcached_case c = memcached_case_begin(&one, MEMCACHED_ARGUMENTS("-I", "512k"));
    count(&c, 3);
    fill(c.registry, "texts", 400000);
    sync_store(c.registry, c.store);
    fill(c.registry, "more_texts", 200000);
    tm_sync_report report = sync_must_fail(c.registry, c.store, TM_ETOOBIG);
    assert_non_null(strstr(report.error.text, "partition 0 "));
    assert_non_null(strstr(report.error.text, "-I"));
    assert_int_equal(stored(&c), 3);
    assert_int_equal(memcached_stat(c.server, "cmd_set"), 2); /* the layout and the first: nothing was tried */
    memcached_case_end(&c);
}

TEST(a_server_with_larger_items_takes_larger_partitions)
{
    tm_store_options one = with_partitions(1);
    one.sync_timeout_ms = 20000;
    memcached_case c = memcached_case_begin(&one, MEMCACHED_ARGUMENTS("-I", "4m"));
    count(&c, 3);
    fill(c.registry, "texts", 1500000);
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 3);
    count(&c, 4);
    sync_store(c.registry, c.store);
    assert_int_equal(stored(&c), 7);
    memcached_case_end(&c);
}

/* The largest item that we send is one that the server takes: sizes step by step up to the limit. */
TEST(the_size_limit_is_the_servers)
{
    tm_store_options one = with_partitions(1);
    memcached_case c = memcached_case_begin(&one, MEMCACHED_ARGUMENTS("-I", "512k"));
    fill(c.registry, "texts", 515000);
    int status = TM_OK;
    int n = 0;
    for (; status == TM_OK; n++) {
        char name[64];
        snprintf(name, sizeof name, "a name of some length: %d", n);
        assert_ok(tm_count(c.registry, "tasks", 1, TM_LABELS("name", name)));
        tm_sync_report report = TM_SYNC_REPORT_INIT;
        status = tm_sync_to_cache(c.registry, c.store, &report);
        if (status != TM_OK && !strstr(report.error.text, "would take"))
            fail_msg("the server refused: %s", report.error.text);
    }
    assert_status(status, TM_ETOOBIG);
    assert_in_range(n, 10, 1000); /* neither at once nor far beyond */
    memcached_case_end(&c);
}

TEST(a_server_without_memory_is_full)
{
    memcached_case c = memcached_case_begin(NULL, MEMCACHED_ARGUMENTS("-M", "-m", "2"));
    count(&c, 3);
    sync_store(c.registry, c.store);
    int status = TM_OK;
    for (int i = 0; i < 100 && status == TM_OK; i++) {
        char family[24];
        snprintf(family, sizeof family, "texts_%d", i);
        fill(c.registry, family, 100000);
        status = tm_sync_to_cache(c.registry, c.store, NULL);
    }
    assert_status(status, TM_ENOSPC);
    assert_int_equal(stored(&c), 3);
    memcached_case_end(&c);
}

TEST_MAIN("memcached", CONTRACT_CASES(CONTRACT_ENTRY) T(the_strategy_and_the_capabilities_are_told),
          T(a_host_name_is_looked_up), T(urls_that_make_no_sense_are_refused),
          T(a_retention_that_the_server_would_take_for_a_date_is_refused),
          T(a_server_that_is_not_there_is_an_error_or_tried_at_each_sync), T(an_empty_server_gives_an_empty_aggregate),
          T(namespaces_are_kept_apart), T(the_first_process_says_how_many_partitions_there_are),
          T(one_and_4096_partitions_work), T(items_have_the_keys_and_the_times_to_live_that_are_documented),
          T(a_layout_that_was_lost_is_made_anew_and_never_finds_the_old_partitions),
          T(when_another_process_has_made_another_layout_all_follow),
          T(a_batch_for_a_layout_with_another_number_of_partitions_is_refused),
          T(a_strange_layout_is_told_and_left_as_it_is),
          T(a_damaged_partition_is_told_and_keeps_no_other_from_being_synced),
          T(a_sync_with_nothing_new_is_one_request), T(a_sync_fetches_everything_at_once_and_writes_what_changed),
          T(what_an_overtaken_attempt_refused_is_not_told), T(what_one_sync_has_fetched_is_not_news_to_the_next),
          T(an_item_that_would_be_too_large_is_told_and_what_is_there_stays),
          T(a_server_with_larger_items_takes_larger_partitions), T(the_size_limit_is_the_servers),
          T(a_server_without_memory_is_full))
