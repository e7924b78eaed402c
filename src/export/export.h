/* One export under way: what every format is given. */
#ifndef TM__EXPORT_EXPORT_H
#define TM__EXPORT_EXPORT_H

#include <taskermetrics/export.h>

#include "export/walk.h"
#include "export/writer.h"

/* 9999-12-31T23:59:59.999Z: ISO 8601 has four digits for the year. */
#define TM__LAST_TIME_MS 253402300799999
#define TM__TIME_TEXT_BYTES 32

/* "2026-01-02T03:04:05.678Z" for milliseconds since 1970; a time out of range becomes the nearest that is in. */
void tm__print_time(int64_t time_ms, char out[TM__TIME_TEXT_BYTES]);

#define TM__EXPORT_BYTES 32768

/* Too large for the stack of a small thread. */
typedef struct tm__export {
    const tm_snapshot *snapshot;
    tm_export_options options; /* checked and complete: prefix is "" for none, instance NULL, the separator is set */
    char time_text[TM__TIME_TEXT_BYTES];
    tm__walk walk;
    tm__bound_texts bounds;
    tm__writer writer;
    char bytes[TM__EXPORT_BYTES]; /* the writer's */
} tm__export;

/* Checks what the caller gave and fills in what was left out. TM_EINVAL, TM_ENAME, TM_ELABEL. */
int tm__export_check_options(tm_format format, const tm_export_options *given, tm_sink sink, tm_export_options *out);

/* The formats. TM_ELABEL, TM_ENOMEM; what the sink refused is found at the end, by the caller. */
int tm__export_prometheus(tm__export *e);
int tm__export_openmetrics(tm__export *e);
int tm__export_json(tm__export *e);
int tm__export_csv(tm__export *e);

/* The next series, unless the sink has refused. */
static inline bool tm__export_next(tm__export *e)
{
    return !e->writer.failed && tm__walk_next(&e->walk);
}

static inline void tm__write_sample(tm__writer *writer, const tm__sample *sample)
{
    if (sample->is_double)
        tm__write_double(writer, sample->value.d);
    else
        tm__write_u64(writer, sample->value.u);
}

#endif
