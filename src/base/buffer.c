#include "base/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool tm__buffer_reserve(tm__buffer *buffer, size_t bytes)
{
    if (buffer->failed)
        return false;
    if (buffer->capacity - buffer->len >= bytes)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity - buffer->len < bytes && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    char *data = capacity - buffer->len < bytes ? NULL : realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void tm__buffer_append(tm__buffer *buffer, const void *bytes, size_t len)
{
    if (len == 0 || !tm__buffer_reserve(buffer, len))
        return;
    memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
}

void tm__buffer_free(tm__buffer *buffer)
{
    free(buffer->data);
    *buffer = (tm__buffer){0};
}
