/* The hash table of pointers. */
#include "base/table.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "test.h"
#include "threads.h"

/* Entries and keys are of different types: `same` must never be given one for the other. */
typedef struct entry {
    _Atomic uint32_t magic;
    uint32_t number;
    uint64_t hash;
} entry;

typedef struct key {
    uint32_t magic;
    uint32_t number;
} key;

enum { ENTRY_MAGIC = 0x656e7472, KEY_MAGIC = 0x6b657920, ENTRIES = 5000 };

static unsigned long hash_of(const void *e, unsigned long seed)
{
    (void)seed;
    return (unsigned long)((const entry *)e)->hash;
}

static bool same(const void *e, const void *k)
{
    const entry *at = e;
    const key *wanted = k;
    must(atomic_load_explicit(&at->magic, memory_order_acquire) == ENTRY_MAGIC);
    must(wanted->magic == KEY_MAGIC);
    return at->number == wanted->number;
}

typedef struct fixture {
    tm__table table;
    entry entries[ENTRIES];
    uint64_t (*spread)(uint32_t number);
    atomic_size_t put;
} fixture;

static uint64_t well(uint32_t number)
{
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t badly(uint32_t number)
{
    return well(number % 7);
}

static fixture *make(uint64_t (*spread)(uint32_t number))
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->spread = spread;
    assert_ok(tm__table_init(&f->table, hash_of, same));
    return f;
}

static void unmake(fixture *f)
{
    tm__table_free(&f->table);
    free(f);
}

static void put(fixture *f, uint32_t number)
{
    entry *e = &f->entries[number];
    e->number = number;
    e->hash = f->spread(number);
    atomic_store_explicit(&e->magic, ENTRY_MAGIC, memory_order_release);
    assert_ok(tm__table_put(&f->table, e->hash, e));
}

static entry *get(const fixture *f, uint32_t number)
{
    return tm__table_get(&f->table, f->spread(number), &(key){KEY_MAGIC, number});
}

static void fill_and_look_up(fixture *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_null(get(f, i));
        put(f, i);
        assert_ptr_equal(get(f, i), &f->entries[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        assert_ptr_equal(get(f, i), &f->entries[i]);
    assert_null(get(f, count));
    unmake(f);
}

TEST(what_was_put_is_found)
{
    fill_and_look_up(make(well), ENTRIES);
}

TEST(what_a_table_has_outgrown_stays_for_readers_that_are_still_in_it)
{
    fixture *f = make(well);
    size_t bytes = f->table.bytes;
    assert_null(f->table.retired);
    for (uint32_t i = 0; i < ENTRIES; i++)
        put(f, i);
    assert_non_null(f->table.retired);
    assert_in_range(f->table.bytes, bytes + ENTRIES * sizeof(void *), 64 * ENTRIES * sizeof(void *));
    unmake(f);
}

TEST(entries_of_one_hash_are_told_apart)
{
    fill_and_look_up(make(badly), 300);
}

TEST(what_was_removed_is_gone_and_can_come_back)
{
    fixture *f = make(well);
    for (uint32_t i = 0; i < 1000; i++)
        put(f, i);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 1000; i += 2)
            tm__table_remove(&f->table, f->spread(i), &(key){KEY_MAGIC, i});
        for (uint32_t i = 0; i < 1000; i++)
            assert_ptr_equal(get(f, i), i % 2 ? &f->entries[i] : NULL);
        for (uint32_t i = 0; i < 1000; i += 2)
            put(f, i);
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_ptr_equal(get(f, i), &f->entries[i]);
    tm__table_remove(&f->table, f->spread(1000), &(key){KEY_MAGIC, 1000});
    unmake(f);
}

TEST(putting_and_removing_does_not_grow_a_table)
{
    fixture *f = make(well);
    for (uint32_t i = 0; i < 20; i++)
        put(f, i);
    size_t bytes = f->table.bytes;
    for (uint32_t round = 0; round < 20000; round++) {
        put(f, 20 + round % 100);
        tm__table_remove(&f->table, f->spread(20 + round % 100), &(key){KEY_MAGIC, 20 + round % 100});
    }
    assert_int_equal(f->table.bytes, bytes);
    unmake(f);
}

/* One thread puts, the others find everything that was announced, while the table grows under them. */
static void put_or_find(void *ctx, size_t number)
{
    fixture *f = ctx;
    if (number == 0) {
        for (uint32_t i = 0; i < ENTRIES; i++) {
            put(f, i);
            atomic_store_explicit(&f->put, i + 1, memory_order_release);
        }
        return;
    }
    for (size_t there = 0; there < ENTRIES;) {
        there = atomic_load_explicit(&f->put, memory_order_acquire);
        for (size_t i = number; i < there; i += 97)
            must(get(f, (uint32_t)i) == &f->entries[i]);
        must(get(f, ENTRIES) == NULL);
    }
}

TEST(readers_find_everything_while_the_table_grows)
{
    fixture *f = make(well);
    run_threads(4, put_or_find, f);
    unmake(f);
}

TEST(a_table_that_was_never_made_is_freed_like_any_other)
{
    tm__table table = {0};
    tm__table_free(&table);
}

TEST_MAIN("table", T(what_was_put_is_found), T(what_a_table_has_outgrown_stays_for_readers_that_are_still_in_it),
          T(entries_of_one_hash_are_told_apart), T(what_was_removed_is_gone_and_can_come_back),
          T(putting_and_removing_does_not_grow_a_table), T(readers_find_everything_while_the_table_grows),
          T(a_table_that_was_never_made_is_freed_like_any_other))
