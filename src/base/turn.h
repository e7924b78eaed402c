/* Taking turns: one thread at a time has an object; the others wait for it, but not for ever. */
#ifndef TM__BASE_TURN_H
#define TM__BASE_TURN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/shared.h"

typedef struct tm__turn {
    pthread_mutex_t mutex; /* guards taken; held for moments only */
    pthread_cond_t given_back;
    bool taken;
} tm__turn;

TM__SHARED void tm__turn_init(tm__turn *turn);
TM__SHARED void tm__turn_free(tm__turn *turn);

/* False if others had it until the deadline. True must be followed by tm__turn_give_back. */
TM__SHARED bool tm__turn_take(tm__turn *turn, int64_t deadline_ns);
TM__SHARED void tm__turn_give_back(tm__turn *turn);

/* For the owner's fork node. In the child nobody has the turn; true if somebody, who stayed in the parent, was in the
 * middle of it: what he was changing is then not to be trusted. */
TM__SHARED void tm__turn_before_fork(tm__turn *turn);
TM__SHARED void tm__turn_after_fork(tm__turn *turn);
TM__SHARED bool tm__turn_in_forked_child(tm__turn *turn);

#endif
