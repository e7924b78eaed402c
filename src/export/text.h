/* What the Prometheus text format and OpenMetrics have in common: comments, then sample lines, family by family. */
#ifndef TM__EXPORT_TEXT_H
#define TM__EXPORT_TEXT_H

#include "base/names.h"
#include "export/export.h"

typedef struct tm__text tm__text;

/* In what the two differ. */
typedef struct tm__text_dialect {
    const char *counter_suffix; /* of a counter family's name in comments */
    void (*put_comments)(const tm__text *text);
    tm__escapes comment_escapes;
    size_t (*print_bound)(double value, char out[TM__NUMBER_MAX]);
    bool (*has_sum)(const tm_family *family, const tm_number *values); /* whether a histogram shows _sum and _count */
} tm__text_dialect;

enum { TM__PIECE_BYTES = 32 }; /* the arrays of the pieces of a line are no smaller */

/* How the lines of a family begin, for one kind of sample: the name and an opening brace. */
typedef struct tm__line_head {
    size_t len;
    char text[TM_NAME_MAX + TM__PRINTED_MAX + 8];
} tm__line_head;

/* What follows the labels in the line of a bucket: ,le="0.005"} */
typedef struct tm__bucket_tail {
    size_t len;
    char text[TM__PIECE_BYTES + TM__NUMBER_MAX];
} tm__bucket_tail;

struct tm__text {
    tm__export *e;
    const tm__text_dialect *dialect;
    bool with_sum; /* of the current series */
    size_t name_len;
    char name[TM_NAME_MAX + TM__PRINTED_MAX]; /* prefix and printed name of the current family */
    tm__line_head heads[TM__SAMPLE_KINDS];
    tm__bucket_tail tails[TM_BUCKETS_MAX + 1];
};

int tm__export_text(tm__export *e, const tm__text_dialect *dialect);

/* "# KEYWORD name content" for the current family; nothing if the content is empty. */
void tm__text_put_comment(const tm__text *text, const char *keyword, const char *content);

#endif
