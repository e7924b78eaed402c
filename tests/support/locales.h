/* Locales that write numbers otherwise. */
#ifndef TM_TESTS_LOCALES_H
#define TM_TESTS_LOCALES_H

/* Makes a locale from the C library's sources (Debian's package "locales"), such as "de_DE", in UTF-8, and switches
 * this process to it. Fails the test if its decimal point is not `point`. */
void use_locale(const char *source, const char *point);

#endif
