#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

const double bench_bounds[BENCH_BOUNDS] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
const double bench_many_bounds[BENCH_MANY_BOUNDS] = {
    .25,  .5,  .75,  1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5, 4.75, 5,
    5.25, 5.5, 5.75, 6, 6.25, 6.5, 6.75, 7, 7.25, 7.5, 7.75, 8, 8.25, 8.5, 8.75, 9, 9.25, 9.5, 9.75, 10,
};

static void *room_for(size_t n, size_t bytes)
{
    void *room = malloc(n * bytes);
    if (!room)
        bench_fail("no memory");
    return room;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const uint64_t first_state = 88172645463325252u;

const double *bench_durations(void)
{
    double *durations = room_for(BENCH_INPUTS, sizeof *durations);
    uint64_t state = first_state;
    for (size_t i = 0; i < BENCH_INPUTS; i++) {
        double u = (double)(next_random(&state) >> 11) / 9007199254740992.0;
        durations[i] = 12 * u * u * u;
    }
    return durations;
}

const uint32_t *bench_picks(void)
{
    uint32_t *picks = room_for(BENCH_INPUTS, sizeof *picks);
    uint64_t state = first_state;
    for (size_t i = 0; i < BENCH_INPUTS; i++)
        picks[i] = (uint32_t)(next_random(&state) >> 32);
    return picks;
}

const bench_task_name *bench_task_names(size_t n)
{
    bench_task_name *names = room_for(n, sizeof *names);
    for (size_t i = 0; i < n; i++)
        snprintf(names[i].text, sizeof names[i].text, "task_%05zu", i % 100000000);
    return names;
}

size_t bench_heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
