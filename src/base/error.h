/* Filling in a tm_error. */
#ifndef TM__BASE_ERROR_H
#define TM__BASE_ERROR_H

#include <taskermetrics/base.h>

#include "base/shared.h"

/* Sets the status and a formatted text (cut to fit); error may be NULL. Returns status, so that a failing function
 * can end in `return tm__fail(error, TM_E…, "…")`. The text must never hold a secret. */
TM__SHARED __attribute__((format(printf, 3, 4))) int tm__fail(tm_error *error, int status, const char *format, ...);

#ifdef __clang_analyzer__
/* It reads one file at a time, and must know that what failed does not go on as if it had not. */
#define tm__fail(error, status, ...) ((void)(tm__fail)((error), (status), __VA_ARGS__), (status))
#endif

/* The same for a system call that just failed: status from errno, text "WHAT: strerror". */
int tm__fail_errno(tm_error *error, const char *what);

/* The status that fits an errno best. */
int tm__status_of_errno(int error_number);

#endif
