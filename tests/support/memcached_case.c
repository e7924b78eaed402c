#include "memcached_case.h"

memcached_server *memcached_must_start(const char *const *arguments)
{
    memcached_server *server = memcached_start(arguments);
    assert_non_null(server);
    return server;
}

void memcached_must_revive(memcached_server *server)
{
    assert_int_equal(memcached_revive(server), 0);
}

static memcached_case begin(const tm_store_options *options, const char *const *arguments, int behind_proxy)
{
    memcached_case c = {.server = memcached_must_start(arguments)};
    char port[16];
    snprintf(port, sizeof port, "%d", c.server->port);
    c.proxy = behind_proxy ? proxy_start(port) : NULL;
    snprintf(c.url, sizeof c.url, "memcached://127.0.0.1:%s/?ns=test", c.proxy ? proxy_address(c.proxy) : port);
    c.store = open_store(c.url, options);
    c.registry = new_registry();
    return c;
}

memcached_case memcached_case_begin(const tm_store_options *options, const char *const *arguments)
{
    return begin(options, arguments, 0);
}

memcached_case memcached_case_begin_behind_proxy(const tm_store_options *options)
{
    return begin(options, NULL, 1);
}

void memcached_case_end(memcached_case *c)
{
    tm_store_close(c->store);
    tm_registry_free(c->registry);
    if (c->proxy)
        proxy_stop(c->proxy);
    memcached_stop(c->server);
}

void memcached_expect(memcached_server *server, const char *reply, const char *command)
{
    assert_string_equal(memcached_tell(server, command, reply), reply);
}

uint64_t memcached_stat(memcached_server *server, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "STAT %s ", name);
    const char *found = strstr(memcached_tell(server, "stats", "END\r\n"), line);
    assert_non_null(found);
    return strtoull(found + strlen(line), NULL, 10);
}
