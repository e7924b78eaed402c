/* Applying a batch. First everything that needs memory, then the answer that cannot fail any more. */
#include "store/ledger_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/family.h"
#include "base/labels.h"
#include "base/names.h"

/* Where a change belongs, or why it is refused. */
typedef struct target {
    tm__ledger_series *series; /* NULL: that of held */
    tm__held *held;            /* NULL: the instance's values have expired, only the total moves */
    int status;
} target;

typedef struct application {
    tm__ledger *ledger;
    const tm_batch *batch;
    tm__ledger_instance *instance;
    bool is_new; /* the instance is in no ledger yet */
    target *targets;
    tm__ledger_mark ledger_mark;
    tm__held_mark values_mark;
    tm__held_mark gauges_mark;
} application;

/* ---- where the changes belong -------------------------------------------------------------------------------- */

static int find_or_add_family(tm__ledger *ledger, const tm_family *family, tm__ledger_family **out)
{
    *out = tm__ledger_find_family(ledger, family->name);
    if (*out)
        return tm__family_same(&(*out)->info, family) ? TM_OK : TM_ECONFLICT;
    bool taken = tm__ledger_has_samples_like(ledger, family);
    return taken ? TM_ECONFLICT : tm__ledger_add_family(ledger, family, out);
}

static int find_or_add_series(tm__ledger *ledger, tm__ledger_family *family, const tm_change *change,
                              tm__ledger_series **out)
{
    *out = tm__ledger_find_series(ledger, family, change->labels, change->labels_bytes);
    return *out ? TM_OK : tm__ledger_add_series(ledger, family, change->labels, change->labels_bytes, out);
}

static tm__ledger_series *series_of(const target *t)
{
    return t->series ? t->series : t->held->series;
}

static tm_number *totals_of(const target *t)
{
    return t->held ? t->held->totals : t->series->totals;
}

static int find_or_add_held(const application *a, const tm_change *change, target *t)
{
    bool is_gauge = !t->series->totals;
    if (!is_gauge && a->instance->values_expired)
        return TM_OK;
    int status = tm__held_get(is_gauge ? &a->instance->gauges : &a->instance->values, t->series, &t->held);
    if (status == TM_OK && a->batch->series)
        tm__instance_remember(a->instance, a->batch->series[change - a->batch->changes], t->held);
    return status;
}

/* What the instance's earlier batches found for the number of the series, or NULL. */
static tm__held *recall(const application *a, const tm_change *change)
{
    if (!a->batch->series)
        return NULL;
    return tm__instance_recall(a->instance, a->batch->series[change - a->batch->changes]);
}

/* A known series of a family. Batches have their series in the same order each time, so the one that stands behind the
 * one before is mostly the one. */
static tm__ledger_series *find_series(const application *a, tm__ledger_family *family, const tm_change *change,
                                      const target *previous)
{
    tm__ledger_series *next = series_of(previous)->next;
    if (next && next->family == family && next->labels_len == change->labels_bytes &&
        memcmp(next->labels, change->labels, change->labels_bytes) == 0)
        return next;
    return tm__ledger_find_series(a->ledger, family, change->labels, change->labels_bytes);
}

/* `previous` is where the change before this one belongs, or NULL. Nothing is added for a change that is refused. */
static int find_target(const application *a, const tm_change *change, const target *previous, target *out)
{
    *out = (target){0};
    const tm_change *before = previous && previous->status == TM_OK ? change - 1 : NULL;
    bool same_family = before && before->family == change->family;
    int status = same_family ? TM_OK : tm__family_check(change->family);
    if (status != TM_OK)
        return status;
    if (change->part >= tm__family_value_count(change->family))
        return TM_EINVAL;
    if (same_family && before->labels == change->labels && before->labels_bytes == change->labels_bytes) {
        *out = *previous;
        return TM_OK;
    }
    out->held = same_family ? recall(a, change) : NULL;
    if (out->held)
        return TM_OK;
    tm__ledger_family *family = same_family ? series_of(previous)->family : NULL;
    if (family)
        out->series = find_series(a, family, change, previous);
    if (!out->series && !tm__labels_ok(change->labels, change->labels_bytes)) /* labels that are here are canonical */
        return TM_ELABEL;
    if (!family)
        status = find_or_add_family(a->ledger, change->family, &family);
    if (status == TM_OK && !out->series)
        status = find_or_add_series(a->ledger, family, change, &out->series);
    if (status == TM_OK)
        status = find_or_add_held(a, change, out);
    return status;
}

