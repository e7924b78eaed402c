#include "store/redis/reader.h"

#include <string.h>

/* hiredis 1 counts elements in size_t and knows more types. */
#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static int depth_of(const redisReadTask *task)
{
    int depth = 0;
    for (const redisReadTask *parent = task->parent; parent; parent = parent->parent)
        depth++;
    return depth;
}

/* NULL makes hiredis stop with an error of its own; the reader remembers the real one. */
static void *give_up(tm__redis_reader *reader, int status)
{
    if (reader->status == TM_OK)
        reader->status = status;
    return NULL;
}

static void *allocate(tm__redis_reader *reader, size_t bytes)
{
    if (bytes > TM__REDIS_REPLY_MAX || reader->arena.bytes > TM__REDIS_REPLY_MAX - bytes)
        return give_up(reader, TM_ETOOBIG);
    void *piece = tm__arena_alloc(&reader->arena, bytes);
    return piece ? piece : give_up(reader, TM_ENOMEM);
}

/* A new object in its place: the root, or an element of the array around it. */
static redisReply *add_object(const redisReadTask *task)
{
    tm__redis_reader *reader = task->privdata;
    redisReply *parent = task->parent ? task->parent->obj : NULL;
    if (parent && !parent->element)
        return give_up(reader, TM_EPROTO);
    redisReply *object = allocate(reader, sizeof *object);
    if (!object)
        return NULL;
    object->type = task->type;
    if (parent)
        parent->element[task->idx] = object;
    return object;
}

/* hiredis wants a pointer for what was taken, and keeps it nowhere. */
static void *take_string(tm__redis_reader *reader, const char *text, size_t len)
{
    static redisReply taken;
    int status = reader->take(reader->take_ctx, text, len);
    return status == TM_OK ? &taken : give_up(reader, status);
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    tm__redis_reader *reader = task->privdata;
    if (reader->take_depth > 0 && depth_of(task) == reader->take_depth)
        return take_string(reader, text, len);
    redisReply *object = add_object(task);
    if (!object)
        return NULL;
    object->str = allocate(reader, len + 1);
    if (!object->str)
        return NULL;
    memcpy(object->str, text, len);
    object->len = len;
    return object;
}

static void *create_array(const redisReadTask *task, element_count count)
{
    tm__redis_reader *reader = task->privdata;
    int depth = depth_of(task);
    if (depth >= TM__REDIS_DEPTH_MAX)
        return give_up(reader, TM_ETOOBIG);
    redisReply *object = add_object(task);
    if (!object || (reader->take_depth > 0 && depth + 1 == reader->take_depth))
        return object;
    if ((size_t)count > TM__REDIS_REPLY_MAX / sizeof *object->element)
        return give_up(reader, TM_ETOOBIG);
    object->element = allocate(reader, ((size_t)count + 1) * sizeof *object->element);
    object->elements = (size_t)count;
    return object->element ? object : NULL;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    redisReply *object = add_object(task);
    if (object)
        object->integer = value;
    return object;
}

static void *create_nil(const redisReadTask *task)
{
    return add_object(task);
}

static void free_nothing(void *object)
{
    (void)object;
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)value;
    return create_string(task, text, len);
}

static void *create_bool(const redisReadTask *task, int value)
{
    return create_integer(task, value);
}
#endif

static redisReplyObjectFunctions object_functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_nothing,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
};

int tm__redis_reader_init(tm__redis_reader *reader)
{
    *reader = (tm__redis_reader){.reader = redisReaderCreateWithFunctions(&object_functions)};
    if (!reader->reader)
        return TM_ENOMEM;
    reader->reader->privdata = reader;
    return TM_OK;
}

void tm__redis_reader_free(tm__redis_reader *reader)
{
    if (reader->reader)
        redisReaderFree(reader->reader);
    tm__arena_free(&reader->arena);
    *reader = (tm__redis_reader){0};
}

int tm__redis_reader_feed(tm__redis_reader *reader, const char *bytes, size_t len)
{
    redisReader *parser = reader->reader;
    if (parser->len - parser->pos > TM__REDIS_UNPARSED_MAX - len)
        return TM_ETOOBIG;
    return redisReaderFeed(parser, bytes, len) == REDIS_OK ? TM_OK : TM_ENOMEM;
}

int tm__redis_reader_next(tm__redis_reader *reader, const redisReply **out)
{
    void *reply = NULL;
    if (redisReaderGetReply(reader->reader, &reply) == REDIS_OK) {
        *out = reply;
        return TM_OK;
    }
    *out = NULL;
    return reader->status != TM_OK ? reader->status : TM_EPROTO;
}

void tm__redis_reader_release(tm__redis_reader *reader)
{
    tm__arena_free(&reader->arena);
}

void tm__redis_reader_divert(tm__redis_reader *reader, int depth, tm__redis_string_taker take, void *ctx)
{
    reader->take_depth = depth;
    reader->take = take;
    reader->take_ctx = ctx;
}
