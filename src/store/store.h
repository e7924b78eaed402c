/* The body of a store handle, and what the built-in stores share. */
#ifndef TM__STORE_STORE_H
#define TM__STORE_STORE_H

#include <taskermetrics/store.h>

#include "base/shared.h"

struct tm_store {
    tm_store_ops ops;
    void *self;
    int64_t sync_timeout_ms;
    /* Names what is behind the handle for as long as the process lives: two handles with one identity share what a
     * registry remembers of it. Unique to the handle where the store cannot say. */
    char *identity;
};

/* Defaults of tm_store_options where a field is 0. */
#define TM__SYNC_TIMEOUT_MS 1000
#define TM__LIVENESS_MS 300000
#define TM__VALUES_TTL_MS 3600000
#define TM__RETENTION_MS (INT64_C(7) * 24 * 3600 * 1000)

/* As tm_store_new, with an identity (copied; NULL: unique) and the options' sync timeout. */
TM__SHARED int tm__store_make(const tm_store_ops *ops, void *self, const char *identity,
                              const tm_store_options *options, tm_store **out);

/* What a function of a store returned, as a status that is one: anything else is TM_EPROTO. */
int tm__store_status(int returned);

/* The built-in schemes. `url` is whole; options complete; error never NULL. */
int tm__memory_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error);
int tm__file_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error);

#endif
