#include "allocations.h"

#include <stdatomic.h>
#include <stddef.h>

/* How many allocations come before the one that fails; negative: none will. */
static atomic_long before_failure = -1;
static atomic_bool failed;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

void fail_allocation(long number)
{
    atomic_store(&failed, false);
    atomic_store(&before_failure, number);
}

bool stop_failing_allocations(void)
{
    atomic_store(&before_failure, -1);
    return atomic_load(&failed);
}

static bool fails(void)
{
    if (atomic_load_explicit(&before_failure, memory_order_relaxed) < 0 || atomic_fetch_sub(&before_failure, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return fails() ? NULL : __real_realloc(old, bytes);
}
