/* The fault histories of protocol_model.py, against the real engine. */
#include "faulty_store.h"
#include "test.h"

enum { INSTANCES = 4, FIELDS = 6, STEPS = 600 };

/* Every instance is a registry of its own; truth is what was recorded in all of them together. */
typedef struct history {
    tm_registry *registries[INSTANCES];
    tm_store *store;
    faulty_store *faulty;
    uint64_t truth[FIELDS];
} history;

static const char *const names[FIELDS] = {"f0", "f1", "f2", "f3", "f4", "f5"};

static void begin(history *h, const faulty_backend *backend, void *self, uint64_t seed)
{
    *h = (history){0};
    h->faulty = faulty_store_new(backend, self, seed);
    h->faulty->faults_on = true;
    h->store = faulty_store_handle(h->faulty);
    for (size_t i = 0; i < INSTANCES; i++)
        assert_ok(tm_registry_new(NULL, &h->registries[i]));
}

static void end(history *h)
{
    tm_store_close(h->store);
    faulty_store_free(h->faulty);
    for (size_t i = 0; i < INSTANCES; i++)
        tm_registry_free(h->registries[i]);
}

static void record(history *h, tm_registry *registry)
{
    size_t field = faulty_random(h->faulty, FIELDS);
    uint64_t n = 1 + faulty_random(h->faulty, 4);
    assert_ok(tm_count(registry, names[field], n, TM_LABELS("odd", "a\"b\\\n")));
    h->truth[field] += n;
}

/* A sync that says TM_OK has reached the store; one that fails says why. */
static void sync_once(history *h, tm_registry *registry)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(registry, h->store, &report);
    assert_int_equal(status, report.error.status);
    assert_true(status == TM_OK || report.error.text[0] != '\0');
}

static void read_totals(history *h, uint64_t totals[FIELDS])
{
    tm_read_options options = {.size = sizeof options};
    tm_error error;
    tm_snapshot *snapshot;
    assert_ok(tm_snapshot_new(0, &snapshot));
    assert_ok(h->faulty->backend.read(h->faulty->self, &options, snapshot, &error));
    memset(totals, 0, FIELDS * sizeof *totals);
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++) {
        assert_int_equal(tm_snapshot_series_count(snapshot, i), 1);
        size_t field = (size_t)(tm_snapshot_family(snapshot, i)->name[1] - '0');
        totals[field] += tm_snapshot_series(snapshot, i, 0).values[0].u;
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

static void every_total_is_the_truth(history *h)
{
    uint64_t totals[FIELDS];
    read_totals(h, totals);
    for (size_t i = 0; i < FIELDS; i++)
        assert_int_equal(totals[i], h->truth[i]);
}

static void step(history *h, bool rollback, bool flush)
{
    faulty_store *faulty = h->faulty;
    tm_registry *registry = h->registries[faulty_random(faulty, INSTANCES)];
    for (uint64_t n = faulty_random(faulty, 4); n > 0; n--)
        record(h, registry);
    if (faulty_random(faulty, 2) == 0)
        sync_once(h, registry);
    if (faulty_random(faulty, 10) < 3)
        faulty_deliver_one(faulty);
    if (faulty_random(faulty, 50) == 0)
        faulty_save(faulty);
    if (rollback && faulty_random(faulty, 200) == 0)
        faulty_roll_back(faulty);
    if (flush && faulty_random(faulty, 300) == 0)
        faulty->backend.flush(faulty->self);
}

/* After the faults stop, one acknowledged sync of each instance makes every total the truth. */
static void settle(history *h)
{
    faulty_deliver_all(h->faulty);
    h->faulty->faults_on = false;
    for (size_t i = 0; i < INSTANCES; i++)
        assert_ok(tm_sync_to_cache(h->registries[i], h->store, NULL));
    every_total_is_the_truth(h);
}

static void run_histories(const faulty_backend *backend, void *(*make)(void), bool rollback, bool flush, bool chunks)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        history h;
        begin(&h, backend, make(), seed);
        if (chunks) {
            tm_store_close(h.store);
            h.faulty->max_changes = 300;
            h.store = faulty_store_handle(h.faulty);
        }
        for (int i = 0; i < STEPS; i++) {
            step(&h, rollback, flush);
            no_total_is_above_the_truth(&h);
        }
        assert_true(h.faulty->lost_requests > 0 && h.faulty->lost_replies > 0 && h.faulty->applied > 0);
        settle(&h);
        end(&h);
    }
}

