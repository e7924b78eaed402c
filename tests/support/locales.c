#include "locales.h"

#include <locale.h>

#include "test.h"

void use_locale(const char *source, const char *point)
{
    char command[8192];
    char name[64];
    snprintf(name, sizeof name, "%s.UTF-8", source);
    snprintf(command, sizeof command, "localedef --quiet --no-archive -c -i %s -f UTF-8 '%s/%s'", source,
             test_directory(), name);
    /* localedef's status is not 0 for mere warnings: what counts is whether the locale can be used. */
    int status = system(command);
    setenv("LOCPATH", test_directory(), 1);
    if (!setlocale(LC_ALL, name))
        fail_msg("no locale %s: localedef ended with status %d; is the package \"locales\" there?", name, status);
    assert_string_equal(localeconv()->decimal_point, point);
}
