/* Scripts, which the server keeps under their SHA-1 until it forgets them. */
#ifndef TM__STORE_REDIS_SCRIPT_H
#define TM__STORE_REDIS_SCRIPT_H

#include "store/redis/connection.h"

typedef struct tm__redis_script {
    const char *text;
    const char *sha1;
} tm__redis_script;

/* From apply.lua and lock.lua. */
extern const tm__redis_script tm__redis_apply_script;
extern const tm__redis_script tm__redis_lock_script;

/* Runs a script. arguments: the first two are left free for it, then come the number of keys, the keys, the arguments.
 * An error reply of the script is an error; so is a reply that is not of the type. */
int tm__redis_run_script(tm__redis_connection *connection, const tm__redis_script *script, size_t count,
                         const char **arguments, size_t *lens, int type, int64_t deadline_ns, const redisReply **out,
                         tm_error *error);

#endif
