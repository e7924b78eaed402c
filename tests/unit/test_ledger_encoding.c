/* The ledger: every byte of its encoding, and memory that runs out. */
#include "base/hash.h"
#include "base/labels.h"
#include "faults.h"
#include "ledgers.h"
#include "store/ledger_format.h"
#include "test.h"

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
        apply_batch(ledger, name, seqs[who], step, now_ms, changes, count);
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
        tm__buffer bytes = encode_ledger(ledger);
        tm__ledger *again = decode_ledger(&bytes);
        tm__buffer bytes_again = encode_ledger(again);
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
    tm__buffer bytes = encode_ledger(ledger);
    tm__ledger *again = decode_ledger(&bytes);
    tm__buffer_free(&bytes);
    for (uint64_t i = 0; i < 20; i++) {
        apply_batch(ledger, "new", i, i + 1, 0,
                    CHANGES(count_of(&events, "", i + 1, 1), count_of(&others, "q=\"q\"", i + 1, 1)));
        apply_batch(again, "new", i, i + 1, 0,
                    CHANGES(count_of(&events, "", i + 1, 1), count_of(&others, "q=\"q\"", i + 1, 1)));
    }
    tm__buffer one = encode_ledger(ledger);
    tm__buffer other = encode_ledger(again);
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
    tm__buffer bytes = encode_ledger(ledger);
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
    tm__buffer bytes = encode_ledger(ledger);
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
        tm__buffer bytes = encode_ledger(ledger);
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
            tm__buffer again = encode_ledger(read);
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
    tm__buffer bytes = encode_ledger(ledger);
    assert_status(try_decode(bytes.data, bytes.len), TM_ECORRUPT);
    tm__buffer_free(&bytes);
    tm__ledger_free(ledger);
}

static tm__ledger *small_ledger(void)
{
    tm__ledger *ledger = new_ledger();
    apply_batch(ledger, "a", 0, 1, 0, CHANGES(count_of(&events, "", 1, 1), gauge_of_value(&sum, 1)));
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
    tm__buffer bytes = encode_ledger(ledger);
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
        assert_answer(apply_batch(ledger, name, 0, 1, 0, changes, SERIES), APPLIED);
    }
    tm__buffer bytes = encode_ledger(ledger);
    assert_in_range(bytes.len, 500 * 1000, 1100 * 1000);
    tm__ledger *again = decode_ledger(&bytes);
    tm__buffer bytes_again = encode_ledger(again);
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
    assert_ok(tm__ledger_apply_bytes(NULL, 0, &batch, &ledger_rules, 0, &reply, &first, &error));
    assert_int_equal(reply.answer, TM_ANSWER_APPLIED);
    assert_ok(tm__ledger_apply_bytes(first.data, first.len, &batch, &ledger_rules, 100, &reply, &second, &error));
    assert_int_equal(reply.answer, TM_ANSWER_DUPLICATE);
    assert_int_equal(second.len, 0);
    batch.prev = 7;
    batch.seq = 8;
    assert_ok(tm__ledger_apply_bytes(first.data, first.len, &batch, &ledger_rules, 100, &reply, &second, &error));
    assert_int_equal(reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(second.len, 0);
    batch.prev = 1;
    assert_ok(tm__ledger_apply_bytes(first.data, first.len, &batch, &ledger_rules, 100, &reply, &second, &error));
    assert_int_equal(reply.answer, TM_ANSWER_APPLIED);
    tm__ledger *ledger = decode_ledger(&second);
    assert_int_equal(total_of(ledger, "events", ""), 10);
    first.data[first.len - 1] ^= 1;
    assert_status(tm__ledger_apply_bytes(first.data, first.len, &batch, &ledger_rules, 0, &reply, &second, &error),
                  TM_ECORRUPT);
    tm__ledger_free(ledger);
    tm__buffer_free(&first);
    tm__buffer_free(&second);
}

/* ---- memory that runs out ------------------------------------------------------------------------------------ */

