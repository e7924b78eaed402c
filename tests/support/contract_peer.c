#include "contract_peer.h"

#include "registries.h"
#include "store/store.h"
#include "test.h"

enum { PATIENCE_S = 20 };

static int hear_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    peer *i = ctx;
    if (i->memory_count == MOST_HEARD)
        return TM_ETOOBIG;
    heard_memory *memory = &i->memories[i->memory_count++];
    snprintf(memory->family, sizeof memory->family, "%s", family);
    snprintf(memory->labels, sizeof memory->labels, "%.*s", (int)labels_bytes, labels);
    memory->part = part;
    memory->value = value;
    return TM_OK;
}

static void hear_refusal(void *ctx, size_t index, int status)
{
    peer *i = ctx;
    i->refused_count++;
    i->refused_index = index;
    i->refused_status = status;
}

peer new_peer(tm_store *store, const char *name)
{
    return (peer){.store = store, .name = name};
}

void put_change(peer *i, const tm_family *family, const char *labels, size_t part, tm_number value, tm_number delta)
{
    assert_true(i->change_count < MOST_CHANGES);
    i->changes[i->change_count++] = (tm_change){family, labels, strlen(labels), part, value, delta};
}

void put_count(peer *i, const tm_family *family, const char *labels, uint64_t value, uint64_t delta)
{
    put_change(i, family, labels, 0, (tm_number){.u = value}, (tm_number){.u = delta});
}

void put_gauge(peer *i, const tm_family *family, double value)
{
    put_change(i, family, "", 0, (tm_number){.d = value}, (tm_number){.d = value});
}

int send_to(peer *i, uint64_t prev, uint64_t seq, int64_t deadline_ns)
{
    tm_batch batch = {.instance = i->name,
                      .partition = i->partition,
                      .prev = prev,
                      .seq = seq,
                      .changes = i->changes,
                      .change_count = i->change_count,
                      .first_time_ms = i->store_time_ms};
    memcpy(batch.known_store_id, i->store_id, sizeof batch.known_store_id);
    tm_error error = {0};
    i->refused_count = i->memory_count = 0;
    i->reply = (tm_reply){.ctx = i, .remembered = hear_memory, .refused = hear_refusal};
    int status = i->store->ops.apply(i->store->self, &batch, deadline_ns, &i->reply, &error);
    if (status != TM_OK && (error.status != status || error.text[0] == '\0'))
        return TM_EINVAL;
    return status;
}

int64_t patience(void)
{
    return tm_monotonic_ns() + PATIENCE_S * INT64_C(1000000000);
}

void sync_next(peer *i)
{
    uint64_t seq = ++i->highest;
    assert_ok(send_to(i, i->acked, seq, patience()));
    assert_int_equal(i->reply.answer, TM_ANSWER_APPLIED);
    memcpy(i->store_id, i->reply.store_id, sizeof i->store_id);
    if (i->acked == 0 || i->reply.time_ms < i->store_time_ms)
        i->store_time_ms = i->reply.time_ms;
    i->acked = seq;
    i->change_count = 0;
}

void assert_remembered(const peer *i, const char *family, const char *labels, size_t part, uint64_t value)
{
    for (size_t k = 0; k < i->memory_count; k++) {
        const heard_memory *memory = &i->memories[k];
        if (strcmp(memory->family, family) == 0 && strcmp(memory->labels, labels) == 0 && memory->part == part) {
            assert_true(memory->value.u == value);
            return;
        }
    }
    if (value != 0)
        fail_msg("%s{%s} part %zu is not remembered", family, labels, part);
}

tm_snapshot *read_back(tm_store *store, int include_instances)
{
    tm_read_options options = {.size = sizeof options, .include_instances = include_instances};
    tm_error error = {0};
    tm_snapshot *snapshot;
    assert_ok(tm_snapshot_new(0, &snapshot));
    assert_ok(store->ops.read(store->self, &options, patience(), snapshot, &error));
    return snapshot;
}

const tm_number *must_find(const tm_snapshot *snapshot, const char *family, const char *labels)
{
    const tm_number *values = values_in(snapshot, family, labels);
    if (!values)
        fail_msg("%s{%s} was not read back", family, labels);
    return values;
}

void assert_total(tm_store *store, const char *family, const char *labels, uint64_t expected)
{
    tm_snapshot *snapshot = read_back(store, 0);
    uint64_t total = must_find(snapshot, family, labels)[0].u;
    if (total != expected)
        fail_msg("%s{%s} is %llu, expected %llu", family, labels, (unsigned long long)total,
                 (unsigned long long)expected);
    tm_snapshot_free(snapshot);
}
