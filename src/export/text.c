#include "export/text.h"

#include <math.h>
#include <stdlib.h>

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

static char *put(char *at, const char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

/* For pieces in arrays of at least so many bytes: most are no longer, and are copied whole, without a call. What is
 * too much is overwritten by what follows. */
static inline char *put_piece(char *at, const char *piece, size_t len)
{
    memcpy(at, piece, TM__PIECE_BYTES);
    if (len > TM__PIECE_BYTES)
        memcpy(at + TM__PIECE_BYTES, piece + TM__PIECE_BYTES, len - TM__PIECE_BYTES);
    return at + len;
}

/* A line is three pieces, a number and its end. One look at the room there is for all of them, and then some. */
static void put_line(void *ctx, const tm__sample *sample)
{
    const tm__text *text = ctx;
    if (sample->kind >= TM__SAMPLE_SUM && !text->with_sum)
        return;
    const tm_series *series = &text->e->walk.series;
    const tm__line_head *head = &text->heads[sample->kind];
    const tm__bucket_tail *bucket = sample->kind == TM__SAMPLE_BUCKET ? &text->tails[sample->bucket] : NULL;
    bool braces = bucket || series->labels_bytes > 0;
    bool comma = series->labels_bytes > 0;
    static const char closing[TM__PIECE_BYTES + 1] = "} ";
    const char *tail = bucket ? bucket->text + !comma : closing + !braces;
    size_t tail_len = bucket ? bucket->len - !comma : 2 - (size_t)!braces;
    char *begin = tm__writer_room(&text->e->writer,
                                  sizeof head->text + series->labels_bytes + sizeof bucket->text + TM__NUMBER_MAX + 1);
    char *at = put_piece(begin, head->text, head->len - !braces);
    at = put(at, series->labels, series->labels_bytes);
    at = put_piece(at, tail, tail_len);
    at += sample->is_double ? tm__print_double(sample->value.d, at) : tm__print_u64(sample->value.u, at);
    *at++ = '\n';
    text->e->writer.len += (size_t)(at - begin);
}

static void print_head(tm__text *text, tm__sample_kind kind)
{
    tm__line_head *head = &text->heads[kind];
    char *at = put(head->text, text->name, text->name_len);
    at = put(at, suffixes[kind], strlen(suffixes[kind]));
    *at++ = '{';
    head->len = (size_t)(at - head->text);
}

static void print_tail(tm__text *text, size_t i, double bound)
{
    tm__bucket_tail *tail = &text->tails[i];
    char *at = put(tail->text, ",le=\"", 5);
    at += text->dialect->print_bound(bound, at);
    at = put(at, "\"} ", 3);
    tail->len = (size_t)(at - tail->text);
}

static void begin_family(tm__text *text)
{
    const tm__snapshot_family *family = text->e->walk.family;
    const tm_family *info = family->info;
    text->name_len = strlen(text->e->options.prefix);
    for (size_t i = 0; i < text->name_len; i++)
        text->name[i] = text->e->options.prefix[i] == '.' ? '_' : text->e->options.prefix[i];
    memcpy(text->name + text->name_len, family->printed, family->printed_len);
    text->name_len += family->printed_len;
    for (int kind = 0; kind < TM__SAMPLE_KINDS; kind++)
        print_head(text, (tm__sample_kind)kind);
    for (size_t i = 0; i < info->bucket_count; i++)
        print_tail(text, i, info->buckets[i]);
    print_tail(text, info->bucket_count, INFINITY);
    text->dialect->put_comments(text);
}

static void put_series(tm__text *text)
{
    const tm__walk *walk = &text->e->walk;
    const tm_family *info = walk->family->info;
    if (walk->family_begins)
        begin_family(text);
    text->with_sum = info->type == TM_TYPE_HISTOGRAM && text->dialect->has_sum(info, walk->series.values);
    tm__each_sample(info, walk->series.values, put_line, text);
}

int tm__export_text(tm__export *e, const tm__text_dialect *dialect)
{
    tm__text *text = malloc(sizeof *text);
    if (!text)
        return TM_ENOMEM;
    text->e = e;
    text->dialect = dialect;
    tm__walk_begin(&e->walk, e->snapshot, e->options.instance, 0);
    while (tm__export_next(e))
        put_series(text);
    free(text);
    return e->walk.status;
}
