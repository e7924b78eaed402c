/* Export apart from what the golden files show: options, sinks that refuse, memory that runs out, sizes. */
#include <stdbool.h>

#include "base/labels.h"
#include "faults.h"
#include "snapshot/snapshot.h"
#include "snapshots.h"
#include "test.h"

static const tm_format all_formats[] = {TM_FORMAT_PROMETHEUS, TM_FORMAT_OPENMETRICS, TM_FORMAT_JSON, TM_FORMAT_CSV};
enum { FORMATS = sizeof all_formats / sizeof all_formats[0] };

#define OPTIONS(...) (&(tm_export_options){.size = sizeof(tm_export_options), __VA_ARGS__})

/* ---- helpers ------------------------------------------------------------------------------------------------- */

static test_text exported(const tm_snapshot *snapshot, tm_format format, const tm_export_options *options)
{
    test_text text = {0};
    assert_ok(tm_snapshot_export(snapshot, format, options, text_sink, &text));
    assert_int_equal(text_sink(&text, "", 0), 0);
    return text;
}

static void assert_exported(const tm_snapshot *snapshot, tm_format format, const tm_export_options *options,
                            const char *expected)
{
    test_text text = exported(snapshot, format, options);
    assert_string_equal(text.data, expected);
    text_free(&text);
}

static tm_snapshot *one_gauge(int64_t time_ms)
{
    tm_snapshot *snapshot = new_snapshot(time_ms);
    add_gauge(snapshot, add_family(snapshot, FAMILY("g", TM_TYPE_GAUGE, .help = "")), TM_LABELS("a", "x,y"), 1.5);
    return snapshot;
}

/* Every kind of family, and enough series for several pieces of output. */
static tm_snapshot *large_snapshot(void)
{
    static const char *const names[] = {"some.name", "other.name", "third.name"};
    tm_snapshot *snapshot = new_snapshot(0);
    size_t counter = add_family(snapshot, FAMILY(names[0], TM_TYPE_COUNTER, .help = "One."));
    size_t gauge = add_family(snapshot, FAMILY(names[1], TM_TYPE_GAUGE, .unit = "bytes", .help = "Two."));
    size_t histogram = add_family(snapshot, FAMILY(names[2], TM_TYPE_HISTOGRAM, .unit = "seconds", .help = "Three."));
    for (uint64_t i = 0; i < 300; i++) {
        char value[64];
        snprintf(value, sizeof value, "value \"%d\" with some length to fill the buffer", (int)i);
        add_counter(snapshot, counter, TM_LABELS("first", value, "second", "s"), i * 1000000007);
        add_gauge(snapshot, gauge, TM_LABELS("third", value), (double)i / 7);
        add_histogram(snapshot, histogram, TM_LABELS("first", value), 0.5, COUNTS(i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, i));
    }
    return snapshot;
}

/* ---- arguments ----------------------------------------------------------------------------------------------- */

