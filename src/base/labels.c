#include "base/labels.h"

#include <string.h>

#include "base/bytes.h"
#include "base/names.h"

/* A label before it is written: the value not yet, or already, escaped. */
typedef struct part {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
    bool escaped;
} part;

static int compare_names(const part *a, const part *b)
{
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(a->name, b->name, shorter);
    if (order != 0)
        return order;
    return (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* Insertion sort: label sets are short and often in order. */
static void sort_parts(part *parts, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        part moving = parts[i];
        size_t k = i;
        for (; k > 0 && compare_names(&moving, &parts[k - 1]) < 0; k--)
            parts[k] = parts[k - 1];
        parts[k] = moving;
    }
}

static char escape_letter(char c)
{
    return c == '\\' ? '\\' : c == '"' ? '"' : c == '\n' ? 'n' : '\0';
}

static bool put(tm__labels_text *out, const char *bytes, size_t len)
{
    if (len > sizeof out->text - out->len)
        return false;
    memcpy(out->text + out->len, bytes, len);
    out->len += len;
    return true;
}

static bool put_escaped(tm__labels_text *out, const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char letter = escape_letter(value[i]);
        if (letter ? !put(out, (const char[]){'\\', letter}, 2) : !put(out, value + i, 1))
            return false;
    }
    return true;
}

static bool put_part(tm__labels_text *out, const part *p)
{
    return (out->len == 0 || put(out, ",", 1)) && put(out, p->name, p->name_len) && put(out, "=\"", 2) &&
           (p->escaped ? put(out, p->value, p->value_len) : put_escaped(out, p->value, p->value_len)) &&
           put(out, "\"", 1);
}

/* Sorts and writes; the names and values have been checked. */
static int write_parts(part *parts, size_t count, tm__labels_text *out)
{
    sort_parts(parts, count);
    out->len = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_names(&parts[i - 1], &parts[i]) == 0)
            return TM_ELABEL;
        if (!put_part(out, &parts[i]))
            return TM_ELABEL;
    }
    return TM_OK;
}

static bool value_ok(const char *value, size_t len)
{
    return len <= TM_VALUE_MAX && tm__utf8_ok(value, len);
}

int tm__labels_write(tm_labels labels, tm__labels_text *out)
{
    part parts[TM_LABELS_MAX];
    if (labels.count > TM_LABELS_MAX || (labels.count > 0 && !labels.pairs))
        return TM_ELABEL;
    for (size_t i = 0; i < labels.count; i++) {
        const char *name = labels.pairs[2 * i];
        const char *value = labels.pairs[2 * i + 1];
        if (!name || !value)
            return TM_ELABEL;
        parts[i] = (part){name, strlen(name), value, strlen(value), false};
        if (!tm__label_name_ok(name, parts[i].name_len) || !value_ok(value, parts[i].value_len))
            return TM_ELABEL;
    }
    int status = write_parts(parts, labels.count, out);
    return out->len > TM__LABELS_TEXT_MAX ? TM_ELABEL : status;
}

/* The length of the escaped value at `value`, up to its closing quote; SIZE_MAX if there is none. */
static size_t escaped_length(const char *value, const char *end)
{
    const char *at = value;
    while ((at = tm__find_either(at, end, '"', '\\')) < end) {
        if (*at == '"')
            return (size_t)(at - value);
        at = end - at > 2 ? at + 2 : end;
    }
    return SIZE_MAX;
}

bool tm__labels_next(const char **cursor, const char *end, tm__label *label)
{
    const char *at = *cursor;
    if (at >= end)
        return false;
    if (*at == ',')
        at++;
    const char *equals = tm__find_either(at, end, '=', '=');
    if (end - equals < 3 || equals[1] != '"')
        return false;
    size_t value_len = escaped_length(equals + 2, end);
    if (value_len == SIZE_MAX)
        return false;
    *label = (tm__label){at, (size_t)(equals - at), equals + 2, value_len};
    *cursor = equals + 2 + value_len + 1;
    return true;
}

/* Whether a value stands as tm__labels_write would have escaped it. */
static bool escaped_value_ok(const tm__label *label)
{
    size_t escapes = 0;
    for (size_t i = 0; i < label->value_len; i++) {
        if (label->value[i] == '\n')
            return false;
        if (label->value[i] != '\\')
            continue;
        escapes++;
        i++;
        if (i >= label->value_len || !memchr("\\\"n", label->value[i], 3))
            return false;
    }
    return label->value_len - escapes <= TM_VALUE_MAX && tm__utf8_ok(label->value, label->value_len);
}

bool tm__labels_ok(const char *text, size_t len)
{
    if (len == 0)
        return true;
    if (len > sizeof((tm__labels_text *)NULL)->text)
        return false;
    const char *cursor = text;
    const char *end = text + len;
    part before = {0};
    size_t count = 0;
    tm__label label;
    while (cursor < end) {
        bool comma = *cursor == ',';
        if (comma != (count > 0) || ++count > TM_LABELS_MAX + 1 || !tm__labels_next(&cursor, end, &label))
            return false;
        part now = {.name = label.name, .name_len = label.name_len};
        if (!tm__label_name_ok(label.name, label.name_len) || !escaped_value_ok(&label) ||
            (count > 1 && compare_names(&before, &now) >= 0))
            return false;
        before = now;
    }
    return true;
}

size_t tm__label_unescape(const tm__label *label, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < label->value_len; i++) {
        char c = label->value[i];
        if (c == '\\' && i + 1 < label->value_len) {
            i++;
            c = label->value[i] == 'n' ? '\n' : label->value[i];
        }
        out[len++] = c;
    }
    return len;
}

static part *find_part(part *parts, size_t count, const char *name, size_t len)
{
    part wanted = {.name = name, .name_len = len};
    for (size_t i = 0; i < count; i++)
        if (compare_names(&parts[i], &wanted) == 0)
            return &parts[i];
    return NULL;
}

/* Puts "exported_" in front of a name until no label has it. False if that makes it too long. */
static bool rename_part(part *renamed, part *parts, size_t count, char name[TM_NAME_MAX])
{
    static const char prefix[] = "exported_";
    const size_t prefix_len = sizeof prefix - 1;
    size_t len = renamed->name_len;
    memcpy(name, renamed->name, len);
    do {
        if (len + prefix_len > TM_NAME_MAX)
            return false;
        memmove(name + prefix_len, name, len);
        memcpy(name, prefix, prefix_len);
        len += prefix_len;
    } while (find_part(parts, count, name, len));
    renamed->name = name;
    renamed->name_len = len;
    return true;
}

int tm__labels_insert(const char *text, size_t len, const char *name, const char *value, tm__labels_text *out)
{
    part parts[TM_LABELS_MAX + 1];
    char new_name[TM_NAME_MAX];
    part added = {name, strlen(name), value, strlen(value), false};
    if (!tm__label_name_ok(name, added.name_len) || !value_ok(value, added.value_len))
        return TM_ELABEL;
    size_t count = 0;
    const char *cursor = text;
    tm__label label;
    while (tm__labels_next(&cursor, text + len, &label)) {
        if (count == TM_LABELS_MAX)
            return TM_ELABEL;
        parts[count++] = (part){label.name, label.name_len, label.value, label.value_len, true};
    }
    part *taken = find_part(parts, count, name, added.name_len);
    if (taken && !rename_part(taken, parts, count, new_name))
        return TM_ELABEL;
    parts[count++] = added;
    return write_parts(parts, count, out);
}
