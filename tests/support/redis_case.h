/* What a test against Redis begins with: a server, a store on it, perhaps through a proxy, and a registry. */
#ifndef TM_TESTS_REDIS_CASE_H
#define TM_TESTS_REDIS_CASE_H

#include "proxy.h"
#include "redis_server.h"
#include "registries.h"
#include "stores.h"
#include "test.h"

typedef struct redis_case {
    redis_server *server;
    proxy *proxy; /* NULL: none in between */
    char *url;
    tm_store *store;
    tm_registry *registry;
} redis_case;

/* options: of the store; NULL for defaults but for a long deadline. server_options: REDIS_PLAIN or
 * REDIS_OPTIONS(...). */
redis_case redis_case_begin(const tm_store_options *options, const char *const *server_options);
redis_case redis_case_begin_behind_proxy(const tm_store_options *options);
void redis_case_end(redis_case *c);

/* One counter with one label: counts n, syncs everything, and reads the total. */
void redis_case_count(redis_case *c, uint64_t n);
tm_sync_report redis_case_sync(redis_case *c);
uint64_t redis_case_total(redis_case *c);

/* The key "{test}:KIND:INSTANCE" of the one instance that the server knows; to be freed. */
char *redis_case_own_key(redis_case *c, const char *kind);

#endif
