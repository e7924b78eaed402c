#include "store/redis/connection.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "store/redis/server_error.h"
#include "store/socket.h"

enum { RECEIVE_BYTES = 16 * 1024, OUT_KEPT_BYTES = 1 << 20, STRINGS_MAX = 16 };

void tm__redis_connection_init(tm__redis_connection *connection, const tm__redis_target *target)
{
    *connection = (tm__redis_connection){.target = target, .fd = -1};
}

void tm__redis_connection_close(tm__redis_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->unanswered = 0;
    tm__buffer_free(&connection->out);
    tm__redis_reader_free(&connection->reader);
}

void tm__redis_connection_abandon(tm__redis_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    /* Another thread of the parent may have been changing all of this at the fork: it is not even freed. */
    tm__redis_connection_init(connection, connection->target);
}

/* Puts the server's name in front of a text, and closes: after an error the state of the stream is unknown. */
static int broken(tm__redis_connection *connection, int status, tm_error *error)
{
    tm_error cause = *error;
    tm__redis_connection_close(connection);
    return tm__fail(error, status, "%s: %s", connection->target->shown, cause.text);
}

static int fail_parsing(int status, tm_error *error)
{
    const char *what = status == TM_ETOOBIG  ? "the reply is larger than what is taken"
                       : status == TM_ENOMEM ? "out of memory"
                       : status == TM_EPROTO ? "malformed reply"
                                             : tm_status_text(status);
    return tm__fail(error, status, "%s", what);
}

/* ---- commands ------------------------------------------------------------------------------------------------ */

int tm__redis_queue(tm__redis_connection *connection, size_t count, const char *const *arguments, const size_t *lens,
                    tm_error *error)
{
    char *command = NULL;
    long long len = redisFormatCommandArgv(&command, (int)count, (const char **)arguments, lens);
    if (len > 0) {
        tm__buffer_append(&connection->out, command, (size_t)len);
        redisFreeCommand(command);
    }
    if (len <= 0 || connection->out.failed) {
        tm__redis_connection_close(connection);
        return tm__fail(error, TM_ENOMEM, "%s: out of memory", connection->target->shown);
    }
    connection->unanswered++;
    return TM_OK;
}

int tm__redis_queue_strings(tm__redis_connection *connection, const char *const *arguments, tm_error *error)
{
    size_t lens[STRINGS_MAX];
    size_t count = 0;
    for (; arguments[count]; count++)
        lens[count] = strlen(arguments[count]);
    return tm__redis_queue(connection, count, arguments, lens, error);
}

static int send_queued(tm__redis_connection *connection, int64_t deadline_ns, tm_error *error)
{
    tm__buffer *out = &connection->out;
    if (out->len == 0)
        return TM_OK;
    int status = tm__socket_send(connection->fd, out->data, out->len, deadline_ns, error);
    connection->bytes += out->len;
    out->len = 0;
    if (out->capacity > OUT_KEPT_BYTES)
        tm__buffer_free(out);
    return status;
}

/* ---- replies ------------------------------------------------------------------------------------------------- */

static int read_some(tm__redis_connection *connection, int64_t deadline_ns, tm_error *error)
{
    char bytes[RECEIVE_BYTES];
    size_t len;
    int status = tm__socket_receive(connection->fd, bytes, sizeof bytes, deadline_ns, &len, error);
    if (status != TM_OK)
        return status;
    connection->bytes += len;
    status = tm__redis_reader_feed(&connection->reader, bytes, len);
    return status == TM_OK ? TM_OK : fail_parsing(status, error);
}

static int receive(tm__redis_connection *connection, int64_t deadline_ns, const redisReply **out, tm_error *error)
{
    if (connection->fd < 0)
        return tm__fail(error, TM_EUNAVAILABLE, "not connected");
    int status = send_queued(connection, deadline_ns, error);
    *out = NULL;
    while (status == TM_OK && !*out) {
        status = tm__redis_reader_next(&connection->reader, out);
        if (status != TM_OK)
            fail_parsing(status, error);
        else if (!*out)
            status = read_some(connection, deadline_ns, error);
    }
    return status;
}

