/* Stores: where several processes put their numbers together. Opening, and the contract for a store of one's own. */
#ifndef TASKERMETRICS_STORE_H
#define TASKERMETRICS_STORE_H

#include <taskermetrics/base.h>
#include <taskermetrics/snapshot.h>

TM_BEGIN_DECLS

/* How a store keeps the numbers of several processes right; follows from what the store can do. */
typedef enum tm_strategy {
    TM_STRATEGY_LOCAL_ONLY = 1,         /* memory, file: one host */
    TM_STRATEGY_DISTRIBUTED_BASIC = 2,  /* Memcached: read, modify, compare-and-swap */
    TM_STRATEGY_DISTRIBUTED_ATOMIC = 3, /* Redis: the server applies a batch atomically */
} tm_strategy;

/* "local_only", "distributed_basic", "distributed_atomic". Errors: "unknown". Threads: any. Ownership: constant. */
TM_API const char *tm_strategy_name(tm_strategy strategy);

/* What a store can do, or-ed together. */
typedef uint32_t tm_capabilities;
#define TM_CAP_DISTRIBUTED (1u << 0)      /* shared between hosts */
#define TM_CAP_ATOMIC_INCREMENT (1u << 1) /* adds without reading first */
#define TM_CAP_LOCKING (1u << 2)          /* tm_store_lock works */
#define TM_CAP_TTL_INSPECTION (1u << 3)   /* tells how long a value will still live */
#define TM_CAP_PER_INSTANCE (1u << 4)     /* can break the totals down by instance */
#define TM_CAP_PERSISTENCE (1u << 5)      /* outlives the process */

typedef struct tm_store_options {
    size_t size;
    const char *ns;          /* namespace; NULL: the URL's ?ns=, else "tasker" */
    int64_t sync_timeout_ms; /* total time one tm_sync_to_cache or tm_export_distributed may take; 0 means 1,000 */
    int64_t liveness_ms;     /* gauges of an instance silent for longer no longer count; 0 means 300,000 */
    int64_t values_ttl_ms;   /* how long a silent instance's absolute values are remembered; 0 means 3,600,000 */
    int64_t retention_ms;    /* how long a silent instance's sequence number is remembered; 0 means 7 days */
    uint32_t partitions;     /* Memcached: 1 to 4,096; 0 means 64 */
    int skip_if_unavailable; /* not 0: open succeeds though the store cannot be reached; each sync tries again */
    void (*warn)(void *ctx, const char *text); /* NULL, or is told of a condition worth a log line; must not block */
    void *warn_ctx;
} tm_store_options;

/* clang-format off */
#define TM_STORE_OPTIONS_INIT { sizeof(tm_store_options), 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* Opens a store.
 * url: "memory:"  "file:/path/to/file"  "redis://[user:pass@]host:port/db?ns=NAME"  "redis+unix:///path?ns=NAME"
 *      "memcached://host:port,host:port/?ns=NAME". Percent-escapes are decoded in paths, users and passwords.
 * options: NULL for defaults. error: NULL, or receives what went wrong; never a password.
 * Errors: TM_EINVAL, TM_EURL, TM_EUNSUPPORTED (a scheme whose library is not there), TM_EUNAVAILABLE, TM_EDENIED,
 *   TM_ECORRUPT, TM_EIO, TM_ENOMEM and the like; *out is then NULL.
 * Threads: any. Ownership: the caller closes it with tm_store_close. */
TM_API int tm_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error);

/* Closes a store; NULL is allowed. What is in it stays there (but for "memory:").
 * Errors: none. Threads: no other thread may use the store any more. Ownership: takes the store. */
TM_API void tm_store_close(tm_store *store);

/* What was chosen and found at open. Errors: local_only and 0 for NULL. Threads: any. Ownership: none. */
TM_API tm_strategy tm_store_strategy(const tm_store *store);
TM_API tm_capabilities tm_store_capabilities(const tm_store *store);

typedef struct tm_read_options {
    size_t size;
    int include_instances; /* not 0: beside the totals, one series an instance with the label `instance` */
} tm_read_options;

/* clang-format off */
#define TM_READ_OPTIONS_INIT { sizeof(tm_read_options), 0 }
/* clang-format on */

