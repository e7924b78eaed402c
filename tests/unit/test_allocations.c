/* Every allocation fails once: from making a registry to freeing it, nothing crashes, leaks or counts wrongly, and all
 * goes on afterwards. Each try is a process of its own, so that each begins with nothing allocated. */
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "faults.h"
#include "registries.h"
#include "registry/registry.h"
#include "stores.h"
#include "test.h"
#include "threads.h"

/* There under AddressSanitizer only. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

enum { LABEL_SETS = 3, CAP = 2, TIMES = 10, THREADS = 2, NAMES = 40 };

typedef struct attempt {
    size_t number;   /* of the allocation that fails */
    const char *url; /* of the store to sync to; NULL: none */
    bool *failed;    /* in shared memory: whether there was such an allocation */
    tm_registry *registry;
    tm_store *store;
    uint64_t asked; /* recordings that were asked for */
    uint64_t lost;  /* lookups that failed */
    double gauges;  /* what was added to gauges before a clear */
} attempt;

static const char *const label_sets[LABEL_SETS] = {"one", "two", "over the cap"};

/* Counts the failures of lookups; any other status than the two is wrong. */
static bool worked(attempt *a, int status)
{
    must(status == TM_OK || status == TM_ENOMEM);
    a->lost += status != TM_OK;
    return status == TM_OK;
}

static void may_fail(int status)
{
    must(status == TM_OK || status == TM_ENOMEM);
}

/* ---- what is tried ------------------------------------------------------------------------------------------- */

/* Once more if there was no memory: a histogram that is used undescribed has other buckets for good. */
static void describe(tm_registry *registry, tm_family family)
{
    family.size = sizeof family;
    int status = tm_describe(registry, &family);
    may_fail(status);
    if (status != TM_OK)
        must(tm_describe(registry, &family) == TM_OK);
}

static void describe_all(tm_registry *registry)
{
    static const double bounds[] = {1, 2, 3};
    describe(
        registry,
        (tm_family){.name = "h", .type = TM_TYPE_HISTOGRAM, .unit = "seconds", .buckets = bounds, .bucket_count = 3});
    describe(registry, (tm_family){.name = "c", .type = TM_TYPE_COUNTER});
    describe(registry, (tm_family){.name = "c", .type = TM_TYPE_COUNTER, .help = "Late help."});
}

/* By handle, one recording of each type and label set; handles that were refused work too. */
static void record_by_handle(attempt *a)
{
    for (size_t i = 0; i < LABEL_SETS; i++) {
        tm_counter *counter;
        tm_gauge *gauge;
        tm_histogram *histogram;
        (void)worked(a, tm_counter_get(a->registry, "c", TM_LABELS("i", label_sets[i]), &counter));
        (void)worked(a, tm_gauge_get(a->registry, "g", TM_LABELS("i", label_sets[i]), &gauge));
        (void)worked(a, tm_histogram_get(a->registry, "h", TM_LABELS("i", label_sets[i]), &histogram));
        tm_counter_inc(counter);
        tm_gauge_add(gauge, 1);
        tm_histogram_observe(histogram, 2);
        a->asked += 3;
    }
}

/* In one call, under so many names that tables and blocks grow. */
static void record_by_call(attempt *a)
{
    for (size_t i = 0; i < NAMES; i++) {
        char name[16];
        snprintf(name, sizeof name, "by_call_%zu", i);
        a->asked += worked(a, tm_observe(a->registry, name, 1, TM_NO_LABELS));
    }
}

static void *record_in_thread(void *ctx)
{
    record_by_handle(ctx);
    return NULL;
}

static void record_in_threads(attempt *a)
{
    for (size_t i = 0; i < THREADS; i++) {
        pthread_t thread;
        must(pthread_create(&thread, NULL, record_in_thread, a) == 0);
        must(pthread_join(thread, NULL) == 0);
    }
}

static int take_bytes(void *ctx, const char *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)ctx += len;
    return 0;
}

static void export_all(attempt *a)
{
    static const tm_format formats[] = {TM_FORMAT_PROMETHEUS, TM_FORMAT_OPENMETRICS, TM_FORMAT_JSON, TM_FORMAT_CSV};
    tm_export_options options = TM_EXPORT_OPTIONS_INIT;
    options.instance = "host";
    for (size_t i = 0; i < 4; i++) {
        size_t len = 0;
        may_fail(tm_export(a->registry, formats[i], i % 2 ? &options : NULL, take_bytes, &len));
        if (a->store)
            may_fail(tm_export_distributed(a->store, formats[i], NULL, take_bytes, &len));
    }
}

static double sum_of_gauges(tm_registry *registry)
{
    double sum = 0;
    faults_pause();
    tm_snapshot *snapshot = snapshot_of(registry);
    size_t place = family_place(snapshot, "g");
    for (size_t k = 0; k < tm_snapshot_series_count(snapshot, place); k++)
        sum += tm_snapshot_series(snapshot, place, k).values->d;
    tm_snapshot_free(snapshot);
    faults_resume();
    return sum;
}

static void clear(attempt *a)
{
    double gauges = sum_of_gauges(a->registry);
    int status = tm_registry_clear(a->registry, NULL);
    may_fail(status);
    if (status == TM_OK)
        a->gauges += gauges;
}

