#include "checksum_tree/periodic.h"

#include <time.h>

static void advance(struct timespec *when, int64_t ms)
{
    int64_t ns = when->tv_nsec + ms % 1000 * 1000000;
    when->tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    when->tv_nsec = (long)(ns % 1000000000);
}

/* False once a stop is asked for. */
static bool wait_for_next(periodic_job *periodic)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    advance(&until, periodic->interval_ms);
    int timed_out = 0;
    pthread_mutex_lock(&periodic->lock);
    while (!periodic->stopping && !timed_out)
        timed_out = pthread_cond_timedwait(&periodic->stop_asked, &periodic->lock, &until);
    bool go_on = !periodic->stopping;
    pthread_mutex_unlock(&periodic->lock);
    return go_on;
}

static void *run(void *arg)
{
    periodic_job *periodic = arg;
    while (wait_for_next(periodic))
        periodic->job(periodic->arg);
    return NULL;
}

static void destroy(periodic_job *periodic)
{
    pthread_cond_destroy(&periodic->stop_asked);
    pthread_mutex_destroy(&periodic->lock);
}

int periodic_start(periodic_job *periodic, int64_t interval_ms, void (*job)(void *arg), void *arg)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&periodic->stop_asked, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&periodic->lock, NULL);
    periodic->stopping = false;
    periodic->interval_ms = interval_ms;
    periodic->job = job;
    periodic->arg = arg;
    int error = pthread_create(&periodic->thread, NULL, run, periodic);
    if (error)
        destroy(periodic);
    return error;
}

void periodic_stop(periodic_job *periodic)
{
    pthread_mutex_lock(&periodic->lock);
    periodic->stopping = true;
    pthread_cond_signal(&periodic->stop_asked);
    pthread_mutex_unlock(&periodic->lock);
    pthread_join(periodic->thread, NULL);
    destroy(periodic);
}
