/* Reading back the numbers that stand in Redis, the same under every locale. */
#ifndef TM__STORE_REDIS_NUMBER_H
#define TM__STORE_REDIS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of the text must be the number. A count: digits, below 2^64. A double: as C's strtod reads it. */
bool tm__redis_read_count(const char *text, size_t len, uint64_t *out);
bool tm__redis_read_double(const char *text, size_t len, double *out);

#endif
