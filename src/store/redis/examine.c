#include "store/redis/examine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { OLDEST_MAJOR = 5, WORD_BYTES = 48 };

/* The value of "name:value" in what INFO says, "" if it is not there. */
static void find_info(const char *info, const char *name, char word[WORD_BYTES])
{
    word[0] = '\0';
    size_t len = strlen(name);
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            snprintf(word, WORD_BYTES, "%.*s", (int)strcspn(line + len + 1, "\r\n"), line + len + 1);
            return;
        }
    }
}

static int check_version(const tm__redis *redis, const char *info, tm_error *error)
{
    char version[WORD_BYTES];
    find_info(info, "redis_version", version);
    if (version[0] == '\0' || strtol(version, NULL, 10) >= OLDEST_MAJOR)
        return TM_OK;
    return tm__fail(error, TM_EUNSUPPORTED, "%s: Redis %.20s is too old; 5 is the oldest that works",
                    redis->target.shown, version);
}

/* Every policy but noeviction takes keys: allkeys-* any, volatile-* those with a time to live. */
static void warn_of_eviction(const tm__redis *redis, const char *info)
{
    char policy[WORD_BYTES];
    find_info(info, "maxmemory_policy", policy);
    if (!redis->warn || policy[0] == '\0' || strcmp(policy, "noeviction") == 0)
        return;
    char text[320];
    snprintf(text, sizeof text,
             "%.120s: the server's maxmemory-policy is %s, so it may evict metrics; noeviction keeps them",
             redis->target.shown, policy);
    redis->warn(redis->warn_ctx, text);
}

static int look_at_info(tm__redis *redis, int64_t deadline_ns, tm_error *error)
{
    const redisReply *reply;
    int status = tm__redis_queue_strings(&redis->connection, (const char *const[]){"INFO", NULL}, error);
    if (status == TM_OK)
        status = tm__redis_receive(&redis->connection, deadline_ns, &reply, error);
    if (status != TM_OK || reply->type != REDIS_REPLY_STRING)
        return status;
    status = check_version(redis, reply->str, error);
    if (status == TM_OK)
        warn_of_eviction(redis, reply->str);
    return status;
}

static int try_script(tm__redis *redis, int64_t deadline_ns, tm_error *error)
{
    const redisReply *reply;
    const char *const command[] = {"EVAL", "return 1", "0", NULL};
    int status = tm__redis_queue_strings(&redis->connection, command, error);
    return status == TM_OK ? tm__redis_expect(&redis->connection, REDIS_REPLY_INTEGER, deadline_ns, &reply, error)
                           : status;
}

int tm__redis_examine(tm__redis *redis, int64_t deadline_ns, tm_error *error)
{
    int status = try_script(redis, deadline_ns, error);
    if (status == TM_OK)
        status = look_at_info(redis, deadline_ns, error);
    tm__redis_release_replies(&redis->connection);
    return status;
}
