/* The body of a Memcached store. */
#ifndef TM__STORE_MEMCACHED_HANDLE_H
#define TM__STORE_MEMCACHED_HANDLE_H

#include <taskermetrics/store.h>

#include "base/fork.h"
#include "base/turn.h"
#include "store/ledger.h"
#include "store/memcached/prefetch.h"

typedef struct tm__memcached {
    char *ns;
    char *identity;
    tm__ledger_rules rules;
    size_t wanted_partitions; /* for a layout that is not there yet */
    void (*warn)(void *ctx, const char *text);
    void *warn_ctx;
    tm__fork_node fork_node;

    tm__turn turn; /* guards all that follows */
    tm__memcached_cluster cluster;
    tm__memcached_layout layout; /* as agreed last */
    int64_t recounted_ns;        /* the deadline of the call that found another number of partitions than before */
    tm__memcached_prefetch prefetch;
} tm__memcached;

/* options: complete. TM_EURL, TM_EINVAL, TM_ENOMEM. */
int tm__memcached_new(const char *url, const tm_store_options *options, tm__memcached **out, tm_error *error);
void tm__memcached_free(tm__memcached *memcached);

/* Takes the turn. TM_ETIMEOUT. */
int tm__memcached_take_turn(tm__memcached *memcached, int64_t deadline_ns, tm_error *error);

#endif
