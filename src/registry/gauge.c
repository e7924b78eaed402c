/* Gauges: set and add from any thread.
 *
 * A gauge is a shared base and, in every thread that adds, a pair of cells: the version of the base that the thread
 * added to, and how much. Its value is the base plus the amounts that carry the present version; a set gives the
 * base a new version and so voids all amounts at once. Adding touches only the thread's own cells.
 *
 * A gauge that nobody ever added to has no amounts to void: set is one plain store. The first add switches that off
 * for good (has_adds). A set that is under way at that very moment voids nothing, as if it had come before the add.
 *
 * Otherwise a set makes the version odd, writes the base, and makes the version even again. What is added in between
 * belongs to the version to come. A second set that comes in between moves the odd version on by two, which voids
 * what was added so far, and leaves it at that: the two count as having come at that moment, the second one first.
 * Nobody waits but the readers, and they only while a set is under way. */
#include <sched.h>

#include "registry/registry.h"

enum { STATES_AT_ONCE = 16, SPINS_BEFORE_YIELD = 64, ATTEMPTS_TO_END = 8 };

/* The base of a gauge that was cleared and not set since; a NaN that arithmetic does not make. */
#define BASE_CLEARED UINT64_C(0x7ff4636c65617264)

/* A thread's version cell holds version + 1, so that zero means that it has added nothing. */
enum { CELL_VERSION = 0, CELL_AMOUNT = 1 };

tm__gauge_state *tm__gauge_state_make(tm_registry *registry)
{
    if (registry->spare_gauge_state_count == 0) {
        const size_t line = alignof(tm__gauge_state);
        char *memory = tm__arena_alloc(&registry->arena, STATES_AT_ONCE * sizeof(tm__gauge_state) + line);
        if (!memory)
            return NULL;
        memory += line - (uintptr_t)memory % line;
        registry->spare_gauge_states = (tm__gauge_state *)(void *)memory;
        registry->spare_gauge_state_count = STATES_AT_ONCE;
    }
    registry->spare_gauge_state_count--;
    return registry->spare_gauge_states++;
}

static bool set_is_under_way(uint64_t version)
{
    return version & 1;
}

/* The version that an add belongs to: while a set is under way, the one it is about to publish. */
static uint64_t version_to_add_to(const tm__gauge_state *state)
{
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed);
    return version + (version & 1);
}

/* False if another set has begun since *version was loaded: ours then counts as having come right before it. Acquire:
 * pairs with the release of the set before, so that its base and ours are in the order of their versions. */
