#include "base/turn.h"

#include "test.h"
#include "threads.h"

static int64_t in_ms(int64_t ms)
{
    return tm_monotonic_ns() + ms * 1000000;
}

typedef struct shared_count {
    tm__turn turn;
    uint64_t count; /* guarded by the turn */
} shared_count;

static void count_in_turn(void *ctx, size_t number)
{
    shared_count *shared = ctx;
    (void)number;
    for (int i = 0; i < 2000; i++) {
        assert_true(tm__turn_take(&shared->turn, in_ms(60000)));
        shared->count++;
        tm__turn_give_back(&shared->turn);
    }
}

TEST(one_thread_at_a_time_has_the_turn)
{
    shared_count shared = {0};
    tm__turn_init(&shared.turn);
    run_threads(4, count_in_turn, &shared);
    assert_int_equal(shared.count, 4 * 2000);
    tm__turn_free(&shared.turn);
}

static void wait_in_vain(void *ctx)
{
    shared_count *shared = ctx;
    int64_t deadline_ns = in_ms(30);
    assert_false(tm__turn_take(&shared->turn, deadline_ns));
    assert_true(tm_monotonic_ns() >= deadline_ns);
    assert_false(tm__turn_take(&shared->turn, 0));
}

TEST(waiting_ends_at_the_deadline_and_leaves_the_turn_where_it_is)
{
    shared_count shared = {0};
    tm__turn_init(&shared.turn);
    assert_true(tm__turn_take(&shared.turn, 0)); /* nobody has it: no wait */
    run_thread(wait_in_vain, &shared);
    tm__turn_give_back(&shared.turn);
    assert_true(tm__turn_take(&shared.turn, 0));
    tm__turn_give_back(&shared.turn);
    tm__turn_free(&shared.turn);
}

static const char *take_in_child(void *ctx)
{
    shared_count *shared = ctx;
    bool was_taken = tm__turn_in_forked_child(&shared->turn);
    if (was_taken != (shared->count == 1))
        return "the child does not know whether the turn was taken";
    if (!tm__turn_take(&shared->turn, 0))
        return "the child does not get the turn";
    tm__turn_give_back(&shared->turn);
    tm__turn_free(&shared->turn);
    return NULL;
}

TEST(in_a_forked_child_the_turn_is_free)
{
    shared_count shared = {0};
    tm__turn_init(&shared.turn);
    for (shared.count = 0; shared.count < 2; shared.count++) {
        if (shared.count == 1)
            assert_true(tm__turn_take(&shared.turn, 0));
        tm__turn_before_fork(&shared.turn);
        run_child(take_in_child, &shared);
        tm__turn_after_fork(&shared.turn);
    }
    assert_false(tm__turn_take(&shared.turn, 0)); /* the parent still has it */
    tm__turn_give_back(&shared.turn);
    tm__turn_free(&shared.turn);
}

TEST_MAIN("turn", T(one_thread_at_a_time_has_the_turn), T(waiting_ends_at_the_deadline_and_leaves_the_turn_where_it_is),
          T(in_a_forked_child_the_turn_is_free))
