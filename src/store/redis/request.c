#include "store/redis/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/family.h"
#include "base/labels.h"
#include "base/number.h"
#include "store/ledger_state.h"
#include "store/redis/field.h"

enum { COUNTS, SUMS, GAUGES, KINDS, ID_DIGITS = 2 * TM_STORE_ID_BYTES };

static const char kind_letters[KINDS] = {'c', 's', 'g'};

/* Where the arguments go while they are made. */
typedef struct maker {
    tm__redis_request *request;
    const tm_batch *batch;
    size_t counted;  /* changes that are no gauges */
    size_t delta_at; /* the next delta's argument */
    tm__buffer text; /* the field being written */
    tm__buffer groups;
    const tm__redis_family *family; /* of the latest change */
    bool failed;                    /* no memory */
} maker;

/* ---- arguments ----------------------------------------------------------------------------------------------- */

static void set(maker *m, size_t at, const char *text, size_t len)
{
    m->request->arguments[at] = text;
    m->request->lens[at] = len;
    m->failed = m->failed || !text;
}

static void set_copy(maker *m, size_t at, const char *text, size_t len)
{
    set(m, at, tm__arena_copy(&m->request->arena, text, len), len);
}

static void add(maker *m, const char *text)
{
    set_copy(m, m->request->count++, text, strlen(text));
}

static void add_number(maker *m, uint64_t number)
{
    char text[TM__NUMBER_MAX];
    set_copy(m, m->request->count++, text, tm__print_u64(number, text));
}

static void set_value(maker *m, size_t at, const tm_change *change, tm_number value)
{
    char text[TM__NUMBER_MAX];
    size_t len = tm__family_part_is_double(change->family, change->part) ? tm__print_double(value.d, text)
                                                                         : tm__print_u64(value.u, text);
    set_copy(m, at, text, len);
}

/* ---- changes ------------------------------------------------------------------------------------------------- */

static int kind_of(const tm_change *change)
{
    if (change->family->type == TM_TYPE_GAUGE)
        return GAUGES;
    return tm__family_part_is_double(change->family, change->part) ? SUMS : COUNTS;
}

static void add_change(maker *m, const tm_change *change)
{
    m->text.len = 0;
    tm__redis_field_write(m->family, change->labels, change->labels_bytes, change->part, &m->text);
    m->failed = m->failed || m->text.failed;
    if (m->failed)
        return;
    set_copy(m, m->request->count++, m->text.data, m->text.len);
    set_value(m, m->request->count++, change, change->value);
    if (change->family->type != TM_TYPE_GAUGE)
        set_value(m, m->delta_at++, change, change->delta);
    m->request->indices[m->request->change_count++] = (size_t)(change - m->batch->changes);
}

static void take_family(maker *m, const tm_family *info)
{
    if (m->family && m->family->info == info)
        return;
    m->family = tm__redis_family_make(info, &m->request->arena);
    m->failed = m->failed || !m->family;
}

/* The line of a run of changes. */
static void add_group(maker *m, int kind, size_t count)
{
    char head[TM__NUMBER_MAX + 4];
    int len = snprintf(head, sizeof head, "%c %zu ", kind_letters[kind], count);
    tm__buffer_append(&m->groups, head, (size_t)len);
    tm__redis_family_describe(m->family, &m->groups);
    tm__buffer_append(&m->groups, "\t", 1);
    tm__redis_help_escape(m->family->info->help, &m->groups);
    tm__buffer_append(&m->groups, "\n", 1);
}

