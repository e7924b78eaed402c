#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        bench_fail("no server: bench/run starts it");
    return value;
}

const char *bench_redis_path(void)
{
    return variable("TM_BENCH_REDIS");
}

const char *bench_redis_url(void)
{
    static char url[200];
    snprintf(url, sizeof url, "redis+unix://%s?ns=bench", bench_redis_path());
    return url;
}

int bench_memcached_port(void)
{
    return (int)strtol(variable("TM_BENCH_MEMCACHED"), NULL, 10);
}

const char *bench_memcached_url(void)
{
    static char url[80];
    snprintf(url, sizeof url, "memcached://127.0.0.1:%d/?ns=bench", bench_memcached_port());
    return url;
}
