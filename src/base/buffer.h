/* A growable run of bytes. Running out of memory is remembered, so that a writer checks once, at the end. */
#ifndef TM__BASE_BUFFER_H
#define TM__BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/shared.h"

/* Zero-initialised is empty. */
typedef struct tm__buffer {
    char *data;
    size_t len;
    size_t capacity;
    bool failed; /* no memory: what followed was left out */
} tm__buffer;

/* Room for `bytes` more at data + len; false, and failed, if there is no memory. */
TM__SHARED bool tm__buffer_reserve(tm__buffer *buffer, size_t bytes);
TM__SHARED void tm__buffer_append(tm__buffer *buffer, const void *bytes, size_t len);
TM__SHARED void tm__buffer_free(tm__buffer *buffer);

#endif
