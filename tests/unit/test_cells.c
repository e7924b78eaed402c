/* Cells: shards of threads that come and go, blocks that registries take and give back. */
#include "registry/cells.h"

#include <pthread.h>
#include <stdbool.h>

#include "registries.h"
#include "registry/registry.h"
#include "test.h"
#include "threads.h"

static void add_one(void *counter)
{
    tm_counter_inc(counter);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

TEST(what_a_thread_recorded_outlives_it)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    for (uint64_t i = 1; i <= 20; i++) {
        run_thread(add_one, counter);
        assert_int_equal(tm_counter_value(counter), i);
    }
    tm_registry_free(registry);
}

TEST(a_new_thread_goes_on_with_the_shard_of_one_that_ended)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    tm_counter_inc(counter);
    run_thread(add_one, counter);
    tm_registry_stats_t before = stats_of(registry);
    for (int i = 0; i < 100; i++)
        run_thread(add_one, counter);
    assert_int_equal(stats_of(registry).threads, before.threads);
    assert_int_equal(stats_of(registry).memory_bytes, before.memory_bytes);
    assert_int_equal(before.threads, 2);
    tm_registry_free(registry);
}

static void note_segment(void *out)
{
    *(tm__cell **)out = tm__own_cells((tm__cells){0, 0});
}

static pthread_key_t late_key;
static int rounds_left;

/* Runs after the library's own destructor, whose key is older. */
static void record_late(void *counter)
{
    tm_counter_inc(counter);
    if (--rounds_left > 0)
        must(pthread_setspecific(late_key, counter) == 0);
}

static void record_now_and_late(void *counter)
{
    tm_counter_inc(counter);
    must(pthread_setspecific(late_key, counter) == 0);
}

TEST(a_destructor_that_records_after_the_shard_went_back_counts)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    assert_int_equal(pthread_key_create(&late_key, record_late), 0);
    uint64_t expected = 0;
    for (int rounds = 1; rounds < 3; rounds++) {
        for (int i = 0; i < 20; i++) {
            rounds_left = rounds;
            run_thread(record_now_and_late, counter);
            expected += 1 + (uint64_t)rounds;
            assert_int_equal(tm_counter_value(counter), expected);
        }
    }
    assert_int_equal(stats_of(registry).threads, 1);
    tm_registry_free(registry);
}

static bool apart;

/* Two threads at once: the one that is ending, and one that began when the library's destructor had run. */
static void compare_cells_late(void *counter)
{
    tm__cell *others = NULL;
    tm_counter_inc(counter);
    run_thread(note_segment, &others);
    apart = others && others != tm__own_cells((tm__cells){0, 0});
}

TEST(a_thread_that_has_given_its_shard_back_no_longer_writes_to_it)
{
    tm_registry *registry = new_registry();
    tm_counter *counter = counter_of(registry, "c", TM_NO_LABELS);
    assert_int_equal(pthread_key_create(&late_key, compare_cells_late), 0);
    run_thread(record_now_and_late, counter);
    assert_true(apart);
    assert_int_equal(tm_counter_value(counter), 2);
    tm_registry_free(registry);
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

typedef struct three {
    tm_registry *registry;
    tm_counter *counter;
    tm_gauge *gauge;
    tm_histogram *histogram;
} three;

static three make_three(void)
{
    three t = {.registry = new_registry()};
    t.counter = counter_of(t.registry, "c", TM_NO_LABELS);
    t.gauge = gauge_of(t.registry, "g", TM_NO_LABELS);
    t.histogram = histogram_of(t.registry, "h", TM_NO_LABELS);
    return t;
}

static void record_three(void *ctx, size_t number)
{
    const three *t = ctx;
    tm_counter_add(t->counter, 10 + number);
    tm_gauge_add(t->gauge, 10);
    tm_histogram_observe(t->histogram, 0.01 * (double)number);
}

static tm__cells cells_of(const void *handle)
{
    return ((const tm__series *)handle)->cells;
}

TEST(the_cells_of_a_freed_registry_come_back_as_zero)
{
    three first = make_three();
    record_three(&first, 3);
    run_threads(3, record_three, &first);
    tm__cells cells = cells_of(first.histogram);
    tm_registry_free(first.registry);
    for (int round = 0; round < 3; round++) {
        three again = make_three();
        assert_int_equal(cells_of(again.histogram).segment, cells.segment);
        assert_int_equal(cells_of(again.histogram).slot, cells.slot);
        assert_int_equal(tm_counter_value(again.counter), 0);
        assert_true(tm_gauge_value(again.gauge) == 0);
        assert_int_equal(tm_histogram_count(again.histogram), 0);
        assert_true(tm_histogram_sum(again.histogram) == 0);
        run_threads(3, record_three, &again);
        assert_int_equal(tm_counter_value(again.counter), 10 + 11 + 12);
        assert_true(tm_gauge_value(again.gauge) == 30);
        assert_int_equal(tm_histogram_count(again.histogram), 3);
        tm_registry_free(again.registry);
    }
}

TEST(registries_made_and_freed_again_and_again_take_no_more_memory)
{
    three kept = make_three();
    record_three(&kept, 0);
    three first = make_three();
    record_three(&first, 0);
    tm_registry_free(first.registry);
    uint64_t memory_bytes = stats_of(kept.registry).memory_bytes;
    for (int i = 0; i < 2000; i++) {
        three t = make_three();
        record_three(&t, 0);
        tm_registry_free(t.registry);
    }
    assert_int_equal(stats_of(kept.registry).memory_bytes, memory_bytes);
    assert_int_equal(tm_counter_value(kept.counter), 10);
    tm_registry_free(kept.registry);
}

static uint64_t cells_of_segment(uint32_t segment)
{
    return segment < 8 ? 512 : UINT64_C(512) << (segment / 4 - 1);
}

static bool lie_apart(const tm__cell_block *a, const tm__cell_block *b)
{
    return a->first.segment != b->first.segment || a->first.slot + a->count <= b->first.slot ||
           b->first.slot + b->count <= a->first.slot;
}

/* Small blocks first, as a registry takes them: the largest want large segments. */
TEST(blocks_are_aligned_apart_and_within_a_segment)
{
    enum { BLOCKS = 700, SMALL_BLOCKS = 400, SMALL_SIZES = 4, SIZES = 7 };
    static tm__cell_block *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        uint32_t count = (uint32_t)TM__SMALLEST_BLOCK_CELLS << i % (i < SMALL_BLOCKS ? SMALL_SIZES : SIZES);
        blocks[i] = tm__cell_block_new(count);
        assert_non_null(blocks[i]);
        assert_int_equal(blocks[i]->count, count);
        assert_int_equal(blocks[i]->first.slot % count, 0);
        assert_in_range(blocks[i]->first.slot + count, count, cells_of_segment(blocks[i]->first.segment));
        for (size_t k = 0; k < i; k++)
            assert_true(lie_apart(blocks[k], blocks[i]));
    }
    assert_in_range(blocks[BLOCKS - 1]->first.segment, 30, TM__SEGMENT_COUNT - 1);
    for (size_t i = 0; i < BLOCKS; i++)
        tm__cell_blocks_free(blocks[i]);
}

