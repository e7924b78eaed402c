/* The fault histories of protocol_model.py with the real engine, a real memcached and a proxy between them; and many
 * processes at once. A memcached cannot go back to an older state, but it can lose any of its items. */
#include <stdbool.h>

#include "memcached_case.h"
#include "processes.h"

enum { INSTANCES = 4, FIELDS = 6, PARTITIONS = 4, STEPS = 400, HISTORIES = 15 };

static const char *const families[FIELDS] = {"f0", "f1", "f2", "f3", "f4", "f5"};
static const char labels[] = "odd=\"a\\\"b\\\\\\n\"";

/* Every instance is a registry of its own, with a store of its own; truth is what was recorded in all of them. */
typedef struct history {
    memcached_case c;
    tm_store *direct; /* without the proxy */
    tm_registry *registries[INSTANCES];
    tm_store *stores[INSTANCES];
    uint64_t truth[FIELDS];
    uint64_t random;
    size_t failed;
    size_t resyncs;
    size_t duplicates;
} history;

/* What happens to the server beside what the proxy does. */
typedef enum disturbance { NOTHING, FLUSHES, LOST_ITEMS, RESTARTS, EVERYTHING } disturbance;

static uint64_t draw(history *h, uint64_t below)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % below;
}

static void begin(history *h, uint64_t seed)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.partitions = PARTITIONS;
    *h = (history){.c = memcached_case_begin_behind_proxy(&options), .random = seed * 88172645463325252 + 1};
    options.ns = "test";
    h->direct = open_store(h->c.server->url, &options);
    for (size_t i = 0; i < INSTANCES; i++) {
        h->registries[i] = new_registry();
        h->stores[i] = open_store(h->c.url, &options);
    }
}

static void end(history *h)
{
    for (size_t i = 0; i < INSTANCES; i++) {
        tm_store_close(h->stores[i]);
        tm_registry_free(h->registries[i]);
    }
    tm_store_close(h->direct);
    memcached_case_end(&h->c);
}

static void record(history *h, size_t instance)
{
    size_t field = draw(h, FIELDS);
    uint64_t n = 1 + draw(h, 4);
    assert_ok(tm_count(h->registries[instance], families[field], n, TM_LABELS("odd", "a\"b\\\n")));
    assert_ok(tm_observe(h->registries[instance], "time", 0.5, TM_NO_LABELS));
    h->truth[field] += n;
}

