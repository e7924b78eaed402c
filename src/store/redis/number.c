#include "store/redis/number.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DOUBLE_TEXT_MAX = 64 };

bool tm__redis_read_count(const char *text, size_t len, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return len > 0;
}

static locale_t plain_locale;

static void make_plain_locale(void)
{
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool tm__redis_read_double(const char *text, size_t len, double *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_plain_locale);
    char copy[DOUBLE_TEXT_MAX];
    if (!plain_locale || len == 0 || len >= sizeof copy || strchr(" \t\n\v\f\r", text[0]))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *end;
    *out = strtod_l(copy, &end, plain_locale);
    return end == copy + len;
}
