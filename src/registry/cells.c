#include "registry/cells.h"

#include <pthread.h>
#include <stdlib.h>

#include <taskermetrics/base.h>

#include "base/fork.h"

enum { CACHE_LINE_BYTES = 64, BLOCK_SIZES = 7, SEGMENTS_A_DOUBLING = 4, FIRST_SEGMENT_LOG = 9 };

static tm__shard no_shard;
_Thread_local tm__shard *tm__thread_shard __attribute__((tls_model("initial-exec"), visibility("hidden"))) = &no_shard;

static _Atomic(tm__shard *) all_shards; /* pushed with release; a shard is never taken off */
static _Atomic uint64_t shard_count;
static _Atomic uint64_t shard_bytes;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static tm__shard *parents_shards;                /* of the processes before the forks that led here; never looked at */
static tm__shard *free_shards;                   /* guarded by lock, as all below */
static tm__cell_block *free_blocks[BLOCK_SIZES]; /* by size: 64, 128 and so on to 4096 cells */
static uint64_t next_cell;
static const uint64_t cell_limit = UINT64_C(1) << TM__CELLS_LOG;

static pthread_key_t exit_key;
static int start_status = TM_ENOMEM; /* written once, while the library is loaded */
static tm__fork_node fork_node;

static size_t segment_cells(uint32_t segment)
{
    uint32_t doubling = segment / SEGMENTS_A_DOUBLING;
    return (size_t)TM__FIRST_SEGMENT_CELLS << (doubling > 0 ? doubling - 1 : 0);
}

/* ---- shards -------------------------------------------------------------------------------------------------- */

/* Thread exit: the shard, its values kept, waits for the next new thread. A destructor that runs later and records
 * simply takes a shard again. */
static void return_shard(void *exiting)
{
    tm__shard *shard = exiting;
    tm__thread_shard = &no_shard;
    pthread_mutex_lock(&lock);
    shard->next_free = free_shards;
    free_shards = shard;
    pthread_mutex_unlock(&lock);
}

