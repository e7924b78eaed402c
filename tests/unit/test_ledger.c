/* The ledger: every answer, every rule of forgetting, every byte of the encoding, every allocation. */
#include <math.h>

#include "base/hash.h"
#include "base/labels.h"
#include "faults.h"
#include "registries.h"
#include "store/ledger_format.h"
#include "store/ledger_state.h"
#include "test.h"

#define COUNTER(name_)                                                                            \
    {                                                                                             \
        .size = sizeof(tm_family), .name = name_, .type = TM_TYPE_COUNTER, .help = "", .unit = "" \
    }
#define GAUGE(name_, how)                                                                        \
    {                                                                                            \
        .size = sizeof(tm_family), .name = name_, .type = TM_TYPE_GAUGE, .help = "", .unit = "", \
        .aggregation = TM_AGGREGATE_##how                                                        \
    }

static const double bounds[] = {0.5, 2};
static const tm_family events = COUNTER("events");
static const tm_family others = COUNTER("others");
static const tm_family last = GAUGE("last", LAST);
static const tm_family sum = GAUGE("sum", SUM);
static const tm_family each = GAUGE("each", EACH);
static const tm_family duration = {.size = sizeof(tm_family),
                                   .name = "duration",
                                   .type = TM_TYPE_HISTOGRAM,
                                   .help = "How long",
                                   .unit = "seconds",
                                   .buckets = bounds,
                                   .bucket_count = 2};

static const tm__ledger_rules rules = {.liveness_ms = 1000, .values_ttl_ms = 10000, .retention_ms = 100000};

/* ---- sending ------------------------------------------------------------------------------------------------- */

/* What the ledger said while it answered the last batch. */
static struct {
    tm_reply reply;
    tm_error error;
    size_t refused_count;
    size_t refused_index[8];
    int refused_status[8];
    size_t memory_count;
    tm_number events; /* remembered of events{} */
    int refuse_memory;
} heard;

static int hear_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    (void)ctx, (void)labels, (void)part;
    heard.memory_count++;
    if (strcmp(family, "events") == 0 && labels_bytes == 0)
        heard.events = value;
    return heard.refuse_memory;
}

static void hear_refusal(void *ctx, size_t index, int status)
{
    (void)ctx;
    if (heard.refused_count < 8) {
        heard.refused_index[heard.refused_count] = index;
        heard.refused_status[heard.refused_count] = status;
    }
    heard.refused_count++;
}

static tm_change count_of(const tm_family *family, const char *labels, uint64_t value, uint64_t delta)
{
    return (tm_change){family, labels, strlen(labels), 0, {.u = value}, {.u = delta}};
}

static tm_change gauge_of_value(const tm_family *family, double value)
{
    return (tm_change){family, "", 0, 0, {.d = value}, {.d = value}};
}

static tm_change sum_of(double value, double delta)
{
    return (tm_change){&duration, "", 0, 3, {.d = value}, {.d = delta}};
}

#define CHANGES(...) ((const tm_change[]){__VA_ARGS__}), sizeof((const tm_change[]){__VA_ARGS__}) / sizeof(tm_change)
#define NO_CHANGES NULL, 0

static int send_batch(tm__ledger *ledger, const tm_batch *batch, int64_t now_ms)
{
    int refuse_memory = heard.refuse_memory;
    memset(&heard, 0, sizeof heard);
    heard.refuse_memory = refuse_memory;
    heard.reply.remembered = hear_memory;
    heard.reply.refused = hear_refusal;
    return tm__ledger_apply(ledger, batch, &rules, now_ms, &heard.reply, &heard.error);
}

static tm_answer apply(tm__ledger *ledger, const char *instance, uint64_t prev, uint64_t seq, int64_t now_ms,
                       const tm_change *changes, size_t change_count)
{
    tm_batch batch = {.instance = instance, .prev = prev, .seq = seq, .changes = changes, .change_count = change_count};
    assert_ok(send_batch(ledger, &batch, now_ms));
    return heard.reply.answer;
}

/* The same by an instance that the ledger acknowledged before, as `known` says. */
static tm_answer apply_known(tm__ledger *ledger, const char *instance, uint64_t prev, uint64_t seq, int64_t now_ms,
                             const tm_reply *known, const tm_change *changes, size_t change_count)
{
    tm_batch batch = {.instance = instance,
                      .prev = prev,
                      .seq = seq,
                      .changes = changes,
                      .change_count = change_count,
                      .known_time_ms = known->time_ms};
    memcpy(batch.known_store_id, known->store_id, sizeof batch.known_store_id);
    assert_ok(send_batch(ledger, &batch, now_ms));
    return heard.reply.answer;
}

#define assert_answer(call, expected) assert_int_equal(call, TM_ANSWER_##expected)

