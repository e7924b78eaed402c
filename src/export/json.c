/* JSON: one object a series, in an array for each type. What is no number there is a string: "NaN", "+Inf", "-Inf". */
#include "export/export.h"

#include <math.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* clang-format off */
#define CONTROL(hex) [0x##hex] = "\\u00" #hex
#define CONTROLS \
    CONTROL(00), CONTROL(01), CONTROL(02), CONTROL(03), CONTROL(04), CONTROL(05), CONTROL(06), CONTROL(07), \
    CONTROL(08), ['\t'] = "\\t", ['\n'] = "\\n", CONTROL(0b), CONTROL(0c), ['\r'] = "\\r", CONTROL(0e), CONTROL(0f), \
    CONTROL(10), CONTROL(11), CONTROL(12), CONTROL(13), CONTROL(14), CONTROL(15), CONTROL(16), CONTROL(17), \
    CONTROL(18), CONTROL(19), CONTROL(1a), CONTROL(1b), CONTROL(1c), CONTROL(1d), CONTROL(1e), CONTROL(1f)
/* clang-format on */

static const tm__escapes string_escapes = {CONTROLS, ['"'] = "\\\"", ['\\'] = "\\\\"};

/* A canonical label value has its quotes, backslashes and newlines escaped already, and as JSON would. */
static const tm__escapes label_value_escapes = {CONTROLS};

typedef struct json {
    tm__export *e;
    tm__writer *writer;
    bool pretty;
    bool empty; /* nothing stands yet in the innermost open object or array */
    unsigned depth;
    tm__buffer head;      /* what all objects of a family begin with, up to their labels, */
    tm__buffer value_key; /* what stands before the value of a counter or gauge, */
    tm__buffer tail;      /* and what they end with, after their values */

    size_t bucket;                               /* which one is being written */
    tm__buffer bucket_head;                      /* what stands before the count of a bucket, */
    tm__buffer bucket_tail;                      /* and behind it, the same for all, */
    tm__buffer bucket_heads;                     /* and before the counts of all buckets of a family, */
    size_t bucket_head_ends[TM_BUCKETS_MAX + 1]; /* each up to here */
} json;

/* Nothing stands deeper than the members of a bucket. */
static void new_line(json *j)
{
    static const char line[] = "\n              ";
    if (j->pretty)
        tm__write(j->writer, line, 1 + 2 * (size_t)j->depth);
}

/* Before every member and element. */
static void separate(json *j)
{
    if (!j->empty)
        tm__write_char(j->writer, ',');
    j->empty = false;
    new_line(j);
}

static void begin(json *j, char bracket)
{
    tm__write_char(j->writer, bracket);
    j->depth++;
    j->empty = true;
}

static void end(json *j, char bracket)
{
    j->depth--;
    if (!j->empty)
        new_line(j);
    tm__write_char(j->writer, bracket);
    j->empty = false;
}

/* key: needs no escapes. */
static void put_key_bytes(json *j, const char *key, size_t len)
{
    separate(j);
    tm__write_char(j->writer, '"');
    tm__write(j->writer, key, len);
    tm__write_text(j->writer, j->pretty ? "\": " : "\":");
}

static inline void put_key(json *j, const char *key)
{
    put_key_bytes(j, key, strlen(key));
}

static void put_string(json *j, const char *text, size_t len, const tm__escapes escapes)
{
    tm__write_char(j->writer, '"');
    tm__write_escaped(j->writer, text, len, escapes);
    tm__write_char(j->writer, '"');
}

static size_t print_number(double value, char out[TM__NUMBER_MAX])
{
    size_t len = tm__print_double(value, out);
    if (isfinite(value))
        return len;
    memmove(out + 1, out, len);
    out[0] = out[len + 1] = '"';
    return len + 2;
}

static void put_double(json *j, double value)
{
    char text[TM__NUMBER_MAX];
    tm__write(j->writer, text, print_number(value, text));
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The high bit of every byte that is a quote, a backslash or a control character, exact up to the lowest. */
static inline uint64_t special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return tm__zero_bytes(word ^ ones * '"') | tm__zero_bytes(word ^ ones * '\\') |
           ((word - ones * 0x20) & ~word & ones * 0x80);
}
#endif

static inline bool is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* Copies up to the first quote, backslash or control character, which there is before `end`. Moves *at behind the copy
 * and returns where it ended. A word more may be written. */
