/* What a sync to Redis stands against: bare pipelines of hiredis. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "server.h"

enum { PIPELINED = 1000, CHANGED = 10000, FIELD_BYTES = 80 };

static redisContext *connection;
static char (*fields)[FIELD_BYTES];
static size_t field_count;

static void read_reply(void)
{
    void *reply;
    if (redisGetReply(connection, &reply) != REDIS_OK)
        bench_fail(connection->errstr);
    freeReplyObject(reply);
}

static void increment(const size_t *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        redisAppendCommandArgv(connection, 4, (const char *[]){"HINCRBY", "bare", fields[places[i]], "3"}, NULL);
    for (size_t i = 0; i < count; i++)
        read_reply();
}

/* Fields begin, begin + step and so on, in pipelines. */
static void increment_some(size_t begin, size_t step, size_t count)
{
    size_t places[PIPELINED];
    for (size_t i = 0; i < count; i++) {
        places[i % PIPELINED] = (begin + i * step) % field_count;
        if (i % PIPELINED == PIPELINED - 1)
            increment(places, PIPELINED);
    }
}

static void prepare(const bench_case *asked)
{
    field_count = asked->series;
    fields = calloc(field_count, sizeof *fields);
    if (!fields)
        bench_fail("no memory");
    const bench_task_name *names = bench_task_names(field_count);
    for (size_t i = 0; i < field_count; i++)
        snprintf(fields[i], FIELD_BYTES, "bench_tasks{status=\"%s\",task_name=\"%s\"}", bench_status(i), names[i].text);
    connection = redisConnectUnix(bench_redis_path());
    if (!connection || connection->err)
        bench_fail("no connection");
    increment_some(0, 1, field_count);
}

/* 10,000 of all fields, spread, another choice each time. */
static void increment_spread(size_t thread, size_t first, size_t count)
{
    (void)thread;
    for (size_t k = first; k < first + count; k++)
        increment_some(k, field_count / CHANGED, CHANGED);
}

static void make_round_trips(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++) {
        redisAppendCommandArgv(connection, 1, (const char *[]){"PING"}, NULL);
        read_reply();
    }
}

static const bench_work works[] = {
    {.name = "redis_increments", .prepare = prepare, .repeat = increment_spread, .batch = 1},
    {.name = "redis_round_trip", .prepare = prepare, .repeat = make_round_trips, .batch = 10},
};

int main(int argc, char **argv)
{
    return bench_main("hiredis", works, sizeof works / sizeof *works, argc, argv);
}
