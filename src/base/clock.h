/* Time, waiting and randomness. */
#ifndef TM__BASE_CLOCK_H
#define TM__BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/shared.h"

TM__SHARED int64_t tm__monotonic_ns(void);

/* Milliseconds since 1970. */
TM__SHARED int64_t tm__wall_ms(void);

/* For tests: the wall clock becomes `now`; NULL gives the real one back. */
void tm__wall_clock_replace(int64_t (*now)(void));

/* Random bytes from the system; TM_EIO if it has none. */
TM__SHARED int tm__random_bytes(void *out, size_t len);

/* Growing, jittered pauses between attempts. Zero-initialised starts at the shortest. */
typedef struct tm__backoff {
    int64_t pause_ns;
    uint64_t random;
} tm__backoff;

/* Sleeps a while, each time longer up to 20 ms. TM_ETIMEOUT, without sleeping on, if the deadline comes first. */
TM__SHARED int tm__backoff_wait(tm__backoff *backoff, int64_t deadline_ns);

#endif
