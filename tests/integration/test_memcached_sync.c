/* Exactly once through real Memcached servers: lost requests and replies, lost items and servers, time, fork,
 * threads. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "memcached_case.h"
#include "store/memcached/handle.h"
#include "store/store.h"
#include "threads.h"

enum { SERIES = 200, GENEROUS_MS = 10000 };

static tm_store_options one_partition(void)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.partitions = 1;
    return options;
}

static tm_store_options with_timeout(int64_t timeout_ms)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = timeout_ms;
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

static tm_sync_report sync_now(memcached_case *c)
{
    return sync_store(c->registry, c->store);
}

/* One more in each of many series, which fall into all partitions. */
static void count_many(tm_registry *registry)
{
    for (int i = 0; i < SERIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        assert_ok(tm_count(registry, "many", 1, TM_LABELS("i", name)));
    }
}

static void assert_many(tm_store *store, uint64_t each)
{
    tm_snapshot *snapshot = read_store(store);
    for (int i = 0; i < SERIES; i++) {
        char labels[16];
        snprintf(labels, sizeof labels, "i=\"%d\"", i);
        const tm_number *values = values_in(snapshot, "many", labels);
        assert_non_null(values);
        assert_int_equal(values[0].u, each);
    }
    tm_snapshot_free(snapshot);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void assert_bounded(const tm_sync_report *report)
{
    assert_in_range(report->duration_ns, 0, GENEROUS_MS * INT64_C(1000000));
}

/* ---- requests and replies ------------------------------------------------------------------------------------ */

/* A sync through one partition makes two requests, gets and cas; the connection is there already. */
enum { BEFORE_GETS = 0, BEFORE_CAS = 1 };

TEST(a_lost_reply_is_counted_once)
{
    tm_store_options options = one_partition();
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    count(&c, 3);
    sync_now(&c);
    proxy_set_fault_after(c.proxy, BEFORE_CAS, PROXY_DROP_REPLY, 1, 0);
    count(&c, 4);
    tm_sync_report report = sync_now(&c);
    assert_int_equal(report.duplicates, 1);
    assert_int_equal(report.retries, 1);
    assert_int_equal(stored(&c), 7);
    memcached_case_end(&c);
}

TEST(a_lost_request_is_counted_once)
{
    tm_store_options options = one_partition();
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    count(&c, 3);
    sync_now(&c);
    proxy_set_fault_after(c.proxy, BEFORE_CAS, PROXY_DROP_REQUEST, 1, 0);
    count(&c, 4);
    tm_sync_report report = sync_now(&c);
    assert_int_equal(report.duplicates, 0);
    assert_int_equal(report.retries, 1);
    assert_int_equal(stored(&c), 7);
    memcached_case_end(&c);
}

TEST(a_silent_server_costs_one_deadline_and_the_count_arrives_once)
{
    tm_store_options options = one_partition();
    options.sync_timeout_ms = 200;
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    for (uint64_t i = 1; i <= 2; i++) {
        size_t passing = i == 1 ? BEFORE_GETS : BEFORE_CAS;
        count(&c, 3);
        sync_now(&c);
        count(&c, 4);
        proxy_set_fault_after(c.proxy, passing, PROXY_SILENCE, 1, 0);
        tm_sync_report report = sync_must_fail(c.registry, c.store, TM_ETIMEOUT);
        assert_bounded(&report);
        sync_now(&c);
        assert_int_equal(stored(&c), 7 * i);
    }
    memcached_case_end(&c);
}

/* First an add, then a cas, that lands when its repetition has been acknowledged. */
TEST(a_store_that_lands_after_its_repetition_is_counted_once)
{
    tm_store_options options = one_partition();
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    for (uint64_t i = 1; i <= 3; i++) {
        count(&c, 4);
        proxy_set_fault_after(c.proxy, BEFORE_CAS, PROXY_LATE_REQUEST, 1, 0);
        assert_int_equal(sync_now(&c).retries, 1);
        assert_int_equal(stored(&c), 5 * i - 1);
        assert_int_equal(proxy_deliver_late(c.proxy), 1);
        assert_int_equal(stored(&c), 5 * i - 1);
        count(&c, 1);
        sync_now(&c);
        assert_int_equal(stored(&c), 5 * i);
    }
    memcached_case_end(&c);
}

TEST(a_timed_out_store_that_lands_before_its_repetition_is_a_duplicate)
{
    tm_store_options options = one_partition();
    options.sync_timeout_ms = 200;
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    count(&c, 3);
    sync_now(&c);
    count(&c, 4);
    proxy_set_fault_after(c.proxy, BEFORE_CAS, PROXY_DELAY_REPLY, 1, 600);
    sync_must_fail(c.registry, c.store, TM_ETIMEOUT);
    options.sync_timeout_ms = GENEROUS_MS;
    tm_store *patient = open_store(c.url, &options);
    assert_int_equal(sync_store(c.registry, patient).duplicates, 1);
    assert_int_equal(stored_count(patient, "tasks", "a=\"b\"", 0), 7);
    tm_store_close(patient);
    memcached_case_end(&c);
}

/* The add lands in a server that was emptied meanwhile: it brings back a ledger that nobody remembers. */
TEST(an_add_that_lands_after_a_flush_is_put_right)
{
    tm_store_options options = one_partition();
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    count(&c, 4);
    proxy_set_fault_after(c.proxy, BEFORE_CAS, PROXY_LATE_REQUEST, 1, 0);
    sync_now(&c);
    count(&c, 2);
    sync_now(&c);
    memcached_expect(c.server, "OK\r\n", "flush_all");
    assert_int_equal(proxy_deliver_late(c.proxy), 1);
    assert_true(stored(&c) <= 6);
    count(&c, 1);
    sync_now(&c);
    assert_int_equal(stored(&c), 7);
    memcached_case_end(&c);
}

TEST(a_reply_that_is_cut_anywhere_is_counted_once)
{
    tm_store_options options = one_partition();
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    uint64_t truth = 0;
    for (size_t passing = BEFORE_GETS; passing <= BEFORE_CAS; passing++)
        for (size_t bytes = 0; bytes < (passing == BEFORE_GETS ? 400 : 8); bytes += passing == BEFORE_GETS ? 23 : 1) {
            proxy_set_fault_after(c.proxy, passing, PROXY_CUT_REPLY, 1, bytes);
            count(&c, 1);
            truth++;
            (void)tm_sync_to_cache(c.registry, c.store, NULL);
            assert_true(stored(&c) <= truth);
            sync_now(&c);
            assert_int_equal(stored(&c), truth);
        }
    memcached_case_end(&c);
}

TEST(a_dripping_server_does_not_stretch_the_deadline)
{
    tm_store_options options = with_timeout(200);
    memcached_case c = memcached_case_begin_behind_proxy(&options);
    count_many(c.registry);
    for (int i = 0; i < 5 && tm_sync_to_cache(c.registry, c.store, NULL) != TM_OK;)
        i++;
    proxy_set_fault(c.proxy, PROXY_DRIP_REPLY, 1, 5); /* some 10,000 bytes: a minute */
    count(&c, 1);
    tm_sync_report report = sync_must_fail(c.registry, c.store, TM_ETIMEOUT);
    assert_bounded(&report);
    memcached_case_end(&c);
}

static void kill_and_revive(memcached_case *c)
{
    memcached_kill(c->server);
    memcached_must_revive(c->server);
}

TEST(a_connection_that_the_server_closed_is_replaced_without_a_word)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    for (uint64_t i = 1; i <= 3; i++) {
        kill_and_revive(&c);
        count(&c, 1);
        assert_int_equal(sync_now(&c).retries, 0);
        assert_int_equal(stored(&c), i);
    }
    memcached_case_end(&c);
}

