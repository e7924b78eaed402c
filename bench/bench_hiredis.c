/* What a sync to Redis stands against: bare pipelines of hiredis. */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "bench.h"
#include "server.h"

enum { PIPELINED = 1000, FIELDS = 10000, FIELD_BYTES = 80 };

static redisContext *connection;
static char fields[FIELDS][FIELD_BYTES];

static void prepare(const bench_case *asked)
{
    (void)asked;
    const bench_task_name *names = bench_task_names(FIELDS);
    for (size_t i = 0; i < FIELDS; i++)
        snprintf(fields[i], FIELD_BYTES, "bench_tasks{status=\"%s\",task_name=\"%s\"}", bench_status(i), names[i].text);
    connection = redisConnectUnix(bench_redis_path());
    if (!connection || connection->err)
        bench_fail("no connection");
}

static void read_reply(void)
{
    void *reply;
    if (redisGetReply(connection, &reply) != REDIS_OK)
        bench_fail(connection->errstr);
    freeReplyObject(reply);
}

/* All fields once, in pipelines of 1,000. */
static void increment_all(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t k = 0; k < count * (FIELDS / PIPELINED); k++) {
        for (size_t i = 0; i < PIPELINED; i++)
            redisAppendCommandArgv(
                connection, 4, (const char *[]){"HINCRBY", "bare", fields[(k * PIPELINED + i) % FIELDS], "3"}, NULL);
        for (size_t i = 0; i < PIPELINED; i++)
            read_reply();
    }
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
    {.name = "redis_increments", .prepare = prepare, .repeat = increment_all, .batch = 1},
    {.name = "redis_round_trip", .prepare = prepare, .repeat = make_round_trips, .batch = 10},
};

int main(int argc, char **argv)
{
    return bench_main("hiredis", works, sizeof works / sizeof *works, argc, argv);
}