TEST(formats_have_content_types)
{
    assert_string_equal(tm_format_content_type(TM_FORMAT_PROMETHEUS), "text/plain; version=0.0.4; charset=utf-8");
    assert_string_equal(tm_format_content_type(TM_FORMAT_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_string_equal(tm_format_content_type(TM_FORMAT_JSON), "application/json");
    assert_string_equal(tm_format_content_type(TM_FORMAT_CSV), "text/csv; charset=utf-8");
    assert_null(tm_format_content_type((tm_format)0));
    assert_null(tm_format_content_type((tm_format)5));
    assert_null(tm_format_content_type((tm_format)-1));
}

static int must_not_be_called(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    fail_msg("the sink was given %.*s", (int)len, bytes);
    return 0;
}

static void assert_bad_options(const tm_export_options *options, int status)
{
    tm_snapshot *snapshot = one_gauge(0);
    for (size_t f = 0; f < FORMATS; f++)
        assert_status(tm_snapshot_export(snapshot, all_formats[f], options, must_not_be_called, NULL), status);
    tm_snapshot_free(snapshot);
}

TEST(missing_arguments_are_refused)
{
    tm_snapshot *snapshot = one_gauge(0);
    assert_status(tm_snapshot_export(NULL, TM_FORMAT_JSON, NULL, must_not_be_called, NULL), TM_EINVAL);
    assert_status(tm_snapshot_export(snapshot, TM_FORMAT_JSON, NULL, NULL, NULL), TM_EINVAL);
    assert_status(tm_snapshot_export(snapshot, (tm_format)0, NULL, must_not_be_called, NULL), TM_EINVAL);
    assert_status(tm_snapshot_export(snapshot, (tm_format)5, NULL, must_not_be_called, NULL), TM_EINVAL);
    tm_snapshot_free(snapshot);
}

TEST(bad_options_are_refused_before_any_output)
{
    assert_bad_options(OPTIONS(.prefix = "1a"), TM_ENAME);
    assert_bad_options(OPTIONS(.prefix = "a b"), TM_ENAME);
    assert_bad_options(OPTIONS(.prefix = "a\n"), TM_ENAME);
    char long_prefix[TM_NAME_MAX + 2];
    memset(long_prefix, 'p', sizeof long_prefix);
    long_prefix[TM_NAME_MAX + 1] = '\0';
    assert_bad_options(OPTIONS(.prefix = long_prefix), TM_ENAME);
    assert_bad_options(OPTIONS(.instance = "\xff"), TM_ELABEL);
    char long_instance[TM_VALUE_MAX + 2];
    memset(long_instance, 'i', sizeof long_instance);
    long_instance[TM_VALUE_MAX + 1] = '\0';
    assert_bad_options(OPTIONS(.instance = long_instance), TM_ELABEL);
    assert_bad_options(OPTIONS(.csv_separator = 'x'), TM_EINVAL);
    assert_bad_options(OPTIONS(.csv_separator = '"'), TM_EINVAL);
    assert_bad_options(OPTIONS(.csv_separator = '\n'), TM_EINVAL);
    assert_bad_options(OPTIONS(.timestamp_ms = -1), TM_EINVAL);
    assert_bad_options(OPTIONS(.timestamp_ms = 253402300800000), TM_EINVAL);
    assert_bad_options(OPTIONS(.timestamp_ms = INT64_MAX), TM_EINVAL);
    assert_bad_options(&(tm_export_options){.size = sizeof(tm_export_options) - 1}, TM_EINVAL);
}

/* ---- options ------------------------------------------------------------------------------------------------- */

TEST(empty_options_are_the_defaults)
{
    tm_snapshot *snapshot = large_snapshot();
    for (size_t f = 0; f < FORMATS; f++) {
        test_text expected = exported(snapshot, all_formats[f], NULL);
        tm_export_options initial = TM_EXPORT_OPTIONS_INIT;
        assert_exported(snapshot, all_formats[f], &initial, expected.data);
        assert_exported(snapshot, all_formats[f], &(tm_export_options){.size = 0}, expected.data);
        assert_exported(snapshot, all_formats[f], OPTIONS(.prefix = "", .instance = "", .csv_separator = ','),
                        expected.data);
        text_free(&expected);
    }
    tm_snapshot_free(snapshot);
}

TEST(the_longest_prefix_and_names_are_printed_whole)
{
    char name[TM_NAME_MAX + 1];
    memset(name, 'n', TM_NAME_MAX);
    name[TM_NAME_MAX] = '\0';
    char prefix[TM_NAME_MAX + 1];
    memset(prefix, 'p', TM_NAME_MAX);
    prefix[TM_NAME_MAX] = '\0';
    char unit[TM_NAME_MAX + 1];
    memset(unit, 'u', TM_NAME_MAX);
    unit[TM_NAME_MAX] = '\0';
    tm_snapshot *snapshot = new_snapshot(0);
    add_counter(snapshot, add_family(snapshot, FAMILY(name, TM_TYPE_COUNTER, .unit = unit)), TM_LABELS(name, ""), 1);
    char expected[4096];
    snprintf(expected, sizeof expected, "# TYPE %s%s_%s_total counter\n%s%s_%s_total{%s=\"\"} 1\n", prefix, name, unit,
             prefix, name, unit, name);
    assert_exported(snapshot, TM_FORMAT_PROMETHEUS, OPTIONS(.prefix = prefix), expected);
    snprintf(expected, sizeof expected,
             "timestamp,name,type,value,label_%s\r\n1970-01-01T00:00:00.000Z,%s%s,counter,1,\r\n", name, prefix, name);
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.prefix = prefix), expected);
    tm_snapshot_free(snapshot);
}

