#include "store/memcached/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define HEAD "taskermetrics layout "
#define VERSION "1 "

enum { TIME_DIGITS = 12, RANDOM_BYTES = (TM__MEMCACHED_GENERATION - TIME_DIGITS) / 2 };

int tm__memcached_layout_new(size_t partition_count, tm__memcached_layout *out, tm_error *error)
{
    unsigned char random[RANDOM_BYTES];
    if (tm__random_bytes(random, sizeof random) != TM_OK)
        return tm__fail(error, TM_EIO, "memcached: no random numbers");
    uint64_t time_ms = (uint64_t)tm__wall_ms() & ((UINT64_C(1) << (4 * TIME_DIGITS)) - 1);
    *out = (tm__memcached_layout){.partition_count = partition_count};
    snprintf(out->generation, sizeof out->generation, "%0*" PRIx64, TIME_DIGITS, time_ms);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out->generation + TIME_DIGITS + 2 * i, 3, "%02x", random[i]);
    return TM_OK;
}

size_t tm__memcached_layout_write(const tm__memcached_layout *layout, char out[TM__MEMCACHED_LAYOUT_BYTES])
{
    return (size_t)snprintf(out, TM__MEMCACHED_LAYOUT_BYTES, HEAD VERSION "%zu %s", layout->partition_count,
                            layout->generation);
}

/* Copies the bytes as a text; false if they cannot be a layout of any version. */
static bool take_text(const char *bytes, size_t len, char text[TM__MEMCACHED_LAYOUT_BYTES])
{
    if (len < strlen(HEAD) || len >= TM__MEMCACHED_LAYOUT_BYTES || memcmp(bytes, HEAD, strlen(HEAD)) != 0)
        return false;
    memcpy(text, bytes, len);
    text[len] = '\0';
    return strlen(text) == len;
}

int tm__memcached_layout_read(const char *bytes, size_t len, tm__memcached_layout *out, tm_error *error)
{
    char text[TM__MEMCACHED_LAYOUT_BYTES];
    if (!take_text(bytes, len, text))
        return tm__fail(error, TM_ECORRUPT, "the item that should hold the layout holds something else");
    const char *version = text + strlen(HEAD);
    if (strncmp(version, VERSION, strlen(VERSION)) != 0)
        return tm__fail(error, TM_EUNSUPPORTED, "the layout is of another version");
    const char *count = version + strlen(VERSION);
    char *generation;
    unsigned long partition_count = strtoul(count, &generation, 10);
    bool ok = *count >= '1' && *count <= '9' && partition_count <= TM__MEMCACHED_PARTITIONS_MAX && *generation++ == ' ';
    if (!ok || strlen(generation) != TM__MEMCACHED_GENERATION ||
        strspn(generation, "0123456789abcdef") != TM__MEMCACHED_GENERATION)
        return tm__fail(error, TM_ECORRUPT, "the layout is damaged");
    *out = (tm__memcached_layout){.partition_count = partition_count};
    memcpy(out->generation, generation, sizeof out->generation);
    return TM_OK;
}

void tm__memcached_layout_key(const char *ns, char out[TM__MEMCACHED_KEY_BYTES])
{
    snprintf(out, TM__MEMCACHED_KEY_BYTES, "%s:layout", ns);
}

void tm__memcached_partition_key(const char *ns, const tm__memcached_layout *layout, size_t partition,
                                 char out[TM__MEMCACHED_KEY_BYTES])
{
    snprintf(out, TM__MEMCACHED_KEY_BYTES, "%s:%s:%zu", ns, layout->generation, partition);
}
