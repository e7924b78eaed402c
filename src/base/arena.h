/* An arena: many small pieces of memory that are freed together. */
#ifndef TM__BASE_ARENA_H
#define TM__BASE_ARENA_H

#include <stddef.h>

#include "base/shared.h"

typedef struct tm__arena_chunk tm__arena_chunk;

/* Zero-initialised is empty. One thread at a time. */
typedef struct tm__arena {
    tm__arena_chunk *chunks;
    size_t bytes; /* taken from the heap */
} tm__arena;

/* Zeroed memory, aligned to 8 bytes, until tm__arena_free; NULL if there is none. */
TM__SHARED void *tm__arena_alloc(tm__arena *arena, size_t bytes);

/* A NUL-terminated copy; NULL if there is no memory. */
TM__SHARED char *tm__arena_copy(tm__arena *arena, const char *text, size_t len);

/* A place in an arena to go back to: what was allocated since is given up. */
typedef struct tm__arena_mark {
    tm__arena_chunk *chunk;
    size_t used;
} tm__arena_mark;
tm__arena_mark tm__arena_here(const tm__arena *arena);
void tm__arena_back_to(tm__arena *arena, tm__arena_mark mark);

TM__SHARED void tm__arena_free(tm__arena *arena);

#endif