static inline const char *copy_plain(char **at, const char *text, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; end - text >= 8; text += 8, *at += 8) {
        uint64_t word = tm__load64(text);
        memcpy(*at, &word, sizeof word);
        uint64_t special = special_bytes(word);
        if (special) {
            size_t len = (size_t)__builtin_ctzll(special) / 8;
            *at += len;
            return text + len;
        }
    }
#endif
    while (!is_special(*text))
        *(*at)++ = *text++;
    return text;
}

/* The labels without spaces, in one pass over their text, whose values are escaped as JSON would. Takes at most two
 * bytes more a label. NULL at a control character. */
static char *put_compact_labels(char *at, const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end) {
        *at++ = '"';
        while (*text != '=')
            *at++ = *text++;
        memcpy(at, "\":\"", 3);
        at += 3;
        text += 2;
        while (*(text = copy_plain(&at, text, end)) == '\\') {
            *at++ = *text++;
            *at++ = *text++;
        }
        if (*text != '"')
            return NULL;
        *at++ = '"';
        text++;
        if (text < end)
            *at++ = *text++;
    }
    return at;
}

static bool put_labels_compactly(json *j, const tm_series *series)
{
    char *begin_at = tm__writer_room(j->writer, series->labels_bytes + 2 * (TM_LABELS_MAX + 1) + 8);
    *begin_at = '{';
    char *at = put_compact_labels(begin_at + 1, series->labels, series->labels_bytes);
    if (!at)
        return false;
    *at++ = '}';
    j->writer->len += (size_t)(at - begin_at);
    j->empty = false;
    return true;
}

static void put_labels(json *j, const tm_series *series)
{
    if (!j->pretty && put_labels_compactly(j, series))
        return;
    begin(j, '{');
    const char *cursor = series->labels;
    const char *last = series->labels + series->labels_bytes;
    tm__label label;
    while (tm__labels_next(&cursor, last, &label)) {
        put_key_bytes(j, label.name, label.name_len);
        put_string(j, label.value, label.value_len, label_value_escapes);
    }
    end(j, '}');
}

static int put_counter(json *j, const tm_family *family, const tm_number *values)
{
    (void)family;
    tm__write(j->writer, j->value_key.data, j->value_key.len);
    tm__write_u64(j->writer, values[0].u);
    return TM_OK;
}

static int put_gauge(json *j, const tm_family *family, const tm_number *values)
{
    (void)family;
    tm__write(j->writer, j->value_key.data, j->value_key.len);
    put_double(j, values[0].d);
    return TM_OK;
}

static int append(void *buffer, const char *bytes, size_t len)
{
    tm__buffer *to = buffer;
    tm__buffer_append(to, bytes, len);
    return to->failed;
}

/* Lets `put` write into a buffer. */
static int capture(json *j, void (*put)(json *j), tm__buffer *out)
{
    char bytes[512];
    tm__writer into_buffer = {.sink = append, .ctx = out, .bytes = bytes, .capacity = sizeof bytes};
    out->len = 0;
    j->writer = &into_buffer;
    put(j);
    j->writer = &j->e->writer;
    return tm__writer_finish(&into_buffer) == TM_OK ? TM_OK : TM_ENOMEM;
}

static void put_bucket_head(json *j)
{
    const tm__bound_text *bound = &j->e->bounds.bounds[j->bucket];
    j->empty = j->bucket == 0;
    separate(j);
    begin(j, '{');
    put_key(j, "le");
    tm__write(j->writer, bound->text, bound->len);
    put_key(j, "count");
}

static void put_bucket_tail(json *j)
{
    end(j, '}');
}

/* Called where the first bucket of a family is to be written. */
static int prepare_buckets(json *j, const tm_family *family)
{
    tm__print_bounds(family, print_number, &j->e->bounds);
    j->bucket_heads.len = 0;
    int status = TM_OK;
    for (j->bucket = 0; j->bucket <= family->bucket_count && status == TM_OK; j->bucket++) {
        status = capture(j, put_bucket_head, &j->bucket_head);
        tm__buffer_append(&j->bucket_heads, j->bucket_head.data, j->bucket_head.len);
        j->bucket_head_ends[j->bucket] = j->bucket_heads.len;
        if (status == TM_OK)
            status = capture(j, put_bucket_tail, &j->bucket_tail);
    }
    return j->bucket_heads.failed ? TM_ENOMEM : status;
}

