/* The ledger: answers, refusals, sums, gauges, and the aggregate that is read. */
#include <math.h>

#include "base/labels.h"
#include "ledgers.h"
#include "registries.h"
#include "test.h"

/* ---- answers ------------------------------------------------------------------------------------------------- */

TEST(a_repeated_batch_counts_once)
{
    tm__ledger *ledger = new_ledger();
    assert_answer(apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_answer(apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), DUPLICATE);
    assert_answer(apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), DUPLICATE);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    tm__ledger_free(ledger);
}

TEST(batches_of_several_instances_add_up)
{
    tm__ledger *ledger = new_ledger();
    assert_answer(apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_answer(apply_batch(ledger, "b", 0, 1, 0, CHANGES(count_of(&events, "", 7, 7))), APPLIED);
    assert_answer(apply_batch(ledger, "a", 1, 9, 0, CHANGES(count_of(&events, "", 6, 1))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 13);
    tm__ledger_free(ledger);
}

TEST(a_wrong_prev_is_answered_with_the_last_seq_and_all_values)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), count_of(&others, "", 1, 1), sum_of(2, 2)));
    apply_batch(ledger, "a", 1, 2, 0, CHANGES(count_of(&events, "", 8, 3)));
    apply_batch(ledger, "b", 0, 1, 0, CHANGES(count_of(&events, "", 100, 100)));
    apply_batch(ledger, "a", 1, 7, 0, CHANGES(count_of(&events, "", 9, 4)));
    assert_resynced(2, TM_MEMORY_VALUES);
    assert_int_equal(heard.memory_count, 2 + 4); /* two counters, the four numbers of the histogram */
    assert_int_equal(heard.events.u, 8);
    assert_int_equal(total_of(ledger, "events", ""), 108);
    tm__ledger_free(ledger);
}

