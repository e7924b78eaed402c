#include "contract.h"

#include <math.h>

#include "base/labels.h"
#include "contract_peer.h"
#include "registries.h"
#include "store/store.h"
#include "threads.h"

static const double bounds[] = {1, 2.5, 10};

#define COUNTER(name_)                                                                            \
    {                                                                                             \
        .size = sizeof(tm_family), .name = name_, .type = TM_TYPE_COUNTER, .help = "", .unit = "" \
    }
#define GAUGE(name_, how)                                                                        \
    {                                                                                            \
        .size = sizeof(tm_family), .name = name_, .type = TM_TYPE_GAUGE, .help = "", .unit = "", \
        .aggregation = TM_AGGREGATE_##how                                                        \
    }

static const tm_family events = COUNTER("c.events");
static const tm_family others = COUNTER("c.others");
static const tm_family level = GAUGE("c.level", SUM);
static const tm_family duration = {.size = sizeof(tm_family),
                                   .name = "c.duration",
                                   .type = TM_TYPE_HISTOGRAM,
                                   .help = "How long",
                                   .unit = "seconds",
                                   .buckets = bounds,
                                   .bucket_count = 3};

static void add_durations(peer *i, const uint64_t counts[4], double sum)
{
    for (size_t part = 0; part < 4; part++)
        put_change(i, &duration, "step=\"read\"", part, (tm_number){.u = counts[part]}, (tm_number){.u = counts[part]});
    put_change(i, &duration, "step=\"read\"", 4, (tm_number){.d = sum}, (tm_number){.d = sum});
}

void contract_what_is_applied_is_read_back(tm_store *store)
{
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 3, 3);
    put_count(&i, &events, "status=\"ok\"", 4, 4);
    put_count(&i, &others, "", 0, 0);
    add_durations(&i, (const uint64_t[]){1, 0, 7, 2}, 123.456);
    sync_next(&i);

    tm_snapshot *snapshot = read_back(store, 0);
    assert_int_equal(must_find(snapshot, "c.events", "")[0].u, 3);
    assert_int_equal(must_find(snapshot, "c.events", "status=\"ok\"")[0].u, 4);
    assert_int_equal(must_find(snapshot, "c.others", "")[0].u, 0);
    const tm_number *durations = must_find(snapshot, "c.duration", "step=\"read\"");
    assert_int_equal(durations[0].u, 1);
    assert_int_equal(durations[1].u, 0);
    assert_int_equal(durations[2].u, 7);
    assert_int_equal(durations[3].u, 2);
    assert_double_near(durations[4].d, 123.456, 1);
    const tm_family *family = tm_snapshot_family(snapshot, family_place(snapshot, "c.duration"));
    assert_int_equal(family->type, TM_TYPE_HISTOGRAM);
    assert_string_equal(family->help, "How long");
    assert_string_equal(family->unit, "seconds");
    assert_int_equal(family->bucket_count, 3);
    assert_memory_equal(family->buckets, bounds, sizeof bounds);
    tm_snapshot_free(snapshot);
}

void contract_a_repeated_batch_counts_once(tm_store *store)
{
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 5, 5);
    assert_ok(send_to(&i, 0, 1, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_APPLIED);
    for (int k = 0; k < 3; k++) {
        assert_ok(send_to(&i, 0, 1, patience()));
        assert_int_equal(i.reply.answer, TM_ANSWER_DUPLICATE);
    }
    assert_total(store, "c.events", "", 5);
}

