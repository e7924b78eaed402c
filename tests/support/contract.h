/* The contract of tm_store_ops as tests: what every store must do, run over an open one.
 *
 * A test program defines how a fresh, empty store is opened, and lists the cases among its own tests:
 *
 *     static tm_store *contract_open(void) { ... tm_store_open(...); return store; }
 *     CONTRACT_CASES(CONTRACT_TEST)
 *     TEST_MAIN("redis", CONTRACT_CASES(CONTRACT_ENTRY) T(something_of_our_own))
 *
 * Each case opens one store, uses only its functions, and closes it. What contract_open started beside the store (a
 * server) ends with the process of the test, or in a function given to atexit. */
#ifndef TM_TESTS_CONTRACT_H
#define TM_TESTS_CONTRACT_H

#include "test.h"

#define CONTRACT_CASES(X)                                   \
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
    X(gauges_follow_their_aggregation)                      \
    X(integers_above_2_to_53_are_exact)                     \
    X(sums_that_are_not_finite_are_kept)                    \
    X(hostile_texts_survive)                                \
    X(many_series_in_many_batches)                          \
    X(partitions_have_seqs_of_their_own)                    \
    X(threads_may_apply_at_once)                            \
    X(a_passed_deadline_does_no_harm)                       \
    X(instances_can_be_told_apart)

#define CONTRACT_DECLARE(name) void contract_##name(tm_store *store);
CONTRACT_CASES(CONTRACT_DECLARE)
#undef CONTRACT_DECLARE

#define CONTRACT_TEST(name)                \
    TEST(contract_##name##_test)           \
    {                                      \
        tm_store *store = contract_open(); \
        contract_##name(store);            \
        tm_store_close(store);             \
    }
#define CONTRACT_ENTRY(name) {"contract_" #name, contract_##name##_test, NULL, NULL, NULL},

#endif
