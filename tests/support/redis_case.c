#include "redis_case.h"

static redis_case begin(const tm_store_options *options, const char *const *server_options, int behind_proxy)
{
    redis_case c = {.server = redis_server_start(server_options)};
    c.proxy = behind_proxy ? proxy_start(c.server->path) : NULL;
    assert_true(asprintf(&c.url, "redis+unix://%s?ns=test", c.proxy ? proxy_address(c.proxy) : c.server->path) > 0);
    tm_store_options patient = TM_STORE_OPTIONS_INIT;
    patient.sync_timeout_ms = 20000; /* a slow machine is no reason to fail */
    c.store = open_store(c.url, options ? options : &patient);
    c.registry = new_registry();
    return c;
}

redis_case redis_case_begin(const tm_store_options *options, const char *const *server_options)
{
    return begin(options, server_options, 0);
}

redis_case redis_case_begin_behind_proxy(const tm_store_options *options)
{
    return begin(options, REDIS_PLAIN, 1);
}

void redis_case_end(redis_case *c)
{
    tm_store_close(c->store);
    tm_registry_free(c->registry);
    if (c->proxy)
        proxy_stop(c->proxy);
    redis_server_stop(c->server);
    free(c->url);
}

void redis_case_count(redis_case *c, uint64_t n)
{
    assert_ok(tm_count(c->registry, "tasks", n, TM_LABELS("a", "b")));
}

tm_sync_report redis_case_sync(redis_case *c)
{
    return sync_store(c->registry, c->store);
}

uint64_t redis_case_total(redis_case *c)
{
    return stored_count(c->store, "tasks", "a=\"b\"", 0);
}

char *redis_case_own_key(redis_case *c, const char *kind)
{
    char *name = redis_ask(c->server, "ZRANGE", "{test}:instances", "0", "0");
    char *key;
    assert_true(asprintf(&key, "{test}:%s:%s", kind, name) > 0);
    free(name);
    return key;
}
