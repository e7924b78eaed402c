#include "histories.h"

#include "registries.h"
#include "stores.h"
#include "test.h"

enum { STEPS = 400, HISTOGRAM_PARTS = 12 };

const char *const history_families[HISTORY_FIELDS] = {"f0", "f1", "f2", "f3", "f4", "f5"};
const char history_labels[] = "odd=\"a\\\"b\\\\\\n\"";

uint64_t history_draw(history *h, uint64_t below)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % below;
}

proxy_fault history_draw_fault(history *h, uint64_t of_ten, size_t *requests)
{
    static const proxy_fault faults[] = {PROXY_DROP_REQUEST, PROXY_DROP_REPLY, PROXY_CUT_REPLY, PROXY_LATE_REQUEST};
    proxy_fault fault = history_draw(h, 10) < of_ten ? faults[history_draw(h, 4)] : PROXY_PASS;
    *requests = fault == PROXY_LATE_REQUEST ? 1 : 1 + history_draw(h, 3);
    return fault;
}

static void begin(history *h)
{
    h->kind->begin(h);
    for (size_t i = 0; i < HISTORY_INSTANCES; i++) {
        h->registries[i] = new_registry();
        h->stores[i] = open_store(h->url, &h->options);
    }
}

static void end(history *h)
{
    for (size_t i = 0; i < HISTORY_INSTANCES; i++) {
        tm_store_close(h->stores[i]);
        tm_registry_free(h->registries[i]);
    }
    h->kind->end(h);
}

/* Histograms too: their counts must agree with the counters at every moment. */
static void record(history *h, size_t instance)
{
    size_t field = history_draw(h, HISTORY_FIELDS);
    uint64_t n = 1 + history_draw(h, 4);
    assert_ok(tm_count(h->registries[instance], history_families[field], n, TM_LABELS("odd", "a\"b\\\n")));
    assert_ok(tm_observe(h->registries[instance], "time", 0.5, TM_NO_LABELS));
    h->truth[field] += n;
}

static void sync_with_fault(history *h, size_t instance, history_counts *counts)
{
    h->kind->set_fault(h);
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(h->registries[instance], h->stores[instance], &report);
    if (status != TM_OK && status != TM_EUNAVAILABLE && status != TM_ETIMEOUT)
        fail_msg("%s: %s", tm_status_name(status), report.error.text);
    counts->failed += status != TM_OK;
    counts->resyncs += report.resyncs;
    counts->duplicates += report.duplicates;
    proxy_set_fault(h->proxy, PROXY_PASS, 0, 0);
}

static void no_total_is_above_the_truth(history *h)
{
    uint64_t totals[HISTORY_FIELDS];
    h->kind->read_totals(h, totals);
    for (size_t i = 0; i < HISTORY_FIELDS; i++)
        if (totals[i] > h->truth[i])
            fail_msg("total %zu is %llu, the truth %llu", i, (unsigned long long)totals[i],
                     (unsigned long long)h->truth[i]);
}

static void every_total_is_the_truth(history *h)
{
    uint64_t totals[HISTORY_FIELDS];
    h->kind->read_totals(h, totals);
    for (size_t i = 0; i < HISTORY_FIELDS; i++)
        assert_int_equal(totals[i], h->truth[i]);
}

static void the_histogram_is_the_truth(history *h)
{
    uint64_t observed = 0;
    uint64_t recorded = 0;
    tm_snapshot *snapshot = read_store(h->reader);
    const tm_number *values = values_in(snapshot, "time", "");
    for (size_t i = 0; i < HISTORY_INSTANCES; i++)
        recorded += tm_histogram_count(histogram_of(h->registries[i], "time", TM_NO_LABELS));
    for (size_t part = 0; part < HISTOGRAM_PARTS; part++)
        observed += values[part].u;
    assert_int_equal(observed, recorded);
    assert_double_near(values[HISTOGRAM_PARTS].d, 0.5 * (double)recorded, 0);
    tm_snapshot_free(snapshot);
}

static void step(history *h, history_counts *counts)
{
    size_t instance = history_draw(h, HISTORY_INSTANCES);
    for (uint64_t n = history_draw(h, 4); n > 0; n--)
        record(h, instance);
    if (history_draw(h, 2) == 0)
        sync_with_fault(h, instance, counts);
    if (history_draw(h, 20) == 0)
        proxy_deliver_late(h->proxy);
    h->kind->disturb(h);
    no_total_is_above_the_truth(h);
}

/* After the faults stop, one acknowledged sync of each instance makes every total the truth. */
static void settle(history *h)
{
    proxy_deliver_late(h->proxy);
    for (size_t i = 0; i < HISTORY_INSTANCES; i++)
        sync_store(h->registries[i], h->stores[i]);
    every_total_is_the_truth(h);
    the_histogram_is_the_truth(h);
}

history_counts histories_run(const history_server *kind, int disturbance, uint64_t first_seed, size_t count)
{
    history_counts counts = {0};
    for (uint64_t seed = first_seed; seed < first_seed + count; seed++) {
        history h = {.kind = kind, .disturbance = disturbance, .random = seed * 88172645463325252 + 1};
        h.options = (tm_store_options)TM_STORE_OPTIONS_INIT;
        begin(&h);
        for (int i = 0; i < STEPS; i++)
            step(&h, &counts);
        settle(&h);
        end(&h);
    }
    return counts;
}
