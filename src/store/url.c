#include "store/url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { NAMESPACE_MAX = 64 };

/* A piece of the URL's text. */
typedef struct span {
    const char *begin;
    const char *end;
} span;

/* The texts never quote the URL: a password with an unescaped '/' or '?' in it ends up in any of the parts. */
static int bad_url(tm_error *error, const char *what)
{
    return tm__fail(error, TM_EURL, "store URL: %s", what);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *find(span in, char c)
{
    return in.begin < in.end ? memchr(in.begin, c, (size_t)(in.end - in.begin)) : NULL;
}

static const char *find_or_end(span in, char c)
{
    const char *found = find(in, c);
    return found ? found : in.end;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte behind a '%'; -1 for a bad escape or NUL. */
static int escaped_byte(const char *percent, const char *end)
{
    if (end - percent < 3)
        return -1;
    int high = hex_value(percent[1]);
    int low = hex_value(percent[2]);
    return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

static int copy(span in, char **out)
{
    *out = strndup(in.begin, (size_t)(in.end - in.begin));
    return *out ? TM_OK : TM_ENOMEM;
}

static int decode(span in, char **out, tm_error *error)
{
    char *at = *out = calloc((size_t)(in.end - in.begin) + 1, 1);
    if (!at)
        return tm__fail(error, TM_ENOMEM, "store URL: out of memory");
    for (const char *from = in.begin; from < in.end; from++) {
        int byte = (unsigned char)*from;
        if (byte == '%') {
            byte = escaped_byte(from, in.end);
            if (byte < 0)
                return bad_url(error, "'%' is not followed by two hexadecimal digits, or means NUL");
            from += 2;
        }
        *at++ = (char)byte;
    }
    return TM_OK;
}

/* Takes the scheme and its ':' off the front of the rest. */
static int parse_scheme(span *rest, tm__url *out, tm_error *error)
{
    const char *colon = find(*rest, ':');
    if (!colon || !is_letter(rest->begin[0]))
        return bad_url(error, "it does not begin with a scheme such as \"redis:\"");
    for (const char *c = rest->begin; c < colon; c++)
        if (!is_letter(*c) && !is_digit(*c) && !strchr("+-.", *c))
            return bad_url(error, "the scheme has a character that is no letter, digit, '+', '-' or '.'");
    if (copy((span){rest->begin, colon}, &out->scheme) != TM_OK)
        return tm__fail(error, TM_ENOMEM, "store URL: out of memory");
    for (char *c = out->scheme; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    rest->begin = colon + 1;
    return TM_OK;
}

static int parse_user(span in, tm__url *out, tm_error *error)
{
    const char *colon = find_or_end(in, ':');
    int status = decode((span){in.begin, colon}, &out->user, error);
    if (status == TM_OK && colon < in.end)
        status = decode((span){colon + 1, in.end}, &out->password, error);
    return status;
}

/* Takes "//user:password@hosts" off the front of the rest, if it is there. */
static int parse_authority(span *rest, tm__url *out, tm_error *error)
{
    if (rest->end - rest->begin < 2 || memcmp(rest->begin, "//", 2) != 0)
        return TM_OK;
    rest->begin += 2;
    span authority = {rest->begin, find_or_end(*rest, '/')};
    rest->begin = authority.end;
    const char *at = memrchr(authority.begin, '@', (size_t)(authority.end - authority.begin));
    span hosts = {at ? at + 1 : authority.begin, authority.end};
    int status = at ? parse_user((span){authority.begin, at}, out, error) : TM_OK;
    if (status != TM_OK)
        return status;
    if (hosts.begin < hosts.end && find(*rest, '@'))
        return bad_url(error, "'@' behind a '/': write '/' in a user or password as %2F, '@' in a path as %40");
    if (copy(hosts, &out->hosts) != TM_OK)
        return tm__fail(error, TM_ENOMEM, "store URL: out of memory");
    return TM_OK;
}

static int parse_query(span in, tm__url *out, tm_error *error)
{
    static const char key[] = "ns=";
    while (in.begin < in.end) {
        span pair = {in.begin, find_or_end(in, '&')};
        in.begin = pair.end < in.end ? pair.end + 1 : in.end;
        if ((size_t)(pair.end - pair.begin) < strlen(key) || memcmp(pair.begin, key, strlen(key)) != 0)
            return bad_url(error, "behind '?' only ns=NAME is known");
        if (out->ns)
            return bad_url(error, "ns= is there twice");
        int status = decode((span){pair.begin + strlen(key), pair.end}, &out->ns, error);
        if (status != TM_OK)
            return status;
        if (tm__namespace_check(out->ns, error) != TM_OK)
            return bad_url(error, "a namespace is 1 to 64 of A-Z a-z 0-9 _ . : -");
    }
    return TM_OK;
}

static int parse(span all, tm__url *out, tm_error *error)
{
    for (const char *c = all.begin; c < all.end; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return bad_url(error, "it has a control character, which must be written as %XX");
    const char *question_mark = find_or_end(all, '?');
    span query = {question_mark < all.end ? question_mark + 1 : all.end, all.end};
    span rest = {all.begin, question_mark};
    int status = parse_scheme(&rest, out, error);
    if (status == TM_OK)
        status = parse_authority(&rest, out, error);
    if (status == TM_OK)
        status = decode(rest, &out->path, error);
    if (status == TM_OK)
        status = parse_query(query, out, error);
    return status;
}

static int fill_in_absent(tm__url *url, tm_error *error)
{
    char **parts[] = {&url->scheme, &url->user, &url->password, &url->hosts, &url->path, &url->ns};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!*parts[i] && !(*parts[i] = calloc(1, 1)))
            return tm__fail(error, TM_ENOMEM, "store URL: out of memory");
    return TM_OK;
}

int tm__url_parse(const char *text, tm__url *out, tm_error *error)
{
    *out = (tm__url){0};
    if (!text)
        return tm__fail(error, TM_EURL, "store URL: NULL");
    int status = parse((span){text, text + strlen(text)}, out, error);
    if (status == TM_OK)
        status = fill_in_absent(out, error);
    if (status != TM_OK)
        tm__url_free(out);
    return status;
}

void tm__url_free(tm__url *url)
{
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    free(url->scheme);
    free(url->user);
    free(url->password);
    free(url->hosts);
    free(url->path);
    free(url->ns);
    *url = (tm__url){0};
}

int tm__namespace_check(const char *ns, tm_error *error)
{
    size_t len = ns ? strlen(ns) : 0;
    bool ok = len >= 1 && len <= NAMESPACE_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = is_letter(ns[i]) || is_digit(ns[i]) || strchr("_.:-", ns[i]);
    return ok ? TM_OK : tm__fail(error, TM_EINVAL, "a namespace is 1 to 64 of A-Z a-z 0-9 _ . : -");
}
