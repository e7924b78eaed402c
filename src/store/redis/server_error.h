/* What a server's error replies mean. */
#ifndef TM__STORE_REDIS_SERVER_ERROR_H
#define TM__STORE_REDIS_SERVER_ERROR_H

#include <stddef.h>

#include "store/redis/target.h"

/* The status for the text of an error reply, such as "NOAUTH Authentication required." */
int tm__redis_status_of(const char *text, size_t len);

/* Fails with that status and text, the user and the password blotted out. */
int tm__redis_fail_with(const tm__redis_target *target, const char *text, size_t len, tm_error *error);

#endif
