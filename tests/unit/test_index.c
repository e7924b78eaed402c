/* The index of series by hash. */
#include "registry/index.h"

#include <stdlib.h>

#include "faults.h"
#include "test.h"
#include "threads.h"

enum { SERIES = 20000 };

typedef struct fixture {
    tm__index index;
    tm__series series[SERIES];
    atomic_size_t added;
} fixture;

/* Distinct series by their first_part. */
static fixture *make(uint32_t (*hash)(uint32_t number))
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    tm__index_init(&f->index);
    for (uint32_t i = 0; i < SERIES; i++) {
        f->series[i].first_part = i;
        f->series[i].hash = hash(i);
    }
    return f;
}

static void unmake(fixture *f)
{
    tm__index_free(&f->index);
    free(f);
}

static void add(fixture *f, size_t count)
{
    while (f->added < count) {
        tm__index_add(&f->index, &f->series[f->added]);
        atomic_fetch_add_explicit(&f->added, 1, memory_order_release);
    }
}

static size_t times_found(const fixture *f, uint32_t number, uint32_t hash)
{
    size_t found = 0;
    tm__index_search search = tm__index_begin(&f->index, hash);
    for (tm__series *series; (series = tm__index_next(&search));) {
        must(series->hash == hash);
        found += series->first_part == number;
    }
    return found;
}

static bool is_found(const fixture *f, uint32_t number)
{
    return times_found(f, number, f->series[number].hash) == 1;
}

static uint32_t well(uint32_t number)
{
    uint64_t bits = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ bits >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(bits >> 32);
}

/* Seven hashes for all. */
static uint32_t badly(uint32_t number)
{
    return well(number % 7);
}

/* All in one bucket, however many there are. */
static uint32_t highest_bits(uint32_t number)
{
    return number << 24;
}

/* In order, and against it, so that every place in a run is inserted at. */
static uint32_t counting(uint32_t number)
{
    return number % 2 ? number : SERIES - number;
}

static void find_all_after_each_doubling(uint32_t (*hash)(uint32_t number), size_t most)
{
    fixture *f = make(hash);
    for (size_t count = 1; count < most; count += count / 3 + 1) {
        add(f, count);
        for (uint32_t i = 0; i < SERIES; i += i < count ? 1 : 997)
            assert_int_equal(is_found(f, i), i < count);
    }
    unmake(f);
}

TEST(everything_is_found_once_however_many_there_are)
{
    find_all_after_each_doubling(well, SERIES);
    find_all_after_each_doubling(counting, SERIES);
}

TEST(hashes_that_many_share_are_told_apart)
{
    find_all_after_each_doubling(badly, 500);
    find_all_after_each_doubling(highest_bits, 500);
}

TEST(what_is_not_there_is_not_found)
{
    fixture *f = make(well);
    assert_int_equal(times_found(f, 0, 0), 0);
    add(f, SERIES / 2);
    for (uint32_t i = SERIES / 2; i < SERIES; i++)
        assert_int_equal(times_found(f, i, well(i)), 0);
    unmake(f);
}

/* The run of a bucket is short: its series are not looked through one by one. */
TEST(buckets_grow_with_the_series)
{
    fixture *f = make(well);
    assert_int_equal(tm__index_bytes(&f->index), 0);
    add(f, SERIES);
    assert_in_range(tm__index_bytes(&f->index), SERIES * sizeof(void *), 3 * SERIES * sizeof(void *));
    size_t steps = 0;
    for (uint32_t i = 0; i < SERIES; i++) {
        tm__index_search search = tm__index_begin(&f->index, well(i));
        for (const tm__series *at = search.at; at != &f->series[i]; steps++)
            at = atomic_load(&at->next_in_index);
    }
    assert_in_range(steps, 0, SERIES / 2);
    unmake(f);
}

TEST(without_memory_for_more_buckets_all_is_found_and_the_next_series_tries_again)
{
    fixture *f = make(well);
    size_t count = 0;
    faults_fail_only_allocation(1);
    while (!faults_happened())
        add(f, ++count);
    faults_off();
    assert_int_equal(tm__index_bytes(&f->index), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_true(is_found(f, i));
    add(f, count + 1);
    assert_in_range(tm__index_bytes(&f->index), 1, SIZE_MAX);
    for (uint32_t i = 0; i <= count; i++)
        assert_true(is_found(f, i));
    unmake(f);
}

static void add_or_find(void *ctx, size_t number)
{
    fixture *f = ctx;
    if (number == 0) {
        add(f, SERIES);
        return;
    }
    uint32_t next = (uint32_t)number;
    for (size_t added; (added = atomic_load_explicit(&f->added, memory_order_acquire)) < SERIES;) {
        next = next * 1664525 + 1013904223;
        must(added == 0 || is_found(f, next % (uint32_t)added));
    }
}

TEST(readers_find_what_was_added_while_buckets_double)
{
    fixture *f = make(well);
    run_threads(4, add_or_find, f);
    unmake(f);
}

TEST_MAIN("index", T(everything_is_found_once_however_many_there_are), T(hashes_that_many_share_are_told_apart),
          T(what_is_not_there_is_not_found), T(buckets_grow_with_the_series),
          T(without_memory_for_more_buckets_all_is_found_and_the_next_series_tries_again),
          T(readers_find_what_was_added_while_buckets_double))
