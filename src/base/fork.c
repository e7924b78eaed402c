#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>

#include <taskermetrics/base.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static tm__fork_node list = {.next = &list, .previous = &list};
static int handlers_installed; /* guarded by list_lock */
static _Atomic uint32_t incarnation;

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
    for (tm__fork_node *node = list.previous; node != &list; node = node->previous)
        if (node->before)
            node->before(node->self);
}

static void after_fork_in_parent(void)
{
    for (tm__fork_node *node = list.next; node != &list; node = node->next)
        if (node->after)
            node->after(node->self);
    pthread_mutex_unlock(&list_lock);
}

static void after_fork_in_child(void)
{
    atomic_fetch_add(&incarnation, 1);
    for (tm__fork_node *node = list.next; node != &list; node = node->next)
        if (node->child)
            node->child(node->self);
    pthread_mutex_unlock(&list_lock);
}

int tm__fork_register(tm__fork_node *node)
{
    pthread_mutex_lock(&list_lock);
    if (!handlers_installed)
        handlers_installed = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
    int status = handlers_installed ? TM_OK : TM_ENOMEM;
    if (status == TM_OK) {
        node->previous = list.previous;
        node->next = &list;
        list.previous->next = node;
        list.previous = node;
    }
    pthread_mutex_unlock(&list_lock);
    return status;
}

void tm__fork_unregister(tm__fork_node *node)
{
    pthread_mutex_lock(&list_lock);
    if (node->next) {
        node->previous->next = node->next;
        node->next->previous = node->previous;
        node->next = NULL;
    }
    pthread_mutex_unlock(&list_lock);
}

uint32_t tm__incarnation(void)
{
    return atomic_load(&incarnation);
}
