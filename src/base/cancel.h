/* Thread cancellation: a thread that is cancelled in the middle of a store's work would leave locks taken for ever.
 * So it is put off until the work is done, which has a deadline. */
#ifndef TM__BASE_CANCEL_H
#define TM__BASE_CANCEL_H

#include <pthread.h>

/* Puts cancellation off; returns what tm__cancel_allow takes to restore the state before. */
static inline int tm__cancel_put_off(void)
{
    int before = PTHREAD_CANCEL_ENABLE;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void tm__cancel_allow(int before)
{
    int ignored;
    pthread_setcancelstate(before, &ignored);
}

#endif