/* Reads the aggregate of all processes that synced, as a snapshot. Takes at most the store's sync_timeout_ms. Of
 * families of different programs that would print the same sample name (counter a, gauge a_total) only the first is
 * in it.
 * options: NULL for defaults.
 * error: NULL, or receives what went wrong.
 * Errors: TM_EINVAL, TM_ENOMEM, TM_ETIMEOUT, TM_EUNAVAILABLE, TM_ECORRUPT and the like; *out is then NULL.
 * Threads: any. Ownership: the caller frees the snapshot with tm_snapshot_free. */
TM_API int tm_store_read(tm_store *store, const tm_read_options *options, tm_snapshot **out, tm_error *error);

#define TM_LOCK_TOKEN_MAX 64                    /* bytes in a token */
#define TM_LOCK_TTL_MAX_MS INT64_C(31536000000) /* a year */
#define TM_LOCK_NAME_MAX 128                    /* bytes in the name of a lock */

/* Locks between processes, for work that only one should do at a time; a lock runs out by itself after its ttl.
 * name: 1 to TM_LOCK_NAME_MAX bytes of [A-Za-z0-9_.:-]. token: names the owner, 1 to TM_LOCK_TOKEN_MAX bytes of the
 * same; make it random. ttl_ms: 1 to TM_LOCK_TTL_MAX_MS. *ttl_ms receives the time left, 0 if nobody holds the lock.
 * Errors: TM_ELOCKED (lock: another owner holds it; unlock, extend: it is not, or no longer, yours), TM_EUNSUPPORTED
 *   (see TM_CAP_LOCKING, TM_CAP_TTL_INSPECTION), TM_EINVAL, TM_ETIMEOUT, TM_EUNAVAILABLE ...
 * Threads: any. Ownership: none. */
TM_API int tm_store_lock(tm_store *store, const char *name, const char *token, int64_t ttl_ms, tm_error *error);
TM_API int tm_store_unlock(tm_store *store, const char *name, const char *token, tm_error *error);
TM_API int tm_store_lock_extend(tm_store *store, const char *name, const char *token, int64_t ttl_ms, tm_error *error);
TM_API int tm_store_lock_ttl(tm_store *store, const char *name, int64_t *ttl_ms, tm_error *error);

/* ---- A store of one's own ----------------------------------------------------------------------------------- */

/* One number that changed. Changes of one series stand together in a batch.
 * family, labels: as in a snapshot. part: which number of the series, 0 <= part < tm_family_value_count(family).
 * value: the absolute value since the baseline. delta: value less the value last acknowledged; what a counter, a bucket
 * or a sum adds to the total. Gauges have no delta: value replaces this instance's value. */
typedef struct tm_change {
    const tm_family *family;
    const char *labels;
    size_t labels_bytes;
    size_t part;
    tm_number value;
    tm_number delta;
} tm_change;

#define TM_STORE_ID_BYTES 16

/* A numbered batch of changes. Repeating a batch is harmless: the store knows it by instance and seq. A batch
 * without changes whose seq is prev asks "do you still know me?" and keeps the instance alive; its natural answer is
 * DUPLICATE. */
typedef struct tm_batch {
    const char *instance; /* one process incarnation and registry: host-pid-random; at most 160 bytes, no spaces */
    size_t partition;     /* 0 <= partition < the number the store said */
    uint64_t prev;        /* the seq that was acknowledged last, 0 for none */
    uint64_t seq;         /* the number of this batch, greater than prev, never used for other changes */
    const tm_change *changes;
    size_t change_count;                             /* 0 only if seq is prev */
    unsigned char known_store_id[TM_STORE_ID_BYTES]; /* what the last acknowledgement carried; zeros for none */
    int64_t first_time_ms;                           /* the earliest of the store's times that any answer carried */
    /* NULL, or for each change a number that stands for its family and labels in all batches of this instance: what a
     * store has found by the labels once, it may find by the number ever after. They count from 0. */
    const uint32_t *series;
} tm_batch;

typedef enum tm_answer {
    TM_ANSWER_APPLIED = 1,   /* the last seq of the instance was prev; totals moved, atomically with the new seq */
    TM_ANSWER_DUPLICATE = 2, /* the last seq is seq already, and of changes in the batch none had been refused */
    TM_ANSWER_RESYNC = 3     /* anything else: the caller starts again from what the store remembers */
} tm_answer;