TEST(an_unknown_past_is_answered_with_nothing)
{
    tm__ledger *ledger = new_ledger();
    const tm_reply elsewhere = {.store_id = "another ledger", .time_ms = 5};
    apply_batch(ledger, "a", 3, 4, 0, CHANGES(count_of(&events, "", 5, 5)));
    assert_resynced(0, TM_MEMORY_NOTHING);
    apply_known(ledger, "a", 3, 4, 0, &elsewhere, CHANGES(count_of(&events, "", 5, 5)));
    assert_resynced(0, TM_MEMORY_NOTHING);
    assert_answer(apply_known(ledger, "a", 0, 5, 0, &elsewhere, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    tm__ledger_free(ledger);
}

TEST(a_question_without_changes_is_answered_and_takes_no_number)
{
    tm__ledger *ledger = new_ledger();
    assert_answer(apply_batch(ledger, "a", 0, 4, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_answer(apply_batch(ledger, "a", 4, 4, 0, NO_CHANGES), DUPLICATE);
    apply_batch(ledger, "a", 3, 3, 0, NO_CHANGES);
    assert_resynced(4, TM_MEMORY_VALUES);
    assert_answer(apply_batch(ledger, "a", 4, 5, 0, NO_CHANGES), APPLIED);
    apply_batch(ledger, "b", 4, 4, 0, NO_CHANGES);
    assert_resynced(0, TM_MEMORY_NOTHING);
    tm__ledger_free(ledger);
}

TEST(every_answer_names_the_ledger)
{
    tm__ledger *one = new_ledger();
    tm__ledger *other = new_ledger();
    unsigned char id[TM_STORE_ID_BYTES];
    apply_batch(one, "a", 0, 1, 77, NO_CHANGES);
    memcpy(id, heard.reply.store_id, sizeof id);
    assert_int_equal(heard.reply.time_ms, 77);
    apply_batch(one, "a", 5, 6, 78, NO_CHANGES);
    assert_memory_equal(heard.reply.store_id, id, sizeof id);
    apply_batch(other, "a", 0, 1, 77, NO_CHANGES);
    assert_memory_not_equal(heard.reply.store_id, id, sizeof id);
    tm__ledger_free(one);
    tm__ledger_free(other);
}

TEST(bad_batches_are_named_errors)
{
    tm__ledger *ledger = new_ledger();
    char long_name[TM__INSTANCE_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const tm_change change = count_of(&events, "", 1, 1);
    const tm_batch bad[] = {
        {.instance = NULL, .seq = 1},
        {.instance = "", .seq = 1},
        {.instance = "a b", .seq = 1},
        {.instance = "a\n", .seq = 1},
        {.instance = "\xff", .seq = 1},
        {.instance = long_name, .seq = 1},
        {.instance = "a", .seq = 0},
        {.instance = "a", .prev = 2, .seq = 1},
        {.instance = "a", .seq = 1, .change_count = 1},
        {.instance = "a", .prev = 1, .seq = 1, .changes = &change, .change_count = 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_status(send_batch(ledger, &bad[i], 0), TM_EINVAL);
        assert_int_equal(heard.error.status, TM_EINVAL);
        assert_true(heard.error.text[0] != '\0');
    }
    long_name[TM__INSTANCE_NAME_MAX] = '\0';
    assert_answer(apply_batch(ledger, long_name, 0, 1, 0, NO_CHANGES), APPLIED);
    tm__ledger_free(ledger);
}

TEST(a_caller_without_memory_for_what_is_remembered_gets_its_status)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), count_of(&others, "", 5, 5)));
    heard.refuse_memory = TM_ENOMEM;
    assert_status(send_batch(ledger, &(tm_batch){.instance = "a", .prev = 7, .seq = 8}, 0), TM_ENOMEM);
    assert_int_equal(heard.memory_count, 1);
    heard.refuse_memory = TM_OK;
    tm__ledger_free(ledger);
}

/* ---- refusals ------------------------------------------------------------------------------------------------ */

TEST(what_cannot_be_taken_is_refused_and_the_rest_applied)
{
    static const double other_bounds[] = {0.5, 3};
    static const tm_family events_as_gauge = GAUGE("events", LAST);
    static const tm_family events_total = COUNTER("events_total");
    static const tm_family bad_name = COUNTER("1");
    tm_family other_buckets = duration;
    other_buckets.buckets = other_bounds;
    tm_family other_unit = duration;
    other_unit.unit = "minutes";
    tm_family new_family = COUNTER("new");
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), sum_of(1, 1)));
    const tm_change bad_part = {&new_family, "", 0, 1, {.u = 1}, {.u = 1}};
    assert_answer(apply_batch(ledger, "a", 1, 2, 0,
                              CHANGES(count_of(&events_as_gauge, "", 1, 1), count_of(&events_total, "", 1, 1),
                                      count_of(&other_buckets, "", 1, 1), count_of(&other_unit, "", 1, 1),
                                      count_of(&bad_name, "", 1, 1), count_of(&new_family, "b=\"1\",a=\"1\"", 1, 1),
                                      bad_part, count_of(&events, "", 6, 1))),
                  APPLIED);
    const int expected[] = {TM_ECONFLICT, TM_ECONFLICT, TM_ECONFLICT, TM_ECONFLICT, TM_ENAME, TM_ELABEL, TM_EINVAL};
    assert_int_equal(heard.refused_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(heard.refused_index[i], i);
        assert_status(heard.refused_status[i], expected[i]);
    }
    assert_int_equal(total_of(ledger, "events", ""), 6);
    assert_int_equal(ledger->family_count, 2);
    assert_int_equal(ledger->series_count, 2);
    tm__ledger_free(ledger);
}

TEST(a_total_that_would_overflow_stays)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", UINT64_MAX - 5, UINT64_MAX - 5)));
    apply_batch(ledger, "b", 0, 1, 0, CHANGES(count_of(&events, "", 6, 6), count_of(&others, "", 1, 1)));
    assert_int_equal(heard.refused_count, 1);
    assert_status(heard.refused_status[0], TM_EOVERFLOW);
    assert_true(total_of(ledger, "events", "") == UINT64_MAX - 5);
    assert_int_equal(total_of(ledger, "others", ""), 1);
    assert_answer(apply_batch(ledger, "b", 1, 2, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_int_equal(heard.refused_count, 0);
    assert_true(total_of(ledger, "events", "") == UINT64_MAX);
    tm__ledger_free(ledger);
}

TEST(a_repeated_batch_with_refused_numbers_learns_which_were_taken)
{
    static const tm_family others_as_gauge = GAUGE("others", LAST);
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&others, "", 1, 1)));
    for (int i = 0; i < 2; i++) {
        const tm_change second[] = {count_of(&events, "", 5, 5), gauge_of_value(&others_as_gauge, 1)};
        tm_answer answer = apply_batch(ledger, "a", 1, 2, 0, second, 2);
        assert_int_equal(answer, i == 0 ? TM_ANSWER_APPLIED : TM_ANSWER_RESYNC);
    }
    assert_resynced(2, TM_MEMORY_VALUES);
    assert_int_equal(heard.events.u, 5);
    assert_answer(apply_batch(ledger, "a", 2, 2, 0, NO_CHANGES), DUPLICATE); /* it knows the answer already */
    assert_answer(apply_batch(ledger, "a", 2, 3, 0, CHANGES(count_of(&events, "", 6, 1))), APPLIED);
    assert_answer(apply_batch(ledger, "a", 2, 3, 0, CHANGES(count_of(&events, "", 6, 1))), DUPLICATE);
    assert_int_equal(total_of(ledger, "events", ""), 6);
    tm__ledger_free(ledger);
}

