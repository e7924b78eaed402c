#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/family.h"
#include "store/redis/answer.h"
#include "store/redis/field.h"
#include "store/redis/hashes.h"
#include "store/redis/number.h"

/* What goes along while an instance's values are read. */
typedef struct recollection {
    tm__redis_families families;
    tm_reply *reply;
    bool gaps; /* something could not be told: what was told is then no baseline */
} recollection;

static int take_family(void *ctx, tm__redis_text field, tm__redis_text value)
{
    recollection *r = ctx;
    return tm__redis_families_add(&r->families, field.text, field.len, value.text, value.len);
}

static int take_value(void *ctx, tm__redis_text field, tm__redis_text value)
{
    recollection *r = ctx;
    tm__redis_sample sample;
    tm_number number;
    if (field.len > 0 && field.text[0] == '#')
        return TM_OK;
    if (!tm__redis_field_parse(&r->families, field.text, field.len, false, &sample) ||
        !tm__redis_sample_number(&sample, value, &number)) {
        r->gaps = true;
        return TM_OK;
    }
    return r->reply->remembered(r->reply->ctx, sample.family->info->name, sample.labels.text, sample.labels.len,
                                sample.part, number);
}

/* Whether the values are still those of the seq that the script told. */
static int check_seq(tm__redis *redis, const char *key, int64_t deadline_ns, uint64_t expected, tm_error *error)
{
    const redisReply *reply;
    uint64_t seq;
    int status = tm__redis_queue_strings(&redis->connection, (const char *const[]){"HGET", key, "#seq", NULL}, error);
    if (status == TM_OK)
        status = tm__redis_receive(&redis->connection, deadline_ns, &reply, error);
    if (status != TM_OK)
        return status;
    bool same =
        reply->type == REDIS_REPLY_STRING && tm__redis_read_count(reply->str, reply->len, &seq) && seq == expected;
    return same ? TM_OK
                : tm__fail(error, TM_EUNAVAILABLE, "%s: the values changed while they were read", redis->target.shown);
}

static int recall(tm__redis *redis, const char *key, recollection *r, int64_t deadline_ns, tm_error *error)
{
    tm__redis_hash families = {.key = redis->families, .take = take_family, .ctx = r};
    tm__redis_hash values = {.key = key, .take = take_value, .ctx = r};
    if (tm__redis_families_init(&r->families) != TM_OK)
        return tm__fail(error, TM_ENOMEM, "%s: out of memory", redis->target.shown);
    int status = tm__redis_scan(&redis->connection, &families, 1, deadline_ns, error);
    if (status == TM_OK)
        status = tm__redis_scan(&redis->connection, &values, 1, deadline_ns, error);
    return status == TM_OK ? check_seq(redis, key, deadline_ns, r->reply->last_seq, error) : status;
}

int tm__redis_recall(tm__redis *redis, const char *instance, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    recollection r = {.reply = reply};
    char *key = tm__redis_key(redis, "values", instance);
    int status = key ? recall(redis, key, &r, deadline_ns, error)
                     : tm__fail(error, TM_ENOMEM, "%s: out of memory", redis->target.shown);
    if (status == TM_OK && r.gaps)
        reply->memory = TM_MEMORY_EXPIRED;
    tm__redis_families_free(&r.families);
    free(key);
    return status;
}
