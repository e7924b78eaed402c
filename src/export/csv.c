/* CSV after RFC 4180: one row a sample, one column a label name. Text that a spreadsheet would run as a formula is
 * disarmed with a leading apostrophe. */
#include "export/export.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"

static const char *const suffixes[] = {
    [TM__SAMPLE_TOTAL] = "",   [TM__SAMPLE_VALUE] = "",       [TM__SAMPLE_BUCKET] = "_bucket",
    [TM__SAMPLE_SUM] = "_sum", [TM__SAMPLE_COUNT] = "_count",
};

typedef struct column {
    const char *key; /* what a label of the column begins with: name=" */
    size_t key_len;
} column;

enum { KEY_END = 2 }; /* bytes of a key behind its name */

static const char bound_key[] = "le=\"";
static const char *const bound_key_end = bound_key + sizeof bound_key - 1;

/* What the rows of a family have in common, for one kind of sample: time, name and type. */
typedef struct row_head {
    size_t len;
    char text[TM__TIME_TEXT_BYTES + 2 * TM_NAME_MAX + 32];
} row_head;

typedef struct csv {
    tm__export *e;
    tm__writer *writer;
    tm__buffer columns; /* of column, sorted by name */
    tm__arena keys;
    size_t bound_column; /* the place of that for the bounds of buckets; the number of columns if there are none */
    bool special[256];   /* bytes that need quotes or are part of an escape */
    row_head heads[TM__SAMPLE_KINDS];

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

/* The labels of a series are read from `at` to `end`. They are canonical, so nothing in them needs to be checked. */

/* Whether the label at `at` is of the column. No key is how another begins: ="" ends it and is in no name. */
static bool is_of(const column *here, const char *at, const char *end)
{
    return (size_t)(end - at) >= here->key_len && tm__bytes_equal(at, here->key, here->key_len);
}

/* The closing quote of a value. */
static inline const char *value_end(const char *at, const char *end)
{
    while (*(at = tm__find_either(at, end, '"', '\\')) == '\\')
        at += 2;
    return at;
}

static const char *next_label(const char *closing_quote, const char *end)
{
    const char *at = closing_quote + 1;
    return at < end ? at + 1 : end; /* the comma */
}

/* By name, not by key: what ends a key sorts between the bytes of names. */
static bool is_before(const column *here, const char *key, size_t len)
{
    size_t shorter = here->key_len < len ? here->key_len : len;
    int order = memcmp(here->key, key, shorter - KEY_END);
    return order < 0 || (order == 0 && here->key_len < len);
}

/* Adds the column that the label at `at` is of. */
static int add_column(csv *c, const char *at)
{
    size_t len = KEY_END;
    while (at[len - KEY_END] != '=')
        len++;
    column added = {tm__arena_copy(&c->keys, at, len), len};
    if (!added.key || !tm__buffer_reserve(&c->columns, sizeof added))
        return TM_ENOMEM;
    size_t place = 0;
    while (place < column_count(c) && is_before(&columns_of(c)[place], at, len))
        place++;
    char *here = c->columns.data + place * sizeof added;
    memmove(here + sizeof added, here, c->columns.len - place * sizeof added);
    memcpy(here, &added, sizeof added);
    c->columns.len += sizeof added;
    return TM_OK;
}

/* The place, not before `place`, of the column that the label at `at` is of; the number of columns if there is none. */
static inline size_t find_column(const csv *c, size_t place, const char *at, const char *end)
{
    const column *columns = columns_of(c);
    size_t count = column_count(c);
    while (place < count && !is_of(&columns[place], at, end))
        place++;
    return place;
}

/* As find_column, but makes sure that there is one. */
static int need_column(csv *c, size_t *place, const char *at, const char *end)
{
    *place = find_column(c, *place, at, end);
    if (*place < column_count(c))
        return TM_OK;
    int status = add_column(c, at);
    *place = find_column(c, 0, at, end);
    return status;
}

static int need_series_columns(csv *c, const tm_series *series)
{
    const char *at = series->labels;
    const char *end = at + series->labels_bytes;
    for (size_t place = 0; at < end; place++) {
        int status = need_column(c, &place, at, end);
        if (status != TM_OK)
            return status;
        at = next_label(value_end(at + columns_of(c)[place].key_len, end), end);
    }
    return TM_OK;
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
            status = need_column(c, &first, bound_key, bound_key_end);
    }
    c->bound_column = find_column(c, 0, bound_key, bound_key_end);
    return status == TM_OK ? walk->status : status;
}

