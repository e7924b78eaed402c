/* The ledger: what it forgets of silent instances, and how instances and clocks that are set back heal. */
#include <math.h>

#include "ledgers.h"
#include "registries.h"
#include "test.h"

/* ---- forgetting ---------------------------------------------------------------------------------------------- */

TEST(values_expire_with_silence_and_are_never_gathered_again)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    apply_batch(ledger, "a", 9, 10, 10000, NO_CHANGES);
    assert_resynced(1, TM_MEMORY_VALUES);
    apply_batch(ledger, "a", 9, 10, 10001, NO_CHANGES);
    assert_resynced(1, TM_MEMORY_EXPIRED);
    assert_answer(
        apply_batch(ledger, "a", 1, 11, 10001, CHANGES(count_of(&events, "", 7, 2), count_of(&others, "", 1, 1))),
        APPLIED);
    apply_batch(ledger, "a", 1, 12, 10001, NO_CHANGES);
    assert_resynced(11, TM_MEMORY_EXPIRED);
    tm__buffer bytes = encode_ledger(ledger);
    tm__ledger *again = decode_ledger(&bytes);
    apply_batch(again, "a", 1, 12, 10001, NO_CHANGES);
    assert_resynced(11, TM_MEMORY_EXPIRED);
    assert_int_equal(total_of(again, "events", ""), 7);
    tm__ledger_free(again);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(the_values_of_others_expire_too)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    for (uint64_t i = 0; i < 4; i++)
        apply_batch(ledger, "b", i, i + 1, 20000, CHANGES(count_of(&events, "", 2 * i + 2, 2)));
    tm_snapshot *snapshot = read_ledger(ledger, 20000, 1);
    assert_null(values_in(snapshot, "events", "instance=\"a\""));
    assert_int_equal(values_in(snapshot, "events", "instance=\"b\"")[0].u, 8);
    tm_snapshot_free(snapshot);
    assert_true(tm__ledger_find_instance(ledger, "a")->values_expired);
    tm__ledger_free(ledger);
}

TEST(a_retired_instance_leaves_its_counts_and_never_counts_twice)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), gauge_of_value(&sum, 1)));
    tm_reply known = heard.reply;
    for (uint64_t i = 0; i < 3; i++)
        apply_batch(ledger, "b", i, i + 1, 100001, CHANGES(count_of(&others, "", i + 1, 1)));
    assert_null(tm__ledger_find_instance(ledger, "a"));
    assert_int_equal(total_of(ledger, "events", ""), 5);

    apply_known(ledger, "a", 1, 2, 100002, &known, CHANGES(count_of(&events, "", 6, 1)));
    assert_resynced(0, TM_MEMORY_EXPIRED);
    assert_answer(apply_known(ledger, "a", 0, 3, 200000, &known, CHANGES(count_of(&others, "", 1, 1))), APPLIED);
    apply_batch(ledger, "a", 7, 8, 200000, NO_CHANGES);
    assert_resynced(3, TM_MEMORY_EXPIRED); /* of the events it could not tell, and the others are not all */
    assert_answer(apply_batch(ledger, "a", 3, 9, 200000, CHANGES(count_of(&events, "", 6, 1))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 6);
    tm__ledger_free(ledger);
}

TEST(an_instance_that_comes_back_itself_has_been_retired_by_its_silence)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    tm_reply known = heard.reply;
    for (uint64_t i = 0; i < 9; i++)
        apply_batch(ledger, "b", i, i + 1, 0, NO_CHANGES);
    apply_known(ledger, "a", 1, 2, 100001, &known, CHANGES(count_of(&events, "", 6, 1)));
    assert_resynced(0, TM_MEMORY_EXPIRED);
    tm__ledger_free(ledger);
}

TEST(a_ledger_set_back_to_before_an_instance_was_born_is_told_from_one_that_retired_it)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "old", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    for (uint64_t i = 0; i < 3; i++)
        apply_batch(ledger, "b", i, i + 1, 100001, NO_CHANGES);
    tm__buffer backup = encode_ledger(ledger);
    apply_batch(ledger, "young", 0, 1, 100005, CHANGES(count_of(&events, "", 7, 7)));
    tm_reply known = heard.reply;
    tm__ledger_free(ledger);

    ledger = decode_ledger(&backup);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    apply_known(ledger, "young", 1, 2, 100010, &known, CHANGES(count_of(&events, "", 8, 1)));
    assert_resynced(0, TM_MEMORY_NOTHING);
    known = heard.reply;
    assert_answer(apply_known(ledger, "young", 0, 3, 100010, &known, CHANGES(count_of(&events, "", 8, 8))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 13);
    apply_batch(ledger, "young", 9, 10, 100010, NO_CHANGES);
    assert_resynced(3, TM_MEMORY_VALUES);
    tm__ledger_free(ledger);
    tm__buffer_free(&backup);
}

TEST(a_ledger_set_back_to_an_older_state_heals_exactly)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    tm__buffer backup = encode_ledger(ledger);
    apply_batch(ledger, "a", 1, 2, 0, CHANGES(count_of(&events, "", 9, 4), count_of(&others, "", 1, 1)));
    tm__ledger_free(ledger);

    ledger = decode_ledger(&backup);
    apply_batch(ledger, "a", 2, 3, 0, CHANGES(count_of(&events, "", 10, 1)));
    assert_resynced(1, TM_MEMORY_VALUES);
    assert_int_equal(heard.events.u, 5);
    assert_int_equal(heard.memory_count, 1);
    assert_answer(apply_batch(ledger, "a", 1, 4, 0, CHANGES(count_of(&events, "", 10, 5), count_of(&others, "", 1, 1))),
                  APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 10);
    assert_int_equal(total_of(ledger, "others", ""), 1);
    tm__ledger_free(ledger);
    tm__buffer_free(&backup);
}

