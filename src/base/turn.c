#include "base/turn.h"

#include <time.h>

static void init_condition(tm__turn *turn)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&turn->given_back, &attributes);
    pthread_condattr_destroy(&attributes);
}

void tm__turn_init(tm__turn *turn)
{
    pthread_mutex_init(&turn->mutex, NULL);
    init_condition(turn);
    turn->taken = false;
}

void tm__turn_free(tm__turn *turn)
{
    pthread_cond_destroy(&turn->given_back);
    pthread_mutex_destroy(&turn->mutex);
}

bool tm__turn_take(tm__turn *turn, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    int failure = 0;
    pthread_mutex_lock(&turn->mutex);
    while (turn->taken && failure == 0)
        failure = pthread_cond_timedwait(&turn->given_back, &turn->mutex, &deadline);
    bool mine = !turn->taken;
    turn->taken = true;
    pthread_mutex_unlock(&turn->mutex);
    return mine;
}

void tm__turn_give_back(tm__turn *turn)
{
    pthread_mutex_lock(&turn->mutex);
    turn->taken = false;
    pthread_cond_signal(&turn->given_back);
    pthread_mutex_unlock(&turn->mutex);
}

void tm__turn_before_fork(tm__turn *turn)
{
    pthread_mutex_lock(&turn->mutex);
}

void tm__turn_after_fork(tm__turn *turn)
{
    pthread_mutex_unlock(&turn->mutex);
}

/* The mutex belongs to the thread that forked, which the child has; the condition's waiters stayed in the parent. */
bool tm__turn_in_forked_child(tm__turn *turn)
{
    bool was_taken = turn->taken;
    turn->taken = false;
    init_condition(turn);
    pthread_mutex_unlock(&turn->mutex);
    return was_taken;
}