TEST(where_values_have_expired_a_repeated_batch_with_refusals_never_counts_twice)
{
    static const tm_family others_as_gauge = GAUGE("others", LAST);
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&others, "", 1, 1)));
    const tm_change second[] = {count_of(&events, "", 5, 5), gauge_of_value(&others_as_gauge, 1)};
    assert_answer(apply_batch(ledger, "a", 1, 2, 50000, second, 2), APPLIED);
    assert_answer(apply_batch(ledger, "a", 1, 2, 50000, second, 2), DUPLICATE);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    tm__ledger_free(ledger);
}

/* ---- sums and gauges ----------------------------------------------------------------------------------------- */

TEST(sums_that_are_not_finite_are_kept)
{
    tm__ledger *ledger = new_ledger();
    const double values[] = {1.5, INFINITY, -INFINITY, NAN};
    const double totals[] = {1.5, INFINITY, NAN, NAN};
    for (uint64_t i = 0; i < 4; i++) {
        assert_answer(apply_batch(ledger, "a", i, i + 1, 0, CHANGES(sum_of(values[i], values[i]))), APPLIED);
        assert_int_equal(heard.refused_count, 0);
        tm_snapshot *snapshot = read_ledger(ledger, 0, 0);
        assert_double_near(values_in(snapshot, "duration", "")[3].d, totals[i], 0);
        tm_snapshot_free(snapshot);
    }
    tm__ledger_free(ledger);
}

TEST(gauges_are_aggregated_as_their_family_says)
{
    static const tm_family least = GAUGE("least", MIN);
    static const tm_family most = GAUGE("most", MAX);
    tm__ledger *ledger = new_ledger();
    const double values[] = {3, -1, 2};
    const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        apply_batch(ledger, names[i], 0, 1, 0,
                    CHANGES(gauge_of_value(&last, values[i]), gauge_of_value(&sum, values[i]),
                            gauge_of_value(&least, values[i]), gauge_of_value(&most, values[i]),
                            gauge_of_value(&each, values[i])));
    assert_double_near(gauge_in(ledger, 0, "last", ""), 2, 0);
    assert_double_near(gauge_in(ledger, 0, "sum", ""), 4, 0);
    assert_double_near(gauge_in(ledger, 0, "least", ""), -1, 0);
    assert_double_near(gauge_in(ledger, 0, "most", ""), 3, 0);
    assert_double_near(gauge_in(ledger, 0, "each", ""), NAN, 0);
    for (size_t i = 0; i < 3; i++) {
        char label[32];
        snprintf(label, sizeof label, "instance=\"%s\"", names[i]);
        assert_double_near(gauge_in(ledger, 0, "each", label), values[i], 0);
    }
    tm__ledger_free(ledger);
}

TEST(last_is_what_changed_last_whatever_the_clock_says)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 900, CHANGES(gauge_of_value(&last, 1)));
    apply_batch(ledger, "b", 0, 1, 500, CHANGES(gauge_of_value(&last, 2))); /* the clock went back */
    assert_double_near(gauge_in(ledger, 500, "last", ""), 2, 0);
    apply_batch(ledger, "a", 1, 2, 600, CHANGES(gauge_of_value(&last, 1))); /* said again, but not changed */
    assert_double_near(gauge_in(ledger, 600, "last", ""), 2, 0);
    apply_batch(ledger, "a", 2, 3, 600, CHANGES(gauge_of_value(&last, 3)));
    assert_double_near(gauge_in(ledger, 600, "last", ""), 3, 0);
    tm__ledger_free(ledger);
}

TEST(a_silent_instance_no_longer_speaks_and_is_heard_again_when_it_returns)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(gauge_of_value(&sum, 1), count_of(&events, "", 5, 5)));
    apply_batch(ledger, "b", 0, 1, 900, CHANGES(gauge_of_value(&sum, 10)));
    assert_double_near(gauge_in(ledger, 1000, "sum", ""), 11, 0);
    assert_double_near(gauge_in(ledger, 1001, "sum", ""), 10, 0);
    assert_double_near(gauge_in(ledger, 1901, "sum", ""), NAN, 0);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    apply_batch(ledger, "a", 1, 2, 2000, NO_CHANGES);
    assert_double_near(gauge_in(ledger, 2100, "sum", ""), 1, 0);
    tm__ledger_free(ledger);
}

