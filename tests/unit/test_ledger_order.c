/* The ledger expects batches to have their series in the order it knows, and must be right when they do not: random
 * choices of series in random order, against plain arrays. One ledger is read anew for each batch and finds its series
 * by their labels, another one is kept and finds them by their numbers. */
#include "store/ledger.h"
#include "test.h"

enum { SERIES = 60, INSTANCES = 3, BATCHES = 400, LABEL_BYTES = 16 };

static const tm_family counter = {
    .size = sizeof(tm_family), .name = "counts", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};
static const tm_family other = {
    .size = sizeof(tm_family), .name = "others", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};
static const tm_family gauge = {.size = sizeof(tm_family),
                                .name = "levels",
                                .type = TM_TYPE_GAUGE,
                                .help = "",
                                .unit = "",
                                .aggregation = TM_AGGREGATE_SUM};
static const tm__ledger_rules rules = {.liveness_ms = 300000, .values_ttl_ms = 3600000, .retention_ms = 604800000};

typedef struct teller {
    char name[8];
    uint64_t seq;
    uint64_t values[SERIES]; /* 0: never told */
} teller;

typedef struct world {
    teller tellers[INSTANCES];
    tm__buffer bytes;
    tm__ledger *kept;
    uint64_t random;
    size_t remembered;
    const teller *asking;
} world;

static uint64_t draw(world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % below;
}

static const tm_family *family_of(size_t series)
{
    return series % 3 == 0 ? &counter : series % 3 == 1 ? &other : &gauge;
}

static void refuse(void *ctx, size_t index, int status)
{
    (void)ctx;
    fail_msg("change %zu is refused: %s", index, tm_status_name(status));
}

static int check_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                        tm_number value)
{
    world *w = ctx;
    char text[LABEL_BYTES];
    snprintf(text, sizeof text, "%.*s", (int)labels_bytes, labels);
    size_t series = strtoull(text + strlen("i=\""), NULL, 10);
    assert_string_equal(family, family_of(series)->name);
    assert_int_equal(part, 0);
    assert_int_equal(value.u, w->asking->values[series]);
    w->remembered++;
    return TM_OK;
}

static int ignore_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                         tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    return TM_OK;
}

/* The ledger that is kept begins with what the first batch left behind. */
static void apply_to_kept(world *w, const tm_batch *batch, tm_answer expected)
{
    tm_reply reply = {.remembered = ignore_memory, .refused = refuse};
    tm_error error;
    if (!w->kept) {
        assert_ok(tm__ledger_decode(w->bytes.data, w->bytes.len, &w->kept, &error));
        return;
    }
    assert_ok(tm__ledger_apply(w->kept, batch, &rules, 1000000, &reply, &error));
    assert_int_equal(reply.answer, expected);
}

static void check_kept(const world *w)
{
    tm__buffer bytes = {0};
    assert_ok(tm__ledger_encode(w->kept, &bytes));
    assert_int_equal(bytes.len, w->bytes.len);
    assert_memory_equal(bytes.data, w->bytes.data, bytes.len);
    tm__buffer_free(&bytes);
}

static tm_answer apply(world *w, const tm_batch *batch)
{
    tm_reply reply = {.ctx = w, .remembered = check_memory, .refused = refuse};
    tm_error error;
    tm__buffer after = {0};
    assert_ok(tm__ledger_apply_bytes(w->bytes.data, w->bytes.len, batch, &rules, 1000000, &reply, &after, &error));
    if (after.len > 0) {
        tm__buffer_free(&w->bytes);
        w->bytes = after;
    }
    apply_to_kept(w, batch, reply.answer);
    return reply.answer;
}

/* Every series once, in random order. */
static void shuffle(world *w, size_t order[SERIES])
{
    for (size_t i = 0; i < SERIES; i++) {
        size_t place = draw(w, i + 1);
        order[i] = order[place];
        order[place] = i;
    }
}

static void tell_some(world *w, teller *t)
{
    static char labels[SERIES][LABEL_BYTES];
    tm_change changes[SERIES];
    uint32_t numbers[SERIES];
    size_t order[SERIES] = {0};
    size_t count = 1 + draw(w, SERIES);
    shuffle(w, order);
    for (size_t i = 0; i < count; i++) {
        size_t series = order[i];
        uint64_t n = 1 + draw(w, 5);
        int len = snprintf(labels[series], LABEL_BYTES, "i=\"%zu\"", series);
        t->values[series] += n;
        changes[i] = (tm_change){family_of(series), labels[series], (size_t)len, 0, {.u = t->values[series]}, {.u = n}};
        numbers[i] = (uint32_t)(7 * series + (size_t)(t - w->tellers));
        if (family_of(series) == &gauge)
            changes[i].value.d = (double)t->values[series];
    }
    const tm_batch batch = {.instance = t->name,
                            .prev = t->seq,
                            .seq = t->seq + 1,
                            .changes = changes,
                            .change_count = count,
                            .series = numbers};
    assert_int_equal(apply(w, &batch), TM_ANSWER_APPLIED);
    assert_int_equal(apply(w, &batch), TM_ANSWER_DUPLICATE);
    t->seq++;
}

/* What the ledger remembers is what was told: all of it, and nothing else. */
static void check_what_is_remembered(world *w, const teller *t)
{
    size_t told = 0;
    for (size_t i = 0; i < SERIES; i++)
        told += t->values[i] > 0 && family_of(i) != &gauge;
    const tm_batch batch = {.instance = t->name, .prev = t->seq + 7, .seq = t->seq + 7};
    w->asking = t;
    w->remembered = 0;
    assert_int_equal(apply(w, &batch), TM_ANSWER_RESYNC);
    assert_int_equal(w->remembered, told);
}

static void check_totals(const world *w)
{
    tm__ledger *ledger;
    tm_snapshot *snapshot;
    tm_error error;
    tm_read_options options = TM_READ_OPTIONS_INIT;
    size_t found = 0;
    assert_ok(tm__ledger_decode(w->bytes.data, w->bytes.len, &ledger, &error));
    assert_ok(tm_snapshot_new(0, &snapshot));
    assert_ok(tm__ledger_read(ledger, &options, &rules, 1000000, snapshot, &error));
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++) {
        for (size_t k = 0; k < tm_snapshot_series_count(snapshot, i); k++, found++) {
            tm_series series = tm_snapshot_series(snapshot, i, k);
            size_t number = strtoull(series.labels + strlen("i=\""), NULL, 10);
            uint64_t sum = 0;
            for (size_t t = 0; t < INSTANCES; t++)
                sum += w->tellers[t].values[number];
            if (family_of(number) == &gauge)
                assert_double_near(series.values[0].d, (double)sum, 0);
            else
                assert_int_equal(series.values[0].u, sum);
        }
    }
    assert_int_equal(found, SERIES);
    tm_snapshot_free(snapshot);
    tm__ledger_free(ledger);
}

TEST(batches_in_any_order_are_right)
{
    world w = {.random = 88172645463325252};
    for (size_t i = 0; i < INSTANCES; i++)
        snprintf(w.tellers[i].name, sizeof w.tellers[i].name, "t%zu", i);
    for (int i = 0; i < BATCHES; i++) {
        teller *t = &w.tellers[draw(&w, INSTANCES)];
        tell_some(&w, t);
        check_what_is_remembered(&w, t);
        check_kept(&w);
    }
    check_totals(&w);
    tm__ledger_free(w.kept);
    tm__buffer_free(&w.bytes);
}

TEST_MAIN("ledger_order", T(batches_in_any_order_are_right))