int tm__redis_receive(tm__redis_connection *connection, int64_t deadline_ns, const redisReply **out, tm_error *error)
{
    int status = receive(connection, deadline_ns, out, error);
    if (status != TM_OK)
        return broken(connection, status, error);
    connection->unanswered--;
    return TM_OK;
}

int tm__redis_check_type(const tm__redis_connection *connection, const redisReply *reply, int type, tm_error *error)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return tm__redis_fail_with(connection->target, reply->str, reply->len, error);
    if (reply->type != type)
        return tm__fail(error, TM_EPROTO, "%s: a reply of another type than expected", connection->target->shown);
    return TM_OK;
}

int tm__redis_expect(tm__redis_connection *connection, int type, int64_t deadline_ns, const redisReply **out,
                     tm_error *error)
{
    int status = tm__redis_receive(connection, deadline_ns, out, error);
    return status == TM_OK ? tm__redis_check_type(connection, *out, type, error) : status;
}

int tm__redis_take_strings(tm__redis_connection *connection, int depth, tm__redis_string_taker take, void *ctx,
                           int64_t deadline_ns, const redisReply **out, tm_error *error)
{
    tm__redis_reader_divert(&connection->reader, depth, take, ctx);
    int status = tm__redis_expect(connection, REDIS_REPLY_ARRAY, deadline_ns, out, error);
    tm__redis_reader_divert(&connection->reader, 0, NULL, NULL);
    return status;
}

void tm__redis_release_replies(tm__redis_connection *connection)
{
    tm__redis_reader_release(&connection->reader);
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static int authenticate(tm__redis_connection *connection, int64_t deadline_ns, tm_error *error)
{
    const tm__redis_target *target = connection->target;
    const char *with_user[] = {"AUTH", target->user, target->password, NULL};
    const char *without[] = {"AUTH", target->password, NULL};
    if (!target->user[0] && !target->password[0])
        return TM_OK;
    const redisReply *reply;
    int status = tm__redis_queue_strings(connection, target->user[0] ? with_user : without, error);
    return status == TM_OK ? tm__redis_expect(connection, REDIS_REPLY_STATUS, deadline_ns, &reply, error) : status;
}

static int select_database(tm__redis_connection *connection, int64_t deadline_ns, tm_error *error)
{
    const char *command[] = {"SELECT", connection->target->database, NULL};
    if (strcmp(connection->target->database, "0") == 0)
        return TM_OK;
    const redisReply *reply;
    int status = tm__redis_queue_strings(connection, command, error);
    return status == TM_OK ? tm__redis_expect(connection, REDIS_REPLY_STATUS, deadline_ns, &reply, error) : status;
}

static int connect_anew(tm__redis_connection *connection, int64_t deadline_ns, tm_error *error)
{
    int status = tm__redis_reader_init(&connection->reader);
    if (status != TM_OK)
        return tm__fail(error, status, "out of memory");
    const tm__redis_target *target = connection->target;
    return target->path ? tm__socket_open_path(target->path, deadline_ns, &connection->fd, error)
                        : tm__socket_open(target->host, target->port, &connection->resolver, deadline_ns,
                                          &connection->fd, error);
}

int tm__redis_connection_open(tm__redis_connection *connection, int64_t deadline_ns, bool *reused, tm_error *error)
{
    *reused = connection->fd >= 0 && tm__socket_idle(connection->fd);
    if (*reused)
        return TM_OK;
    tm__redis_connection_close(connection);
    int status = connect_anew(connection, deadline_ns, error);
    if (status != TM_OK)
        return broken(connection, status, error);
    status = authenticate(connection, deadline_ns, error);
    if (status == TM_OK)
        status = select_database(connection, deadline_ns, error);
    tm__redis_release_replies(connection);
    if (status != TM_OK)
        tm__redis_connection_close(connection);
    return status;
}
