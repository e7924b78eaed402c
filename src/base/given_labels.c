#include "base/given_labels.h"

#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/labels.h"

/* Multiplies into 128 bits and folds: what XXH3 and wyhash do with short keys. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t words[2] = {a, b};
    return tm__hash(words, sizeof words, 0);
#endif
}

/* Values of up to 16 bytes, which most are, go into the product whole, longer ones by their XXH3. The name is a part
 * of one factor, so that a="1",b="2" differs from a="2",b="1"; its middle, if it is longer than 16 bytes, is left to
 * comparing. The constants are the golden ratio and the square root of two. */
static inline uint64_t hash_pair(const char *name, size_t name_len, const char *value, size_t value_len)
{
    tm__ends n = tm__bytes_ends(name, name_len);
    tm__ends v = tm__bytes_ends(value, value_len);
    if (value_len > 16)
        v.head = tm__hash(value, value_len, 0);
    return mix(v.head ^ (n.head + 3 * n.tail + UINT64_C(0x9e3779b97f4a7c15)),
               v.tail ^ (name_len + (value_len << 32) + UINT64_C(0x6a09e667f3bcc909)));
}

int tm__labels_take(tm_labels labels, tm__given_labels *out)
{
    if (labels.count > TM_LABELS_MAX || (labels.count > 0 && !labels.pairs))
        return TM_ELABEL;
    out->count = labels.count;
    out->hash = 0;
    for (size_t i = 0; i < labels.count; i++) {
        const char *name = labels.pairs[2 * i];
        const char *value = labels.pairs[2 * i + 1];
        if (!name || !value)
            return TM_ELABEL;
        tm__given_label given = {name, value, strlen(name), strlen(value)};
        out->labels[i] = given;
        /* A sum: it must not depend on the order. */
        out->hash += hash_pair(name, given.name_len, value, given.value_len);
    }
    return TM_OK;
}

uint64_t tm__labels_hash(const char *text, size_t len)
{
    uint64_t hash = 0;
    const char *cursor = text;
    tm__label label;
    while (tm__labels_next(&cursor, text + len, &label)) {
        char value[TM__LABELS_TEXT_MAX];
        size_t value_len = tm__label_unescape(&label, value);
        hash += hash_pair(label.name, label.name_len, value, value_len);
    }
    return hash;
}

tm__labels_shape tm__labels_shape_of(const char *text, size_t len)
{
    tm__labels_shape shape = {.escaped = len > 0 && memchr(text, '\\', len)};
    const char *cursor = text;
    tm__label label;
    while (tm__labels_next(&cursor, text + len, &label))
        shape.count++;
    return shape;
}

/* ---- matching ------------------------------------------------------------------------------------------------ */

/* The given label whose name stands at `at`; most callers give them in order, so the search begins at the i-th. */
static const tm__given_label *find_name(const char *at, const char *end, const tm__given_labels *given, size_t i)
{
    size_t left = (size_t)(end - at);
    for (size_t tries = 0; tries < given->count; tries++) {
        const tm__given_label *label = &given->labels[i];
        size_t name_len = label->name_len;
        if (left > name_len + 2 && at[name_len] == '=' && at[name_len + 1] == '"' &&
            tm__bytes_equal(at, label->name, name_len))
            return label;
        i = i + 1 < given->count ? i + 1 : 0;
    }
    return NULL;
}

/* The end of a value that stands at `at` unescaped; NULL if it is another. */
static const char *match_plain(const char *at, const char *end, const tm__given_label *label)
{
    size_t value_len = label->value_len;
    bool same = (size_t)(end - at) > value_len && at[value_len] == '"' && tm__bytes_equal(at, label->value, value_len);
    return same ? at + value_len : NULL;
}

static const char *match_escaped(const char *at, const char *end, const tm__given_label *label)
{
    for (size_t i = 0; i < label->value_len; i++) {
        char c = label->value[i];
        bool escaped = c == '\\' || c == '"' || c == '\n';
        if (escaped && (at >= end || *at++ != '\\'))
            return NULL;
        if (at >= end || *at++ != (c == '\n' ? 'n' : c))
            return NULL;
    }
    return at < end && *at == '"' ? at : NULL;
}

/* Every given label takes up at least one of the text, and there are as many of either, so each takes exactly one: a
 * value that looks like the end of one label and the beginning of the next cannot pass for both. */
bool tm__labels_match(const char *text, size_t len, tm__labels_shape shape, const tm__given_labels *given)
{
    if (given->count != shape.count)
        return false;
    const char *at = text;
    const char *end = text + len;
    for (size_t i = 0; i < given->count; i++) {
        if (i > 0 && (at >= end || *at++ != ','))
            return false;
        const tm__given_label *label = find_name(at, end, given, i);
        if (!label)
            return false;
        at += label->name_len + 2;
        at = shape.escaped ? match_escaped(at, end, label) : match_plain(at, end, label);
        if (!at)
            return false;
        at++;
    }
    return at == end;
}
