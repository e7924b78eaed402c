#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/family.h"
#include "base/hash.h"
#include "base/labels.h"
#include "base/names.h"
#include "store/ledger_format.h"
#include "store/ledger_state.h"

/* What is still to be read. After the first failure everything that is read is zero. */
typedef struct reader {
    const unsigned char *at;
    const unsigned char *end;
    int status;
} reader;

/* ---- pieces -------------------------------------------------------------------------------------------------- */

static void fail(reader *r, int status)
{
    if (r->status == TM_OK)
        r->status = status;
    r->at = r->end;
}

static size_t left(const reader *r)
{
    return (size_t)(r->end - r->at);
}

static unsigned take_byte(reader *r)
{
    if (left(r) == 0) {
        fail(r, TM_ECORRUPT);
        return 0;
    }
    return *r->at++;
}

static uint64_t take_fixed(reader *r, size_t bytes)
{
    if (left(r) < bytes) {
        fail(r, TM_ECORRUPT);
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)*r->at++ << (8 * i);
    return value;
}

/* A last byte of zero, or bits above 2^64, are not what put_number writes. */
static uint64_t take_number(reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned byte = take_byte(r);
        uint64_t bits = byte & 0x7f;
        if ((shift == 63 && bits > 1) || (shift > 0 && byte == 0))
            break;
        value |= bits << shift;
        if (byte < 0x80)
            return value;
    }
    fail(r, TM_ECORRUPT);
    return 0;
}

static int64_t take_signed(reader *r)
{
    uint64_t value = take_number(r);
    return (int64_t)((value >> 1) ^ (value & 1 ? UINT64_MAX : 0));
}

/* How many items follow, each of at least `least` bytes: never more than there are bytes for. */
static size_t take_count(reader *r, size_t least)
{
    uint64_t count = take_number(r);
    if (count > left(r) / least) {
        fail(r, TM_ECORRUPT);
        return 0;
    }
    return (size_t)count;
}

static const char *take_text(reader *r, size_t *len)
{
    *len = take_count(r, 1);
    const char *text = (const char *)r->at;
    r->at += *len;
    return text;
}

/* A copy with a NUL; a text that has one in it already is not what put_string wrote. */
static const char *take_string(reader *r, tm__arena *arena)
{
    size_t len;
    const char *text = take_text(r, &len);
    if (len > 0 && memchr(text, '\0', len))
        fail(r, TM_ECORRUPT);
    const char *copy = tm__arena_copy(arena, text, len);
    if (!copy)
        fail(r, TM_ENOMEM);
    return copy;
}

static void take_values(reader *r, const tm__ledger_family *family, tm_number *out)
{
    for (size_t part = 0; part < family->value_count; part++)
        out[part].u = tm__family_part_is_double(&family->info, part) ? take_fixed(r, 8) : take_number(r);
}

/* ---- families and series ------------------------------------------------------------------------------------- */

static void take_buckets(reader *r, tm__arena *arena, tm_family *out)
{
    out->bucket_count = take_count(r, 8);
    double *buckets = tm__arena_alloc(arena, (out->bucket_count + 1) * sizeof *buckets);
    if (!buckets) {
        fail(r, TM_ENOMEM);
        return;
    }
    for (size_t i = 0; i < out->bucket_count; i++)
        buckets[i] = ((tm_number){.u = take_fixed(r, 8)}).d;
    out->buckets = buckets;
}

static void add_family(reader *r, tm__ledger *ledger, const tm_family *family)
{
    bool is_new = tm__family_check(family) == TM_OK && !tm__ledger_find_family(ledger, family->name) &&
                  !tm__ledger_has_samples_like(ledger, family);
    tm__ledger_family *added;
    if (!is_new)
        fail(r, TM_ECORRUPT);
    else if (tm__ledger_add_family(ledger, family, &added) != TM_OK)
        fail(r, TM_ENOMEM);
    else if (added->info.bucket_count != family->bucket_count)
        fail(r, TM_ECORRUPT);
}

