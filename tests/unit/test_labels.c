/* Label sets as canonical text, and the rules for names, texts and descriptions of families. */
#include "base/labels.h"

#include <math.h>
#include <stdbool.h>

#include "base/family.h"
#include "base/names.h"
#include "test.h"

/* ---- helpers ------------------------------------------------------------------------------------------------- */

static tm__labels_text text;

static void assert_text(const char *expected)
{
    if (text.len != strlen(expected) || memcmp(text.text, expected, text.len) != 0)
        fail_msg("%.*s is not %s", (int)text.len, text.text, expected);
    assert_true(tm__labels_ok(text.text, text.len));
}

static void assert_written(tm_labels labels, const char *expected)
{
    assert_ok(tm__labels_write(labels, &text));
    assert_text(expected);
}

static void assert_refused(const char *name, const char *value)
{
    if (tm__labels_write(TM_LABELS(name, value), &text) != TM_ELABEL)
        fail_msg("taken: %s=%s", name ? name : "NULL", value ? value : "NULL");
}

static bool canonical(const char *candidate)
{
    return tm__labels_ok(candidate, strlen(candidate));
}

/* `count` letters, in one of a few buffers used in turn. */
static const char *letters(size_t count)
{
    static char buffers[4][TM__LABELS_TEXT_MAX + 2];
    static size_t turn;
    char *buffer = buffers[turn++ % 4];
    memset(buffer, 'x', count);
    buffer[count] = '\0';
    return buffer;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

TEST(labels_are_sorted_by_name_whatever_their_order)
{
    assert_written(TM_NO_LABELS, "");
    assert_written(TM_LABELS("a", "1"), "a=\"1\"");
    assert_written(TM_LABELS("b", "2", "a", "1", "c", "3"), "a=\"1\",b=\"2\",c=\"3\"");
    assert_written(TM_LABELS("ab", "2", "a", "1", "aB", "3", "a_b", "4", "B", "5", "_", "6"),
                   "B=\"5\",_=\"6\",a=\"1\",aB=\"3\",a_b=\"4\",ab=\"2\"");
}

TEST(values_are_escaped_as_prometheus_prints_them)
{
    assert_written(TM_LABELS("a", "q\"b\\n\n"), "a=\"q\\\"b\\\\n\\n\"");
    assert_written(TM_LABELS("a", "", "b", "=,{}\"=\"", "c", "\t\r\x01\x7f"),
                   "a=\"\",b=\"=,{}\\\"=\\\"\",c=\"\t\r\x01\x7f\"");
    assert_written(TM_LABELS("a", "\\", "b", "\\\""), "a=\"\\\\\",b=\"\\\\\\\"\"");
}

TEST(names_are_letters_digits_and_underscores_and_not_reserved)
{
    const char *const good[] = {"a", "Z", "_", "_a", "a1", "l", "lee", "qua", "quantiles", "LE", "instance"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_ok(tm__labels_write(TM_LABELS(good[i], "v"), &text));
    const char *const bad[] = {"",         "1a", "a.b",      "a:b", "a-b",      "a b",       "a\n",
                               "\xc3\xa4", "__", "__name__", "le",  "quantile", "a=\"1\",b", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(bad[i], "v");
}

TEST(a_name_may_not_come_twice)
{
    assert_status(tm__labels_write(TM_LABELS("a", "1", "a", "1"), &text), TM_ELABEL);
    assert_status(tm__labels_write(TM_LABELS("a", "1", "b", "2", "a", "3"), &text), TM_ELABEL);
}

TEST(sizes_are_limited)
{
    assert_ok(tm__labels_write(TM_LABELS(letters(TM_NAME_MAX), "v"), &text));
    assert_refused(letters(TM_NAME_MAX + 1), "v");
    assert_ok(tm__labels_write(TM_LABELS("a", letters(TM_VALUE_MAX)), &text));
    assert_refused("a", letters(TM_VALUE_MAX + 1));

    const size_t framing = strlen("a=\"\",b=\"\"");
    const char *rest = letters(TM__LABELS_TEXT_MAX - framing - TM_VALUE_MAX);
    assert_ok(tm__labels_write(TM_LABELS("a", letters(TM_VALUE_MAX), "b", rest), &text));
    assert_int_equal(text.len, TM__LABELS_TEXT_MAX);
    assert_true(tm__labels_ok(text.text, text.len));
    assert_status(tm__labels_write(TM_LABELS("ab", letters(TM_VALUE_MAX), "b", rest), &text), TM_ELABEL);
}

TEST(escapes_count_towards_the_size_of_the_text)
{
    char quotes[TM_VALUE_MAX + 1];
    memset(quotes, '"', TM_VALUE_MAX);
    quotes[TM_VALUE_MAX] = '\0';
    assert_refused("a", quotes);
    quotes[TM_VALUE_MAX - 2] = '\0';
    assert_ok(tm__labels_write(TM_LABELS("a", quotes), &text));
    assert_int_equal(text.len, TM__LABELS_TEXT_MAX);
    assert_true(tm__labels_ok(text.text, text.len));
}

TEST(a_series_has_at_most_32_labels)
{
    char names[TM_LABELS_MAX + 1][8];
    const char *pairs[2 * (TM_LABELS_MAX + 1)];
    for (size_t i = 0; i <= TM_LABELS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", TM_LABELS_MAX - i);
        pairs[2 * i] = names[i];
        pairs[2 * i + 1] = "v";
    }
    assert_ok(tm__labels_write((tm_labels){pairs, TM_LABELS_MAX}, &text));
    assert_true(tm__labels_ok(text.text, text.len));
    assert_status(tm__labels_write((tm_labels){pairs, TM_LABELS_MAX + 1}, &text), TM_ELABEL);
    assert_status(tm__labels_write((tm_labels){pairs, SIZE_MAX}, &text), TM_ELABEL);
}

TEST(missing_pointers_are_refused)
{
    assert_status(tm__labels_write((tm_labels){NULL, 1}, &text), TM_ELABEL);
    assert_refused("a", NULL);
    assert_written((tm_labels){NULL, 0}, "");
}

/* ---- UTF-8 --------------------------------------------------------------------------------------------------- */

TEST(valid_utf8_is_taken)
{
    const char *const good[] = {
        "\x01",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xe1\x80\x80",
        "\xec\xbf\xbf",
        "\xed\x80\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf1\x80\x80\x80",
        "\xf3\xbf\xbf\xbf",
        "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(tm__utf8_ok(good[i], strlen(good[i])));
        assert_ok(tm__labels_write(TM_LABELS("a", good[i]), &text));
    }
    assert_true(tm__utf8_ok("", 0));
}

TEST(invalid_utf8_is_refused)
{
    const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xe1\x80\x7f",
        "\xe1\x7f\x80",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",
        "\xf0\x90\x80\xc0",
        "\xf0\x90\x7f\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "ok\xff",
        "\xc3\xa4\x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (tm__utf8_ok(bad[i], strlen(bad[i])))
            fail_msg("bad sequence %zu was taken", i);
        assert_refused("a", bad[i]);
        char quoted[32];
        snprintf(quoted, sizeof quoted, "a=\"%s\"", bad[i]);
        assert_false(canonical(quoted));
    }
    assert_false(tm__utf8_ok("a\0b", 3));
    /* The byte behind the text does not complete a sequence. */
    assert_false(tm__utf8_ok("\xc3\xa4", 1));
}

/* ---- canonical texts ----------------------------------------------------------------------------------------- */

TEST(only_canonical_texts_pass)
{
    const char *const good[] = {"", "a=\"\"", "a=\"1\",b=\"2\"", "a=\"\\\\\\\"\\n\"", "a=\",b=\\\"\"", "a=\"}\""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!canonical(good[i]))
            fail_msg("refused: %s", good[i]);
    const char *const bad[] = {
        "a",
        "a=",
        "a=\"",
        "a=\"1",
        "a=1",
        "=\"1\"",
        "a=\"1\",",
        ",a=\"1\"",
        "a=\"1\",,b=\"2\"",
        "a=\"1\"b=\"2\"",
        "b=\"1\",a=\"2\"",
        "a=\"1\",a=\"2\"",
        "a=\"\\\"",
        "a=\"\\t\"",
        "a=\"\\",
        "a=\"\n\"",
        "a=\"\"\"",
        "le=\"1\"",
        "__a=\"1\"",
        "a.b=\"1\"",
        "a =\"1\"",
        " a=\"1\"",
        "a=\"1\" ",
        "a=\"1\"\n",
        "{a=\"1\"}",
        "a=\"1\", b=\"2\"",
        ",",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (canonical(bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_false(tm__labels_ok("a=\"\0\"", 5));
    assert_false(tm__labels_ok("a=\"\\\0\"", 6));
    assert_true(tm__labels_ok(NULL, 0));
}

TEST(a_canonical_text_obeys_the_limits_of_writing)
{
    char candidate[TM__LABELS_TEXT_MAX + TM__INSTANCE_ROOM + 64];
    snprintf(candidate, sizeof candidate, "a=\"%s\"", letters(TM_VALUE_MAX));
    assert_true(canonical(candidate));
    snprintf(candidate, sizeof candidate, "a=\"\\n%s\"", letters(TM_VALUE_MAX - 1));
    assert_true(canonical(candidate));
    snprintf(candidate, sizeof candidate, "a=\"%s\"", letters(TM_VALUE_MAX + 1));
    assert_false(canonical(candidate));
    snprintf(candidate, sizeof candidate, "a=\"%s\",b=\"%s\",c=\"%s\"", letters(TM_VALUE_MAX), letters(TM_VALUE_MAX),
             letters(TM__INSTANCE_ROOM));
    assert_false(canonical(candidate));
    snprintf(candidate, sizeof candidate, "%s=\"\"", letters(TM_NAME_MAX + 1));
    assert_false(canonical(candidate));
    char *at = candidate;
    for (int i = 0; i <= TM_LABELS_MAX + 1; i++)
        at += sprintf(at, "%sn%02d=\"\"", i > 0 ? "," : "", i);
    assert_false(canonical(candidate));
    assert_true(tm__labels_ok(candidate, (size_t)(at - candidate) - strlen(",n33=\"\"")));
}

static size_t escaped_len;

static void assert_next(const char **cursor, const char *end, const char *name, const char *value)
{
    tm__label label;
    char unescaped[64];
    assert_true(tm__labels_next(cursor, end, &label));
    assert_int_equal(label.name_len, strlen(name));
    assert_memory_equal(label.name, name, label.name_len);
    escaped_len = label.value_len;
    assert_true(label.value_len <= sizeof unescaped);
    assert_int_equal(tm__label_unescape(&label, unescaped), strlen(value));
    assert_memory_equal(unescaped, value, strlen(value));
}

TEST(stepping_gives_back_what_was_written)
{
    assert_ok(tm__labels_write(TM_LABELS("c", "\\\\\"", "a", "", "b", "x\"y\\z\n,=\"", "d", "end"), &text));
    const char *cursor = text.text;
    const char *end = text.text + text.len;
    assert_next(&cursor, end, "a", "");
    assert_next(&cursor, end, "b", "x\"y\\z\n,=\"");
    assert_int_equal(escaped_len, strlen("x\"y\\z\n,=\"") + 4);
    assert_next(&cursor, end, "c", "\\\\\"");
    assert_next(&cursor, end, "d", "end");
    assert_ptr_equal(cursor, end);
    tm__label label;
    assert_false(tm__labels_next(&cursor, end, &label));
}

/* ---- inserting ----------------------------------------------------------------------------------------------- */

static int insert(const char *labels, const char *name, const char *value)
{
    return tm__labels_insert(labels, strlen(labels), name, value, &text);
}

TEST(a_label_is_inserted_in_its_place)
{
    assert_ok(insert("", "m", "v"));
    assert_text("m=\"v\"");
    assert_ok(insert("a=\"1\",z=\"2\"", "m", "q\"\\\n"));
    assert_text("a=\"1\",m=\"q\\\"\\\\\\n\",z=\"2\"");
    assert_ok(insert("a=\"\\\"\\\\\\n\"", "m", ""));
    assert_text("a=\"\\\"\\\\\\n\",m=\"\"");
}

TEST(a_label_of_that_name_is_kept_as_exported)
{
    assert_ok(insert("instance=\"mine\",z=\"\\n\"", "instance", "theirs"));
    assert_text("exported_instance=\"mine\",instance=\"theirs\",z=\"\\n\"");
    assert_ok(insert("a=\"1\",exported_instance=\"old\",instance=\"mine\"", "instance", "theirs"));
    assert_text("a=\"1\",exported_exported_instance=\"mine\",exported_instance=\"old\",instance=\"theirs\"");
    assert_ok(insert("exported_instance=\"old\"", "instance", "theirs"));
    assert_text("exported_instance=\"old\",instance=\"theirs\"");
}

TEST(what_cannot_be_inserted_is_refused)
{
    assert_status(insert("", "le", "1"), TM_ELABEL);
    assert_status(insert("", "a b", "1"), TM_ELABEL);
    assert_status(insert("", "a", "\xff"), TM_ELABEL);
    assert_status(insert("", "a", letters(TM_VALUE_MAX + 1)), TM_ELABEL);

    char full[TM__LABELS_TEXT_MAX + 1];
    snprintf(full, sizeof full, "a=\"%s\",b=\"%s\"", letters(TM_VALUE_MAX),
             letters(TM__LABELS_TEXT_MAX - TM_VALUE_MAX - strlen("a=\"\",b=\"\"")));
    assert_int_equal(strlen(full), TM__LABELS_TEXT_MAX);
    assert_ok(insert(full, "m", letters(TM__INSTANCE_ROOM - strlen(",m=\"\""))));
    assert_status(insert(full, "m", letters(TM__INSTANCE_ROOM - strlen(",m=\"\"") + 1)), TM_ELABEL);

    char longest[TM_NAME_MAX + 8];
    snprintf(longest, sizeof longest, "%s=\"\"", letters(TM_NAME_MAX));
    assert_status(insert(longest, letters(TM_NAME_MAX), ""), TM_ELABEL);
}

TEST(a_full_label_set_takes_one_more)
{
    char labels[1024];
    char *at = labels;
    for (int i = 0; i < TM_LABELS_MAX; i++)
        at += sprintf(at, "%sn%02d=\"\"", i > 0 ? "," : "", i);
    assert_ok(insert(labels, "instance", "i"));
    assert_memory_equal(text.text, "instance=\"i\",n00=\"\"", 19);
    sprintf(at, ",n32=\"\"");
    assert_status(insert(labels, "instance", "i"), TM_ELABEL);
}

/* ---- names of metrics ---------------------------------------------------------------------------------------- */

TEST(metric_names_may_have_dots_and_colons)
{
    const char *const good[] = {"a", "_", ":", "a.b", "A:b_9", "tasker.task.duration", "a.", "__x", "le"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!tm__name_ok(good[i]))
            fail_msg("refused: %s", good[i]);
    const char *const bad[] = {NULL, "", ".a", "1a", "a b", "a-b", "a\n", "a{", "\xc3\xa4", "a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (tm__name_ok(bad[i]))
            fail_msg("taken: %s", bad[i]);
    assert_true(tm__name_ok(letters(TM_NAME_MAX)));
    assert_false(tm__name_ok(letters(TM_NAME_MAX + 1)));
}

static void assert_printed(const char *name, tm_type type, const char *unit, const char *expected)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = name;
    family.type = type;
    family.unit = unit;
    char printed[TM__PRINTED_MAX];
    assert_int_equal(tm__printed_name(&family, printed), strlen(expected));
    assert_string_equal(printed, expected);
}

TEST(printed_names_have_underscores_and_end_in_the_unit)
{
    assert_printed("a.b.c", TM_TYPE_GAUGE, NULL, "a_b_c");
    assert_printed("a", TM_TYPE_COUNTER, "", "a");
    assert_printed("a_total", TM_TYPE_COUNTER, NULL, "a");
    assert_printed("a.total", TM_TYPE_COUNTER, NULL, "a");
    assert_printed("a_total", TM_TYPE_GAUGE, NULL, "a_total");
    assert_printed("_total", TM_TYPE_COUNTER, NULL, "_total");
    assert_printed("a", TM_TYPE_HISTOGRAM, "seconds", "a_seconds");
    assert_printed("a_seconds", TM_TYPE_HISTOGRAM, "seconds", "a_seconds");
    assert_printed("a.seconds", TM_TYPE_HISTOGRAM, "seconds", "a_seconds");
    assert_printed("aseconds", TM_TYPE_HISTOGRAM, "seconds", "aseconds_seconds");
    assert_printed("seconds", TM_TYPE_GAUGE, "seconds", "seconds_seconds");
    assert_printed("a_bytes_total", TM_TYPE_COUNTER, "bytes", "a_bytes");
    assert_printed("a_total", TM_TYPE_COUNTER, "bytes", "a_bytes");

    char expected[TM__PRINTED_MAX];
    snprintf(expected, sizeof expected, "%s_%s", letters(TM_NAME_MAX), letters(TM_NAME_MAX));
    expected[TM_NAME_MAX - 1] = 'y';
    char name[TM_NAME_MAX + 1];
    memcpy(name, expected, TM_NAME_MAX);
    name[TM_NAME_MAX] = '\0';
    assert_printed(name, TM_TYPE_GAUGE, letters(TM_NAME_MAX), expected);
}

/* ---- families ------------------------------------------------------------------------------------------------ */

static tm_family histogram(const double *buckets, size_t count)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = "h";
    family.type = TM_TYPE_HISTOGRAM;
    family.buckets = buckets;
    family.bucket_count = count;
    return family;
}

static int check_buckets(const double *buckets, size_t count)
{
    tm_family family = histogram(buckets, count);
    return tm__family_check(&family);
}

#define CHECK_BUCKETS(...) \
    check_buckets((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

TEST(bounds_are_finite_and_ascend)
{
    assert_ok(CHECK_BUCKETS(1));
    assert_ok(CHECK_BUCKETS(-1, 0, 1e-300, 1e300));
    assert_ok(CHECK_BUCKETS(1, INFINITY));
    assert_ok(CHECK_BUCKETS(INFINITY));
    assert_ok(check_buckets(NULL, 0));
    assert_status(CHECK_BUCKETS(1, 1), TM_EINVAL);
    assert_status(CHECK_BUCKETS(2, 1), TM_EINVAL);
    assert_status(CHECK_BUCKETS(-0.0, 0.0), TM_EINVAL);
    assert_status(CHECK_BUCKETS(NAN), TM_EINVAL);
    assert_status(CHECK_BUCKETS(1, NAN, 2), TM_EINVAL);
    assert_status(CHECK_BUCKETS(-INFINITY, 1), TM_EINVAL);
    assert_status(CHECK_BUCKETS(1, INFINITY, INFINITY), TM_EINVAL);
    assert_status(CHECK_BUCKETS(INFINITY, 1), TM_EINVAL);
    assert_status(check_buckets(NULL, 1), TM_EINVAL);
}

TEST(there_are_at_most_256_finite_bounds)
{
    double bounds[TM_BUCKETS_MAX + 1];
    for (size_t i = 0; i <= TM_BUCKETS_MAX; i++)
        bounds[i] = (double)i;
    assert_ok(check_buckets(bounds, TM_BUCKETS_MAX));
    assert_status(check_buckets(bounds, TM_BUCKETS_MAX + 1), TM_EINVAL);
    bounds[TM_BUCKETS_MAX] = INFINITY;
    assert_ok(check_buckets(bounds, TM_BUCKETS_MAX + 1));
}

static int check(const char *name, int type, const char *help, const char *unit, int aggregation)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = name;
    family.type = (tm_type)type;
    family.help = help;
    family.unit = unit;
    family.aggregation = (tm_aggregation)aggregation;
    return tm__family_check(&family);
}

TEST(a_description_is_checked)
{
    assert_ok(check("a", TM_TYPE_COUNTER, NULL, NULL, TM_AGGREGATE_LAST));
    assert_ok(check("a", TM_TYPE_GAUGE, "help \n \\ \"\xc3\xa4\"", "bytes", TM_AGGREGATE_EACH));
    assert_status(tm__family_check(NULL), TM_EINVAL);
    assert_status(check(NULL, TM_TYPE_COUNTER, NULL, NULL, TM_AGGREGATE_LAST), TM_ENAME);
    assert_status(check("a b", TM_TYPE_COUNTER, NULL, NULL, TM_AGGREGATE_LAST), TM_ENAME);
    assert_status(check("a", 0, NULL, NULL, TM_AGGREGATE_LAST), TM_EINVAL);
    assert_status(check("a", 4, NULL, NULL, TM_AGGREGATE_LAST), TM_EINVAL);
    assert_status(check("a", TM_TYPE_COUNTER, "\xff", NULL, TM_AGGREGATE_LAST), TM_EINVAL);
    assert_status(check("a", TM_TYPE_COUNTER, NULL, "m/s", TM_AGGREGATE_LAST), TM_EINVAL);
    assert_status(check("a", TM_TYPE_COUNTER, NULL, letters(TM_NAME_MAX + 1), TM_AGGREGATE_LAST), TM_EINVAL);
    assert_status(check("a", TM_TYPE_COUNTER, NULL, NULL, TM_AGGREGATE_SUM), TM_EINVAL);
    assert_status(check("a", TM_TYPE_GAUGE, NULL, NULL, TM_AGGREGATE_EACH + 1), TM_EINVAL);
    tm_family gauge = histogram((const double[]){1}, 1);
    gauge.type = TM_TYPE_GAUGE;
    assert_status(tm__family_check(&gauge), TM_EINVAL);

    char *help = malloc(65536 + 1);
    assert_non_null(help);
    memset(help, 'h', 65536);
    help[65535] = '\0';
    assert_ok(check("a", TM_TYPE_COUNTER, help, NULL, TM_AGGREGATE_LAST));
    help[65535] = 'h';
    help[65536] = '\0';
    assert_status(check("a", TM_TYPE_COUNTER, help, NULL, TM_AGGREGATE_LAST), TM_EINVAL);
    free(help);
}

TEST(a_copy_is_complete_and_stands_alone)
{
    tm__arena arena = {0};
    char name[] = "h";
    double bounds[] = {1, 2, INFINITY};
    tm_family family = histogram(bounds, 3);
    family.name = name;
    tm_family copy;
    assert_ok(tm__family_copy(&family, &arena, &copy));
    name[0] = '?';
    bounds[0] = 7;
    assert_string_equal(copy.name, "h");
    assert_string_equal(copy.help, "");
    assert_string_equal(copy.unit, "");
    assert_int_equal(copy.bucket_count, 2);
    assert_true(copy.buckets[0] == 1 && copy.buckets[1] == 2);
    assert_int_equal(tm__family_value_count(&copy), 4);
    assert_false(tm__family_part_is_double(&copy, 2));
    assert_true(tm__family_part_is_double(&copy, 3));

    family = histogram(NULL, 0);
    assert_ok(tm__family_copy(&family, &arena, &copy));
    assert_int_equal(copy.bucket_count, TM__DEFAULT_BUCKET_COUNT);
    assert_true(copy.buckets[0] == 0.005 && copy.buckets[10] == 10);
    family = histogram((const double[]){INFINITY}, 1);
    assert_ok(tm__family_copy(&family, &arena, &copy));
    assert_int_equal(copy.bucket_count, 0);
    tm__arena_free(&arena);
}

TEST(descriptions_agree_in_all_but_the_help)
{
    tm__arena arena = {0};
    tm_family description = histogram((const double[]){1, 2}, 2);
    description.help = "one";
    tm_family a, b;
    assert_ok(tm__family_copy(&description, &arena, &a));
    description.help = "two";
    assert_ok(tm__family_copy(&description, &arena, &b));
    assert_true(tm__family_same(&a, &b));
    b.unit = "seconds";
    assert_false(tm__family_same(&a, &b));
    b = a;
    b.bucket_count = 1;
    assert_false(tm__family_same(&a, &b));
    b = a;
    b.buckets = (const double[]){1, 3};
    assert_false(tm__family_same(&a, &b));
    b = a;
    b.name = "other";
    assert_false(tm__family_same(&a, &b));
    b = a;
    b.type = TM_TYPE_GAUGE;
    assert_false(tm__family_same(&a, &b));
    b = a;
    b.aggregation = TM_AGGREGATE_SUM;
    assert_false(tm__family_same(&a, &b));
    tm__arena_free(&arena);
}

TEST_MAIN("labels", T(labels_are_sorted_by_name_whatever_their_order), T(values_are_escaped_as_prometheus_prints_them),
          T(names_are_letters_digits_and_underscores_and_not_reserved), T(a_name_may_not_come_twice),
          T(sizes_are_limited), T(escapes_count_towards_the_size_of_the_text), T(a_series_has_at_most_32_labels),
          T(missing_pointers_are_refused), T(valid_utf8_is_taken), T(invalid_utf8_is_refused),
          T(only_canonical_texts_pass), T(a_canonical_text_obeys_the_limits_of_writing),
          T(stepping_gives_back_what_was_written), T(a_label_is_inserted_in_its_place),
          T(a_label_of_that_name_is_kept_as_exported), T(what_cannot_be_inserted_is_refused),
          T(a_full_label_set_takes_one_more), T(metric_names_may_have_dots_and_colons),
          T(printed_names_have_underscores_and_end_in_the_unit), T(bounds_are_finite_and_ascend),
          T(there_are_at_most_256_finite_bounds), T(a_description_is_checked), T(a_copy_is_complete_and_stands_alone),
          T(descriptions_agree_in_all_but_the_help))