TEST(a_connection_that_breaks_at_the_first_word_is_replaced_without_a_word)
{
    memcached_case c = memcached_case_begin_behind_proxy(NULL);
    count(&c, 1);
    sync_now(&c);
    const proxy_fault faults[] = {PROXY_DROP_REQUEST, PROXY_DROP_REPLY};
    for (uint64_t i = 0; i < 2; i++) {
        count(&c, 1);
        proxy_set_fault_after(c.proxy, BEFORE_GETS, faults[i], 1, 0);
        assert_int_equal(sync_now(&c).retries, 0);
        assert_int_equal(stored(&c), i + 2);
        proxy_set_fault_after(c.proxy, BEFORE_GETS, faults[i], 2, 0); /* the new one breaks, too */
        sync_must_fail(c.registry, c.store, TM_EUNAVAILABLE);
        sync_now(&c);
    }
    memcached_case_end(&c);
}

/* ---- lost items ---------------------------------------------------------------------------------------------- */

TEST(a_flush_heals_in_one_sync_but_for_those_who_are_gone)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    tm_registry *second = new_registry();
    tm_registry *gone = new_registry();
    count(&c, 3);
    assert_ok(tm_set(c.registry, "level", 2.5, TM_NO_LABELS));
    assert_ok(tm_observe(c.registry, "time", 0.3, TM_NO_LABELS));
    assert_ok(tm_count(second, "tasks", 10, TM_LABELS("a", "b")));
    assert_ok(tm_count(gone, "tasks", 100, TM_LABELS("a", "b")));
    sync_now(&c);
    sync_store(second, c.store);
    sync_store(gone, c.store);
    assert_int_equal(stored(&c), 113);
    tm_registry_free(gone);
    memcached_expect(c.server, "OK\r\n", "flush_all");
    assert_true(sync_now(&c).resyncs > 0);
    assert_int_equal(stored(&c), 3);
    assert_double_near(stored_gauge(c.store, "level", ""), 2.5, 0);
    sync_store(second, c.store);
    assert_int_equal(stored(&c), 13);
    tm_registry_free(second);
    memcached_case_end(&c);
}

