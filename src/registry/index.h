/* The series of a registry by hash. Looking takes no lock and waits for nobody; adding is one
 * thread's at a time (create_lock).
 *
 * A bucket points to a run: the series whose hashes end in its bits, ordered by the bits from there on upwards. Twice
 * as many buckets split each run in two, and since the halves stand one behind the other, the new bucket points into
 * the middle of the old one's list (after the split-ordered lists of Shalev and Shavit, 2006). So no series is ever
 * moved, and nothing is copied or given up while the registry lives. */
#ifndef TM__REGISTRY_INDEX_H
#define TM__REGISTRY_INDEX_H

#include "registry/series.h"

enum { TM__INDEX_FIRST_BUCKETS = 64, TM__INDEX_SEGMENTS = 26 };
typedef _Atomic(tm__series *) tm__index_bucket;

/* The buckets lie in segments: 64, and then each as many as all before it. */
typedef struct tm__index {
    _Atomic uint32_t mask; /* buckets less one; stored with release, once the segment is ready */
    uint32_t count;
    _Atomic(tm__index_bucket *) segments[TM__INDEX_SEGMENTS];
    tm__index_bucket first_buckets[TM__INDEX_FIRST_BUCKETS];
} tm__index;

void tm__index_init(tm__index *index);
void tm__index_free(tm__index *index);

/* Adds a series whose hash is set. Without memory for more buckets the runs become longer. */
void tm__index_add(tm__index *index, tm__series *series);

size_t tm__index_bytes(const tm__index *index);

/* Bucket numbers with the same highest bit share a segment. */
static inline tm__index_bucket *tm__index_bucket_at(const tm__index *index, uint32_t number)
{
    const uint32_t first = TM__INDEX_FIRST_BUCKETS;
    uint32_t log = 31 - (uint32_t)__builtin_clz(number | (first - 1));
    uint32_t before = (UINT32_C(1) << log) & ~(first - 1);
    return atomic_load_explicit(&index->segments[log - 5], memory_order_relaxed) + (number - before);
}

/* Where a search is: the series to look at next, and the bits that make its run. */
typedef struct tm__index_search {
    tm__series *at;
    uint32_t hash;
    uint32_t mask;
} tm__index_search;

/* Acquire: what the series held when it was added is seen. */
static inline tm__index_search tm__index_begin(const tm__index *index, uint32_t hash)
{
    uint32_t mask = atomic_load_explicit(&index->mask, memory_order_acquire);
    tm__series *first = atomic_load_explicit(tm__index_bucket_at(index, hash & mask), memory_order_acquire);
    return (tm__index_search){first, hash, mask};
}

/* The next series with the hash, NULL if there are no more. A series of another run ends the search. */
static inline tm__series *tm__index_next(tm__index_search *search)
{
    while (search->at && ((search->at->hash ^ search->hash) & search->mask) == 0) {
        tm__series *series = search->at;
        search->at = atomic_load_explicit(&series->next_in_index, memory_order_acquire);
        if (series->hash == search->hash)
            return series;
    }
    return NULL;
}

#endif
