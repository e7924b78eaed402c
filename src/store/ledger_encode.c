#include <string.h>

#include "base/family.h"
#include "base/hash.h"
#include "store/ledger_format.h"
#include "store/ledger_state.h"

static void put_byte(tm__buffer *out, unsigned byte)
{
    if (tm__buffer_reserve(out, 1))
        out->data[out->len++] = (char)byte;
}

static void put_fixed(tm__buffer *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        put_byte(out, (unsigned)(value >> (8 * i)) & 0xff);
}

static void put_number(tm__buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(out, (unsigned)(value & 0x7f) | 0x80);
    put_byte(out, (unsigned)value);
}

static void put_signed(tm__buffer *out, int64_t value)
{
    put_number(out, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static void put_text(tm__buffer *out, const char *text, size_t len)
{
    put_number(out, len);
    tm__buffer_append(out, text, len);
}

static void put_string(tm__buffer *out, const char *text)
{
    put_text(out, text, strlen(text));
}

static void put_values(tm__buffer *out, const tm__ledger_family *family, const tm_number *values)
{
    for (size_t part = 0; part < family->value_count; part++)
        if (tm__family_part_is_double(&family->info, part))
            put_fixed(out, values[part].u, 8);
        else
            put_number(out, values[part].u);
}

static void put_family(tm__buffer *out, const tm_family *family)
{
    put_string(out, family->name);
    put_byte(out, family->type);
    put_byte(out, family->aggregation);
    put_string(out, family->unit);
    put_string(out, family->help);
    if (family->type != TM_TYPE_HISTOGRAM)
        return;
    put_number(out, family->bucket_count);
    for (size_t i = 0; i < family->bucket_count; i++)
        put_fixed(out, ((tm_number){.d = family->buckets[i]}).u, 8);
}

static void put_series(tm__buffer *out, const tm__ledger_series *series)
{
    put_number(out, series->family->index);
    put_text(out, series->labels, series->labels_len);
    if (series->totals)
        put_values(out, series->family, series->totals);
}

static void put_held(tm__buffer *out, const tm__held_list *list)
{
    put_number(out, list->count);
    size_t before = 0;
    for (const tm__held *held = list->first; held; held = held->next) {
        put_signed(out, (int64_t)held->series->index - (int64_t)before);
        before = held->series->index;
        put_values(out, held->series->family, held->values);
        if (!held->series->totals)
            put_number(out, held->revision);
    }
}

static void put_instance(tm__buffer *out, const tm__ledger_instance *instance)
{
    put_string(out, instance->name);
    put_number(out, instance->last_seq);
    put_signed(out, instance->seen_ms);
    put_signed(out, (int64_t)((uint64_t)instance->told_ms - (uint64_t)instance->seen_ms));
    put_byte(out, (instance->values_expired ? TM__LEDGER_VALUES_EXPIRED : 0u) |
                      (instance->had_refusals ? TM__LEDGER_HAD_REFUSALS : 0u));
    put_held(out, &instance->values);
    put_held(out, &instance->gauges);
}

static void put_header(tm__buffer *out, const tm__ledger *ledger, uint64_t len)
{
    tm__buffer_append(out, TM__LEDGER_MAGIC, strlen(TM__LEDGER_MAGIC));
    put_fixed(out, TM__LEDGER_VERSION, 4);
    put_fixed(out, len, 8);
    tm__buffer_append(out, ledger->id, sizeof ledger->id);
}

static void put_body(tm__buffer *out, const tm__ledger *ledger)
{
    put_number(out, ledger->revision);
    put_signed(out, ledger->retired_until_ms);
    put_number(out, ledger->family_count);
    for (const tm__ledger_family *family = ledger->families; family; family = family->next)
        put_family(out, &family->info);
    put_number(out, ledger->series_count);
    for (const tm__ledger_series *series = ledger->series; series; series = series->next)
        put_series(out, series);
    put_number(out, ledger->instance_count);
    for (const tm__ledger_instance *instance = ledger->instances; instance; instance = instance->next)
        put_instance(out, instance);
}

/* The header is written twice: the length is known only in the end. */
int tm__ledger_encode(const tm__ledger *ledger, tm__buffer *out)
{
    size_t begin = out->len;
    put_header(out, ledger, 0);
    put_body(out, ledger);
    if (!tm__buffer_reserve(out, TM__LEDGER_CHECKSUM_BYTES))
        return TM_ENOMEM;
    size_t end = out->len;
    out->len = begin;
    put_header(out, ledger, end - begin + TM__LEDGER_CHECKSUM_BYTES);
    out->len = end;
    put_fixed(out, tm__hash(out->data + begin, end - begin, 0), TM__LEDGER_CHECKSUM_BYTES);
    return TM_OK;
}
