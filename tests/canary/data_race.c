/* Deliberately broken: two threads add to one plain variable. ThreadSanitizer must tell. */
#include <pthread.h>
#include <stdio.h>

static long shared;

static void *add(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++)
        shared++;
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, add, NULL) != 0)
            return 0;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld\n", shared);
    return 0;
}