TEST(csv_has_its_separator_and_its_header_as_told)
{
    tm_snapshot *snapshot = one_gauge(0);
    assert_exported(snapshot, TM_FORMAT_CSV, NULL,
                    "timestamp,name,type,value,label_a\r\n1970-01-01T00:00:00.000Z,g,gauge,1.5,\"x,y\"\r\n");
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_separator = '|'),
                    "timestamp|name|type|value|label_a\r\n1970-01-01T00:00:00.000Z|g|gauge|1.5|x,y\r\n");
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_separator = '\t', .csv_no_header = 1),
                    "1970-01-01T00:00:00.000Z\tg\tgauge\t1.5\tx,y\r\n");
    tm_snapshot_free(snapshot);
}

TEST(a_formula_with_a_tab_is_disarmed_between_quotes_too)
{
    tm_snapshot *snapshot = new_snapshot(0);
    add_gauge(snapshot, add_family(snapshot, FAMILY("g", TM_TYPE_GAUGE, .help = "")), TM_LABELS("a", "\t=1"), -1);
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_separator = '\t', .csv_no_header = 1),
                    "1970-01-01T00:00:00.000Z\tg\tgauge\t-1\t\"'\t=1\"\r\n");
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_no_header = 1),
                    "1970-01-01T00:00:00.000Z,g,gauge,-1,'\t=1\r\n");
    tm_snapshot_free(snapshot);
}

/* lines: the header and the rows, these without the time, and NULL. */
static void assert_csv(const tm_snapshot *snapshot, const char *const lines[])
{
    test_text expected = {0};
    for (size_t i = 0; lines[i]; i++) {
        char line[256];
        const char *time = i > 0 ? "1970-01-01T00:00:00.000Z," : "";
        int len = snprintf(line, sizeof line, "%s%s\r\n", time, lines[i]);
        assert_int_equal(text_sink(&expected, line, (size_t)len), 0);
    }
    assert_int_equal(text_sink(&expected, "", 0), 0);
    assert_exported(snapshot, TM_FORMAT_CSV, NULL, expected.data);
    text_free(&expected);
}

