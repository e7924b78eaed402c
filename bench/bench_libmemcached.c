/* What a sync to Memcached stands against, with bare libmemcached: the store's own items fetched at once and stored
 * again; and items of one series each, fetched and stored one by one. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"
#include "server.h"

enum { PARTITIONS = 64, KEY_BYTES = 80, BATCH = 100 };

typedef struct item_key {
    char text[KEY_BYTES];
} item_key;

static memcached_st *connection;
static item_key partition_keys[PARTITIONS];
static item_key *single_keys;
static size_t single_count;

static void expect(memcached_return_t status)
{
    if (status != MEMCACHED_SUCCESS)
        bench_fail(memcached_strerror(connection, status));
}

/* ---- the preparation ----------------------------------------------------------------------------------------- */

static void sync_counters(size_t series)
{
    tm_registry *registry = bench_registry(series);
    tm_counter **counters = bench_counters(registry, bench_label_sets(series), series);
    for (size_t i = 0; i < series; i++)
        tm_counter_inc(counters[i]);
    tm_store *store;
    tm_error error;
    if (tm_store_open(bench_memcached_url(), NULL, &store, &error) != TM_OK)
        bench_fail(error.text);
    if (tm_sync_to_cache(registry, store, NULL) != TM_OK)
        bench_fail("no sync");
    tm_store_close(store);
}

static void connect_to_server(void)
{
    connection = memcached_create(NULL);
    expect(memcached_server_add(connection, "127.0.0.1", (in_port_t)bench_memcached_port()));
    memcached_behavior_set(connection, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    memcached_behavior_set(connection, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
}

/* The store's own items, which docs/memcached.md describes. */
static void name_partitions(void)
{
    static const char head[] = "taskermetrics layout 1 64 ";
    size_t len;
    memcached_return_t status;
    char *item = memcached_get(connection, "bench:layout", strlen("bench:layout"), &len, NULL, &status);
    expect(status);
    if (len < strlen(head) + 32 || memcmp(item, head, strlen(head)) != 0)
        bench_fail("another layout");
    for (size_t p = 0; p < PARTITIONS; p++)
        snprintf(partition_keys[p].text, KEY_BYTES, "bench:%.32s:%zu", item + strlen(head), p);
    free(item);
}

static void prepare_partitions(const bench_case *asked)
{
    sync_counters(asked->series);
    connect_to_server();
    name_partitions();
}

static void prepare_singles(const bench_case *asked)
{
    connect_to_server();
    single_count = asked->series;
    single_keys = calloc(single_count, sizeof *single_keys);
    if (!single_keys)
        bench_fail("no memory");
    for (size_t i = 0; i < single_count; i++) {
        snprintf(single_keys[i].text, KEY_BYTES, "single:%05zu", i);
        expect(memcached_set(connection, single_keys[i].text, strlen(single_keys[i].text), "12345678", 8, 0, 0));
    }
}

/* ---- the work ------------------------------------------------------------------------------------------------ */

static void store_again(const memcached_result_st *r)
{
    expect(memcached_cas(connection, memcached_result_key_value(r), memcached_result_key_length(r),
                         memcached_result_value(r), memcached_result_length(r), 0, 0, memcached_result_cas(r)));
}

static void fetch_and_store(const item_key *keys, size_t count)
{
    static memcached_result_st results[PARTITIONS + 1];
    const char *names[PARTITIONS];
    size_t lens[PARTITIONS];
    for (size_t i = 0; i < count; i++) {
        names[i] = keys[i].text;
        lens[i] = strlen(keys[i].text);
    }
    expect(memcached_mget(connection, names, lens, count));
    size_t found = 0;
    for (memcached_return_t status; found <= count; found++)
        if (!memcached_fetch_result(connection, memcached_result_create(connection, &results[found]), &status))
            break;
    if (found != count)
        bench_fail("an item is missing");
    for (size_t i = 0; i < count; i++)
        store_again(&results[i]);
    for (size_t i = 0; i <= count; i++)
        memcached_result_free(&results[i]);
}

static void renew_partitions(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++)
        fetch_and_store(partition_keys, PARTITIONS);
}

static void renew_singles(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t i = 0; i < count; i++)
        fetch_and_store(&single_keys[(first + i) % single_count], 1);
}

static const bench_work works[] = {
    {.name = "memcached_partitions", .prepare = prepare_partitions, .repeat = renew_partitions, .batch = 1},
    {.name = "memcached_item", .prepare = prepare_singles, .repeat = renew_singles, .batch = BATCH},
};

int main(int argc, char **argv)
{
    return bench_main("libmemcached", works, sizeof works / sizeof *works, argc, argv);
}
