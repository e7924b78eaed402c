/* The servers that bench/run starts and names in the environment: TM_BENCH_REDIS, the path of a unix socket, and
 * TM_BENCH_MEMCACHED, the port on the loopback. Each is empty when a program begins. */
#ifndef TM_BENCH_SERVER_H
#define TM_BENCH_SERVER_H

/* All end the program if there is no such server. */
const char *bench_redis_path(void);
const char *bench_redis_url(void);
int bench_memcached_port(void);
const char *bench_memcached_url(void);

#endif
