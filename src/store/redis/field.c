#include "store/redis/field.h"

#include <string.h>

#include "base/family.h"
#include "base/hash.h"
#include "store/redis/number.h"

/* ---- writing ------------------------------------------------------------------------------------------------- */

static bool is_bucket(const tm_family *info, size_t part)
{
    return info->type == TM_TYPE_HISTOGRAM && part <= info->bucket_count;
}

static const char *suffix_of(const tm_family *info, size_t part)
{
    switch (info->type) {
    case TM_TYPE_COUNTER:
        return "_total";
    case TM_TYPE_HISTOGRAM:
        return is_bucket(info, part) ? "_bucket" : "_sum";
    default:
        return "";
    }
}

void tm__redis_field_write(const tm__redis_family *family, const char *labels, size_t labels_len, size_t part,
                           tm__buffer *out)
{
    const char *suffix = suffix_of(family->info, part);
    bool bucket = is_bucket(family->info, part);
    tm__buffer_append(out, family->printed.text, family->printed.len);
    tm__buffer_append(out, suffix, strlen(suffix));
    if (labels_len == 0 && !bucket)
        return;
    tm__buffer_append(out, "{", 1);
    tm__buffer_append(out, labels, labels_len);
    if (bucket) {
        tm__buffer_append(out, ",", labels_len > 0);
        tm__buffer_append(out, family->ranges[part].text, family->ranges[part].len);
    }
    tm__buffer_append(out, "}", 1);
}

/* ---- families ------------------------------------------------------------------------------------------------ */

/* A family beside the help that may come before or after its description. */
typedef struct entry {
    tm__redis_text name;
    tm__redis_family *family; /* NULL: not described yet */
    const char *help;
} entry;

static unsigned long hash_entry(const void *object, unsigned long seed)
{
    const entry *e = object;
    (void)seed;
    return tm__hash(e->name.text, e->name.len, 0);
}

static bool same_entry(const void *object, const void *key)
{
    const entry *e = object;
    const tm__redis_text *name = key;
    return e->name.len == name->len && memcmp(e->name.text, name->text, name->len) == 0;
}

int tm__redis_families_init(tm__redis_families *families)
{
    return tm__table_init(&families->by_name, hash_entry, same_entry);
}

void tm__redis_families_free(tm__redis_families *families)
{
    tm__table_free(&families->by_name);
    tm__arena_free(&families->arena);
}

static entry *find_entry(const tm__redis_families *families, tm__redis_text name)
{
    return tm__table_get(&families->by_name, tm__hash(name.text, name.len, 0), &name);
}

static entry *get_entry(tm__redis_families *families, tm__redis_text name)
{
    entry *e = find_entry(families, name);
    if (e)
        return e;
    e = tm__arena_alloc(&families->arena, sizeof *e);
    char *copy = tm__arena_copy(&families->arena, name.text, name.len);
    if (!e || !copy)
        return NULL;
    *e = (entry){.name = {copy, name.len}, .help = ""};
    return tm__table_put(&families->by_name, tm__hash(copy, name.len, 0), e) == TM_OK ? e : NULL;
}

static const char help_prefix[] = "help ";

static int add_help(tm__redis_families *families, tm__redis_text name, const char *value, size_t len)
{
    entry *e = get_entry(families, name);
    char *help = tm__redis_help_unescape(value, len, &families->arena);
    if (!e || !help)
        return TM_ENOMEM;
    if (!tm__utf8_ok(help, strlen(help)))
        return TM_OK;
    e->help = help;
    return TM_OK;
}

static int add_family(tm__redis_families *families, tm__redis_text name, const char *value, size_t len)
{
    tm__redis_family *family;
    int status = tm__redis_family_parse(value, len, &families->arena, &family);
    if (status != TM_OK)
        return status == TM_ENOMEM ? status : TM_OK;
    if (family->printed.len != name.len || memcmp(family->printed.text, name.text, name.len) != 0)
        return TM_OK;
    entry *e = get_entry(families, name);
    if (!e)
        return TM_ENOMEM;
    e->family = family;
    return TM_OK;
}

int tm__redis_families_add(tm__redis_families *families, const char *field, size_t field_len, const char *value,
                           size_t value_len)
{
    size_t prefix_len = strlen(help_prefix);
    if (families->arena.bytes > TM__REDIS_FAMILIES_BYTES_MAX)
        return TM_ETOOBIG;
    if (field_len > prefix_len && memcmp(field, help_prefix, prefix_len) == 0)
        return add_help(families, (tm__redis_text){field + prefix_len, field_len - prefix_len}, value, value_len);
    return add_family(families, (tm__redis_text){field, field_len}, value, value_len);
}

const tm__redis_family *tm__redis_families_find(const tm__redis_families *families, const char *name, size_t len)
{
    const entry *e = find_entry(families, (tm__redis_text){name, len});
    return e ? e->family : NULL;
}

const char *tm__redis_families_help(const tm__redis_families *families, const tm__redis_family *family)
{
    const entry *e = find_entry(families, family->printed);
    return e ? e->help : "";
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static bool cut_suffix(tm__redis_text *text, const char *suffix)
{
    size_t len = strlen(suffix);
    if (text->len <= len || memcmp(text->text + text->len - len, suffix, len) != 0)
        return false;
    text->len -= len;
    return true;
}

/* Which bucket the labels end in; takes its range off. */
static bool cut_range(const tm__redis_family *family, tm__redis_text *labels, size_t *part)
{
    for (size_t k = 0; k <= family->info->bucket_count; k++) {
        tm__redis_text range = family->ranges[k];
        if (labels->len < range.len || memcmp(labels->text + labels->len - range.len, range.text, range.len) != 0)
            continue;
        labels->len -= range.len;
        *part = k;
        return labels->len == 0 || labels->text[--labels->len] == ',';
    }
    return false;
}

static bool find_family(const tm__redis_families *families, tm__redis_text name, tm_type type, tm__redis_sample *out)
{
    out->family = tm__redis_families_find(families, name.text, name.len);
    return out->family && out->family->info->type == type;
}

bool tm__redis_field_parse(const tm__redis_families *families, const char *field, size_t len, bool gauge,
                           tm__redis_sample *out)
{
    const char *brace = memchr(field, '{', len);
    tm__redis_text name = {field, brace ? (size_t)(brace - field) : len};
    *out = (tm__redis_sample){.labels = {field + len, 0}};
    if (brace && field[len - 1] != '}')
        return false;
    if (brace)
        out->labels = (tm__redis_text){brace + 1, len - name.len - 2};
    if (gauge)
        return find_family(families, name, TM_TYPE_GAUGE, out);
    if (cut_suffix(&name, "_total"))
        return find_family(families, name, TM_TYPE_COUNTER, out);
    if (cut_suffix(&name, "_bucket"))
        return find_family(families, name, TM_TYPE_HISTOGRAM, out) && cut_range(out->family, &out->labels, &out->part);
    if (!cut_suffix(&name, "_sum") || !find_family(families, name, TM_TYPE_HISTOGRAM, out))
        return false;
    out->part = out->family->info->bucket_count + 1;
    return true;
}

bool tm__redis_sample_number(const tm__redis_sample *sample, tm__redis_text value, tm_number *out)
{
    return tm__family_part_is_double(sample->family->info, sample->part)
               ? tm__redis_read_double(value.text, value.len, &out->d)
               : tm__redis_read_count(value.text, value.len, &out->u);
}