static int find_targets(application *a)
{
    a->targets = malloc((a->batch->change_count + 1) * sizeof *a->targets);
    int status = a->targets ? TM_OK : TM_ENOMEM;
    for (size_t i = 0; i < a->batch->change_count && status == TM_OK; i++) {
        target *t = &a->targets[i];
        t->status = find_target(a, &a->batch->changes[i], i > 0 ? t - 1 : NULL, t);
        status = t->status == TM_ENOMEM ? TM_ENOMEM : TM_OK;
    }
    if (status == TM_OK && a->is_new)
        status = tm__ledger_put_instance(a->ledger, a->instance);
    return status;
}

/* ---- moving the numbers -------------------------------------------------------------------------------------- */

/* A description with a help text completes one without. Not worth failing for: it comes again. */
static void adopt_help(tm__ledger *ledger, tm__ledger_family *family, const tm_family *given)
{
    if (family->info.help[0] || !given->help || !given->help[0])
        return;
    const char *help = tm__arena_copy(&ledger->arena, given->help, strlen(given->help));
    if (help)
        family->info.help = help;
}

static void set_gauge(const tm__ledger *ledger, tm__held *held, tm_number value)
{
    if (held->revision != 0 && held->values[0].u == value.u)
        return;
    held->values[0] = value;
    held->revision = ledger->revision;
}

/* TM_EOVERFLOW: nothing has moved. */
static int add_count(uint64_t *total, uint64_t delta)
{
    if (*total > UINT64_MAX - delta)
        return TM_EOVERFLOW;
    *total += delta;
    return TM_OK;
}

static int take_change(const application *a, const tm_change *change, const target *t)
{
    tm_number *totals = totals_of(t);
    if (!totals) {
        set_gauge(a->ledger, t->held, change->value);
        return TM_OK;
    }
    tm_number *total = &totals[change->part];
    if (tm__family_part_is_double(change->family, change->part))
        total->d += change->delta.d;
    else if (add_count(&total->u, change->delta.u) != TM_OK)
        return TM_EOVERFLOW;
    if (t->held)
        t->held->values[change->part] = change->value;
    return TM_OK;
}

/* Whether value and delta fit what is remembered. If not, the instance counts from a baseline that this ledger does not
 * know, and what is remembered must never be taken for all that the totals hold of it. */
static bool fits_memory(const tm_change *change, const target *t)
{
    if (t->status != TM_OK || !t->held || tm__family_part_is_double(change->family, change->part))
        return true;
    return change->value.u >= change->delta.u && t->held->values[change->part].u == change->value.u - change->delta.u;
}

static void commit(application *a, tm_reply *reply)
{
    bool fits = true;
    if (a->ledger->revision < UINT64_MAX) /* a forged ledger may be there already */
        a->ledger->revision++;
    a->ledger->changed = true;
    a->instance->last_seq = a->batch->seq;
    a->instance->had_refusals = false;
    for (size_t i = 0; i < a->batch->change_count; i++) {
        const tm_change *change = &a->batch->changes[i];
        const target *t = &a->targets[i];
        fits = fits && fits_memory(change, t);
        if (t->status == TM_OK && (i == 0 || change->family != change[-1].family))
            adopt_help(a->ledger, series_of(t)->family, change->family);
        int status = t->status == TM_OK ? take_change(a, change, t) : t->status;
        if (status != TM_OK) {
            a->instance->had_refusals = true;
            reply->refused(reply->ctx, i, status);
        }
    }
    if (!fits)
        tm__instance_expire_values(a->instance);
}

