/* CSV after RFC 4180: one row a sample, one column a label name. Text that a spreadsheet would run as a formula is
 * disarmed with a leading apostrophe. */
#include "export/export.h"

#include "base/arena.h"
#include "base/buffer.h"

static const char *const suffixes[] = {
    [TM__SAMPLE_TOTAL] = "",   [TM__SAMPLE_VALUE] = "",       [TM__SAMPLE_BUCKET] = "_bucket",
    [TM__SAMPLE_SUM] = "_sum", [TM__SAMPLE_COUNT] = "_count",
};

typedef struct column {
    const char *name;
    size_t name_len;
} column;

typedef struct csv {
    tm__export *e;
    tm__writer *writer;
    tm__buffer columns; /* of column, sorted by name */
    tm__arena names;
    bool special[256]; /* bytes that need quotes or are part of an escape */

    /* What the rows of a family have in common: time and name, type. */
    size_t head_len;
    char head[TM__TIME_TEXT_BYTES + 2 * TM_NAME_MAX];
    size_t type_len;
    char type[16];

    /* What the rows of a series have in common: the cells of the labels and the line end. */
    tm__buffer cells;
    size_t bound_at; /* where in cells the bound of a bucket belongs */
} csv;

static const column *columns_of(const csv *c)
{
    return (const column *)(const void *)c->columns.data;
}

static size_t column_count(const csv *c)
{
    return c->columns.len / sizeof(column);
}

static int compare(const column *a, const char *name, size_t len)
{
    int order = memcmp(a->name, name, a->name_len < len ? a->name_len : len);
    return order != 0 ? order : (a->name_len > len) - (a->name_len < len);
}

static int insert_column(csv *c, size_t place, const char *name, size_t len)
{
    column added = {tm__arena_copy(&c->names, name, len), len};
    if (!added.name || !tm__buffer_reserve(&c->columns, sizeof added))
        return TM_ENOMEM;
    char *at = c->columns.data + place * sizeof added;
    memmove(at + sizeof added, at, c->columns.len - place * sizeof added);
    memcpy(at, &added, sizeof added);
    c->columns.len += sizeof added;
    return TM_OK;
}

/* Makes sure of a column for a name, looking from *place on; *place is then behind it. */
static int need_column(csv *c, size_t *place, const char *name, size_t len)
{
    int order = 1;
    while (*place < column_count(c) && (order = compare(&columns_of(c)[*place], name, len)) < 0)
        (*place)++;
    int status = order == 0 ? TM_OK : insert_column(c, *place, name, len);
    (*place)++;
    return status;
}

static int need_series_columns(csv *c, const tm_series *series)
{
    const char *cursor = series->labels;
    size_t place = 0;
    int status = TM_OK;
    tm__label label;
    while (status == TM_OK && tm__labels_next(&cursor, series->labels + series->labels_bytes, &label))
        status = need_column(c, &place, label.name, label.name_len);
    return status;
}

static int collect_columns(csv *c)
{
    tm__walk *walk = &c->e->walk;
    int status = TM_OK;
    tm__walk_begin(walk, c->e->snapshot, c->e->options.instance, 0);
    while (status == TM_OK && tm__export_next(c->e)) {
        status = need_series_columns(c, &walk->series);
        size_t first = 0;
        if (status == TM_OK && walk->family_begins && walk->family->info->type == TM_TYPE_HISTOGRAM)
            status = need_column(c, &first, "le", 2);
    }
    return status == TM_OK ? walk->status : status;
}

static void separate(csv *c)
{
    tm__write_char(c->writer, c->e->options.csv_separator);
}

static const bool begins_formula[256] = {
    ['='] = true, ['+'] = true, ['-'] = true, ['@'] = true, ['\t'] = true, ['\r'] = true,
};

/* Whether a value can be copied as it stands: nothing in it is escaped or needs quotes. */
static bool is_plain(const csv *c, const char *text, size_t len)
{
    bool special = false;
    for (size_t i = 0; i < len; i++)
        special |= c->special[(unsigned char)text[i]];
    return !special;
}

static bool is_formula(const char *text, size_t len)
{
    return len > 0 && begins_formula[(unsigned char)text[0]];
}

/* A value with special bytes: between quotes, its own quotes doubled. */
static char *put_quoted(char *at, const tm__label *label)
{
    char text[TM__LABELS_TEXT_MAX];
    size_t len = tm__label_unescape(label, text);
    *at++ = '"';
    if (is_formula(text, len))
        *at++ = '\'';
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            *at++ = '"';
        *at++ = text[i];
    }
    *at++ = '"';
    return at;
}

/* Puts a value at `at` and returns its end. Takes no more room than the label has in its canonical text: a quote is two
 * bytes there too, and name="" is longer than "'". */