static void assert_resynced(uint64_t last_seq, tm_memory memory)
{
    assert_int_equal(heard.reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(heard.reply.last_seq, last_seq);
    assert_int_equal(heard.reply.memory, memory);
    if (memory != TM_MEMORY_VALUES)
        assert_int_equal(heard.memory_count, 0);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static tm__ledger *new_ledger(void)
{
    tm__ledger *ledger;
    assert_ok(tm__ledger_new(&ledger));
    return ledger;
}

static tm_snapshot *read_ledger(const tm__ledger *ledger, int64_t now_ms, int include_instances)
{
    tm_read_options options = {.size = sizeof options, .include_instances = include_instances};
    tm_error error = {0};
    tm_snapshot *snapshot;
    assert_ok(tm_snapshot_new(now_ms, &snapshot));
    assert_ok(tm__ledger_read(ledger, &options, &rules, now_ms, snapshot, &error));
    return snapshot;
}

static uint64_t total_of(const tm__ledger *ledger, const char *family, const char *labels)
{
    tm_snapshot *snapshot = read_ledger(ledger, 0, 0);
    const tm_number *values = values_in(snapshot, family, labels);
    if (!values)
        fail_msg("%s{%s} is not there", family, labels);
    uint64_t total = values[0].u;
    tm_snapshot_free(snapshot);
    return total;
}

/* NaN if nobody speaks. */
static double gauge_in(const tm__ledger *ledger, int64_t now_ms, const char *family, const char *labels)
{
    tm_snapshot *snapshot = read_ledger(ledger, now_ms, 0);
    const tm_number *values = values_in(snapshot, family, labels);
    double value = values ? values[0].d : NAN;
    tm_snapshot_free(snapshot);
    return value;
}

static tm__buffer encode(const tm__ledger *ledger)
{
    tm__buffer bytes = {0};
    assert_ok(tm__ledger_encode(ledger, &bytes));
    return bytes;
}

static tm__ledger *decode(const tm__buffer *bytes)
{
    tm__ledger *ledger;
    tm_error error = {0};
    int status = tm__ledger_decode(bytes->data, bytes->len, &ledger, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    return ledger;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

TEST(a_repeated_batch_counts_once)
{
    tm__ledger *ledger = new_ledger();
    assert_answer(apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_answer(apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), DUPLICATE);
    assert_answer(apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), DUPLICATE);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    tm__ledger_free(ledger);
}

TEST(batches_of_several_instances_add_up)
{
    tm__ledger *ledger = new_ledger();
    assert_answer(apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_answer(apply(ledger, "b", 0, 1, 0, CHANGES(count_of(&events, "", 7, 7))), APPLIED);
    assert_answer(apply(ledger, "a", 1, 9, 0, CHANGES(count_of(&events, "", 6, 1))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 13);
    tm__ledger_free(ledger);
}

TEST(a_wrong_prev_is_answered_with_the_last_seq_and_all_values)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), count_of(&others, "", 1, 1), sum_of(2, 2)));
    apply(ledger, "a", 1, 2, 0, CHANGES(count_of(&events, "", 8, 3)));
    apply(ledger, "b", 0, 1, 0, CHANGES(count_of(&events, "", 100, 100)));
    apply(ledger, "a", 1, 7, 0, CHANGES(count_of(&events, "", 9, 4)));
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
    apply(ledger, "a", 3, 4, 0, CHANGES(count_of(&events, "", 5, 5)));
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
    assert_answer(apply(ledger, "a", 0, 4, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_answer(apply(ledger, "a", 4, 4, 0, NO_CHANGES), DUPLICATE);
    apply(ledger, "a", 3, 3, 0, NO_CHANGES);
    assert_resynced(4, TM_MEMORY_VALUES);
    assert_answer(apply(ledger, "a", 4, 5, 0, NO_CHANGES), APPLIED);
    apply(ledger, "b", 4, 4, 0, NO_CHANGES);
    assert_resynced(0, TM_MEMORY_NOTHING);
    tm__ledger_free(ledger);
}

TEST(every_answer_names_the_ledger)
{
    tm__ledger *one = new_ledger();
    tm__ledger *other = new_ledger();
    unsigned char id[TM_STORE_ID_BYTES];
    apply(one, "a", 0, 1, 77, NO_CHANGES);
    memcpy(id, heard.reply.store_id, sizeof id);
    assert_int_equal(heard.reply.time_ms, 77);
    apply(one, "a", 5, 6, 78, NO_CHANGES);
    assert_memory_equal(heard.reply.store_id, id, sizeof id);
    apply(other, "a", 0, 1, 77, NO_CHANGES);
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
    assert_answer(apply(ledger, long_name, 0, 1, 0, NO_CHANGES), APPLIED);
    tm__ledger_free(ledger);
}

TEST(a_caller_without_memory_for_what_is_remembered_gets_its_status)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), count_of(&others, "", 5, 5)));
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
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), sum_of(1, 1)));
    const tm_change bad_part = {&new_family, "", 0, 1, {.u = 1}, {.u = 1}};
    assert_answer(apply(ledger, "a", 1, 2, 0,
                        CHANGES(count_of(&events_as_gauge, "", 1, 1), count_of(&events_total, "", 1, 1),
                                count_of(&other_buckets, "", 1, 1), count_of(&other_unit, "", 1, 1),
                                count_of(&bad_name, "", 1, 1), count_of(&new_family, "b=\"1\",a=\"1\"", 1, 1), bad_part,
                                count_of(&events, "", 6, 1))),
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
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", UINT64_MAX - 5, UINT64_MAX - 5)));
    apply(ledger, "b", 0, 1, 0, CHANGES(count_of(&events, "", 6, 6), count_of(&others, "", 1, 1)));
    assert_int_equal(heard.refused_count, 1);
    assert_status(heard.refused_status[0], TM_EOVERFLOW);
    assert_true(total_of(ledger, "events", "") == UINT64_MAX - 5);
    assert_int_equal(total_of(ledger, "others", ""), 1);
    assert_answer(apply(ledger, "b", 1, 2, 0, CHANGES(count_of(&events, "", 5, 5))), APPLIED);
    assert_int_equal(heard.refused_count, 0);
    assert_true(total_of(ledger, "events", "") == UINT64_MAX);
    tm__ledger_free(ledger);
}

