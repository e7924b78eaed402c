/* The floors: the least that each work can cost. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "floor/own.h"

static const uint32_t *picks;
static const double *durations;

static void make_inputs(const bench_case *asked)
{
    (void)asked;
    picks = bench_picks();
    durations = bench_durations();
}

static void *room_for(size_t n, size_t bytes)
{
    void *room = malloc(n * bytes);
    if (!room)
        bench_fail("no memory");
    return room;
}

/* ---- adding -------------------------------------------------------------------------------------------------- */

static void add_to_thread_local(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++)
        bench_own_add(1);
}

static void add_to_own_cell(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    bench_own_begin();
    for (size_t i = 0; i < count; i++)
        bench_own_add_to_cell(1);
}

static _Alignas(64) _Atomic uint64_t shared_number;

static void add_to_shared(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++)
        atomic_fetch_add_explicit(&shared_number, 1, memory_order_relaxed);
}

/* ---- observing ----------------------------------------------------------------------------------------------- */

static void prepare_observe(const bench_case *asked)
{
    make_inputs(asked);
    bench_own_bounds(bench_bounds, BENCH_BOUNDS);
}

static void prepare_observe_40(const bench_case *asked)
{
    make_inputs(asked);
    bench_own_bounds(bench_many_bounds, BENCH_MANY_BOUNDS);
}

static void observe(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        bench_own_observe(durations[(first + i) % BENCH_INPUTS]);
}

/* The same without a call, with as many bounds as it is told at run time, not a number that the compiler knows. */
static volatile size_t bound_count = BENCH_BOUNDS;

static void observe_inline(size_t thread, size_t first, size_t count)
{
    static struct own_cells {
        _Alignas(64) _Atomic uint64_t buckets[BENCH_BOUNDS + 1];
        _Atomic double sum;
    } all_cells[BENCH_THREADS_MAX];
    struct own_cells *cells = &all_cells[thread];
    size_t n = bound_count;
    for (size_t i = 0; i < count; i++) {
        double value = durations[(first + i) % BENCH_INPUTS];
        size_t below = 0;
        for (size_t k = 0; k < n; k++)
            below += value > bench_bounds[k];
        _Atomic uint64_t *bucket = &cells->buckets[below];
        atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1, memory_order_relaxed);
        double sum = atomic_load_explicit(&cells->sum, memory_order_relaxed) + value;
        atomic_store_explicit(&cells->sum, sum, memory_order_relaxed);
    }
}

/* ---- looking up ---------------------------------------------------------------------------------------------- */

static size_t key_count;
static const char **keys; /* what is asked for: not the bytes that the table keeps */
static size_t *key_lengths;

static const char **make_keys(const bench_task_name *names, size_t n)
{
    const char **made = room_for(n, sizeof *made);
    for (size_t i = 0; i < n; i++) {
        char *key = room_for(80, 1);
        key_lengths[i] =
            (size_t)snprintf(key, 80, "bench_tasks{status=\"%s\",task_name=\"%s\"}", bench_status(i), names[i].text);
        made[i] = key;
    }
    return made;
}

static void prepare_lookup(const bench_case *asked)
{
    make_inputs(asked);
    key_count = asked->series;
    key_lengths = room_for(key_count, sizeof *key_lengths);
    const bench_task_name *names = bench_task_names(key_count);
    keys = make_keys(names, key_count);
    bench_own_keys(make_keys(names, key_count), key_lengths, key_count);
}

static void look_up_and_add(size_t thread, size_t first, size_t count)
{
    (void)thread;
    bench_own_begin();
    for (size_t i = 0; i < count; i++) {
        size_t key = bench_choose(picks[(first + i) % BENCH_INPUTS], key_count);
        bench_own_count(keys[key], key_lengths[key]);
    }
}

static const bench_work works[] = {
    {.name = "thread_local_add", .repeat = add_to_thread_local},
    {.name = "own_cell_add", .repeat = add_to_own_cell},
    {.name = "shared_add", .repeat = add_to_shared},
    {.name = "observe", .prepare = prepare_observe, .repeat = observe},
    {.name = "observe_40", .prepare = prepare_observe_40, .repeat = observe},
    {.name = "observe_inline", .prepare = make_inputs, .repeat = observe_inline},
    {.name = "lookup", .prepare = prepare_lookup, .repeat = look_up_and_add},
};

int main(int argc, char **argv)
{
    return bench_main("floor", works, sizeof works / sizeof *works, argc, argv);
}