/* Between the large blocks of one registry, others take small ones: what aligning passes over is not lost. */
TEST(many_registries_side_by_side_leave_little_idle)
{
    enum { COUNTERS = 200000, REGISTRIES = 40 };
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = COUNTERS;
    tm_registry *large;
    tm_registry *small[REGISTRIES];
    assert_ok(tm_registry_new(&options, &large));
    for (unsigned i = 0; i < COUNTERS; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        (void)counter_of(large, "c", TM_LABELS("i", value));
        if (i % (COUNTERS / REGISTRIES) == 0) {
            tm_registry **other = &small[i / (COUNTERS / REGISTRIES)];
            *other = new_registry();
            (void)counter_of(*other, "c", TM_NO_LABELS);
        }
    }
    uint64_t made_bytes = stats_of(large).memory_bytes;
    for (unsigned i = 0; i < COUNTERS; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        assert_ok(tm_count(large, "c", 1, TM_LABELS("i", value)));
    }
    assert_in_range(stats_of(large).memory_bytes - made_bytes, 0, COUNTERS * sizeof(tm__cell) * 4 / 3);
    for (size_t i = 0; i < REGISTRIES; i++)
        tm_registry_free(small[i]);
    tm_registry_free(large);
}

TEST(cells_of_all_segments_hold_their_own_numbers_and_little_lies_idle)
{
    enum { COUNTERS = 20000, STEP = 7 };
    tm_registry_options options = TM_REGISTRY_OPTIONS_INIT;
    options.max_series_per_family = COUNTERS;
    tm_registry *registry;
    assert_ok(tm_registry_new(&options, &registry));
    static tm_counter *counters[COUNTERS];
    for (unsigned i = 0; i < COUNTERS; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        counters[i] = counter_of(registry, "c", TM_LABELS("i", value));
    }
    uint64_t before_bytes = stats_of(registry).memory_bytes;
    for (unsigned i = 0; i < COUNTERS; i++)
        tm_counter_add(counters[i], i * STEP);
    uint64_t taken_bytes = stats_of(registry).memory_bytes - before_bytes;
    assert_in_range(taken_bytes, COUNTERS * sizeof(tm__cell), COUNTERS * sizeof(tm__cell) * 5 / 4);
    assert_in_range(cells_of(counters[COUNTERS - 1]).segment, 16, TM__SEGMENT_COUNT - 1);
    for (unsigned i = 0; i < COUNTERS; i++)
        assert_int_equal(tm_counter_value(counters[i]), i * STEP);
    tm_registry_free(registry);
}

TEST(no_two_threads_share_a_cache_line)
{
    tm__cell *mine = tm__own_cells((tm__cells){0, 0});
    tm__cell *others = NULL;
    run_thread(note_segment, &others);
    assert_non_null(mine);
    assert_non_null(others);
    assert_int_equal((uintptr_t)mine % 64, 0);
    assert_int_equal((uintptr_t)others % 64, 0);
    assert_ptr_not_equal(mine, others);
}

TEST(no_thread_has_the_segment_of_the_no_op_handles)
{
    assert_null(tm__own_cells((tm__cells){TM__NO_SEGMENT, 0}));
    tm_counter *counter;
    assert_status(tm_counter_get(NULL, "c", TM_NO_LABELS, &counter), TM_EINVAL);
    tm_counter_inc(counter);
    assert_null(tm__own_cells((tm__cells){TM__NO_SEGMENT, 0}));
}

TEST_MAIN("cells", T(what_a_thread_recorded_outlives_it), T(a_new_thread_goes_on_with_the_shard_of_one_that_ended),
          T(a_destructor_that_records_after_the_shard_went_back_counts),
          T(a_thread_that_has_given_its_shard_back_no_longer_writes_to_it),
          T(the_cells_of_a_freed_registry_come_back_as_zero),
          T(registries_made_and_freed_again_and_again_take_no_more_memory),
          T(blocks_are_aligned_apart_and_within_a_segment), T(many_registries_side_by_side_leave_little_idle),
          T(cells_of_all_segments_hold_their_own_numbers_and_little_lies_idle), T(no_two_threads_share_a_cache_line),
          T(no_thread_has_the_segment_of_the_no_op_handles))
