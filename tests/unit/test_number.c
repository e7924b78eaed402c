#include "base/number.h"

#include <math.h>
#include <stdbool.h>

#include "locales.h"
#include "test.h"

/* ---- helpers ------------------------------------------------------------------------------------------------- */

typedef size_t printer(double value, char out[TM__NUMBER_MAX]);

static const char *print(printer *print_double, double value)
{
    static char text[TM__NUMBER_MAX + 1];
    memset(text, '~', sizeof text);
    size_t len = print_double(value, text);
    assert_true(len > 0 && len <= TM__NUMBER_MAX);
    text[len] = '\0';
    return text;
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* The digits of a number from the first to the last that is not 0. */
static size_t significant_digits(const char *number, char digits[64])
{
    size_t count = 0;
    for (; *number && *number != 'e'; number++)
        if (*number >= '0' && *number <= '9' && (count > 0 || *number != '0'))
            digits[count++] = *number;
    while (count > 0 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return count;
}

static size_t digit_count(const char *number)
{
    char digits[64];
    return significant_digits(number, digits);
}

static const char *shortest_by_trial(double value)
{
    static char text[64];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}

static void assert_reads_back(printer *print_double, double value)
{
    const char *text = print(print_double, value);
    double back = strtod(text, NULL);
    if (memcmp(&back, &value, sizeof value) != 0)
        fail_msg("%.17g was printed as %s", value, text);
}

/* No more digits than the shortest of the three usual precisions, and of all numbers with as many digits the nearest,
 * if that reads back too. */
static void assert_shortest(double value)
{
    char digits[64], nearest_digits[64], nearest[64];
    const char *text = print(tm__print_double, value);
    size_t count = significant_digits(text, digits);
    if (count > digit_count(shortest_by_trial(value)))
        fail_msg("%s is longer than %s", text, shortest_by_trial(value));
    snprintf(nearest, sizeof nearest, "%.*e", count > 0 ? (int)count - 1 : 0, value);
    significant_digits(nearest, nearest_digits);
    if (strtod(nearest, NULL) == value && strcmp(digits, nearest_digits) != 0)
        fail_msg("%s is not as near as %s", text, nearest);
}

static void assert_round_trip(double value)
{
    assert_reads_back(tm__print_double, value);
    assert_reads_back(tm__print_openmetrics_double, value);
    assert_shortest(value);
}

typedef struct example {
    double value;
    const char *text;
    const char *openmetrics;
} example;

static const example examples[] = {
    {0, "0", "0.0"},
    {-0.0, "-0", "-0.0"},
    {1, "1", "1.0"},
    {-1, "-1", "-1.0"},
    {10, "10", "10.0"},
    {3.5, "3.5", "3.5"},
    {-2.5, "-2.5", "-2.5"},
    {0.1, "0.1", "0.1"},
    {0.005, "0.005", "0.005"},
    {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {0.0001, "0.0001", "0.0001"},
    {0.00012345, "0.00012345", "0.00012345"},
    {0.00001, "1e-05", "1e-05"},
    {1.5e-5, "1.5e-05", "1.5e-05"},
    {99999, "99999", "99999.0"},
    {100000, "100000", "100000.0"},
    {123456.789, "123456.789", "123456.789"},
    {999999, "999999", "999999.0"},
    {1000000, "1000000", "1e+06"},
    {1234567, "1234567", "1.234567e+06"},
    {1234567.25, "1234567.25", "1.23456725e+06"},
    {9007199254740991, "9007199254740991", "9.007199254740991e+15"},
    {9007199254740992, "9007199254740992", "9.007199254740992e+15"},
    {9007199254740994, "9007199254740994", "9.007199254740994e+15"},
    {4503599627370495.5, "4503599627370495.5", "4.5035996273704955e+15"},
    {1e16, "1e+16", "1e+16"},
    {18446744073709551616.0, "1.8446744073709552e+19", "1.8446744073709552e+19"},
    {1e22, "1e+22", "1e+22"},
    {1e23, "1e+23", "1e+23"},
    {1e300, "1e+300", "1e+300"},
    {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"},
    {2.2250738585072014e-308, "2.2250738585072014e-308", "2.2250738585072014e-308"},
    {NAN, "NaN", "NaN"},
    {INFINITY, "+Inf", "+Inf"},
    {-INFINITY, "-Inf", "-Inf"},
};

static void assert_examples(void)
{
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        assert_string_equal(print(tm__print_double, examples[i].value), examples[i].text);
        assert_string_equal(print(tm__print_openmetrics_double, examples[i].value), examples[i].openmetrics);
    }
}

/* ---- integers ------------------------------------------------------------------------------------------------ */

static void assert_u64(uint64_t value)
{
    char text[TM__NUMBER_MAX + 1];
    char expected[TM__NUMBER_MAX + 1];
    text[tm__print_u64(value, text)] = '\0';
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
    assert_string_equal(text, expected);
}

TEST(integers_of_every_length_are_printed_in_full)
{
    assert_u64(0);
    assert_u64(UINT64_MAX);
    for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
        assert_u64(power - 1);
        assert_u64(power);
        assert_u64(power + 1);
    }
    for (int i = 0; i < 200000; i++)
        assert_u64(next_random() >> (next_random() % 64));
}

/* ---- doubles ------------------------------------------------------------------------------------------------- */

TEST(known_doubles_have_their_known_texts)
{
    assert_examples();
}

TEST(a_signalling_or_negative_nan_is_nan)
{
    assert_string_equal(print(tm__print_double, -NAN), "NaN");
    assert_string_equal(print(tm__print_openmetrics_double, -NAN), "NaN");
}

TEST(any_bit_pattern_reads_back)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random();
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            assert_round_trip(value);
    }
}

