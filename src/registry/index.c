#include "registry/index.h"

#include <stdlib.h>

/* A bucket points to the first series of its run. While it has none, it is NULL or points to another run: one that was
 * split off it. */

static uint32_t reversed(uint32_t bits)
{
    bits = (bits >> 1 & 0x55555555) | (bits & 0x55555555) << 1;
    bits = (bits >> 2 & 0x33333333) | (bits & 0x33333333) << 2;
    bits = (bits >> 4 & 0x0f0f0f0f) | (bits & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(bits);
}

static bool comes_before(const tm__series *series, uint32_t hash)
{
    return reversed(series->hash) < reversed(hash);
}

static tm__series *next_of(const tm__series *series)
{
    return atomic_load_explicit(&series->next_in_index, memory_order_relaxed);
}

static tm__series *first_of(const tm__index *index, uint32_t bucket)
{
    return atomic_load_explicit(tm__index_bucket_at(index, bucket), memory_order_relaxed);
}

static uint32_t mask_of(const tm__index *index)
{
    return atomic_load_explicit(&index->mask, memory_order_relaxed);
}

void tm__index_init(tm__index *index)
{
    atomic_store_explicit(&index->segments[0], index->first_buckets, memory_order_relaxed);
    atomic_store_explicit(&index->mask, TM__INDEX_FIRST_BUCKETS - 1, memory_order_relaxed);
}

void tm__index_free(tm__index *index)
{
    for (size_t i = 1; i < TM__INDEX_SEGMENTS; i++)
        free(atomic_load_explicit(&index->segments[i], memory_order_relaxed));
}

size_t tm__index_bytes(const tm__index *index)
{
    return ((size_t)mask_of(index) + 1 - TM__INDEX_FIRST_BUCKETS) * sizeof(tm__index_bucket);
}

/* The run of a new bucket is the end of the run of the bucket that it splits off. */
static tm__series *first_split_off(const tm__index *index, uint32_t bucket, uint32_t new_bit)
{
    uint32_t from = bucket ^ new_bit;
    uint32_t mask = new_bit - 1;
    tm__series *series = first_of(index, from);
    for (; series && ((series->hash ^ from) & mask) == 0; series = next_of(series))
        if (series->hash & new_bit)
            return series;
    return NULL;
}

static void double_buckets(tm__index *index)
{
    uint32_t count = mask_of(index) + 1;
    uint32_t segment = 1;
    while (segment < TM__INDEX_SEGMENTS && atomic_load_explicit(&index->segments[segment], memory_order_relaxed))
        segment++;
    tm__index_bucket *added = segment < TM__INDEX_SEGMENTS ? calloc(count, sizeof *added) : NULL;
    if (!added)
        return;
    for (uint32_t i = 0; i < count; i++)
        atomic_store_explicit(&added[i], first_split_off(index, count + i, count), memory_order_relaxed);
    atomic_store_explicit(&index->segments[segment], added, memory_order_relaxed);
    /* Release: whoever uses the wider mask sees the segment, its buckets and what they point to. */
    atomic_store_explicit(&index->mask, 2 * count - 1, memory_order_release);
}

/* The series whose place in the run of a bucket is right before that of a hash; NULL if it comes first. What follows
 * the run, or stands for it where it is empty, was split off it and so comes later in the order. */
static tm__series *last_before(const tm__index *index, uint32_t hash)
{
    tm__series *before = NULL;
    for (tm__series *at = first_of(index, hash & mask_of(index)); at && comes_before(at, hash); at = next_of(at))
        before = at;
    return before;
}

/* Searches that began with a narrower mask may pass the new series by: they began before it was there. */
void tm__index_add(tm__index *index, tm__series *series)
{
    if (index->count++ > mask_of(index) / 4 * 3)
        double_buckets(index);
    tm__series *before = last_before(index, series->hash);
    _Atomic(tm__series *) *place =
        before ? &before->next_in_index : tm__index_bucket_at(index, series->hash & mask_of(index));
    tm__series *after = atomic_load_explicit(place, memory_order_relaxed);
    atomic_store_explicit(&series->next_in_index, after, memory_order_relaxed);
    /* Release: pairs with the acquire of the searches. */
    atomic_store_explicit(place, series, memory_order_release);
}
