#include "store/memcached/agree.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* What one server holds as layout. */
typedef struct copy {
    bool there;
    tm__memcached_item item; /* without its bytes */
    tm__memcached_layout layout;
} copy;

typedef struct view {
    tm__memcached *memcached;
    copy copies[TM__MEMCACHED_SERVERS_MAX];
    tm_error outcomes[TM__MEMCACHED_SERVERS_MAX];
    tm__memcached_layout newest; /* partition_count 0: none is there */
} view;

static int take_layout(void *ctx, size_t id, const tm__memcached_item *item, tm_error *error)
{
    (void)id;
    view *v = ctx;
    copy *c = &v->copies[item->server - v->memcached->cluster.servers];
    int status = tm__memcached_layout_read(item->bytes, item->len, &c->layout, error);
    if (status != TM_OK)
        return status;
    c->there = true;
    c->item = *item;
    c->item.bytes = NULL;
    if (v->newest.partition_count == 0 || strcmp(c->layout.generation, v->newest.generation) > 0)
        v->newest = c->layout;
    return TM_OK;
}

/* A server that cannot be reached is left out; one that answers but holds something strange is not. */
static int check_outcomes(const view *v, tm_error *error)
{
    size_t answered = 0;
    for (size_t i = 0; i < v->memcached->cluster.count; i++) {
        const tm_error *outcome = &v->outcomes[i];
        answered += outcome->status == TM_OK;
        if (outcome->status == TM_ECORRUPT || outcome->status == TM_EUNSUPPORTED || outcome->status == TM_ENOMEM) {
            *error = *outcome;
            return outcome->status;
        }
    }
    if (answered > 0)
        return TM_OK;
    *error = v->outcomes[0];
    return error->status;
}

/* Puts the newest layout on server i. *stored: it is there now. */
static int put(view *v, size_t i, int64_t deadline_ns, bool *stored)
{
    char key[TM__MEMCACHED_KEY_BYTES];
    char text[TM__MEMCACHED_LAYOUT_BYTES];
    copy *c = &v->copies[i];
    tm__memcached_layout_key(v->memcached->ns, key);
    size_t len = tm__memcached_layout_write(&v->newest, text);
    v->outcomes[i].status = tm__memcached_store(&v->memcached->cluster.servers[i], key, c->there ? &c->item : NULL,
                                                text, len, 0, deadline_ns, stored, &v->outcomes[i]);
    return v->outcomes[i].status;
}

/* Puts the newest layout where it is missing. *agreed: all servers that answer have it. */
static void spread(view *v, int64_t deadline_ns, bool *agreed)
{
    *agreed = true;
    for (size_t i = 0; i < v->memcached->cluster.count; i++) {
        const copy *c = &v->copies[i];
        if (v->outcomes[i].status != TM_OK || (c->there && strcmp(c->layout.generation, v->newest.generation) == 0))
            continue;
        bool stored = false;
        if (put(v, i, deadline_ns, &stored) == TM_OK && !stored)
            *agreed = false;
    }
}

/* Whether the partitions that were fetched are those of the layout that holds. */
static bool adopt(tm__memcached *memcached, const tm__memcached_layout *layout, int64_t deadline_ns)
{
    if (strcmp(memcached->layout.generation, layout->generation) == 0)
        return true;
    if (memcached->layout.partition_count != 0 && memcached->layout.partition_count != layout->partition_count)
        memcached->recounted_ns = deadline_ns;
    memcached->layout = *layout;
    return false;
}

/* A layout that was lost is made anew with the number of partitions it had. */
static int make_layout(const tm__memcached *memcached, tm__memcached_layout *out, tm_error *error)
{
    size_t count = memcached->layout.partition_count;
    return tm__memcached_layout_new(count > 0 ? count : memcached->wanted_partitions, out, error);
}

/* One round. *agreed: all servers that answer have one layout. */
static int find_or_make(view *v, int64_t deadline_ns, bool *agreed, tm_error *error)
{
    tm__memcached *memcached = v->memcached;
    int status = tm__memcached_prefetch_fill(&memcached->prefetch, &memcached->cluster, memcached->ns,
                                             &memcached->layout, take_layout, v, deadline_ns, v->outcomes, error);
    if (status == TM_OK)
        status = check_outcomes(v, error);
    if (status == TM_OK && v->newest.partition_count == 0)
        status = make_layout(memcached, &v->newest, error);
    if (status != TM_OK)
        return status;
    spread(v, deadline_ns, agreed);
    return check_outcomes(v, error);
}

int tm__memcached_agree(tm__memcached *memcached, int64_t deadline_ns, tm_error *error)
{
    tm__backoff backoff = {0};
    for (;;) {
        view v = {.memcached = memcached};
        bool agreed;
        int status = find_or_make(&v, deadline_ns, &agreed, error);
        if (status != TM_OK)
            return status;
        if (agreed && adopt(memcached, &v.newest, deadline_ns))
            return TM_OK;
        if (!agreed && tm__backoff_wait(&backoff, deadline_ns) != TM_OK)
            return tm__fail(error, TM_ETIMEOUT, "memcached: the layout changed again and again until the deadline");
    }
}

int tm__memcached_look(tm__memcached *memcached, tm__memcached_layout *out, int64_t deadline_ns, tm_error *error)
{
    view v = {.memcached = memcached};
    int status = tm__memcached_fetch(&memcached->cluster, memcached->ns, true, NULL, take_layout, &v, deadline_ns,
                                     v.outcomes, error);
    if (status == TM_OK)
        status = check_outcomes(&v, error);
    *out = v.newest;
    return status;
}