TEST(a_restarted_server_heals_in_one_sync)
{
    memcached_case c = memcached_case_begin(NULL, NULL);
    count_many(c.registry);
    sync_now(&c);
    kill_and_revive(&c);
    count_many(c.registry);
    sync_now(&c);
    assert_many(c.store, 2);
    memcached_case_end(&c);
}

/* What the sync fetched at its start has a token that, after the restart, another item has. */
TEST(a_token_from_before_a_restart_is_never_used)
{
    tm_store_options options = one_partition();
    memcached_case c = memcached_case_begin(&options, NULL);
    tm_registry *other = new_registry();
    const tm_family family = {.size = sizeof family, .name = "tasks", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};
    size_t partitions;
    tm_error error;
    for (int i = 0; i < 5; i++) {
        count(&c, 100);
        sync_now(&c);
    }
    int64_t deadline_ns = tm_monotonic_ns() + INT64_C(20000000000);
    assert_ok(c.store->ops.partitions(c.store->self, deadline_ns, &partitions, &error));
    uint64_t token = ((tm__memcached *)c.store->self)->prefetch.found[0].item.cas;
    tm__memcached_layout layout = ((tm__memcached *)c.store->self)->layout;
    kill_and_revive(&c);

    /* The same layout again, and in it a partition of another process with the very same token. */
    char key[TM__MEMCACHED_KEY_BYTES];
    char command[TM__MEMCACHED_KEY_BYTES + 80];
    char text[TM__MEMCACHED_LAYOUT_BYTES];
    size_t len = tm__memcached_layout_write(&layout, text);
    snprintf(command, sizeof command, "set test:layout 0 0 %zu\r\n%s", len, text);
    memcached_expect(c.server, "STORED\r\n", command);
    tm_store *others = open_store(c.url, NULL);
    tm__memcached_partition_key("test", &layout, 0, key);
    snprintf(command, sizeof command, "gets %s", key);
    uint64_t now = 0;
    uint64_t truth = 0;
    while (now < token) {
        assert_ok(tm_count(other, "tasks", 1, TM_LABELS("a", "b")));
        truth++;
        sync_store(other, others);
        const char *head = memcached_tell(c.server, command, "END\r\n");
        unsigned long long cas;
        assert_int_equal(sscanf(head, "VALUE %*s %*u %*u %llu", &cas), 1);
        now = cas;
    }
    assert_int_equal(now, token);

    const tm_change change = {&family, "a=\"b\"", 5, 0, {.u = 7}, {.u = 7}};
    const tm_batch batch = {.instance = "third", .seq = 1, .changes = &change, .change_count = 1};
    tm_reply reply = {0};
    assert_ok(c.store->ops.apply(c.store->self, &batch, deadline_ns, &reply, &error));
    assert_int_equal(reply.answer, TM_ANSWER_APPLIED);
    assert_int_equal(stored_count(others, "tasks", "a=\"b\"", 0), truth + 7);
    tm_registry_free(other);
    tm_store_close(others);
    memcached_case_end(&c);
}