/* Some names are how others begin, also long ones; as text, a="..." would stand behind a1="...". */
TEST(csv_tells_label_names_apart_however_the_series_follow_each_other)
{
    tm_snapshot *snapshot = new_snapshot(0);
    size_t c = add_family(snapshot, FAMILY("c", TM_TYPE_COUNTER, .help = ""));
    add_counter(snapshot, c, TM_LABELS("ab", "1"), 1);
    add_counter(snapshot, c, TM_LABELS("a", "2"), 2);
    add_counter(snapshot, c, TM_LABELS("a", "3", "name_of_twenty_bytes_2", "4"), 3);
    add_counter(snapshot, c, TM_LABELS("a1", "5"), 4);
    add_counter(snapshot, c, TM_NO_LABELS, 5);
    add_counter(snapshot, c, TM_LABELS("name_of_twenty_bytes", "6", "z", ""), 6);
    add_counter(snapshot, c, TM_LABELS("name_of_twenty_bytes", "7", "name_of_twenty_bytes_1", "8"), 7);
    add_counter(snapshot, c, TM_LABELS("a", "9", "a1", "10", "ab", "11"), 8);
    size_t h = add_family(snapshot, FAMILY("h", TM_TYPE_HISTOGRAM, .buckets = (const double[]){2}, .bucket_count = 1));
    add_histogram(snapshot, h, TM_LABELS("a1", "12", "lee", "13"), 0, COUNTS(0, 0));
    add_histogram(snapshot, h, TM_LABELS("l", "14"), 0, COUNTS(0, 0));
    static const char *const lines[] = {
        "timestamp,name,type,value,label_a,label_a1,label_ab,label_l,label_le,label_lee,"
        "label_name_of_twenty_bytes,label_name_of_twenty_bytes_1,label_name_of_twenty_bytes_2,label_z",
        "c,counter,1,,,1,,,,,,,",
        "c,counter,2,2,,,,,,,,,",
        "c,counter,3,3,,,,,,,,4,",
        "c,counter,4,,5,,,,,,,,",
        "c,counter,5,,,,,,,,,,",
        "c,counter,6,,,,,,,6,,,",
        "c,counter,7,,,,,,,7,8,,",
        "c,counter,8,9,10,11,,,,,,,",
        "h_bucket,histogram,0,,12,,,2,13,,,,",
        "h_bucket,histogram,0,,12,,,+Inf,13,,,,",
        "h_sum,histogram,0,,12,,,,13,,,,",
        "h_count,histogram,0,,12,,,,13,,,,",
        "h_bucket,histogram,0,,,,14,2,,,,,",
        "h_bucket,histogram,0,,,,14,+Inf,,,,,",
        "h_sum,histogram,0,,,,14,,,,,,",
        "h_count,histogram,0,,,,14,,,,,,",
        NULL,
    };
    assert_csv(snapshot, lines);
    tm_snapshot_free(snapshot);
}

TEST(csv_takes_nothing_in_a_value_for_a_label)
{
    tm_snapshot *snapshot = new_snapshot(0);
    size_t c = add_family(snapshot, FAMILY("c", TM_TYPE_COUNTER, .help = ""));
    add_counter(snapshot, c, TM_LABELS("a", "x\",b=\"y", "c", "1"), 1);
    add_counter(snapshot, c, TM_LABELS("a", "=b=\"", "b", "\\"), 2);
    add_counter(snapshot, c, TM_LABELS("a", "\\\",b=\"\\", "b", ",c=\"z\""), 3);
    add_counter(snapshot, c, TM_LABELS("a", "\\\\", "b", "", "c", "+\n\\n"), 4);
    add_counter(snapshot, c, TM_LABELS("b", "c=", "c", "\","), 5);
    static const char *const lines[] = {
        "timestamp,name,type,value,label_a,label_b,label_c",
        "c,counter,1,\"x\"\",b=\"\"y\",,1",
        "c,counter,2,\"'=b=\"\"\",\"\\\",",
        "c,counter,3,\"\\\"\",b=\"\"\\\",\",c=\"\"z\"\"\",",
        "c,counter,4,\"\\\\\",,\"'+\n\\n\"",
        "c,counter,5,,c=,\"\"\",\"",
        NULL,
    };
    assert_csv(snapshot, lines);
    tm_snapshot_free(snapshot);
}

/* What stands behind the labels of a series is not theirs, even if it looks so. */
TEST(csv_reads_labels_up_to_their_length)
{
    tm_snapshot *snapshot = new_snapshot(0);
    size_t c = add_family(snapshot, FAMILY("c", TM_TYPE_COUNTER, .help = ""));
    add_counter(snapshot, c, TM_LABELS("a", "1", "b", "2"), 1);
    static const char labels[] = "a=\"3\",b=\"4\",d=\"5\"";
    const tm_number value = {.u = 2};
    assert_non_null(tm__snapshot_borrow_series(&snapshot->families[c], labels, strlen("a=\"3\""), &value));
    assert_non_null(tm__snapshot_borrow_series(&snapshot->families[c], labels, 0, &value));
    static const char *const lines[] = {
        "timestamp,name,type,value,label_a,label_b", "c,counter,1,1,2", "c,counter,2,3,", "c,counter,2,,", NULL,
    };
    assert_csv(snapshot, lines);
    tm_snapshot_free(snapshot);
}