void contract_an_unknown_past_is_answered_with_nothing(tm_store *store)
{
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 9, 2);
    assert_ok(send_to(&i, 7, 8, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(i.reply.memory, TM_MEMORY_NOTHING);
    assert_int_equal(i.reply.last_seq, 0);
    assert_int_equal(i.memory_count, 0);

    i.change_count = 0;
    put_count(&i, &events, "", 9, 9);
    assert_ok(send_to(&i, 0, 9, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_APPLIED);
    assert_total(store, "c.events", "", 9);
}

void contract_a_wrong_prev_is_answered_with_what_is_remembered(tm_store *store)
{
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 5, 5);
    put_count(&i, &events, "a=\"b\"", 6, 6);
    add_durations(&i, (const uint64_t[]){1, 0, 7, 2}, 0.5);
    sync_next(&i);
    put_count(&i, &events, "", 8, 3);
    sync_next(&i);

    put_count(&i, &events, "", 100, 92);
    assert_ok(send_to(&i, 1, 5, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(i.reply.memory, TM_MEMORY_VALUES);
    assert_int_equal(i.reply.last_seq, 2);
    assert_remembered(&i, "c.events", "", 0, 8);
    assert_remembered(&i, "c.events", "a=\"b\"", 0, 6);
    assert_remembered(&i, "c.duration", "step=\"read\"", 0, 1);
    assert_remembered(&i, "c.duration", "step=\"read\"", 1, 0);
    assert_remembered(&i, "c.duration", "step=\"read\"", 2, 7);
    assert_remembered(&i, "c.duration", "step=\"read\"", 3, 2);
    assert_remembered(&i, "c.duration", "step=\"read\"", 4, ((tm_number){.d = 0.5}).u);
    assert_total(store, "c.events", "", 8);
}

void contract_after_a_resync_the_next_batch_is_applied(tm_store *store)
{
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 5, 5);
    sync_next(&i);
    put_count(&i, &events, "", 7, 2);
    assert_ok(send_to(&i, 0, 4, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(i.reply.last_seq, 1);
    assert_ok(send_to(&i, 1, 5, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_APPLIED);
    assert_total(store, "c.events", "", 7);
}

void contract_instances_add_up(tm_store *store)
{
    peer a = new_peer(store, "host-1-aaaa");
    peer b = new_peer(store, "host-1-bbbb");
    put_count(&a, &events, "", 5, 5);
    sync_next(&a);
    put_count(&b, &events, "", 70, 70);
    add_durations(&b, (const uint64_t[]){0, 1, 0, 0}, 2);
    sync_next(&b);
    put_count(&a, &events, "", 9, 4);
    add_durations(&a, (const uint64_t[]){0, 2, 0, 0}, 4.5);
    sync_next(&a);

    tm_snapshot *snapshot = read_back(store, 0);
    assert_int_equal(must_find(snapshot, "c.events", "")[0].u, 79);
    assert_int_equal(must_find(snapshot, "c.duration", "step=\"read\"")[1].u, 3);
    assert_double_near(must_find(snapshot, "c.duration", "step=\"read\"")[4].d, 6.5, 1);
    tm_snapshot_free(snapshot);
}

void contract_an_empty_batch_is_acknowledged(tm_store *store)
{
    peer i = new_peer(store, "i1");
    sync_next(&i);
    sync_next(&i);
    assert_ok(send_to(&i, 2, 2, patience())); /* asks only whether 2 is still the last */
    assert_int_equal(i.reply.answer, TM_ANSWER_DUPLICATE);
    put_count(&i, &events, "", 1, 1);
    sync_next(&i);
    assert_total(store, "c.events", "", 1);
}

void contract_a_conflicting_family_is_refused_and_the_rest_applied(tm_store *store)
{
    static const double other_bounds[] = {1, 2.5, 11};
    static const tm_family other_type = GAUGE("c.events", LAST);
    static const tm_family other_aggregation = GAUGE("c.level", LAST);
    static const tm_family prints_the_same = COUNTER("c_events");
    tm_family other_buckets = duration;
    other_buckets.buckets = other_bounds;
    const tm_family *conflicts[] = {&other_type, &other_aggregation, &prints_the_same, &other_buckets};
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 1, 1);
    put_gauge(&i, &level, 1);
    add_durations(&i, (const uint64_t[]){1, 0, 0, 0}, 1);
    sync_next(&i);
    uint64_t total = 1;
    for (size_t k = 0; k < sizeof conflicts / sizeof conflicts[0]; k++, total++) {
        put_change(&i, conflicts[k], "x=\"y\"", 0, (tm_number){.u = 5}, (tm_number){.u = 5});
        put_count(&i, &events, "", total + 1, 1);
        sync_next(&i);
        assert_int_equal(i.refused_count, 1);
        assert_int_equal(i.refused_index, 0);
        assert_status(i.refused_status, TM_ECONFLICT);
    }
    assert_total(store, "c.events", "", total);
    tm_snapshot *snapshot = read_back(store, 0);
    assert_null(values_in(snapshot, "c.duration", "x=\"y\""));
    assert_true(family_place(snapshot, "c_events") == SIZE_MAX);
    tm_snapshot_free(snapshot);
}

/* Servers count to 2^63 or 2^64: the first of three additions is taken, the last is not. */
void contract_an_overflow_is_refused_and_the_total_stays(tm_store *store)
{
    static const char *const names[] = {"i1", "i2", "i3"};
    uint64_t total = 0;
    bool refused = false;
    for (size_t k = 0; k < 3 && !refused; k++) {
        peer i = new_peer(store, names[k]);
        put_count(&i, &events, "", INT64_MAX, INT64_MAX);
        put_count(&i, &others, "", 1, 1);
        sync_next(&i);
        refused = i.refused_count == 1;
        if (refused)
            assert_status(i.refused_status, TM_EOVERFLOW);
        else
            total += INT64_MAX;
        assert_total(store, "c.others", "", k + 1);
    }
    assert_true(refused);
    assert_true(total >= INT64_MAX);
    assert_total(store, "c.events", "", total);
}

void contract_a_repeated_batch_with_refused_numbers_is_resynced(tm_store *store)
{
    static const tm_family other_type = GAUGE("c.events", LAST);
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", 1, 1);
    sync_next(&i);
    put_count(&i, &events, "", 3, 2);
    put_gauge(&i, &other_type, 5);
    put_count(&i, &others, "", 4, 4);
    assert_ok(send_to(&i, 1, 2, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_APPLIED);
    assert_int_equal(i.refused_count, 1);
    assert_ok(send_to(&i, 1, 2, patience()));
    assert_int_equal(i.reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(i.reply.last_seq, 2);
    assert_int_equal(i.reply.memory, TM_MEMORY_VALUES);
    assert_remembered(&i, "c.events", "", 0, 3);
    assert_remembered(&i, "c.others", "", 0, 4);
    assert_total(store, "c.events", "", 3);
}

void contract_gauges_follow_their_aggregation(tm_store *store)
{
    peer a = new_peer(store, "i-a");
    peer b = new_peer(store, "i-b");
    static const tm_family families[] = {GAUGE("c.last", LAST), GAUGE("c.sum", SUM), GAUGE("c.min", MIN),
                                         GAUGE("c.max", MAX), GAUGE("c.each", EACH)};
    const double said[][2] = {{1, 10}, {-2.5, 10}, {7, 10}};
    for (size_t k = 0; k < 3; k++) {
        for (size_t f = 0; f < 5; f++)
            put_gauge(&a, &families[f], said[k][0]);
        for (size_t f = 0; f < 5 && k == 0; f++)
            put_gauge(&b, &families[f], said[k][1]);
        if (k == 0)
            sync_next(&b);
        sync_next(&a);
        tm_snapshot *snapshot = read_back(store, 0);
        assert_double_near(must_find(snapshot, "c.last", "")[0].d, said[k][0], 0);
        assert_double_near(must_find(snapshot, "c.sum", "")[0].d, said[k][0] + 10, 0);
        assert_double_near(must_find(snapshot, "c.min", "")[0].d, said[k][0], 0);
        assert_double_near(must_find(snapshot, "c.max", "")[0].d, 10, 0);
        assert_double_near(must_find(snapshot, "c.each", "instance=\"i-a\"")[0].d, said[k][0], 0);
        assert_double_near(must_find(snapshot, "c.each", "instance=\"i-b\"")[0].d, 10, 0);
        assert_null(values_in(snapshot, "c.each", ""));
        tm_snapshot_free(snapshot);
    }
}

void contract_integers_above_2_to_53_are_exact(tm_store *store)
{
    const uint64_t first = (UINT64_C(1) << 53) + 1;
    const uint64_t second = (UINT64_C(1) << 60) + 12345;
    peer i = new_peer(store, "i1");
    put_count(&i, &events, "", first, first);
    sync_next(&i);
    put_count(&i, &events, "", second, second - first);
    sync_next(&i);
    assert_total(store, "c.events", "", second);
    assert_ok(send_to(&i, 1, 9, patience()));
    assert_remembered(&i, "c.events", "", 0, second);
}

static void add_sum(peer *i, double value, double delta)
{
    put_change(i, &duration, "", 4, (tm_number){.d = value}, (tm_number){.d = delta});
}

void contract_sums_that_are_not_finite_are_kept(tm_store *store)
{
    peer i = new_peer(store, "i1");
    const double sums[] = {0.1, -1e300, INFINITY, NAN};
    for (size_t k = 0; k < 4; k++) {
        double delta = k > 0 && isfinite(sums[k]) ? sums[k] - sums[k - 1] : sums[k];
        add_sum(&i, sums[k], delta);
        sync_next(&i);
        assert_int_equal(i.refused_count, 0);
        tm_snapshot *snapshot = read_back(store, 0);
        assert_double_near(must_find(snapshot, "c.duration", "")[4].d, sums[k], 1);
        tm_snapshot_free(snapshot);
    }
}

void contract_hostile_texts_survive(tm_store *store)
{
    static char long_value[TM_VALUE_MAX + 1];
    memset(long_value, 'x', TM_VALUE_MAX);
    const char *const values[] = {"",       " ",         "\"",      "\\",      "\n",       "\r\n$-1\r\n*3\r\n",
                                  "{ns}:x", "a,b=\"c\"", "%s%n%00", "\x01",    "\xc3\xa9", "\xf0\x9f\x98\x80",
                                  "NaN",    "=1+1",      "\\n\\\"", long_value};
    const size_t count = sizeof values / sizeof values[0];
    static tm__labels_text labels[16];
    tm_family family = COUNTER("c:ev.ents_total");
    family.help = "says \"\\\n{}%s \xf0\x9f\x98\x80";
    peer i = new_peer(store, "host.x_y-1-0123456789abcdef");
    for (size_t k = 0; k < count; k++) {
        assert_ok(tm__labels_write(TM_LABELS("v", values[k]), &labels[k]));
        labels[k].text[labels[k].len] = '\0';
        put_count(&i, &family, labels[k].text, k + 1, k + 1);
    }
    sync_next(&i);
    assert_int_equal(i.refused_count, 0);
    tm_snapshot *snapshot = read_back(store, 0);
    for (size_t k = 0; k < count; k++)
        assert_int_equal(must_find(snapshot, family.name, labels[k].text)[0].u, k + 1);
    assert_string_equal(tm_snapshot_family(snapshot, family_place(snapshot, family.name))->help, family.help);
    tm_snapshot_free(snapshot);
    assert_ok(send_to(&i, 0, 9, patience()));
    assert_int_equal(i.memory_count, count);
}

void contract_many_series_in_many_batches(tm_store *store)
{
    enum { SERIES = 2000 };
    static char labels[SERIES][32];
    peer i = new_peer(store, "i1");
    for (uint64_t round = 1; round <= 2; round++) {
        for (size_t k = 0; k < SERIES; k++) {
            snprintf(labels[k], sizeof labels[k], "k=\"%zu\"", k);
            put_count(&i, &events, labels[k], round * k, k);
            if (i.change_count == MOST_CHANGES)
                sync_next(&i);
        }
        sync_next(&i);
    }
    tm_snapshot *snapshot = read_back(store, 0);
    size_t place = family_place(snapshot, "c.events");
    assert_int_equal(tm_snapshot_series_count(snapshot, place), SERIES);
    for (size_t k = 0; k < SERIES; k++) {
        tm_series series = tm_snapshot_series(snapshot, place, k);
        assert_int_equal(series.values[0].u, 2 * strtoul(series.labels + 3, NULL, 10));
    }
    tm_snapshot_free(snapshot);
}

void contract_partitions_have_seqs_of_their_own(tm_store *store)
{
    size_t count = 1;
    tm_error error = {0};
    if (store->ops.partitions)
        assert_ok(store->ops.partitions(store->self, patience(), &count, &error));
    assert_true(count >= 1);
    char labels[32];
    for (size_t p = 0; p < count; p++) {
        peer i = new_peer(store, "i1");
        i.partition = p;
        snprintf(labels, sizeof labels, "p=\"%zu\"", p);
        put_count(&i, &events, labels, p + 1, p + 1);
        sync_next(&i);
        sync_next(&i);
    }
    for (size_t p = 0; p < count; p += 17) {
        snprintf(labels, sizeof labels, "p=\"%zu\"", p);
        assert_total(store, "c.events", labels, p + 1);
    }
}

enum { THREADS = 4, BATCHES = 25 };

typedef struct threads_case {
    tm_store *store;
    size_t applied[THREADS];
} threads_case;

static void apply_in_thread(void *ctx, size_t number)
{
    static const char *const names[THREADS] = {"t0", "t1", "t2", "t3"};
    threads_case *c = ctx;
    peer i = new_peer(c->store, names[number]);
    for (uint64_t seq = 1; seq <= BATCHES; seq++) {
        i.change_count = 0;
        put_count(&i, &events, "", seq, 1);
        if (send_to(&i, seq - 1, seq, patience()) == TM_OK && i.reply.answer == TM_ANSWER_APPLIED)
            c->applied[number]++;
    }
}

void contract_threads_may_apply_at_once(tm_store *store)
{
    threads_case c = {.store = store};
    run_threads(THREADS, apply_in_thread, &c);
    for (size_t k = 0; k < THREADS; k++)
        assert_int_equal(c.applied[k], BATCHES);
    assert_total(store, "c.events", "", THREADS * BATCHES);
}

void contract_a_passed_deadline_does_no_harm(tm_store *store)
{
    peer i = new_peer(store, "i1");
    sync_next(&i);
    put_count(&i, &events, "", 5, 5);
    int status = send_to(&i, 1, 2, tm_monotonic_ns() - 1);
    assert_true(status == TM_OK || status == TM_ETIMEOUT);
    assert_ok(send_to(&i, 1, 2, patience()));
    assert_true(i.reply.answer == TM_ANSWER_APPLIED || i.reply.answer == TM_ANSWER_DUPLICATE);
    assert_total(store, "c.events", "", 5);
}

void contract_instances_can_be_told_apart(tm_store *store)
{
    peer a = new_peer(store, "i-a");
    peer b = new_peer(store, "i-b");
    put_count(&a, &events, "x=\"y\"", 5, 5);
    put_gauge(&a, &level, 1.5);
    sync_next(&a);
    put_count(&b, &events, "x=\"y\"", 70, 70);
    sync_next(&b);
    assert_total(store, "c.events", "x=\"y\"", 75);
    if (!(store->ops.capabilities & TM_CAP_PER_INSTANCE))
        return;
    tm_snapshot *snapshot = read_back(store, 1);
    assert_int_equal(must_find(snapshot, "c.events", "x=\"y\"")[0].u, 75);
    assert_int_equal(must_find(snapshot, "c.events", "instance=\"i-a\",x=\"y\"")[0].u, 5);
    assert_int_equal(must_find(snapshot, "c.events", "instance=\"i-b\",x=\"y\"")[0].u, 70);
    assert_double_near(must_find(snapshot, "c.level", "instance=\"i-a\"")[0].d, 1.5, 0);
    tm_snapshot_free(snapshot);
}
