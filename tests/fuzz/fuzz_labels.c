/* Canonical label texts: any bytes are refused or keep the promises of labels.h. */
#include <stdlib.h>
#include <string.h>

#include "base/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

/* Labels as pairs of strings, kept in one block. */
typedef struct pairs {
    size_t count;
    const char *strings[2 * TM_LABELS_MAX];
    char text[TM__LABELS_TEXT_MAX + 2 * TM_LABELS_MAX];
} pairs;

/* Takes a canonical text apart. */
static void take_apart(const char *text, size_t len, pairs *out)
{
    const char *cursor = text;
    char *at = out->text;
    tm__label label;
    out->count = 0;
    while (tm__labels_next(&cursor, text + len, &label)) {
        check(out->count < TM_LABELS_MAX);
        out->strings[2 * out->count] = at;
        memcpy(at, label.name, label.name_len);
        at += label.name_len;
        *at++ = '\0';
        out->strings[2 * out->count + 1] = at;
        at += tm__label_unescape(&label, at);
        *at++ = '\0';
        out->count++;
    }
    check(cursor == text + len);
}

static void check_canonical(const char *text, size_t len)
{
    static pairs taken;
    static tm__labels_text again;
    take_apart(text, len, &taken);
    check(tm__labels_write((tm_labels){taken.strings, taken.count}, &again) == TM_OK);
    check(again.len == len && memcmp(again.text, text, len) == 0);
    if (tm__labels_insert(text, len, "instance", "\"i\\\n", &again) != TM_OK || taken.count == TM_LABELS_MAX)
        return;
    check(tm__labels_ok(again.text, again.len));
    take_apart(again.text, again.len, &taken);
}

/* Text that is not canonical must at least be walked through safely. */
static void walk(const char *text, size_t len)
{
    char value[TM__LABELS_TEXT_MAX];
    const char *cursor = text;
    tm__label label;
    while (tm__labels_next(&cursor, text + len, &label))
        if (label.value_len <= sizeof value)
            check(tm__label_unescape(&label, value) <= label.value_len);
}

/* The bytes as strings: name, value, name, value ... */
static void write_strings(const char *text, size_t len)
{
    static tm__labels_text written;
    const char *strings[2 * (TM_LABELS_MAX + 1)];
    size_t count = 0;
    for (size_t at = 0; at < len && count < sizeof strings / sizeof strings[0]; at += strlen(text + at) + 1)
        strings[count++] = text + at;
    if (tm__labels_write((tm_labels){strings, count / 2}, &written) != TM_OK)
        return;
    check(tm__labels_ok(written.text, written.len));
    check_canonical(written.text, written.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    walk(text, size);
    if (tm__labels_ok(text, size))
        check_canonical(text, size);
    write_strings(text, size);
    free(text);
    return 0;
}
