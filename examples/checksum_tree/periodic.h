/* A thread that does a job at a steady interval: the application's own timer. */
#ifndef CHECKSUM_TREE_PERIODIC_H
#define CHECKSUM_TREE_PERIODIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct periodic_job {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop_asked;
    bool stopping;
    int64_t interval_ms;
    void (*job)(void *arg);
    void *arg;
} periodic_job;

/* Calls job(arg) every interval_ms until periodic_stop. Returns 0 or an errno; then there is nothing to stop. */
int periodic_start(periodic_job *periodic, int64_t interval_ms, void (*job)(void *arg), void *arg);

/* Returns when the job does not run any more and will not run again. */
void periodic_stop(periodic_job *periodic);

#endif
