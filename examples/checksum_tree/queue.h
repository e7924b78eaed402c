/* A bounded queue of paths: the walker waits while it is full, the workers while it is empty. */
#ifndef CHECKSUM_TREE_QUEUE_H
#define CHECKSUM_TREE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { QUEUE_CAPACITY = 1024 };

typedef struct path_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty;
    pthread_cond_t not_full;
    char *paths[QUEUE_CAPACITY];
    size_t first;
    size_t count;
    bool closed;
} path_queue;

void queue_init(path_queue *queue);
void queue_destroy(path_queue *queue);

/* Hands a path over; whoever pops it frees it. */
void queue_push(path_queue *queue, char *path);

/* The next path; NULL once the queue is closed and empty. */
char *queue_pop(path_queue *queue);

/* No push follows. */
void queue_close(path_queue *queue);

#endif
