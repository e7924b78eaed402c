/* The four formats, byte for byte as the files in tests/golden have them. TM_GOLDEN_UPDATE=1 writes the files anew. */
#include <math.h>
#include <stdbool.h>

#include "locales.h"
#include "snapshots.h"
#include "test.h"

enum { PATH_BYTES = 4096 };

static const int64_t TIME_MS = 1767323045678; /* 2026-01-02T03:04:05.678Z */

/* ---- what is exported ---------------------------------------------------------------------------------------- */

static void build_empty(tm_snapshot *s)
{
    add_family(s, FAMILY("described.but.unused", TM_TYPE_COUNTER, .help = "Has no series."));
}

/* What a workflow engine would count. */
static void build_typical(tm_snapshot *s)
{
    size_t tasks = add_family(s, FAMILY("tasker.tasks", TM_TYPE_COUNTER, .help = "Tasks that have ended."));
    add_counter(s, tasks, TM_LABELS("status", "success", "task_name", "checksum"), 4711);
    add_counter(s, tasks, TM_LABELS("task_name", "checksum", "status", "failure"), 0);
    size_t bytes = add_family(s, FAMILY("tasker.read.total", TM_TYPE_COUNTER, .unit = "bytes", .help = "Bytes read."));
    add_counter(s, bytes, TM_NO_LABELS, 123456789012);
    size_t active = add_family(s, FAMILY("tasker.tasks.active", TM_TYPE_GAUGE, .help = "Tasks that are running."));
    add_gauge(s, active, TM_LABELS("host", "a"), 17);
    add_gauge(s, active, TM_LABELS("host", "b"), 2.5);
    size_t duration = add_family(
        s, FAMILY("tasker.task.duration", TM_TYPE_HISTOGRAM, .unit = "seconds", .help = "How long a task took."));
    add_histogram(s, duration, TM_LABELS("task_name", "checksum"), 1234.5678,
                  COUNTS(1, 20, 300, 4000, 300, 0, 0, 0, 7, 80, 2, 1));
    add_histogram(s, duration, TM_NO_LABELS, 0, COUNTS(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    size_t size =
        add_family(s, FAMILY("tasker.file.size_bytes", TM_TYPE_HISTOGRAM, .unit = "bytes", .help = "Sizes of files.",
                             .buckets = (const double[]){1024, 1048576}, .bucket_count = 2));
    add_histogram(s, size, TM_LABELS("kind", "header"), 5e9, COUNTS(3, 2, 1));
}

static void build_hostile(tm_snapshot *s)
{
    size_t help = add_family(s, FAMILY("hostile.help", TM_TYPE_GAUGE,
                                       .help = " \"quoted\" \\back\\slash\\n new\nline\ttab\rreturn\x01\x1f\x7f"
                                               " \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 # EOF\n# TYPE x counter\n"));
    add_gauge(s, help, TM_NO_LABELS, 1);
    size_t one = add_family(s, FAMILY("one_unit_and_no_dots_total", TM_TYPE_COUNTER, .help = "=1+1"));
    add_counter(s, one, TM_LABELS("a_label", "", "zz", "="), 1);
    static const char *const values[] = {
        "\"",
        "\\",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\\n",
        "\\\"",
        "\"\"\"",
        "\\\\\\",
        "a\"b\\c\nd",
        "\"\n\\",
        " ",
        " padded ",
        ",",
        ";",
        "|",
        "a,b;c|d\te",
        "=1+1",
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'=1",
        "=\"x\"",
        "{}",
        "},{\"a\":1",
        "a=\"b\",c=\"d\"",
        "# EOF",
        "le=\"+Inf\"",
        "NaN",
        "null",
        "</script>",
        "%s%n",
        "\x01\x02\x1f\x7f",
        "\xc3\xa4\xc3\xb6\xc3\xbc",
        "\xe2\x82\xac\xe2\x80\xa8",
        "\xf0\x9f\x98\x80",
        "\xef\xbb\xbfmark",
        "\xf4\x8f\xbf\xbf",
    };
    size_t label = add_family(s, FAMILY("hostile.label", TM_TYPE_COUNTER, .help = "Labels that try to break out."));
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        add_counter(s, label, TM_LABELS("value", values[i]), i);
    size_t sizes = add_family(
        s, FAMILY("hostile.sizes", TM_TYPE_HISTOGRAM, .help = "\\", .buckets = (const double[]){1}, .bucket_count = 1));
    add_histogram(s, sizes, TM_LABELS("a", "=\"1\"", "lee", "+1", "z", "\\\n"), 2, COUNTS(1, 1));
}

static void build_numbers(tm_snapshot *s)
{
    static const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"zero", 0},
        {"negative_zero", -0.0},
        {"tenth", 0.1},
        {"sum", 0.1 + 0.2},
        {"third", 1.0 / 3},
        {"huge", 1e300},
        {"largest", 1.7976931348623157e308},
        {"smallest", 2.2250738585072014e-308},
        {"tiny", 1e-5},
        {"small", -0.0001},
        {"negative", -123456.789},
        {"integer", 9007199254740991},
        {"two_to_64", 18446744073709551616.0},
        {"million", 1e6},
        {"nan", NAN},
        {"infinity", INFINITY},
        {"negative_infinity", -INFINITY},
    };
    size_t gauge = add_family(s, FAMILY("numbers", TM_TYPE_GAUGE, .help = "Doubles that are hard to print."));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        add_gauge(s, gauge, TM_LABELS("number", numbers[i].name), numbers[i].value);
    size_t counter = add_family(s, FAMILY("counts", TM_TYPE_COUNTER, .help = "Integers that no double holds."));
    add_counter(s, counter, TM_LABELS("number", "2^53+1"), 9007199254740993);
    add_counter(s, counter, TM_LABELS("number", "2^64-1"), UINT64_MAX);
    static const double bounds[] = {1e-9,   0.00001, 0.0001,     0.1,  0.30000000000000004, 1, 2.5,
                                    100000, 1e6,     1234567.25, 1e300};
    size_t histogram = add_family(s, FAMILY("odd.bounds", TM_TYPE_HISTOGRAM, .help = "Bounds that are hard to print.",
                                            .buckets = bounds, .bucket_count = sizeof bounds / sizeof bounds[0]));
    add_histogram(s, histogram, TM_LABELS("sum", "tenth"), 0.1, COUNTS(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    add_histogram(s, histogram, TM_LABELS("sum", "infinity"), INFINITY, COUNTS(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    add_histogram(s, histogram, TM_LABELS("sum", "nan"), NAN, COUNTS(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    add_histogram(s, histogram, TM_LABELS("sum", "negative"), -1.5, COUNTS(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    add_histogram(s, histogram, TM_LABELS("sum", "negative_zero"), -0.0, COUNTS(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    add_histogram(s, histogram, TM_LABELS("sum", "full"), 1e300,
                  COUNTS(9007199254740993, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UINT64_MAX - 9007199254740993));
}

static void build_negative_bounds(tm_snapshot *s)
{
    size_t offset =
        add_family(s, FAMILY("clock.offset", TM_TYPE_HISTOGRAM, .unit = "seconds", .help = "How far a clock is off.",
                             .buckets = (const double[]){-10, -0.5, 0, 0.5, 10}, .bucket_count = 5));
    add_histogram(s, offset, TM_LABELS("host", "a"), 12.5, COUNTS(1, 2, 3, 4, 5, 6));
    add_histogram(s, offset, TM_LABELS("host", "b"), -12.5, COUNTS(6, 5, 4, 3, 2, 1));
    size_t only = add_family(s, FAMILY("no.bounds", TM_TYPE_HISTOGRAM, .help = "Only +Inf.",
                                       .buckets = (const double[]){INFINITY}, .bucket_count = 1));
    add_histogram(s, only, TM_NO_LABELS, 3, COUNTS(7));
}

/* For the option that adds a label. */
static void build_taken_labels(tm_snapshot *s)
{
    build_typical(s);
    size_t taken = add_family(s, FAMILY("taken.labels", TM_TYPE_GAUGE, .help = "Labels that are called instance."));
    add_gauge(s, taken, TM_LABELS("instance", "=mine"), 1);
    add_gauge(s, taken, TM_LABELS("instance", "mine", "exported_instance", "old"), 2);
}

/* ---- cases --------------------------------------------------------------------------------------------------- */

typedef struct golden {
    const char *name;
    void (*build)(tm_snapshot *snapshot);
    tm_export_options options;
} golden;

#define OPTIONS(...)                                   \
    {                                                  \
        .size = sizeof(tm_export_options), __VA_ARGS__ \
    }

static const golden cases[] = {
    {"empty", build_empty, OPTIONS(0)},
    {"typical", build_typical, OPTIONS(0)},
    {"hostile", build_hostile, OPTIONS(0)},
    {"numbers", build_numbers, OPTIONS(0)},
    {"negative_bounds", build_negative_bounds, OPTIONS(0)},
    {"options", build_taken_labels,
     OPTIONS(.prefix = "my.app_", .instance = "host \"1\"\\\n=", .timestamp_ms = 951782400000, .pretty = 1,
             .csv_separator = ';')},
};

static const struct {
    tm_format format;
    const char *suffix;
} formats[] = {
    {TM_FORMAT_PROMETHEUS, "prom"}, {TM_FORMAT_OPENMETRICS, "om"}, {TM_FORMAT_JSON, "json"}, {TM_FORMAT_CSV, "csv"}};

static void make_path(char path[PATH_BYTES], const char *name, const char *suffix)
{
    const char *source = getenv("TM_SOURCE_DIR");
    if (!source)
        fail_msg("TM_SOURCE_DIR does not say where the checkout is");
    snprintf(path, PATH_BYTES, "%s/tests/golden/%s.%s", source, name, suffix);
}

static void write_file(const char *path, const test_text *content)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(content->data, 1, content->len, file) != content->len || fclose(file) != 0)
        fail_msg("cannot write %s", path);
}

static test_text read_file(const char *path)
{
    test_text content = {0};
    char piece[4096];
    size_t len;
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot read %s", path);
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        assert_int_equal(text_sink(&content, piece, len), 0);
    fclose(file);
    return content;
}

static void assert_same(const char *path, const test_text *got, const test_text *expected)
{
    size_t same = 0;
    while (same < got->len && same < expected->len && got->data[same] == expected->data[same])
        same++;
    if (same == got->len && same == expected->len)
        return;
    int line = 1;
    for (size_t i = 0; i < same; i++)
        line += got->data[i] == '\n';
    size_t from = same < 60 ? 0 : same - 60;
    fail_msg("%s differs in line %d: got ...%.120s\nexpected ...%.120s", path, line, got->data ? got->data + from : "",
             expected->data ? expected->data + from : "");
}

static void check_case(const golden *g, tm_format format, const char *suffix)
{
    char path[PATH_BYTES];
    make_path(path, g->name, suffix);
    tm_snapshot *snapshot = new_snapshot(TIME_MS);
    g->build(snapshot);
    test_text got = {0};
    assert_ok(tm_snapshot_export(snapshot, format, &g->options, text_sink, &got));
    if (getenv("TM_GOLDEN_UPDATE"))
        write_file(path, &got);
    test_text expected = read_file(path);
    assert_same(path, &got, &expected);
    text_free(&expected);
    text_free(&got);
    tm_snapshot_free(snapshot);
}

static void check_format(tm_format format)
{
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0] && formats[f].format == format; i++)
            check_case(&cases[i], format, formats[f].suffix);
}

TEST(prometheus_text_is_as_it_was)
{
    check_format(TM_FORMAT_PROMETHEUS);
}

TEST(openmetrics_text_is_as_it_was)
{
    check_format(TM_FORMAT_OPENMETRICS);
}

TEST(json_is_as_it_was)
{
    check_format(TM_FORMAT_JSON);
}

TEST(csv_is_as_it_was)
{
    check_format(TM_FORMAT_CSV);
}

static void check_all_formats(void)
{
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++)
        check_format(formats[f].format);
}

TEST(a_decimal_comma_changes_no_byte)
{
    use_locale("de_DE", ",");
    check_all_formats();
}

TEST(a_decimal_point_of_two_bytes_changes_no_byte)
{
    use_locale("ps_AF", "\xd9\xab");
    check_all_formats();
}

TEST_MAIN("golden", T(prometheus_text_is_as_it_was), T(openmetrics_text_is_as_it_was), T(json_is_as_it_was),
          T(csv_is_as_it_was), T(a_decimal_comma_changes_no_byte), T(a_decimal_point_of_two_bytes_changes_no_byte))
