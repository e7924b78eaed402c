#include "store/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/* Nothing is followed, waited for or made a terminal of, whatever is in the way. */
enum { CAREFULLY = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY };

/* ---- paths and errors ---------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static char *join(const char *directory, const char *name, const char *suffix)
{
    char *path;
    const char *slash = ends_with(directory, "/") ? "" : "/";
    return asprintf(&path, "%s%s%s%s", directory, slash, name, suffix) < 0 ? NULL : path;
}

int tm__file_paths_make(const char *directory, const char *name, tm__file_paths *out, tm_error *error)
{
    *out = (tm__file_paths){0};
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return tm__fail(error, TM_EURL, "file: the URL must end in the name of a file");
    if (ends_with(name, ".lock") || ends_with(name, ".tmp"))
        return tm__fail(error, TM_EURL, "file: names that end in .lock or .tmp are for the store's own use");
    if (strlen(name) > NAME_MAX - strlen(".lock"))
        return tm__fail(error, TM_EURL, "file: the name is too long; the store's own files add .lock and .tmp to it");
    out->directory = strdup(directory);
    out->data = join(directory, name, "");
    out->lock = join(directory, name, ".lock");
    out->temporary = join(directory, name, ".tmp");
    if (out->directory && out->data && out->lock && out->temporary)
        return TM_OK;
    tm__file_paths_free(out);
    return tm__fail(error, TM_ENOMEM, "file: %s", tm_status_text(TM_ENOMEM));
}

void tm__file_paths_free(tm__file_paths *paths)
{
    free(paths->directory);
    free(paths->data);
    free(paths->lock);
    free(paths->temporary);
    *paths = (tm__file_paths){0};
}

/* From errno; the path comes last, as it may be too long for the text. */
static int fail_at(tm_error *error, const char *doing, const char *path)
{
    int status = tm__fail_errno(error, doing);
    size_t len = strlen(error->text);
    snprintf(error->text + len, sizeof error->text - len, ": %s", path);
    return status;
}

static int fail_not_regular(tm_error *error, const char *path)
{
    return tm__fail(error, TM_EDENIED, "file: something that is no regular file is in the way: %s", path);
}

static bool no_regular_file(int error_number)
{
    return error_number == ELOOP || error_number == EISDIR || error_number == ENXIO || error_number == ENODEV;
}

/* close with errno as it was. */
static void close_quietly(int descriptor)
{
    int error_number = errno;
    close(descriptor);
    errno = error_number;
}

/* Opens a regular file. *descriptor is -1 without an error if there is none. */
static int open_regular(const char *path, int flags, int *descriptor, struct stat *stat, tm_error *error)
{
    *descriptor = open(path, flags | CAREFULLY, 0644);
    if (*descriptor < 0 && errno == ENOENT && !(flags & O_CREAT))
        return TM_OK;
    if (*descriptor < 0)
        return no_regular_file(errno) ? fail_not_regular(error, path) : fail_at(error, "file: open", path);
    int status = TM_OK;
    if (fstat(*descriptor, stat) != 0)
        status = fail_at(error, "file: stat", path);
    else if (!S_ISREG(stat->st_mode))
        status = fail_not_regular(error, path);
    if (status != TM_OK)
        close(*descriptor);
    return status;
}

/* ---- the lock ------------------------------------------------------------------------------------------------ */

