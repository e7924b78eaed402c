#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum fault { NONE, FAIL_ALLOCATION, FAIL_CALL, SHORT_WRITE, EXIT } fault;

/* What was asked for. The counter is set last, with release, and read first, with acquire. */
static fault kind;
static const char *only;
static int error_to_give;
static size_t bytes_to_write;
static faults_moment moment_to_exit;

static atomic_long calls_left; /* 1: the next call meets the fault; 0 or less: none does */
static atomic_bool paused;
static atomic_bool happened;
static const char *_Atomic function_that_failed;

/* ---- asking -------------------------------------------------------------------------------------------------- */

static void arm(fault what, size_t n)
{
    kind = what;
    atomic_store(&paused, false);
    atomic_store(&happened, false);
    atomic_store(&function_that_failed, "none");
    atomic_store_explicit(&calls_left, (long)n, memory_order_release);
}

static bool arm_next(fault what, size_t n)
{
    faults_off();
    if (n > 1 && !atomic_load(&happened))
        return false;
    only = NULL;
    arm(what, n);
    return true;
}

bool faults_fail_allocation(size_t n)
{
    return arm_next(FAIL_ALLOCATION, n);
}

void faults_fail_only_allocation(size_t n)
{
    faults_off();
    only = NULL;
    arm(FAIL_ALLOCATION, n);
}

bool faults_fail_call(size_t n, int error_number)
{
    error_to_give = error_number;
    return arm_next(FAIL_CALL, n);
}

void faults_fail_named(const char *function, size_t n, int error_number)
{
    faults_off();
    only = function;
    error_to_give = error_number;
    arm(FAIL_CALL, n);
}

void faults_short_write(size_t n, size_t bytes)
{
    faults_off();
    only = "write";
    bytes_to_write = bytes;
    arm(SHORT_WRITE, n);
}

void faults_exit_at(size_t n, faults_moment moment)
{
    faults_off();
    only = NULL;
    moment_to_exit = moment;
    arm(EXIT, n);
}

void faults_off(void)
{
    atomic_store(&calls_left, 0);
}

void faults_pause(void)
{
    atomic_store(&paused, true);
}

void faults_resume(void)
{
    atomic_store(&paused, false);
}

bool faults_happened(void)
{
    return atomic_load(&happened);
}

const char *faults_function(void)
{
    return atomic_load(&function_that_failed);
}

/* ---- meeting ------------------------------------------------------------------------------------------------- */

/* What the call that is being made meets. */
static fault meet(const char *function, bool is_allocation)
{
    if (atomic_load_explicit(&calls_left, memory_order_acquire) <= 0 || atomic_load(&paused) ||
        is_allocation != (kind == FAIL_ALLOCATION) || (only && strcmp(only, function) != 0) ||
        atomic_fetch_sub(&calls_left, 1) != 1)
        return NONE;
    atomic_store(&function_that_failed, function);
    atomic_store(&happened, true);
    return kind;
}

static bool allocation_fails(const char *function)
{
    if (meet(function, true) == NONE)
        return false;
    errno = ENOMEM;
    return true;
}

/* Before a call; true if it must fail, with errno set. *then is for after_call. */
static bool call_fails(const char *function, fault *then)
{
    *then = meet(function, false);
    if (*then == EXIT && moment_to_exit != FAULTS_AFTER)
        _exit(FAULTS_EXIT);
    if (*then != FAIL_CALL)
        return false;
    errno = error_to_give;
    return true;
}

static void after_call(fault then)
{
    if (then == EXIT)
        _exit(FAULTS_EXIT);
}

/* ---- allocations --------------------------------------------------------------------------------------------- */

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    return allocation_fails("malloc") ? NULL : __real_malloc(bytes);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    return allocation_fails("calloc") ? NULL : __real_calloc(count, bytes);
}

void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes)
{
    return allocation_fails("realloc") ? NULL : __real_realloc(old, bytes);
}

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return allocation_fails("aligned_alloc") ? NULL : __real_aligned_alloc(alignment, bytes);
}

