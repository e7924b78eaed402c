#include "base/names.h"

#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool tm__name_ok(const char *name)
{
    if (!name || !(is_letter(name[0]) || name[0] == ':'))
        return false;
    size_t len = 1;
    for (; name[len]; len++)
        if (len >= TM_NAME_MAX ||
            !(is_letter(name[len]) || is_digit(name[len]) || name[len] == ':' || name[len] == '.'))
            return false;
    return true;
}

bool tm__label_name_ok(const char *name, size_t len)
{
    if (len == 0 || len > TM_NAME_MAX || !is_letter(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_letter(name[i]) && !is_digit(name[i]))
            return false;
    bool reserved = (len >= 2 && memcmp(name, "__", 2) == 0) || (len == 2 && memcmp(name, "le", 2) == 0) ||
                    (len == 8 && memcmp(name, "quantile", 8) == 0);
    return !reserved;
}

/* The length of the UTF-8 sequence at s, of at most n bytes; 0 if it is not valid. Table 3-7 of the Unicode
 * standard. */
static size_t sequence_length(const unsigned char *s, size_t n)
{
    unsigned char lead = s[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || length > n || lead == 0)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (lead == 0xe0 && s[1] < 0xa0) || (lead == 0xf0 && s[1] < 0x90);
    bool surrogate = lead == 0xed && s[1] > 0x9f;
    bool too_large = lead == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || too_large ? 0 : length;
}

bool tm__utf8_ok(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t length = sequence_length(s + i, len - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

static bool ends_with(const char *text, size_t len, const char *suffix, size_t suffix_len)
{
    return len > suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;
}

size_t tm__printed_name(const tm_family *family, char out[TM__PRINTED_MAX])
{
    size_t len = strlen(family->name);
    for (size_t i = 0; i < len; i++)
        out[i] = family->name[i] == '.' ? '_' : family->name[i];
    if (family->type == TM_TYPE_COUNTER && ends_with(out, len, "_total", 6))
        len -= 6;
    size_t unit_len = family->unit ? strlen(family->unit) : 0;
    bool has_unit =
        unit_len > 0 && len > unit_len && out[len - unit_len - 1] == '_' && ends_with(out, len, family->unit, unit_len);
    if (unit_len > 0 && !has_unit) {
        out[len++] = '_';
        memcpy(out + len, family->unit, unit_len);
        len += unit_len;
    }
    out[len] = '\0';
    return len;
}

/* ---- sample names -------------------------------------------------------------------------------------------- */

/* What stands behind a family's printed name in the names of its samples; bits of a set. OpenMetrics reserves
 * _created. */
static const char *const suffixes[] = {"", "_total", "_created", "_bucket", "_count", "_sum"};
enum { PLAIN = 1, TOTAL = 2, CREATED = 4, BUCKET = 8, COUNT = 16, SUM = 32, SUFFIXES = 6 };

static unsigned suffixes_of(tm_type type)
{
    return type == TM_TYPE_COUNTER ? PLAIN | TOTAL | CREATED
           : type == TM_TYPE_GAUGE ? PLAIN
                                   : PLAIN | CREATED | BUCKET | COUNT | SUM;
}

/* Whether some family prints this name: its own name, or what is left of this one without a suffix it uses. */
static bool sample_name_taken(char *name, size_t len, tm__find_printed *find, const void *ctx)
{
    for (size_t i = 0; i < SUFFIXES; i++) {
        size_t suffix_len = strlen(suffixes[i]);
        if (!ends_with(name, len, suffixes[i], suffix_len))
            continue;
        char cut = name[len - suffix_len];
        name[len - suffix_len] = '\0';
        const tm_family *other = find(ctx, name);
        name[len - suffix_len] = cut;
        if (other && suffixes_of(other->type) & 1u << i)
            return true;
    }
    return false;
}

bool tm__sample_names_taken(const tm_family *family, tm__find_printed *find, const void *ctx)
{
    char name[TM__PRINTED_MAX + 16];
    size_t len = tm__printed_name(family, name);
    for (size_t i = 0; i < SUFFIXES; i++) {
        size_t suffix_len = strlen(suffixes[i]);
        memcpy(name + len, suffixes[i], suffix_len + 1);
        if (suffixes_of(family->type) & 1u << i && sample_name_taken(name, len + suffix_len, find, ctx))
            return true;
    }
    return false;
}
