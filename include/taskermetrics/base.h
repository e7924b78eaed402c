/* Status codes, errors, labels and the description of a metric family: the words every other header uses. */
#ifndef TASKERMETRICS_BASE_H
#define TASKERMETRICS_BASE_H

#include <stddef.h>
#include <stdint.h>

#define TM_VERSION_MAJOR 0
#define TM_VERSION_MINOR 1
#define TM_VERSION_PATCH 0
#define TM_VERSION "0.1.0"

#if defined(__GNUC__)
#define TM_API __attribute__((visibility("default")))
#else
#define TM_API
#endif

#ifdef __cplusplus
#define TM_BEGIN_DECLS extern "C" {
#define TM_END_DECLS }
#else
#define TM_BEGIN_DECLS
#define TM_END_DECLS
#endif

TM_BEGIN_DECLS

/* Every status: number, name, text. The one list from which the codes, names and texts are made. */
#define TM_STATUS_LIST(X)                                                                       \
    X(0, OK, "success")                                                                         \
    X(-1, EINVAL, "invalid argument")                                                           \
    X(-2, ENOMEM, "out of memory")                                                              \
    X(-3, ENAME, "invalid metric name")                                                         \
    X(-4, ELABEL, "invalid label name or value")                                                \
    X(-5, ECONFLICT, "the name is in use with another type, buckets or unit")                   \
    X(-6, ECARDINALITY, "too many metric families")                                             \
    X(-7, EBUSY, "another sync of this registry is running")                                    \
    X(-8, ETIMEOUT, "the deadline passed")                                                      \
    X(-9, EURL, "invalid store URL")                                                            \
    X(-10, EUNSUPPORTED, "not supported")                                                       \
    X(-11, EUNAVAILABLE, "the store cannot be reached")                                         \
    X(-12, EDENIED, "permission denied")                                                        \
    X(-13, EIO, "input/output error")                                                           \
    X(-14, ENOSPC, "the store is full")                                                         \
    X(-15, ECORRUPT, "the stored data is damaged")                                              \
    X(-16, EPROTO, "malformed reply from the store")                                            \
    X(-17, ETOOBIG, "a size limit was exceeded")                                                \
    X(-18, EFIELD, "the store refused some of the numbers; the rest was applied")               \
    X(-19, ESINK, "the sink refused the output")                                                \
    X(-20, EOVERFLOW, "a total would overflow")                                                 \
    X(-21, ELOST, "the store forgot what this process had sent; earlier counts may be missing") \
    X(-22, ELOCKED, "the lock is held by another owner")                                        \
    X(-23, EREADONLY, "the store is read-only")

#define TM__STATUS_ENUM(number, name, text) TM_##name = (number),
typedef enum tm_status { TM_STATUS_LIST(TM__STATUS_ENUM) TM__STATUS_END = 1 } tm_status;
#undef TM__STATUS_ENUM

/* The name of a status, such as "TM_EINVAL"; "TM_EUNKNOWN" for a number that is none.
 * Errors: none. Threads: any. Ownership: a constant string. */
TM_API const char *tm_status_name(int status);

/* One English sentence for a status. Errors: none. Threads: any. Ownership: a constant string. */
TM_API const char *tm_status_text(int status);

/* What went wrong, for people: a status and a text that names the part and the cause, never a secret.
 * Filled on failure; on success status is TM_OK and the text is empty. */
typedef struct tm_error {
    int status;
    char text[252];
} tm_error;

typedef struct tm_registry tm_registry;
typedef struct tm_store tm_store;
typedef struct tm_snapshot tm_snapshot;

/* Label names and values in pairs: name, value, name, value ...; count is the number of pairs.
 * Order does not matter. The strings are borrowed for the call and copied where they are kept. */
typedef struct tm_labels {
    const char *const *pairs;
    size_t count;
} tm_labels;

typedef enum tm_type { TM_TYPE_COUNTER = 1, TM_TYPE_GAUGE = 2, TM_TYPE_HISTOGRAM = 3 } tm_type;

/* What the aggregate of one gauge over several processes is. Counters and histograms are always summed. */
typedef enum tm_aggregation {
    TM_AGGREGATE_LAST = 0, /* the value that changed last */
    TM_AGGREGATE_SUM = 1,
    TM_AGGREGATE_MIN = 2,
    TM_AGGREGATE_MAX = 3,
    TM_AGGREGATE_EACH = 4 /* one series a process, told apart by the label `instance` */
} tm_aggregation;

/* The description of a metric family: everything that all series of one name share.
 * NULL and 0 mean "not given". Strings and buckets are borrowed for the call and copied where they are kept. */
typedef struct tm_family {
    size_t size;                /* sizeof(tm_family); set by TM_FAMILY_INIT */
    const char *name;           /* [a-zA-Z_:][a-zA-Z0-9_:.]*, at most TM_NAME_MAX bytes */
    tm_type type;               /* required */
    const char *help;           /* UTF-8, any length below 64 KiB */
    const char *unit;           /* base unit such as "seconds": [a-zA-Z0-9_]+; becomes a suffix of the printed name */
    const double *buckets;      /* histograms: upper bounds, finite, strictly ascending (a last +Inf is implied) */
    size_t bucket_count;        /* 0 to TM_BUCKETS_MAX; buckets NULL means the default duration buckets */
    tm_aggregation aggregation; /* gauges */
} tm_family;

/* clang-format off */
#ifdef __cplusplus
#define TM_FAMILY_INIT { sizeof(tm_family), nullptr, tm_type(), nullptr, nullptr, nullptr, 0, TM_AGGREGATE_LAST }
#else
#define TM_FAMILY_INIT { .size = sizeof(tm_family) }
#endif
/* clang-format on */

#define TM_NAME_MAX 200    /* bytes in a metric name, a label name or a unit */
#define TM_VALUE_MAX 4096  /* bytes in a label value */
#define TM_LABELS_MAX 32   /* labels of one series */
#define TM_BUCKETS_MAX 256 /* finite bucket bounds of a histogram */

/* One number: counters and histogram buckets are u, gauges and histogram sums are d. */
typedef union tm_number {
    uint64_t u;
    double d;
} tm_number;

TM_END_DECLS

/* TM_LABELS("status", "success", "task_name", name): labels for one call; lives until the end of the enclosing
 * block in C, of the full expression in C++. TM_NO_LABELS: none. An odd number of strings does not compile. */
#ifdef __cplusplus

template <size_t N> struct tm_label_list {
    static_assert(N % 2 == 0, "TM_LABELS takes pairs: name, value, ...");
    const char *pairs[N];
    operator tm_labels() const { return tm_labels{pairs, N / 2}; }
};

template <class... Strings> inline tm_label_list<sizeof...(Strings)> tm_make_label_list(Strings... strings)
{
    return tm_label_list<sizeof...(Strings)>{{static_cast<const char *>(strings)...}};
}

#define TM_LABELS(...) (tm_make_label_list(__VA_ARGS__))
#define TM_NO_LABELS (tm_labels{nullptr, 0})

#else

#define TM__COUNT_STRINGS(...) (sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
#define TM__COUNT_PAIRS(...)              \
    (TM__COUNT_STRINGS(__VA_ARGS__) / 2 + \
     0 * sizeof(char[TM__COUNT_STRINGS(__VA_ARGS__) % 2 ? -1 : 1] /* TM_LABELS takes pairs */))
#define TM_LABELS(...) ((tm_labels){(const char *const[]){__VA_ARGS__}, TM__COUNT_PAIRS(__VA_ARGS__)})
#define TM_NO_LABELS ((tm_labels){NULL, 0})

#endif

#endif
