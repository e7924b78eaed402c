/* A batch as the arguments of the apply script. */
#ifndef TM__STORE_REDIS_REQUEST_H
#define TM__STORE_REDIS_REQUEST_H

#include "store/redis/handle.h"

enum { TM__REDIS_ARGUMENTS_MAX = 4000, TM__REDIS_FIXED_ARGUMENTS = 18, TM__REDIS_KEYS = 5 };
#define TM__REDIS_CHANGES_MAX ((TM__REDIS_ARGUMENTS_MAX - TM__REDIS_FIXED_ARGUMENTS) / 3)

typedef struct tm__redis_request {
    tm__arena arena;
    const char **arguments; /* the first two are left free, for tm__redis_run_script */
    size_t *lens;
    size_t count;
    size_t *indices; /* for each change in the order of the arguments, its place in the batch */
    size_t change_count;
    uint64_t seq;
} tm__redis_request;

/* TM_ENOMEM, TM_EINVAL (a batch that breaks the contract), TM_EIO (no randomness). */
int tm__redis_request_make(const tm__redis *redis, const tm_batch *batch, tm__redis_request *out, tm_error *error);
void tm__redis_request_free(tm__redis_request *request);

#endif
