#include "store/memcached/prefetch.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { KEEP_BYTES_MAX = 16 << 20 };

int tm__memcached_found_copy(tm__memcached_found *found, const tm__memcached_item *item, tm_error *error)
{
    found->copy = malloc(item->len + 1);
    if (!found->copy)
        return tm__fail(error, TM_ENOMEM, "out of memory");
    memcpy(found->copy, item->bytes, item->len);
    found->item = *item;
    found->item.bytes = found->copy;
    found->state = TM__MEMCACHED_PRESENT;
    return TM_OK;
}

void tm__memcached_prefetch_clear(tm__memcached_prefetch *prefetch)
{
    for (size_t p = 0; p < prefetch->count; p++)
        free(prefetch->found[p].copy);
    free(prefetch->found);
    *prefetch = (tm__memcached_prefetch){0};
}

typedef struct filling {
    tm__memcached_prefetch *prefetch;
    tm__memcached_taker take_layout;
    void *ctx;
} filling;

/* What there is no memory for is not kept. */
static int take(void *ctx, size_t id, const tm__memcached_item *item, tm_error *error)
{
    filling *f = ctx;
    tm__memcached_prefetch *prefetch = f->prefetch;
    if (id == TM__MEMCACHED_LAYOUT_ID)
        return f->take_layout(f->ctx, id, item, error);
    tm__memcached_found *found = &prefetch->found[id];
    found->state = TM__MEMCACHED_UNKNOWN;
    if (prefetch->bytes + item->len > KEEP_BYTES_MAX || tm__memcached_found_copy(found, item, NULL) != TM_OK)
        return TM_OK;
    prefetch->bytes += item->len;
    return TM_OK;
}

/* Of a server that gave no complete answer nothing is known. */
static void forget_silent_servers(tm__memcached_prefetch *prefetch, const tm__memcached_cluster *cluster,
                                  const tm_error *outcomes)
{
    for (size_t p = 0; p < prefetch->count; p++)
        if (outcomes[cluster->places[p]].status != TM_OK)
            prefetch->found[p].state = TM__MEMCACHED_UNKNOWN;
}

int tm__memcached_prefetch_fill(tm__memcached_prefetch *prefetch, tm__memcached_cluster *cluster, const char *ns,
                                const tm__memcached_layout *layout, tm__memcached_taker take_layout, void *ctx,
                                int64_t deadline_ns, tm_error *outcomes, tm_error *error)
{
    tm__memcached_prefetch_clear(prefetch);
    prefetch->found = calloc(layout->partition_count + 1, sizeof *prefetch->found);
    if (!prefetch->found)
        return tm__fail(error, TM_ENOMEM, "memcached: out of memory");
    prefetch->count = layout->partition_count;
    prefetch->deadline_ns = deadline_ns;
    for (size_t p = 0; p < prefetch->count; p++)
        prefetch->found[p].state = TM__MEMCACHED_ABSENT;
    filling f = {.prefetch = prefetch, .take_layout = take_layout, .ctx = ctx};
    int status = tm__memcached_fetch(cluster, ns, true, layout, take, &f, deadline_ns, outcomes, error);
    if (status == TM_OK)
        forget_silent_servers(prefetch, cluster, outcomes);
    else
        tm__memcached_prefetch_clear(prefetch);
    return status;
}

tm__memcached_found tm__memcached_prefetch_take(tm__memcached_prefetch *prefetch, size_t partition, int64_t deadline_ns)
{
    if (partition >= prefetch->count || deadline_ns > prefetch->deadline_ns)
        return (tm__memcached_found){0};
    tm__memcached_found found = prefetch->found[partition];
    prefetch->found[partition] = (tm__memcached_found){0};
    if (found.state != TM__MEMCACHED_PRESENT) {
        free(found.copy);
        found.copy = NULL;
    }
    return found;
}