TEST(asking_keeps_an_instance_alive_and_is_seldom_worth_writing)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(gauge_of_value(&sum, 1)));
    int written = 0;
    for (int64_t now_ms = 10; now_ms <= 5000; now_ms += 10) {
        ledger->changed = false;
        assert_answer(apply_batch(ledger, "a", 1, 1, now_ms, NO_CHANGES), DUPLICATE);
        written += ledger->changed;
        assert_double_near(gauge_in(ledger, now_ms, "sum", ""), 1, 0);
    }
    assert_in_range(written, 5, 5000 / 125);
    tm__ledger_free(ledger);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

TEST(an_empty_ledger_reads_as_nothing)
{
    tm__ledger *ledger = new_ledger();
    tm_snapshot *snapshot = read_ledger(ledger, 0, 1);
    assert_int_equal(tm_snapshot_family_count(snapshot), 0);
    tm_snapshot_free(snapshot);
    tm__ledger_free(ledger);
}

TEST(instances_are_told_apart_by_a_label)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0,
                CHANGES(count_of(&events, "instance=\"mine\",x=\"y\"", 5, 5), gauge_of_value(&sum, 2)));
    apply_batch(ledger, "b", 0, 1, 0,
                CHANGES(count_of(&events, "instance=\"mine\",x=\"y\"", 7, 7), gauge_of_value(&each, 3)));
    tm_snapshot *snapshot = read_ledger(ledger, 500, 1);
    assert_int_equal(values_in(snapshot, "events", "instance=\"mine\",x=\"y\"")[0].u, 12);
    assert_int_equal(values_in(snapshot, "events", "exported_instance=\"mine\",instance=\"a\",x=\"y\"")[0].u, 5);
    assert_int_equal(values_in(snapshot, "events", "exported_instance=\"mine\",instance=\"b\",x=\"y\"")[0].u, 7);
    assert_double_near(values_in(snapshot, "sum", "instance=\"a\"")[0].d, 2, 0);
    assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, "each")), 1);
    tm_snapshot_free(snapshot);
    snapshot = read_ledger(ledger, 500, 0);
    assert_int_equal(tm_snapshot_series_count(snapshot, family_place(snapshot, "events")), 1);
    tm_snapshot_free(snapshot);
    tm__ledger_free(ledger);
}

TEST(the_longest_labels_are_broken_down_by_instance)
{
    static char value[TM_VALUE_MAX + 1];
    memset(value, 'x', sizeof value - 1);
    value[TM_VALUE_MAX - 30] = '\0';
    static tm__labels_text labels;
    assert_ok(tm__labels_write(TM_LABELS("a", value, "b", value), &labels));
    tm__ledger *ledger = new_ledger();
    const tm_change change = {&events, labels.text, labels.len, 0, {.u = 1}, {.u = 1}};
    apply_batch(ledger, "a-rather-long-name-of-an-instance-which-needs-the-room-that-is-kept-for-it", 0, 1, 0, &change,
                1);
    tm_snapshot *snapshot = read_ledger(ledger, 0, 1);
    assert_int_equal(tm_snapshot_series_count(snapshot, 0), 2);
    tm_snapshot_free(snapshot);
    tm__ledger_free(ledger);
}

TEST(several_ledgers_unite_by_name_and_what_disagrees_is_left_out)
{
    static const tm_family others_as_gauge = GAUGE("others", SUM);
    static const tm_family prints_like_sum = GAUGE("su:m", SUM);
    static const tm_family dotted = GAUGE("a.b", SUM);
    static const tm_family underscored = GAUGE("a_b", SUM);
    tm__ledger *one = new_ledger();
    tm__ledger *two = new_ledger();
    apply_batch(one, "a", 0, 1, 0,
                CHANGES(count_of(&events, "", 1, 1), count_of(&others, "", 1, 1), gauge_of_value(&dotted, 1)));
    apply_batch(two, "a", 0, 1, 0,
                CHANGES(gauge_of_value(&others_as_gauge, 5), count_of(&events, "x=\"y\"", 2, 2),
                        gauge_of_value(&underscored, 1), gauge_of_value(&prints_like_sum, 1)));
    tm_snapshot *snapshot = read_ledger(one, 0, 0);
    tm_read_options options = {.size = sizeof options};
    tm_error error = {0};
    assert_ok(tm__ledger_read(two, &options, &ledger_rules, 0, snapshot, &error));
    assert_int_equal(tm_snapshot_family_count(snapshot), 4);
    assert_int_equal(values_in(snapshot, "events", "")[0].u, 1);
    assert_int_equal(values_in(snapshot, "events", "x=\"y\"")[0].u, 2);
    assert_int_equal(tm_snapshot_family(snapshot, family_place(snapshot, "others"))->type, TM_TYPE_COUNTER);
    assert_true(family_place(snapshot, "a_b") == SIZE_MAX);
    assert_non_null(values_in(snapshot, "su:m", ""));
    tm_snapshot_free(snapshot);
    tm__ledger_free(one);
    tm__ledger_free(two);
}

