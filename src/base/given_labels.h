/* Labels as a caller gives them, in any order: found again among canonical texts without being checked, sorted or
 * escaped first. */
#ifndef TM__BASE_GIVEN_LABELS_H
#define TM__BASE_GIVEN_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <taskermetrics/base.h>

#include "base/short_hash.h"

typedef struct tm__given_label {
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
} tm__given_label;

typedef struct tm__given_labels {
    size_t count;
    uint64_t hash;                         /* as tm__labels_hash gives for the canonical text */
    tm__given_label labels[TM_LABELS_MAX]; /* sorted by name */
} tm__given_labels;

/* What a canonical text is, as far as comparing needs to know. */
typedef struct tm__labels_shape {
    size_t count;
    bool escaped; /* has a backslash */
} tm__labels_shape;

tm__labels_shape tm__labels_shape_of(const char *text, size_t len);
uint64_t tm__labels_hash(const char *text, size_t len);

/* Whether a canonical text of that shape is the one of the given labels. */
bool tm__labels_match(const char *text, size_t len, tm__labels_shape shape, const tm__given_labels *given);

/* The name seeds the hash of the value, so that a="1",b="2" differs from a="2",b="1"; its middle, if it is longer than
 * 16 bytes, is left to comparing. */
static inline uint64_t tm__label_hash(const char *name, size_t name_len, const char *value, size_t value_len)
{
    tm__ends n = tm__bytes_ends(name, name_len);
    return tm__short_hash(value, value_len, n.head + 3 * n.tail + name_len);
}

/* Puts the i-th label in its place among those before it. Most are few, and given in order. */
static inline void tm__labels_sort_in(tm__given_label *labels, size_t i, tm__given_label label)
{
    for (; i > 0; i--) {
        const char *before = labels[i - 1].name;
        unsigned char first = (unsigned char)label.name[0];
        if (before[0] != label.name[0] ? (unsigned char)before[0] < first : strcmp(before, label.name) <= 0)
            break;
        labels[i] = labels[i - 1];
    }
    labels[i] = label;
}

/* Measures, sorts and hashes; inline, since it is a third of a lookup. TM_ELABEL if there are too many or a string is
 * missing. */
static inline int tm__labels_take(tm_labels labels, tm__given_labels *out)
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
        /* A sum, so that the order does not matter. */
        out->hash += tm__label_hash(name, given.name_len, value, given.value_len);
        tm__labels_sort_in(out->labels, i, given);
    }
    return TM_OK;
}

#endif