static void take_family(reader *r, tm__ledger *ledger)
{
    tm__arena scratch = {0};
    tm_family family = {.size = sizeof family};
    family.name = take_string(r, &scratch);
    family.type = (tm_type)take_byte(r);
    family.aggregation = (tm_aggregation)take_byte(r);
    family.unit = take_string(r, &scratch);
    family.help = take_string(r, &scratch);
    if (family.type == TM_TYPE_HISTOGRAM)
        take_buckets(r, &scratch, &family);
    if (r->status == TM_OK)
        add_family(r, ledger, &family);
    tm__arena_free(&scratch);
}

static void take_families(reader *r, tm__ledger *ledger)
{
    for (size_t count = take_count(r, 5); count > 0 && r->status == TM_OK; count--)
        take_family(r, ledger);
}

static void take_one_series(reader *r, tm__ledger *ledger, tm__ledger_family *const *families)
{
    size_t labels_len;
    uint64_t place = take_number(r);
    const char *labels = take_text(r, &labels_len);
    if (r->status == TM_OK && (place >= ledger->family_count || !tm__labels_ok(labels, labels_len) ||
                               tm__ledger_find_series(ledger, families[place], labels, labels_len)))
        fail(r, TM_ECORRUPT);
    tm__ledger_series *series;
    if (r->status != TM_OK)
        return;
    if (tm__ledger_add_series(ledger, families[place], labels, labels_len, &series) != TM_OK)
        fail(r, TM_ENOMEM);
    else if (series->totals)
        take_values(r, series->family, series->totals);
}

static void take_series(reader *r, tm__ledger *ledger)
{
    tm__ledger_family **families = malloc((ledger->family_count + 1) * sizeof(*families));
    if (!families) {
        fail(r, TM_ENOMEM);
        return;
    }
    for (tm__ledger_family *family = ledger->families; family; family = family->next)
        families[family->index] = family;
    size_t count = take_count(r, 2);
    /* Real series take more than this; a count that is only claimed gets no more memory than its bytes are worth. */
    size_t likely = count < left(r) / 16 ? count : left(r) / 16;
    if (tm__table_reserve(&ledger->by_labels, likely) != TM_OK)
        fail(r, TM_ENOMEM);
    for (; count > 0 && r->status == TM_OK; count--)
        take_one_series(r, ledger, families);
    free(families);
}

/* ---- instances ----------------------------------------------------------------------------------------------- */

/* The series by their places, and for each, which instance was the last that was found to hold it. */
typedef struct places {
    tm__ledger_series **series;
    size_t *last_holder;
} places;

static void take_held(reader *r, tm__ledger *ledger, tm__held_list *list, bool gauges, const places *by_place,
                      size_t holder)
{
    int64_t place = 0;
    for (size_t count = take_count(r, 2); count > 0 && r->status == TM_OK; count--) {
        int64_t step = take_signed(r);
        bool ok = !__builtin_add_overflow(place, step, &place) && place >= 0 && (uint64_t)place < ledger->series_count;
        tm__ledger_series *series = ok ? by_place->series[place] : NULL;
        tm__held *held;
        if (!ok || by_place->last_holder[place] == holder || gauges != !series->totals) {
            fail(r, TM_ECORRUPT);
        } else if (tm__held_add(list, series, &held) != TM_OK) {
            fail(r, TM_ENOMEM);
        } else {
            by_place->last_holder[place] = holder;
            take_values(r, series->family, held->values);
            held->revision = gauges ? take_number(r) : 0;
            if (held->revision > ledger->revision || gauges != (held->revision > 0))
                fail(r, TM_ECORRUPT);
        }
    }
}

static void fill_instance(reader *r, tm__ledger *ledger, tm__ledger_instance *instance, const places *by_place)
{
    size_t holder = ledger->instance_count + 1;
    instance->last_seq = take_number(r);
    instance->seen_ms = take_signed(r);
    instance->told_ms = (int64_t)((uint64_t)take_signed(r) + (uint64_t)instance->seen_ms);
    unsigned flags = take_byte(r);
    instance->values_expired = flags & TM__LEDGER_VALUES_EXPIRED;
    instance->had_refusals = flags & TM__LEDGER_HAD_REFUSALS;
    take_held(r, ledger, &instance->values, false, by_place, holder);
    take_held(r, ledger, &instance->gauges, true, by_place, holder);
    if (instance->last_seq == 0 || instance->told_ms < instance->seen_ms ||
        flags > (TM__LEDGER_VALUES_EXPIRED | TM__LEDGER_HAD_REFUSALS) ||
        (instance->values_expired && instance->values.count > 0))
        fail(r, TM_ECORRUPT);
}

