#include "store/redis/read.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/redis/aggregate.h"
#include "store/redis/hashes.h"
#include "store/redis/number.h"

enum {
    ATTEMPTS = 4,       /* to read everything between two batches */
    WHOLE_FIELDS = 5000 /* a hash that is read in one step takes the server about 2 ms */
};

/* What tells one state of the totals from another. */
typedef struct totals_state {
    char id[64];
    char version[32];
} totals_state;

/* One that has ever synced. */
typedef struct instance {
    const char *name;
    int64_t seen_ms;
    struct reading *reading;
} instance;

typedef struct reading {
    tm__redis *redis; /* while it does the work */
    int64_t deadline_ns;
    tm_error *error;
    bool include_instances;
    tm__arena arena;
    tm__redis_families families;
    tm__redis_collection collection;
    tm__buffer instances; /* of `instance` */
    int64_t now_ms;
    long long field_count;
    totals_state before;
} reading;

static int no_memory(reading *r)
{
    return tm__fail(r->error, TM_ENOMEM, "%s: out of memory", r->redis->target.shown);
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

static int take_family(void *ctx, tm__redis_text field, tm__redis_text value)
{
    reading *r = ctx;
    return tm__redis_families_add(&r->families, field.text, field.len, value.text, value.len);
}

/* "#seq NAME" with the value "SEQ TIME ..." */
static int take_instance(reading *r, tm__redis_text field, tm__redis_text value)
{
    static const char prefix[] = "#seq ";
    size_t prefix_len = strlen(prefix);
    const char *space = memchr(value.text, ' ', value.len);
    if (!space || field.len <= prefix_len || memcmp(field.text, prefix, prefix_len) != 0)
        return TM_OK;
    tm__redis_text rest = {space + 1, value.len - (size_t)(space + 1 - value.text)};
    const char *end = memchr(rest.text, ' ', rest.len);
    uint64_t seen_ms;
    if (!tm__redis_read_count(rest.text, end ? (size_t)(end - rest.text) : rest.len, &seen_ms) || seen_ms > INT64_MAX)
        return TM_OK;
    if (r->arena.bytes > TM__REDIS_COLLECTION_BYTES_MAX)
        return TM_ETOOBIG;
    instance one = {tm__arena_copy(&r->arena, field.text + prefix_len, field.len - prefix_len), (int64_t)seen_ms, r};
    tm__buffer_append(&r->instances, &one, sizeof one);
    return one.name && !r->instances.failed ? TM_OK : TM_ENOMEM;
}

static int take_total(void *ctx, tm__redis_text field, tm__redis_text value)
{
    reading *r = ctx;
    if (field.len > 0 && field.text[0] == '#')
        return take_instance(r, field, value);
    return tm__redis_collect_count(&r->collection, &r->families, NULL, field, value);
}

static int take_gauge(void *ctx, tm__redis_text field, tm__redis_text value)
{
    const instance *one = ctx;
    reading *r = one->reading;
    return tm__redis_collect_gauge(&r->collection, &r->families, one->name, field, value);
}

static int take_value(void *ctx, tm__redis_text field, tm__redis_text value)
{
    const instance *one = ctx;
    reading *r = one->reading;
    return tm__redis_collect_count(&r->collection, &r->families, one->name, field, value);
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static void copy_string(const redisReply *reply, char *out, size_t bytes)
{
    size_t len = reply->type == REDIS_REPLY_STRING && reply->len < bytes ? reply->len : 0;
    if (len > 0)
        memcpy(out, reply->str, len);
    out[len] = '\0';
}

static int receive_array(reading *r, size_t elements, const redisReply **out)
{
    int status = tm__redis_expect(&r->redis->connection, REDIS_REPLY_ARRAY, r->deadline_ns, out, r->error);
    if (status == TM_OK && (*out)->elements != elements)
        status = tm__fail(r->error, TM_EPROTO, "%s: malformed reply", r->redis->target.shown);
    return status;
}

static int queue_state(reading *r)
{
    return tm__redis_queue_strings(&r->redis->connection,
                                   (const char *const[]){"HMGET", r->redis->totals, "#id", "#version", NULL}, r->error);
}

static int receive_state(reading *r, totals_state *out)
{
    const redisReply *reply;
    int status = receive_array(r, 2, &reply);
    if (status != TM_OK)
        return status;
    copy_string(reply->element[0], out->id, sizeof out->id);
    copy_string(reply->element[1], out->version, sizeof out->version);
    return TM_OK;
}

static bool read_string(const redisReply *reply, uint64_t most, uint64_t *out)
{
    return reply->type == REDIS_REPLY_STRING && tm__redis_read_count(reply->str, reply->len, out) && *out <= most;
}

static int receive_time(reading *r)
{
    const redisReply *reply;
    uint64_t seconds;
    uint64_t microseconds;
    int status = receive_array(r, 2, &reply);
    if (status != TM_OK)
        return status;
    if (!read_string(reply->element[0], INT64_MAX / 1000 - 1, &seconds) ||
        !read_string(reply->element[1], 999999, &microseconds))
        return tm__fail(r->error, TM_EPROTO, "%s: malformed reply to TIME", r->redis->target.shown);
    r->now_ms = (int64_t)(seconds * 1000 + microseconds / 1000);
    return TM_OK;
}

static int receive_field_count(reading *r)
{
    const redisReply *reply;
    int status = tm__redis_expect(&r->redis->connection, REDIS_REPLY_INTEGER, r->deadline_ns, &reply, r->error);
    r->field_count = status == TM_OK ? reply->integer : 0;
    return status;
}

/* The server's time, the size of the totals and the state they are in. */
static int begin(reading *r)
{
    tm__redis_connection *connection = &r->redis->connection;
    int status = tm__redis_queue_strings(connection, (const char *const[]){"TIME", NULL}, r->error);
    if (status == TM_OK)
        status = tm__redis_queue_strings(connection, (const char *const[]){"HLEN", r->redis->totals, NULL}, r->error);
    if (status == TM_OK)
        status = queue_state(r);
    if (status == TM_OK)
        status = receive_time(r);
    if (status == TM_OK)
        status = receive_field_count(r);
    return status == TM_OK ? receive_state(r, &r->before) : status;
}

static int read_totals(reading *r, bool whole)
{
    tm__redis_hash families = {.key = r->redis->families, .take = take_family, .ctx = r};
    tm__redis_hash totals = {.key = r->redis->totals, .take = take_total, .ctx = r};
    int status = tm__redis_scan(&r->redis->connection, &families, 1, r->deadline_ns, r->error);
    if (status != TM_OK)
        return status;
    return whole ? tm__redis_read_whole(&r->redis->connection, &totals, r->deadline_ns, r->error)
                 : tm__redis_scan(&r->redis->connection, &totals, 1, r->deadline_ns, r->error);
}

static int compare_instances(const void *left, const void *right)
{
    return strcmp(((const instance *)left)->name, ((const instance *)right)->name);
}

/* A scan may have shown one of them twice. */
static size_t sort_instances(reading *r)
{
    instance *all = (instance *)(void *)r->instances.data;
    size_t count = r->instances.len / sizeof *all;
    size_t kept = 0;
    if (count > 1)
        qsort(all, count, sizeof *all, compare_instances);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(all[kept - 1].name, all[i].name) != 0)
            all[kept++] = all[i];
    return kept;
}

static bool add_hash(reading *r, const char *kind, tm__redis_field_taker take, instance *one, tm__buffer *hashes)
{
    char *key = tm__redis_key(r->redis, kind, one->name);
    tm__redis_hash hash = {.key = key ? tm__arena_copy(&r->arena, key, strlen(key)) : NULL, .take = take, .ctx = one};
    free(key);
    tm__buffer_append(hashes, &hash, sizeof hash);
    return hash.key && !hashes->failed;
}

/* The gauges of those that live, and, if they are wanted, the values of all. */
static int read_instances(reading *r)
{
    tm__buffer hashes = {0};
    instance *all = (instance *)(void *)r->instances.data;
    size_t count = sort_instances(r);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        if (r->now_ms - all[i].seen_ms <= r->redis->liveness_ms)
            ok = add_hash(r, "gauges", take_gauge, &all[i], &hashes);
        if (ok && r->include_instances)
            ok = add_hash(r, "values", take_value, &all[i], &hashes);
    }
    int status = ok ? tm__redis_scan(&r->redis->connection, (tm__redis_hash *)(void *)hashes.data,
                                     hashes.len / sizeof(tm__redis_hash), r->deadline_ns, r->error)
                    : no_memory(r);
    tm__buffer_free(&hashes);
    return status;
}

