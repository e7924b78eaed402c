/* The rules for names and texts, and how a family's name is printed. */
#ifndef TM__BASE_NAMES_H
#define TM__BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <taskermetrics/base.h>

#include "base/shared.h"

/* [a-zA-Z_:][a-zA-Z0-9_:.]*, 1 to TM_NAME_MAX bytes. */
bool tm__name_ok(const char *name);

/* [a-zA-Z_][a-zA-Z0-9_]*, 1 to TM_NAME_MAX bytes, not "__...", not "le" or "quantile". */
bool tm__label_name_ok(const char *name, size_t len);

/* Valid UTF-8 (RFC 3629: shortest form, no surrogates, at most U+10FFFF) without NUL. */
TM__SHARED bool tm__utf8_ok(const char *text, size_t len);

/* Big enough for every printed name, with its NUL; room for a prefix is not included. */
#define TM__PRINTED_MAX (2 * TM_NAME_MAX + 2)

/* The name of a family as Prometheus knows it: dots become underscores, a counter's "_total" is taken off, the unit is
 * added unless it is there already. Without prefix; samples of a counter add "_total" again. Returns the length. */
TM__SHARED size_t tm__printed_name(const tm_family *family, char out[TM__PRINTED_MAX]);

/* Whether a sample of this family would print the name of a sample of another: counter a and gauge a_total,
 * histogram a and gauge a_count. find: the family whose tm__printed_name is `printed`, or NULL. */
typedef const tm_family *tm__find_printed(const void *ctx, const char *printed);
bool tm__sample_names_taken(const tm_family *family, tm__find_printed *find, const void *ctx);

#endif
