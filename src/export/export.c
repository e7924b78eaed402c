#include "export/export.h"

#include <stdlib.h>

#include "base/names.h"

static const struct format {
    const char *content_type;
    int (*render)(tm__export *e);
} formats[] = {
    [TM_FORMAT_PROMETHEUS] = {"text/plain; version=0.0.4; charset=utf-8", tm__export_prometheus},
    [TM_FORMAT_OPENMETRICS] = {"application/openmetrics-text; version=1.0.0; charset=utf-8", tm__export_openmetrics},
    [TM_FORMAT_JSON] = {"application/json", tm__export_json},
    [TM_FORMAT_CSV] = {"text/csv; charset=utf-8", tm__export_csv},
};

static const struct format *find_format(tm_format format)
{
    size_t i = (size_t)format;
    return i < sizeof formats / sizeof formats[0] && formats[i].render ? &formats[i] : NULL;
}

const char *tm_format_content_type(tm_format format)
{
    const struct format *found = find_format(format);
    return found ? found->content_type : NULL;
}

int tm__export_check_options(tm_format format, const tm_export_options *given, tm_sink sink, tm_export_options *out)
{
    if (!find_format(format) || !sink || (given && given->size != 0 && given->size < sizeof *given))
        return TM_EINVAL;
    *out = given ? *given : (tm_export_options)TM_EXPORT_OPTIONS_INIT;
    if (!out->prefix)
        out->prefix = "";
    if (out->prefix[0] && !tm__name_ok(out->prefix))
        return TM_ENAME;
    if (out->instance && !out->instance[0])
        out->instance = NULL;
    tm__labels_text text;
    if (out->instance && (strlen(out->instance) > TM__INSTANCE_MAX ||
                          tm__labels_insert("", 0, "instance", out->instance, &text) != TM_OK))
        return TM_ELABEL;
    if (!out->csv_separator)
        out->csv_separator = ',';
    if (!strchr(",;\t|", out->csv_separator) || out->timestamp_ms < 0 || out->timestamp_ms > TM__LAST_TIME_MS)
        return TM_EINVAL;
    return TM_OK;
}

int tm_snapshot_export(const tm_snapshot *snapshot, tm_format format, const tm_export_options *options, tm_sink sink,
                       void *ctx)
{
    tm_export_options checked;
    int status = snapshot ? tm__export_check_options(format, options, sink, &checked) : TM_EINVAL;
    if (status != TM_OK)
        return status;
    tm__export *e = malloc(sizeof *e);
    if (!e)
        return TM_ENOMEM;
    e->snapshot = snapshot;
    e->options = checked;
    e->writer = (tm__writer){.sink = sink, .ctx = ctx, .bytes = e->bytes, .capacity = sizeof e->bytes};
    tm__print_time(checked.timestamp_ms ? checked.timestamp_ms : snapshot->time_ms, e->time_text);
    status = formats[format].render(e);
    if (status == TM_OK)
        status = tm__writer_finish(&e->writer);
    free(e);
    return status;
}