int __real_posix_memalign(void **out, size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **out, size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return allocation_fails("posix_memalign") ? ENOMEM : __real_posix_memalign(out, alignment, bytes);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return allocation_fails("strdup") ? NULL : __real_strdup(text);
}

char *__real_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len)
{
    return allocation_fails("strndup") ? NULL : __real_strndup(text, len);
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **out, const char *format, ...);
int __wrap_asprintf(char **out, const char *format, ...)
{
    if (allocation_fails("asprintf"))
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(out, format, arguments);
    va_end(arguments);
    return len;
}

/* ---- system calls -------------------------------------------------------------------------------------------- */

#define WRAP(name, parameters, ...)              \
    int __real_##name parameters;                \
    int __wrap_##name parameters;                \
    int __wrap_##name parameters                 \
    {                                            \
        fault then;                              \
        if (call_fails(#name, &then))            \
            return -1;                           \
        int result = __real_##name(__VA_ARGS__); \
        after_call(then);                        \
        return result;                           \
    }

WRAP(fstat, (int descriptor, struct stat *out), descriptor, out)
WRAP(fchmod, (int descriptor, mode_t mode), descriptor, mode)
WRAP(fchown, (int descriptor, uid_t owner, gid_t group), descriptor, owner, group)
WRAP(flock, (int descriptor, int operation), descriptor, operation)
WRAP(fsync, (int descriptor), descriptor)
WRAP(rename, (const char *from, const char *to), from, to)
WRAP(unlink, (const char *path), path)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    fault then;
    if (call_fails("open", &then))
        return -1;
    int descriptor = __real_open(path, flags, mode);
    after_call(then);
    return descriptor;
}

/* A close that fails has closed all the same. */
int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __wrap_close(int descriptor)
{
    fault then;
    bool fails = call_fails("close", &then);
    int result = __real_close(descriptor);
    after_call(then);
    if (fails)
        errno = error_to_give;
    return fails ? -1 : result;
}

ssize_t __real_read(int descriptor, void *out, size_t bytes);
ssize_t __wrap_read(int descriptor, void *out, size_t bytes);
ssize_t __wrap_read(int descriptor, void *out, size_t bytes)
{
    fault then;
    if (call_fails("read", &then))
        return -1;
    ssize_t got = __real_read(descriptor, out, bytes);
    after_call(then);
    return got;
}

ssize_t __real_write(int descriptor, const void *from, size_t bytes);
ssize_t __wrap_write(int descriptor, const void *from, size_t bytes);
ssize_t __wrap_write(int descriptor, const void *from, size_t bytes)
{
    fault then = meet("write", false);
    if (then == FAIL_CALL) {
        errno = error_to_give;
        return -1;
    }
    if (then == EXIT && moment_to_exit == FAULTS_BEFORE)
        _exit(FAULTS_EXIT);
    if (then == EXIT && moment_to_exit == FAULTS_HALFWAY)
        bytes /= 2;
    if (then == SHORT_WRITE && bytes > bytes_to_write)
        bytes = bytes_to_write;
    ssize_t written = __real_write(descriptor, from, bytes);
    after_call(then);
    return written;
}

char *__real_realpath(const char *path, char *out);
char *__wrap_realpath(const char *path, char *out);
char *__wrap_realpath(const char *path, char *out)
{
    fault then;
    if (allocation_fails("realpath") || call_fails("realpath", &then))
        return NULL;
    char *result = __real_realpath(path, out);
    after_call(then);
    return result;
}

char *__real_getcwd(char *out, size_t bytes);
char *__wrap_getcwd(char *out, size_t bytes);
char *__wrap_getcwd(char *out, size_t bytes)
{
    fault then;
    if (allocation_fails("getcwd") || call_fails("getcwd", &then))
        return NULL;
    char *result = __real_getcwd(out, bytes);
    after_call(then);
    return result;
}

ssize_t __real_getrandom(void *out, size_t bytes, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t bytes, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t bytes, unsigned flags)
{
    fault then;
    if (call_fails("getrandom", &then))
        return -1;
    ssize_t got = __real_getrandom(out, bytes, flags);
    after_call(then);
    return got;
}