static tm__shard *new_shard(void)
{
    tm__shard *shard = calloc(1, sizeof *shard);
    if (!shard)
        return NULL;
    shard->next = atomic_load_explicit(&all_shards, memory_order_relaxed);
    /* Release: a reader that finds the shard (acquire in tm__shards) finds it initialised. */
    while (!atomic_compare_exchange_weak_explicit(&all_shards, &shard->next, shard, memory_order_release,
                                                  memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&shard_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shard_bytes, sizeof *shard, memory_order_relaxed);
    return shard;
}

/* The lock orders the last writes of a shard's former owner before ours. */
static tm__shard *take_free_shard(void)
{
    pthread_mutex_lock(&lock);
    tm__shard *shard = free_shards;
    if (shard)
        free_shards = shard->next_free;
    pthread_mutex_unlock(&lock);
    return shard;
}

static tm__shard *own_shard(void)
{
    if (tm__thread_shard != &no_shard)
        return tm__thread_shard;
    tm__shard *shard = take_free_shard();
    if (!shard)
        shard = new_shard();
    if (!shard)
        return NULL;
    if (pthread_setspecific(exit_key, shard) != 0) {
        return_shard(shard);
        return NULL;
    }
    tm__thread_shard = shard;
    return shard;
}

/* Whole cache lines, so that two threads' segments never share one. Segments live as long as the process. */
static tm__cell *new_segment(uint32_t segment)
{
    size_t bytes = segment_cells(segment) * sizeof(tm__cell) + CACHE_LINE_BYTES;
    char *memory = calloc(1, bytes);
    if (!memory)
        return NULL;
    atomic_fetch_add_explicit(&shard_bytes, bytes, memory_order_relaxed);
    return (tm__cell *)(void *)(memory + (CACHE_LINE_BYTES - (uintptr_t)memory % CACHE_LINE_BYTES));
}

tm__cell *tm__cells_touch(uint32_t segment)
{
    tm__shard *shard = segment == TM__NO_SEGMENT ? NULL : own_shard();
    if (!shard)
        return NULL;
    tm__cell *cells = atomic_load_explicit(&shard->segments[segment], memory_order_relaxed);
    if (!cells) {
        cells = new_segment(segment);
        /* Release: a reader that sees the segment sees its zeros. Pairs with tm__cells_in. */
        atomic_store_explicit(&shard->segments[segment], cells, memory_order_release);
    }
    return cells;
}

tm__shard *tm__shards(void)
{
    return atomic_load_explicit(&all_shards, memory_order_acquire);
}

void tm__cells_usage(uint64_t *shards, uint64_t *bytes)
{
    *shards = atomic_load_explicit(&shard_count, memory_order_relaxed);
    *bytes = atomic_load_explicit(&shard_bytes, memory_order_relaxed);
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

static size_t size_class(uint32_t count)
{
    size_t class = 0;
    while ((uint32_t)TM__SMALLEST_BLOCK_CELLS << class < count)
        class ++;
    return class;
}

/* The cells from 2^k to 2^(k+1) are four segments; so are the first 2048. */
static tm__cells place_of(uint64_t cell)
{
    const uint64_t first_doubling = (uint64_t)TM__FIRST_SEGMENT_CELLS * SEGMENTS_A_DOUBLING;
    uint32_t doubling = 0;
    uint32_t segment_log = FIRST_SEGMENT_LOG;
    if (cell >= first_doubling) {
        segment_log = 61 - (uint32_t)__builtin_clzll(cell);
        doubling = segment_log - FIRST_SEGMENT_LOG + 1;
    }
    uint32_t segment = doubling * SEGMENTS_A_DOUBLING + (uint32_t)(cell >> segment_log) % SEGMENTS_A_DOUBLING;
    return tm__cells_at(segment, cell & ((UINT64_C(1) << segment_log) - 1));
}

static void keep_free(tm__cell_block *block)
{
    tm__cell_block **free_list = &free_blocks[size_class(block->count)];
    block->next = *free_list;
    *free_list = block;
}

static tm__cell_block *new_block(tm__cells first, uint32_t count)
{
    tm__cell_block *block = malloc(sizeof *block);
    if (block)
        *block = (tm__cell_block){.first = first, .count = count};
    return block;
}

/* Goes on to a cell that a larger block can begin at. What is passed over is kept for smaller ones. */
static void pass_over(uint64_t to)
{
    while (next_cell < to) {
        uint32_t count = (uint32_t)(next_cell & -next_cell);
        tm__cell_block *block = new_block(place_of(next_cell), count);
        if (block)
            keep_free(block);
        next_cell += count;
    }
}

/* New cells, aligned to the block's size: every segment begins at a multiple of its own size, which is no smaller. */
static tm__cell_block *cut_block(uint32_t count)
{
    uint64_t first = (next_cell + count - 1) / count * count;
    if (first + count > cell_limit)
        return NULL;
    tm__cell_block *block = new_block(place_of(first), count);
    if (!block)
        return NULL;
    pass_over(first);
    next_cell = first + count;
    return block;
}

/* A free block of that size, or the smallest larger one, halved as often as it takes; NULL if there is none. */
static tm__cell_block *take_free(uint32_t count)
{
    size_t class = size_class(count);
    while (class < BLOCK_SIZES && !free_blocks[class])
        class ++;
    if (class == BLOCK_SIZES)
        return NULL;
    tm__cell_block *block = free_blocks[class];
    free_blocks[class] = block->next;
    while (block->count > count) {
        uint32_t half = block->count / 2;
        tm__cell_block *rest = new_block(tm__cells_at(block->first.segment, block->first.slot + half), half);
        if (!rest) {
            keep_free(block);
            return NULL;
        }
        keep_free(rest);
        block->count = half;
    }
    return block;
}

tm__cell_block *tm__cell_block_new(uint32_t count)
{
    pthread_mutex_lock(&lock);
    tm__cell_block *block = take_free(count);
    if (!block)
        block = cut_block(count);
    pthread_mutex_unlock(&lock);
    if (block) {
        block->next = NULL;
        block->used = 0;
    }
    return block;
}

static void zero_block(const tm__cell_block *block)
{
    for (tm__shard *shard = tm__shards(); shard; shard = shard->next) {
        tm__cell *copy = tm__cells_in(shard, block->first);
        for (uint32_t i = 0; copy && i < block->count; i++)
            atomic_store_explicit(copy + i, 0, memory_order_relaxed);
    }
}

void tm__cell_blocks_free(tm__cell_block *blocks)
{
    while (blocks) {
        tm__cell_block *next = blocks->next;
        zero_block(blocks);
        pthread_mutex_lock(&lock);
        keep_free(blocks);
        pthread_mutex_unlock(&lock);
        blocks = next;
    }
}

/* ---- fork and start ------------------------------------------------------------------------------------------ */

static void before_fork(void *self)
{
    (void)self;
    pthread_mutex_lock(&lock);
}

static void after_fork(void *self)
{
    (void)self;
    pthread_mutex_unlock(&lock);
}

/* The child counts from zero: it begins without shards. The parent's are left as they are, so that a fork costs no more
 * the more there is to forget, and their pages stay shared with the parent; only leak checkers must still find them. */
static void in_child(void *self)
{
    (void)self;
    tm__shard *last = atomic_load(&all_shards);
    while (last && last->next)
        last = last->next;
    if (last) {
        last->next = parents_shards;
        parents_shards = atomic_load(&all_shards);
    }
    atomic_store(&all_shards, NULL);
    atomic_store(&shard_count, 0);
    atomic_store(&shard_bytes, 0);
    free_shards = NULL;
    tm__thread_shard = &no_shard;
    pthread_setspecific(exit_key, NULL);
    pthread_mutex_unlock(&lock);
}

static int start(void)
{
    if (pthread_key_create(&exit_key, return_shard) != 0)
        return TM_ENOMEM;
    fork_node = (tm__fork_node){.before = before_fork, .after = after_fork, .child = in_child};
    int status = tm__fork_register(&fork_node);
    if (status != TM_OK)
        pthread_key_delete(exit_key);
    return status;
}

/* At load, not at first use: a lock around a first use could be held by another thread in the middle of a fork.
 * Early, so that the constructors of a program that is linked with the static library can record. */
__attribute__((constructor(101))) static void start_at_load(void)
{
    start_status = start();
}

int tm__cells_status(void)
{
    return start_status;
}
