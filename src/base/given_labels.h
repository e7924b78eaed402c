/* Labels as a caller gives them, in any order: found again among canonical texts without being checked, sorted or
 * escaped first. */
#ifndef TM__BASE_GIVEN_LABELS_H
#define TM__BASE_GIVEN_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <taskermetrics/base.h>

typedef struct tm__given_label {
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
} tm__given_label;

typedef struct tm__given_labels {
    size_t count;
    uint64_t hash; /* the same in every order, and as tm__labels_hash gives for the canonical text */
    tm__given_label labels[TM_LABELS_MAX];
} tm__given_labels;

/* Measures and hashes. TM_ELABEL if there are too many or a string is missing. */
int tm__labels_take(tm_labels labels, tm__given_labels *out);

/* What a canonical text is, as far as comparing needs to know. */
typedef struct tm__labels_shape {
    size_t count;
    bool escaped; /* has a backslash */
} tm__labels_shape;

tm__labels_shape tm__labels_shape_of(const char *text, size_t len);
uint64_t tm__labels_hash(const char *text, size_t len);

/* Whether a canonical text of that shape is the one of the given labels. */
bool tm__labels_match(const char *text, size_t len, tm__labels_shape shape, const tm__given_labels *given);

#endif