/* Writes what JSON has of a snapshot with one gauge whose label is the value. */
static void assert_json_value(const char *value, const char *before, const char *escaped, const char *after)
{
    char expected[256];
    snprintf(expected, sizeof expected,
             "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"metrics\":{\"counters\":[],\"gauges\":[{\"name\":\"g\","
             "\"labels\":{\"a\":\"%s%s%s\",\"b\":\"\xc3\xa9\"},\"value\":2}],\"histograms\":[]}}\n",
             before, escaped, after);
    tm_snapshot *snapshot = new_snapshot(0);
    size_t place = add_family(snapshot, FAMILY("g", TM_TYPE_GAUGE, .help = ""));
    add_gauge(snapshot, place, TM_LABELS("a", value, "b", "\xc3\xa9"), 2);
    assert_exported(snapshot, TM_FORMAT_JSON, NULL, expected);
    tm_snapshot_free(snapshot);
}

/* Also around the words in which values are copied. */
TEST(json_escapes_a_byte_wherever_it_stands)
{
    static const char *const bytes[][2] = {{"\"", "\\\""},      {"\\", "\\\\"},   {"\n", "\\n"}, {"\t", "\\t"},
                                           {"\x1f", "\\u001f"}, {"\x7f", "\x7f"}, {" ", " "}};
    static const char letters[] = "abcdefghijklmnopqrs";
    for (int before = 0; before < 18; before++)
        for (int after = 0; after < 18 - before; after++)
            for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
                char begin[20];
                char value[40];
                snprintf(begin, sizeof begin, "%.*s", before, letters);
                snprintf(value, sizeof value, "%s%s%.*s", begin, bytes[i][0], after, letters);
                assert_json_value(value, begin, bytes[i][1], value + before + 1);
            }
}

static void assert_time(int64_t time_ms, const char *expected)
{
    char row[128];
    snprintf(row, sizeof row, "%s,g,gauge,1.5,\"x,y\"\r\n", expected);
    tm_snapshot *snapshot = one_gauge(time_ms);
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_no_header = 1), row);
    tm_snapshot_free(snapshot);
}

TEST(times_are_dates_of_the_calendar)
{
    assert_time(0, "1970-01-01T00:00:00.000Z");
    assert_time(1, "1970-01-01T00:00:00.001Z");
    assert_time(86399999, "1970-01-01T23:59:59.999Z");
    assert_time(68169600000, "1972-02-29T00:00:00.000Z");
    assert_time(68255999999, "1972-02-29T23:59:59.999Z");
    assert_time(68256000000, "1972-03-01T00:00:00.000Z");
    assert_time(951782400000, "2000-02-29T00:00:00.000Z");
    assert_time(978307199999, "2000-12-31T23:59:59.999Z");
    assert_time(1767323045678, "2026-01-02T03:04:05.678Z");
    assert_time(4107542399000, "2100-02-28T23:59:59.000Z");
    assert_time(4107542400000, "2100-03-01T00:00:00.000Z");
    assert_time(253402300799999, "9999-12-31T23:59:59.999Z");
}

TEST(a_senseless_clock_gives_the_nearest_date)
{
    assert_time(-1, "1970-01-01T00:00:00.000Z");
    assert_time(INT64_MIN, "1970-01-01T00:00:00.000Z");
    assert_time(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

TEST(the_time_given_goes_before_that_of_the_snapshot)
{
    tm_snapshot *snapshot = one_gauge(1);
    assert_exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_no_header = 1, .timestamp_ms = 2),
                    "1970-01-01T00:00:00.002Z,g,gauge,1.5,\"x,y\"\r\n");
    tm_snapshot_free(snapshot);
}

