#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int missed_marks;

size_t bench_cores(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    return (size_t)CPU_COUNT(&set);
}

static void pin(size_t thread)
{
    cpu_set_t allowed;
    cpu_set_t one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&one);
    size_t seen = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && seen++ == thread % (size_t)CPU_COUNT(&allowed))
            CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

typedef struct runner {
    pthread_t thread;
    pthread_barrier_t *start;
    const bench_contestant *contestant;
    size_t index;
    double ns;
} runner;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *run_thread(void *arg)
{
    runner *r = arg;
    pin(r->index);
    r->contestant->work(r->index, r->contestant->count / 10);
    pthread_barrier_wait(r->start);
    double begin = now_ns();
    r->contestant->work(r->index, r->contestant->count);
    r->ns = (now_ns() - begin) / (double)r->contestant->count;
    return NULL;
}

/* The mean over the threads of what an operation took. */
static double run_once(const bench_contestant *contestant, size_t threads)
{
    runner runners[BENCH_THREADS_MAX];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (size_t i = 0; i < threads; i++) {
        runners[i] = (runner){.start = &start, .contestant = contestant, .index = i};
        if (pthread_create(&runners[i].thread, NULL, run_thread, &runners[i]) != 0)
            abort();
    }
    double sum = 0;
    for (size_t i = 0; i < threads; i++) {
        pthread_join(runners[i].thread, NULL);
        sum += runners[i].ns;
    }
    pthread_barrier_destroy(&start);
    return sum / (double)threads;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const double *values, size_t n)
{
    double sorted[64];
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    return sorted[n / 2];
}

void bench_run(bench_contestant *contestants, size_t n, size_t threads)
{
    for (size_t repeat = 0; repeat < BENCH_REPEATS; repeat++)
        for (size_t i = 0; i < n; i++)
            contestants[i].ns[repeat] = run_once(&contestants[i], threads);
    for (size_t i = 0; i < n; i++)
        contestants[i].median_ns = bench_median(contestants[i].ns, BENCH_REPEATS);
}

const double *bench_values(double below)
{
    double *values = malloc(BENCH_VALUES * sizeof *values);
    if (!values)
        abort();
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < BENCH_VALUES; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        values[i] = below * (double)(random >> 11) / 9007199254740992.0;
    }
    return values;
}

void bench_mark(const char *what, double figure, const char *relation, double mark)
{
    int met = relation[0] == '<' ? figure <= mark : figure >= mark;
    missed_marks += !met;
    printf("  %-62s %10.2f  %s %-8.2f %s\n", what, figure, relation, mark, met ? "met" : "MISSED");
}

int bench_result(void)
{
    return missed_marks ? 1 : 0;
}