static void separate(csv *c)
{
    tm__write_char(c->writer, c->e->options.csv_separator);
}

static const bool begins_formula[256] = {
    ['='] = true, ['+'] = true, ['-'] = true, ['@'] = true, ['\t'] = true, ['\r'] = true,
};

static bool is_formula(const char *text)
{
    return begins_formula[(unsigned char)text[0]];
}

/* As put_value, for a value with special bytes: between quotes, its own quotes doubled. */
static char *put_quoted(char *out, const char **at, const char *end)
{
    char text[TM__LABELS_TEXT_MAX];
    const char *closing_quote = value_end(*at, end);
    size_t len = tm__label_unescape(&(tm__label){.value = *at, .value_len = (size_t)(closing_quote - *at)}, text);
    *at = closing_quote;
    *out++ = '"';
    if (is_formula(text))
        *out++ = '\'';
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            *out++ = '"';
        *out++ = text[i];
    }
    *out++ = '"';
    return out;
}

/* Puts the value that *at is at the beginning of, and moves *at to its closing quote. Takes no more room than the label
 * has in its canonical text: a quote is two bytes there too, and name="" is longer than "'". */
static char *put_value(const csv *c, char *out, const char **at, const char *end)
{
    const char *value = *at;
    char *plain = out;
    if (is_formula(value))
        *plain++ = '\'';
    size_t len = 0;
    for (; !c->special[(unsigned char)value[len]]; len++)
        plain[len] = value[len];
    if (value[len] != '"')
        return put_quoted(out, at, end);
    *at = value + len;
    return plain + len;
}

/* The labels' cells of a series. Columns and labels are both sorted by name. */
static int fill_cells(csv *c, const tm_series *series)
{
    const column *columns = columns_of(c);
    size_t count = column_count(c);
    const char *at = series->labels;
    const char *end = at + series->labels_bytes;
    c->cells.len = 0;
    if (!tm__buffer_reserve(&c->cells, count + series->labels_bytes + 2))
        return TM_ENOMEM;
    char *out = c->cells.data;
    for (size_t i = 0; i < count; i++) {
        *out++ = c->e->options.csv_separator;
        if (i == c->bound_column)
            c->bound_at = (size_t)(out - c->cells.data);
        if (!is_of(&columns[i], at, end))
            continue;
        at += columns[i].key_len;
        out = put_value(c, out, &at, end);
        at = next_label(at, end);
    }
    memcpy(out, "\r\n", 2);
    c->cells.len = (size_t)(out + 2 - c->cells.data);
    return TM_OK;
}

/* Times, names and types never need quotes. */
static void print_head(csv *c, tm__sample_kind kind)
{
    const tm_family *family = c->e->walk.family->info;
    const char separator = c->e->options.csv_separator;
    row_head *head = &c->heads[kind];
    tm__writer to = {.bytes = head->text, .capacity = sizeof head->text};
    tm__write_text(&to, c->e->time_text);
    tm__write_char(&to, separator);
    tm__write_text(&to, c->e->options.prefix);
    tm__write_text(&to, family->name);
    tm__write_text(&to, suffixes[kind]);
    tm__write_char(&to, separator);
    tm__write_text(&to, tm__type_name(family->type));
    tm__write_char(&to, separator);
    head->len = to.len;
}

static void begin_family(csv *c)
{
    const tm_family *family = c->e->walk.family->info;
    if (family->type != TM_TYPE_HISTOGRAM) {
        print_head(c, family->type == TM_TYPE_COUNTER ? TM__SAMPLE_TOTAL : TM__SAMPLE_VALUE);
        return;
    }
    print_head(c, TM__SAMPLE_BUCKET);
    print_head(c, TM__SAMPLE_SUM);
    print_head(c, TM__SAMPLE_COUNT);
    tm__print_bounds(family, tm__print_double, &c->e->bounds);
}

static void put_row(void *ctx, const tm__sample *sample)
{
    csv *c = ctx;
    const row_head *head = &c->heads[sample->kind];
    tm__write(c->writer, head->text, head->len);
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
        tm__write(c->writer, columns_of(c)[i].key, columns_of(c)[i].key_len - KEY_END);
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
    tm__arena_free(&c.keys);
    tm__buffer_free(&c.columns);
    return status;
}
