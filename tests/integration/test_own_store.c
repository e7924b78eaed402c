/* The store of examples/own_store.c keeps the contract of all stores, but for gauges: of those it knows only sums. */
#define main own_store_main
#include "../../examples/own_store.c" /* NOLINT(bugprone-suspicious-include): the example is one file */
#undef main

#include "contract.h"
#include "test.h"

static tm_store *contract_open(void)
{
    tm_store *store;
    assert_ok(own_store_open(&store));
    return store;
}

/* All of CONTRACT_CASES but gauges_follow_their_aggregation. */
#define CASES(X)                                            \
    X(what_is_applied_is_read_back)                         \
    X(a_repeated_batch_counts_once)                         \
    X(an_unknown_past_is_answered_with_nothing)             \
    X(a_wrong_prev_is_answered_with_what_is_remembered)     \
    X(after_a_resync_the_next_batch_is_applied)             \
    X(instances_add_up)                                     \
    X(an_empty_batch_is_acknowledged)                       \
    X(a_conflicting_family_is_refused_and_the_rest_applied) \
    X(an_overflow_is_refused_and_the_total_stays)           \
    X(a_repeated_batch_with_refused_numbers_is_resynced)    \
    X(integers_above_2_to_53_are_exact)                     \
    X(sums_that_are_not_finite_are_kept)                    \
    X(hostile_texts_survive)                                \
    X(many_series_in_many_batches)                          \
    X(partitions_have_seqs_of_their_own)                    \
    X(threads_may_apply_at_once)                            \
    X(a_passed_deadline_does_no_harm)                       \
    X(instances_can_be_told_apart)

#define ONE(name) +1
_Static_assert(CONTRACT_CASES(ONE) == CASES(ONE) + 1, "the contract has a case that is not listed here");

CASES(CONTRACT_TEST)

TEST(sums_of_gauges_are_told_and_other_gauges_refused)
{
    tm_store *store = contract_open();
    tm_registry *registry;
    tm_snapshot *snapshot;
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    assert_ok(tm_registry_new(NULL, &registry));
    assert_ok(tm_describe(registry, &(tm_family){.size = sizeof(tm_family),
                                                 .name = "level",
                                                 .type = TM_TYPE_GAUGE,
                                                 .aggregation = TM_AGGREGATE_SUM}));
    assert_ok(tm_set(registry, "level", 2.5, TM_NO_LABELS));
    assert_ok(tm_set(registry, "other", 1, TM_NO_LABELS));
    assert_ok(tm_count(registry, "events", 3, TM_NO_LABELS));
    assert_status(tm_sync_to_cache(registry, store, &report), TM_EFIELD);
    assert_int_equal(report.failed_fields, 1);
    assert_ok(tm_store_read(store, NULL, &snapshot, NULL));
    assert_int_equal(tm_snapshot_family_count(snapshot), 2);
    assert_true(tm_snapshot_series(snapshot, 0, 0).values[0].d == 2.5);
    assert_int_equal(tm_snapshot_series(snapshot, 1, 0).values[0].u, 3);
    tm_snapshot_free(snapshot);
    tm_registry_free(registry);
    tm_store_close(store);
}

TEST_MAIN("own_store", CASES(CONTRACT_ENTRY) T(sums_of_gauges_are_told_and_other_gauges_refused))
