#include "store/redis/hashes.h"

#include <string.h>

#include "base/error.h"

enum { AT_ONCE = 64 };

/* Fields a step: not quite a millisecond of the server's time. */
#define STEP "1000"

/* ---- fields and values in turn ------------------------------------------------------------------------------- */

typedef struct pairing {
    const tm__redis_hash *hash;
    tm__buffer field;
    bool has_field;
} pairing;

static int take_text(void *ctx, const char *text, size_t len)
{
    pairing *p = ctx;
    if (p->has_field) {
        p->has_field = false;
        return p->hash->take(p->hash->ctx, (tm__redis_text){p->field.data, p->field.len}, (tm__redis_text){text, len});
    }
    p->field.len = 0;
    if (!tm__buffer_reserve(&p->field, len + 1))
        return TM_ENOMEM;
    tm__buffer_append(&p->field, text, len);
    p->has_field = true;
    return TM_OK;
}

static int receive_pairs(tm__redis_connection *connection, const tm__redis_hash *hash, int depth, int64_t deadline_ns,
                         const redisReply **out, tm_error *error)
{
    pairing p = {.hash = hash};
    int status = tm__redis_take_strings(connection, depth, take_text, &p, deadline_ns, out, error);
    if (status == TM_OK && p.has_field)
        status = tm__fail(error, TM_EPROTO, "%s: a field without a value", connection->target->shown);
    tm__buffer_free(&p.field);
    return status;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static bool finished(const tm__redis_hash *hash)
{
    return strcmp(hash->cursor, "0") == 0;
}

static int queue_step(tm__redis_connection *connection, const tm__redis_hash *hash, tm_error *error)
{
    const char *cursor = hash->cursor[0] ? hash->cursor : "0";
    return tm__redis_queue_strings(connection, (const char *const[]){"HSCAN", hash->key, cursor, "COUNT", STEP, NULL},
                                   error);
}

/* Receives a step: an array of the next cursor and the fields. */
static int receive_step(tm__redis_connection *connection, tm__redis_hash *hash, int64_t deadline_ns, tm_error *error)
{
    const redisReply *reply;
    int status = receive_pairs(connection, hash, 2, deadline_ns, &reply, error);
    if (status != TM_OK)
        return status;
    const redisReply *cursor = reply->elements == 2 ? reply->element[0] : NULL;
    if (!cursor || cursor->type != REDIS_REPLY_STRING || cursor->len == 0 || cursor->len >= sizeof hash->cursor ||
        strspn(cursor->str, "0123456789") != cursor->len)
        return tm__fail(error, TM_EPROTO, "%s: malformed reply to HSCAN", connection->target->shown);
    memcpy(hash->cursor, cursor->str, cursor->len + 1);
    tm__redis_release_replies(connection);
    return TM_OK;
}

/* One step of each of those that are not finished; *more tells whether one is left. */
static int step_all(tm__redis_connection *connection, tm__redis_hash *hashes, size_t count, int64_t deadline_ns,
                    bool *more, tm_error *error)
{
    bool queued[AT_ONCE];
    int status = TM_OK;
    for (size_t i = 0; i < count && status == TM_OK; i++) {
        queued[i] = !finished(&hashes[i]);
        if (queued[i])
            status = queue_step(connection, &hashes[i], error);
    }
    *more = false;
    for (size_t i = 0; i < count && status == TM_OK; i++) {
        if (queued[i])
            status = receive_step(connection, &hashes[i], deadline_ns, error);
        *more = *more || !finished(&hashes[i]);
    }
    return status;
}

int tm__redis_scan(tm__redis_connection *connection, tm__redis_hash *hashes, size_t count, int64_t deadline_ns,
                   tm_error *error)
{
    int status = TM_OK;
    for (size_t first = 0; first < count && status == TM_OK; first += AT_ONCE) {
        size_t some = count - first < AT_ONCE ? count - first : AT_ONCE;
        for (bool more = true; more && status == TM_OK;)
            status = step_all(connection, hashes + first, some, deadline_ns, &more, error);
    }
    return status;
}

int tm__redis_read_whole(tm__redis_connection *connection, const tm__redis_hash *hash, int64_t deadline_ns,
                         tm_error *error)
{
    const redisReply *reply;
    int status = tm__redis_queue_strings(connection, (const char *const[]){"HGETALL", hash->key, NULL}, error);
    if (status == TM_OK)
        status = receive_pairs(connection, hash, 1, deadline_ns, &reply, error);
    tm__redis_release_replies(connection);
    return status;
}
