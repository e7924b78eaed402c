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

/* Two words, which overlap where n is not their sum, cover 4 to 16 bytes. */
static inline bool tm__bytes_equal(const char *a, const char *b, size_t n)
{
    if (n > 16)
        return memcmp(a, b, n) == 0;
    if (n >= 8)
        return ((tm__load64(a) ^ tm__load64(b)) | (tm__load64(a + n - 8) ^ tm__load64(b + n - 8))) == 0;
    if (n >= 4)
        return ((tm__load32(a) ^ tm__load32(b)) | (tm__load32(a + n - 4) ^ tm__load32(b + n - 4))) == 0;
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
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
    tm__ends ends = {0, 0};
    for (size_t i = 0; i < n; i++)
        ends.head = ends.head << 8 | (unsigned char)p[i];
    return ends;
}

#endif
