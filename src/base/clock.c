#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

#include <taskermetrics/base.h>

enum { SHORTEST_PAUSE_NS = 200 * 1000, LONGEST_PAUSE_NS = 20 * 1000 * 1000 };

static int64_t (*_Atomic replaced_wall_clock)(void);

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t tm__monotonic_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t tm__wall_ms(void)
{
    int64_t (*replaced)(void) = atomic_load(&replaced_wall_clock);
    return replaced ? replaced() : read_clock_ns(CLOCK_REALTIME) / 1000000;
}

void tm__wall_clock_replace(int64_t (*now)(void))
{
    atomic_store(&replaced_wall_clock, now);
}

int tm__random_bytes(void *out, size_t len)
{
    unsigned char *bytes = out;
    while (len > 0) {
        ssize_t got = getrandom(bytes, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return TM_EIO;
        bytes += got;
        len -= (size_t)got;
    }
    return TM_OK;
}

/* xorshift64: jitter needs no better. */
static uint64_t next_random(tm__backoff *backoff)
{
    if (backoff->random == 0 && tm__random_bytes(&backoff->random, sizeof backoff->random) != TM_OK)
        backoff->random = (uint64_t)tm__monotonic_ns();
    backoff->random |= 1;
    backoff->random ^= backoff->random << 13;
    backoff->random ^= backoff->random >> 7;
    backoff->random ^= backoff->random << 17;
    return backoff->random;
}

int tm__backoff_wait(tm__backoff *backoff, int64_t deadline_ns)
{
    if (backoff->pause_ns == 0)
        backoff->pause_ns = SHORTEST_PAUSE_NS;
    int64_t pause_ns = backoff->pause_ns / 2 + (int64_t)(next_random(backoff) % (uint64_t)backoff->pause_ns);
    int64_t left_ns = deadline_ns - tm__monotonic_ns();
    if (left_ns <= pause_ns)
        return TM_ETIMEOUT;
    struct timespec pause = {.tv_sec = pause_ns / 1000000000, .tv_nsec = pause_ns % 1000000000};
    nanosleep(&pause, NULL);
    if (backoff->pause_ns < LONGEST_PAUSE_NS)
        backoff->pause_ns *= 2;
    return TM_OK;
}
