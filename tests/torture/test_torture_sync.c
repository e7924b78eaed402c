/* Recording, syncing and reading the aggregate, all at once. */
#include <stdatomic.h>
#include <stdbool.h>

#include "registries.h"
#include "test.h"
#include "threads.h"

enum { WRITERS = 3, SYNCERS = 3, READERS = 1, REGISTRIES = 2, ROUNDS = 20000 };

typedef struct stage {
    tm_store *store;
    tm_registry *registries[REGISTRIES];
    _Atomic int writers_left;
    _Atomic uint64_t recorded; /* what has been recorded, or is just being recorded */
} stage;

static void record(stage *s, size_t number)
{
    for (uint64_t i = 0; i < ROUNDS; i++) {
        tm_registry *registry = s->registries[(number + i) % REGISTRIES];
        atomic_fetch_add(&s->recorded, 1);
        char value[24];
        snprintf(value, sizeof value, "%llu", (unsigned long long)(i % 50));
        must(tm_count(registry, "work", 1, TM_LABELS("kind", value)) == TM_OK);
        must(tm_observe(registry, "time", (double)(i % 12), TM_NO_LABELS) == TM_OK);
        must(tm_set(registry, "level", (double)i, TM_NO_LABELS) == TM_OK);
    }
    atomic_fetch_sub(&s->writers_left, 1);
}

static void sync_on(stage *s, size_t number)
{
    while (atomic_load(&s->writers_left) > 0) {
        int status = tm_sync_to_cache(s->registries[number % REGISTRIES], s->store, NULL);
        must(status == TM_OK || status == TM_EBUSY);
    }
}

/* What the store says of all kinds of work together. */
static uint64_t total_of(tm_store *store)
{
    tm_snapshot *snapshot;
    must(tm_store_read(store, NULL, &snapshot, NULL) == TM_OK);
    uint64_t total = 0;
    size_t place = family_place(snapshot, "work");
    for (size_t k = 0; k < tm_snapshot_series_count(snapshot, place); k++)
        total += tm_snapshot_series(snapshot, place, k).values[0].u;
    tm_snapshot_free(snapshot);
    return total;
}

/* Read before the truth is looked at, a total is never above it; and it never goes down. */
static void read_on(stage *s)
{
    uint64_t before = 0;
    while (atomic_load(&s->writers_left) > 0) {
        uint64_t total = total_of(s->store);
        must(total <= atomic_load(&s->recorded));
        must(total >= before);
        before = total;
    }
}

static void play(void *ctx, size_t number)
{
    stage *s = ctx;
    if (number < WRITERS)
        record(s, number);
    else if (number < WRITERS + SYNCERS)
        sync_on(s, number);
    else
        read_on(s);
}

TEST(a_store_shared_by_threads_is_never_above_the_truth_and_ends_exact)
{
    stage s = {.writers_left = WRITERS};
    assert_ok(tm_store_open("memory:", NULL, &s.store, NULL));
    for (size_t i = 0; i < REGISTRIES; i++)
        s.registries[i] = new_registry();
    run_threads(WRITERS + SYNCERS + READERS, play, &s);
    for (size_t i = 0; i < REGISTRIES; i++)
        assert_ok(tm_sync_to_cache(s.registries[i], s.store, NULL));
    assert_int_equal(total_of(s.store), WRITERS * ROUNDS);
    for (size_t i = 0; i < REGISTRIES; i++)
        tm_registry_free(s.registries[i]);
    tm_store_close(s.store);
}

TEST_MAIN("torture_sync", T(a_store_shared_by_threads_is_never_above_the_truth_and_ends_exact))
