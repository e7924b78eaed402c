/* The texts that stand in Redis: numbers, families, fields; and what the server's errors mean. */
#include <math.h>

#include "store/redis/collection.h"
#include "store/redis/number.h"
#include "store/redis/server_error.h"
#include "test.h"

/* ---- numbers ------------------------------------------------------------------------------------------------- */

TEST(counts_are_digits_below_2_to_64)
{
    uint64_t value;
    assert_true(tm__redis_read_count("18446744073709551615", 20, &value));
    assert_true(value == UINT64_MAX);
    assert_true(tm__redis_read_count("007", 3, &value));
    assert_int_equal(value, 7);
    const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1.5", "18446744073709551616", "99999999999999999999", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(tm__redis_read_count(bad[i], strlen(bad[i]), &value));
}

TEST(doubles_are_read_whole_or_not_at_all)
{
    double value;
    assert_true(tm__redis_read_double("0.1", 3, &value));
    assert_double_near(value, 0.1, 0);
    assert_true(tm__redis_read_double("-1e300", 6, &value));
    assert_double_near(value, -1e300, 0);
    assert_true(tm__redis_read_double("inf", 3, &value) && value > 0 && isinf(value));
    assert_true(tm__redis_read_double("-nan", 4, &value) && isnan(value));
    char endless[200];
    memset(endless, '1', sizeof endless);
    const char *const bad[] = {"", " 1", "1 ", "1,5", "0.1x", "--1", "e5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(tm__redis_read_double(bad[i], strlen(bad[i]), &value));
    assert_false(tm__redis_read_double(endless, sizeof endless, &value));
}

/* ---- families ------------------------------------------------------------------------------------------------ */

static const double bounds[] = {0.1, 1, 1e300};

static const tm_family described[] = {
    {sizeof(tm_family), "a.b:c_total", TM_TYPE_COUNTER, "", "", NULL, 0, TM_AGGREGATE_LAST},
    {sizeof(tm_family), "temp", TM_TYPE_GAUGE, "", "celsius", NULL, 0, TM_AGGREGATE_EACH},
    {sizeof(tm_family), "time", TM_TYPE_HISTOGRAM, "", "seconds", bounds, 3, TM_AGGREGATE_LAST},
    {sizeof(tm_family), "all", TM_TYPE_HISTOGRAM, "", "", bounds, 0, TM_AGGREGATE_LAST},
};
enum { DESCRIBED = sizeof described / sizeof described[0] };

static void describe(const tm_family *info, tm__arena *arena, tm__buffer *out)
{
    tm__redis_family *family = tm__redis_family_make(info, arena);
    assert_non_null(family);
    out->len = 0;
    tm__redis_family_describe(family, out);
    tm__buffer_append(out, "", 1);
    assert_false(out->failed);
    out->len--;
}

TEST(a_description_reads_back_as_the_same_family)
{
    static const char *const texts[] = {
        "a_b:c counter a.b:c_total - last -",
        "temp_celsius gauge temp celsius each -",
        "time_seconds histogram time seconds last 0.1,1,1e+300",
        "all histogram all - last -",
    };
    tm__arena arena = {0};
    tm__buffer text = {0};
    for (size_t i = 0; i < DESCRIBED; i++) {
        tm__redis_family *read;
        describe(&described[i], &arena, &text);
        assert_string_equal(text.data, texts[i]);
        assert_ok(tm__redis_family_parse(text.data, text.len, &arena, &read));
        assert_string_equal(read->info->name, described[i].name);
        assert_string_equal(read->info->unit, described[i].unit);
        assert_int_equal(read->info->type, described[i].type);
        assert_int_equal(read->info->aggregation, described[i].aggregation);
        assert_int_equal(read->info->bucket_count, described[i].bucket_count);
        for (size_t k = 0; k < described[i].bucket_count; k++)
            assert_double_near(read->info->buckets[k], bounds[k], 0);
    }
    tm__buffer_free(&text);
    tm__arena_free(&arena);
}

TEST(what_is_no_description_is_refused)
{
    const char *const bad[] = {
        "",
        " ",
        "a",
        "a counter a - last",
        "a counter a - last - ",
        "a  counter a - last -",
        "a counter b - last -",
        "a counter a - sum -",
        "a thing a - last -",
        "a gauge a - first -",
        "a gauge a% - last -",
        "a histogram a - last 2,1",
        "a histogram a - last 1,",
        "a histogram a - last +Inf",
        "a histogram a - last nan",
        "a histogram a - last x",
        "a histogram a - last ",
        "a gauge a -- last -",
        "a_total counter a - last -",
    };
    tm__arena arena = {0};
    tm__redis_family *family;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (tm__redis_family_parse(bad[i], strlen(bad[i]), &arena, &family) != TM_ECORRUPT)
            fail_msg("taken: %s", bad[i]);
    tm__arena_free(&arena);
}

TEST(a_help_reads_back_as_it_was)
{
    const char *const helps[] = {"", "plain", "a\\b\nc\td", "\\n", "\\", "\\\\t", "\xc3\xa9 \"{}\""};
    tm__arena arena = {0};
    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
        tm__buffer text = {0};
        tm__redis_help_escape(helps[i], &text);
        assert_null(text.data ? memchr(text.data, '\n', text.len) : NULL);
        assert_null(text.data ? memchr(text.data, '\t', text.len) : NULL);
        assert_string_equal(tm__redis_help_unescape(text.data ? text.data : "", text.len, &arena), helps[i]);
        tm__buffer_free(&text);
    }
    tm__arena_free(&arena);
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

static void learn_families(tm__redis_families *families)
{
    tm__buffer text = {0};
    *families = (tm__redis_families){0};
    assert_ok(tm__redis_families_init(families));
    for (size_t i = 0; i < DESCRIBED; i++) {
        describe(&described[i], &families->arena, &text);
        assert_ok(tm__redis_families_add(families, text.data, strcspn(text.data, " "), text.data, text.len));
    }
    tm__buffer_free(&text);
}

TEST(a_field_reads_back_as_the_same_sample)
{
    const char *const labels[] = {"", "a=\"b\"", "a=\"{,le=\\\"0.1\\\"}\",gt=\"0.1\"", "a=\"\",b=\"}\""};
    tm__redis_families families;
    learn_families(&families);
    for (size_t i = 0; i < DESCRIBED; i++) {
        tm__redis_family *family = tm__redis_family_make(&described[i], &families.arena);
        size_t parts = described[i].type == TM_TYPE_HISTOGRAM ? described[i].bucket_count + 2 : 1;
        for (size_t k = 0; k < sizeof labels / sizeof labels[0]; k++)
            for (size_t part = 0; part < parts; part++) {
                tm__buffer field = {0};
                tm__redis_sample sample;
                bool gauge = described[i].type == TM_TYPE_GAUGE;
                tm__redis_field_write(family, labels[k], strlen(labels[k]), part, &field);
                assert_true(tm__redis_field_parse(&families, field.data, field.len, gauge, &sample));
                assert_string_equal(sample.family->info->name, described[i].name);
                assert_int_equal(sample.labels.len, strlen(labels[k]));
                assert_memory_equal(sample.labels.text, labels[k], sample.labels.len);
                assert_int_equal(sample.part, part);
                assert_false(tm__redis_field_parse(&families, field.data, field.len, !gauge, &sample));
                tm__buffer_free(&field);
            }
    }
    tm__redis_families_free(&families);
}

TEST(what_is_no_field_is_left_out)
{
    const char *const bad[] = {
        "",
        "{",
        "}",
        "{}",
        "_total",
        "_sum",
        "_bucket",
        "unknown_total",
        "a_b:c",
        "a_b:c_total{",
        "a_b:c_total{a=\"b\"",
        "time_seconds_bucket",
        "time_seconds_bucket{}",
        "time_seconds_bucket{gt=\"0\",le=\"1\"}",
        "time_seconds_total",
        "time_seconds_bucket{le=\"0.1\"}",
        "time_seconds_bucket{xgt=\"-Inf\",le=\"0.1\"}",
        "temp_celsius_total",
        "#seq x",
        "time_seconds_count",
        "a_b:c_sum",
    };
    tm__redis_families families;
    learn_families(&families);
    tm__redis_sample sample;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (tm__redis_field_parse(&families, bad[i], strlen(bad[i]), false, &sample))
            fail_msg("taken: %s", bad[i]);
    tm__redis_families_free(&families);
}

static tm__redis_text text_of(const char *text)
{
    return (tm__redis_text){text, strlen(text)};
}

TEST(series_are_put_together_from_fields_in_any_order)
{
    tm__redis_families families;
    tm__redis_collection collection = {0};
    learn_families(&families);
    assert_ok(tm__redis_collection_init(&collection));
    const char *const fields[][2] = {
        {"time_seconds_sum{z=\"1\"}", "2.5"},
        {"a_b:c_total", "7"},
        {"time_seconds_bucket{z=\"1\",gt=\"1\",le=\"1e+300\"}", "3"},
        {"a_b:c_total", "8"},
        {"a_b:c_total{bad}", "1"},
        {"a_b:c_total{b=\"1\",a=\"2\"}", "1"},
        {"a_b:c_total{x=\"1\"}", "1.5"},
        {"nothing", "1"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        assert_ok(tm__redis_collect_count(&collection, &families, NULL, text_of(fields[i][0]), text_of(fields[i][1])));
    tm__redis_collection_sort(&collection);
    assert_int_equal(collection.count, 2);
    assert_int_equal(collection.series[0]->values[0].u, 8);
    assert_int_equal(collection.series[1]->values[2].u, 3);
    assert_double_near(collection.series[1]->values[4].d, 2.5, 0);
    assert_false(collection.series[1]->has[0]);
    tm__redis_collection_free(&collection);
    tm__redis_families_free(&families);
}

TEST(a_collection_does_not_grow_without_end)
{
    tm__redis_families families;
    tm__redis_collection collection = {0};
    learn_families(&families);
    assert_ok(tm__redis_collection_init(&collection));
    int status = TM_OK;
    for (unsigned i = 0; status == TM_OK; i++) {
        char field[4000];
        int len = snprintf(field, sizeof field, "a_b:c_total{x=\"%03900u\"}", i);
        status =
            tm__redis_collect_count(&collection, &families, NULL, (tm__redis_text){field, (size_t)len}, text_of("1"));
        assert_true(i < 100000);
    }
    assert_status(status, TM_ETOOBIG);
    tm__redis_collection_free(&collection);
    tm__redis_families_free(&families);
}

/* ---- errors of the server ------------------------------------------------------------------------------------ */

TEST(errors_of_the_server_have_named_statuses)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"NOAUTH Authentication required.", TM_EDENIED},
        {"WRONGPASS invalid username-password pair or user is disabled.", TM_EDENIED},
        {"NOPERM this user has no permissions to run the 'eval' command", TM_EDENIED},
        {"DENIED Redis is running in protected mode", TM_EDENIED},
        {"READONLY You can't write against a read only replica.", TM_EREADONLY},
        {"OOM command not allowed when used memory > 'maxmemory'.", TM_ENOSPC},
        {"LOADING Redis is loading the dataset in memory", TM_EUNAVAILABLE},
        {"BUSY Redis is busy running a script.", TM_EUNAVAILABLE},
        {"MASTERDOWN Link with MASTER is down", TM_EUNAVAILABLE},
        {"MOVED 3999 127.0.0.1:6381", TM_EUNSUPPORTED},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", TM_ECORRUPT},
        {"ERR max number of clients reached", TM_EUNAVAILABLE},
        {"ERR unknown command 'EVALSHA'", TM_EUNSUPPORTED},
        {"ERR something new", TM_EIO},
        {"", TM_EIO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_status(tm__redis_status_of(cases[i].text, strlen(cases[i].text)), cases[i].status);
}

TEST(the_text_of_an_error_shows_no_secret_and_no_controls)
{
    tm__redis_target target = {
        .user = (char[]){"anna"}, .password = (char[]){"se%cret"}, .shown = (char[]){"redis://***@h"}};
    tm_error error;
    const char said[] = "ERR anna said\nse%cretse%cret \x1b[31m, with args beginning with: `x`, `y`";
    assert_status(tm__redis_fail_with(&target, said, strlen(said), &error), TM_EIO);
    assert_string_equal(error.text, "redis://***@h: ERR **** said?************** ?[31m");
}

TEST_MAIN("redis_texts", T(counts_are_digits_below_2_to_64), T(doubles_are_read_whole_or_not_at_all),
          T(a_description_reads_back_as_the_same_family), T(what_is_no_description_is_refused),
          T(a_help_reads_back_as_it_was), T(a_field_reads_back_as_the_same_sample), T(what_is_no_field_is_left_out),
          T(series_are_put_together_from_fields_in_any_order), T(a_collection_does_not_grow_without_end),
          T(errors_of_the_server_have_named_statuses), T(the_text_of_an_error_shows_no_secret_and_no_controls))
