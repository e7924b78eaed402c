/* Making allocations fail. */
#ifndef TM_TESTS_ALLOCATIONS_H
#define TM_TESTS_ALLOCATIONS_H

#include <stdbool.h>

/* From now on the allocation with this number (0 is the next) fails, once, in whichever thread it happens. */
void fail_allocation(long number);

/* No allocation fails any more. Whether one did since fail_allocation. */
bool stop_failing_allocations(void);

#endif
