#include "export/text.h"

static const char *const suffixes[] = {
    [TM__SAMPLE_TOTAL] = "_total", [TM__SAMPLE_VALUE] = "",       [TM__SAMPLE_BUCKET] = "_bucket",
    [TM__SAMPLE_SUM] = "_sum",     [TM__SAMPLE_COUNT] = "_count",
};

void tm__text_put_comment(const tm__text *text, const char *keyword, const char *content)
{
    if (!content[0])
        return;
    tm__writer *writer = &text->e->writer;
    tm__write_text(writer, "# ");
    tm__write_text(writer, keyword);
    tm__write_char(writer, ' ');
    tm__write(writer, text->name, text->name_len);
    if (text->e->walk.family->info->type == TM_TYPE_COUNTER)
        tm__write_text(writer, text->dialect->counter_suffix);
    tm__write_char(writer, ' ');
    tm__write_escaped(writer, content, strlen(content), text->dialect->comment_escapes);
    tm__write_char(writer, '\n');
}

static void put_labels(tm__writer *writer, const tm_series *series, const tm__bound_text *bound)
{
    if (series->labels_bytes == 0 && !bound) {
        tm__write_char(writer, ' ');
        return;
    }
    tm__write_char(writer, '{');
    tm__write(writer, series->labels, series->labels_bytes);
    if (bound) {
        tm__write_text(writer, series->labels_bytes > 0 ? ",le=\"" : "le=\"");
        tm__write(writer, bound->text, bound->len);
        tm__write_char(writer, '"');
    }
    tm__write_text(writer, "} ");
}

static void put_line(void *ctx, const tm__sample *sample)
{
    const tm__text *text = ctx;
    if (sample->kind >= TM__SAMPLE_SUM && !text->with_sum)
        return;
    tm__export *e = text->e;
    tm__write(&e->writer, text->name, text->name_len);
    tm__write_text(&e->writer, suffixes[sample->kind]);
    put_labels(&e->writer, &e->walk.series,
               sample->kind == TM__SAMPLE_BUCKET ? &e->bounds.bounds[sample->bucket] : NULL);
    tm__write_sample(&e->writer, sample);
    tm__write_char(&e->writer, '\n');
}

static void begin_family(tm__text *text)
{
    const tm__snapshot_family *family = text->e->walk.family;
    text->name_len = strlen(text->e->options.prefix);
    for (size_t i = 0; i < text->name_len; i++)
        text->name[i] = text->e->options.prefix[i] == '.' ? '_' : text->e->options.prefix[i];
    memcpy(text->name + text->name_len, family->printed, family->printed_len);
    text->name_len += family->printed_len;
    if (family->info->type == TM_TYPE_HISTOGRAM)
        tm__print_bounds(family->info, text->dialect->print_bound, &text->e->bounds);
    text->dialect->put_comments(text);
}

int tm__export_text(tm__export *e, const tm__text_dialect *dialect)
{
    tm__text text = {.e = e, .dialect = dialect};
    tm__walk *walk = &e->walk;
    tm__walk_begin(walk, e->snapshot, e->options.instance, 0);
    while (tm__export_next(e)) {
        if (walk->family_begins)
            begin_family(&text);
        const tm_family *info = walk->family->info;
        text.with_sum = info->type == TM_TYPE_HISTOGRAM && dialect->has_sum(info, walk->series.values);
        tm__each_sample(info, walk->series.values, put_line, &text);
    }
    return walk->status;
}
