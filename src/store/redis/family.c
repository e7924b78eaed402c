#include "store/redis/family.h"

#include <math.h>
#include <string.h>

#include "base/family.h"
#include "base/number.h"
#include "store/redis/number.h"

enum { RANGE_BYTES = 2 * TM__NUMBER_MAX + 16, BOUND_MAX = 64, WORDS = 6 };

static const char *const type_words[] = {
    [TM_TYPE_COUNTER] = "counter", [TM_TYPE_GAUGE] = "gauge", [TM_TYPE_HISTOGRAM] = "histogram"};
static const char *const aggregation_words[] = {[TM_AGGREGATE_LAST] = "last",
                                                [TM_AGGREGATE_SUM] = "sum",
                                                [TM_AGGREGATE_MIN] = "min",
                                                [TM_AGGREGATE_MAX] = "max",
                                                [TM_AGGREGATE_EACH] = "each"};

/* ---- making -------------------------------------------------------------------------------------------------- */

static size_t put(char *out, const char *text)
{
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

/* The bounds of bucket k; beyond the last finite bound is +Inf. */
static size_t print_range(const tm_family *info, size_t k, char out[RANGE_BYTES])
{
    size_t len = put(out, "gt=\"");
    len += k == 0 ? put(out + len, "-Inf") : tm__print_double(info->buckets[k - 1], out + len);
    len += put(out + len, "\",le=\"");
    len += k == info->bucket_count ? put(out + len, "+Inf") : tm__print_double(info->buckets[k], out + len);
    return len + put(out + len, "\"");
}

static bool make_ranges(tm__redis_family *family, tm__arena *arena)
{
    size_t count = family->info->bucket_count + 1;
    family->ranges = tm__arena_alloc(arena, count * sizeof *family->ranges);
    for (size_t k = 0; family->ranges && k < count; k++) {
        char range[RANGE_BYTES];
        size_t len = print_range(family->info, k, range);
        family->ranges[k] = (tm__redis_text){tm__arena_copy(arena, range, len), len};
        if (!family->ranges[k].text)
            return false;
    }
    return family->ranges != NULL;
}

tm__redis_family *tm__redis_family_make(const tm_family *info, tm__arena *arena)
{
    char printed[TM__PRINTED_MAX];
    size_t len = tm__printed_name(info, printed);
    tm__redis_family *family = tm__arena_alloc(arena, sizeof *family);
    if (!family)
        return NULL;
    family->info = info;
    family->printed = (tm__redis_text){tm__arena_copy(arena, printed, len), len};
    if (!family->printed.text || (info->type == TM_TYPE_HISTOGRAM && !make_ranges(family, arena)))
        return NULL;
    return family;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void append_word(tm__buffer *out, const char *word)
{
    tm__buffer_append(out, " ", 1);
    tm__buffer_append(out, word && word[0] ? word : "-", word && word[0] ? strlen(word) : 1);
}

static void append_buckets(const tm_family *info, tm__buffer *out)
{
    for (size_t i = 0; i < info->bucket_count; i++) {
        char bound[TM__NUMBER_MAX + 1];
        bound[0] = i == 0 ? ' ' : ',';
        tm__buffer_append(out, bound, 1 + tm__print_double(info->buckets[i], bound + 1));
    }
}

void tm__redis_family_describe(const tm__redis_family *family, tm__buffer *out)
{
    const tm_family *info = family->info;
    tm__buffer_append(out, family->printed.text, family->printed.len);
    append_word(out, type_words[info->type]);
    append_word(out, info->name);
    append_word(out, info->unit);
    append_word(out, aggregation_words[info->aggregation]);
    if (info->bucket_count > 0)
        append_buckets(info, out);
    else
        append_word(out, NULL);
}

void tm__redis_help_escape(const char *help, tm__buffer *out)
{
    for (; help && *help; help++) {
        char letter = *help == '\\' ? '\\' : *help == '\n' ? 'n' : *help == '\t' ? 't' : '\0';
        tm__buffer_append(out, letter ? (const char[]){'\\', letter} : help, letter ? 2 : 1);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

char *tm__redis_help_unescape(const char *text, size_t len, tm__arena *arena)
{
    char *help = tm__arena_alloc(arena, len + 1);
    char *at = help;
    for (size_t i = 0; help && i < len; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < len) {
            i++;
            c = text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
        }
        *at++ = c;
    }
    return help;
}

/* Splits at single spaces; false if there are not exactly that many words. */
static bool split(char *text, char *words[WORDS])
{
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = text;
        char *space = strchr(text, ' ');
        if (!space != (i == WORDS - 1))
            return false;
        if (space) {
            *space = '\0';
            text = space + 1;
        }
    }
    return true;
}

static int index_of(const char *word, const char *const *words, int first, int count)
{
    for (int i = first; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

static int parse_buckets(char *text, tm__arena *arena, tm_family *info)
{
    double *buckets = tm__arena_alloc(arena, TM_BUCKETS_MAX * sizeof *buckets);
    if (!buckets)
        return TM_ENOMEM;
    info->buckets = buckets;
    if (strcmp(text, "-") == 0)
        return TM_OK;
    while (text) {
        char *comma = strchr(text, ',');
        size_t len = comma ? (size_t)(comma - text) : strlen(text);
        if (info->bucket_count == TM_BUCKETS_MAX || !tm__redis_read_double(text, len, &buckets[info->bucket_count]) ||
            !isfinite(buckets[info->bucket_count]))
            return TM_ECORRUPT;
        info->bucket_count++;
        text = comma ? comma + 1 : NULL;
    }
    return TM_OK;
}

/* The six words, the first of which is the printed name. */
static int parse_words(char *const words[WORDS], tm__arena *arena, tm_family *info)
{
    int type = index_of(words[1], type_words, TM_TYPE_COUNTER, TM_TYPE_HISTOGRAM + 1);
    int aggregation = index_of(words[4], aggregation_words, 0, TM_AGGREGATE_EACH + 1);
    if (type < 0 || aggregation < 0)
        return TM_ECORRUPT;
    *info = (tm_family){.size = sizeof *info,
                        .name = words[2],
                        .type = (tm_type)type,
                        .help = "",
                        .unit = strcmp(words[3], "-") == 0 ? "" : words[3],
                        .aggregation = (tm_aggregation)aggregation};
    int status = info->type == TM_TYPE_HISTOGRAM ? parse_buckets(words[5], arena, info) : TM_OK;
    if (status == TM_OK && tm__family_check(info) != TM_OK)
        status = TM_ECORRUPT;
    return status;
}

int tm__redis_family_parse(const char *text, size_t len, tm__arena *arena, tm__redis_family **out)
{
    char *words[WORDS];
    char *copy = tm__arena_copy(arena, text, len);
    tm_family *info = tm__arena_alloc(arena, sizeof *info);
    if (!copy || !info)
        return TM_ENOMEM;
    if (memchr(text, '\0', len) || !split(copy, words))
        return TM_ECORRUPT;
    int status = parse_words(words, arena, info);
    if (status != TM_OK)
        return status;
    *out = tm__redis_family_make(info, arena);
    if (!*out)
        return TM_ENOMEM;
    return strcmp((*out)->printed.text, words[0]) == 0 ? TM_OK : TM_ECORRUPT;
}