/* A batch that needs one more of everything; or the same the other way round. */
static int send_one_of_everything(tm__ledger *ledger, const char *instance, uint64_t prev, bool backwards)
{
    static const tm_family fresh = COUNTER("fresh");
    static const tm_family fresh_gauge = GAUGE("fresh_gauge", EACH);
    enum { COUNT = 5 };
    const tm_change forwards[COUNT] = {count_of(&fresh, "", 1, 1), count_of(&events, "fresh=\"1\"", 1, 1),
                                       count_of(&events, "", 1, 1), sum_of(1, 1), gauge_of_value(&fresh_gauge, 1)};
    tm_change changes[COUNT];
    uint32_t numbers[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t place = backwards ? COUNT - 1 - i : i;
        changes[place] = forwards[i];
        numbers[place] = 70 * i;
    }
    const tm_batch batch = {.instance = instance,
                            .prev = prev,
                            .seq = prev + 1000,
                            .changes = changes,
                            .change_count = COUNT,
                            .series = numbers};
    return send_batch(ledger, &batch, 0);
}

static void run_out_while_applying(const char *instance)
{
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        faults_pause();
        tm__ledger *ledger = new_ledger();
        apply_batch(ledger, "known", 0, 1, 0, CHANGES(count_of(&others, "", 1, 1), gauge_of_value(&sum, 1)));
        uint64_t prev = strcmp(instance, "known") == 0 ? 1 : 0;
        tm__buffer before = encode_ledger(ledger);
        faults_resume();
        int status = send_one_of_everything(ledger, instance, prev, false);
        faults_off();
        tm__buffer after = encode_ledger(ledger);
        if (status != TM_OK) {
            assert_status(status, TM_ENOMEM);
            assert_same_bytes(&before, &after);
            assert_ok(send_one_of_everything(ledger, instance, prev, true));
        }
        assert_int_equal(heard.reply.answer, TM_ANSWER_APPLIED);
        assert_int_equal(total_of(ledger, "fresh", ""), 1);
        assert_int_equal(total_of(ledger, "events", "fresh=\"1\""), 1);
        /* By the numbers; as the values do not fit what is remembered, that is forgotten, and the numbers with it. */
        assert_ok(send_one_of_everything(ledger, instance, prev + 1000, false));
        assert_ok(send_one_of_everything(ledger, instance, prev + 2000, false));
        assert_int_equal(total_of(ledger, "events", "fresh=\"1\""), 3);
        assert_int_equal(total_of(ledger, "events", ""), 3);
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
    tm__buffer bytes = encode_ledger(ledger);
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
            status = tm__ledger_read(read, &options, &ledger_rules, 0, snapshot, &error);
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
        int status = tm__ledger_apply_bytes(NULL, 0, &batch, &ledger_rules, 0, &reply, &out, &error);
        faults_off();
        assert_status(status, faults_happened() ? TM_ENOMEM : TM_OK);
        assert_int_equal(error.status, status);
        tm__buffer_free(&out);
    }
}

TEST_MAIN("ledger_encoding", T(what_is_encoded_is_decoded_the_same),
          T(a_decoded_ledger_goes_on_like_the_one_that_was_encoded), T(every_flipped_bit_is_found),
          T(every_other_length_is_found), T(damage_under_a_good_checksum_is_safe_and_what_passes_is_canonical),
          T(what_is_there_twice_is_found), T(garbage_is_safe), T(a_later_version_is_told_from_damage),
          T(a_large_ledger_is_compact), T(the_step_on_bytes_writes_only_what_must_be_written),
          T(a_batch_of_a_new_instance_without_memory_changes_nothing),
          T(a_batch_of_a_known_instance_without_memory_changes_nothing),
          T(memory_that_runs_out_while_decoding_encoding_and_reading_is_an_error_and_no_leak),
          T(memory_that_runs_out_in_the_step_on_bytes_is_an_error_and_no_leak))
