#include "checksum_tree/queue.h"

void queue_init(path_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    queue->first = 0;
    queue->count = 0;
    queue->closed = false;
}

void queue_destroy(path_queue *queue)
{
    pthread_cond_destroy(&queue->not_full);
    pthread_cond_destroy(&queue->not_empty);
    pthread_mutex_destroy(&queue->lock);
}

void queue_push(path_queue *queue, char *path)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == QUEUE_CAPACITY)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    queue->paths[(queue->first + queue->count) % QUEUE_CAPACITY] = path;
    queue->count++;
    pthread_cond_signal(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}

char *queue_pop(path_queue *queue)
{
    char *path = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    if (queue->count > 0) {
        path = queue->paths[queue->first];
        queue->first = (queue->first + 1) % QUEUE_CAPACITY;
        queue->count--;
        pthread_cond_signal(&queue->not_full);
    }
    pthread_mutex_unlock(&queue->lock);
    return path;
}

void queue_close(path_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}