static void sync_with_fault(history *h, size_t instance)
{
    static const proxy_fault faults[] = {PROXY_DROP_REQUEST, PROXY_DROP_REPLY, PROXY_CUT_REPLY, PROXY_LATE_REQUEST};
    proxy_fault fault = draw(h, 10) < 5 ? faults[draw(h, 4)] : PROXY_PASS;
    size_t requests = fault == PROXY_LATE_REQUEST ? 1 : 1 + draw(h, 3);
    proxy_set_fault_after(h->c.proxy, draw(h, 2 + PARTITIONS), fault, requests, draw(h, 60));
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(h->registries[instance], h->stores[instance], &report);
    if (status != TM_OK && status != TM_EUNAVAILABLE && status != TM_ETIMEOUT)
        fail_msg("%s: %s", tm_status_name(status), report.error.text);
    h->failed += status != TM_OK;
    h->resyncs += report.resyncs;
    h->duplicates += report.duplicates;
    proxy_set_fault(h->c.proxy, PROXY_PASS, 0, 0);
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

static void lose_an_item(history *h)
{
    char command[96] = "delete test:layout";
    const char *found = strstr(memcached_tell(h->c.server, "get test:layout", "END\r\n"), "layout 1 ");
    unsigned partitions;
    char generation[33];
    if (found && draw(h, 4) > 0) {
        assert_int_equal(sscanf(found, "layout 1 %u %32s", &partitions, generation), 2);
        snprintf(command, sizeof command, "delete test:%s:%u", generation, (unsigned)draw(h, partitions));
    }
    memcached_tell(h->c.server, command, "\r\n");
}

static void disturb_server(history *h, disturbance what)
{
    disturbance now = what == EVERYTHING ? (disturbance)(FLUSHES + draw(h, 3)) : what;
    if (now == NOTHING || draw(h, 60) != 0)
        return;
    if (now == FLUSHES)
        memcached_expect(h->c.server, "OK\r\n", "flush_all");
    if (now == LOST_ITEMS)
        lose_an_item(h);
    if (now == RESTARTS) {
        memcached_kill(h->c.server);
        memcached_must_revive(h->c.server);
    }
}

/* ---- what must hold ------------------------------------------------------------------------------------------ */

static void read_totals(history *h, uint64_t totals[FIELDS])
{
    tm_snapshot *snapshot = read_store(h->direct);
    for (size_t i = 0; i < FIELDS; i++) {
        const tm_number *values = values_in(snapshot, families[i], labels);
        totals[i] = values ? values[0].u : 0;
    }
    tm_snapshot_free(snapshot);
}

static void no_total_is_above_the_truth(history *h)
{
    uint64_t totals[FIELDS];
    read_totals(h, totals);
    for (size_t i = 0; i < FIELDS; i++)
        if (totals[i] > h->truth[i])
            fail_msg("total %zu is %llu, the truth %llu", i, (unsigned long long)totals[i],
                     (unsigned long long)h->truth[i]);
}

static void histogram_is_the_truth(history *h)
{
    uint64_t observed = 0;
    uint64_t recorded = 0;
    tm_snapshot *snapshot = read_store(h->direct);
    const tm_number *values = values_in(snapshot, "time", "");
    for (size_t i = 0; i < INSTANCES; i++)
        recorded += tm_histogram_count(histogram_of(h->registries[i], "time", TM_NO_LABELS));
    for (size_t part = 0; part < 12; part++)
        observed += values[part].u;
    assert_int_equal(observed, recorded);
    assert_double_near(values[12].d, 0.5 * (double)recorded, 0);
    tm_snapshot_free(snapshot);
}

/* After the faults stop, one acknowledged sync of each instance makes every total the truth. */
static void settle(history *h)
{
    uint64_t totals[FIELDS];
    proxy_deliver_late(h->c.proxy);
    for (size_t i = 0; i < INSTANCES; i++)
        sync_store(h->registries[i], h->stores[i]);
    read_totals(h, totals);
    for (size_t i = 0; i < FIELDS; i++)
        assert_int_equal(totals[i], h->truth[i]);
    histogram_is_the_truth(h);
}

static void step(history *h, disturbance what)
{
    size_t instance = draw(h, INSTANCES);
    for (uint64_t n = draw(h, 4); n > 0; n--)
        record(h, instance);
    if (draw(h, 2) == 0)
        sync_with_fault(h, instance);
    if (draw(h, 20) == 0)
        proxy_deliver_late(h->c.proxy);
    disturb_server(h, what);
    no_total_is_above_the_truth(h);
}

static void run_histories(disturbance what)
{
    size_t failed = 0;
    size_t duplicates = 0;
    size_t resyncs = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history h;
        begin(&h, seed + 100 * what);
        for (int i = 0; i < STEPS; i++)
            step(&h, what);
        settle(&h);
        failed += h.failed;
        duplicates += h.duplicates;
        resyncs += h.resyncs;
        end(&h);
    }
    assert_true(failed > 0 && duplicates > 0 && (resyncs > 0) == (what != NOTHING));
}

TEST(totals_are_exact_when_requests_and_replies_are_lost_or_late)
{
    run_histories(NOTHING);
}

TEST(totals_are_exact_when_the_server_is_flushed)
{
    run_histories(FLUSHES);
}

TEST(totals_are_exact_when_single_items_are_lost)
{
    run_histories(LOST_ITEMS);
}

TEST(totals_are_exact_when_the_server_restarts)
{
    run_histories(RESTARTS);
}

TEST(totals_are_exact_when_everything_happens)
{
    run_histories(EVERYTHING);
}

/* ---- processes ----------------------------------------------------------------------------------------------- */

TEST(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt)
{
    memcached_server *server = memcached_must_start(NULL);
    processes_run(&(processes_plan){.url = server->url, .processes = 16, .syncs = 1000, .kills = 6});
    memcached_stop(server);
}

TEST(sixteen_processes_that_overtake_each_other_in_one_partition_count_once)
{
    memcached_server *server = memcached_must_start(NULL);
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.partitions = 1;
    tm_store_close(open_store(server->url, &options)); /* for all that follow */
    processes_run(&(processes_plan){.url = server->url, .processes = 16, .syncs = 200, .kills = 4});
    memcached_stop(server);
}

TEST_MAIN("memcached_histories", T_LIMIT(totals_are_exact_when_requests_and_replies_are_lost_or_late, 180),
          T_LIMIT(totals_are_exact_when_the_server_is_flushed, 180),
          T_LIMIT(totals_are_exact_when_single_items_are_lost, 180),
          T_LIMIT(totals_are_exact_when_the_server_restarts, 180),
          T_LIMIT(totals_are_exact_when_everything_happens, 180),
          T_LIMIT(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt, 180),
          T_LIMIT(sixteen_processes_that_overtake_each_other_in_one_partition_count_once, 180))
