/* The canonical text of a label set: name="value" sorted by name, joined by commas, escaped as Prometheus prints it.
 * One text is the lookup key, the exported form and the name in a store. */
#ifndef TM__BASE_LABELS_H
#define TM__BASE_LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include <taskermetrics/base.h>

#include "base/shared.h"

/* A longer label set is refused, so a caller's array on the stack always suffices and recording allocates nothing. */
#define TM__LABELS_TEXT_MAX 8192

/* Beyond that there is always room for the label `instance`. */
#define TM__INSTANCE_ROOM 512
#define TM__INSTANCE_MAX 200 /* bytes in its value */

typedef struct tm__labels_text {
    size_t len;
    char text[TM__LABELS_TEXT_MAX + TM__INSTANCE_ROOM];
} tm__labels_text;

/* Writes the canonical text. TM_ELABEL for bad or repeated names, bad values, too many or too long. */
int tm__labels_write(tm_labels labels, tm__labels_text *out);

/* Whether a text is canonical: what tm__labels_write could have written. */
TM__SHARED bool tm__labels_ok(const char *text, size_t len);

/* One label of a canonical text; the value is still escaped. */
typedef struct tm__label {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
} tm__label;

/* Steps through a canonical text: *cursor begins at the text and ends at `end`. False at the end. */
bool tm__labels_next(const char **cursor, const char *end, tm__label *label);

/* Takes the escapes out of a value; out has room for value_len bytes. Returns the length. */
size_t tm__label_unescape(const tm__label *label, char *out);

/* Writes a canonical text with one more label. A label of that name moves to "exported_NAME", as Prometheus does.
 * TM_ELABEL if name or value are bad or the result is too long. */
TM__SHARED int tm__labels_insert(const char *text, size_t len, const char *name, const char *value,
                                 tm__labels_text *out);

#endif
