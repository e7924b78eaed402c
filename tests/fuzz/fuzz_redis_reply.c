/* What a Redis server may send: any bytes, in any pieces, are replies or refused within the limits; and what is inside
 * replies, the answer of the apply script, fields, families and numbers, is read or left out.
 *
 * The first byte says how long the pieces are and what is done with the replies. */
#include <stdlib.h>
#include <string.h>

#include "store/redis/answer.h"
#include "store/redis/collection.h"
#include "store/redis/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

/* ---- what is inside ------------------------------------------------------------------------------------------ */

typedef struct contents {
    tm__redis_families families;
    tm__redis_collection collection;
    tm__redis_request request;
    bool has_field;
    tm__buffer field;
} contents;

static int hear_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    return TM_OK;
}

static void hear_refusal(void *ctx, size_t index, int status)
{
    const contents *c = ctx;
    check(index < c->request.change_count && status != TM_OK);
}

static void read_answer(contents *c, const redisReply *reply)
{
    tm__redis redis = {
        .target = {.shown = (char[]){"redis://***@h"}, .user = (char[]){"u"}, .password = (char[]){"p"}}};
    tm_reply out = {.ctx = c, .remembered = hear_memory, .refused = hear_refusal};
    tm_error error = {0};
    tm__redis_connection connection;
    tm__redis_connection_init(&connection, &redis.target);
    int status = tm__redis_check_type(&connection, reply, REDIS_REPLY_ARRAY, &error);
    if (status == TM_OK)
        status = tm__redis_answer_read(&redis, reply, &c->request, &out, &error);
    check(status == TM_OK || error.text[0] != '\0');
}

/* A field and its value, taken for everything they could be. */
static int take_text(void *ctx, const char *text, size_t len)
{
    contents *c = ctx;
    c->has_field = !c->has_field;
    if (c->has_field) {
        c->field.len = 0;
        tm__buffer_append(&c->field, text, len);
        return TM_OK;
    }
    tm__redis_text field = {c->field.data ? c->field.data : "", c->field.len};
    tm__redis_text value = {text, len};
    int status = tm__redis_families_add(&c->families, field.text, field.len, value.text, value.len);
    if (status == TM_OK)
        status = tm__redis_collect_count(&c->collection, &c->families, NULL, field, value);
    if (status == TM_OK)
        status = tm__redis_collect_gauge(&c->collection, &c->families, "i", field, value);
    return status;
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

static void walk(const redisReply *reply, int depth)
{
    check(depth <= TM__REDIS_DEPTH_MAX);
    for (size_t i = 0; i < reply->elements; i++)
        walk(reply->element[i], depth + 1);
    if (reply->str)
        check(reply->str[reply->len] == '\0');
}

static void read_replies(contents *c, tm__redis_reader *reader, const uint8_t *data, size_t size, size_t piece)
{
    int status = TM_OK;
    for (size_t at = 0; at < size && status == TM_OK; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        status = tm__redis_reader_feed(reader, (const char *)data + at, len);
        for (const redisReply *reply = NULL; status == TM_OK;) {
            status = tm__redis_reader_next(reader, &reply);
            if (status != TM_OK || !reply)
                break;
            walk(reply, 0);
            read_answer(c, reply);
        }
        check(reader->arena.bytes <= TM__REDIS_REPLY_MAX + (1 << 20));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    tm__redis_reader reader;
    contents c = {.request = {.indices = (size_t[]){2, 0, 1}, .change_count = 3}};
    check(tm__redis_reader_init(&reader) == TM_OK && tm__redis_families_init(&c.families) == TM_OK &&
          tm__redis_collection_init(&c.collection) == TM_OK);
    if (data[0] & 3)
        tm__redis_reader_divert(&reader, data[0] & 3, take_text, &c);
    read_replies(&c, &reader, data + 1, size - 1, 1 + (data[0] >> 2));
    tm__redis_collection_sort(&c.collection);
    tm__redis_collection_free(&c.collection);
    tm__redis_families_free(&c.families);
    tm__buffer_free(&c.field);
    tm__redis_reader_free(&reader);
    return 0;
}