TEST(a_repeated_batch_with_refused_numbers_learns_which_were_taken)
{
    static const tm_family others_as_gauge = GAUGE("others", LAST);
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&others, "", 1, 1)));
    for (int i = 0; i < 2; i++) {
        const tm_change second[] = {count_of(&events, "", 5, 5), gauge_of_value(&others_as_gauge, 1)};
        tm_answer answer = apply(ledger, "a", 1, 2, 0, second, 2);
        assert_int_equal(answer, i == 0 ? TM_ANSWER_APPLIED : TM_ANSWER_RESYNC);
    }
    assert_resynced(2, TM_MEMORY_VALUES);
    assert_int_equal(heard.events.u, 5);
    assert_answer(apply(ledger, "a", 2, 2, 0, NO_CHANGES), DUPLICATE); /* it knows the answer already */
    assert_answer(apply(ledger, "a", 2, 3, 0, CHANGES(count_of(&events, "", 6, 1))), APPLIED);
    assert_answer(apply(ledger, "a", 2, 3, 0, CHANGES(count_of(&events, "", 6, 1))), DUPLICATE);
    assert_int_equal(total_of(ledger, "events", ""), 6);
    tm__ledger_free(ledger);
}

TEST(where_values_have_expired_a_repeated_batch_with_refusals_never_counts_twice)
{
    static const tm_family others_as_gauge = GAUGE("others", LAST);
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&others, "", 1, 1)));
    const tm_change second[] = {count_of(&events, "", 5, 5), gauge_of_value(&others_as_gauge, 1)};
    assert_answer(apply(ledger, "a", 1, 2, 50000, second, 2), APPLIED);
    assert_answer(apply(ledger, "a", 1, 2, 50000, second, 2), DUPLICATE);
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
        assert_answer(apply(ledger, "a", i, i + 1, 0, CHANGES(sum_of(values[i], values[i]))), APPLIED);
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
        apply(ledger, names[i], 0, 1, 0,
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
    apply(ledger, "a", 0, 1, 900, CHANGES(gauge_of_value(&last, 1)));
    apply(ledger, "b", 0, 1, 500, CHANGES(gauge_of_value(&last, 2))); /* the clock went back */
    assert_double_near(gauge_in(ledger, 500, "last", ""), 2, 0);
    apply(ledger, "a", 1, 2, 600, CHANGES(gauge_of_value(&last, 1))); /* said again, but not changed */
    assert_double_near(gauge_in(ledger, 600, "last", ""), 2, 0);
    apply(ledger, "a", 2, 3, 600, CHANGES(gauge_of_value(&last, 3)));
    assert_double_near(gauge_in(ledger, 600, "last", ""), 3, 0);
    tm__ledger_free(ledger);
}

TEST(a_silent_instance_no_longer_speaks_and_is_heard_again_when_it_returns)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(gauge_of_value(&sum, 1), count_of(&events, "", 5, 5)));
    apply(ledger, "b", 0, 1, 900, CHANGES(gauge_of_value(&sum, 10)));
    assert_double_near(gauge_in(ledger, 1000, "sum", ""), 11, 0);
    assert_double_near(gauge_in(ledger, 1001, "sum", ""), 10, 0);
    assert_double_near(gauge_in(ledger, 1901, "sum", ""), NAN, 0);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    apply(ledger, "a", 1, 2, 2000, NO_CHANGES);
    assert_double_near(gauge_in(ledger, 2100, "sum", ""), 1, 0);
    tm__ledger_free(ledger);
}

TEST(asking_keeps_an_instance_alive_and_is_seldom_worth_writing)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(gauge_of_value(&sum, 1)));
    int written = 0;
    for (int64_t now_ms = 10; now_ms <= 5000; now_ms += 10) {
        ledger->changed = false;
        assert_answer(apply(ledger, "a", 1, 1, now_ms, NO_CHANGES), DUPLICATE);
        written += ledger->changed;
        assert_double_near(gauge_in(ledger, now_ms, "sum", ""), 1, 0);
    }
    assert_in_range(written, 5, 5000 / 125);
    tm__ledger_free(ledger);
}

/* ---- forgetting ---------------------------------------------------------------------------------------------- */

TEST(values_expire_with_silence_and_are_never_gathered_again)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    apply(ledger, "a", 9, 10, 10000, NO_CHANGES);
    assert_resynced(1, TM_MEMORY_VALUES);
    apply(ledger, "a", 9, 10, 10001, NO_CHANGES);
    assert_resynced(1, TM_MEMORY_EXPIRED);
    assert_answer(apply(ledger, "a", 1, 11, 10001, CHANGES(count_of(&events, "", 7, 2), count_of(&others, "", 1, 1))),
                  APPLIED);
    apply(ledger, "a", 1, 12, 10001, NO_CHANGES);
    assert_resynced(11, TM_MEMORY_EXPIRED);
    tm__buffer bytes = encode(ledger);
    tm__ledger *again = decode(&bytes);
    apply(again, "a", 1, 12, 10001, NO_CHANGES);
    assert_resynced(11, TM_MEMORY_EXPIRED);
    assert_int_equal(total_of(again, "events", ""), 7);
    tm__ledger_free(again);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(the_values_of_others_expire_too)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    for (uint64_t i = 0; i < 4; i++)
        apply(ledger, "b", i, i + 1, 20000, CHANGES(count_of(&events, "", 2 * i + 2, 2)));
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
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), gauge_of_value(&sum, 1)));
    tm_reply known = heard.reply;
    for (uint64_t i = 0; i < 3; i++)
        apply(ledger, "b", i, i + 1, 100001, CHANGES(count_of(&others, "", i + 1, 1)));
    assert_null(tm__ledger_find_instance(ledger, "a"));
    assert_int_equal(total_of(ledger, "events", ""), 5);

    apply_known(ledger, "a", 1, 2, 100002, &known, CHANGES(count_of(&events, "", 6, 1)));
    assert_resynced(0, TM_MEMORY_EXPIRED);
    known = heard.reply; /* whether or not it takes this for an acknowledgement */
    assert_answer(apply_known(ledger, "a", 0, 3, 200000, &known, CHANGES(count_of(&others, "", 1, 1))), APPLIED);
    apply(ledger, "a", 7, 8, 200000, NO_CHANGES);
    assert_resynced(3, TM_MEMORY_EXPIRED); /* of the events it could not tell, and the others are not all */
    assert_answer(apply(ledger, "a", 3, 9, 200000, CHANGES(count_of(&events, "", 6, 1))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 6);
    tm__ledger_free(ledger);
}

