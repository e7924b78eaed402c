/* Recording: registries, metric families, and the counters, gauges and histograms that threads write to.
 *
 * Recording (inc, add, set, observe) is wait-free: no lock, no system call, and no allocation after a thread's
 * first touch of a metric. It never fails and never blocks. */
#ifndef TASKERMETRICS_REGISTRY_H
#define TASKERMETRICS_REGISTRY_H

#include <taskermetrics/base.h>

TM_BEGIN_DECLS

/* Handles of single series, from the _get functions below; never NULL there, and never to be given as NULL. */
typedef struct tm_counter tm_counter;
typedef struct tm_gauge tm_gauge;
typedef struct tm_histogram tm_histogram;

typedef struct tm_registry_options {
    size_t size;
    size_t max_series_per_family; /* label sets a family may have; 0 means 2,000. More go to one overflow series */
    size_t max_series;            /* label sets of all families together; 0 means 1,000,000 */
    size_t max_families;          /* 0 means 10,000 */
} tm_registry_options;

/* clang-format off */
#define TM_REGISTRY_OPTIONS_INIT { sizeof(tm_registry_options), 0, 0, 0 }
/* clang-format on */

typedef struct tm_registry_stats_t {
    size_t size;
    uint64_t families;
    uint64_t series;
    uint64_t dropped;      /* recordings that went nowhere: bad names or labels, conflicts, no memory, no-op handles */
    uint64_t dropped_nan;  /* NaN observations, which are not recorded */
    uint64_t overflowed;   /* lookups that were answered with an overflow series because a cap was reached */
    uint64_t threads;      /* thread shards alive in the process, returned ones included */
    uint64_t memory_bytes; /* memory of this registry, and of all thread shards of the process */
} tm_registry_stats_t;

/* clang-format off */
#define TM_REGISTRY_STATS_INIT { sizeof(tm_registry_stats_t), 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* Makes a registry.
 * options: NULL for defaults.
 * Errors: TM_EINVAL, TM_ENOMEM; *out is then NULL, which every function here takes as "record nothing".
 * Threads: any. Ownership: the caller frees it with tm_registry_free. */
TM_API int tm_registry_new(const tm_registry_options *options, tm_registry **out);

/* Frees a registry with all its handles. NULL is allowed; the default registry stays as it is.
 * Errors: none.
 * Threads: no other thread may use the registry, its handles or its snapshots any more. Ownership: takes the
 * registry. */
TM_API void tm_registry_free(tm_registry *registry);

/* The process-wide registry, made on first use; NULL only if there was no memory for it.
 * Errors: none. Threads: any. Ownership: the library's. */
TM_API tm_registry *tm_registry_default(void);

/* Sets every series back: none is shown until it is recorded to or looked up again. Handles stay valid, descriptions
 * stay. What had been counted and not yet synced still reaches the store; gauges become 0 there. A histogram's sum is
 * from then on a difference of two sums: exact for whole numbers below 2^53, rounded otherwise, and NaN if an
 * infinity was observed before. cleared: NULL, or receives the number of series that were set back.
 * Errors: TM_EINVAL, TM_ENOMEM (nothing was cleared).
 * Threads: any, also while others record. Ownership: none. */
TM_API int tm_registry_clear(tm_registry *registry, size_t *cleared);

/* Fills in the numbers above. stats: its size field must be set (TM_REGISTRY_STATS_INIT) or 0.
 * Errors: TM_EINVAL. Threads: any. Ownership: none. */
TM_API int tm_registry_stats(tm_registry *registry, tm_registry_stats_t *stats);

/* Describes a family before (or after) its first use. Repeating the same description is fine; help may be added
 * once later (another text then changes nothing), type, unit, buckets and aggregation may not change.
 * Errors: TM_EINVAL (type, buckets, unit, help), TM_ENAME, TM_ECONFLICT, TM_ECARDINALITY, TM_ENOMEM.
 * Threads: any. Ownership: everything is copied. */