/* More than fits into the server's memory: it throws out what was not used for long. Right after an instance's sync its
 * own counts are there, and never more. */
TEST(a_server_that_evicts_is_never_above_the_truth)
{
    enum { STORES = 80, ROUNDS = 5 };
    memcached_server *server = memcached_must_start(MEMCACHED_ARGUMENTS("-m", "2"));
    tm_store *stores[STORES];
    tm_registry *registries[STORES];
    char long_value[1500];
    memset(long_value, 'x', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    for (int i = 0; i < STORES; i++) {
        char ns[16];
        snprintf(ns, sizeof ns, "ns%d", i);
        tm_store_options options = one_partition();
        options.ns = ns;
        stores[i] = open_store(server->url, &options);
        registries[i] = new_registry();
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < STORES; i++) {
            for (int k = 0; k < 40; k++) {
                snprintf(long_value, 12, "%06d", k);
                long_value[6] = '-';
                assert_ok(tm_count(registries[i], "tasks", 1, TM_LABELS("text", long_value)));
            }
            sync_store(registries[i], stores[i]);
            tm_snapshot *snapshot = read_store(stores[i]);
            size_t place = family_place(snapshot, "tasks");
            assert_int_equal(tm_snapshot_series_count(snapshot, place), 40);
            for (size_t k = 0; k < 40; k++)
                assert_int_equal(tm_snapshot_series(snapshot, place, k).values[0].u, round);
            tm_snapshot_free(snapshot);
        }
    }
    assert_true(memcached_stat(server, "evictions") > 0);
    for (int i = 0; i < STORES; i++) {
        tm_registry_free(registries[i]);
        tm_store_close(stores[i]);
    }
    memcached_stop(server);
}

/* For three times as long as items live, somebody else syncs who has nothing in that partition. */
TEST(counts_of_one_who_is_gone_stay_while_anybody_syncs)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.retention_ms = 1000;
    memcached_case c = memcached_case_begin(&options, NULL);
    count(&c, 3);
    sync_now(&c);
    tm_registry *other = new_registry();
    tm_store *store = open_store(c.url, &options);
    counter_of(other, "another", TM_NO_LABELS);
    for (int i = 0; i < 30; i++) {
        assert_ok(tm_sync_to_cache(other, store, NULL));
        pause_ms(100);
    }
    assert_int_equal(stored(&c), 3);
    tm_registry_free(other);
    tm_store_close(store);
    memcached_case_end(&c);
}

TEST(what_ran_out_of_time_is_sent_again)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.retention_ms = 1000;
    memcached_case c = memcached_case_begin(&options, NULL);
    count(&c, 3);
    sync_now(&c);
    for (int i = 0; i < 1000 && stored(&c) > 0; i++)
        pause_ms(20);
    assert_int_equal(stored(&c), 0);
    count(&c, 4);
    sync_now(&c);
    assert_int_equal(stored(&c), 7);
    memcached_case_end(&c);
}

