#include "store/resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

/* Shared by the thread that looks up and the one that waits; the last to leave frees it. */
typedef struct lookup {
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    bool done;
    bool left; /* by one of the two */
    int failure;
    struct addrinfo *addresses;
    char *port;
    char host[];
} lookup;

static const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

static void free_lookup(lookup *l)
{
    if (l->addresses)
        freeaddrinfo(l->addresses);
    pthread_cond_destroy(&l->finished);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* The mutex is held; it is released. */
static void leave(lookup *l)
{
    bool last = l->left;
    l->left = true;
    pthread_mutex_unlock(&l->mutex);
    if (last)
        free_lookup(l);
}

static void *look_up(void *argument)
{
    lookup *l = argument;
    struct addrinfo *addresses = NULL;
    int failure = getaddrinfo(l->host, l->port, &wanted, &addresses);
    pthread_mutex_lock(&l->mutex);
    l->failure = failure;
    l->addresses = failure == 0 ? addresses : NULL;
    l->done = true;
    pthread_cond_signal(&l->finished);
    leave(l);
    return NULL;
}

static lookup *new_lookup(const char *host, const char *port)
{
    size_t host_bytes = strlen(host) + 1;
    lookup *l = calloc(1, sizeof *l + host_bytes + strlen(port) + 1);
    if (!l)
        return NULL;
    l->port = l->host + host_bytes;
    memcpy(l->host, host, host_bytes);
    memcpy(l->port, port, strlen(port));
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->finished, &attributes);
    pthread_condattr_destroy(&attributes);
    return l;
}

/* The application's signals are not for this thread. */
static bool start_thread(lookup *l)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, look_up, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    return started;
}

static lookup *start_lookup(const char *host, const char *port)
{
    lookup *l = new_lookup(host, port);
    if (l && !start_thread(l)) {
        free_lookup(l);
        l = NULL;
    }
    return l;
}

/* Whether it finished before the deadline. The mutex is held. */
static bool wait_for(lookup *l, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    while (!l->done)
        if (pthread_cond_timedwait(&l->finished, &l->mutex, &deadline) != 0)
            break;
    return l->done;
}

static int status_of(int failure)
{
    return failure == EAI_MEMORY ? TM_ENOMEM : TM_EUNAVAILABLE;
}

static int resolve_name(tm__resolver *resolver, const char *host, const char *port, int64_t deadline_ns,
                        struct addrinfo **out, tm_error *error)
{
    if (!resolver->running)
        resolver->running = start_lookup(host, port);
    lookup *l = resolver->running;
    if (!l)
        return tm__fail(error, TM_ENOMEM, "no thread or memory to look up %s", host);
    pthread_mutex_lock(&l->mutex);
    if (!wait_for(l, deadline_ns)) {
        pthread_mutex_unlock(&l->mutex);
        return tm__fail(error, TM_ETIMEOUT, "looking up %s took too long", host);
    }
    int failure = l->failure;
    *out = l->addresses;
    l->addresses = NULL;
    resolver->running = NULL;
    leave(l);
    return failure == 0 ? TM_OK : tm__fail(error, status_of(failure), "%s: %s", host, gai_strerror(failure));
}

int tm__resolve(tm__resolver *resolver, const char *host, const char *port, int64_t deadline_ns, struct addrinfo **out,
                tm_error *error)
{
    struct addrinfo numeric = wanted;
    numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(host, port, &numeric, out) == 0)
        return TM_OK;
    return resolve_name(resolver, host, port, deadline_ns, out, error);
}

void tm__resolver_free(tm__resolver *resolver)
{
    if (!resolver->running)
        return;
    pthread_mutex_lock(&resolver->running->mutex);
    leave(resolver->running);
    resolver->running = NULL;
}
