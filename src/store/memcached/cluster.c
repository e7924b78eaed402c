#include "store/memcached/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

/* ---- the servers --------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tm__memcached_server *)a)->name, ((const tm__memcached_server *)b)->name);
}

static size_t count_hosts(const char *hosts)
{
    size_t count = 1;
    for (const char *c = hosts; *c; c++)
        count += *c == ',';
    return count;
}

static int add_servers(tm__memcached_cluster *cluster, const char *hosts, tm_error *error)
{
    int status = TM_OK;
    for (const char *host = hosts; host && status == TM_OK;) {
        size_t len = strcspn(host, ",");
        status = tm__memcached_server_init(&cluster->servers[cluster->count++], host, len, error);
        host = host[len] ? host + len + 1 : NULL;
    }
    return status;
}

static int check_twins(const tm__memcached_cluster *cluster, tm_error *error)
{
    for (size_t i = 1; i < cluster->count; i++)
        if (by_name(&cluster->servers[i - 1], &cluster->servers[i]) == 0)
            return tm__fail(error, TM_EURL, "memcached URL: the server %s is there twice", cluster->servers[i].name);
    return TM_OK;
}

/* The server with the highest hash of its name and the partition's number: no order matters, and a further server takes
 * over its share only. */
static uint8_t place(const tm__memcached_cluster *cluster, size_t partition)
{
    size_t best = 0;
    uint64_t highest = 0;
    for (size_t i = 0; i < cluster->count; i++) {
        const char *name = cluster->servers[i].name;
        uint64_t hash = tm__hash(name, strlen(name), partition);
        if (hash >= highest) {
            highest = hash;
            best = i;
        }
    }
    return (uint8_t)best;
}

int tm__memcached_cluster_init(tm__memcached_cluster *cluster, const char *hosts, tm_error *error)
{
    size_t count = count_hosts(hosts);
    if (count > TM__MEMCACHED_SERVERS_MAX)
        return tm__fail(error, TM_EURL, "memcached URL: more than %d servers", TM__MEMCACHED_SERVERS_MAX);
    cluster->servers = calloc(count, sizeof *cluster->servers);
    if (!cluster->servers)
        return tm__fail(error, TM_ENOMEM, "memcached URL: out of memory");
    int status = add_servers(cluster, hosts, error);
    if (status != TM_OK)
        return status;
    qsort(cluster->servers, cluster->count, sizeof *cluster->servers, by_name);
    for (size_t p = 0; p < TM__MEMCACHED_PARTITIONS_MAX; p++)
        cluster->places[p] = place(cluster, p);
    cluster->servers[0].alone = cluster->count == 1;
    return check_twins(cluster, error);
}

void tm__memcached_cluster_free(tm__memcached_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        tm__memcached_server_free(&cluster->servers[i]);
    free(cluster->servers);
    *cluster = (tm__memcached_cluster){0};
}

/* ---- fetching ------------------------------------------------------------------------------------------------ */

/* One server's part of a fetch. */
typedef struct part {
    tm__memcached_keys keys; /* of the request that is under way */
    bool layout_due;
    size_t next; /* the first partition that has not been looked at */
} part;

typedef struct fetch {
    tm__memcached_cluster *cluster;
    const char *ns;
    const tm__memcached_layout *layout;
    part *parts;
    tm_error *outcomes;
} fetch;

/* Collects the next keys for server i, as many as go into one request. */
static void next_keys(const fetch *f, size_t i)
{
    part *p = &f->parts[i];
    tm__memcached_keys *keys = &p->keys;
    keys->count = 0;
    if (p->layout_due) {
        p->layout_due = false;
        keys->ids[keys->count] = TM__MEMCACHED_LAYOUT_ID;
        tm__memcached_layout_key(f->ns, keys->texts[keys->count++]);
    }
    size_t end = f->layout ? f->layout->partition_count : 0;
    for (; p->next < end && keys->count < TM__MEMCACHED_KEYS_MAX; p->next++) {
        if (f->cluster->places[p->next] != i)
            continue;
        keys->ids[keys->count] = p->next;
        tm__memcached_partition_key(f->ns, f->layout, p->next, keys->texts[keys->count++]);
    }
}

/* Asks all servers before it waits for any. False if nothing was left to ask. */
static bool ask_all(const fetch *f, int64_t deadline_ns)
{
    bool asked = false;
    for (size_t i = 0; i < f->cluster->count; i++) {
        f->parts[i].keys.count = 0;
        if (f->outcomes[i].status != TM_OK)
            continue;
        next_keys(f, i);
        if (f->parts[i].keys.count == 0)
            continue;
        tm_error *outcome = &f->outcomes[i];
        outcome->status = tm__memcached_ask(&f->cluster->servers[i], &f->parts[i].keys, deadline_ns, outcome);
        asked = true;
    }
    return asked;
}

static void take_all(const fetch *f, tm__memcached_taker take, void *ctx, int64_t deadline_ns)
{
    for (size_t i = 0; i < f->cluster->count; i++) {
        tm_error *outcome = &f->outcomes[i];
        if (f->parts[i].keys.count > 0 && outcome->status == TM_OK)
            outcome->status =
                tm__memcached_answer(&f->cluster->servers[i], &f->parts[i].keys, take, ctx, deadline_ns, outcome);
    }
}

int tm__memcached_fetch(tm__memcached_cluster *cluster, const char *ns, bool layout_too,
                        const tm__memcached_layout *layout, tm__memcached_taker take, void *ctx, int64_t deadline_ns,
                        tm_error *outcomes, tm_error *error)
{
    fetch f = {.cluster = cluster, .ns = ns, .layout = layout, .outcomes = outcomes};
    f.parts = calloc(cluster->count, sizeof *f.parts);
    if (!f.parts)
        return tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    for (size_t i = 0; i < cluster->count; i++) {
        f.parts[i].layout_due = layout_too;
        f.parts[i].keys.renew_s = layout_too ? cluster->renew_s : 0;
        outcomes[i] = (tm_error){0};
    }
    while (ask_all(&f, deadline_ns))
        take_all(&f, take, ctx, deadline_ns);
    free(f.parts);
    return TM_OK;
}
