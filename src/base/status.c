#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

const char *tm_status_name(int status)
{
    switch (status) {
#define STATUS_NAME(number, name, text) \
    case (number):                      \
        return "TM_" #name;
        TM_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    default:
        return "TM_EUNKNOWN";
    }
}

const char *tm_status_text(int status)
{
    switch (status) {
#define STATUS_TEXT(number, name, text) \
    case (number):                      \
        return text;
        TM_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    default:
        return "unknown status";
    }
}

int(tm__fail)(tm_error *error, int status, const char *format, ...)
{
    if (!error)
        return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

int tm__status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOMEM:
        return TM_ENOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return TM_ENOSPC;
    case EACCES:
    case EPERM:
    case ELOOP:
        return TM_EDENIED;
    case EROFS:
        return TM_EREADONLY;
    case ETIMEDOUT:
        return TM_ETIMEOUT;
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
    case ECONNRESET:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EPIPE:
        return TM_EUNAVAILABLE;
    default:
        return TM_EIO;
    }
}

int tm__fail_errno(tm_error *error, const char *what)
{
    int error_number = errno;
    char text[128];
    /* The GNU strerror_r, which may return a constant string instead of filling the buffer. */
    const char *reason = strerror_r(error_number, text, sizeof text);
    return tm__fail(error, tm__status_of_errno(error_number), "%s: %s", what, reason);
}