TEST(an_instance_that_comes_back_itself_has_been_retired_by_its_silence)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    tm_reply known = heard.reply;
    for (uint64_t i = 0; i < 9; i++)
        apply(ledger, "b", i, i + 1, 0, NO_CHANGES);
    apply_known(ledger, "a", 1, 2, 100001, &known, CHANGES(count_of(&events, "", 6, 1)));
    assert_resynced(0, TM_MEMORY_EXPIRED);
    tm__ledger_free(ledger);
}

TEST(a_ledger_set_back_to_before_an_instance_was_born_is_told_from_one_that_retired_it)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "old", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    for (uint64_t i = 0; i < 3; i++)
        apply(ledger, "b", i, i + 1, 100001, NO_CHANGES);
    tm__buffer backup = encode(ledger);
    apply(ledger, "young", 0, 1, 100005, CHANGES(count_of(&events, "", 7, 7)));
    tm_reply known = heard.reply;
    tm__ledger_free(ledger);

    ledger = decode(&backup);
    assert_int_equal(total_of(ledger, "events", ""), 5);
    apply_known(ledger, "young", 1, 2, 100010, &known, CHANGES(count_of(&events, "", 8, 1)));
    assert_resynced(0, TM_MEMORY_NOTHING);
    known = heard.reply;
    assert_answer(apply_known(ledger, "young", 0, 3, 100010, &known, CHANGES(count_of(&events, "", 8, 8))), APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 13);
    apply(ledger, "young", 9, 10, 100010, NO_CHANGES);
    assert_resynced(3, TM_MEMORY_VALUES);
    tm__ledger_free(ledger);
    tm__buffer_free(&backup);
}

TEST(a_ledger_set_back_to_an_older_state_heals_exactly)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5)));
    tm__buffer backup = encode(ledger);
    apply(ledger, "a", 1, 2, 0, CHANGES(count_of(&events, "", 9, 4), count_of(&others, "", 1, 1)));
    tm__ledger_free(ledger);

    ledger = decode(&backup);
    apply(ledger, "a", 2, 3, 0, CHANGES(count_of(&events, "", 10, 1)));
    assert_resynced(1, TM_MEMORY_VALUES);
    assert_int_equal(heard.events.u, 5);
    assert_int_equal(heard.memory_count, 1);
    assert_answer(apply(ledger, "a", 1, 4, 0, CHANGES(count_of(&events, "", 10, 5), count_of(&others, "", 1, 1))),
                  APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 10);
    assert_int_equal(total_of(ledger, "others", ""), 1);
    tm__ledger_free(ledger);
    tm__buffer_free(&backup);
}

TEST(a_baseline_that_differs_from_the_memory_makes_the_memory_expire)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 5, 5), count_of(&others, "", 2, 2)));
    assert_answer(apply(ledger, "a", 1, 2, 0, CHANGES(count_of(&others, "", 3, 1), count_of(&events, "", 20, 10))),
                  APPLIED);
    assert_int_equal(total_of(ledger, "events", ""), 15);
    assert_int_equal(total_of(ledger, "others", ""), 3);
    apply(ledger, "a", 7, 8, 0, NO_CHANGES);
    assert_resynced(2, TM_MEMORY_EXPIRED);
    tm__ledger_free(ledger);
}

