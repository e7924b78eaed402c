#include "store/memcached/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/url.h"

#define DEFAULT_NAMESPACE "tasker"

/* Longer times to live mean a date to the server. */
#define RETENTION_LIMIT_MS (INT64_C(30) * 24 * 3600 * 1000)

/* ---- fork ---------------------------------------------------------------------------------------------------- */

static void before_fork(void *self)
{
    tm__turn_before_fork(&((tm__memcached *)self)->turn);
}

static void after_fork(void *self)
{
    tm__turn_after_fork(&((tm__memcached *)self)->turn);
}

/* What a thread was in the middle of, which stayed in the parent, is left alone, not freed. */
static void in_forked_child(void *self)
{
    tm__memcached *memcached = self;
    bool torn = tm__turn_in_forked_child(&memcached->turn);
    if (torn) {
        memcached->prefetch = (tm__memcached_prefetch){0};
        memcached->layout = (tm__memcached_layout){0};
    }
    for (size_t i = 0; i < memcached->cluster.count; i++)
        tm__memcached_connection_abandon(&memcached->cluster.servers[i].connection, torn);
}

/* ---- making and freeing -------------------------------------------------------------------------------------- */

static int take_url(tm__memcached *memcached, const tm__url *url, const tm_store_options *options, tm_error *error)
{
    const char *ns = options->ns ? options->ns : url->ns[0] ? url->ns : DEFAULT_NAMESPACE;
    if (url->user[0] || url->password[0])
        return tm__fail(error, TM_EURL, "memcached URL: a user or password is not supported");
    if (url->path[0] && strcmp(url->path, "/") != 0)
        return tm__fail(error, TM_EURL, "memcached URL: behind the servers only /?ns=NAME is known");
    int status = tm__namespace_check(ns, error);
    if (status != TM_OK)
        return status;
    memcached->ns = strdup(ns);
    if (!memcached->ns)
        return tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    return tm__memcached_cluster_init(&memcached->cluster, url->hosts, error);
}

static int take_options(tm__memcached *memcached, const tm_store_options *options, tm_error *error)
{
    if (options->retention_ms >= RETENTION_LIMIT_MS)
        return tm__fail(error, TM_EINVAL, "store options: for Memcached retention_ms must be below 30 days");
    memcached->rules = (tm__ledger_rules){.liveness_ms = options->liveness_ms,
                                          .values_ttl_ms = options->values_ttl_ms,
                                          .retention_ms = options->retention_ms};
    /* One second more, because the server's clock ticks once a second. */
    memcached->cluster.renew_s = (uint32_t)((options->retention_ms + 999) / 1000) + 1;
    memcached->wanted_partitions = options->partitions;
    memcached->warn = options->warn;
    memcached->warn_ctx = options->warn_ctx;
    return TM_OK;
}

/* The same servers and namespace, however the URL was written. */
static int name_identity(tm__memcached *memcached, tm_error *error)
{
    tm__buffer text = {0};
    tm__buffer_append(&text, "memcached://", strlen("memcached://"));
    for (size_t i = 0; i < memcached->cluster.count; i++) {
        tm__buffer_append(&text, memcached->cluster.servers[i].name, strlen(memcached->cluster.servers[i].name));
        tm__buffer_append(&text, ",", 1);
    }
    tm__buffer_append(&text, memcached->ns, strlen(memcached->ns) + 1);
    memcached->identity = text.data;
    return text.failed ? tm__fail(error, TM_ENOMEM, "memcached: out of memory") : TM_OK;
}

int tm__memcached_new(const char *url, const tm_store_options *options, tm__memcached **out, tm_error *error)
{
    *out = NULL;
    tm__url parsed;
    int status = tm__url_parse(url, &parsed, error);
    if (status != TM_OK)
        return status;
    tm__memcached *memcached = calloc(1, sizeof *memcached);
    if (!memcached) {
        tm__url_free(&parsed);
        return tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    }
    tm__turn_init(&memcached->turn);
    memcached->fork_node =
        (tm__fork_node){.before = before_fork, .after = after_fork, .child = in_forked_child, .self = memcached};
    status = take_options(memcached, options, error);
    if (status == TM_OK)
        status = take_url(memcached, &parsed, options, error);
    if (status == TM_OK)
        status = name_identity(memcached, error);
    if (status == TM_OK && tm__fork_register(&memcached->fork_node) != TM_OK)
        status = tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    tm__url_free(&parsed);
    if (status == TM_OK)
        *out = memcached;
    else
        tm__memcached_free(memcached);
    return status;
}

void tm__memcached_free(tm__memcached *memcached)
{
    tm__fork_unregister(&memcached->fork_node);
    tm__memcached_prefetch_clear(&memcached->prefetch);
    tm__memcached_cluster_free(&memcached->cluster);
    tm__turn_free(&memcached->turn);
    free(memcached->identity);
    free(memcached->ns);
    free(memcached);
}

int tm__memcached_take_turn(tm__memcached *memcached, int64_t deadline_ns, tm_error *error)
{
    if (tm__turn_take(&memcached->turn, deadline_ns))
        return TM_OK;
    return tm__fail(error, TM_ETIMEOUT, "memcached: other threads used the store until the deadline");
}