TEST(totals_are_exact_when_requests_and_replies_are_lost_or_late)
{
    run_histories(&model_backend, model_backend_new, false, false, false);
}

TEST(totals_are_exact_when_the_server_rolls_back)
{
    run_histories(&model_backend, model_backend_new, true, false, false);
}

TEST(totals_are_exact_when_the_server_is_flushed)
{
    run_histories(&model_backend, model_backend_new, false, true, false);
}

TEST(totals_are_exact_when_everything_happens)
{
    run_histories(&model_backend, model_backend_new, true, true, true);
}

TEST(the_ledger_is_exact_when_requests_and_replies_are_lost_or_late)
{
    run_histories(&ledger_backend, ledger_backend_new, false, false, false);
}

TEST(the_ledger_is_exact_when_it_rolls_back)
{
    run_histories(&ledger_backend, ledger_backend_new, true, false, false);
}

TEST(the_ledger_is_exact_when_everything_happens)
{
    run_histories(&ledger_backend, ledger_backend_new, true, true, true);
}

/* Handles of one store come and go: what the registry has sent through one, the other must not send again. */
TEST(a_store_that_is_closed_and_opened_again_counts_once)
{
    history h;
    begin(&h, &model_backend, model_backend_new(), 1);
    h.faulty->faults_on = false;
    for (int i = 0; i < 20; i++) {
        record(&h, h.registries[0]);
        assert_ok(tm_sync_to_cache(h.registries[0], h.store, NULL));
        tm_store_close(h.store);
        h.store = faulty_store_handle(h.faulty);
        every_total_is_the_truth(&h);
    }
    end(&h);
}

/* The copy that is put back is older than the retention: the first who syncs makes the ledger forget all others. */
static void forget_after_rollback(bool back_to_nothing)
{
    history h;
    begin(&h, &ledger_backend, ledger_backend_new(), 1);
    h.faulty->faults_on = false;
    record(&h, h.registries[0]);
    assert_ok(tm_sync_to_cache(h.registries[0], h.store, NULL));
    void *copy = h.faulty->backend.save(h.faulty->self);
    ledger_backend_now_ms += 1000;
    if (back_to_nothing)
        h.faulty->backend.flush(h.faulty->self);
    record(&h, h.registries[0]);
    assert_ok(tm_sync_to_cache(h.registries[0], h.store, NULL));
    ledger_backend_now_ms += INT64_C(8) * 24 * 3600 * 1000;
    h.faulty->backend.restore(h.faulty->self, copy);
    h.faulty->backend.discard(copy);
    for (int i = 0; i < 5; i++) {
        record(&h, h.registries[1]);
        assert_ok(tm_sync_to_cache(h.registries[1], h.store, NULL));
    }
    record(&h, h.registries[0]);
    assert_status(tm_sync_to_cache(h.registries[0], h.store, NULL), TM_ELOST);
    no_total_is_above_the_truth(&h);
    record(&h, h.registries[0]);
    assert_ok(tm_sync_to_cache(h.registries[0], h.store, NULL));
    no_total_is_above_the_truth(&h);
    end(&h);
}

TEST(a_ledger_set_back_beyond_its_retention_is_never_above_the_truth_and_says_what_may_be_lost)
{
    forget_after_rollback(false);
    forget_after_rollback(true);
}

TEST(two_handles_of_one_store_count_once)
{
    history h;
    begin(&h, &ledger_backend, ledger_backend_new(), 1);
    tm_store *other = faulty_store_handle(h.faulty);
    for (int i = 0; i < 200; i++) {
        record(&h, h.registries[0]);
        (void)tm_sync_to_cache(h.registries[0], i % 2 ? h.store : other, NULL);
        no_total_is_above_the_truth(&h);
    }
    settle(&h);
    tm_store_close(other);
    end(&h);
}

TEST_MAIN("sync_histories", T(totals_are_exact_when_requests_and_replies_are_lost_or_late),
          T(totals_are_exact_when_the_server_rolls_back), T(totals_are_exact_when_the_server_is_flushed),
          T(totals_are_exact_when_everything_happens),
          T(the_ledger_is_exact_when_requests_and_replies_are_lost_or_late), T(the_ledger_is_exact_when_it_rolls_back),
          T(the_ledger_is_exact_when_everything_happens), T(a_store_that_is_closed_and_opened_again_counts_once),
          T(a_ledger_set_back_beyond_its_retention_is_never_above_the_truth_and_says_what_may_be_lost),
          T(two_handles_of_one_store_count_once))
