/* The fault histories of protocol_model.py with the real engine, a real Redis and a proxy between them. */
#include <stdbool.h>
#include <time.h>

#include "processes.h"
#include "redis_case.h"

enum { INSTANCES = 4, FIELDS = 6, STEPS = 400, HISTORIES = 20 };

static const char *const families[FIELDS] = {"f0", "f1", "f2", "f3", "f4", "f5"};

/* Every instance is a registry of its own, with a store of its own; truth is what was recorded in all of them. */
typedef struct history {
    redis_case c;
    tm_registry *registries[INSTANCES];
    tm_store *stores[INSTANCES];
    uint64_t truth[FIELDS];
    uint64_t random;
    int saved; /* states of the server, in the databases from 1 on */
    size_t failed;
    size_t resyncs;
    size_t duplicates;
} history;

static uint64_t draw(history *h, uint64_t below)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % below;
}

static void begin(history *h, uint64_t seed)
{
    *h = (history){.c = redis_case_begin_behind_proxy(NULL), .random = seed * 88172645463325252 + 1};
    for (size_t i = 0; i < INSTANCES; i++) {
        h->registries[i] = new_registry();
        h->stores[i] = open_store(h->c.url, NULL);
    }
}

static void end(history *h)
{
    for (size_t i = 0; i < INSTANCES; i++) {
        tm_store_close(h->stores[i]);
        tm_registry_free(h->registries[i]);
    }
    redis_case_end(&h->c);
}

/* Histograms too: their counts must agree with the counters at every moment. */
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
    proxy_fault fault = draw(h, 10) < 4 ? faults[draw(h, 4)] : PROXY_PASS;
    proxy_set_fault(h->c.proxy, fault, fault == PROXY_LATE_REQUEST ? 1 : 1 + draw(h, 3), draw(h, 60));
    if (draw(h, 20) == 0)
        redis_tell(h->c.server, "SCRIPT", "FLUSH");
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(h->registries[instance], h->stores[instance], &report);
    if (status != TM_OK && status != TM_EUNAVAILABLE && status != TM_ETIMEOUT)
        fail_msg("%s: %s", tm_status_name(status), report.error.text);
    h->failed += status != TM_OK;
    h->resyncs += report.resyncs;
    h->duplicates += report.duplicates;
    proxy_set_fault(h->c.proxy, PROXY_PASS, 0, 0);
}

/* ---- the server's states ------------------------------------------------------------------------------------- */

static void copy_database(history *h, int from, int to)
{
    static const char script[] = "redis.call('SELECT', ARGV[2]) redis.call('FLUSHDB') redis.call('SELECT', ARGV[1]) "
                                 "for _, key in ipairs(redis.call('KEYS', '*')) do "
                                 "redis.call('COPY', key, key, 'DB', ARGV[2]) end return 1";
    char from_text[8];
    char to_text[8];
    snprintf(from_text, sizeof from_text, "%d", from);
    snprintf(to_text, sizeof to_text, "%d", to);
    redis_expect(h->c.server, "1", "EVAL", script, "0", from_text, to_text);
}

static void disturb_server(history *h, bool rollback, bool flush)
{
    if (draw(h, 50) == 0)
        copy_database(h, 0, 1 + h->saved++ % 3);
    if (rollback && h->saved > 0 && draw(h, 100) == 0)
        copy_database(h, 1 + (int)draw(h, (uint64_t)(h->saved < 3 ? h->saved : 3)), 0);
    if (flush && draw(h, 150) == 0)
        redis_tell(h->c.server, "FLUSHDB");
}

/* ---- what must hold ------------------------------------------------------------------------------------------ */

static void read_totals(history *h, uint64_t totals[FIELDS])
{
    for (size_t i = 0; i < FIELDS; i++) {
        char field[64];
        snprintf(field, sizeof field, "%s_total{odd=\"a\\\"b\\\\\\n\"}", families[i]);
        char *text = redis_ask(h->c.server, "HGET", "{test}:totals", field);
        totals[i] = strtoull(text, NULL, 10); /* "(nil)" is 0 */
        free(text);
    }
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
    tm_snapshot *snapshot = read_store(h->c.store);
    uint64_t observed = 0;
    uint64_t recorded = 0;
    for (size_t i = 0; i < INSTANCES; i++)
        recorded += tm_histogram_count(histogram_of(h->registries[i], "time", TM_NO_LABELS));
    for (size_t part = 0; part < 12; part++)
        observed += values_in(snapshot, "time", "")[part].u;
    assert_int_equal(observed, recorded);
    assert_double_near(values_in(snapshot, "time", "")[12].d, 0.5 * (double)recorded, 0);
    tm_snapshot_free(snapshot);
}

static void step(history *h, bool rollback, bool flush)
{
    size_t instance = draw(h, INSTANCES);
    for (uint64_t n = draw(h, 4); n > 0; n--)
        record(h, instance);
    if (draw(h, 2) == 0)
        sync_with_fault(h, instance);
    if (draw(h, 20) == 0)
        proxy_deliver_late(h->c.proxy);
    disturb_server(h, rollback, flush);
    no_total_is_above_the_truth(h);
}

static void run_histories(bool rollback, bool flush)
{
    size_t failed = 0;
    size_t duplicates = 0;
    size_t resyncs = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        history h;
        begin(&h, seed + 100 * rollback + 1000 * flush);
        for (int i = 0; i < STEPS; i++)
            step(&h, rollback, flush);
        settle(&h);
        failed += h.failed;
        duplicates += h.duplicates;
        resyncs += h.resyncs;
        end(&h);
    }
    assert_true(failed > HISTORIES && duplicates > HISTORIES);
    assert_true(rollback || flush ? resyncs > HISTORIES / 2 : resyncs == 0);
}

TEST(totals_are_exact_when_requests_and_replies_are_lost_or_late)
{
    run_histories(false, false);
}

TEST(totals_are_exact_when_the_server_rolls_back)
{
    run_histories(true, false);
}

TEST(totals_are_exact_when_the_server_is_flushed)
{
    run_histories(false, true);
}

TEST(totals_are_exact_when_everything_happens)
{
    run_histories(true, true);
}

/* ---- processes ----------------------------------------------------------------------------------------------- */

TEST(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt)
{
    redis_server *server = redis_server_start(REDIS_PLAIN);
    char *url = redis_server_url(server);
    processes_run(&(processes_plan){.url = url, .processes = 16, .syncs = 1000, .kills = 6});
    redis_server_stop(server);
    free(url);
}

TEST_MAIN("redis_histories", T_LIMIT(totals_are_exact_when_requests_and_replies_are_lost_or_late, 180),
          T_LIMIT(totals_are_exact_when_the_server_rolls_back, 180),
          T_LIMIT(totals_are_exact_when_the_server_is_flushed, 180),
          T_LIMIT(totals_are_exact_when_everything_happens, 180),
          T_LIMIT(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt, 180))
