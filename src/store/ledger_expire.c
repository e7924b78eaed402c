/* What a ledger forgets of instances that are silent. */
#include "store/ledger_state.h"

#include <string.h>

bool tm__instance_silent(const tm__ledger_instance *instance, int64_t now_ms, int64_t limit_ms)
{
    return now_ms > instance->seen_ms && (uint64_t)now_ms - (uint64_t)instance->seen_ms > (uint64_t)limit_ms;
}

void tm__instance_seen(tm__ledger_instance *instance, int64_t now_ms)
{
    instance->seen_ms = now_ms;
    if (instance->told_ms < now_ms)
        instance->told_ms = now_ms;
}

void tm__instance_expire_values(tm__ledger_instance *instance)
{
    tm__instance_forget_numbers(instance);
    tm__held_free(&instance->values);
    instance->values_expired = true;
}

bool tm__ledger_may_have_retired(const tm__ledger *ledger, const tm_batch *batch)
{
    static const unsigned char nobody[TM_STORE_ID_BYTES];
    bool was_known_somewhere = memcmp(batch->known_store_id, nobody, sizeof nobody) != 0;
    return was_known_somewhere && batch->first_time_ms <= ledger->retired_until_ms;
}

/* ---- gauges that nobody has any more ------------------------------------------------------------------------- */

static void mark_used(tm__ledger *ledger)
{
    for (tm__ledger_series *series = ledger->series; series; series = series->next)
        series->used = series->totals != NULL;
    for (tm__ledger_instance *instance = ledger->instances; instance; instance = instance->next)
        for (tm__held *held = instance->gauges.first; held; held = held->next)
            held->series->used = true;
    for (tm__ledger_family *family = ledger->families; family; family = family->next)
        family->used = false;
    for (tm__ledger_series *series = ledger->series; series; series = series->next)
        if (series->used)
            series->family->used = true;
}

static void drop_unused_series(tm__ledger *ledger)
{
    tm__ledger_series **link = &ledger->series;
    size_t count = 0;
    while (*link) {
        tm__ledger_series *series = *link;
        if (series->used) {
            series->index = count++;
            link = &series->next;
        } else {
            tm__table_remove(&ledger->by_labels, series->hash, series);
            *link = series->next;
        }
    }
    ledger->series_end = link;
    ledger->series_count = count;
}

static void drop_unused_families(tm__ledger *ledger)
{
    tm__ledger_family **link = &ledger->families;
    size_t count = 0;
    while (*link) {
        tm__ledger_family *family = *link;
        if (family->used) {
            family->index = count++;
            link = &family->next;
        } else {
            tm__table_remove(&ledger->by_name, family->name_hash, family);
            tm__table_remove(&ledger->by_printed, family->printed_hash, family);
            *link = family->next;
        }
    }
    ledger->families_end = link;
    ledger->family_count = count;
}

/* ---- silent instances ---------------------------------------------------------------------------------------- */

/* The counts of a retired instance stay in the totals; it itself and its gauges go. */
static void retire(tm__ledger *ledger, tm__ledger_instance **link)
{
    tm__ledger_instance *instance = *link;
    if (ledger->retired_until_ms < instance->told_ms)
        ledger->retired_until_ms = instance->told_ms;
    tm__table_remove(&ledger->by_instance, instance->hash, instance);
    *link = instance->next;
    ledger->instance_count--;
    tm__instance_free(instance);
}

static void sweep(tm__ledger *ledger, const tm__ledger_rules *rules, int64_t now_ms)
{
    size_t before = ledger->instance_count;
    tm__ledger_instance **link = &ledger->instances;
    while (*link) {
        tm__ledger_instance *instance = *link;
        /* A clock that was ahead for a while must not make the instances it saw then immortal. */
        if (instance->seen_ms > now_ms)
            instance->seen_ms = now_ms;
        if (tm__instance_silent(instance, now_ms, rules->retention_ms)) {
            retire(ledger, link);
            continue;
        }
        if (!instance->values_expired && tm__instance_silent(instance, now_ms, rules->values_ttl_ms))
            tm__instance_expire_values(instance);
        link = &instance->next;
    }
    ledger->instances_end = link;
    ledger->calls_until_sweep = ledger->instance_count;
    if (ledger->instance_count == before)
        return;
    mark_used(ledger);
    drop_unused_series(ledger);
    drop_unused_families(ledger);
}

void tm__ledger_expire(tm__ledger *ledger, const char *name, const tm__ledger_rules *rules, int64_t now_ms)
{
    tm__ledger_instance *instance = tm__ledger_find_instance(ledger, name);
    bool to_retire = instance && tm__instance_silent(instance, now_ms, rules->retention_ms);
    if (to_retire || ledger->calls_until_sweep == 0) {
        sweep(ledger, rules, now_ms);
        return;
    }
    ledger->calls_until_sweep--;
    if (instance && !instance->values_expired && tm__instance_silent(instance, now_ms, rules->values_ttl_ms))
        tm__instance_expire_values(instance);
}
