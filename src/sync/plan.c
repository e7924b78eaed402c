#include "sync/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/family.h"
#include "base/hash.h"

/* ---- partitions ---------------------------------------------------------------------------------------------- */

static size_t partition_of(uint64_t name_hash, const tm__snapshot_series *series, size_t partition_count)
{
    return partition_count == 1 ? 0 : tm__series_hash(name_hash, series->labels, series->labels_len) % partition_count;
}

static uint64_t hash_of_name(const tm__snapshot_family *family)
{
    return tm__hash(family->info->name, strlen(family->info->name), 0);
}

/* begin[p + 1] receives the number of series in partition p, then the sums of all before. */
static void count_items(const tm_snapshot *snapshot, size_t partition_count, size_t *begin)
{
    for (size_t i = 0; i < snapshot->family_count; i++) {
        const tm__snapshot_family *family = &snapshot->families[i];
        uint64_t name_hash = hash_of_name(family);
        for (size_t k = 0; k < family->series_count; k++)
            begin[partition_of(name_hash, &family->series[k], partition_count) + 1]++;
    }
    for (size_t p = 0; p < partition_count; p++)
        begin[p + 1] += begin[p];
}

static void place_items(const tm_snapshot *snapshot, size_t partition_count, size_t *next, tm__plan_item *items)
{
    for (size_t i = 0; i < snapshot->family_count; i++) {
        const tm__snapshot_family *family = &snapshot->families[i];
        uint64_t name_hash = hash_of_name(family);
        for (size_t k = 0; k < family->series_count; k++) {
            const tm__snapshot_series *series = &family->series[k];
            items[next[partition_of(name_hash, series, partition_count)]++] = (tm__plan_item){family, series};
        }
    }
}

int tm__plan_make(const tm_snapshot *snapshot, size_t partition_count, tm__plan *out)
{
    *out = (tm__plan){0};
    out->begin = calloc(partition_count + 1, sizeof *out->begin);
    size_t *next = malloc((partition_count + 1) * sizeof *next);
    if (out->begin && next) {
        count_items(snapshot, partition_count, out->begin);
        out->items = malloc((out->begin[partition_count] + 1) * sizeof *out->items);
    }
    if (out->items) {
        memcpy(next, out->begin, (partition_count + 1) * sizeof *next);
        place_items(snapshot, partition_count, next, out->items);
    }
    free(next);
    if (out->items)
        return TM_OK;
    tm__plan_free(out);
    return TM_ENOMEM;
}

void tm__plan_free(tm__plan *plan)
{
    free(plan->items);
    free(plan->begin);
    *plan = (tm__plan){0};
}

/* ---- changes ------------------------------------------------------------------------------------------------- */

/* A sum that is not finite cannot be reached by adding a difference to what was finite: it is added whole. */
static double sum_delta(double value, double baseline)
{
    double delta = value - baseline;
    return isfinite(delta) ? delta : value;
}

static bool has_changed(const tm__plan_item *item, const tm__session *session)
{
    const tm__snapshot_series *series = item->series;
    const tm_number *baseline = session->baseline + series->first_part;
    if (!session->known[series->first_part])
        return !series->unset;
    return memcmp(series->values, baseline, tm__family_value_count(item->family->info) * sizeof *baseline) != 0;
}

static void add_change(const tm__plan_item *item, const tm__session *session, size_t part, tm__outgoing *out)
{
    const tm_family *family = item->family->info;
    const tm__snapshot_series *series = item->series;
    tm_number value = series->values[part];
    tm_number baseline = session->baseline[series->first_part + part];
    tm_number delta = {0};
    if (family->type == TM_TYPE_GAUGE)
        delta = value;
    else if (tm__family_part_is_double(family, part))
        delta.d = sum_delta(value.d, baseline.d);
    else
        delta.u = value.u - baseline.u;
    out->changes[out->count] = (tm_change){family, series->labels, series->labels_len, part, value, delta};
    out->sent[out->count] = (tm__sent){series->first_part, (uint32_t)(series->first_part + part)};
    out->count++;
}

/* A series the store does not have yet is sent with at least its first number, zero or not, so that it exists there.
 * Returns how many numbers were left out because they are below their baseline. */
static size_t add_changes(const tm__plan_item *item, const tm__session *session, tm__outgoing *out)
{
    const tm_family *family = item->family->info;
    const tm__snapshot_series *series = item->series;
    const tm_number *baseline = session->baseline + series->first_part;
    bool announce = !session->known[series->first_part];
    size_t before = out->count;
    size_t fallen = 0;
    for (size_t part = 0; part < tm__family_value_count(family); part++) {
        if (series->values[part].u == baseline[part].u && !(announce && part == 0))
            continue;
        if (!tm__family_part_is_double(family, part) && series->values[part].u < baseline[part].u)
            fallen++;
        else
            add_change(item, session, part, out);
    }
    out->series_count += out->count > before;
    return fallen;
}

static bool fit_changes(tm__outgoing *out, size_t *capacity, size_t more)
{
    if (out->count + more <= *capacity)
        return true;
    size_t larger = 2 * *capacity > out->count + more ? 2 * *capacity : out->count + more + 64;
    tm_change *changes = realloc(out->changes, larger * sizeof *changes);
    if (!changes)
        return false;
    out->changes = changes;
    tm__sent *sent = realloc(out->sent, larger * sizeof *sent);
    if (!sent)
        return false;
    out->sent = sent;
    *capacity = larger;
    return true;
}

int tm__plan_next_batch(const tm__plan *plan, const tm__session *session, size_t *cursor, size_t end,
                        size_t max_changes, tm__outgoing *out, size_t *fallen)
{
    size_t capacity = 0;
    for (; *cursor < end; (*cursor)++) {
        const tm__plan_item *item = &plan->items[*cursor];
        if (!has_changed(item, session))
            continue;
        size_t most = tm__family_value_count(item->family->info);
        if (max_changes > 0 && out->count > 0 && out->count + most > max_changes)
            break;
        if (!fit_changes(out, &capacity, most)) {
            tm__outgoing_free(out);
            return TM_ENOMEM;
        }
        *fallen += add_changes(item, session, out);
    }
    return TM_OK;
}
