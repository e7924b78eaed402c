#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 1024 };

void bench_fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    exit(1);
}

void bench_report(double figure)
{
    printf("%.6g\n", figure);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

/* To the core of its number among those that the process may use. */
static void pin(size_t thread)
{
    cpu_set_t allowed;
    cpu_set_t one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&one);
    size_t wanted = thread % (size_t)CPU_COUNT(&allowed);
    for (size_t cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && seen++ == wanted)
            CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

typedef struct runner {
    pthread_t thread;
    size_t index;
    void (*body)(size_t thread);
} runner;

static void *run_body(void *arg)
{
    const runner *r = arg;
    pin(r->index);
    r->body(r->index);
    return NULL;
}

void bench_on_threads(size_t threads, void (*body)(size_t thread))
{
    runner runners[BENCH_THREADS_MAX];
    for (size_t i = 0; i < threads; i++) {
        runners[i] = (runner){.index = i, .body = body};
        if (pthread_create(&runners[i].thread, NULL, run_body, &runners[i]) != 0)
            bench_fail("no thread");
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(runners[i].thread, NULL);
}

/* ---- repeated work ------------------------------------------------------------------------------------------- */

static double clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static const bench_work *work;
static double window_ns;
static pthread_barrier_t start;
static double figures[BENCH_THREADS_MAX];

/* Goes on until the time is over, so that the threads are in each other's way for all of it. */
static double repeat_for(double ns, size_t thread, size_t *done)
{
    clockid_t clock = work->cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    size_t batch = work->batch ? work->batch : BATCH;
    size_t before = *done;
    double begin = clock_ns(clock);
    double taken;
    do {
        work->repeat(thread, thread * (BENCH_INPUTS / BENCH_THREADS_MAX) + *done, batch);
        *done += batch;
        taken = clock_ns(clock) - begin;
    } while (taken < ns);
    return taken / (double)(*done - before);
}

static void warm_up_and_measure(size_t thread)
{
    size_t done = 0;
    repeat_for(window_ns / 5, thread, &done);
    pthread_barrier_wait(&start);
    figures[thread] = repeat_for(window_ns, thread, &done);
}

static void measure_repeated(const bench_case *asked)
{
    window_ns = asked->window_ns;
    pthread_barrier_init(&start, NULL, (unsigned)asked->threads);
    bench_on_threads(asked->threads, warm_up_and_measure);
    pthread_barrier_destroy(&start);
    double sum = 0;
    for (size_t i = 0; i < asked->threads; i++)
        sum += figures[i];
    bench_report(sum / (double)asked->threads);
}

/* ---- the program --------------------------------------------------------------------------------------------- */

static const bench_work *find_work(const bench_work *works, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(works[i].name, name) == 0)
            return &works[i];
    bench_fail("no such work");
}

int bench_main(const char *contestant, const bench_work *works, size_t n, int argc, char **argv)
{
    if (argc == 1) {
        for (size_t i = 0; i < n; i++)
            printf("%s %s\n", works[i].contestant ? works[i].contestant : contestant, works[i].name);
        return 0;
    }
    if (argc != 5)
        bench_fail("usage: PROGRAM [WORK THREADS MS SERIES | WORK 0 COUNT SERIES]");
    work = find_work(works, n, argv[1]);
    size_t threads = strtoull(argv[2], NULL, 10);
    size_t amount = strtoull(argv[3], NULL, 10);
    size_t series = strtoull(argv[4], NULL, 10);
    if (threads > BENCH_THREADS_MAX || amount == 0 || series == 0)
        bench_fail("a number is out of range");
    bench_case asked = {work->name, threads > 0 ? threads : 1, series, (double)amount * 1e6};
    if (work->prepare)
        work->prepare(&asked);
    if (work->measure)
        work->measure(&asked);
    else if (threads == 0)
        work->repeat(0, 0, amount);
    else
        measure_repeated(&asked);
    return 0;
}