/* ---- several servers ----------------------------------------------------------------------------------------- */

typedef struct two_servers {
    memcached_server *first;
    memcached_server *second;
    char url[96];
    tm_store *store;
    tm_registry *registry;
} two_servers;

static two_servers begin_two(const tm_store_options *options)
{
    two_servers t = {.first = memcached_must_start(NULL), .second = memcached_must_start(NULL)};
    snprintf(t.url, sizeof t.url, "memcached://127.0.0.1:%d,127.0.0.1:%d/?ns=test", t.first->port, t.second->port);
    t.store = open_store(t.url, options);
    t.registry = new_registry();
    return t;
}

static void end_two(two_servers *t)
{
    tm_store_close(t->store);
    tm_registry_free(t->registry);
    memcached_stop(t->first);
    memcached_stop(t->second);
}

TEST(the_order_of_the_servers_does_not_matter)
{
    two_servers t = begin_two(NULL);
    char turned[96];
    snprintf(turned, sizeof turned, "memcached://127.0.0.1:%d,127.0.0.1:%d/?ns=test", t.second->port, t.first->port);
    tm_store *other = open_store(turned, NULL);
    assert_string_equal(other->identity, t.store->identity);
    for (uint64_t i = 1; i <= 4; i++) {
        count_many(t.registry);
        sync_store(t.registry, i % 2 ? t.store : other);
        assert_many(i % 2 ? other : t.store, i);
    }
    assert_true(memcached_stat(t.first, "curr_items") > 10 && memcached_stat(t.second, "curr_items") > 10);
    tm_store_close(other);
    end_two(&t);
}

/* The partitions of a server that comes back with what it had go on there; nothing has moved to the other one. */
TEST(a_server_that_hangs_keeps_only_its_own_partitions_from_being_synced)
{
    tm_store_options options = with_timeout(400);
    two_servers t = begin_two(&options);
    count_many(t.registry);
    sync_store(t.registry, t.store);
    uint64_t items = memcached_stat(t.second, "curr_items");
    memcached_pause(t.first);
    for (int i = 0; i < 2; i++) {
        count_many(t.registry);
        tm_sync_report report = sync_must_fail(t.registry, t.store, TM_EUNAVAILABLE);
        assert_int_equal(report.batches, items - 1); /* each partition there, but not the layout */
        assert_bounded(&report);
    }
    tm_snapshot *snapshot;
    tm_error error;
    int status = tm_store_read(t.store, NULL, &snapshot, &error); /* a part of the counts would be a lie */
    assert_true(status == TM_EUNAVAILABLE || status == TM_ETIMEOUT);
    memcached_resume(t.first);
    assert_int_equal(sync_store(t.registry, t.store).resyncs, 0);
    assert_many(t.store, 3);
    assert_int_equal(memcached_stat(t.second, "curr_items"), items);
    end_two(&t);
}

TEST(a_server_that_is_dead_is_noticed_once_and_heals_when_it_is_back)
{
    two_servers t = begin_two(NULL);
    tm_registry *gone = new_registry();
    count_many(gone);
    sync_store(gone, t.store);
    tm_registry_free(gone);
    count_many(t.registry);
    sync_store(t.registry, t.store);
    uint64_t items = memcached_stat(t.second, "curr_items");
    memcached_kill(t.first);
    count_many(t.registry);
    tm_sync_report report = sync_must_fail(t.registry, t.store, TM_EUNAVAILABLE);
    assert_int_equal(report.batches, items - 1);

    /* Opening works on the server that is left, and says what is missing. */
    tm_store *second_handle = open_store(t.url, NULL);
    tm_store_close(second_handle);

    memcached_must_revive(t.first);
    count_many(t.registry);
    sync_store(t.registry, t.store);
    tm_snapshot *snapshot = read_store(t.store);
    size_t with_the_gone = 0;
    for (int i = 0; i < SERIES; i++) {
        char labels[16];
        snprintf(labels, sizeof labels, "i=\"%d\"", i);
        uint64_t value = values_in(snapshot, "many", labels)[0].u;
        assert_true(value == 3 || value == 4);
        with_the_gone += value == 4;
    }
    assert_in_range(with_the_gone, 1, SERIES - 1); /* the layout of the living server holds: its counts have stayed */
    tm_snapshot_free(snapshot);
    tm_registry_free(NULL);
    end_two(&t);
}

