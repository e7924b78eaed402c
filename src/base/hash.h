/* Hashing: XXH3 of a short text. */
#ifndef TM__BASE_HASH_H
#define TM__BASE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t tm__hash(const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, len, seed);
}

/* The hash of a series in ledgers and partitions: its labels, seeded with the hash of its family's name. */
static inline uint64_t tm__series_hash(uint64_t name_hash, const char *labels, size_t len)
{
    return tm__hash(labels, len, name_hash);
}

#endif