static int is_unchanged(reading *r, bool *unchanged)
{
    totals_state after;
    int status = queue_state(r);
    if (status == TM_OK)
        status = receive_state(r, &after);
    *unchanged =
        status == TM_OK && strcmp(r->before.id, after.id) == 0 && strcmp(r->before.version, after.version) == 0;
    return status;
}

/* ---- attempts ------------------------------------------------------------------------------------------------ */

static void forget(reading *r)
{
    tm__redis_families_free(&r->families);
    tm__redis_collection_free(&r->collection);
    tm__arena_free(&r->arena);
    tm__buffer_free(&r->instances);
}

/* Reads everything once. last: the totals in one step of the server, however many they are, because batches keep coming
 * in between. */
static int attempt(reading *r, bool last, bool *consistent)
{
    forget(r);
    if (tm__redis_families_init(&r->families) != TM_OK || tm__redis_collection_init(&r->collection) != TM_OK)
        return no_memory(r);
    int status = begin(r);
    if (status == TM_OK)
        status = read_totals(r, last || r->field_count <= WHOLE_FIELDS);
    if (status == TM_OK)
        status = read_instances(r);
    return status == TM_OK ? is_unchanged(r, consistent) : status;
}

static int read_all(tm__redis *redis, void *ctx, int64_t deadline_ns, tm_error *error)
{
    reading *r = ctx;
    r->redis = redis;
    r->deadline_ns = deadline_ns;
    r->error = error;
    bool consistent = false;
    int status = TM_OK;
    for (int i = 1; i <= ATTEMPTS && status == TM_OK && !consistent; i++)
        status = attempt(r, i == ATTEMPTS, &consistent);
    return status;
}

static int fill(reading *r, tm_snapshot *into)
{
    int status = tm__redis_aggregate_gauges(&r->collection);
    if (status == TM_OK)
        status = tm__redis_fill_snapshot(&r->collection, &r->families, r->include_instances, into);
    return status == TM_OK ? TM_OK
                           : tm__fail(r->error, status, "%s: %s", r->redis->target.shown, tm_status_text(status));
}

int tm__redis_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into, tm_error *error)
{
    reading r = {.include_instances = options && options->include_instances};
    int status = tm__redis_do_again(self, read_all, &r, deadline_ns, error);
    if (status == TM_OK)
        status = fill(&r, into);
    forget(&r);
    return status;
}
