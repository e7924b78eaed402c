/* Arenas, and growable runs of bytes. */
#include "base/arena.h"

#include "base/buffer.h"
#include "faults.h"
#include "test.h"

static bool is_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* ---- arenas -------------------------------------------------------------------------------------------------- */

TEST(pieces_are_zero_aligned_and_apart)
{
    enum { PIECES = 3000 };
    static unsigned char *pieces[PIECES];
    tm__arena arena = {0};
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = i * 7 % 300;
        pieces[i] = tm__arena_alloc(&arena, bytes);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        assert_true(is_zero(pieces[i], bytes));
        memset(pieces[i], (int)(i % 255) + 1, bytes);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < i * 7 % 300; k++)
            assert_int_equal(pieces[i][k], i % 255 + 1);
    tm__arena_free(&arena);
    assert_int_equal(arena.bytes, 0);
    assert_null(arena.chunks);
}

TEST(a_piece_may_be_larger_than_any_chunk)
{
    tm__arena arena = {0};
    unsigned char *small = tm__arena_alloc(&arena, 1);
    unsigned char *large = tm__arena_alloc(&arena, 3 << 20);
    assert_non_null(large);
    assert_true(is_zero(large, 3 << 20));
    memset(large, 1, 3 << 20);
    assert_int_equal(small[0], 0);
    assert_in_range(arena.bytes, 3 << 20, 4 << 20);
    tm__arena_free(&arena);
}

TEST(impossible_pieces_are_refused)
{
    tm__arena arena = {0};
    volatile size_t too_large[] = {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 8};
    for (size_t i = 0; i < 3; i++)
        assert_null(tm__arena_alloc(&arena, too_large[i]));
    assert_null(tm__arena_copy(&arena, "x", too_large[0]));
    assert_int_equal(arena.bytes, 0);
    tm__arena_free(&arena);
}

TEST(a_copy_ends_with_nul)
{
    tm__arena arena = {0};
    const char text[] = "abcdef";
    assert_string_equal(tm__arena_copy(&arena, text, 3), "abc");
    assert_string_equal(tm__arena_copy(&arena, text, 0), "");
    assert_string_equal(tm__arena_copy(&arena, NULL, 0), "");
    tm__arena_free(&arena);
}

TEST(going_back_gives_up_what_came_after_and_nothing_else)
{
    tm__arena arena = {0};
    for (size_t before = 0; before < 3000; before += 501) {
        char *kept = tm__arena_copy(&arena, "kept", 4);
        (void)tm__arena_alloc(&arena, before);
        size_t bytes = arena.bytes;
        tm__arena_mark mark = tm__arena_here(&arena);
        for (int i = 0; i < 20; i++)
            memset(tm__arena_alloc(&arena, 333), 0xff, 333);
        assert_true(arena.bytes > bytes);
        tm__arena_back_to(&arena, mark);
        assert_int_equal(arena.bytes, bytes);
        assert_string_equal(kept, "kept");
        unsigned char *again = tm__arena_alloc(&arena, 100);
        assert_true(is_zero(again, 100));
    }
    tm__arena_free(&arena);
}

TEST(going_back_to_the_beginning_empties_an_arena)
{
    tm__arena arena = {0};
    tm__arena_mark mark = tm__arena_here(&arena);
    tm__arena_back_to(&arena, mark);
    (void)tm__arena_alloc(&arena, 5000);
    tm__arena_back_to(&arena, mark);
    assert_int_equal(arena.bytes, 0);
    assert_null(arena.chunks);
}

TEST(an_arena_without_memory_stays_as_it_was)
{
    tm__arena arena = {0};
    char *kept = tm__arena_copy(&arena, "kept", 4);
    size_t bytes = arena.bytes;
    assert_true(faults_fail_allocation(1));
    assert_null(tm__arena_alloc(&arena, 100000));
    faults_off();
    assert_int_equal(arena.bytes, bytes);
    assert_string_equal(kept, "kept");
    assert_non_null(tm__arena_alloc(&arena, 100000));
    tm__arena_free(&arena);
}

/* ---- buffers ------------------------------------------------------------------------------------------------- */

TEST(a_buffer_holds_what_was_appended)
{
    tm__buffer buffer = {0};
    for (unsigned i = 0; i < 10000; i++) {
        unsigned char bytes[] = {(unsigned char)i, (unsigned char)(i >> 8), 0xaa};
        tm__buffer_append(&buffer, bytes, i % 4);
    }
    size_t at = 0;
    for (unsigned i = 0; i < 10000; i++) {
        unsigned char bytes[] = {(unsigned char)i, (unsigned char)(i >> 8), 0xaa};
        assert_memory_equal(buffer.data + at, bytes, i % 4);
        at += i % 4;
    }
    assert_int_equal(buffer.len, at);
    assert_false(buffer.failed);
    tm__buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

TEST(a_reserved_place_can_be_written_to)
{
    tm__buffer buffer = {0};
    tm__buffer_append(&buffer, NULL, 0);
    assert_null(buffer.data);
    assert_true(tm__buffer_reserve(&buffer, 100000));
    assert_true(buffer.capacity >= 100000);
    memset(buffer.data, 1, 100000);
    assert_int_equal(buffer.len, 0);
    tm__buffer_free(&buffer);
}

TEST(a_buffer_remembers_that_there_was_no_memory)
{
    tm__buffer buffer = {0};
    tm__buffer_append(&buffer, "abc", 3);
    assert_true(faults_fail_allocation(1));
    assert_false(tm__buffer_reserve(&buffer, 10000));
    faults_off();
    assert_true(buffer.failed);
    tm__buffer_append(&buffer, "d", 1);
    assert_false(tm__buffer_reserve(&buffer, 1));
    assert_int_equal(buffer.len, 3);
    assert_memory_equal(buffer.data, "abc", 3);
    tm__buffer_free(&buffer);
    assert_false(buffer.failed);
}

TEST(an_impossible_size_fails_a_buffer)
{
    volatile size_t too_large[] = {SIZE_MAX, SIZE_MAX - 2, SIZE_MAX / 2};
    for (size_t i = 0; i < 3; i++) {
        tm__buffer buffer = {0};
        tm__buffer_append(&buffer, "abc", 3);
        assert_false(tm__buffer_reserve(&buffer, too_large[i]));
        assert_true(buffer.failed);
        tm__buffer_free(&buffer);
    }
}

TEST_MAIN("arena", T(pieces_are_zero_aligned_and_apart), T(a_piece_may_be_larger_than_any_chunk),
          T(impossible_pieces_are_refused), T(a_copy_ends_with_nul),
          T(going_back_gives_up_what_came_after_and_nothing_else), T(going_back_to_the_beginning_empties_an_arena),
          T(an_arena_without_memory_stays_as_it_was), T(a_buffer_holds_what_was_appended),
          T(a_reserved_place_can_be_written_to), T(a_buffer_remembers_that_there_was_no_memory),
          T(an_impossible_size_fails_a_buffer))
