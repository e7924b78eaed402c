/* What the contestants in C and C++ share: how they are asked, threads that start together, and the inputs.
 *
 *     PROGRAM                             prints its works, one a line: CONTESTANT WORK
 *     PROGRAM WORK THREADS MS SERIES      does it for MS milliseconds on THREADS pinned threads, with SERIES series
 *                                         where that matters, and prints its figures, one a line
 *     PROGRAM WORK 0 COUNT SERIES         does it COUNT times and prints nothing: for counting instructions
 *
 * The figure of a work that repeats is the nanoseconds that an operation took, the mean over the threads. The peers in
 * other languages follow the same protocol, with the same inputs. */
#ifndef TM_BENCH_H
#define TM_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bench_case {
    const char *work;
    size_t threads;
    size_t series;
    double window_ns;
} bench_case;

typedef struct bench_work {
    const char *name;
    const char *contestant;                   /* NULL: the program's */
    void (*prepare)(const bench_case *asked); /* NULL: nothing to prepare */
    /* Operations first, first + 1, ... first + count - 1 of a thread, which counts from 0. */
    void (*repeat)(size_t thread, size_t first, size_t count);
    size_t batch;  /* operations between two looks at the clock; 0 means 1,024 */
    bool cpu_time; /* count the time that the threads had a core: for more threads than cores */
    /* Instead of repeat: measures by itself, and tells with bench_report. */
    void (*measure)(const bench_case *asked);
} bench_work;

/* The whole program: int main(int argc, char **argv) { return bench_main("name", works, n, argc, argv); } */
int bench_main(const char *contestant, const bench_work *works, size_t n, int argc, char **argv);

void bench_report(double figure);

enum { BENCH_THREADS_MAX = 64 };

double bench_now_ns(void);

/* Runs body(0) ... body(threads - 1) on pinned threads and waits for all. */
void bench_on_threads(size_t threads, void (*body)(size_t thread));

/* Prints the text and ends the program: a bench that cannot go on has nothing to report. */
void bench_fail(const char *text) __attribute__((noreturn));

/* ---- the inputs ---------------------------------------------------------------------------------------------- */

/* A million of each, too many for the branch predictor to learn, from one generator: xorshift64 with the shifts 13, 7
 * and 17 from 88172645463325252. With r its next number: a duration is 12 u^3 seconds for u = (r >> 11) / 2^53, which
 * spreads over all default buckets; a pick is r >> 32, and pick * n >> 32 is one of n things. Both lists begin with the
 * same r. Thread t begins at place t * 16,384. */
enum { BENCH_INPUTS = 1 << 20 };
const double *bench_durations(void);
const uint32_t *bench_picks(void);

static inline size_t bench_choose(uint32_t pick, size_t n)
{
    return (size_t)((uint64_t)pick * n >> 32);
}

/* Series i has the labels status="success" (for an even i) or "failure", and task_name="task_00042". */
typedef struct bench_task_name {
    char text[16];
} bench_task_name;
const bench_task_name *bench_task_names(size_t n);

static inline const char *bench_status(size_t series)
{
    return series % 2 ? "failure" : "success";
}

/* The bounds of the histograms: 11, the usual ones, or 40 that rise evenly to the same end. */
enum { BENCH_BOUNDS = 11, BENCH_MANY_BOUNDS = 40 };
extern const double bench_bounds[BENCH_BOUNDS];
extern const double bench_many_bounds[BENCH_MANY_BOUNDS];

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* Bytes that malloc has given out in this process and not got back, its own headers included. */
size_t bench_heap_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
