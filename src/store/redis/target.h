/* Where a Redis server is, and who we are there. */
#ifndef TM__STORE_REDIS_TARGET_H
#define TM__STORE_REDIS_TARGET_H

#include "store/url.h"

typedef struct tm__redis_target {
    char *host; /* or NULL ... */
    char *port;
    char *path;     /* ... with a unix socket's path */
    char *user;     /* "" for none */
    char *password; /* "" for none */
    char *database; /* decimal digits */
    char *shown;    /* for messages: no user, no password */
} tm__redis_target;

/* From a parsed redis: or redis+unix: URL. TM_EURL, TM_ENOMEM. */
int tm__redis_target_make(const tm__url *url, tm__redis_target *out, tm_error *error);
void tm__redis_target_free(tm__redis_target *target);

#endif