static void note_warning(void *ctx, const char *text)
{
    test_text *warnings = ctx;
    text_sink(warnings, text, strlen(text));
    text_sink(warnings, "\n", 1);
}

TEST(opening_warns_of_servers_that_are_dead_and_fails_if_all_are)
{
    memcached_server *server = memcached_must_start(NULL);
    memcached_server *dead = memcached_must_start(NULL);
    memcached_kill(dead);
    char url[96];
    char name[32];
    test_text warnings = {0};
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.warn = note_warning;
    options.warn_ctx = &warnings;
    snprintf(url, sizeof url, "memcached://127.0.0.1:%d,127.0.0.1:%d/", dead->port, server->port);
    snprintf(name, sizeof name, "127.0.0.1:%d", dead->port);
    tm_store_close(open_store(url, &options));
    assert_non_null(strstr(warnings.data, name));
    assert_null(strchr(strchr(warnings.data, '\n') + 1, '\n'));
    memcached_kill(server);
    tm_error error;
    open_must_fail(url, NULL, TM_EUNAVAILABLE, &error);
    text_free(&warnings);
    memcached_stop(dead);
    memcached_stop(server);
}

/* Two groups of processes that could not see each other's server made a layout each. The newer one wins everywhere. */
TEST(of_two_layouts_the_newer_one_wins)
{
    two_servers t = begin_two(NULL);
    count_many(t.registry);
    sync_store(t.registry, t.store);
    memcached_expect(t.second, "STORED\r\n",
                     "set test:layout 0 0 58\r\ntaskermetrics layout 1 32 ffffffffffff00000000000000000000");
    count_many(t.registry);
    sync_store(t.registry, t.store);
    assert_non_null(strstr(memcached_tell(t.first, "get test:layout", "END\r\n"), "layout 1 32 ffffffffffff"));
    assert_many(t.store, 2);
    memcached_expect(t.first, "STORED\r\n",
                     "set test:layout 0 0 58\r\ntaskermetrics layout 1 16 000000000000ffffffffffffffffffff");
    sync_store(t.registry, t.store);
    assert_non_null(strstr(memcached_tell(t.first, "get test:layout", "END\r\n"), "layout 1 32 ffffffffffff"));
    assert_many(t.store, 2);
    end_two(&t);
}

TEST(a_stopped_server_costs_one_deadline)
{
    tm_store_options options = with_timeout(200);
    memcached_case c = memcached_case_begin(&options, NULL);
    count_many(c.registry);
    sync_now(&c);
    memcached_pause(c.server);
    count_many(c.registry);
    for (int i = 0; i < 3; i++) {
        tm_sync_report report = sync_must_fail(c.registry, c.store, TM_ETIMEOUT);
        assert_bounded(&report);
    }
    memcached_resume(c.server);
    sync_now(&c);
    assert_many(c.store, 2);
    memcached_case_end(&c);
}

/* ---- fork, threads, memory ----------------------------------------------------------------------------------- */

/* Whether any descriptor of this process is the socket with that name. */
static bool has_socket(const char *name)
{
    DIR *directory = opendir("/proc/self/fd");
    bool found = false;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char target[64] = "";
        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) > 0)
            found = found || strcmp(target, name) == 0;
    }
    if (directory)
        closedir(directory);
    return found;
}

typedef struct inheritance {
    memcached_case c;
    char socket_name[64];
} inheritance;

