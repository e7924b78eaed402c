/* Numbers as text, the same under every locale. */
#ifndef TM__BASE_NUMBER_H
#define TM__BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/shared.h"

#define TM__NUMBER_MAX 32

/* Decimal digits. Returns the length; no NUL. */
TM__SHARED size_t tm__print_u64(uint64_t value, char out[TM__NUMBER_MAX]);

/* The shortest of the usual forms that reads back as the same double: 3, 0.1, 1e+300, NaN, +Inf, -Inf. */
TM__SHARED size_t tm__print_double(double value, char out[TM__NUMBER_MAX]);

/* The canonical form of OpenMetrics bounds: Go's %g with ".0" where there is neither point nor exponent. */
size_t tm__print_openmetrics_double(double value, char out[TM__NUMBER_MAX]);

#endif
