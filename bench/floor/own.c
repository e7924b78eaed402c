#define XXH_INLINE_ALL
#include "own.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BOUNDS_MAX = 64 };

typedef struct slot {
    uint64_t hash;
    const char *key; /* NULL: free */
    size_t len;
    size_t cell;
} slot;

static _Thread_local uint64_t number;
static _Thread_local uint64_t buckets[BOUNDS_MAX + 1];
static _Thread_local double sum;
static _Thread_local uint64_t *cells;

static const double *all_bounds;
static size_t bound_count;
static slot *slots;
static size_t slot_mask; /* one less than a power of two */
static size_t cell_count = 1;

void bench_own_add(uint64_t n)
{
    number += n;
}

void bench_own_begin(void)
{
    if (!cells)
        cells = calloc(cell_count, sizeof *cells);
    if (!cells)
        abort();
}

void bench_own_add_to_cell(uint64_t n)
{
    cells[0] += n;
}

void bench_own_bounds(const double *bounds, size_t count)
{
    all_bounds = bounds;
    bound_count = count;
}

void bench_own_observe(double value)
{
    size_t below = 0;
    for (size_t i = 0; i < bound_count; i++)
        below += value > all_bounds[i];
    buckets[below]++;
    sum += value;
}

static slot *find(uint64_t hash, const char *key, size_t len)
{
    size_t i = hash & slot_mask;
    while (slots[i].key && (slots[i].hash != hash || slots[i].len != len || memcmp(slots[i].key, key, len) != 0))
        i = (i + 1) & slot_mask;
    return &slots[i];
}

void bench_own_keys(const char *const *keys, const size_t *lengths, size_t count)
{
    size_t slot_count = 64;
    while (slot_count < 2 * count)
        slot_count *= 2;
    slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        abort();
    slot_mask = slot_count - 1;
    cell_count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = XXH3_64bits(keys[i], lengths[i]);
        *find(hash, keys[i], lengths[i]) = (slot){hash, keys[i], lengths[i], i};
    }
}

void bench_own_count(const char *key, size_t len)
{
    cells[find(XXH3_64bits(key, len), key, len)->cell]++;
}