TM_API int tm_describe(tm_registry *registry, const tm_family *family);

/* The handle of one series, made on first use: the fast way to record, kept for the life of the registry.
 * name: as in tm_family. labels: up to TM_LABELS_MAX pairs; names [a-zA-Z_][a-zA-Z0-9_]*, not beginning with "__",
 *   not "le" or "quantile"; values UTF-8. A family over its cap gives the series otel_metric_overflow="true".
 * Errors: TM_EINVAL, TM_ENAME, TM_ELABEL, TM_ECONFLICT, TM_ECARDINALITY, TM_ENOMEM. On an error *out is a no-op handle
 *   that works everywhere, and the registry counts what it drops.
 * Threads: any; a handle may be used by all threads at once. Ownership: the registry's, until tm_registry_free. */
TM_API int tm_counter_get(tm_registry *registry, const char *name, tm_labels labels, tm_counter **out);
TM_API int tm_gauge_get(tm_registry *registry, const char *name, tm_labels labels, tm_gauge **out);
TM_API int tm_histogram_get(tm_registry *registry, const char *name, tm_labels labels, tm_histogram **out);

/* Adds 1, or n (0 to 2^64-1; the count wraps at 2^64). Errors: none. Threads: any. Ownership: none. */
TM_API void tm_counter_inc(tm_counter *counter);
TM_API void tm_counter_add(tm_counter *counter, uint64_t n);

/* The count since the registry was made or cleared. Errors: none. Threads: any. Ownership: none. */
TM_API uint64_t tm_counter_value(tm_counter *counter);

/* Sets the gauge, or adds to it (a negative amount subtracts). Any double is taken, NaN and infinities too.
 * Errors: none. Threads: any. Ownership: none. */
TM_API void tm_gauge_set(tm_gauge *gauge, double value);
TM_API void tm_gauge_add(tm_gauge *gauge, double amount);

/* The present value. Of what other threads add during the call, each amount is in it or is not.
 * Errors: none. Threads: any. Ownership: none. */
TM_API double tm_gauge_value(tm_gauge *gauge);

/* Counts one value into its bucket (value <= bound) and adds it to the sum, in the unit of the family (seconds for
 * durations). NaN is dropped and counted; infinities count. Errors: none. Threads: any. Ownership: none. */
TM_API void tm_histogram_observe(tm_histogram *histogram, double value);

/* The number of observations, and their sum, since the registry was made or cleared. The sum may lag by
 * observations in flight. Errors: none. Threads: any. Ownership: none. */
TM_API uint64_t tm_histogram_count(tm_histogram *histogram);
TM_API double tm_histogram_sum(tm_histogram *histogram);

/* An estimate of the q-quantile (0 <= q <= 1), linear inside its bucket like Prometheus' histogram_quantile: the
 * lowest bucket begins at 0 if its bound is positive; a rank in the +Inf bucket gives the highest finite bound.
 * Errors: NaN for no observations or a NaN q; -Inf for q < 0, +Inf for q > 1.
 * Threads: any. Ownership: none. */
TM_API double tm_histogram_quantile(tm_histogram *histogram, double q);

/* Record in one call, the series looked up by name and labels every time.
 * Errors, Threads, Ownership: as for the _get functions; on an error nothing is recorded and the drop is counted. */
TM_API int tm_count(tm_registry *registry, const char *name, uint64_t n, tm_labels labels);
TM_API int tm_set(tm_registry *registry, const char *name, double value, tm_labels labels);
TM_API int tm_observe(tm_registry *registry, const char *name, double value, tm_labels labels);

/* An immutable picture of the registry at one moment; in it every histogram's count equals the sum of its buckets.
 * Errors: TM_EINVAL, TM_ENOMEM; *out is then NULL.
 * Threads: any; it holds no lock that a recording thread could want.
 * Ownership: the caller frees it with tm_snapshot_free, before the registry. */
TM_API int tm_snapshot_take(tm_registry *registry, tm_snapshot **out);

TM_END_DECLS

#endif
