/* Gauges: set and add from any thread.
 *
 * A gauge is a shared base and, in every thread that adds, a pair of cells: the version of the base that the thread
 * added to, and how much. Its value is the base plus the amounts that carry the present version; a set gives the base a
 * new version and so voids all amounts at once. Adding touches only the thread's own cells.
 *
 * A gauge that nobody ever added to has no amounts to void: set is one plain store. The first add switches that off for
 * good (has_adds). A set that is under way at that very moment takes effect before or after it, as if it had come then.
 *
 * Otherwise a set makes the version odd, writes the base, and makes it even again. If another set is in the middle of
 * that, ours may simply return: the other one ends after ours began, so ours counts as overwritten by it. Nobody waits
 * but the readers, and they only while a set is under way. */
#include <math.h>
#include <sched.h>

#include "registry/registry.h"

enum { STATES_AT_ONCE = 16, SPINS_BEFORE_YIELD = 64 };

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

/* The version that an add belongs to: while a set is under way, the one it is about to publish. */
static uint64_t version_to_add_to(const tm__gauge_state *state)
{
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed);
    return version + (version & 1);
}

static void set_with_version(tm__gauge_state *state, uint64_t bits)
{
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed);
    if (version & 1)
        return;
    /* Acquire: the base below is not written before the version is odd. */
    if (!atomic_compare_exchange_strong_explicit(&state->version, &version, version + 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    /* Release: a reader that sees this base sees the odd version, or a later one, when it looks again. */
    atomic_store_explicit(&state->base, bits, memory_order_release);
    /* Release: a reader that acquires this version sees this base. */
    atomic_store_explicit(&state->version, version + 2, memory_order_release);
}

static void set_bits(const tm__gauge *gauge, uint64_t bits)
{
    tm__gauge_state *state = gauge->state;
    if (!atomic_load_explicit(&state->has_adds, memory_order_relaxed))
        atomic_store_explicit(&state->base, bits, memory_order_release);
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

/* The owner's cells move to a new version with the version cell at zero in between, so that a reader never joins one
 * version with the amount of another. */
static void begin_version(tm__cell *cells, uint64_t version, double amount)
{
    atomic_store_explicit(&cells[CELL_VERSION], 0, memory_order_relaxed);
    /* Release: a reader that sees this amount sees the zero, or what follows, when it looks again. */
    atomic_store_explicit(&cells[CELL_AMOUNT], tm__double_to_bits(amount), memory_order_release);
    /* Release: a reader that acquires this version sees this amount, or a later one. */
    atomic_store_explicit(&cells[CELL_VERSION], version + 1, memory_order_release);
}

void tm_gauge_add(tm_gauge *handle, double amount)
{
    const tm__gauge *gauge = (const tm__gauge *)handle;
    tm__gauge_state *state = gauge->state;
    tm__cell *cells = tm__own_cells(gauge->series.cells);
    if (__builtin_expect(!cells || tm__series_is_no_op(&gauge->series), 0)) {
        tm__count_series_drop(&gauge->series);
        return;
    }
    if (__builtin_expect(!atomic_load_explicit(&state->has_adds, memory_order_relaxed), 0))
        atomic_store_explicit(&state->has_adds, true, memory_order_relaxed);
    uint64_t version = version_to_add_to(state);
    if (atomic_load_explicit(&cells[CELL_VERSION], memory_order_relaxed) == version + 1)
        tm__cell_add_double(&cells[CELL_AMOUNT], amount);
    else
        begin_version(cells, version, amount);
}

/* Sums the amounts of one version. False if a thread was just moving to another version. */
static bool sum_amounts(tm__cells cells, uint64_t version, double *sum, bool *any)
{
    tm__shard *shard = NULL;
    for (tm__cell *copy; (copy = tm__cells_next(cells, &shard));) {
        uint64_t before = atomic_load_explicit(&copy[CELL_VERSION], memory_order_acquire);
        if (before != version + 1)
            continue;
        uint64_t bits = atomic_load_explicit(&copy[CELL_AMOUNT], memory_order_acquire);
        if (atomic_load_explicit(&copy[CELL_VERSION], memory_order_relaxed) != before)
            return false;
        *sum += tm__bits_to_double(bits);
        *any = true;
    }
    return true;
}

static bool try_read(const tm__gauge *gauge, double *value, bool *is_set)
{
    const tm__gauge_state *state = gauge->state;
    uint64_t version = atomic_load_explicit(&state->version, memory_order_acquire);
    if (version & 1)
        return false;
    uint64_t base = atomic_load_explicit(&state->base, memory_order_acquire);
    double sum = base == BASE_CLEARED ? 0 : tm__bits_to_double(base);
    bool any = base != BASE_CLEARED;
    if (!sum_amounts(gauge->series.cells, version, &sum, &any) ||
        atomic_load_explicit(&state->version, memory_order_relaxed) != version)
        return false;
    *value = sum;
    *is_set = any;
    return true;
}

double tm__gauge_read(const tm__gauge *gauge, bool *is_set)
{
    double value = 0;
    for (unsigned attempt = 1; !try_read(gauge, &value, is_set); attempt++)
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
    atomic_store(&gauge->state->base, 0);
    atomic_store(&gauge->state->version, 0);
    atomic_store(&gauge->state->has_adds, false);
}