static int lock_now(int descriptor)
{
    int result;
    do
        result = flock(descriptor, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result;
}

/* Somebody may have removed the file between open and lock; others would then lock another one. */
static bool was_removed(int descriptor)
{
    struct stat stat;
    return fstat(descriptor, &stat) != 0 || stat.st_nlink == 0;
}

int tm__file_try_lock(const tm__file_paths *paths, int *descriptor, tm_error *error)
{
    struct stat stat;
    int opened;
    *descriptor = -1;
    int status = open_regular(paths->lock, O_RDWR | O_CREAT, &opened, &stat, error);
    if (status != TM_OK)
        return status;
    if (lock_now(opened) != 0) {
        if (errno != EWOULDBLOCK)
            status = fail_at(error, "file: lock", paths->lock);
        close(opened);
        return status;
    }
    if (was_removed(opened))
        close(opened);
    else
        *descriptor = opened;
    return TM_OK;
}

/* A child that was forked meanwhile has the descriptor too: closing alone would not end the lock. */
void tm__file_unlock(int descriptor)
{
    flock(descriptor, LOCK_UN);
    close(descriptor);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static int read_all(int descriptor, const char *path, tm__buffer *out, tm_error *error)
{
    for (;;) {
        if (!tm__buffer_reserve(out, 1))
            return tm__fail(error, TM_ENOMEM, "file: %s", tm_status_text(TM_ENOMEM));
        ssize_t got = read(descriptor, out->data + out->len, out->capacity - out->len);
        if (got == 0)
            return TM_OK;
        if (got > 0)
            out->len += (size_t)got;
        else if (errno != EINTR)
            return fail_at(error, "file: read", path);
        if (out->len > TM__FILE_MAX)
            return tm__fail(error, TM_ETOOBIG, "file: larger than %zu bytes: %s", TM__FILE_MAX, path);
    }
}

int tm__file_read(const tm__file_paths *paths, tm__file_found *found, tm__buffer *out, tm_error *error)
{
    int descriptor;
    int status = open_regular(paths->data, O_RDONLY, &descriptor, &found->stat, error);
    found->exists = status == TM_OK && descriptor >= 0;
    if (!found->exists)
        return status;
    if ((uint64_t)found->stat.st_size > TM__FILE_MAX)
        status = tm__fail(error, TM_ETOOBIG, "file: larger than %zu bytes: %s", TM__FILE_MAX, paths->data);
    else if (!tm__buffer_reserve(out, (size_t)found->stat.st_size + 1))
        status = tm__fail(error, TM_ENOMEM, "file: %s", tm_status_text(TM_ENOMEM));
    else
        status = read_all(descriptor, paths->data, out, error);
    close(descriptor);
    return status;
}

/* ---- replacing ----------------------------------------------------------------------------------------------- */

static int write_all(int descriptor, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(descriptor, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

/* A file size limit is an error like a full disk, not the end of the process: its signal is kept from the host. */
static int write_without_signal(int descriptor, const tm__buffer *content)
{
    sigset_t size_signal;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&size_signal);
    sigaddset(&size_signal, SIGXFSZ);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &size_signal, &before);
    int result = write_all(descriptor, content->data, content->len);
    int error_number = errno;
    if (result != 0 && error_number == EFBIG && !was_pending)
        sigtimedwait(&size_signal, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error_number;
    return result;
}

/* The new file belongs to whom the old one did, as far as we may give it away, and is as open to others. */
static int take_over(int descriptor, const struct stat *old)
{
    struct stat new;
    if (fstat(descriptor, &new) != 0)
        return -1;
    if ((new.st_uid != old->st_uid || new.st_gid != old->st_gid) && fchown(descriptor, old->st_uid, old->st_gid) != 0 &&
        errno != EPERM)
        return -1;
    return fchmod(descriptor, old->st_mode & 07777);
}

static int fill_temporary(const tm__file_paths *paths, const tm__file_found *found, const tm__buffer *content,
                          tm_error *error)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | CAREFULLY;
    int descriptor = open(paths->temporary, flags, found->exists ? 0600 : 0644);
    if (descriptor < 0)
        return fail_at(error, "file: create", paths->temporary);
    int status = TM_OK;
    if (found->exists && take_over(descriptor, &found->stat) != 0)
        status = fail_at(error, "file: set the mode of", paths->temporary);
    else if (write_without_signal(descriptor, content) != 0)
        status = fail_at(error, "file: write", paths->temporary);
    else if (fsync(descriptor) != 0)
        status = fail_at(error, "file: sync", paths->temporary);
    if (status != TM_OK)
        close_quietly(descriptor);
    else if (close(descriptor) != 0)
        status = fail_at(error, "file: close", paths->temporary);
    return status;
}

/* Some file systems cannot sync a directory and say EINVAL. */
static int sync_directory(const char *path, tm_error *error)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_at(error, "file: open", path);
    int status = TM_OK;
    if (fsync(descriptor) != 0 && errno != EINVAL)
        status = fail_at(error, "file: sync", path);
    close(descriptor);
    return status;
}

int tm__file_replace(const tm__file_paths *paths, const tm__file_found *found, const tm__buffer *content,
                     tm_error *error)
{
    if (content->len > TM__FILE_MAX)
        return tm__fail(error, TM_ETOOBIG, "file: would be larger than %zu bytes: %s", TM__FILE_MAX, paths->data);
    if (unlink(paths->temporary) != 0 && errno != ENOENT)
        return fail_at(error, "file: remove", paths->temporary);
    int status = fill_temporary(paths, found, content, error);
    if (status == TM_OK && rename(paths->temporary, paths->data) != 0)
        status = fail_at(error, "file: rename", paths->temporary);
    if (status == TM_OK)
        return sync_directory(paths->directory, error);
    unlink(paths->temporary);
    return status;
}
