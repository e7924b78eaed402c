/* fork: what every object that has locks, sockets or counts does about it. */
#ifndef TM__BASE_FORK_H
#define TM__BASE_FORK_H

#include <stdint.h>

#include "base/shared.h"

/* Embedded in an object. before and after run in the parent around fork, to take and release locks that the child needs
 * whole; child runs in the child instead of after. Each may be NULL. They run with the list of nodes locked, so they
 * must not register. */
typedef struct tm__fork_node {
    void (*before)(void *self);
    void (*after)(void *self);
    void (*child)(void *self);
    void *self;
    struct tm__fork_node *next;
    struct tm__fork_node *previous;
} tm__fork_node;

/* TM_ENOMEM if the handlers could not be installed; the node is then not registered. Before a fork the node registered
 * last is called first, so a lock that is taken inside another must belong to the older node. Unregistering a node that
 * is not registered (next is NULL) does nothing. */
TM__SHARED int tm__fork_register(tm__fork_node *node);
TM__SHARED void tm__fork_unregister(tm__fork_node *node);

/* 0 in the process that loaded the library, one more in each forked child. */
uint32_t tm__incarnation(void);

#endif
