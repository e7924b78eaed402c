/* A shared library that does the least: numbers of the calling thread's own, found through initial-exec TLS. */
#ifndef TM_BENCH_OWN_H
#define TM_BENCH_OWN_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_OWN_API __attribute__((visibility("default")))

/* To a thread-local number. */
BENCH_OWN_API void bench_own_add(uint64_t n);

/* To a number that a thread-local pointer leads to; bench_own_begin makes the calling thread's. */
BENCH_OWN_API void bench_own_begin(void);
BENCH_OWN_API void bench_own_add_to_cell(uint64_t n);

/* Compare and count. The bounds are set once, before any thread observes. */
BENCH_OWN_API void bench_own_bounds(const double *bounds, size_t count);
BENCH_OWN_API void bench_own_observe(double value);

/* A ready key is hashed with XXH3, found by open addressing and compared; the thread's own number for it goes up. */
BENCH_OWN_API void bench_own_keys(const char *const *keys, const size_t *lengths, size_t count);
BENCH_OWN_API void bench_own_count(const char *key, size_t len);

#endif