static void take_instance(reader *r, tm__ledger *ledger, const places *by_place)
{
    size_t name_len;
    tm__ledger_instance *instance;
    const char *name = take_text(r, &name_len);
    if (r->status != TM_OK)
        return;
    if (tm__instance_new(name, name_len, &instance) != TM_OK) {
        fail(r, TM_ENOMEM);
        return;
    }
    if (strlen(instance->name) != name_len || !tm__instance_name_ok(instance->name) ||
        tm__ledger_find_instance(ledger, instance->name))
        fail(r, TM_ECORRUPT);
    fill_instance(r, ledger, instance, by_place);
    if (r->status == TM_OK && tm__ledger_put_instance(ledger, instance) != TM_OK)
        fail(r, TM_ENOMEM);
    if (r->status != TM_OK)
        tm__instance_free(instance);
}

static void take_instances(reader *r, tm__ledger *ledger)
{
    places by_place = {.series = malloc((ledger->series_count + 1) * sizeof *by_place.series),
                       .last_holder = calloc(ledger->series_count + 1, sizeof *by_place.last_holder)};
    if (by_place.series && by_place.last_holder) {
        for (tm__ledger_series *series = ledger->series; series; series = series->next)
            by_place.series[series->index] = series;
        for (size_t count = take_count(r, 7); count > 0 && r->status == TM_OK; count--)
            take_instance(r, ledger, &by_place);
    } else {
        fail(r, TM_ENOMEM);
    }
    free(by_place.series);
    free(by_place.last_holder);
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

/* The checksum comes first: damage must not pass for a later version. */
static void take_header(reader *r, tm__ledger *ledger, tm_error *error)
{
    size_t len = left(r);
    if (len < TM__LEDGER_HEADER_BYTES + TM__LEDGER_CHECKSUM_BYTES ||
        memcmp(r->at, TM__LEDGER_MAGIC, strlen(TM__LEDGER_MAGIC)) != 0) {
        tm__fail(error, TM_ECORRUPT, "ledger: this is none, or it has been cut short");
        fail(r, TM_ECORRUPT);
        return;
    }
    r->end -= TM__LEDGER_CHECKSUM_BYTES;
    reader checksum = {.at = r->end, .end = r->end + TM__LEDGER_CHECKSUM_BYTES};
    bool whole = take_fixed(&checksum, TM__LEDGER_CHECKSUM_BYTES) == tm__hash(r->at, left(r), 0);
    r->at += strlen(TM__LEDGER_MAGIC);
    uint64_t version = take_fixed(r, 4);
    if (!whole || take_fixed(r, 8) != len) {
        tm__fail(error, TM_ECORRUPT, "ledger: it has been cut short or its checksum is wrong");
        fail(r, TM_ECORRUPT);
        return;
    }
    if (version != TM__LEDGER_VERSION) {
        tm__fail(error, TM_EUNSUPPORTED, "ledger: version %llu of the format is not known here",
                 (unsigned long long)version);
        fail(r, TM_EUNSUPPORTED);
        return;
    }
    memcpy(ledger->id, r->at, sizeof ledger->id);
    r->at += sizeof ledger->id;
}

static void take_body(reader *r, tm__ledger *ledger)
{
    ledger->revision = take_number(r);
    ledger->retired_until_ms = take_signed(r);
    take_families(r, ledger);
    take_series(r, ledger);
    take_instances(r, ledger);
    if (left(r) > 0)
        fail(r, TM_ECORRUPT);
}

int tm__ledger_decode(const void *bytes, size_t len, tm__ledger **out, tm_error *error)
{
    int status = tm__ledger_make(out);
    if (status != TM_OK)
        return tm__fail(error, status, "ledger: %s", tm_status_text(status));
    reader r = {.at = bytes, .end = len > 0 ? (const unsigned char *)bytes + len : bytes};
    take_header(&r, *out, error);
    if (r.status == TM_OK) {
        take_body(&r, *out);
        if (r.status != TM_OK)
            tm__fail(error, r.status, "ledger: %s", tm_status_text(r.status));
    }
    if (r.status != TM_OK) {
        tm__ledger_free(*out);
        *out = NULL;
    }
    return r.status;
}
