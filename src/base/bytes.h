/* Short runs of bytes, compared and read without a call. */
#ifndef TM__BASE_BYTES_H
#define TM__BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t tm__load64(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t tm__load32(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint16_t tm__load16(const char *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return half;
}

/* Two words, which overlap where n is not their sum, cover 4 to 16 bytes; three bytes cover up to 3. */
static inline bool tm__bytes_equal(const char *a, const char *b, size_t n)
{
    if (n >= 8) {
        if (__builtin_expect(n > 16, 0))
            return memcmp(a, b, n) == 0;
        return tm__load64(a) == tm__load64(b) && tm__load64(a + n - 8) == tm__load64(b + n - 8);
    }
    if (n >= 4)
        return tm__load32(a) == tm__load32(b) && tm__load32(a + n - 4) == tm__load32(b + n - 4);
    return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

/* Two words that hold every byte of up to 16, and the ends of longer runs. */
typedef struct tm__ends {
    uint64_t head;
    uint64_t tail;
} tm__ends;

static inline tm__ends tm__bytes_ends(const char *p, size_t n)
{
    if (n >= 8)
        return (tm__ends){tm__load64(p), tm__load64(p + n - 8)};
    if (n >= 4)
        return (tm__ends){tm__load32(p), tm__load32(p + n - 4)};
    if (n == 0)
        return (tm__ends){0, 0};
    return (tm__ends){(unsigned char)p[0], (unsigned char)p[n / 2] | (uint64_t)(unsigned char)p[n - 1] << 8};
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The high bit of every zero byte, exact up to the lowest (Mycroft 1987). */
static inline uint64_t tm__zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}
#endif

/* The first a or b, or end. For short runs, where a call of memchr costs more than it saves. */
static inline const char *tm__find_either(const char *p, const char *end, char a, char b)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t every_a = UINT64_C(0x0101010101010101) * (unsigned char)a;
    const uint64_t every_b = UINT64_C(0x0101010101010101) * (unsigned char)b;
    for (; end - p >= 8; p += 8) {
        uint64_t word = tm__load64(p);
        uint64_t found = tm__zero_bytes(word ^ every_a) | tm__zero_bytes(word ^ every_b);
        if (found)
            return p + __builtin_ctzll(found) / 8;
    }
#endif
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

#endif