TEST(a_clock_that_was_ahead_for_a_while_makes_nobody_immortal)
{
    const int64_t far = INT64_C(1) << 50;
    tm__ledger *ledger = new_ledger();
    apply(ledger, "dead", 0, 1, far, CHANGES(gauge_of_value(&sum, 1), count_of(&events, "", 5, 5)));
    tm_reply known = heard.reply;
    for (uint64_t i = 0; i < 3; i++)
        apply(ledger, "alive", i, i + 1, 1000, CHANGES(gauge_of_value(&sum, (double)i)));
    assert_double_near(gauge_in(ledger, 1000, "sum", ""), 3, 0);
    assert_double_near(gauge_in(ledger, 2001, "sum", ""), NAN, 0);
    for (uint64_t i = 3; i < 6; i++)
        apply(ledger, "alive", i, i + 1, 200000, NO_CHANGES);
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
        assert_answer(apply(ledger, name, 0, 1, clocks[i], CHANGES(count_of(&events, "", i + 1, i + 1))), APPLIED);
        counted += i + 1;
        tm__buffer bytes = encode(ledger);
        tm__ledger *again = decode(&bytes);
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
    apply(ledger, "a", 0, 1, 0,
          CHANGES(count_of(&events, "", 1, 1), gauge_of_value(&last, 1), gauge_of_value(&sum, 1),
                  count_of(&others, "", 1, 1)));
    for (uint64_t i = 0; i < 4; i++)
        apply(ledger, "b", i, i + 1, 100001, CHANGES(gauge_of_value(&sum, (double)i)));
    assert_int_equal(ledger->family_count, 3);
    assert_int_equal(ledger->series_count, 3);
    tm__buffer bytes = encode(ledger);
    tm__ledger *again = decode(&bytes);
    assert_double_near(gauge_in(again, 100001, "sum", ""), 3, 0);
    static const tm_family last_as_counter = COUNTER("last");
    apply(again, "b", 4, 5, 100001, CHANGES(count_of(&last_as_counter, "", 4, 4)));
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
            apply(ledger, name, 0, 1, i * 1000, CHANGES(count_of(&events, "", 1, 1), gauge_of_value(&each, 1))),
            APPLIED);
    }
    assert_int_equal(total_of(ledger, "events", ""), INSTANCES);
    assert_in_range(ledger->instance_count, 100, 250);
    assert_in_range(ledger->by_instance.bytes, 1, 64 * 1024);
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
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "instance=\"mine\",x=\"y\"", 5, 5), gauge_of_value(&sum, 2)));
    apply(ledger, "b", 0, 1, 0,
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
    apply(ledger, "a-rather-long-name-of-an-instance-which-needs-the-room-that-is-kept-for-it", 0, 1, 0, &change, 1);
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
    apply(one, "a", 0, 1, 0,
          CHANGES(count_of(&events, "", 1, 1), count_of(&others, "", 1, 1), gauge_of_value(&dotted, 1)));
    apply(two, "a", 0, 1, 0,
          CHANGES(gauge_of_value(&others_as_gauge, 5), count_of(&events, "x=\"y\"", 2, 2),
                  gauge_of_value(&underscored, 1), gauge_of_value(&prints_like_sum, 1)));
    tm_snapshot *snapshot = read_ledger(one, 0, 0);
    tm_read_options options = {.size = sizeof options};
    tm_error error = {0};
    assert_ok(tm__ledger_read(two, &options, &rules, 0, snapshot, &error));
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
    assert_answer(apply(ledger, "a", 0, 1, 0, changes, 2), APPLIED);
    assert_int_equal(heard.refused_count, 0);
    assert_answer(apply(ledger, "a", 1, 2, 0, NO_CHANGES), APPLIED);
    tm__buffer bytes = encode(ledger);
    tm__ledger *again = decode(&bytes);
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
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 1, 1)));
    apply(ledger, "b", 0, 1, 0, CHANGES(count_of(&described, "", 1, 1)));
    apply(ledger, "c", 0, 1, 0, CHANGES(count_of(&described_again, "", 1, 1)));
    assert_int_equal(heard.refused_count, 0);
    tm_snapshot *snapshot = read_ledger(ledger, 0, 0);
    assert_string_equal(tm_snapshot_family(snapshot, 0)->help, "What happened");
    tm_snapshot_free(snapshot);
    tm__ledger_free(ledger);
}

/* ---- the encoding -------------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_below(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

/* A ledger with some of everything, after a random history. */
static tm__ledger *random_ledger(uint64_t seed)
{
    static const tm_family *const families[] = {&events, &others, &duration, &last, &sum, &each};
    static const char *const labels[] = {"", "a=\"b\"", "a=\"c\\\"\\n\\\\\"", "a=\"b\",b=\"\xc3\xa9\"", "z=\"\""};
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    tm__ledger *ledger = new_ledger();
    uint64_t steps = random_below(60);
    int64_t now_ms = 0;
    uint64_t seqs[6] = {0};
    for (uint64_t step = 1; step <= steps; step++) {
        tm_change changes[8];
        size_t count = random_below(8);
        for (size_t i = 0; i < count; i++) {
            const tm_family *family = families[random_below(6)];
            const char *text = labels[random_below(5)];
            uint64_t part = random_below(tm_family_value_count(family));
            uint64_t n = random_below(3) ? random_below(300) : random_below(UINT64_MAX);
            changes[i] = (tm_change){family, text, strlen(text), part, {.u = n}, {.u = n}};
        }
        char name[8];
        uint64_t who = random_below(6);
        snprintf(name, sizeof name, "i-%d", (int)who);
        apply(ledger, name, seqs[who], step, now_ms, changes, count);
        seqs[who] = heard.reply.answer == TM_ANSWER_APPLIED ? step : heard.reply.last_seq;
        now_ms += (int64_t)random_below(6000) - 500;
    }
    return ledger;
}

static void assert_same_bytes(const tm__buffer *a, const tm__buffer *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

TEST(what_is_encoded_is_decoded_the_same)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        tm__ledger *ledger = random_ledger(seed);
        tm__buffer bytes = encode(ledger);
        tm__ledger *again = decode(&bytes);
        tm__buffer bytes_again = encode(again);
        assert_same_bytes(&bytes, &bytes_again);
        assert_int_equal(again->instance_count, ledger->instance_count);
        assert_int_equal(again->series_count, ledger->series_count);
        assert_memory_equal(again->id, ledger->id, sizeof ledger->id);
        tm__buffer_free(&bytes);
        tm__buffer_free(&bytes_again);
        tm__ledger_free(ledger);
        tm__ledger_free(again);
    }
}

