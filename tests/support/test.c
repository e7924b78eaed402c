#include "test.h"

#include <ftw.h>
#include <math.h>
#include <unistd.h>

static void print_names(const char *module, const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s.%s", module, tests[i].name);
        intptr_t limit_s = (intptr_t)tests[i].initial_state;
        if (limit_s > 0)
            printf(" limit=%ld", (long)limit_s);
        putchar('\n');
    }
}

/* `wanted` without the module's name in front, if it is there. */
static const char *without_module(const char *module, const char *wanted)
{
    size_t len = strlen(module);
    return strncmp(wanted, module, len) == 0 && wanted[len] == '.' ? wanted + len + 1 : wanted;
}

int test_main(const char *module, const struct CMUnitTest *tests, size_t count, int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s --list | NAME\n", argv[0]);
        return 2;
    }
    if (strcmp(argv[1], "--list") == 0) {
        print_names(module, tests, count);
        return 0;
    }
    const char *name = without_module(module, argv[1]);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tests[i].name, name) == 0)
            return _cmocka_run_group_tests(module, &tests[i], 1, NULL, NULL) == 0 ? 0 : 1;
    fprintf(stderr, "%s has no test named %s\n", module, name);
    return 2;
}

/* Doubles in ascending order as integers in ascending order, so that the distance is a number of units in the last
 * place. */
static int64_t ordered(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

void test_assert_double_near(double a, double b, int64_t ulps, const char *file, int line)
{
    if (isnan(a) && isnan(b))
        return;
    int64_t x = ordered(a);
    int64_t y = ordered(b);
    uint64_t distance = x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
    if (!isnan(a) && !isnan(b) && distance <= (uint64_t)ulps)
        return;
    print_error("%.17g and %.17g are not within %lld units in the last place\n", a, b, (long long)ulps);
    _fail(file, line);
}

static char directory[4096];
static pid_t directory_owner;

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

static void remove_directory(void)
{
    /* A forked child that leaves by exit() must not take its parent's directory away. */
    if (getpid() == directory_owner)
        nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_directory(void)
{
    if (directory[0])
        return directory;
    const char *parent = getenv("TMPDIR");
    char path[sizeof directory];
    snprintf(path, sizeof path, "%s/tm-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(path))
        fail_msg("cannot make a directory like %s", path);
    directory_owner = getpid();
    memcpy(directory, path, sizeof directory);
    atexit(remove_directory);
    return directory;
}

int text_sink(void *text, const char *bytes, size_t len)
{
    test_text *t = text;
    char *data = realloc(t->data, t->len + len + 1);
    if (!data)
        return -1;
    t->data = data;
    memcpy(data + t->len, bytes, len);
    t->len += len;
    data[t->len] = '\0';
    return 0;
}

void text_free(test_text *text)
{
    free(text->data);
    *text = (test_text){0};
}
