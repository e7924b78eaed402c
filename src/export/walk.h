/* The way through a snapshot that all formats take: series by series, and in each series sample by sample. */
#ifndef TM__EXPORT_WALK_H
#define TM__EXPORT_WALK_H

#include <stdbool.h>

#include "base/labels.h"
#include "base/number.h"
#include "snapshot/snapshot.h"

/* Steps from series to series; families without series are passed by. */
typedef struct tm__walk {
    const tm_snapshot *snapshot;
    const char *instance; /* becomes a label of every series; NULL for none */
    tm_type only;         /* 0 for every type */

    /* Where it stands. */
    const tm__snapshot_family *family;
    bool family_begins;
    tm_series series; /* its labels include the instance */
    int status;       /* TM_ELABEL: the labels of a series have no room for the instance; the walk ends there */

    size_t next_family;
    size_t next_series;
    tm__labels_text with_instance;
} tm__walk;

void tm__walk_begin(tm__walk *walk, const tm_snapshot *snapshot, const char *instance, tm_type only);

/* False at the end. */
bool tm__walk_next(tm__walk *walk);

typedef enum tm__sample_kind {
    TM__SAMPLE_TOTAL, /* a counter */
    TM__SAMPLE_VALUE, /* a gauge */
    TM__SAMPLE_BUCKET,
    TM__SAMPLE_SUM,
    TM__SAMPLE_COUNT,
    TM__SAMPLE_KINDS /* how many kinds there are */
} tm__sample_kind;

typedef struct tm__sample {
    tm__sample_kind kind;
    size_t bucket; /* of a bucket: which; the last is +Inf */
    bool is_double;
    tm_number value; /* buckets are cumulative */
} tm__sample;

typedef void (*tm__sample_visit)(void *ctx, const tm__sample *sample);
void tm__each_sample(const tm_family *family, const tm_number *values, tm__sample_visit visit, void *ctx);

/* The sum of all buckets of a histogram. */
uint64_t tm__histogram_count(const tm_family *family, const tm_number *values);

/* "counter", "gauge", "histogram". */
const char *tm__type_name(tm_type type);

/* The texts of a histogram's bounds, the last +Inf: printed once for all series of the family. */
typedef struct tm__bound_text {
    size_t len;
    char text[TM__NUMBER_MAX];
} tm__bound_text;

typedef struct tm__bound_texts {
    tm__bound_text bounds[TM_BUCKETS_MAX + 1];
} tm__bound_texts;

void tm__print_bounds(const tm_family *family, size_t (*print)(double value, char out[TM__NUMBER_MAX]),
                      tm__bound_texts *out);

#endif
