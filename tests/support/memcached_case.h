/* What a test against Memcached begins with: a server, a store on it, perhaps through a proxy, and a registry. Every
 * function fails the test if it cannot do its work. */
#ifndef TM_TESTS_MEMCACHED_CASE_H
#define TM_TESTS_MEMCACHED_CASE_H

#include "memcached_server.h"
#include "proxy.h"
#include "registries.h"
#include "stores.h"
#include "test.h"

typedef struct memcached_case {
    memcached_server *server;
    proxy *proxy; /* NULL: none in between */
    char url[128];
    tm_store *store;
    tm_registry *registry;
} memcached_case;

/* options: of the store; NULL for defaults. arguments: of the server; NULL for none. */
memcached_case memcached_case_begin(const tm_store_options *options, const char *const *arguments);
memcached_case memcached_case_begin_behind_proxy(const tm_store_options *options);
void memcached_case_end(memcached_case *c);

#define MEMCACHED_ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A server that answers. */
memcached_server *memcached_must_start(const char *const *arguments);
void memcached_must_revive(memcached_server *server);

/* Sends a command, whose reply must be this. */
void memcached_expect(memcached_server *server, const char *reply, const char *command);

/* A number out of `stats`. */
uint64_t memcached_stat(memcached_server *server, const char *name);

#endif
