#include "store/redis/answer.h"

#include <string.h>

#include "base/error.h"
#include "store/redis/number.h"
#include "store/redis/server_error.h"

enum { WORD, ID, TIME, HEAD }; /* the strings every answer begins with */

static int malformed(const tm__redis *redis, tm_error *error)
{
    return tm__fail(error, TM_EPROTO, "%s: malformed answer of the apply script", redis->target.shown);
}

static bool all_strings(const redisReply *answer)
{
    for (size_t i = 0; i < answer->elements; i++)
        if (answer->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return true;
}

static bool is(const redisReply *string, const char *text)
{
    return strcmp(string->str, text) == 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "" is no id: zeros. */
static bool read_id(const redisReply *string, unsigned char id[TM_STORE_ID_BYTES])
{
    memset(id, 0, TM_STORE_ID_BYTES);
    if (string->len != 0 && string->len != 2 * TM_STORE_ID_BYTES)
        return false;
    for (size_t i = 0; i < string->len / 2; i++) {
        int high = hex_digit(string->str[2 * i]);
        int low = hex_digit(string->str[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        id[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static bool read_time(const redisReply *string, int64_t *time_ms)
{
    uint64_t time;
    if (!tm__redis_read_count(string->str, string->len, &time) || time > INT64_MAX)
        return false;
    *time_ms = (int64_t)time;
    return true;
}

/* Index and error in turn. */
static bool read_refusals(const redisReply *answer, const tm__redis_request *request, tm_reply *reply)
{
    if ((answer->elements - HEAD) % 2 != 0)
        return false;
    for (size_t i = HEAD; i < answer->elements; i += 2) {
        uint64_t index;
        const redisReply *number = answer->element[i];
        const redisReply *cause = answer->element[i + 1];
        if (!tm__redis_read_count(number->str, number->len, &index) || index >= request->change_count)
            return false;
        reply->refused(reply->ctx, request->indices[index], tm__redis_status_of(cause->str, cause->len));
    }
    return true;
}

static bool read_resync(const redisReply *answer, tm_reply *reply)
{
    if (answer->elements != HEAD + 2)
        return false;
    const redisReply *last = answer->element[HEAD];
    const redisReply *memory = answer->element[HEAD + 1];
    reply->memory = is(memory, "values")    ? TM_MEMORY_VALUES
                    : is(memory, "expired") ? TM_MEMORY_EXPIRED
                                            : TM_MEMORY_NOTHING;
    return tm__redis_read_count(last->str, last->len, &reply->last_seq) &&
           (reply->memory != TM_MEMORY_NOTHING || is(memory, "nothing"));
}

static bool read_rest(const redisReply *answer, const tm__redis_request *request, tm_reply *reply)
{
    const redisReply *word = answer->element[WORD];
    if (is(word, "applied")) {
        reply->answer = TM_ANSWER_APPLIED;
        return read_refusals(answer, request, reply);
    }
    if (is(word, "duplicate")) {
        reply->answer = TM_ANSWER_DUPLICATE;
        return answer->elements == HEAD;
    }
    reply->answer = TM_ANSWER_RESYNC;
    return is(word, "resync") && read_resync(answer, reply);
}

int tm__redis_answer_read(const tm__redis *redis, const redisReply *answer, const tm__redis_request *request,
                          tm_reply *reply, tm_error *error)
{
    reply->last_seq = request->seq;
    reply->memory = TM_MEMORY_NOTHING;
    bool ok = answer->elements >= HEAD && all_strings(answer) && read_id(answer->element[ID], reply->store_id) &&
              read_time(answer->element[TIME], &reply->time_ms) && read_rest(answer, request, reply);
    return ok ? TM_OK : malformed(redis, error);
}
