/* The files of a file store: locking, reading and replacing, so that a reader finds the old content or the new one. */
#ifndef TM__STORE_FILE_IO_H
#define TM__STORE_FILE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <taskermetrics/base.h>

#include "base/buffer.h"

/* More than that is not read or written. */
#define TM__FILE_MAX ((size_t)1 << 30)

typedef struct tm__file_paths {
    char *directory;
    char *data;
    char *lock;      /* data with ".lock": locked, never written, never removed */
    char *temporary; /* data with ".tmp": the next content until it is complete */
} tm__file_paths;

/* TM_EURL (no name of a file), TM_ENOMEM. */
int tm__file_paths_make(const char *directory, const char *name, tm__file_paths *out, tm_error *error);
void tm__file_paths_free(tm__file_paths *paths);

/* What a file was when it was read. */
typedef struct tm__file_found {
    bool exists;
    struct stat stat;
} tm__file_found;

/* Tries to lock once. *descriptor is -1 if another process has the lock. It is given back by tm__file_unlock. */
int tm__file_try_lock(const tm__file_paths *paths, int *descriptor, tm_error *error);
void tm__file_unlock(int descriptor);

/* Reads the whole content; none if there is no file. Takes no lock: the content is replaced, never changed. */
int tm__file_read(const tm__file_paths *paths, tm__file_found *found, tm__buffer *out, tm_error *error);

/* Puts new content in the place of what was found, durably. The lock must be held. On an error the old content is still
 * there; only if the directory could not be synced may it be the new one. */
int tm__file_replace(const tm__file_paths *paths, const tm__file_found *found, const tm__buffer *content,
                     tm_error *error);

#endif