static void add_kind(maker *m, int kind)
{
    size_t run = 0;
    for (size_t i = 0; i < m->batch->change_count && !m->failed; i++) {
        const tm_change *change = &m->batch->changes[i];
        if (kind_of(change) != kind)
            continue;
        if (run > 0 && m->family->info != change->family) {
            add_group(m, kind, run);
            run = 0;
        }
        take_family(m, change->family);
        if (!m->failed)
            add_change(m, change);
        run++;
    }
    if (run > 0 && !m->failed)
        add_group(m, kind, run);
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static void add_id(maker *m, const unsigned char id[TM_STORE_ID_BYTES])
{
    static const unsigned char none[TM_STORE_ID_BYTES];
    char digits[ID_DIGITS + 1] = "";
    for (size_t i = 0; memcmp(id, none, sizeof none) != 0 && i < TM_STORE_ID_BYTES; i++)
        snprintf(digits + 2 * i, 3, "%02x", id[i]);
    add(m, digits);
}

static void add_own_key(maker *m, const tm__redis *redis, const char *kind)
{
    char *key = tm__redis_key(redis, kind, m->batch->instance);
    m->failed = m->failed || !key;
    add(m, key ? key : "");
    free(key);
}

static void add_keys(maker *m, const tm__redis *redis)
{
    add_number(m, TM__REDIS_KEYS);
    add(m, redis->totals);
    add(m, redis->families);
    add(m, redis->instances);
    add_own_key(m, redis, "values");
    add_own_key(m, redis, "gauges");
}

/* All before the changes; the place of `groups` is kept for later. */
static size_t add_head(maker *m, const tm__redis *redis, const unsigned char fresh_id[TM_STORE_ID_BYTES])
{
    const tm_batch *batch = m->batch;
    m->request->count = 2;
    add_keys(m, redis);
    add(m, batch->instance);
    add_number(m, batch->prev);
    add_number(m, batch->seq);
    add_number(m, (uint64_t)redis->values_ttl_ms);
    add_number(m, (uint64_t)redis->retention_ms);
    add_id(m, batch->known_store_id);
    add_number(m, batch->first_time_ms > 0 ? (uint64_t)batch->first_time_ms : 0);
    add_id(m, fresh_id);
    size_t groups_at = m->request->count++;
    add_number(m, m->counted);
    return groups_at;
}

static int fill(maker *m, const tm__redis *redis, tm_error *error)
{
    unsigned char fresh_id[TM_STORE_ID_BYTES];
    int status = tm__random_bytes(fresh_id, sizeof fresh_id);
    if (status != TM_OK)
        return tm__fail(error, status, "redis: the system gives no random bytes");
    size_t groups_at = add_head(m, redis, fresh_id);
    m->delta_at = m->request->count + 2 * m->batch->change_count;
    for (int kind = 0; kind < KINDS; kind++)
        add_kind(m, kind);
    m->request->count = m->delta_at;
    set_copy(m, groups_at, m->groups.data ? m->groups.data : "", m->groups.len);
    m->failed = m->failed || m->groups.failed;
    return m->failed ? tm__fail(error, TM_ENOMEM, "redis: out of memory") : TM_OK;
}

/* What is not checked here would stand in the keys and fields of the server. `before`: the change before, or NULL. */
static bool change_ok(const tm_change *change, const tm_change *before)
{
    bool same_family = before && before->family == change->family;
    bool same_labels = same_family && before->labels == change->labels && before->labels_bytes == change->labels_bytes;
    return (same_family || tm__family_check(change->family) == TM_OK) &&
           change->part < tm__family_value_count(change->family) &&
           (same_labels || tm__labels_ok(change->labels, change->labels_bytes));
}

/* An empty batch may repeat prev as its seq: it only asks whether that is still the last. */
static bool batch_ok(const tm_batch *batch)
{
    bool asks = batch->change_count == 0 && batch->seq == batch->prev;
    bool ok = tm__instance_name_ok(batch->instance) && batch->partition == 0 && batch->seq > 0 &&
              (batch->seq > batch->prev || asks) && batch->change_count <= TM__REDIS_CHANGES_MAX;
    for (size_t i = 0; ok && i < batch->change_count; i++)
        ok = change_ok(&batch->changes[i], i > 0 ? &batch->changes[i - 1] : NULL);
    return ok;
}

static size_t count_counted(const tm_batch *batch)
{
    size_t counted = 0;
    for (size_t i = 0; i < batch->change_count; i++)
        counted += batch->changes[i].family->type != TM_TYPE_GAUGE;
    return counted;
}

int tm__redis_request_make(const tm__redis *redis, const tm_batch *batch, tm__redis_request *out, tm_error *error)
{
    *out = (tm__redis_request){.seq = batch->seq};
    if (!batch_ok(batch))
        return tm__fail(error, TM_EINVAL, "redis: the batch has a bad instance, number or change, or is too large");
    size_t most = TM__REDIS_FIXED_ARGUMENTS + 3 * batch->change_count;
    maker m = {.request = out, .batch = batch, .counted = count_counted(batch)};
    out->arguments = tm__arena_alloc(&out->arena, most * sizeof *out->arguments);
    out->lens = tm__arena_alloc(&out->arena, most * sizeof *out->lens);
    out->indices = tm__arena_alloc(&out->arena, (batch->change_count + 1) * sizeof *out->indices);
    int status = out->arguments && out->lens && out->indices ? fill(&m, redis, error)
                                                             : tm__fail(error, TM_ENOMEM, "redis: out of memory");
    tm__buffer_free(&m.text);
    tm__buffer_free(&m.groups);
    if (status != TM_OK)
        tm__redis_request_free(out);
    return status;
}

void tm__redis_request_free(tm__redis_request *request)
{
    tm__arena_free(&request->arena);
    *request = (tm__redis_request){0};
}