TEST(a_decoded_ledger_goes_on_like_the_one_that_was_encoded)
{
    tm__ledger *ledger = random_ledger(7);
    tm__buffer bytes = encode(ledger);
    tm__ledger *again = decode(&bytes);
    tm__buffer_free(&bytes);
    for (uint64_t i = 0; i < 20; i++) {
        apply(ledger, "new", i, i + 1, 0,
              CHANGES(count_of(&events, "", i + 1, 1), count_of(&others, "q=\"q\"", i + 1, 1)));
        apply(again, "new", i, i + 1, 0,
              CHANGES(count_of(&events, "", i + 1, 1), count_of(&others, "q=\"q\"", i + 1, 1)));
    }
    tm__buffer one = encode(ledger);
    tm__buffer other = encode(again);
    assert_same_bytes(&one, &other);
    tm__buffer_free(&one);
    tm__buffer_free(&other);
    tm__ledger_free(ledger);
    tm__ledger_free(again);
}

static int try_decode(const void *bytes, size_t len)
{
    tm__ledger *ledger = NULL;
    tm_error error = {0};
    int status = tm__ledger_decode(bytes, len, &ledger, &error);
    assert_true((status == TM_OK) == (ledger != NULL));
    assert_true(status == error.status && (status == TM_OK || error.text[0] != '\0'));
    tm__ledger_free(ledger);
    return status;
}

TEST(every_flipped_bit_is_found)
{
    tm__ledger *ledger = random_ledger(11);
    tm__buffer bytes = encode(ledger);
    assert_true(bytes.len > 400);
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.data[bit / 8] ^= (char)(1u << (bit % 8));
        assert_status(try_decode(bytes.data, bytes.len), TM_ECORRUPT);
        bytes.data[bit / 8] ^= (char)(1u << (bit % 8));
    }
    assert_ok(try_decode(bytes.data, bytes.len));
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(every_other_length_is_found)
{
    tm__ledger *ledger = random_ledger(11);
    tm__buffer bytes = encode(ledger);
    for (size_t len = 0; len < bytes.len; len++) {
        void *cut = malloc(len ? len : 1); /* of its own, so that reading on is noticed */
        memcpy(cut, bytes.data, len);
        assert_status(try_decode(cut, len), TM_ECORRUPT);
        free(cut);
    }
    tm__buffer_append(&bytes, "x", 1);
    assert_status(try_decode(bytes.data, bytes.len), TM_ECORRUPT);
    assert_status(try_decode(NULL, 0), TM_ECORRUPT);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

/* Length and checksum as encode writes them, so that what lies between is looked at. */
static void seal(tm__buffer *bytes)
{
    uint64_t len = bytes->len;
    for (size_t i = 0; i < 8; i++)
        bytes->data[12 + i] = (char)(len >> (8 * i));
    uint64_t checksum = tm__hash(bytes->data, bytes->len - TM__LEDGER_CHECKSUM_BYTES, 0);
    for (size_t i = 0; i < 8; i++)
        bytes->data[bytes->len - TM__LEDGER_CHECKSUM_BYTES + i] = (char)(checksum >> (8 * i));
}

static void assert_all_labels_canonical(const tm__ledger *ledger)
{
    tm_snapshot *snapshot = read_ledger(ledger, 0, 1);
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++)
        for (size_t k = 0; k < tm_snapshot_series_count(snapshot, i); k++) {
            tm_series series = tm_snapshot_series(snapshot, i, k);
            assert_true(tm__labels_ok(series.labels, series.labels_bytes));
        }
    tm_snapshot_free(snapshot);
}

TEST(damage_under_a_good_checksum_is_safe_and_what_passes_is_canonical)
{
    size_t accepted = 0;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        tm__ledger *ledger = random_ledger(seed % 50);
        tm__buffer bytes = encode(ledger);
        random_state = seed + 1;
        for (uint64_t i = 0; i <= random_below(3); i++)
            bytes.data[TM__LEDGER_HEADER_BYTES + random_below(bytes.len - TM__LEDGER_HEADER_BYTES)] =
                (char)random_below(256);
        if (random_below(4) == 0)
            bytes.len -= random_below(bytes.len - TM__LEDGER_HEADER_BYTES - TM__LEDGER_CHECKSUM_BYTES);
        seal(&bytes);
        tm__ledger *read = NULL;
        tm_error error = {0};
        int status = tm__ledger_decode(bytes.data, bytes.len, &read, &error);
        assert_true(status == TM_OK || status == TM_ECORRUPT);
        if (status == TM_OK) {
            tm__buffer again = encode(read);
            assert_same_bytes(&bytes, &again);
            tm__buffer_free(&again);
            assert_all_labels_canonical(read);
            accepted++;
        }
        tm__ledger_free(read);
        tm__buffer_free(&bytes);
        tm__ledger_free(ledger);
    }
    assert_in_range(accepted, 100, 19000);
}

/* Takes the ledger. */
static void assert_forged(tm__ledger *ledger)
{
    tm__buffer bytes = encode(ledger);
    assert_status(try_decode(bytes.data, bytes.len), TM_ECORRUPT);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

static tm__ledger *small_ledger(void)
{
    tm__ledger *ledger = new_ledger();
    apply(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 1, 1), gauge_of_value(&sum, 1)));
    return ledger;
}