/* ---- odd snapshots ------------------------------------------------------------------------------------------- */

TEST(families_without_series_or_help_say_no_more_than_needed)
{
    tm_snapshot *snapshot = new_snapshot(0);
    add_family(snapshot, FAMILY("unused", TM_TYPE_COUNTER, .help = "Unused."));
    size_t used = add_family(snapshot, FAMILY("used", TM_TYPE_COUNTER, .help = NULL));
    add_family(snapshot, FAMILY("unused.too", TM_TYPE_HISTOGRAM, .help = "Unused."));
    add_counter(snapshot, used, TM_NO_LABELS, 1);
    assert_exported(snapshot, TM_FORMAT_PROMETHEUS, NULL, "# TYPE used_total counter\nused_total 1\n");
    assert_exported(snapshot, TM_FORMAT_OPENMETRICS, NULL, "# TYPE used counter\nused_total 1\n# EOF\n");
    assert_exported(
        snapshot, TM_FORMAT_JSON, NULL,
        "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"metrics\":{\"counters\":[{\"name\":\"used\",\"labels\":"
        "{},\"value\":1}],\"gauges\":[],\"histograms\":[]}}\n");
    assert_exported(snapshot, TM_FORMAT_CSV, NULL,
                    "timestamp,name,type,value\r\n1970-01-01T00:00:00.000Z,used,counter,1\r\n");
    tm_snapshot_free(snapshot);
}

TEST(buckets_never_fall_even_if_their_sum_overflows)
{
    tm_snapshot *snapshot = new_snapshot(0);
    size_t h =
        add_family(snapshot, FAMILY("h", TM_TYPE_HISTOGRAM, .buckets = (const double[]){1, 2}, .bucket_count = 2));
    add_histogram(snapshot, h, TM_NO_LABELS, 1, COUNTS(UINT64_MAX - 1, 5, 7));
    assert_exported(snapshot, TM_FORMAT_PROMETHEUS, NULL,
                    "# TYPE h histogram\nh_bucket{le=\"1\"} 18446744073709551614\nh_bucket{le=\"2\"} "
                    "18446744073709551615\nh_bucket{le=\"+Inf\"} 18446744073709551615\nh_sum 1\nh_count "
                    "18446744073709551615\n");
    assert_exported(
        snapshot, TM_FORMAT_JSON, NULL,
        "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"metrics\":{\"counters\":[],\"gauges\":[],\"histograms\":"
        "[{\"name\":\"h\",\"labels\":{},\"count\":18446744073709551615,\"sum\":1,\"buckets\":[{\"le\":1,"
        "\"count\":18446744073709551614},{\"le\":2,\"count\":18446744073709551615},{\"le\":\"+Inf\",\"count\":"
        "18446744073709551615}]}]}}\n");
    tm_snapshot_free(snapshot);
}

TEST(texts_larger_than_any_buffer_pass_whole)
{
    static char help[65536];
    memset(help, '\n', sizeof help - 1);
    tm_snapshot *snapshot = new_snapshot(0);
    size_t g = add_family(snapshot, FAMILY("g", TM_TYPE_GAUGE, .help = help));
    static char value[TM_VALUE_MAX + 1];
    memset(value, '"', TM_VALUE_MAX - 100);
    add_gauge(snapshot, g, TM_LABELS("a", value), 1);

    test_text text = exported(snapshot, TM_FORMAT_PROMETHEUS, NULL);
    assert_int_equal(text.len,
                     strlen("# HELP g \n# TYPE g gauge\ng{a=\"\"} 1\n") + 2 * 65535 + 2 * (TM_VALUE_MAX - 100));
    text_free(&text);
    text = exported(snapshot, TM_FORMAT_JSON, NULL);
    assert_int_equal(text.len,
                     strlen("{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"metrics\":{\"counters\":[],\"gauges\":"
                            "[{\"name\":\"g\",\"labels\":{\"a\":\"\"},\"value\":1,\"help\":\"\"}],"
                            "\"histograms\":[]}}\n") +
                         2 * 65535 + 2 * (TM_VALUE_MAX - 100));
    text_free(&text);
    text = exported(snapshot, TM_FORMAT_CSV, OPTIONS(.csv_no_header = 1));
    assert_int_equal(text.len, strlen("1970-01-01T00:00:00.000Z,g,gauge,1,\"\"\r\n") + 2 * (TM_VALUE_MAX - 100));
    text_free(&text);
    tm_snapshot_free(snapshot);
}

