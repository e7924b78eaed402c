/* Cells: 64-bit numbers of which every recording thread has its own copy.
 *
 * A thread's copies are its shard. Only the owner writes a cell (relaxed load, add, relaxed store); anybody reads, by
 * summing over all shards. The cells are numbered across the process; number n lives in a segment at a slot, and a
 * thread allocates a segment when it first touches it. Segments grow: four have 512 cells, then each doubling of all
 * the cells before is four equal segments, so that of many cells at most a fifth lies idle. */
#ifndef TM__REGISTRY_CELLS_H
#define TM__REGISTRY_CELLS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef _Atomic uint64_t tm__cell;

enum { TM__CELLS_LOG = 28 }; /* there are at most 2^28 cells, as many as all segments hold */
enum { TM__SEGMENT_COUNT = 72, TM__FIRST_SEGMENT_CELLS = 512, TM__SLOT_BITS = 25 };

/* A segment that no thread ever has: what goes to no-op handles takes the way of what there is no memory for. */
enum { TM__NO_SEGMENT = TM__SEGMENT_COUNT };

/* The place of the first of a run of cells; a run never crosses segments. */
typedef struct tm__cells {
    unsigned segment : 32 - TM__SLOT_BITS;
    unsigned slot : TM__SLOT_BITS;
} tm__cells;

static inline tm__cells tm__cells_at(uint32_t segment, uint64_t slot)
{
    return (tm__cells){segment & ((1u << (32 - TM__SLOT_BITS)) - 1), slot & ((1u << TM__SLOT_BITS) - 1)};
}

/* A run of cells that a registry owns and hands out piece by piece. */
typedef struct tm__cell_block {
    struct tm__cell_block *next;
    tm__cells first;
    uint32_t count;
    uint32_t used;
} tm__cell_block;

enum { TM__SMALLEST_BLOCK_CELLS = 64, TM__LARGEST_BLOCK_CELLS = 4096 };

/* TM_OK if cells can be used; TM_ENOMEM if the library could not prepare for them when it was loaded. */
int tm__cells_status(void);

/* A block of count cells, all zero in all shards. count: a power of two between the two limits; above 512 at most an
 * eighth of the cells that the caller has, so that segments are large enough for it. NULL: no memory. */
tm__cell_block *tm__cell_block_new(uint32_t count);

/* Gives a list of blocks back. Nobody may be writing their cells any more. */
void tm__cell_blocks_free(tm__cell_block *blocks);

/* The shards there are, and the bytes in them. */
void tm__cells_usage(uint64_t *shards, uint64_t *bytes);

typedef struct tm__shard {
    _Atomic(tm__cell *) segments[TM__SEGMENT_COUNT + 1]; /* stored with release by the owner, once each; or NULL */
    struct tm__shard *next;                              /* in the list of all shards; never changes */
    struct tm__shard *next_free;
} tm__shard;

/* The calling thread's shard; one without segments, which is never written to, before it has touched any. */
extern _Thread_local tm__shard *tm__thread_shard __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Allocates a segment for the calling thread; NULL if there is no memory. */
tm__cell *tm__cells_touch(uint32_t segment);

/* The calling thread's copy of a run; NULL if it has not touched the segment yet. The hot path: TLS load, segment load,
 * test, add. What follows on NULL belongs into a function of its own, so that the hot one needs no stack frame. */
static inline tm__cell *tm__touched_cells(tm__cells cells)
{
    tm__cell *segment = atomic_load_explicit(&tm__thread_shard->segments[cells.segment], memory_order_relaxed);
    return __builtin_expect(segment != NULL, 1) ? segment + cells.slot : NULL;
}

/* The same, touching the segment if need be; NULL if there is no memory for it. */
static inline tm__cell *tm__own_cells(tm__cells cells)
{
    tm__cell *segment = tm__cells_touch(cells.segment);
    return segment ? segment + cells.slot : NULL;
}

#define TM__COLD __attribute__((noinline, cold))

/* Relaxed is enough: the owner is the only writer, and each cell is a number of its own. */
static inline void tm__cell_add(tm__cell *cell, uint64_t n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline double tm__bits_to_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t tm__double_to_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline void tm__cell_add_double(tm__cell *cell, double amount)
{
    double sum = tm__bits_to_double(atomic_load_explicit(cell, memory_order_relaxed)) + amount;
    atomic_store_explicit(cell, tm__double_to_bits(sum), memory_order_relaxed);
}

/* The first of all shards, NULL if there is none; the others follow by `next`, in an order that does not change. */
tm__shard *tm__shards(void);

/* A shard's copy of a run; NULL if its threads have not touched the segment. Acquire: pairs with the release in
 * tm__cells_touch, so that whoever sees the segment sees its zeros. */
static inline tm__cell *tm__cells_in(const tm__shard *shard, tm__cells cells)
{
    tm__cell *segment = atomic_load_explicit(&shard->segments[cells.segment], memory_order_acquire);
    return segment ? segment + cells.slot : NULL;
}

#endif