static bool begin_set(tm__gauge_state *state, uint64_t *version)
{
    return atomic_compare_exchange_strong_explicit(&state->version, version, *version + 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Voids what was added since the set that is under way began. False, with *version even, if it has ended meanwhile;
 * true also if a third set did the voiding. Release: pairs with the acquire in end_set. */
static bool join_set(tm__gauge_state *state, uint64_t *version)
{
    uint64_t under_way = *version;
    return atomic_compare_exchange_strong_explicit(&state->version, version, under_way + 2, memory_order_release,
                                                   memory_order_relaxed) ||
           *version != under_way + 1;
}

/* Writes the base and publishes it. Whoever joined may have set the gauge before, by a plain store that came after
 * ours: then the base is written again, or a thread's first set would outlive its second. That can only be in the
 * moment of the gauge's first add, so after some attempts the version is published as it stands, and nobody waits
 * for ever. */
static void end_set(tm__gauge_state *state, uint64_t version, uint64_t bits)
{
    for (int attempt = 0; attempt < ATTEMPTS_TO_END; attempt++) {
        /* Release: a reader that sees this base sees the odd version, or a later one, when it looks again. */
        atomic_store_explicit(&state->base, bits, memory_order_release);
        /* Release: a reader that acquires this version sees this base. Acquire: what joiners stored before is
         * overwritten by our next store. */
        if (atomic_compare_exchange_strong_explicit(&state->version, &version, version + 1, memory_order_release,
                                                    memory_order_acquire))
            return;
    }
    atomic_fetch_add_explicit(&state->version, 1, memory_order_release);
}

/* Wait-free: whatever the others do, the exchanges are counted. */
static void set_with_version(tm__gauge_state *state, uint64_t bits)
{
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed);
    if (set_is_under_way(version) && join_set(state, &version))
        return;
    if (begin_set(state, &version))
        end_set(state, version + 1, bits);
}

static void set_bits(const tm__gauge *gauge, uint64_t bits)
{
    tm__gauge_state *state = gauge->state;
    if (!atomic_load_explicit(&state->has_adds, memory_order_relaxed))
        atomic_store_explicit(&state->base, bits, memory_order_relaxed);
    else if (tm__series_is_no_op(&gauge->series))
        tm__count_series_drop(&gauge->series);
    else
        set_with_version(state, bits);
}

void tm_gauge_set(tm_gauge *gauge, double value)
{
    set_bits((const tm__gauge *)gauge, tm__double_to_bits(value));
}

void tm__gauge_clear(tm__gauge *gauge)
{
    set_bits(gauge, BASE_CLEARED);
}

static inline void add_to_cells(tm__gauge_state *state, tm__cell *cells, double amount)
{
    if (__builtin_expect(!atomic_load_explicit(&state->has_adds, memory_order_relaxed), 0))
        atomic_store_explicit(&state->has_adds, true, memory_order_relaxed);
    uint64_t version = version_to_add_to(state);
    bool same_version = atomic_load_explicit(&cells[CELL_VERSION], memory_order_relaxed) == version + 1;
    if (same_version)
        amount += tm__bits_to_double(atomic_load_explicit(&cells[CELL_AMOUNT], memory_order_relaxed));
    /* Release: a reader that sees this amount sees the version that we loaded, or a later one, when it looks again. */
    atomic_store_explicit(&cells[CELL_AMOUNT], tm__double_to_bits(amount), memory_order_release);
    /* Release: a reader that acquires this version sees this amount, or a later one. */
    if (!same_version)
        atomic_store_explicit(&cells[CELL_VERSION], version + 1, memory_order_release);
}

TM__COLD static void add_first(const tm__gauge *gauge, double amount)
{
    tm__cell *cells = tm__own_cells(gauge->series.cells);
    if (cells)
        add_to_cells(gauge->state, cells, amount);
    else
        tm__count_series_drop(&gauge->series);
}

void tm_gauge_add(tm_gauge *handle, double amount)
{
    const tm__gauge *gauge = (const tm__gauge *)handle;
    tm__cell *cells = tm__touched_cells(gauge->series.cells);
    if (cells)
        add_to_cells(gauge->state, cells, amount);
    else
        add_first(gauge, amount);
}

/* An amount that is already of a later version shows when the gauge's version is looked at again. */
static void add_amounts(tm__cells cells, uint64_t version, double *value, bool *is_set)
{
    for (const tm__shard *shard = tm__shards(); shard; shard = shard->next) {
        const tm__cell *copy = tm__cells_in(shard, cells);
        if (!copy || atomic_load_explicit(&copy[CELL_VERSION], memory_order_acquire) != version + 1)
            continue;
        *value += tm__bits_to_double(atomic_load_explicit(&copy[CELL_AMOUNT], memory_order_acquire));
        *is_set = true;
    }
}

/* began_at: the version when the read began. A later version's set came during the read, and when it came nothing had
 * been added to it: its base is a value that the gauge had. So sets that never cease cannot keep a reader for long. */
static bool try_read(const tm__gauge *gauge, uint64_t began_at, double *value, bool *is_set)
{
    const tm__gauge_state *state = gauge->state;
    uint64_t version = atomic_load_explicit(&state->version, memory_order_acquire);
    if (set_is_under_way(version))
        return false;
    uint64_t base = atomic_load_explicit(&state->base, memory_order_acquire);
    *is_set = base != BASE_CLEARED;
    *value = *is_set ? tm__bits_to_double(base) : 0;
    if (version == began_at)
        add_amounts(gauge->series.cells, version, value, is_set);
    return atomic_load_explicit(&state->version, memory_order_relaxed) == version;
}

double tm__gauge_read(const tm__gauge *gauge, bool *is_set)
{
    double value;
    uint64_t began_at = version_to_add_to(gauge->state);
    for (unsigned attempt = 1; !try_read(gauge, began_at, &value, is_set); attempt++)
        if (attempt % SPINS_BEFORE_YIELD == 0)
            sched_yield();
    return value;
}

double tm_gauge_value(tm_gauge *handle)
{
    const tm__gauge *gauge = (const tm__gauge *)handle;
    bool is_set;
    return tm__series_is_no_op(&gauge->series) ? 0 : tm__gauge_read(gauge, &is_set);
}

void tm__gauge_restart(tm__gauge *gauge)
{
    atomic_store(&gauge->state->base, BASE_CLEARED);
    atomic_store(&gauge->state->version, 0);
    atomic_store(&gauge->state->has_adds, false);
}
