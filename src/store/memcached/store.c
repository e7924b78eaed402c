/* memcached:// as a store. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/memcached/agree.h"
#include "store/memcached/apply.h"
#include "store/store.h"

/* -u of the linker refers to it by this name. */
int tm__memcached_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error);

/* ---- the functions of the table ------------------------------------------------------------------------------ */

/* Called at the start of every sync, and so the place to fetch everything at once. */
static int count_partitions(void *self, int64_t deadline_ns, size_t *count, tm_error *error)
{
    tm__memcached *memcached = self;
    int status = tm__memcached_take_turn(memcached, deadline_ns, error);
    if (status != TM_OK)
        return status;
    status = tm__memcached_agree(memcached, deadline_ns, error);
    *count = memcached->layout.partition_count;
    tm__turn_give_back(&memcached->turn);
    return status;
}

static int apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    tm__memcached *memcached = self;
    int status = tm__memcached_take_turn(memcached, deadline_ns, error);
    if (status != TM_OK)
        return status;
    if (memcached->layout.partition_count == 0)
        status = tm__memcached_agree(memcached, deadline_ns, error);
    if (status == TM_OK)
        status = tm__memcached_apply(memcached, batch, deadline_ns, reply, error);
    tm__turn_give_back(&memcached->turn);
    return status;
}

typedef struct reading {
    const tm__memcached *memcached;
    const tm_read_options *options;
    tm_snapshot *into;
    int64_t now_ms;
} reading;

static int read_partition(void *ctx, size_t id, const tm__memcached_item *item, tm_error *error)
{
    (void)id;
    reading *r = ctx;
    tm__ledger *ledger = NULL;
    int status = tm__ledger_decode(item->bytes, item->len, &ledger, error);
    if (status == TM_OK)
        status = tm__ledger_read(ledger, r->options, &r->memcached->rules, r->now_ms, r->into, error);
    tm__ledger_free(ledger);
    return status;
}

/* A part of the counts would look like counters that go down: all servers must answer. */
static int read_all(tm__memcached *memcached, reading *r, int64_t deadline_ns, tm_error *error)
{
    tm__memcached_layout layout;
    tm_error outcomes[TM__MEMCACHED_SERVERS_MAX];
    int status = tm__memcached_look(memcached, &layout, deadline_ns, error);
    if (status != TM_OK || layout.partition_count == 0)
        return status;
    status = tm__memcached_fetch(&memcached->cluster, memcached->ns, false, &layout, read_partition, r, deadline_ns,
                                 outcomes, error);
    for (size_t i = 0; i < memcached->cluster.count && status == TM_OK; i++) {
        *error = outcomes[i];
        status = error->status;
    }
    return status;
}

static int read_aggregate(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into,
                          tm_error *error)
{
    tm__memcached *memcached = self;
    reading r = {.memcached = memcached, .options = options, .into = into, .now_ms = tm__wall_ms()};
    int status = tm__memcached_take_turn(memcached, deadline_ns, error);
    if (status != TM_OK)
        return status;
    status = read_all(memcached, &r, deadline_ns, error);
    tm__turn_give_back(&memcached->turn);
    return status;
}

static void close_store(void *self)
{
    tm__memcached_free(self);
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static void warn_of_dead_servers(const tm__memcached *memcached)
{
    for (size_t i = 0; i < memcached->cluster.count && memcached->warn; i++) {
        const tm__memcached_server *server = &memcached->cluster.servers[i];
        tm_error text;
        if (server->connection.fd >= 0)
            continue;
        tm__fail(&text, TM_EUNAVAILABLE, "memcached %s: cannot be reached; its partitions wait for it", server->name);
        memcached->warn(memcached->warn_ctx, text.text);
    }
}

/* Whether the servers answer and hold what we understand. */
static int greet(tm__memcached *memcached, const tm_store_options *options, tm_error *error)
{
    int status = tm__memcached_agree(memcached, tm__monotonic_ns() + options->sync_timeout_ms * 1000000, error);
    tm__memcached_prefetch_clear(&memcached->prefetch);
    bool unreachable = status == TM_EUNAVAILABLE || status == TM_ETIMEOUT;
    if (unreachable && options->skip_if_unavailable) {
        *error = (tm_error){0};
        status = TM_OK;
    }
    if (status == TM_OK)
        warn_of_dead_servers(memcached);
    return status;
}

int tm__memcached_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error)
{
    static const tm_store_ops ops = {.size = sizeof ops,
                                     .kind = "memcached",
                                     .strategy = TM_STRATEGY_DISTRIBUTED_BASIC,
                                     .capabilities = TM_CAP_DISTRIBUTED | TM_CAP_PER_INSTANCE,
                                     .partitions = count_partitions,
                                     .apply = apply,
                                     .read = read_aggregate,
                                     .close = close_store};
    *out = NULL;
    tm__memcached *memcached;
    int status = tm__memcached_new(url, options, &memcached, error);
    if (status != TM_OK)
        return status;
    status = greet(memcached, options, error);
    if (status != TM_OK) {
        tm__memcached_free(memcached);
        return status;
    }
    return tm__store_make(&ops, memcached, memcached->identity, options, out);
}

__attribute__((constructor)) static void announce(void)
{
    tm_store_register("memcached", tm__memcached_store_open);
}
