#include "base/given_labels.h"

#include "base/bytes.h"
#include "base/labels.h"

uint64_t tm__labels_hash(const char *text, size_t len)
{
    uint64_t hash = 0;
    const char *cursor = text;
    tm__label label;
    while (tm__labels_next(&cursor, text + len, &label)) {
        char value[TM__LABELS_TEXT_MAX];
        size_t value_len = tm__label_unescape(&label, value);
        hash += tm__label_hash(label.name, label.name_len, value, value_len);
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

/* The end of a value that stands at `at` with escapes; NULL if it is another. */
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

/* The same without; there is room for the value. */
static inline const char *match_plain(const char *at, const tm__given_label *label)
{
    size_t value_len = label->value_len;
    return at[value_len] == '"' && tm__bytes_equal(at, label->value, value_len) ? at + value_len : NULL;
}

/* Both are sorted, so they are gone through together. A text of n labels has 2n quotes that are not escaped, and every
 * given label takes up two at least: where there are as many of either, none can pass for more than it is. */
bool tm__labels_match(const char *text, size_t len, tm__labels_shape shape, const tm__given_labels *given)
{
    if (given->count != shape.count)
        return false;
    if (given->count == 0)
        return true;
    const char *at = text;
    const char *end = text + len;
    const tm__given_label *label = given->labels;
    for (;;) {
        size_t name_len = label->name_len;
        if ((size_t)(end - at) < name_len + label->value_len + sizeof "=\"\"" - 1 ||
            memcmp(at + name_len, "=\"", 2) != 0 || !tm__bytes_equal(at, label->name, name_len))
            return false;
        at += name_len + 2;
        at = __builtin_expect(shape.escaped, 0) ? match_escaped(at, end, label) : match_plain(at, label);
        if (!at)
            return false;
        at++;
        if (++label == given->labels + given->count)
            return at == end;
        if (at == end || *at++ != ',')
            return false;
    }
}
