/* Names to addresses within a deadline, which getaddrinfo does not know. */
#ifndef TM__STORE_RESOLVE_H
#define TM__STORE_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include <taskermetrics/base.h>

#include "base/shared.h"

/* At most one name is being looked up at a time; zero-initialised is idle. One thread at a time. */
typedef struct tm__resolver {
    struct lookup *running; /* a lookup that outlasted its deadline; the next call waits on for it */
} tm__resolver;

/* *out is freed with freeaddrinfo. TM_EUNAVAILABLE (no such host), TM_ETIMEOUT, TM_ENOMEM. */
int tm__resolve(tm__resolver *resolver, const char *host, const char *port, int64_t deadline_ns, struct addrinfo **out,
                tm_error *error);

/* Waits for nothing: a lookup that still runs is left to its thread. */
TM__SHARED void tm__resolver_free(tm__resolver *resolver);

#endif