static void undo(application *a)
{
    if (a->is_new) {
        tm__instance_free(a->instance);
    } else {
        tm__instance_forget_numbers(a->instance);
        tm__held_back_to(&a->instance->values, a->values_mark);
        tm__held_back_to(&a->instance->gauges, a->gauges_mark);
    }
    tm__ledger_back_to(a->ledger, a->ledger_mark);
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static int answer_applied(tm__ledger *ledger, const tm_batch *batch, tm__ledger_instance *known, int64_t now_ms,
                          tm_reply *reply, tm_error *error)
{
    application a = {.ledger = ledger, .batch = batch, .instance = known, .is_new = !known};
    int status = known ? TM_OK : tm__instance_new(batch->instance, strlen(batch->instance), &a.instance);
    if (status != TM_OK)
        return tm__fail(error, status, "ledger: %s", tm_status_text(status));
    if (a.is_new)
        a.instance->values_expired = tm__ledger_may_have_retired(ledger, batch);
    a.ledger_mark = tm__ledger_here(ledger);
    a.values_mark = tm__held_here(&a.instance->values);
    a.gauges_mark = tm__held_here(&a.instance->gauges);
    status = find_targets(&a);
    if (status == TM_OK) {
        tm__instance_seen(a.instance, now_ms);
        commit(&a, reply);
        reply->answer = TM_ANSWER_APPLIED;
        reply->last_seq = batch->seq;
        reply->time_ms = a.instance->told_ms;
    } else {
        undo(&a);
        tm__fail(error, status, "ledger: %s", tm_status_text(status));
    }
    free(a.targets);
    return status;
}

static int64_t shortest_memory(const tm__ledger_rules *rules)
{
    int64_t shortest = rules->liveness_ms;
    if (shortest > rules->values_ttl_ms)
        shortest = rules->values_ttl_ms;
    return shortest > rules->retention_ms ? rules->retention_ms : shortest;
}

/* A repeated batch is a sign of life, too. That alone is worth keeping only every so often. */
static void answer_duplicate(tm__ledger *ledger, tm__ledger_instance *instance, const tm__ledger_rules *rules,
                             int64_t now_ms, tm_reply *reply)
{
    if (instance->seen_ms > now_ms || tm__instance_silent(instance, now_ms, shortest_memory(rules) / 8)) {
        tm__instance_seen(instance, now_ms);
        ledger->changed = true;
    }
    reply->answer = TM_ANSWER_DUPLICATE;
    reply->last_seq = instance->last_seq;
    reply->time_ms = instance->told_ms;
}

static int tell_remembered(const tm__ledger_instance *instance, tm_reply *reply)
{
    for (const tm__held *held = instance->values.first; held; held = held->next) {
        const tm__ledger_series *series = held->series;
        for (size_t part = 0; part < series->family->value_count; part++) {
            int status = reply->remembered(reply->ctx, series->family->info.name, series->labels, series->labels_len,
                                           part, held->values[part]);
            if (status != TM_OK)
                return status;
        }
    }
    return TM_OK;
}

static int answer_resync(const tm__ledger_instance *instance, tm_reply *reply, tm_error *error)
{
    reply->answer = TM_ANSWER_RESYNC;
    reply->last_seq = instance->last_seq;
    reply->time_ms = instance->told_ms;
    reply->memory = instance->values_expired ? TM_MEMORY_EXPIRED : TM_MEMORY_VALUES;
    int status = tell_remembered(instance, reply);
    return status == TM_OK ? TM_OK : tm__fail(error, status, "ledger: %s", tm_status_text(status));
}

static int answer_unknown(const tm__ledger *ledger, const tm_batch *batch, int64_t now_ms, tm_reply *reply)
{
    reply->answer = TM_ANSWER_RESYNC;
    reply->last_seq = 0;
    reply->memory = tm__ledger_may_have_retired(ledger, batch) ? TM_MEMORY_EXPIRED : TM_MEMORY_NOTHING;
    reply->time_ms = now_ms;
    return TM_OK;
}

/* ---- the call ------------------------------------------------------------------------------------------------ */

/* An empty batch may have prev as its seq: it only asks whether that is still the last. */
static bool batch_ok(const tm_batch *batch)
{
    return tm__instance_name_ok(batch->instance) && batch->seq > 0 && (batch->changes || batch->change_count == 0) &&
           (batch->seq > batch->prev || (batch->seq == batch->prev && batch->change_count == 0));
}

/* With refused numbers, a repetition must learn which were taken; it cannot if they are forgotten, and then counting
 * too little is better than counting twice. A caller that has `prev` right has had the answer. */
static bool is_duplicate(const tm__ledger_instance *instance, const tm_batch *batch)
{
    return batch->seq == instance->last_seq &&
           (!instance->had_refusals || instance->values_expired || batch->prev == instance->last_seq);
}

int tm__ledger_apply(tm__ledger *ledger, const tm_batch *batch, const tm__ledger_rules *rules, int64_t now_ms,
                     tm_reply *reply, tm_error *error)
{
    if (!batch_ok(batch))
        return tm__fail(error, TM_EINVAL, "ledger: the batch has a bad instance name or sequence number");
    tm__ledger_expire(ledger, batch->instance, rules, now_ms);
    tm__ledger_instance *instance = tm__ledger_find_instance(ledger, batch->instance);
    memcpy(reply->store_id, ledger->id, sizeof reply->store_id);
    reply->memory = TM_MEMORY_NOTHING;
    reply->bytes = 0;
    if (!instance && batch->prev != 0)
        return answer_unknown(ledger, batch, now_ms, reply);
    if (instance && is_duplicate(instance, batch)) {
        answer_duplicate(ledger, instance, rules, now_ms, reply);
        return TM_OK;
    }
    if (instance && instance->last_seq != batch->prev)
        return answer_resync(instance, reply, error);
    return answer_applied(ledger, batch, instance, now_ms, reply, error);
}
