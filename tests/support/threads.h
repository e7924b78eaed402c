/* Threads and forked children that run a function to its end. */
#ifndef TM_TESTS_THREADS_H
#define TM_TESTS_THREADS_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* For threads other than the first, in which cmocka's assertions do not work: ends the test program. */
#define must(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* In a child that is forked while there are other threads, ThreadSanitizer starts no thread, and the allocators of both
 * sanitizers hang if another thread was just allocating. */
#if defined(__SANITIZE_THREAD__)
#define WITH_THREAD_SANITIZER 1
#elif defined(__has_feature)
#define WITH_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define WITH_THREAD_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#define WITH_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define WITH_ADDRESS_SANITIZER 0
#endif

/* Runs work(ctx, 0) to work(ctx, count - 1), each in a thread of its own, all at once, and waits for them. */
void run_threads(size_t count, void (*work)(void *ctx, size_t number), void *ctx);

/* Runs work(ctx) in one thread of its own and waits for it. */
void run_thread(void (*work)(void *ctx), void *ctx);

/* Runs work(ctx) in a forked child. NULL if all was well: work returned NULL. Else what work returned, or that the
 * child ended otherwise or not within 40 seconds; to be used at once. A child may have children of its own. */
const char *complaint_of_child(const char *(*work)(void *ctx), void *ctx);

/* The same, and fails the test with the complaint. */
void run_child(const char *(*work)(void *ctx), void *ctx);

#endif