static void put_bucket(void *ctx, const tm__sample *sample)
{
    json *j = ctx;
    if (sample->kind != TM__SAMPLE_BUCKET)
        return;
    size_t begin_at = sample->bucket > 0 ? j->bucket_head_ends[sample->bucket - 1] : 0;
    tm__write(j->writer, j->bucket_heads.data + begin_at, j->bucket_head_ends[sample->bucket] - begin_at);
    tm__write_u64(j->writer, sample->value.u);
    tm__write(j->writer, j->bucket_tail.data, j->bucket_tail.len);
}

static int put_histogram(json *j, const tm_family *family, const tm_number *values)
{
    put_key(j, "count");
    tm__write_u64(j->writer, tm__histogram_count(family, values));
    put_key(j, "sum");
    put_double(j, values[family->bucket_count + 1].d);
    put_key(j, "buckets");
    begin(j, '[');
    int status = j->e->walk.family_begins ? prepare_buckets(j, family) : TM_OK;
    if (status == TM_OK)
        tm__each_sample(family, values, put_bucket, j);
    j->empty = false;
    end(j, ']');
    return status;
}

static void put_if_given(json *j, const char *key, const char *text)
{
    if (!text[0])
        return;
    put_key(j, key);
    put_string(j, text, strlen(text), string_escapes);
}

typedef struct section {
    const char *key;
    tm_type type;
    int (*put_values)(json *j, const tm_family *family, const tm_number *values);
} section;

static const section sections[] = {
    {"counters", TM_TYPE_COUNTER, put_counter},
    {"gauges", TM_TYPE_GAUGE, put_gauge},
    {"histograms", TM_TYPE_HISTOGRAM, put_histogram},
};

static void put_head(json *j)
{
    begin(j, '{');
    put_key(j, "name");
    tm__write_char(j->writer, '"');
    tm__write_text(j->writer, j->e->options.prefix);
    tm__write_text(j->writer, j->e->walk.family->info->name);
    tm__write_char(j->writer, '"');
    put_key(j, "labels");
}

static void put_value_key(json *j)
{
    put_key(j, "value");
}

static void put_tail(json *j)
{
    put_if_given(j, "unit", j->e->walk.family->info->unit);
    put_if_given(j, "help", j->e->walk.family->info->help);
    end(j, '}');
}

static int begin_family(json *j)
{
    bool empty = j->empty;
    int status = capture(j, put_head, &j->head);
    if (status == TM_OK)
        status = capture(j, put_value_key, &j->value_key);
    if (status == TM_OK)
        status = capture(j, put_tail, &j->tail);
    j->empty = empty;
    return status;
}

static int put_series(json *j, const section *s)
{
    const tm_series *series = &j->e->walk.series;
    separate(j);
    tm__write(j->writer, j->head.data, j->head.len);
    j->depth++;
    put_labels(j, series);
    int status = s->put_values(j, j->e->walk.family->info, series->values);
    tm__write(j->writer, j->tail.data, j->tail.len);
    j->depth--;
    return status;
}

static int put_section(json *j, const section *s)
{
    tm__walk *walk = &j->e->walk;
    int status = TM_OK;
    put_key(j, s->key);
    begin(j, '[');
    tm__walk_begin(walk, j->e->snapshot, j->e->options.instance, s->type);
    while (status == TM_OK && tm__export_next(j->e)) {
        if (walk->family_begins)
            status = begin_family(j);
        if (status == TM_OK)
            status = put_series(j, s);
    }
    end(j, ']');
    return status == TM_OK ? walk->status : status;
}

int tm__export_json(tm__export *e)
{
    json j = {.e = e, .writer = &e->writer, .pretty = e->options.pretty != 0};
    int status = TM_OK;
    begin(&j, '{');
    put_key(&j, "timestamp");
    put_string(&j, e->time_text, strlen(e->time_text), string_escapes);
    put_key(&j, "metrics");
    begin(&j, '{');
    for (size_t i = 0; status == TM_OK && i < sizeof sections / sizeof sections[0]; i++)
        status = put_section(&j, &sections[i]);
    end(&j, '}');
    end(&j, '}');
    tm__write_char(j.writer, '\n');
    tm__buffer_free(&j.head);
    tm__buffer_free(&j.value_key);
    tm__buffer_free(&j.tail);
    tm__buffer_free(&j.bucket_head);
    tm__buffer_free(&j.bucket_tail);
    tm__buffer_free(&j.bucket_heads);
    return status;
}