TEST(a_histogram_without_finite_bounds_stays_one)
{
    static const double none[] = {0};
    const tm_family unbounded = {.size = sizeof unbounded,
                                 .name = "unbounded",
                                 .type = TM_TYPE_HISTOGRAM,
                                 .help = "",
                                 .unit = "",
                                 .buckets = none};
    tm__ledger *ledger = new_ledger();
    const tm_change changes[] = {{&unbounded, "", 0, 0, {.u = 3}, {.u = 3}},
                                 {&unbounded, "", 0, 1, {.d = 1.5}, {.d = 1.5}}};
    assert_answer(apply_batch(ledger, "a", 0, 1, 0, changes, 2), APPLIED);
    assert_int_equal(heard.refused_count, 0);
    assert_answer(apply_batch(ledger, "a", 1, 2, 0, NO_CHANGES), APPLIED);
    tm__buffer bytes = encode_ledger(ledger);
    tm__ledger *again = decode_ledger(&bytes);
    tm_snapshot *snapshot = read_ledger(again, 0, 0);
    assert_int_equal(tm_snapshot_family(snapshot, 0)->bucket_count, 0);
    assert_int_equal(values_in(snapshot, "unbounded", "")[0].u, 3);
    assert_double_near(values_in(snapshot, "unbounded", "")[1].d, 1.5, 0);
    tm_snapshot_free(snapshot);
    tm__ledger_free(again);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(a_help_that_comes_later_completes_the_family)
{
    tm_family described = events;
    described.help = "What happened";
    tm_family described_again = events;
    described_again.help = "Something else";
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 1, 1)));
    apply_batch(ledger, "b", 0, 1, 0, CHANGES(count_of(&described, "", 1, 1)));
    apply_batch(ledger, "c", 0, 1, 0, CHANGES(count_of(&described_again, "", 1, 1)));
    assert_int_equal(heard.refused_count, 0);
    tm_snapshot *snapshot = read_ledger(ledger, 0, 0);
    assert_string_equal(tm_snapshot_family(snapshot, 0)->help, "What happened");
    tm_snapshot_free(snapshot);
    tm__ledger_free(ledger);
}

TEST_MAIN("ledger", T(a_repeated_batch_counts_once), T(batches_of_several_instances_add_up),
          T(a_wrong_prev_is_answered_with_the_last_seq_and_all_values), T(an_unknown_past_is_answered_with_nothing),
          T(a_question_without_changes_is_answered_and_takes_no_number), T(every_answer_names_the_ledger),
          T(bad_batches_are_named_errors), T(a_caller_without_memory_for_what_is_remembered_gets_its_status),
          T(what_cannot_be_taken_is_refused_and_the_rest_applied), T(a_total_that_would_overflow_stays),
          T(a_repeated_batch_with_refused_numbers_learns_which_were_taken),
          T(where_values_have_expired_a_repeated_batch_with_refusals_never_counts_twice),
          T(sums_that_are_not_finite_are_kept), T(gauges_are_aggregated_as_their_family_says),
          T(last_is_what_changed_last_whatever_the_clock_says),
          T(a_silent_instance_no_longer_speaks_and_is_heard_again_when_it_returns),
          T(asking_keeps_an_instance_alive_and_is_seldom_worth_writing), T(an_empty_ledger_reads_as_nothing),
          T(instances_are_told_apart_by_a_label), T(the_longest_labels_are_broken_down_by_instance),
          T(several_ledgers_unite_by_name_and_what_disagrees_is_left_out),
          T(a_histogram_without_finite_bounds_stays_one), T(a_help_that_comes_later_completes_the_family))
