/* The Prometheus text format, version 0.0.4. */
#include "export/text.h"

static void put_comments(const tm__text *text)
{
    const tm_family *family = text->e->walk.family->info;
    tm__text_put_comment(text, "HELP", family->help);
    tm__text_put_comment(text, "TYPE", tm__type_name(family->type));
}

static bool always(const tm_family *family, const tm_number *values)
{
    (void)family;
    (void)values;
    return true;
}

static const tm__text_dialect dialect = {
    .counter_suffix = "_total",
    .put_comments = put_comments,
    .comment_escapes = {['\\'] = "\\\\", ['\n'] = "\\n"},
    .print_bound = tm__print_double,
    .has_sum = always,
};

int tm__export_prometheus(tm__export *e)
{
    return tm__export_text(e, &dialect);
}
