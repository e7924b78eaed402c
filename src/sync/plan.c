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

/* begin[p + 1] receives the number of runs in partition p, then the sums of all before. */
static void count_runs(const tm_snapshot *snapshot, size_t partition_count, size_t *begin)
{
    for (size_t i = 0; i < snapshot->family_count; i++) {
        const tm__snapshot_family *family = &snapshot->families[i];
        size_t length = partition_count == 1 ? family->series_count : 1;
        uint64_t name_hash = hash_of_name(family);
        for (size_t k = 0; k < family->series_count; k += length)
            begin[partition_of(name_hash, &family->series[k], partition_count) + 1]++;
    }
    for (size_t p = 0; p < partition_count; p++)
        begin[p + 1] += begin[p];
}

static void place_runs(const tm_snapshot *snapshot, size_t partition_count, size_t *next, tm__plan_run *runs)
{
    for (size_t i = 0; i < snapshot->family_count; i++) {
        const tm__snapshot_family *family = &snapshot->families[i];
        size_t length = partition_count == 1 ? family->series_count : 1;
        uint64_t name_hash = hash_of_name(family);
        for (size_t k = 0; k < family->series_count; k += length) {
            size_t p = partition_of(name_hash, &family->series[k], partition_count);
            runs[next[p]++] = (tm__plan_run){family->info, &family->series[k], length};
        }
    }
}

int tm__plan_make(const tm_snapshot *snapshot, size_t partition_count, tm__plan *out)
{
    *out = (tm__plan){0};
    out->begin = calloc(partition_count + 1, sizeof *out->begin);
    size_t *next = malloc((partition_count + 1) * sizeof *next);
    if (out->begin && next) {
        count_runs(snapshot, partition_count, out->begin);
        out->runs = malloc((out->begin[partition_count] + 1) * sizeof *out->runs);
    }
    if (out->runs) {
        memcpy(next, out->begin, (partition_count + 1) * sizeof *next);
        place_runs(snapshot, partition_count, next, out->runs);
    }
    free(next);
    if (out->runs)
        return TM_OK;
    tm__plan_free(out);
    return TM_ENOMEM;
}

void tm__plan_free(tm__plan *plan)
{
    free(plan->runs);
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

static bool has_changed(const tm__snapshot_series *series, size_t value_count, const tm__session *session)
{
    if (!session->known[series->first_part])
        return !series->unset;
    const tm_number *baseline = session->baseline + series->first_part;
    for (size_t part = 0; part < value_count; part++)
        if (series->values[part].u != baseline[part].u)
            return true;
    return false;
}

static void add_change(const tm_family *family, const tm__snapshot_series *series, size_t part, tm_number baseline,
                       tm__outgoing *out)
{
    tm_number value = series->values[part];
    tm_number delta = {0};
    if (family->type == TM_TYPE_GAUGE)
        delta = value;
    else if (tm__family_part_is_double(family, part))
        delta.d = sum_delta(value.d, baseline.d);
    else
        delta.u = value.u - baseline.u;
    out->changes[out->count] = (tm_change){family, series->labels, series->labels_len, part, value, delta};
    out->series[out->count] = series->first_part;
    out->refused[out->count] = false;
    out->count++;
}

/* A series the store does not have yet is sent with at least its first number, zero or not, so that it exists there.
 * Returns how many numbers were left out because they are below their baseline. */
static size_t add_changes(const tm_family *family, size_t value_count, const tm__snapshot_series *series,
                          const tm__session *session, tm__outgoing *out)
{
    const tm_number *baseline = session->baseline + series->first_part;
    bool announce = !session->known[series->first_part];
    size_t before = out->count;
    size_t fallen = 0;
    for (size_t part = 0; part < value_count; part++) {
        if (series->values[part].u == baseline[part].u && !(announce && part == 0))
            continue;
        if (!tm__family_part_is_double(family, part) && series->values[part].u < baseline[part].u)
            fallen++;
        else
            add_change(family, series, part, baseline[part], out);
    }
    out->series_count += out->count > before;
    return fallen;
}

static bool fit_changes(tm__outgoing *out, size_t more)
{
    if (out->count + more <= out->capacity)
        return true;
    size_t larger = 2 * out->capacity > out->count + more ? 2 * out->capacity : out->count + more + 64;
    tm_change *changes = realloc(out->changes, larger * sizeof *changes);
    if (!changes)
        return false;
    out->changes = changes;
    uint32_t *series = realloc(out->series, larger * sizeof *series);
    if (!series)
        return false;
    out->series = series;
    bool *refused = realloc(out->refused, larger * sizeof *refused);
    if (!refused)
        return false;
    out->refused = refused;
    out->capacity = larger;
    return true;
}

int tm__plan_next_batch(const tm__plan *plan, const tm__session *session, tm__plan_cursor *cursor, size_t end,
                        size_t max_changes, tm__outgoing *out, size_t *fallen)
{
    for (; cursor->run < end; *cursor = (tm__plan_cursor){cursor->run + 1, 0}) {
        const tm__plan_run *run = &plan->runs[cursor->run];
        size_t value_count = tm__family_value_count(run->family);
        for (; cursor->series < run->count; cursor->series++) {
            const tm__snapshot_series *series = &run->series[cursor->series];
            if (!has_changed(series, value_count, session))
                continue;
            if (max_changes > 0 && out->count > 0 && out->count + value_count > max_changes)
                return TM_OK;
            if (!fit_changes(out, value_count)) {
                tm__outgoing_free(out);
                return TM_ENOMEM;
            }
            *fallen += add_changes(run->family, value_count, series, session, out);
        }
    }
    return TM_OK;
}