static char *put_value(const csv *c, char *at, const tm__label *label)
{
    if (!is_plain(c, label->value, label->value_len))
        return put_quoted(at, label);
    if (is_formula(label->value, label->value_len))
        *at++ = '\'';
    memcpy(at, label->value, label->value_len);
    return at + label->value_len;
}

/* The labels' cells of a series. Columns and labels are both sorted by name. */
static int fill_cells(csv *c, const tm_series *series)
{
    const char *cursor = series->labels;
    const char *last = series->labels + series->labels_bytes;
    tm__label label;
    bool have_label = tm__labels_next(&cursor, last, &label);
    c->cells.len = 0;
    if (!tm__buffer_reserve(&c->cells, column_count(c) + series->labels_bytes + 2))
        return TM_ENOMEM;
    char *at = c->cells.data;
    for (size_t i = 0; i < column_count(c); i++) {
        const column *here = &columns_of(c)[i];
        *at++ = c->e->options.csv_separator;
        if (compare(here, "le", 2) == 0)
            c->bound_at = (size_t)(at - c->cells.data);
        if (!have_label || compare(here, label.name, label.name_len) != 0)
            continue;
        at = put_value(c, at, &label);
        have_label = tm__labels_next(&cursor, last, &label);
    }
    memcpy(at, "\r\n", 2);
    c->cells.len = (size_t)(at + 2 - c->cells.data);
    return TM_OK;
}

/* Times, names and types never need quotes. */
static void begin_family(csv *c)
{
    const tm_family *family = c->e->walk.family->info;
    const char separator = c->e->options.csv_separator;
    tm__writer head = {.bytes = c->head, .capacity = sizeof c->head};
    tm__write_text(&head, c->e->time_text);
    tm__write_char(&head, separator);
    tm__write_text(&head, c->e->options.prefix);
    tm__write_text(&head, family->name);
    c->head_len = head.len;
    tm__writer type = {.bytes = c->type, .capacity = sizeof c->type};
    tm__write_char(&type, separator);
    tm__write_text(&type, tm__type_name(family->type));
    tm__write_char(&type, separator);
    c->type_len = type.len;
    if (family->type == TM_TYPE_HISTOGRAM)
        tm__print_bounds(family, tm__print_double, &c->e->bounds);
}

static void put_row(void *ctx, const tm__sample *sample)
{
    csv *c = ctx;
    tm__write(c->writer, c->head, c->head_len);
    tm__write_text(c->writer, suffixes[sample->kind]);
    tm__write(c->writer, c->type, c->type_len);
    tm__write_sample(c->writer, sample);
    size_t before_bound = 0;
    if (sample->kind == TM__SAMPLE_BUCKET) {
        const tm__bound_text *bound = &c->e->bounds.bounds[sample->bucket];
        before_bound = c->bound_at;
        tm__write(c->writer, c->cells.data, before_bound);
        tm__write(c->writer, bound->text, bound->len);
    }
    tm__write(c->writer, c->cells.data + before_bound, c->cells.len - before_bound);
}

static void put_header(csv *c)
{
    static const char *const fixed[] = {"timestamp", "name", "type", "value"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (i > 0)
            separate(c);
        tm__write_text(c->writer, fixed[i]);
    }
    for (size_t i = 0; i < column_count(c); i++) {
        separate(c);
        tm__write_text(c->writer, "label_");
        tm__write(c->writer, columns_of(c)[i].name, columns_of(c)[i].name_len);
    }
    tm__write_text(c->writer, "\r\n");
}

static int put_rows(csv *c)
{
    tm__walk *walk = &c->e->walk;
    int status = TM_OK;
    tm__walk_begin(walk, c->e->snapshot, c->e->options.instance, 0);
    while (status == TM_OK && tm__export_next(c->e)) {
        if (walk->family_begins)
            begin_family(c);
        status = fill_cells(c, &walk->series);
        if (status == TM_OK)
            tm__each_sample(walk->family->info, walk->series.values, put_row, c);
    }
    return status == TM_OK ? walk->status : status;
}

int tm__export_csv(tm__export *e)
{
    csv c = {.e = e, .writer = &e->writer, .special = {['"'] = true, ['\\'] = true, ['\r'] = true, ['\n'] = true}};
    c.special[(unsigned char)e->options.csv_separator] = true;
    int status = collect_columns(&c);
    if (status == TM_OK) {
        if (!e->options.csv_no_header)
            put_header(&c);
        status = put_rows(&c);
    }
    tm__buffer_free(&c.cells);
    tm__arena_free(&c.names);
    tm__buffer_free(&c.columns);
    return status;
}