/* 256 finite bounds, and every series with other label names: the widest table. */
TEST(many_buckets_and_columns_are_all_there)
{
    double bounds[TM_BUCKETS_MAX];
    uint64_t counts[TM_BUCKETS_MAX + 1];
    for (size_t i = 0; i < TM_BUCKETS_MAX; i++)
        bounds[i] = (double)i;
    for (size_t i = 0; i <= TM_BUCKETS_MAX; i++)
        counts[i] = 1;
    tm_snapshot *snapshot = new_snapshot(0);
    size_t h = add_family(snapshot, FAMILY("h", TM_TYPE_HISTOGRAM, .buckets = bounds, .bucket_count = TM_BUCKETS_MAX));
    for (int i = 99; i >= 0; i--) {
        char name[16];
        snprintf(name, sizeof name, "n%02d", i);
        add_histogram(snapshot, h, TM_LABELS(name, "v"), 1, counts);
    }
    test_text text = exported(snapshot, TM_FORMAT_CSV, NULL);
    const char *header = "timestamp,name,type,value,label_le,label_n00,label_n01,";
    assert_memory_equal(text.data, header, strlen(header));
    size_t lines = 0, commas = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
        commas += text.data[i] == ',';
    }
    assert_int_equal(lines, 1 + 100 * (TM_BUCKETS_MAX + 3));
    assert_int_equal(commas, lines * (4 + 101 - 1));
    assert_non_null(strstr(text.data, ",h_bucket,histogram,257,+Inf,v,,"));
    text_free(&text);
    tm_snapshot_free(snapshot);
}

/* Two values that together are as long as labels may be: a="" and ,b="" take the rest. */
TEST(the_longest_labels_have_room_for_the_instance)
{
    static char value[TM_VALUE_MAX + 1];
    memset(value, 'v', TM_VALUE_MAX);
    tm_snapshot *snapshot = new_snapshot(0);
    size_t g = add_family(snapshot, FAMILY("g", TM_TYPE_GAUGE, .help = ""));
    add_gauge(snapshot, g, TM_LABELS("a", value, "instance", value + 18), 1);
    char instance[TM__INSTANCE_MAX + 2];
    memset(instance, 'i', sizeof instance);
    instance[TM__INSTANCE_MAX] = '\0';
    for (size_t f = 0; f < FORMATS; f++) {
        test_text text = {0};
        assert_ok(tm_snapshot_export(snapshot, all_formats[f], OPTIONS(.instance = instance), text_sink, &text));
        assert_non_null(strstr(text.data, "exported_instance"));
        text_free(&text);
    }
    instance[TM__INSTANCE_MAX] = 'i';
    instance[TM__INSTANCE_MAX + 1] = '\0';
    assert_status(tm_snapshot_export(snapshot, TM_FORMAT_CSV, OPTIONS(.instance = instance), text_sink, NULL),
                  TM_ELABEL);
    tm_snapshot_free(snapshot);
}

/* ---- sinks and memory ---------------------------------------------------------------------------------------- */

typedef struct counted_sink {
    int calls;
    int refused_call; /* counted from 0; -1: none */
} counted_sink;