static void try_everything(attempt *a)
{
    describe_all(a->registry);
    record_by_handle(a);
    record_in_threads(a);
    tm_snapshot *snapshot;
    may_fail(tm_snapshot_take(a->registry, &snapshot));
    tm_snapshot_free(snapshot);
    if (a->url) {
        may_fail(tm_store_open(a->url, NULL, &a->store, NULL));
        if (a->store)
            may_fail(tm_sync_to_cache(a->registry, a->store, NULL));
    }
    export_all(a);
    clear(a);
    record_by_call(a);
    record_by_handle(a);
    if (a->store)
        may_fail(tm_sync_to_cache(a->registry, a->store, NULL));
}

/* ---- what must hold afterwards ------------------------------------------------------------------------------- */

/* All that is counted in the counters and histograms of a snapshot. */
static uint64_t counted(const tm_snapshot *snapshot)
{
    uint64_t count = 0;
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++) {
        const tm_family *family = tm_snapshot_family(snapshot, i);
        size_t integers = family->type == TM_TYPE_GAUGE     ? 0
                          : family->type == TM_TYPE_COUNTER ? 1
                                                            : family->bucket_count + 1;
        for (size_t k = 0; k < tm_snapshot_series_count(snapshot, i); k++)
            for (size_t part = 0; part < integers; part++)
                count += tm_snapshot_series(snapshot, i, k).values[part].u;
    }
    return count;
}

/* Ever, not only since the clear. */
static uint64_t recorded(tm_registry *registry)
{
    tm_snapshot *raw;
    must(tm__snapshot_take_raw(registry, &raw) == TM_OK);
    uint64_t count = counted(raw);
    tm_snapshot_free(raw);
    return count;
}

/* Every recording either counts or is counted as dropped, and so is every lookup that failed. */
static bool nothing_is_unaccounted_for(attempt *a)
{
    uint64_t there = recorded(a->registry) + (uint64_t)(a->gauges + sum_of_gauges(a->registry));
    return stats_of(a->registry).dropped == a->lost + (a->asked - there);
}

/* Whatever failed on the way. */
static bool the_store_has_it_all(attempt *a)
{
    if (!a->store)
        a->store = open_store(a->url, NULL);
    (void)sync_store(a->registry, a->store);
    tm_snapshot *aggregate = read_store(a->store);
    uint64_t count = counted(aggregate);
    tm_snapshot_free(aggregate);
    return count == recorded(a->registry);
}

static const char *go_on(attempt *a)
{
    if (!nothing_is_unaccounted_for(a))
        return "a recording is neither there nor counted as dropped";
    uint64_t before = recorded(a->registry);
    uint64_t lost = a->lost;
    describe_all(a->registry);
    record_by_handle(a);
    record_in_threads(a);
    record_by_call(a);
    if (a->lost != lost || recorded(a->registry) != before + (1 + THREADS) * LABEL_SETS * 2 + NAMES)
        return "not all works again";
    if (!nothing_is_unaccounted_for(a))
        return "afterwards a recording is neither there nor counted as dropped";
    if (stats_of(a->registry).series != 3 * (CAP + 1) + NAMES)
        return "not all series are there";
    if (a->url && !the_store_has_it_all(a))
        return "the store's totals are not the registry's";
    return NULL;
}

/* Pointers that are left on the stack, and the last table that was worked on, would count as still in use. */
__attribute__((noinline)) static bool memory_leaks(void)
{
    tm_registry_free(new_registry());
    volatile char stack[65536];
    for (size_t i = 0; i < sizeof stack; i++)
        stack[i] = 0;
    return __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0;
}

static const char *fail_one_allocation(void *ctx)
{
    attempt a = *(attempt *)ctx;
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = CAP;
    faults_fail_only_allocation(a.number);
    int status = tm_registry_new(&options, &a.registry);
    may_fail(status);
    must((status == TM_OK) == (a.registry != NULL));
    if (status == TM_OK)
        try_everything(&a);
    faults_off();
    *a.failed = faults_happened();
    const char *complaint = status == TM_OK ? go_on(&a) : NULL;
    tm_store_close(a.store);
    tm_registry_free(a.registry);
    a.registry = NULL;
    if (!complaint && memory_leaks())
        complaint = "memory leaks";
    return complaint;
}

/* ---- the tests ----------------------------------------------------------------------------------------------- */

static void fail_every_allocation(const char *(*url_of)(size_t number), size_t at_least)
{
    bool *failed = mmap(NULL, sizeof *failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(failed, MAP_FAILED);
    size_t number = 0;
    do {
        *failed = false;
        number++;
        attempt a = {.number = number, .url = url_of ? url_of(number) : NULL, .failed = failed};
        const char *complaint = complaint_of_child(fail_one_allocation, &a);
        if (complaint)
            fail_msg("allocation %zu fails: %s", number, complaint);
    } while (*failed);
    assert_in_range(number, at_least, 100000);
    munmap(failed, sizeof *failed);
}

static const char *memory_url(size_t number)
{
    (void)number;
    return "memory:";
}

static const char *file_url(size_t number)
{
    static char url[4200];
    snprintf(url, sizeof url, "file:%s/%zu", test_directory(), number);
    return url;
}

TEST(recording_survives_every_failing_allocation)
{
    fail_every_allocation(NULL, 50);
}

TEST(syncing_to_memory_survives_every_failing_allocation)
{
    fail_every_allocation(memory_url, 150);
}

TEST(syncing_to_a_file_survives_every_failing_allocation)
{
    fail_every_allocation(file_url, 150);
}

TEST_MAIN("allocations", T_LIMIT(recording_survives_every_failing_allocation, 120),
          T_LIMIT(syncing_to_memory_survives_every_failing_allocation, 180),
          T_LIMIT(syncing_to_a_file_survives_every_failing_allocation, 180))