static const char *count_in_child(void *ctx)
{
    inheritance *i = ctx;
    tm_error error;
    if (i->socket_name[0] && has_socket(i->socket_name))
        return "the child has kept the parent's connection";
    if (tm_count(i->c.registry, "tasks", 10, TM_LABELS("a", "b")) != TM_OK)
        return "tm_count";
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    for (int attempt = 0; attempt < 100; attempt++)
        if (tm_sync_to_cache(i->c.registry, i->c.store, &report) == TM_OK)
            break;
    if (report.error.status != TM_OK)
        return "tm_sync_to_cache";
    tm_snapshot *snapshot;
    if (tm_store_read(i->c.store, NULL, &snapshot, &error) != TM_OK)
        return "tm_store_read";
    tm_snapshot_free(snapshot);
    tm_store_close(i->c.store);
    return NULL;
}

TEST(a_forked_child_makes_a_connection_of_its_own)
{
    inheritance i = {.c = memcached_case_begin(NULL, NULL)};
    count(&i.c, 3);
    sync_now(&i.c);
    char path[64];
    int fd = ((tm__memcached *)i.c.store->self)->cluster.servers[0].connection.fd;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_true(readlink(path, i.socket_name, sizeof i.socket_name - 1) > 0);
    assert_true(has_socket(i.socket_name));
    uint64_t before = memcached_stat(i.c.server, "total_connections");
    run_child(count_in_child, &i);
    assert_int_equal(memcached_stat(i.c.server, "total_connections"), before + 1 + 1); /* the child's, and this one */
    count(&i.c, 4);
    assert_int_equal(sync_now(&i.c).retries, 0);
    assert_int_equal(stored(&i.c), 17);
    assert_int_equal(memcached_stat(i.c.server, "total_connections"), before + 1 + 2);
    memcached_case_end(&i.c);
}

static void sync_slowly(void *ctx, size_t number)
{
    inheritance *i = ctx;
    if (number == 0) {
        (void)tm_sync_to_cache(i->c.registry, i->c.store, NULL); /* waits for the stopped server */
        return;
    }
    pause_ms(100);
    memcached_resume(i->c.server);
}

static void fork_amid_a_sync(void *ctx, size_t number)
{
    if (number == 2) {
        pause_ms(50);
        run_child(count_in_child, ctx);
        return;
    }
    sync_slowly(ctx, number);
}

TEST(a_fork_amid_a_sync_hangs_neither_process)
{
    tm_store_options options = with_timeout(GENEROUS_MS);
    inheritance i = {.c = memcached_case_begin(&options, NULL)};
    count(&i.c, 3);
    sync_now(&i.c);
    count(&i.c, 4);
    memcached_pause(i.c.server);
    run_threads(3, fork_amid_a_sync, &i);
    sync_now(&i.c);
    assert_int_equal(stored(&i.c), 17);
    memcached_case_end(&i.c);
}

typedef struct crowd {
    tm_store *store;
    tm_registry *registries[8];
} crowd;

static void sync_many_times(void *ctx, size_t number)
{
    crowd *all = ctx;
    for (int i = 0; i < 30; i++) {
        count_many(all->registries[number]);
        sync_store(all->registries[number], all->store);
        if (number % 2)
            tm_snapshot_free(read_store(all->store));
    }
}

TEST(threads_share_a_handle)
{
    tm_store_options options = with_timeout(60000);
    memcached_case c = memcached_case_begin(&options, NULL);
    crowd all = {.store = c.store};
    for (size_t i = 0; i < 8; i++)
        all.registries[i] = new_registry();
    run_threads(8, sync_many_times, &all);
    assert_many(c.store, 8 * 30);
    for (size_t i = 0; i < 8; i++)
        tm_registry_free(all.registries[i]);
    memcached_case_end(&c);
}

/* Waiting for the turn ends at the deadline, too. Who gets it then may already be told what the one before has
 * found. */
