#include "faulty_store.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

/* A copy of a batch that is still on its way. */
typedef struct late_batch {
    struct late_batch *next;
    tm_batch batch;
    tm_change *changes;
    uint32_t *series;
    char *instance;
} late_batch;

uint64_t faulty_random(faulty_store *faulty, uint64_t below)
{
    faulty->random ^= faulty->random << 13;
    faulty->random ^= faulty->random >> 7;
    faulty->random ^= faulty->random << 17;
    return faulty->random % below;
}

static int ignore_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                         tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    return TM_OK;
}

static void ignore_refusal(void *ctx, size_t index, int status)
{
    (void)ctx, (void)index, (void)status;
}

/* Families and labels belong to the registry, which outlives the store. */
static void delay(faulty_store *faulty, const tm_batch *batch)
{
    late_batch *late = calloc(1, sizeof *late);
    late->batch = *batch;
    late->changes = malloc((batch->change_count + 1) * sizeof *late->changes);
    late->series = malloc((batch->change_count + 1) * sizeof *late->series);
    if (batch->change_count > 0) {
        memcpy(late->changes, batch->changes, batch->change_count * sizeof *late->changes);
        memcpy(late->series, batch->series, batch->change_count * sizeof *late->series);
    }
    late->instance = strdup(batch->instance);
    late->batch.changes = late->changes;
    late->batch.series = late->series;
    late->batch.instance = late->instance;
    late->next = faulty->late;
    faulty->late = late;
    faulty->late_count++;
}

static void free_late(late_batch *late)
{
    free(late->changes);
    free(late->series);
    free(late->instance);
    free(late);
}

static void deliver(faulty_store *faulty, size_t which)
{
    late_batch **at = &faulty->late;
    while (which-- > 0)
        at = &(*at)->next;
    late_batch *late = *at;
    *at = late->next;
    faulty->late_count--;
    tm_reply reply = {.remembered = ignore_memory, .refused = ignore_refusal};
    tm_error error;
    assert_ok(faulty->backend.apply(faulty->self, &late->batch, &reply, &error));
    free_late(late);
}

void faulty_deliver_one(faulty_store *faulty)
{
    if (faulty->late_count > 0)
        deliver(faulty, faulty_random(faulty, faulty->late_count));
}

void faulty_deliver_all(faulty_store *faulty)
{
    while (faulty->late_count > 0)
        deliver(faulty, 0);
}

void faulty_save(faulty_store *faulty)
{
    if (faulty->saved[0])
        faulty->backend.discard(faulty->saved[0]);
    memmove(&faulty->saved[0], &faulty->saved[1], 2 * sizeof faulty->saved[0]);
    faulty->saved[2] = faulty->backend.save(faulty->self);
}

void faulty_roll_back(faulty_store *faulty)
{
    void *saved = faulty->saved[faulty_random(faulty, 3)];
    if (saved)
        faulty->backend.restore(faulty->self, saved);
}

/* Some failures the engine repeats at once, some it leaves to the next sync. */
static int inject_failure(faulty_store *faulty, tm_error *error)
{
    static const int statuses[] = {TM_ETIMEOUT, TM_EUNAVAILABLE, TM_EIO, TM_EPROTO, TM_ENOSPC};
    error->status = statuses[faulty_random(faulty, 5)];
    snprintf(error->text, sizeof error->text, "injected");
    return error->status;
}

static int faulty_apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    (void)deadline_ns;
    faulty_store *faulty = self;
    uint64_t fate = faulty->faults_on ? faulty_random(faulty, 100) : 100;
    if (fate < 10) {
        faulty->lost_requests++;
        return inject_failure(faulty, error);
    }
    if (fate < 20) {
        delay(faulty, batch);
        return inject_failure(faulty, error);
    }
    faulty->applied++;
    int status = faulty->backend.apply(faulty->self, batch, reply, error);
    if (fate < 30) {
        faulty->lost_replies++;
        return inject_failure(faulty, error);
    }
    return status;
}

static int faulty_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into,
                       tm_error *error)
{
    (void)deadline_ns;
    faulty_store *faulty = self;
    return faulty->backend.read(faulty->self, options, into, error);
}

static void faulty_close(void *self)
{
    (void)self;
}

faulty_store *faulty_store_new(const faulty_backend *backend, void *self, uint64_t seed)
{
    faulty_store *faulty = calloc(1, sizeof *faulty);
    faulty->backend = *backend;
    faulty->self = self;
    faulty->random = seed * 0x9e3779b97f4a7c15u + 1;
    return faulty;
}

tm_store *faulty_store_handle(faulty_store *faulty)
{
    const tm_store_ops ops = {.size = sizeof ops,
                              .kind = "faulty",
                              .strategy = TM_STRATEGY_LOCAL_ONLY,
                              .max_changes = faulty->max_changes,
                              .apply = faulty_apply,
                              .read = faulty_read,
                              .close = faulty_close};
    tm_store *store;
    assert_ok(tm_store_new(&ops, faulty, &store));
    return store;
}

void faulty_store_free(faulty_store *faulty)
{
    while (faulty->late) {
        late_batch *next = faulty->late->next;
        free_late(faulty->late);
        faulty->late = next;
    }
    for (size_t i = 0; i < 3; i++)
        if (faulty->saved[i])
            faulty->backend.discard(faulty->saved[i]);
    faulty->backend.close(faulty->self);
    free(faulty);
}
