#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 20 };

/* digits[0].digits[1]digits[2]... * 10^exponent. */
typedef struct decimal {
    int count;
    int exponent;
    char digits[DIGITS_MAX];
} decimal;

/* Every integer below it is a double. */
static const double INTEGER_LIMIT = 9007199254740992.0;

static const char two_digits[] = "00010203040506070809101112131415161718192021222324"
                                 "25262728293031323334353637383940414243444546474849"
                                 "50515253545556575859606162636465666768697071727374"
                                 "75767778798081828384858687888990919293949596979899";

/* From the number of bits: 1233 / 4096 is a little more than the logarithm of 2. */
static size_t count_digits(uint64_t value)
{
    static const uint64_t powers_of_ten[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    size_t bits = 64 - (size_t)__builtin_clzll(value | 1);
    size_t at_most = bits * 1233 / 4096;
    return at_most + (value >= powers_of_ten[at_most]);
}

size_t tm__print_u64(uint64_t value, char out[TM__NUMBER_MAX])
{
    size_t len = value == 0 ? 1 : count_digits(value);
    char *at = out + len;
    while (value >= 100) {
        at -= 2;
        memcpy(at, two_digits + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(out, two_digits + 2 * value, 2);
    else
        *out = (char)('0' + value);
    return len;
}

static decimal decimal_of_integer(uint64_t value)
{
    char text[TM__NUMBER_MAX];
    decimal d = {.count = (int)tm__print_u64(value, text)};
    memcpy(d.digits, text, (size_t)d.count);
    d.exponent = d.count - 1;
    return d;
}

/* Holds the part behind the point as a binary fraction, times ten. */
#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 fraction;
#else
typedef uint64_t fraction;
#endif

enum {
    MANTISSA_BITS = 52,
    EXPONENT_BIAS = 1075,                                /* value = mantissa * 2^(exponent - bias) */
    FRACTION_BITS_MAX = (int)(8 * sizeof(fraction)) - 6, /* two more for quarters of the last place, four for the ten */
};

/* Adds the shortest digits that only this double is read from, by exact arithmetic: digit after digit, until what is
 * left of the fraction, or lacks to the next digit, is less than half the distance to the neighbouring double (Steele
 * and White 1990). A last digit is never 9 + 1: the step before it would have been the last.
 * rest, half_below, half_above: the fraction and those halves, in units of 2^-bits. */
static void add_fraction_digits(decimal *d, fraction rest, fraction half_below, fraction half_above, int bits)
{
    const fraction one = (fraction)1 << bits;
    bool enough_below = false;
    bool enough_above = false;
    while (!enough_below && !enough_above) {
        rest *= 10;
        half_below *= 10;
        half_above *= 10;
        unsigned digit = (unsigned)(rest >> bits);
        rest &= one - 1;
        enough_below = rest < half_below;
        enough_above = rest + half_above > one;
        bool above_is_nearer = 2 * rest + (digit & 1) > one; /* of two as near, the even */
        if (enough_above && (above_is_nearer || !enough_below))
            digit++;
        if (d->count > 0 || digit > 0)
            d->digits[d->count++] = (char)('0' + digit);
        else
            d->exponent--;
    }
}

/* Only for values below INTEGER_LIMIT that are no integers; false if the value is too small for a fraction to hold. */
static bool decimal_of_fraction(double value, decimal *d)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint64_t hidden_bit = (uint64_t)1 << MANTISSA_BITS;
    const uint64_t mantissa = (bits & (hidden_bit - 1)) | hidden_bit;
    const int fraction_bits = EXPONENT_BIAS - (int)(bits >> MANTISSA_BITS);
    if (fraction_bits > FRACTION_BITS_MAX)
        return false;
    const uint64_t whole = fraction_bits > MANTISSA_BITS ? 0 : mantissa >> fraction_bits;
    *d = whole > 0 ? decimal_of_integer(whole) : (decimal){.exponent = -1};
    const fraction one = (fraction)1 << fraction_bits;
    const fraction quarters = ((fraction)mantissa & (one - 1)) << 2;
    add_fraction_digits(d, quarters, mantissa == hidden_bit ? 1 : 2, 2, fraction_bits + 2);
    return true;
}

/* For the very large and very small. The digits stand directly before the 'e', so it does not matter what the locale
 * takes for a point; 17 digits always read back. */
static decimal decimal_by_printf(double value)
{
    char text[64];
    int precision = 14;
    for (;; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (precision == 16 || strtod(text, NULL) == value)
            break;
    }
    const char *e = strrchr(text, 'e');
    decimal d = {.count = precision + 1, .exponent = (int)strtol(e + 1, NULL, 10), .digits = {text[0]}};
    memcpy(d.digits + 1, e - precision, (size_t)precision);
    return d;
}

/* value: positive and finite. */
static decimal shortest_decimal(double value)
{
    decimal d;
    if (value < INTEGER_LIMIT && (double)(uint64_t)value == value)
        d = decimal_of_integer((uint64_t)value);
    else if (value >= INTEGER_LIMIT || !decimal_of_fraction(value, &d))
        d = decimal_by_printf(value);
    while (d.count > 1 && d.digits[d.count - 1] == '0')
        d.count--;
    return d;
}

static char *put(char *at, const char *bytes, int len)
{
    memcpy(at, bytes, (size_t)len);
    return at + len;
}

static char *put_zeros(char *at, int count)
{
    memset(at, '0', (size_t)count);
    return at + count;
}

static char *put_positional(char *at, const decimal *d)
{
    int before = d->exponent + 1;
    if (before <= 0) {
        at = put_zeros(put(at, "0.", 2), -before);
        return put(at, d->digits, d->count);
    }
    if (before >= d->count)
        return put_zeros(put(at, d->digits, d->count), before - d->count);
    at = put(put(at, d->digits, before), ".", 1);
    return put(at, d->digits + before, d->count - before);
}

static char *put_scientific(char *at, const decimal *d)
{
    at = put(at, d->digits, 1);
    if (d->count > 1)
        at = put(put(at, ".", 1), d->digits + 1, d->count - 1);
    at = put(at, d->exponent < 0 ? "e-" : "e+", 2);
    int exponent = abs(d->exponent);
    if (exponent >= 100)
        *at++ = (char)('0' + exponent / 100);
    return put(at, two_digits + (size_t)(2 * (exponent % 100)), 2);
}

/* Prints a finite number: scientific below 10^-4 and from 10^largest_exponent on. */
static size_t print_finite(double value, int largest_exponent, char *out)
{
    char *at = out;
    if (signbit(value))
        *at++ = '-';
    decimal d = value == 0 ? (decimal){.count = 1, .digits = {'0'}} : shortest_decimal(fabs(value));
    bool positional = d.exponent >= -4 && d.exponent < largest_exponent;
    at = positional ? put_positional(at, &d) : put_scientific(at, &d);
    return (size_t)(at - out);
}

static size_t print_special(double value, char *out)
{
    const char *text = isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

size_t tm__print_double(double value, char out[TM__NUMBER_MAX])
{
    if (value >= 1 && value < INTEGER_LIMIT && (double)(uint64_t)value == value)
        return tm__print_u64((uint64_t)value, out);
    return isfinite(value) ? print_finite(value, 16, out) : print_special(value, out);
}

size_t tm__print_openmetrics_double(double value, char out[TM__NUMBER_MAX])
{
    if (!isfinite(value))
        return print_special(value, out);
    size_t len = print_finite(value, 6, out);
    if (!memchr(out, '.', len) && !memchr(out, 'e', len)) {
        memcpy(out + len, ".0", 2);
        len += 2;
    }
    return len;
}
