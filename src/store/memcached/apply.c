#include "store/memcached/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* One batch on its way into its partition's item. */
typedef struct attempt {
    tm__memcached *memcached;
    tm__memcached_server *server;
    const tm_batch *batch;
    int64_t deadline_ns;
    tm_reply *asked;     /* the caller's reply */
    tm_reply reply;      /* ours; becomes the caller's once it is true */
    tm__buffer refusals; /* of `refusal`: they are true only once the item is stored */
    tm__buffer encoded;
    uint64_t prefetched_bytes; /* of items that came at the start of the sync */
    char key[TM__MEMCACHED_KEY_BYTES];
} attempt;

typedef struct refusal {
    size_t index;
    int status;
} refusal;

/* ---- the reply ----------------------------------------------------------------------------------------------- */

static void keep_refusal(void *ctx, size_t index, int status)
{
    attempt *a = ctx;
    refusal r = {.index = index, .status = status};
    tm__buffer_append(&a->refusals, &r, sizeof r);
}

/* Comes with an answer that changes nothing, so it is true as soon as it is told. */
static int pass_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    attempt *a = ctx;
    return a->asked->remembered(a->asked->ctx, family, labels, labels_bytes, part, value);
}

static void give_reply(attempt *a, uint64_t bytes)
{
    tm_reply *asked = a->asked;
    for (size_t at = 0; at < a->refusals.len; at += sizeof(refusal)) {
        refusal r;
        memcpy(&r, a->refusals.data + at, sizeof r);
        asked->refused(asked->ctx, r.index, r.status);
    }
    asked->answer = a->reply.answer;
    asked->last_seq = a->reply.last_seq;
    asked->memory = a->reply.memory;
    memcpy(asked->store_id, a->reply.store_id, sizeof asked->store_id);
    asked->time_ms = a->reply.time_ms;
    asked->bytes = a->prefetched_bytes + bytes;
}

/* ---- finding the item ---------------------------------------------------------------------------------------- */

static int take_copy(void *ctx, size_t id, const tm__memcached_item *item, tm_error *error)
{
    (void)id;
    return tm__memcached_found_copy(ctx, item, error);
}

static int fetch(attempt *a, tm__memcached_found *found, tm_error *error)
{
    tm__memcached_keys *keys = malloc(sizeof *keys);
    if (!keys)
        return tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    keys->renew_s = 0;
    keys->count = 1;
    keys->ids[0] = a->batch->partition;
    memcpy(keys->texts[0], a->key, sizeof a->key);
    int status = tm__memcached_ask(a->server, keys, a->deadline_ns, error);
    if (status == TM_OK)
        status = tm__memcached_answer(a->server, keys, take_copy, found, a->deadline_ns, error);
    free(keys);
    return status;
}

/* The item, or that there is none; from the start of the sync if it is known from there. */
static int find(attempt *a, tm__memcached_found *found, tm_error *error)
{
    *found = tm__memcached_prefetch_take(&a->memcached->prefetch, a->batch->partition, a->deadline_ns);
    if (found->state == TM__MEMCACHED_UNKNOWN)
        return fetch(a, found, error);
    a->prefetched_bytes += found->copy ? found->item.len : 0;
    return TM_OK;
}

/* ---- changing it --------------------------------------------------------------------------------------------- */

static int check_size(const attempt *a, tm_error *error)
{
    if (a->encoded.len <= a->server->value_bytes_max)
        return TM_OK;
    return tm__fail(
        error, TM_ETOOBIG,
        "memcached %s: partition %zu would take %zu bytes of the %zu that fit into an item: use more partitions "
        "(in a new namespace) or start the server with a larger -I",
        a->server->name, a->batch->partition, a->encoded.len, a->server->value_bytes_max);
}

/* Applies the batch to the item that was found. *done: the reply is true; else somebody else changed the item. */
static int change(attempt *a, const tm__memcached_found *found, bool *done, tm_error *error)
{
    a->encoded.len = a->refusals.len = 0;
    a->reply = (tm_reply){.ctx = a, .remembered = pass_memory, .refused = keep_refusal};
    int status = tm__ledger_apply_bytes(found->copy, found->copy ? found->item.len : 0, a->batch, &a->memcached->rules,
                                        tm__wall_ms(), &a->reply, &a->encoded, error);
    if (status != TM_OK)
        return tm__memcached_server_says(a->server, status, error);
    if (a->refusals.failed)
        return tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    *done = a->encoded.len == 0;
    if (*done)
        return TM_OK;
    status = check_size(a, error);
    if (status == TM_OK)
        status = tm__memcached_store(a->server, a->key, found->copy ? &found->item : NULL, a->encoded.data,
                                     a->encoded.len, a->memcached->cluster.renew_s, a->deadline_ns, done, error);
    return status;
}

static int try_once(attempt *a, bool *done, tm_error *error)
{
    tm__memcached_found found = {0};
    int status = find(a, &found, error);
    if (status == TM_OK)
        status = change(a, &found, done, error);
    free(found.copy);
    return status;
}

static int try_until_done(attempt *a, tm_error *error)
{
    tm__backoff backoff = {0};
    bool done = false;
    int status = try_once(a, &done, error);
    while (status == TM_OK && !done) {
        if (tm__backoff_wait(&backoff, a->deadline_ns) != TM_OK)
            return tm__fail(error, TM_ETIMEOUT,
                            "memcached %s: others changed partition %zu again and again until the deadline",
                            a->server->name, a->batch->partition);
        status = try_once(a, &done, error);
    }
    return status;
}

/* ---- the call ------------------------------------------------------------------------------------------------ */

/* A call that began before the number of partitions changed has distributed its series by the old number. */
static int check_partition(const tm__memcached *memcached, size_t partition, int64_t deadline_ns, tm_error *error)
{
    if (deadline_ns < memcached->recounted_ns)
        return tm__fail(error, TM_EUNAVAILABLE,
                        "memcached: the number of partitions has changed; the next sync follows");
    if (partition >= memcached->layout.partition_count)
        return tm__fail(error, TM_EINVAL, "memcached: there is no partition %zu", partition);
    return TM_OK;
}

int tm__memcached_apply(tm__memcached *memcached, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply,
                        tm_error *error)
{
    int status = check_partition(memcached, batch->partition, deadline_ns, error);
    if (status != TM_OK)
        return status;
    attempt a = {.memcached = memcached,
                 .server = &memcached->cluster.servers[memcached->cluster.places[batch->partition]],
                 .batch = batch,
                 .deadline_ns = deadline_ns,
                 .asked = reply};
    tm__memcached_partition_key(memcached->ns, &memcached->layout, batch->partition, a.key);
    uint64_t before = a.server->connection.bytes;
    status = try_until_done(&a, error);
    if (status == TM_OK)
        give_reply(&a, a.server->connection.bytes - before);
    tm__buffer_free(&a.encoded);
    tm__buffer_free(&a.refusals);
    return status;
}
