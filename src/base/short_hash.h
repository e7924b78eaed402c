/* Hashing short texts inline: names and label values, on the way of every lookup. */
#ifndef TM__BASE_SHORT_HASH_H
#define TM__BASE_SHORT_HASH_H

#include "base/bytes.h"

/* For longer texts: XXH3. */
uint64_t tm__long_hash(const char *text, size_t len, uint64_t seed);

/* Multiplies into 128 bits and folds: what XXH3 and wyhash do with short keys. */
static inline uint64_t tm__mix(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    char words[16];
    memcpy(words, &a, 8);
    memcpy(words + 8, &b, 8);
    return tm__long_hash(words, sizeof words, 0);
#endif
}

/* Texts of up to 16 bytes, which most are, go into the product whole. The constants are the golden ratio and the square
 * root of two. */
static inline uint64_t tm__short_hash(const char *text, size_t len, uint64_t seed)
{
    if (__builtin_expect(len > 16, 0))
        return tm__long_hash(text, len, seed);
    tm__ends ends = tm__bytes_ends(text, len);
    return tm__mix(ends.head ^ (seed + UINT64_C(0x9e3779b97f4a7c15)), ends.tail ^ (len + UINT64_C(0x6a09e667f3bcc909)));
}

#endif