static int count_and_refuse(void *ctx, const char *bytes, size_t len)
{
    counted_sink *sink = ctx;
    assert_non_null(bytes);
    assert_true(len > 0);
    return sink->calls++ == sink->refused_call;
}

TEST(a_sink_that_refuses_is_not_called_again)
{
    tm_snapshot *snapshot = large_snapshot();
    for (size_t f = 0; f < FORMATS; f++) {
        counted_sink all = {.refused_call = -1};
        assert_ok(tm_snapshot_export(snapshot, all_formats[f], NULL, count_and_refuse, &all));
        assert_true(all.calls >= 4);
        for (int i = 0; i < all.calls; i++) {
            counted_sink sink = {.refused_call = i};
            assert_status(tm_snapshot_export(snapshot, all_formats[f], NULL, count_and_refuse, &sink), TM_ESINK);
            assert_int_equal(sink.calls, i + 1);
        }
    }
    tm_snapshot_free(snapshot);
}

/* Exports with the N-th allocation failing, for every N until none fails. Returns how many there are. */
static int fail_every_allocation(const tm_snapshot *snapshot, tm_format format)
{
    int tried = 0;
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        counted_sink sink = {.refused_call = -1};
        int status = tm_snapshot_export(snapshot, format, NULL, count_and_refuse, &sink);
        faults_off();
        assert_status(status, faults_happened() ? TM_ENOMEM : TM_OK);
        tried += faults_happened();
    }
    return tried;
}

TEST(memory_that_runs_out_is_an_error_and_no_leak)
{
    tm_snapshot *snapshot = large_snapshot();
    assert_int_equal(fail_every_allocation(snapshot, TM_FORMAT_PROMETHEUS), 2);
    assert_int_equal(fail_every_allocation(snapshot, TM_FORMAT_OPENMETRICS), 2);
    assert_true(fail_every_allocation(snapshot, TM_FORMAT_JSON) >= 3);
    assert_true(fail_every_allocation(snapshot, TM_FORMAT_CSV) >= 4);
    tm_snapshot_free(snapshot);
}

TEST(memory_does_not_grow_with_the_snapshot)
{
    tm_snapshot *small = one_gauge(0);
    tm_snapshot *large = large_snapshot();
    assert_int_equal(fail_every_allocation(small, TM_FORMAT_PROMETHEUS), 2);
    assert_true(fail_every_allocation(large, TM_FORMAT_JSON) <= 8);
    assert_true(fail_every_allocation(large, TM_FORMAT_CSV) <= 8);
    tm_snapshot_free(small);
    tm_snapshot_free(large);
}

TEST_MAIN("export", T(formats_have_content_types), T(missing_arguments_are_refused),
          T(bad_options_are_refused_before_any_output), T(empty_options_are_the_defaults),
          T(the_longest_prefix_and_names_are_printed_whole), T(csv_has_its_separator_and_its_header_as_told),
          T(a_formula_with_a_tab_is_disarmed_between_quotes_too),
          T(csv_tells_label_names_apart_however_the_series_follow_each_other),
          T(csv_takes_nothing_in_a_value_for_a_label), T(csv_reads_labels_up_to_their_length),
          T(json_escapes_a_byte_wherever_it_stands), T(times_are_dates_of_the_calendar),
          T(a_senseless_clock_gives_the_nearest_date), T(the_time_given_goes_before_that_of_the_snapshot),
          T(families_without_series_or_help_say_no_more_than_needed), T(buckets_never_fall_even_if_their_sum_overflows),
          T(texts_larger_than_any_buffer_pass_whole), T(many_buckets_and_columns_are_all_there),
          T(the_longest_labels_have_room_for_the_instance), T(a_sink_that_refuses_is_not_called_again),
          T(memory_that_runs_out_is_an_error_and_no_leak), T(memory_does_not_grow_with_the_snapshot))
