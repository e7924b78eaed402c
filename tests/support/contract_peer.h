/* One instance, as tm_sync_to_cache would be one, that sends its batches by hand to an open store; and reading what
 * became of them. Every function that returns no status fails the test if it cannot do its work. */
#ifndef TM_TESTS_CONTRACT_PEER_H
#define TM_TESTS_CONTRACT_PEER_H

#include <taskermetrics/store.h>

enum { MOST_CHANGES = 64, MOST_HEARD = 256 };

typedef struct heard_memory {
    char family[64];
    char labels[64];
    size_t part;
    tm_number value;
} heard_memory;

typedef struct peer {
    tm_store *store;
    const char *name;
    size_t partition;
    uint64_t acked;
    uint64_t highest;
    unsigned char store_id[TM_STORE_ID_BYTES];
    int64_t store_time_ms;

    tm_change changes[MOST_CHANGES];
    size_t change_count;

    size_t refused_count; /* of the last answer */
    size_t refused_index;
    int refused_status;
    heard_memory memories[MOST_HEARD];
    size_t memory_count;
    tm_reply reply;
} peer;

peer new_peer(tm_store *store, const char *name);

/* Adds to the batch that is sent next. */
void put_change(peer *i, const tm_family *family, const char *labels, size_t part, tm_number value, tm_number delta);
void put_count(peer *i, const tm_family *family, const char *labels, uint64_t value, uint64_t delta);
void put_gauge(peer *i, const tm_family *family, double value);

/* Sends the batch as it is, with any numbers; does not touch what the peer takes for acknowledged. */
int send_to(peer *i, uint64_t prev, uint64_t seq, int64_t deadline_ns);
int64_t patience(void); /* a deadline that is far enough */

/* Sends what was added as the next batch; the answer must be APPLIED. */
void sync_next(peer *i);

/* Of the last answer. */
void assert_remembered(const peer *i, const char *family, const char *labels, size_t part, uint64_t value);

tm_snapshot *read_back(tm_store *store, int include_instances);
const tm_number *must_find(const tm_snapshot *snapshot, const char *family, const char *labels);
void assert_total(tm_store *store, const char *family, const char *labels, uint64_t expected);

#endif