TEST(a_baseline_that_differs_from_the_memory_makes_the_memory_expire)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), count_of(&others, "", 2, 2)));
    assert_answer(
        apply_batch(ledger, "a", 1, 2, 0, CHANGES(count_of(&others, "", 3, 1), count_of(&events, "", 20, 10))),
        APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 15);
    assert_int_equal(total_of(ledger, "others", ""), 3);
    apply_batch(ledger, "a", 7, 8, 0, NO_CHANGES);
    assert_resynced(2, TM_MEMORY_EXPIRED);
    tm__ledger_free(ledger);
}

TEST(a_clock_that_was_ahead_for_a_while_makes_nobody_immortal)
{
    const int64_t far = INT64_C(1) << 50;
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "dead", 0, 1, far, CHANGES(gauge_of_value(&sum, 1), count_of(&events, "", 5, 5)));
    tm_reply known = heard.reply;
    for (uint64_t i = 0; i < 3; i++)
        apply_batch(ledger, "alive", i, i + 1, 1000, CHANGES(gauge_of_value(&sum, (double)i)));
    assert_double_near(gauge_in(ledger, 1000, "sum", ""), 3, 0);
    assert_double_near(gauge_in(ledger, 2001, "sum", ""), NAN, 0);
    for (uint64_t i = 3; i < 6; i++)
        apply_batch(ledger, "alive", i, i + 1, 200000, NO_CHANGES);
    apply_known(ledger, "dead", 1, 2, 200000, &known, CHANGES(count_of(&events, "", 6, 1)));
    assert_resynced(0, TM_MEMORY_EXPIRED);
    tm__ledger_free(ledger);
}

TEST(extreme_clocks_do_no_harm)
{
    const int64_t clocks[] = {INT64_MIN, INT64_MAX, 0, -1, INT64_MAX, INT64_MIN, INT64_MAX};
    tm__ledger *ledger = new_ledger();
    uint64_t counted = 0;
    for (uint64_t i = 0; i < 7; i++) {
        char name[8];
        snprintf(name, sizeof name, "i%d", (int)i);
        assert_answer(apply_batch(ledger, name, 0, 1, clocks[i], CHANGES(count_of(&events, "", i + 1, i + 1))),
                      APPLIED);
        counted += i + 1;
        tm__buffer bytes = encode_ledger(ledger);
        tm__ledger *again = decode_ledger(&bytes);
        tm__ledger_free(ledger);
        tm__buffer_free(&bytes);
        ledger = again;
        assert_int_equal(total_of(ledger, "events", ""), counted);
    }
    tm__ledger_free(ledger);
}

TEST(gauges_that_nobody_has_any_more_are_dropped_with_their_families)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0,
                CHANGES(count_of(&events, "", 1, 1), gauge_of_value(&last, 1), gauge_of_value(&sum, 1),
                        count_of(&others, "", 1, 1)));
    for (uint64_t i = 0; i < 4; i++)
        apply_batch(ledger, "b", i, i + 1, 100001, CHANGES(gauge_of_value(&sum, (double)i)));
    assert_int_equal(ledger->family_count, 3);
    assert_int_equal(ledger->series_count, 3);
    tm__buffer bytes = encode_ledger(ledger);
    tm__ledger *again = decode_ledger(&bytes);
    assert_double_near(gauge_in(again, 100001, "sum", ""), 3, 0);
    static const tm_family last_as_counter = COUNTER("last");
    apply_batch(again, "b", 4, 5, 100001, CHANGES(count_of(&last_as_counter, "", 4, 4)));
    assert_int_equal(heard.refused_count, 0);
    assert_int_equal(total_of(again, "last", ""), 4);
    tm__ledger_free(again);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(many_instances_come_and_go_and_the_ledger_stays_small)
{
    enum { INSTANCES = 30000 };
    tm__ledger *ledger = new_ledger();
    for (int i = 0; i < INSTANCES; i++) {
        char name[16];
        snprintf(name, sizeof name, "i%d", i);
        assert_answer(
            apply_batch(ledger, name, 0, 1, i * 1000, CHANGES(count_of(&events, "", 1, 1), gauge_of_value(&each, 1))),
            APPLIED);
    }
    assert_int_equal(total_of(ledger, "events", ""), INSTANCES);
    assert_in_range(ledger->instance_count, 100, 250);
    assert_in_range(ledger->by_instance.bytes, 1, 64 * 1024);
    tm__ledger_free(ledger);
}

TEST_MAIN("ledger_forgetting", T(values_expire_with_silence_and_are_never_gathered_again),
          T(the_values_of_others_expire_too), T(a_retired_instance_leaves_its_counts_and_never_counts_twice),
          T(an_instance_that_comes_back_itself_has_been_retired_by_its_silence),
          T(a_ledger_set_back_to_before_an_instance_was_born_is_told_from_one_that_retired_it),
          T(a_ledger_set_back_to_an_older_state_heals_exactly),
          T(a_baseline_that_differs_from_the_memory_makes_the_memory_expire),
          T(a_clock_that_was_ahead_for_a_while_makes_nobody_immortal), T(extreme_clocks_do_no_harm),
          T(gauges_that_nobody_has_any_more_are_dropped_with_their_families),
          T(many_instances_come_and_go_and_the_ledger_stays_small))
