#include "store/url.h"

#include "support/test.h"

static void assert_url(const char *text, tm__url expected)
{
    tm__url url;
    tm_error error = {0};
    if (tm__url_parse(text, &url, &error) != TM_OK)
        fail_msg("%s: %s", text, error.text);
    assert_string_equal(url.scheme, expected.scheme);
    assert_string_equal(url.user, expected.user);
    assert_string_equal(url.password, expected.password);
    assert_string_equal(url.hosts, expected.hosts);
    assert_string_equal(url.path, expected.path);
    assert_string_equal(url.ns, expected.ns);
    tm__url_free(&url);
}

#define URL(scheme, user, password, hosts, path, ns) \
    ((tm__url){(char[]){scheme}, (char[]){user}, (char[]){password}, (char[]){hosts}, (char[]){path}, (char[]){ns}})

static void assert_bad(const char *text)
{
    tm__url url;
    tm_error error = {0};
    if (tm__url_parse(text, &url, &error) != TM_EURL)
        fail_msg("taken: %s", text);
    assert_int_equal(error.status, TM_EURL);
    assert_true(error.text[0] != '\0');
    assert_null(url.scheme);
    assert_null(url.password);
    if (strstr(error.text, "secret"))
        fail_msg("the error shows the secret: %s", error.text);
}

TEST(every_documented_form_is_taken_apart)
{
    assert_url("memory:", URL("memory", "", "", "", "", ""));
    assert_url("memory:?ns=a.b:c-d_9", URL("memory", "", "", "", "", "a.b:c-d_9"));
    assert_url("file:/path/to/file", URL("file", "", "", "", "/path/to/file", ""));
    assert_url("file:relative/path", URL("file", "", "", "", "relative/path", ""));
    assert_url("file:///path/to/file?ns=x", URL("file", "", "", "", "/path/to/file", "x"));
    assert_url("redis://host:6379/2?ns=NAME", URL("redis", "", "", "host:6379", "/2", "NAME"));
    assert_url("redis://user:pass@host:6379/0", URL("redis", "user", "pass", "host:6379", "/0", ""));
    assert_url("redis://:pass@host", URL("redis", "", "pass", "host", "", ""));
    assert_url("redis://user@host", URL("redis", "user", "", "host", "", ""));
    assert_url("redis://[::1]:7000/", URL("redis", "", "", "[::1]:7000", "/", ""));
    assert_url("redis+unix:///run/redis.sock?ns=n", URL("redis+unix", "", "", "", "/run/redis.sock", "n"));
    assert_url("redis+unix://u:p@/run/a@b", URL("redis+unix", "u", "p", "", "/run/a@b", ""));
    assert_url("memcached://a:1,b:2/?ns=x", URL("memcached", "", "", "a:1,b:2", "/", "x"));
}

TEST(a_scheme_is_told_in_small_letters)
{
    assert_url("REDIS://h", URL("redis", "", "", "h", "", ""));
}

TEST(escapes_are_decoded_in_user_password_path_and_namespace)
{
    assert_url("redis://a%40b:%2f%3F%3a%25@h/0", URL("redis", "a@b", "/?:%", "h", "/0", ""));
    assert_url("file:/a%20b%3Fc%23", URL("file", "", "", "", "/a b?c#", ""));
    assert_url("memory:?ns=a%2Db", URL("memory", "", "", "", "", "a-b"));
}

TEST(the_last_at_sign_ends_the_password_and_the_first_colon_begins_it)
{
    assert_url("redis://u:a:b@c@h", URL("redis", "u", "a:b@c", "h", "", ""));
}

TEST(bad_syntax_is_refused_without_showing_the_password)
{
    const char *const bad[] = {
        NULL,
        "",
        ":",
        "://",
        "redis",
        "//host",
        "1redis://h",
        "re dis://h",
        "redis_x://h",
        "redis://u:secret%@h",
        "redis://u:secret%2@h",
        "redis://u:secret%zz@h",
        "redis://u:secret%00@h",
        "file:/a%00b",
        "redis://u:secret@h/0?key=1",
        "redis://u:secret@h/0?ns=a&ns=b",
        "redis://h?ns",
        "redis://u:secret/more@h/0",
        "redis://u:se?secret@h/0",
        "redis://u:secret@h/0?ns=",
        "redis://u:secret@h?ns={a}",
        "redis://u:secret@h\n/0",
        "file:/a\x7f",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_bad(bad[i]);
}

TEST(a_missing_error_is_allowed)
{
    tm__url url;
    assert_status(tm__url_parse("nothing", &url, NULL), TM_EURL);
    tm__url_free(&url);
}

TEST(namespaces_are_1_to_64_plain_characters)
{
    char longest[66];
    memset(longest, 'n', 65);
    longest[65] = '\0';
    assert_status(tm__namespace_check(longest, NULL), TM_EINVAL);
    longest[64] = '\0';
    assert_ok(tm__namespace_check(longest, NULL));
    assert_ok(tm__namespace_check("AZaz09_.:-", NULL));
    const char *const bad[] = {"", "{", "}", "a b", "a/b", "a*", "a\n", "\xc3\xa4", "a?"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_status(tm__namespace_check(bad[i], NULL), TM_EINVAL);
    assert_status(tm__namespace_check(NULL, NULL), TM_EINVAL);
}

TEST_MAIN("url", T(every_documented_form_is_taken_apart), T(a_scheme_is_told_in_small_letters),
          T(escapes_are_decoded_in_user_password_path_and_namespace),
          T(the_last_at_sign_ends_the_password_and_the_first_colon_begins_it),
          T(bad_syntax_is_refused_without_showing_the_password), T(a_missing_error_is_allowed),
          T(namespaces_are_1_to_64_plain_characters))