TEST(what_is_there_twice_is_found)
{
    tm__ledger_family *family;
    tm__ledger_series *series;
    tm__ledger_instance *instance;
    tm__held *held;
    tm__ledger *ledger = small_ledger();
    assert_ok(tm__ledger_add_family(ledger, &events, &family));
    assert_forged(ledger);
    ledger = small_ledger();
    assert_ok(tm__ledger_add_series(ledger, ledger->families, "", 0, &series));
    assert_forged(ledger);
    ledger = small_ledger();
    assert_ok(tm__instance_new("a", 1, &instance));
    instance->last_seq = 1;
    instance->told_ms = 0;
    assert_ok(tm__ledger_put_instance(ledger, instance));
    assert_forged(ledger);
    ledger = small_ledger();
    assert_ok(tm__held_add(&ledger->instances->values, ledger->series, &held));
    assert_forged(ledger);
    ledger = small_ledger();
    assert_ok(tm__held_add(&ledger->instances->gauges, ledger->series->next, &held));
    held->revision = 1;
    assert_forged(ledger);
    ledger = small_ledger();
    assert_ok(tm__held_add(&ledger->instances->values, ledger->series->next, &held)); /* a gauge is no count */
    assert_forged(ledger);
}

TEST(garbage_is_safe)
{
    random_state = 42;
    for (int i = 0; i < 20000; i++) {
        tm__buffer bytes = {0};
        size_t len = TM__LEDGER_HEADER_BYTES + TM__LEDGER_CHECKSUM_BYTES + random_below(200);
        assert_true(tm__buffer_reserve(&bytes, len));
        bytes.len = len;
        for (size_t k = 0; k < len; k++)
            bytes.data[k] = (char)(random_below(2) ? random_below(4) : random_below(256));
        assert_status(try_decode(bytes.data, len), TM_ECORRUPT);
        memcpy(bytes.data, TM__LEDGER_MAGIC "\1\0\0\0", 12);
        seal(&bytes);
        try_decode(bytes.data, len);
        tm__buffer_free(&bytes);
    }
}