/* With TM_ANSWER_RESYNC: what the store remembers of the instance's absolute values. */
typedef enum tm_memory {
    TM_MEMORY_NOTHING = 0, /* the totals hold nothing of this instance: baseline zero */
    TM_MEMORY_VALUES = 1,  /* exactly what was told through `remembered`; everything else is zero */
    TM_MEMORY_EXPIRED = 2  /* the totals hold something of it, how much is forgotten: the caller keeps its baseline */
} tm_memory;

/* The answer to a batch. The caller sets ctx and the two functions; the store calls them, before apply returns, and
 * fills the rest. */
typedef struct tm_reply {
    tm_answer answer;
    uint64_t last_seq; /* RESYNC: the last seq of this instance that the store knows, 0 for none */
    tm_memory memory;  /* RESYNC */
    unsigned char store_id[TM_STORE_ID_BYTES]; /* names this content; new when the store began anew; zeros: none */
    int64_t time_ms;                           /* the store's clock */
    uint64_t bytes;                            /* sent and received for this batch */
    void *ctx;
    /* RESYNC with TM_MEMORY_VALUES: one remembered number of a counter or histogram. */
    int (*remembered)(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                      tm_number value);
    /* APPLIED: changes[index] was not taken (TM_ECONFLICT, TM_EOVERFLOW ...); its total has not moved. */
    void (*refused)(void *ctx, size_t index, int status);
} tm_reply;

/* The table of functions that makes a store. Every function may be called by several threads at once. A deadline is
 * an absolute time on tm_monotonic_ns; a function returns TM_ETIMEOUT soon after it. On an error it fills *error (never
 * NULL here). No function may keep what it was given. */
typedef struct tm_store_ops {
    size_t size;
    const char *kind; /* a short name for messages: "memory" */
    tm_strategy strategy;
    tm_capabilities capabilities;
    size_t max_changes; /* changes in one batch; 0 means no limit. A series is never split, so at least 300 */

    /* How many partitions there are, each with seqs of its own. NULL means 1. A series belongs to the partition
     * that the library chooses from its name and labels. */
    int (*partitions)(void *self, int64_t deadline_ns, size_t *count, tm_error *error);

    /* Applies a batch and answers. TM_OK: the reply is valid. An error: the batch may or may not have been applied;
     * the library sends the same batch again, now or at the next sync. Must be atomic for each batch. */
    int (*apply)(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error);

    /* Adds the aggregate of all instances to an empty snapshot. */
    int (*read)(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into, tm_error *error);

    /* Frees self. Called once, also if tm_store_new failed after it had taken self. */
    void (*close)(void *self);

    /* Optional, for TM_CAP_LOCKING and TM_CAP_TTL_INSPECTION: as tm_store_lock and its kin describe; the arguments have
     * been checked. */
    int (*lock)(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns, tm_error *error);
    int (*unlock)(void *self, const char *name, const char *token, int64_t deadline_ns, tm_error *error);
    int (*extend)(void *self, const char *name, const char *token, int64_t ttl_ms, int64_t deadline_ns,
                  tm_error *error);
    int (*ttl)(void *self, const char *name, int64_t deadline_ns, int64_t *ttl_ms, tm_error *error);
} tm_store_ops;

/* Makes a store from a table of functions.
 * ops: copied. self: given to every function.
 * Errors: TM_EINVAL (a missing function or size), TM_ENOMEM; *out is then NULL and self has been closed, except on
 *   TM_EINVAL.
 * Threads: any. Ownership: the store owns self until tm_store_close calls ops->close. */
TM_API int tm_store_new(const tm_store_ops *ops, void *self, tm_store **out);

/* Nanoseconds on a clock that never goes back: the clock of all deadlines. Errors: none. Threads: any. Ownership:
 * none. */
TM_API int64_t tm_monotonic_ns(void);

/* Makes tm_store_open know a further URL scheme. open: as tm_store_open, with defaults filled in, error never NULL.
 * Errors: TM_EINVAL, TM_ENOMEM, TM_EBUSY (the scheme is taken). Threads: any. Ownership: the strings are copied. */
typedef int (*tm_store_opener)(const char *url, const tm_store_options *options, tm_store **out, tm_error *error);
TM_API int tm_store_register(const char *scheme, tm_store_opener open);

TM_END_DECLS

#endif
