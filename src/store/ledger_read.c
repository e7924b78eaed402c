/* From a ledger to a snapshot of the aggregate. */
#include "store/ledger_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/family.h"
#include "base/labels.h"
#include "snapshot/snapshot.h"

/* Where a family is in the snapshot. */
enum { NOT_THERE = -1, LEFT_OUT = -2 };

/* What the instances that speak say of a gauge, together. */
typedef struct aggregate {
    double value;
    uint64_t revision;
    bool any;
} aggregate;

typedef struct reading {
    const tm__ledger *ledger;
    const tm__ledger_rules *rules;
    int64_t now_ms;
    tm_snapshot *into;
    ptrdiff_t *places;     /* by index of a family */
    aggregate *aggregates; /* by index of a series */
} reading;

/* ---- adding to the snapshot ---------------------------------------------------------------------------------- */

/* Families of the same name unite with those of ledgers that were read before. One that disagrees is left out: the
 * snapshot would contradict itself. */
static void place_families(reading *r)
{
    for (size_t i = 0; i < r->ledger->family_count; i++)
        r->places[i] = NOT_THERE;
    for (size_t i = 0; i < r->into->family_count; i++) {
        const tm__snapshot_family *there = &r->into->families[i];
        const tm__ledger_family *named = tm__ledger_find_family(r->ledger, there->info->name);
        const tm__ledger_family *printed = tm__ledger_find_printed(r->ledger, there->printed);
        if (printed)
            r->places[printed->index] = LEFT_OUT;
        if (named)
            r->places[named->index] = tm__family_same(&named->info, there->info) ? (ptrdiff_t)i : LEFT_OUT;
    }
}

static int add_family(reading *r, const tm__ledger_family *family)
{
    tm_family *info = tm__arena_alloc(&r->into->arena, sizeof *info);
    char *printed = tm__arena_copy(&r->into->arena, family->printed, strlen(family->printed));
    if (!info || !printed || tm__ledger_copy_family(&family->info, &r->into->arena, info) != TM_OK ||
        !tm__snapshot_borrow_family(r->into, info, printed, 0))
        return TM_ENOMEM;
    r->places[family->index] = (ptrdiff_t)r->into->family_count - 1;
    return TM_OK;
}

static int add_series(reading *r, const tm__ledger_family *family, const char *labels, size_t labels_len,
                      const tm_number *values)
{
    if (r->places[family->index] == LEFT_OUT)
        return TM_OK;
    if (r->places[family->index] == NOT_THERE && add_family(r, family) != TM_OK)
        return TM_ENOMEM;
    char *labels_copy = tm__arena_copy(&r->into->arena, labels, labels_len);
    tm_number *values_copy = tm__arena_alloc(&r->into->arena, family->value_count * sizeof *values_copy);
    if (!labels_copy || !values_copy)
        return TM_ENOMEM;
    memcpy(values_copy, values, family->value_count * sizeof *values_copy);
    tm__snapshot_family *place = &r->into->families[r->places[family->index]];
    return tm__snapshot_borrow_series(place, labels_copy, labels_len, values_copy) ? TM_OK : TM_ENOMEM;
}

/* A series whose labels leave no room for one more is not broken down. */
static int add_of_instance(reading *r, const tm__ledger_instance *instance, const tm__held *held)
{
    const tm__ledger_series *series = held->series;
    tm__labels_text labels;
    if (tm__labels_insert(series->labels, series->labels_len, "instance", instance->name, &labels) != TM_OK)
        return TM_OK;
    return add_series(r, series->family, labels.text, labels.len, held->values);
}

/* ---- aggregates ---------------------------------------------------------------------------------------------- */

static bool speaks(const reading *r, const tm__ledger_instance *instance)
{
    return !tm__instance_silent(instance, r->now_ms, r->rules->liveness_ms) &&
           !tm__instance_silent(instance, r->now_ms, r->rules->retention_ms);
}

static void fold(aggregate *into, tm_aggregation how, const tm__held *held)
{
    double value = held->values[0].d;
    if (!into->any || (how == TM_AGGREGATE_LAST && held->revision > into->revision))
        *into = (aggregate){value, held->revision, true};
    else if (how == TM_AGGREGATE_SUM)
        into->value += value;
    else if (how == TM_AGGREGATE_MIN)
        into->value = fmin(into->value, value);
    else if (how == TM_AGGREGATE_MAX)
        into->value = fmax(into->value, value);
}

static void fold_gauges(reading *r)
{
    for (const tm__ledger_instance *instance = r->ledger->instances; instance; instance = instance->next)
        if (speaks(r, instance))
            for (const tm__held *held = instance->gauges.first; held; held = held->next)
                fold(&r->aggregates[held->series->index], held->series->family->info.aggregation, held);
}

static int add_totals(reading *r)
{
    int status = TM_OK;
    for (const tm__ledger_series *series = r->ledger->series; series && status == TM_OK; series = series->next) {
        const aggregate *gauge = &r->aggregates[series->index];
        tm_number value = {.d = gauge->value};
        if (series->totals)
            status = add_series(r, series->family, series->labels, series->labels_len, series->totals);
        else if (gauge->any && series->family->info.aggregation != TM_AGGREGATE_EACH)
            status = add_series(r, series->family, series->labels, series->labels_len, &value);
    }
    return status;
}

/* ---- by instance --------------------------------------------------------------------------------------------- */

static int add_gauges_of(reading *r, const tm__ledger_instance *instance, bool all)
{
    int status = TM_OK;
    for (const tm__held *held = instance->gauges.first; held && status == TM_OK; held = held->next)
        if (all || held->series->family->info.aggregation == TM_AGGREGATE_EACH)
            status = add_of_instance(r, instance, held);
    return status;
}

static int add_values_of(reading *r, const tm__ledger_instance *instance)
{
    int status = TM_OK;
    for (const tm__held *held = instance->values.first; held && status == TM_OK; held = held->next)
        status = add_of_instance(r, instance, held);
    return status;
}

static int add_instances(reading *r, bool all)
{
    int status = TM_OK;
    for (const tm__ledger_instance *instance = r->ledger->instances; instance && status == TM_OK;
         instance = instance->next) {
        if (speaks(r, instance))
            status = add_gauges_of(r, instance, all);
        if (status == TM_OK && all && !tm__instance_silent(instance, r->now_ms, r->rules->values_ttl_ms))
            status = add_values_of(r, instance);
    }
    return status;
}

int tm__ledger_read(const tm__ledger *ledger, const tm_read_options *options, const tm__ledger_rules *rules,
                    int64_t now_ms, tm_snapshot *into, tm_error *error)
{
    reading r = {.ledger = ledger, .rules = rules, .now_ms = now_ms, .into = into};
    r.places = malloc((ledger->family_count + 1) * sizeof *r.places);
    r.aggregates = calloc(ledger->series_count + 1, sizeof *r.aggregates);
    int status = r.places && r.aggregates ? TM_OK : TM_ENOMEM;
    if (status == TM_OK) {
        place_families(&r);
        fold_gauges(&r);
        status = add_totals(&r);
    }
    if (status == TM_OK)
        status = add_instances(&r, options->include_instances);
    free(r.places);
    free(r.aggregates);
    return status == TM_OK ? TM_OK : tm__fail(error, status, "ledger: %s", tm_status_text(status));
}
