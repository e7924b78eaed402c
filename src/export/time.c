/* Time as text. gmtime_r would do, but it takes a lock of the C library that a forked child may find held for ever. */
#include "export/export.h"

enum { DAY_MS = 24 * 60 * 60 * 1000, DAYS_IN_400_YEARS = 146097, DAYS_BEFORE_1970 = 719468 };

/* The date of the Gregorian calendar `days` after 0000-03-01. A year begins on 1 March here, so that the leap day is
 * its last; in 400 years there are 97. */
static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t rest = days % DAYS_IN_400_YEARS;
    int64_t years = (rest - rest / 1460 + rest / 36524 - rest / (DAYS_IN_400_YEARS - 1)) / 365;
    rest -= 365 * years + years / 4 - years / 100;
    int64_t months = (5 * rest + 2) / 153; /* 153 days are five months from March or August on */
    *day = rest - (153 * months + 2) / 5 + 1;
    *month = months < 10 ? months + 3 : months - 9;
    *year = days / DAYS_IN_400_YEARS * 400 + years + (*month <= 2);
}

static char *put_digits(char *at, int64_t value, int width, char after)
{
    at[width] = after;
    for (int i = width - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + width + 1;
}

void tm__print_time(int64_t time_ms, char out[TM__TIME_TEXT_BYTES])
{
    time_ms = time_ms < 0 ? 0 : time_ms > TM__LAST_TIME_MS ? TM__LAST_TIME_MS : time_ms;
    int64_t year, month, day;
    date_of_days(time_ms / DAY_MS + DAYS_BEFORE_1970, &year, &month, &day);
    int64_t ms = time_ms % DAY_MS;
    char *at = put_digits(out, year, 4, '-');
    at = put_digits(at, month, 2, '-');
    at = put_digits(at, day, 2, 'T');
    at = put_digits(at, ms / 3600000, 2, ':');
    at = put_digits(at, ms / 60000 % 60, 2, ':');
    at = put_digits(at, ms / 1000 % 60, 2, '.');
    at = put_digits(at, ms % 1000, 3, 'Z');
    *at = '\0';
}