TEST(measured_values_read_back)
{
    for (int i = 0; i < 300000; i++) {
        double scale = pow(10, (double)(next_random() % 28) - 11);
        assert_round_trip((double)(next_random() >> 11) * 0x1p-53 * scale);
        assert_round_trip(-(double)(next_random() % 1000000) / 1000);
    }
}

/* Where the distance to the neighbours changes. */
TEST(powers_of_two_and_their_neighbours_read_back)
{
    for (int exponent = -1074; exponent < 1024; exponent++) {
        double power = ldexp(1, exponent);
        assert_round_trip(power);
        assert_round_trip(nextafter(power, 0));
        assert_round_trip(nextafter(power, INFINITY));
    }
}

TEST(powers_of_ten_and_their_neighbours_read_back)
{
    for (int exponent = -320; exponent <= 308; exponent++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", exponent);
        double power = strtod(text, NULL);
        assert_round_trip(power);
        assert_round_trip(nextafter(power, 0));
        assert_round_trip(nextafter(power, INFINITY));
        assert_int_equal(digit_count(print(tm__print_double, power)),
                         exponent < -307 ? digit_count(shortest_by_trial(power)) : 1);
    }
}

TEST(short_decimals_stay_short)
{
    for (int places = 1; places <= 6; places++) {
        for (int i = 0; i < 20000; i++) {
            char text[32];
            int whole = (int)(next_random() % 1000000);
            snprintf(text, sizeof text, "%d.%0*d", whole, places, (int)(next_random() % (uint64_t)pow(10, places)));
            size_t len = strlen(text);
            while (text[len - 1] == '0')
                text[--len] = '\0';
            if (text[len - 1] == '.')
                text[--len] = '\0';
            if (strtod(text, NULL) >= 0.0001 || strcmp(text, "0") == 0)
                assert_string_equal(print(tm__print_double, strtod(text, NULL)), text);
        }
    }
}

/* ---- locales ------------------------------------------------------------------------------------------------- */

TEST(a_decimal_comma_changes_nothing)
{
    use_locale("de_DE", ",");
    assert_examples();
}

TEST(a_decimal_point_of_two_bytes_changes_nothing)
{
    use_locale("ps_AF", "\xd9\xab");
    assert_examples();
}

TEST_MAIN("number", T(integers_of_every_length_are_printed_in_full), T(known_doubles_have_their_known_texts),
          T(a_signalling_or_negative_nan_is_nan), T(any_bit_pattern_reads_back), T(measured_values_read_back),
          T(powers_of_two_and_their_neighbours_read_back), T(powers_of_ten_and_their_neighbours_read_back),
          T(short_decimals_stay_short), T(a_decimal_comma_changes_nothing),
          T(a_decimal_point_of_two_bytes_changes_nothing))