static void read_impatiently(void *ctx, size_t number)
{
    memcached_case *c = ctx;
    tm_error error;
    tm_snapshot *snapshot;
    int status =
        number == 0 ? tm_sync_to_cache(c->registry, c->store, NULL) : tm_store_read(c->store, NULL, &snapshot, &error);
    assert_true(status == TM_ETIMEOUT || status == TM_EUNAVAILABLE);
}

TEST(waiting_for_other_threads_is_bounded_too)
{
    tm_store_options options = with_timeout(200);
    memcached_case c = memcached_case_begin(&options, NULL);
    count(&c, 3);
    memcached_pause(c.server);
    run_threads(4, read_impatiently, &c);
    memcached_resume(c.server);
    sync_now(&c);
    assert_int_equal(stored(&c), 3);
    memcached_case_end(&c);
}

/* Every allocation of opening, syncing and reading fails once; nothing leaks, and what was counted arrives once. */
TEST(every_allocation_may_fail)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.partitions = 2;
    memcached_server *server = memcached_must_start(NULL);
    tm_registry *registry = new_registry();
    uint64_t truth = 0;
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        faults_pause();
        assert_ok(tm_count(registry, "tasks", 1, TM_LABELS("a", "b")));
        faults_resume();
        truth++;
        tm_store *store = NULL;
        tm_snapshot *snapshot = NULL;
        tm_error error;
        int opened = tm_store_open(server->url, &options, &store, &error);
        int synced = opened == TM_OK ? tm_sync_to_cache(registry, store, NULL) : opened;
        int read = synced == TM_OK ? tm_store_read(store, NULL, &snapshot, &error) : synced;
        faults_off();
        if (read != TM_OK && read != TM_ENOMEM)
            fail_msg("allocation %zu: %s", n, tm_status_name(read));
        tm_snapshot_free(snapshot);
        tm_store_close(store);
        store = open_store(server->url, &options);
        sync_store(registry, store);
        assert_int_equal(stored_count(store, "tasks", "a=\"b\"", 0), truth);
        tm_store_close(store);
    }
    assert_true(truth > 50);
    tm_registry_free(registry);
    memcached_stop(server);
}

TEST_MAIN("memcached_sync", T(a_lost_reply_is_counted_once), T(a_lost_request_is_counted_once),
          T(a_silent_server_costs_one_deadline_and_the_count_arrives_once),
          T(a_store_that_lands_after_its_repetition_is_counted_once),
          T(a_timed_out_store_that_lands_before_its_repetition_is_a_duplicate),
          T(an_add_that_lands_after_a_flush_is_put_right), T(a_reply_that_is_cut_anywhere_is_counted_once),
          T(a_dripping_server_does_not_stretch_the_deadline),
          T(a_connection_that_the_server_closed_is_replaced_without_a_word),
          T(a_connection_that_breaks_at_the_first_word_is_replaced_without_a_word),
          T(a_flush_heals_in_one_sync_but_for_those_who_are_gone), T(a_restarted_server_heals_in_one_sync),
          T(a_token_from_before_a_restart_is_never_used), T(a_server_that_evicts_is_never_above_the_truth),
          T(counts_of_one_who_is_gone_stay_while_anybody_syncs), T(what_ran_out_of_time_is_sent_again),
          T(the_order_of_the_servers_does_not_matter),
          T(a_server_that_hangs_keeps_only_its_own_partitions_from_being_synced),
          T(a_server_that_is_dead_is_noticed_once_and_heals_when_it_is_back),
          T(opening_warns_of_servers_that_are_dead_and_fails_if_all_are), T(of_two_layouts_the_newer_one_wins),
          T(a_stopped_server_costs_one_deadline), T(a_forked_child_makes_a_connection_of_its_own),
          T(a_fork_amid_a_sync_hangs_neither_process), T(threads_share_a_handle),
          T(waiting_for_other_threads_is_bounded_too), T_LIMIT(every_allocation_may_fail, 120))
