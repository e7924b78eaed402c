/* Many processes on one store, some of them killed: each counts in a series of its own, and the store must end with
 * what each had acknowledged, or with the one batch more that was on its way when it died. */
#ifndef TM_TESTS_PROCESSES_H
#define TM_TESTS_PROCESSES_H

#include <stddef.h>

typedef struct processes_plan {
    const char *url;
    size_t processes; /* at most PROCESSES_MAX */
    size_t syncs;     /* of each that lives */
    size_t kills;     /* so many are killed, each at some moment of its life */
} processes_plan;

enum { PROCESSES_MAX = 64 };

/* Runs them to the end and checks the store's totals. */
void processes_run(const processes_plan *plan);

#endif