TEST(a_later_version_is_told_from_damage)
{
    tm__ledger *ledger = random_ledger(3);
    tm__buffer bytes = encode(ledger);
    bytes.data[8] = TM__LEDGER_VERSION + 1;
    assert_status(try_decode(bytes.data, bytes.len), TM_ECORRUPT);
    seal(&bytes);
    assert_status(try_decode(bytes.data, bytes.len), TM_EUNSUPPORTED);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(a_large_ledger_is_compact)
{
    enum { SERIES = 10000, INSTANCES = 16 };
    static char labels[SERIES][64];
    tm_change *changes = malloc(SERIES * sizeof *changes);
    assert_non_null(changes);
    tm__ledger *ledger = new_ledger();
    for (size_t i = 0; i < SERIES; i++) {
        snprintf(labels[i], sizeof labels[i], "status=\"success\",task_name=\"task-%05zu\"", i);
        changes[i] = count_of(&events, labels[i], 1000 + i, 1000 + i);
    }
    for (int k = 0; k < INSTANCES; k++) {
        char name[64];
        snprintf(name, sizeof name, "host-%d-0123456789abcdef0123456789abcdef", k);
        assert_answer(apply(ledger, name, 0, 1, 0, changes, SERIES), APPLIED);
    }
    tm__buffer bytes = encode(ledger);
    assert_in_range(bytes.len, 500 * 1000, 1100 * 1000);
    tm__ledger *again = decode(&bytes);
    tm__buffer bytes_again = encode(again);
    assert_same_bytes(&bytes, &bytes_again);
    tm__buffer_free(&bytes);
    tm__buffer_free(&bytes_again);
    tm__ledger_free(ledger);
    tm__ledger_free(again);
    free(changes);
}

/* ---- bytes in, bytes out ------------------------------------------------------------------------------------- */

TEST(the_step_on_bytes_writes_only_what_must_be_written)
{
    tm__buffer first = {0};
    tm__buffer second = {0};
    tm_error error = {0};
    const tm_change change = count_of(&events, "", 5, 5);
    tm_batch batch = {.instance = "a", .seq = 1, .changes = &change, .change_count = 1};
    tm_reply reply = {.remembered = hear_memory, .refused = hear_refusal};
    assert_ok(tm__ledger_apply_bytes(NULL, 0, &batch, &rules, 0, &reply, &first, &error));
    assert_int_equal(reply.answer, TM_ANSWER_APPLIED);
    assert_ok(tm__ledger_apply_bytes(first.data, first.len, &batch, &rules, 100, &reply, &second, &error));
    assert_int_equal(reply.answer, TM_ANSWER_DUPLICATE);
    assert_int_equal(second.len, 0);
    batch.prev = 7;
    batch.seq = 8;
    assert_ok(tm__ledger_apply_bytes(first.data, first.len, &batch, &rules, 100, &reply, &second, &error));
    assert_int_equal(reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(second.len, 0);
    batch.prev = 1;
    assert_ok(tm__ledger_apply_bytes(first.data, first.len, &batch, &rules, 100, &reply, &second, &error));
    assert_int_equal(reply.answer, TM_ANSWER_APPLIED);
    tm__ledger *ledger = decode(&second);
    assert_int_equal(total_of(ledger, "events", ""), 10);
    first.data[first.len - 1] ^= 1;
    assert_status(tm__ledger_apply_bytes(first.data, first.len, &batch, &rules, 0, &reply, &second, &error),
                  TM_ECORRUPT);
    tm__ledger_free(ledger);
    tm__buffer_free(&first);
    tm__buffer_free(&second);
}

/* ---- memory that runs out ------------------------------------------------------------------------------------ */

/* A batch that needs one more of everything. */
static int send_one_of_everything(tm__ledger *ledger, const char *instance, uint64_t prev)
{
    static const tm_family fresh = COUNTER("fresh");
    static const tm_family fresh_gauge = GAUGE("fresh_gauge", EACH);
    const tm_change changes[] = {count_of(&fresh, "", 1, 1), gauge_of_value(&fresh_gauge, 1),
                                 count_of(&events, "fresh=\"1\"", 1, 1), count_of(&events, "", 1, 1), sum_of(1, 1)};
    return send_batch(
        ledger, &(tm_batch){.instance = instance, .prev = prev, .seq = 1000, .changes = changes, .change_count = 5}, 0);
}

static void run_out_while_applying(const char *instance)
{
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        faults_pause();
        tm__ledger *ledger = new_ledger();
        apply(ledger, "known", 0, 1, 0, CHANGES(count_of(&others, "", 1, 1), gauge_of_value(&sum, 1)));
        uint64_t prev = strcmp(instance, "known") == 0 ? 1 : 0;
        tm__buffer before = encode(ledger);
        faults_resume();
        int status = send_one_of_everything(ledger, instance, prev);
        faults_off();
        tm__buffer after = encode(ledger);
        if (status != TM_OK) {
            assert_status(status, TM_ENOMEM);
            assert_same_bytes(&before, &after);
            assert_ok(send_one_of_everything(ledger, instance, prev));
        }
        assert_int_equal(heard.reply.answer, TM_ANSWER_APPLIED);
        assert_int_equal(total_of(ledger, "fresh", ""), 1);
        assert_int_equal(total_of(ledger, "events", "fresh=\"1\""), 1);
        tm__buffer_free(&before);
        tm__buffer_free(&after);
        tm__ledger_free(ledger);
    }
}

TEST(a_batch_of_a_new_instance_without_memory_changes_nothing)
{
    run_out_while_applying("new");
}

TEST(a_batch_of_a_known_instance_without_memory_changes_nothing)
{
    run_out_while_applying("known");
}

TEST(memory_that_runs_out_while_decoding_encoding_and_reading_is_an_error_and_no_leak)
{
    tm__ledger *ledger = random_ledger(11);
    tm__buffer bytes = encode(ledger);
    tm_read_options options = {.size = sizeof options, .include_instances = 1};
    size_t refused = 0;
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        tm_error error = {0};
        tm__ledger *read = NULL;
        tm__buffer again = {0};
        tm_snapshot *snapshot = NULL;
        int status = tm__ledger_decode(bytes.data, bytes.len, &read, &error);
        if (status == TM_OK)
            status = tm_snapshot_new(0, &snapshot);
        if (status == TM_OK)
            status = tm__ledger_read(read, &options, &rules, 0, snapshot, &error);
        if (status == TM_OK)
            status = tm__ledger_encode(read, &again);
        faults_off();
        /* A table that fails to grow early goes on with what it has. */
        if (status == TM_OK)
            assert_same_bytes(&bytes, &again);
        else
            assert_status(status, TM_ENOMEM);
        refused += status == TM_ENOMEM;
        tm_snapshot_free(snapshot);
        tm__buffer_free(&again);
        tm__ledger_free(read);
    }
    assert_true(refused > 50);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

TEST(memory_that_runs_out_in_the_step_on_bytes_is_an_error_and_no_leak)
{
    const tm_change change = count_of(&events, "", 5, 5);
    tm_batch batch = {.instance = "a", .seq = 1, .changes = &change, .change_count = 1};
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        tm__buffer out = {0};
        tm_error error = {0};
        tm_reply reply = {.remembered = hear_memory, .refused = hear_refusal};
        int status = tm__ledger_apply_bytes(NULL, 0, &batch, &rules, 0, &reply, &out, &error);
        faults_off();
        assert_status(status, faults_happened() ? TM_ENOMEM : TM_OK);
        assert_int_equal(error.status, status);
        tm__buffer_free(&out);
    }
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
          T(asking_keeps_an_instance_alive_and_is_seldom_worth_writing),
          T(values_expire_with_silence_and_are_never_gathered_again), T(the_values_of_others_expire_too),
          T(a_retired_instance_leaves_its_counts_and_never_counts_twice),
          T(an_instance_that_comes_back_itself_has_been_retired_by_its_silence),
          T(a_ledger_set_back_to_before_an_instance_was_born_is_told_from_one_that_retired_it),
          T(a_ledger_set_back_to_an_older_state_heals_exactly),
          T(a_baseline_that_differs_from_the_memory_makes_the_memory_expire),
          T(a_clock_that_was_ahead_for_a_while_makes_nobody_immortal), T(extreme_clocks_do_no_harm),
          T(gauges_that_nobody_has_any_more_are_dropped_with_their_families),
          T(many_instances_come_and_go_and_the_ledger_stays_small), T(an_empty_ledger_reads_as_nothing),
          T(instances_are_told_apart_by_a_label), T(the_longest_labels_are_broken_down_by_instance),
          T(several_ledgers_unite_by_name_and_what_disagrees_is_left_out),
          T(a_histogram_without_finite_bounds_stays_one), T(a_help_that_comes_later_completes_the_family),
          T(what_is_encoded_is_decoded_the_same), T(a_decoded_ledger_goes_on_like_the_one_that_was_encoded),
          T(every_flipped_bit_is_found), T(every_other_length_is_found),
          T(damage_under_a_good_checksum_is_safe_and_what_passes_is_canonical), T(what_is_there_twice_is_found),
          T(garbage_is_safe), T(a_later_version_is_told_from_damage), T(a_large_ledger_is_compact),
          T(the_step_on_bytes_writes_only_what_must_be_written),
          T(a_batch_of_a_new_instance_without_memory_changes_nothing),
          T(a_batch_of_a_known_instance_without_memory_changes_nothing),
          T(memory_that_runs_out_while_decoding_encoding_and_reading_is_an_error_and_no_leak),
          T(memory_that_runs_out_in_the_step_on_bytes_is_an_error_and_no_leak))
