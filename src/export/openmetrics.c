/* OpenMetrics text, version 1.0.0. */
#include "export/text.h"

static void put_comments(const tm__text *text)
{
    const tm_family *family = text->e->walk.family->info;
    tm__text_put_comment(text, "TYPE", tm__type_name(family->type));
    tm__text_put_comment(text, "UNIT", family->unit);
    tm__text_put_comment(text, "HELP", family->help);
}

/* A sum is a counter there: never NaN or negative, and absent where a bucket takes negative values. _sum and _count
 * come together or not at all. */
static bool sum_is_a_counter(const tm_family *family, const tm_number *values)
{
    bool takes_negatives = family->bucket_count > 0 && family->buckets[0] < 0;
    return !takes_negatives && values[family->bucket_count + 1].d >= 0;
}

static const tm__text_dialect dialect = {
    .counter_suffix = "",
    .put_comments = put_comments,
    .comment_escapes = {['\\'] = "\\\\", ['\n'] = "\\n", ['"'] = "\\\""},
    .print_bound = tm__print_openmetrics_double,
    .has_sum = sum_is_a_counter,
};

int tm__export_openmetrics(tm__export *e)
{
    int status = tm__export_text(e, &dialect);
    tm__write_text(&e->writer, "# EOF\n");
    return status;
}
