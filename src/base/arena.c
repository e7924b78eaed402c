#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK_BYTES = 1024, LARGEST_CHUNK_BYTES = 256 * 1024 };

struct tm__arena_chunk {
    tm__arena_chunk *next;
    size_t used;
    size_t capacity;
    unsigned char data[];
};

/* Chunks grow with the arena, so that little of it lies idle and a large one has few chunks. */
static tm__arena_chunk *add_chunk(tm__arena *arena, size_t bytes)
{
    size_t capacity = arena->bytes / 32;
    if (capacity < FIRST_CHUNK_BYTES)
        capacity = FIRST_CHUNK_BYTES;
    if (capacity > LARGEST_CHUNK_BYTES)
        capacity = LARGEST_CHUNK_BYTES;
    if (capacity < bytes)
        capacity = bytes;
    if (capacity > SIZE_MAX - sizeof(tm__arena_chunk))
        return NULL;
    tm__arena_chunk *chunk = calloc(1, sizeof *chunk + capacity);
    if (!chunk)
        return NULL;
    chunk->capacity = capacity;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->bytes += sizeof *chunk + capacity;
    return chunk;
}

void *tm__arena_alloc(tm__arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - 7)
        return NULL;
    bytes = (bytes + 7) & ~(size_t)7;
    tm__arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->capacity - chunk->used < bytes)
        chunk = add_chunk(arena, bytes);
    if (!chunk)
        return NULL;
    void *piece = chunk->data + chunk->used;
    chunk->used += bytes;
    return piece;
}

char *tm__arena_copy(tm__arena *arena, const char *text, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = tm__arena_alloc(arena, len + 1);
    if (copy && len > 0)
        memcpy(copy, text, len);
    return copy;
}

tm__arena_mark tm__arena_here(const tm__arena *arena)
{
    return (tm__arena_mark){arena->chunks, arena->chunks ? arena->chunks->used : 0};
}

void tm__arena_back_to(tm__arena *arena, tm__arena_mark mark)
{
    while (arena->chunks != mark.chunk) {
        tm__arena_chunk *next = arena->chunks->next;
        arena->bytes -= sizeof *arena->chunks + arena->chunks->capacity;
        free(arena->chunks);
        arena->chunks = next;
    }
    if (!mark.chunk)
        return;
    memset(mark.chunk->data + mark.used, 0, mark.chunk->used - mark.used);
    mark.chunk->used = mark.used;
}

void tm__arena_free(tm__arena *arena)
{
    tm__arena_back_to(arena, (tm__arena_mark){0});
}
