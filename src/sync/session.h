/* What a registry remembers about the stores it has synced to. */
#ifndef TM__SYNC_SESSION_H
#define TM__SYNC_SESSION_H

#include <stdbool.h>

#include <taskermetrics/store.h>

#include "registry/registry.h"
#include "snapshot/snapshot.h"

/* A batch that has been numbered. It is kept, unchanged, until the store has answered it. */
typedef struct tm__outgoing {
    tm_change *changes;
    uint32_t *series; /* for each change, the first_part of its series */
    bool *refused;    /* for each change, whether the store has refused it */
    size_t count;
    size_t capacity; /* of the three */
    size_t series_count;
    uint64_t prev;
    uint64_t seq;
    bool numbered; /* has a seq of its own: must be sent as it is until it is answered */
    bool in_doubt; /* an attempt failed: the store may have it already */
} tm__outgoing;

/* One partition of a store: sequence numbers of its own, at most one batch in doubt. */
typedef struct tm__partition {
    uint64_t acked_seq;
    bool has_baseline; /* something was acknowledged or adopted */
    unsigned char store_id[TM_STORE_ID_BYTES];
    int64_t first_time_ms; /* the earliest of the store's times; meaningful with has_baseline */
    tm__outgoing outgoing;
} tm__partition;

/* What one store has acknowledged. Found again by the store's identity when a handle is closed and opened anew. */
typedef struct tm__session {
    struct tm__session *next;
    char *identity;
    tm__partition *partitions;
    size_t partition_count;
    tm_number *baseline; /* by place of number: the value last acknowledged */
    bool *known;         /* by first_part: the store has this series */
    size_t part_count;   /* length of both */
} tm__session;

/* All of a registry. The instance names this process incarnation and registry; a seq is never used twice, whichever
 * store it went to, so that even a forgotten session can only lead to a resync, never to a wrong sum. */
typedef struct tm__sync_state {
    uint32_t incarnation;
    uint64_t highest_seq;
    tm__session *sessions;
    char instance[161];
} tm__sync_state;

/* The state of a registry; a forked child gets a new one. Only for the one who holds the registry's sync. NULL:
 * status. */
int tm__sync_state_get(tm_registry *registry, tm__sync_state **out);

/* The session with a store, laid out for its partitions and for part_count numbers. TM_ENOMEM. */
int tm__session_get(tm__sync_state *state, const char *identity, size_t partition_count, size_t part_count,
                    tm__session **out);

/* Empties a batch for the next content, or for good. */
void tm__outgoing_free(tm__outgoing *outgoing);

#endif
