/* tm_sync_to_cache: the client's side of the exactly-once protocol. */
#include <taskermetrics/sync.h>

#include <string.h>

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/family.h"
#include "base/labels.h"
#include "store/store.h"
#include "sync/plan.h"

enum { ATTEMPTS = 3, RESYNCS = 6 };

/* What one call works with. */
typedef struct job {
    tm_registry *registry;
    tm_store *store;
    tm__sync_state *state;
    tm__session *session;
    tm__plan plan;
    int64_t deadline_ns;
    tm_sync_report report;
} job;

/* The first thing that goes wrong is the one to report. */
static void note_failure(job *j, int status, const tm_error *error)
{
    if (status == TM_OK || j->report.error.status != TM_OK)
        return;
    if (error && error->status == status && error->text[0])
        j->report.error = *error;
    else
        tm__fail(&j->report.error, status, "%s", tm_status_text(status));
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

/* One number that the store remembers of us. */
typedef struct memory {
    uint32_t series;
    uint32_t part;
    tm_number value;
} memory;

/* What the store said while it answered; it counts only once the answer is complete. */
typedef struct answer {
    job *j;
    tm__outgoing *outgoing;
    size_t refused_count;
    int refused_status;
    tm__buffer memories; /* of `memory` */
} answer;

static void on_refused(void *ctx, size_t index, int status)
{
    answer *said = ctx;
    if (index >= said->outgoing->count || said->outgoing->refused[index])
        return;
    said->outgoing->refused[index] = true;
    said->refused_count++;
    said->refused_status = status;
}

/* Of series that we do not have, or of gauges, a memory is of no use. What a store passes on may be anything. */
static int on_remembered(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                         tm_number value)
{
    answer *said = ctx;
    if (!family || (!labels && labels_bytes > 0))
        return TM_EINVAL;
    if (!tm__labels_ok(labels, labels_bytes))
        return TM_OK;
    const tm__series *series = tm__series_find(said->j->registry, family, labels, labels_bytes);
    if (!series || series->family->type == TM_TYPE_GAUGE || part >= series->family->value_count ||
        series->first_part + part >= said->j->session->part_count)
        return TM_OK;
    memory remembered = {series->first_part, (uint32_t)(series->first_part + part), value};
    tm__buffer_append(&said->memories, &remembered, sizeof remembered);
    return said->memories.failed ? TM_ENOMEM : TM_OK;
}

/* The batch was not answered after all: which numbers are refused will be said again. */
static void take_back_refusals(tm__outgoing *outgoing)
{
    if (outgoing->count > 0)
        memset(outgoing->refused, 0, outgoing->count * sizeof *outgoing->refused);
}

/* Before has_baseline is set. The earliest time that any answer carried is kept: a store that retires silent
 * instances asks whether it may have known us, in whatever state of it that was. */
static void take_store_id(tm__partition *partition, const tm_reply *reply)
{
    memcpy(partition->store_id, reply->store_id, sizeof partition->store_id);
    if (!partition->has_baseline || reply->time_ms < partition->first_time_ms)
        partition->first_time_ms = reply->time_ms;
}

/* The store has what this change says. */
static void take_as_baseline(tm__session *session, const tm__outgoing *outgoing, size_t i)
{
    uint32_t series = outgoing->series[i];
    session->baseline[series + outgoing->changes[i].part] = outgoing->changes[i].value;
    session->known[series] = true;
}

/* The store has the batch: its numbers, but for the refused ones, are the new baseline. */
static void acknowledge(job *j, tm__partition *partition, const tm_reply *reply, const answer *said)
{
    tm__outgoing *outgoing = &partition->outgoing;
    take_store_id(partition, reply);
    if (outgoing->numbered)
        j->report.batches++;
    if (outgoing->numbered && reply->answer == TM_ANSWER_DUPLICATE)
        j->report.duplicates++;
    for (size_t i = 0; i < outgoing->count; i++)
        if (!outgoing->refused[i])
            take_as_baseline(j->session, outgoing, i);
    partition->acked_seq = outgoing->seq;
    partition->has_baseline = true;
    j->report.series_sent += outgoing->series_count;
    j->report.failed_fields += said->refused_count;
    if (said->refused_count > 0) {
        tm_error error;
        tm__fail(&error, TM_EFIELD, "the store refused %zu numbers; the last for: %s", said->refused_count,
                 tm_status_text(said->refused_status));
        note_failure(j, TM_EFIELD, &error);
    }
    tm__outgoing_free(outgoing);
}

/* ---- resync -------------------------------------------------------------------------------------------------- */

static void forget_run(tm__session *session, const tm__plan_run *run)
{
    size_t bytes = tm__family_value_count(run->family) * sizeof *session->baseline;
    for (size_t k = 0; k < run->count; k++) {
        size_t first = run->series[k].first_part;
        session->known[first] = false;
        memset(&session->baseline[first], 0, bytes);
    }
}

/* Before a store tells what it remembers. Gauges are always sent again: they have no delta to get wrong. */
static void forget(job *j, size_t p, bool counts_too)
{
    for (size_t i = j->plan.begin[p]; i < j->plan.begin[p + 1]; i++)
        if (counts_too || j->plan.runs[i].family->type == TM_TYPE_GAUGE)
            forget_run(j->session, &j->plan.runs[i]);
}

static void assume_run_counted(tm__session *session, const tm__plan_run *run)
{
    size_t bytes = tm__family_value_count(run->family) * sizeof *session->baseline;
    for (size_t k = 0; k < run->count; k++) {
        size_t first = run->series[k].first_part;
        session->known[first] = true;
        memcpy(&session->baseline[first], run->series[k].values, bytes);
    }
}

/* The store counted us once but cannot say how much, and neither can we: what has been recorded so far is taken as
 * counted, so that no total can rise above the truth. */
static void assume_all_counted(job *j, size_t p)
{
    for (size_t i = j->plan.begin[p]; i < j->plan.begin[p + 1]; i++)
        if (j->plan.runs[i].family->type != TM_TYPE_GAUGE)
            assume_run_counted(j->session, &j->plan.runs[i]);
}

/* The same of one batch, which the store may have counted before it forgot us. */
static void assume_batch_counted(job *j, const tm__outgoing *outgoing)
{
    for (size_t i = 0; i < outgoing->count; i++)
        if (outgoing->changes[i].family->type != TM_TYPE_GAUGE)
            take_as_baseline(j->session, outgoing, i);
}

static void keep_own_baseline(job *j, size_t p, const tm_reply *reply)
{
    tm__partition *partition = &j->session->partitions[p];
    bool may_have_landed = partition->outgoing.in_doubt && reply->last_seq == 0;
    forget(j, p, false);
    if (!partition->has_baseline)
        assume_all_counted(j, p);
    else if (may_have_landed)
        assume_batch_counted(j, &partition->outgoing);
    /* Only a store that has our last batch is known to hold all that we had sent: another may have gone back. */
    if (!partition->has_baseline || may_have_landed || reply->last_seq != partition->acked_seq)
        note_failure(j, TM_ELOST, NULL);
}

static void adopt(job *j, const answer *said)
{
    for (size_t at = 0; at < said->memories.len; at += sizeof(memory)) {
        memory remembered;
        memcpy(&remembered, said->memories.data + at, sizeof remembered);
        j->session->baseline[remembered.part] = remembered.value;
        j->session->known[remembered.series] = true;
    }
}

static void resync(job *j, size_t p, const tm_reply *reply, const answer *said)
{
    tm__partition *partition = &j->session->partitions[p];
    if (reply->memory == TM_MEMORY_EXPIRED)
        keep_own_baseline(j, p, reply);
    else
        forget(j, p, true);
    if (reply->memory == TM_MEMORY_VALUES)
        adopt(j, said);
    partition->acked_seq = reply->last_seq;
    take_store_id(partition, reply);
    partition->has_baseline = true;
    tm__outgoing_free(&partition->outgoing);
    j->report.resyncs++;
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

static bool worth_repeating(int status)
{
    return status == TM_EUNAVAILABLE || status == TM_EIO || status == TM_EPROTO;
}

/* TM_EPROTO for an answer that is none of those in the contract. */
static int check_reply(const tm_reply *reply)
{
    bool applied = reply->answer == TM_ANSWER_APPLIED || reply->answer == TM_ANSWER_DUPLICATE;
    bool resync =
        reply->answer == TM_ANSWER_RESYNC && reply->memory >= TM_MEMORY_NOTHING && reply->memory <= TM_MEMORY_EXPIRED;
    return applied || resync ? TM_OK : TM_EPROTO;
}

/* Sends the partition's batch once and, on TM_OK, has dealt with the answer. */
static int send_once(job *j, size_t p, tm_answer *out, tm_error *error)
{
    tm__partition *partition = &j->session->partitions[p];
    tm__outgoing *outgoing = &partition->outgoing;
    tm_batch batch = {.instance = j->state->instance,
                      .partition = p,
                      .prev = outgoing->prev,
                      .seq = outgoing->seq,
                      .changes = outgoing->changes,
                      .change_count = outgoing->count,
                      .first_time_ms = partition->first_time_ms,
                      .series = outgoing->series};
    memcpy(batch.known_store_id, partition->store_id, sizeof batch.known_store_id);
    answer said = {.j = j, .outgoing = outgoing};
    tm_reply reply = {.ctx = &said, .remembered = on_remembered, .refused = on_refused};
    int status = tm__store_status(j->store->ops.apply(j->store->self, &batch, j->deadline_ns, &reply, error));
    if (status == TM_OK)
        status = check_reply(&reply);
    j->report.bytes += reply.bytes;
    if (status == TM_OK && reply.answer == TM_ANSWER_RESYNC)
        resync(j, p, &reply, &said);
    else if (status == TM_OK)
        acknowledge(j, partition, &reply, &said);
    else {
        take_back_refusals(outgoing);
        outgoing->in_doubt = true;
    }
    *out = reply.answer;
    tm__buffer_free(&said.memories);
    return status;
}

/* Sends the partition's batch until it is answered, within the deadline. An unanswered batch stays as it is. */
static int send(job *j, size_t p, tm_answer *out)
{
    tm__backoff backoff = {0};
    tm_error error = {0};
    int status = send_once(j, p, out, &error);
    for (int attempt = 1; attempt < ATTEMPTS && worth_repeating(status); attempt++) {
        if (tm__backoff_wait(&backoff, j->deadline_ns) != TM_OK)
            break;
        j->report.retries++;
        status = send_once(j, p, out, &error);
    }
    note_failure(j, status, &error);
    return status;
}

/* Gives the batch the next number. One without changes takes none: it asks whether the store still knows the last. */
static void number(job *j, tm__partition *partition)
{
    tm__outgoing *outgoing = &partition->outgoing;
    outgoing->prev = partition->acked_seq;
    outgoing->seq = outgoing->count > 0 ? ++j->state->highest_seq : partition->acked_seq;
    outgoing->numbered = outgoing->count > 0;
}

/* Numbers that cannot be sent because a total never goes down. */
static void note_fallen(job *j, size_t count)
{
    if (count == 0)
        return;
    j->report.failed_fields += count;
    tm_error error;
    tm__fail(&error, TM_EFIELD,
             "%zu numbers are below what the store has of them: a counter passed 2^64-1, or the store is damaged",
             count);
    note_failure(j, TM_EFIELD, &error);
}

/* Sends all that has changed in one partition; after a resync once more from the start. */
static int sync_partition(job *j, size_t p)
{
    tm__partition *partition = &j->session->partitions[p];
    tm_answer answered = TM_ANSWER_APPLIED;
    bool asked = partition->outgoing.numbered;
    int status = asked ? send(j, p, &answered) : TM_OK;
    const tm__plan_cursor start = {j->plan.begin[p], 0};
    tm__plan_cursor cursor = start;
    for (int resyncs = 0; status == TM_OK;) {
        size_t fallen = 0;
        status = tm__plan_next_batch(&j->plan, j->session, &cursor, j->plan.begin[p + 1], j->store->ops.max_changes,
                                     &partition->outgoing, &fallen);
        note_fallen(j, fallen);
        if (status != TM_OK)
            return status;
        bool nothing = partition->outgoing.count == 0;
        if (nothing && (asked || partition->acked_seq == 0))
            return TM_OK;
        number(j, partition);
        asked = true;
        status = send(j, p, &answered);
        if (status == TM_OK && answered == TM_ANSWER_RESYNC) {
            if (++resyncs > RESYNCS)
                return TM_EPROTO;
            cursor = start;
        }
    }
    return status;
}

/* A partition that cannot be reached does not keep the others from being synced. */
static void sync_partitions(job *j)
{
    for (size_t p = 0; p < j->session->partition_count; p++) {
        int status = tm__monotonic_ns() < j->deadline_ns ? sync_partition(j, p) : TM_ETIMEOUT;
        if (!j->session->partitions[p].outgoing.numbered)
            tm__outgoing_free(&j->session->partitions[p].outgoing);
        note_failure(j, status, NULL);
    }
}

/* ---- the call ------------------------------------------------------------------------------------------------ */

static int count_partitions(job *j, size_t *count)
{
    *count = 1;
    if (!j->store->ops.partitions)
        return TM_OK;
    tm_error error = {0};
    int status = tm__store_status(j->store->ops.partitions(j->store->self, j->deadline_ns, count, &error));
    if (status == TM_OK && *count == 0)
        status = TM_EPROTO;
    note_failure(j, status, &error);
    return status;
}

static int prepare(job *j, tm_snapshot **snapshot)
{
    size_t partition_count;
    int status = count_partitions(j, &partition_count);
    if (status == TM_OK)
        status = tm__sync_state_get(j->registry, &j->state);
    if (status == TM_OK)
        status = tm__snapshot_take_raw(j->registry, snapshot);
    if (status == TM_OK)
        status = tm__session_get(j->state, j->store->identity, partition_count, atomic_load(&j->registry->part_count),
                                 &j->session);
    if (status == TM_OK)
        status = tm__plan_make(*snapshot, partition_count, &j->plan);
    return status;
}

static void run(job *j)
{
    int64_t start_ns = tm__monotonic_ns();
    j->deadline_ns = start_ns + j->store->sync_timeout_ms * 1000000;
    j->report.strategy = j->store->ops.strategy;
    tm_snapshot *snapshot = NULL;
    int status = prepare(j, &snapshot);
    if (status == TM_OK)
        sync_partitions(j);
    note_failure(j, status, NULL);
    tm__plan_free(&j->plan);
    tm_snapshot_free(snapshot);
    j->report.duration_ns = tm__monotonic_ns() - start_ns;
}

/* One sync at a time. A holder from before a fork is not in this process: what it was changing is left alone for
 * good. */
static bool take_turn(tm_registry *registry)
{
    uint32_t mine = tm__incarnation() + 1;
    uint32_t holder = 0;
    if (atomic_compare_exchange_strong(&registry->sync_holder, &holder, mine))
        return true;
    if (holder == mine || !atomic_compare_exchange_strong(&registry->sync_holder, &holder, mine))
        return false;
    registry->sync_state = NULL;
    return true;
}

int tm_sync_to_cache(tm_registry *registry, tm_store *store, tm_sync_report *report)
{
    if (report && report->size != 0 && report->size < sizeof *report)
        return TM_EINVAL;
    job j = {.registry = registry, .store = store, .report = TM_SYNC_REPORT_INIT};
    int cancel = tm__cancel_put_off();
    if (!registry || !store)
        note_failure(&j, TM_EINVAL, NULL);
    else if (!take_turn(registry))
        note_failure(&j, TM_EBUSY, NULL);
    else {
        run(&j);
        atomic_store(&registry->sync_holder, 0);
    }
    tm__cancel_allow(cancel);
    if (report)
        *report = j.report;
    return j.report.error.status;
}
