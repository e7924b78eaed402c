/* Making allocations and system calls of the library fail, or the process end there. The functions are those in
 * wrapped_functions.txt. Everything is process-wide: whichever thread makes the call meets the fault.
 *
 *     for (size_t n = 1; faults_fail_allocation(n); n++) {
 *         int status = tm_registry_new(NULL, &registry);
 *         faults_off();
 *         assert_true(status == TM_OK || status == TM_ENOMEM);
 *         tm_registry_free(registry);
 *     }
 */
#ifndef TM_TESTS_FAULTS_H
#define TM_TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* From now on allocation number n (1 is the next) fails, once. False, and nothing will fail, if n is above 1 and what
 * was to fail before n did not come: all have been tried. */
bool faults_fail_allocation(size_t n);

/* Allocation number n fails, whatever came before: for tries that are each a process of their own. */
void faults_fail_only_allocation(size_t n);

/* The same for system calls of any kind. */
bool faults_fail_call(size_t n, int error_number);

/* Call number n of one function fails: faults_fail_named("fsync", 1, EIO). */
void faults_fail_named(const char *function, size_t n, int error_number);

/* Call number n of write takes only so many bytes. */
void faults_short_write(size_t n, size_t bytes);

/* The process ends in system call number n with status FAULTS_EXIT: before it, when it is done, or, if it is a write,
 * when half of it is. */
enum { FAULTS_EXIT = 99 };
typedef enum faults_moment { FAULTS_BEFORE, FAULTS_HALFWAY, FAULTS_AFTER } faults_moment;
void faults_exit_at(size_t n, faults_moment moment);

/* Between these, calls neither fail nor count: for what a test prepares. */
void faults_pause(void);
void faults_resume(void);

/* Nothing fails any more; whether something did, and which function it was, can still be asked. */
void faults_off(void);
bool faults_happened(void);
const char *faults_function(void);

#endif
