/* What the benches share: threads that start together, interleaved repeats, medians. */
#ifndef TM_BENCH_H
#define TM_BENCH_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_REPEATS = 9, BENCH_CONTESTANTS_MAX = 16, BENCH_THREADS_MAX = 64 };

/* Does `count` operations; `thread` counts from 0. */
typedef void (*bench_work)(size_t thread, size_t count);

typedef struct bench_contestant {
    const char *name;
    bench_work work;
    size_t count;                     /* operations a thread */
    double ns[BENCH_REPEATS];         /* an operation and thread, each repeat */
    double median_ns;
} bench_contestant;

/* The cores this process may use. */
size_t bench_cores(void);

/* Runs every contestant BENCH_REPEATS times on `threads` pinned threads, in turn, and fills in the medians. */
void bench_run(bench_contestant *contestants, size_t n, size_t threads);

double bench_median(const double *values, size_t n);

/* A million random numbers in [0, below), the same in every run: too many for the branch predictor to learn. */
enum { BENCH_VALUES = 1 << 20 };
const double *bench_values(double below);

/* Prints "met" or "MISSED" for a mark and counts the missed ones; the bench's exit code is bench_result(). */
void bench_mark(const char *what, double figure, const char *relation, double mark);
int bench_result(void);

#endif
