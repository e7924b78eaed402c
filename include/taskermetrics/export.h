/* Export: rendering a registry, a store's aggregate or a snapshot as text, streamed into a sink. */
#ifndef TASKERMETRICS_EXPORT_H
#define TASKERMETRICS_EXPORT_H

#include <taskermetrics/base.h>

TM_BEGIN_DECLS

typedef enum tm_format {
    TM_FORMAT_PROMETHEUS = 1,  /* text format 0.0.4 */
    TM_FORMAT_OPENMETRICS = 2, /* OpenMetrics text 1.0 */
    TM_FORMAT_JSON = 3,
    TM_FORMAT_CSV = 4 /* RFC 4180 */
} tm_format;

typedef struct tm_export_options {
    size_t size;
    const char *prefix;    /* put in front of every metric name: [a-zA-Z_:][a-zA-Z0-9_:.]*; NULL for none */
    const char *instance;  /* tm_export: adds the label instance="...", at most 200 bytes of UTF-8; NULL for none */
    int64_t timestamp_ms;  /* the time in JSON and CSV, milliseconds since 1970; 0: when the snapshot was taken */
    int pretty;            /* JSON: not 0 indents */
    char csv_separator;    /* 0 means ','; else ';', '\t' or '|' */
    int csv_no_header;     /* not 0 leaves the header line out */
    int include_instances; /* tm_export_distributed: not 0 adds one series an instance beside the totals */
} tm_export_options;

/* clang-format off */
#define TM_EXPORT_OPTIONS_INIT { sizeof(tm_export_options), 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/* Takes len bytes of output. Returns 0, or anything else to stop the export. Called with pieces of any size, in order,
 * by the exporting thread, with no lock held. */
typedef int (*tm_sink)(void *ctx, const char *bytes, size_t len);

/* The HTTP Content-Type of a format. Errors: NULL for no format. Threads: any. Ownership: a constant string. */
TM_API const char *tm_format_content_type(tm_format format);

/* Renders this process's numbers.
 * options: NULL for defaults.
 * Errors: TM_EINVAL, TM_ENAME (prefix), TM_ELABEL (instance), TM_ENOMEM, TM_ESINK.
 * Threads: any; recording goes on meanwhile. Ownership: none. */
TM_API int tm_export(tm_registry *registry, tm_format format, const tm_export_options *options, tm_sink sink,
                     void *ctx);

/* Renders the aggregate of all processes that synced to the store.
 * options: NULL for defaults.
 * Errors: as tm_export, and what the store says (TM_ETIMEOUT, TM_EUNAVAILABLE, TM_ECORRUPT ...). Nothing is given to
 *   the sink before the store has been read completely.
 * Threads: any. Ownership: none. */
TM_API int tm_export_distributed(tm_store *store, tm_format format, const tm_export_options *options, tm_sink sink,
                                 void *ctx);

/* Renders a snapshot. Errors, Threads, Ownership: as tm_export. */
TM_API int tm_snapshot_export(const tm_snapshot *snapshot, tm_format format, const tm_export_options *options,
                              tm_sink sink, void *ctx);

TM_END_DECLS

#endif
