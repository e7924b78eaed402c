/* The servers of a store, and which partition is where. A partition has one server for good: while that one is dead the
 * partition waits for it, because counts that wander to another server would be counted there a second time. */
#ifndef TM__STORE_MEMCACHED_CLUSTER_H
#define TM__STORE_MEMCACHED_CLUSTER_H

#include "store/memcached/layout.h"

enum { TM__MEMCACHED_SERVERS_MAX = 64 };

typedef struct tm__memcached_cluster {
    tm__memcached_server *servers; /* in the order of their names, whatever the order in the URL */
    size_t count;
    uint8_t places[TM__MEMCACHED_PARTITIONS_MAX]; /* the server of each partition */
    uint32_t renew_s;                             /* how long items live from when anybody last synced */
} tm__memcached_cluster;

/* hosts: as in a URL, separated by commas. TM_EURL, TM_ENOMEM. */
int tm__memcached_cluster_init(tm__memcached_cluster *cluster, const char *hosts, tm_error *error);
void tm__memcached_cluster_free(tm__memcached_cluster *cluster);

/* What a fetch calls the layout's item; other ids are numbers of partitions. */
#define TM__MEMCACHED_LAYOUT_ID SIZE_MAX

/* Fetches the items of partitions from all servers at once. layout_too: for a sync, which also wants the layout's item,
 * which every server has a copy of, and lets all that it fetches live on.
 * layout: the one whose partitions are wanted, or NULL. outcomes: one for each server; what goes wrong with one server
 * does not keep the others from answering. TM_ENOMEM. */
int tm__memcached_fetch(tm__memcached_cluster *cluster, const char *ns, bool layout_too,
                        const tm__memcached_layout *layout, tm__memcached_taker take, void *ctx, int64_t deadline_ns,
                        tm_error *outcomes, tm_error *error);

#endif
