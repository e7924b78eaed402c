/* A test program: cmocka, one process a test. `PROGRAM --list` prints the names, `PROGRAM NAME` runs one; NAME with or
 * without the module in front. */
#ifndef TM_TESTS_TEST_H
#define TM_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <taskermetrics/taskermetrics.h>

/* TEST(counts_exactly) { ... } */
#define TEST(name) static void name(void **test_state __attribute__((unused)))

/* The last line of a test program: TEST_MAIN("module", T(one), T(two), T_LIMIT(slow, 180))
 * A test has 60 seconds, or as many as T_LIMIT gives it. */
#define T(name) T_LIMIT(name, 0)
/* clang-format off */
#define T_LIMIT(name, seconds) { #name, name, NULL, NULL, (void *)(intptr_t)(seconds) }
/* clang-format on */
#define TEST_MAIN(module, ...)                                                       \
    int main(int argc, char **argv)                                                  \
    {                                                                                \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                             \
        return test_main(module, tests, sizeof tests / sizeof tests[0], argc, argv); \
    }

int test_main(const char *module, const struct CMUnitTest *tests, size_t count, int argc, char **argv);

#define assert_ok(call) assert_status(call, TM_OK)
#define assert_status(call, expected)                                                                        \
    do {                                                                                                     \
        int test_status = (call);                                                                            \
        if (test_status != (expected))                                                                       \
            fail_msg("%s is %s, expected %s", #call, tm_status_name(test_status), tm_status_name(expected)); \
    } while (0)

/* Equal within `ulps` units in the last place; NaN equals NaN. */
#define assert_double_near(a, b, ulps) test_assert_double_near((a), (b), (ulps), __FILE__, __LINE__)
void test_assert_double_near(double a, double b, int64_t ulps, const char *file, int line);

/* A fresh directory for this test, removed at exit. */
const char *test_directory(void);

/* A growing string that is a tm_sink: tm_export(..., text_sink, &text). Freed with text_free. */
typedef struct test_text {
    char *data; /* NUL-terminated once something was written */
    size_t len;
} test_text;
int text_sink(void *text, const char *bytes, size_t len);
void text_free(test_text *text);

#endif
