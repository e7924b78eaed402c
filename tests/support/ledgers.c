#include "ledgers.h"

#include <math.h>

#include "registries.h"
#include "test.h"

const tm__ledger_rules ledger_rules = {.liveness_ms = 1000, .values_ttl_ms = 10000, .retention_ms = 100000};

/* ---- sending ------------------------------------------------------------------------------------------------- */

heard_answer heard;

int hear_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part, tm_number value)
{
    (void)ctx, (void)labels, (void)part;
    heard.memory_count++;
    if (strcmp(family, "events") == 0 && labels_bytes == 0)
        heard.events = value;
    return heard.refuse_memory;
}

void hear_refusal(void *ctx, size_t index, int status)
{
    (void)ctx;
    if (heard.refused_count < 8) {
        heard.refused_index[heard.refused_count] = index;
        heard.refused_status[heard.refused_count] = status;
    }
    heard.refused_count++;
}

tm_change count_of(const tm_family *family, const char *labels, uint64_t value, uint64_t delta)
{
    return (tm_change){family, labels, strlen(labels), 0, {.u = value}, {.u = delta}};
}

tm_change gauge_of_value(const tm_family *family, double value)
{
    return (tm_change){family, "", 0, 0, {.d = value}, {.d = value}};
}

tm_change sum_of(double value, double delta)
{
    return (tm_change){&duration, "", 0, 3, {.d = value}, {.d = delta}};
}

int send_batch(tm__ledger *ledger, const tm_batch *batch, int64_t now_ms)
{
    int refuse_memory = heard.refuse_memory;
    memset(&heard, 0, sizeof heard);
    heard.refuse_memory = refuse_memory;
    heard.reply.remembered = hear_memory;
    heard.reply.refused = hear_refusal;
    return tm__ledger_apply(ledger, batch, &ledger_rules, now_ms, &heard.reply, &heard.error);
}

tm_answer apply_batch(tm__ledger *ledger, const char *instance, uint64_t prev, uint64_t seq, int64_t now_ms,
                      const tm_change *changes, size_t change_count)
{
    tm_batch batch = {.instance = instance, .prev = prev, .seq = seq, .changes = changes, .change_count = change_count};
    assert_ok(send_batch(ledger, &batch, now_ms));
    return heard.reply.answer;
}

tm_answer apply_known(tm__ledger *ledger, const char *instance, uint64_t prev, uint64_t seq, int64_t now_ms,
                      const tm_reply *known, const tm_change *changes, size_t change_count)
{
    tm_batch batch = {.instance = instance,
                      .prev = prev,
                      .seq = seq,
                      .changes = changes,
                      .change_count = change_count,
                      .first_time_ms = known->time_ms};
    memcpy(batch.known_store_id, known->store_id, sizeof batch.known_store_id);
    assert_ok(send_batch(ledger, &batch, now_ms));
    return heard.reply.answer;
}

void assert_resynced(uint64_t last_seq, tm_memory memory)
{
    assert_int_equal(heard.reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(heard.reply.last_seq, last_seq);
    assert_int_equal(heard.reply.memory, memory);
    if (memory != TM_MEMORY_VALUES)
        assert_int_equal(heard.memory_count, 0);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

tm__ledger *new_ledger(void)
{
    tm__ledger *ledger;
    assert_ok(tm__ledger_new(&ledger));
    return ledger;
}

tm_snapshot *read_ledger(const tm__ledger *ledger, int64_t now_ms, int include_instances)
{
    tm_read_options options = {.size = sizeof options, .include_instances = include_instances};
    tm_error error = {0};
    tm_snapshot *snapshot;
    assert_ok(tm_snapshot_new(now_ms, &snapshot));
    assert_ok(tm__ledger_read(ledger, &options, &ledger_rules, now_ms, snapshot, &error));
    return snapshot;
}

uint64_t total_of(const tm__ledger *ledger, const char *family, const char *labels)
{
    tm_snapshot *snapshot = read_ledger(ledger, 0, 0);
    const tm_number *values = values_in(snapshot, family, labels);
    if (!values)
        fail_msg("%s{%s} is not there", family, labels);
    uint64_t total = values ? values[0].u : 0;
    tm_snapshot_free(snapshot);
    return total;
}

double gauge_in(const tm__ledger *ledger, int64_t now_ms, const char *family, const char *labels)
{
    tm_snapshot *snapshot = read_ledger(ledger, now_ms, 0);
    const tm_number *values = values_in(snapshot, family, labels);
    double value = values ? values[0].d : NAN;
    tm_snapshot_free(snapshot);
    return value;
}

tm__buffer encode_ledger(const tm__ledger *ledger)
{
    tm__buffer bytes = {0};
    assert_ok(tm__ledger_encode(ledger, &bytes));
    return bytes;
}

tm__ledger *decode_ledger(const tm__buffer *bytes)
{
    tm__ledger *ledger;
    tm_error error = {0};
    int status = tm__ledger_decode(bytes->data, bytes->len, &ledger, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    return ledger;
}
