#include "store/redis/script.h"

#include <string.h>

#include "store/redis/server_error.h"

/* Made by the build from the .lua files. */
extern const char tm__redis_apply_lua[], tm__redis_apply_lua_sha1[];
extern const char tm__redis_lock_lua[], tm__redis_lock_lua_sha1[];

const tm__redis_script tm__redis_apply_script = {tm__redis_apply_lua, tm__redis_apply_lua_sha1};
const tm__redis_script tm__redis_lock_script = {tm__redis_lock_lua, tm__redis_lock_lua_sha1};

static int run(tm__redis_connection *connection, const char *command, const char *script, size_t count,
               const char **arguments, size_t *lens, int64_t deadline_ns, const redisReply **out, tm_error *error)
{
    arguments[0] = command;
    lens[0] = strlen(command);
    arguments[1] = script;
    lens[1] = strlen(script);
    int status = tm__redis_queue(connection, count, arguments, lens, error);
    return status == TM_OK ? tm__redis_receive(connection, deadline_ns, out, error) : status;
}

static bool is_unknown(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0;
}

int tm__redis_run_script(tm__redis_connection *connection, const tm__redis_script *script, size_t count,
                         const char **arguments, size_t *lens, int type, int64_t deadline_ns, const redisReply **out,
                         tm_error *error)
{
    int status = run(connection, "EVALSHA", script->sha1, count, arguments, lens, deadline_ns, out, error);
    if (status == TM_OK && is_unknown(*out))
        status = run(connection, "EVAL", script->text, count, arguments, lens, deadline_ns, out, error);
    return status == TM_OK ? tm__redis_check_type(connection, *out, type, error) : status;
}
