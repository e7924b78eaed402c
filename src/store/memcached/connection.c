#include "store/memcached/connection.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "store/socket.h"

enum { LONGEST_LINE = 2048, RECEIVE_BYTES = 64 * 1024 };

/* The number is forgotten before it is given back: a fork in between must not close another's file in the child. */
void tm__memcached_disconnect(tm__memcached_connection *connection)
{
    int fd = connection->fd;
    connection->fd = -1;
    connection->out.len = connection->in.len = connection->taken = 0;
    connection->out.failed = connection->in.failed = false;
    if (fd >= 0)
        close(fd);
}

void tm__memcached_connection_free(tm__memcached_connection *connection)
{
    tm__memcached_disconnect(connection);
    tm__resolver_free(&connection->resolver);
    tm__buffer_free(&connection->out);
    tm__buffer_free(&connection->in);
}

void tm__memcached_connection_abandon(tm__memcached_connection *connection, bool torn)
{
    if (torn)
        connection->out = connection->in = (tm__buffer){0};
    connection->resolver = (tm__resolver){0}; /* the thread that looked up stayed in the parent */
    tm__memcached_disconnect(connection);
}

/* A silent connection that has something to say was closed by the server, or carries an answer that comes too late. */
int tm__memcached_connect(tm__memcached_connection *connection, const char *host, const char *port, bool *fresh,
                          tm_error *error)
{
    *fresh = false;
    if (connection->fd >= 0 && tm__socket_idle(connection->fd))
        return TM_OK;
    tm__memcached_disconnect(connection);
    connection->number++;
    int status = tm__socket_open(host, port, &connection->resolver, connection->limit_ns, &connection->fd, error);
    *fresh = status == TM_OK;
    return status;
}

int tm__memcached_send(tm__memcached_connection *connection, tm_error *error)
{
    tm__buffer *out = &connection->out;
    if (out->failed)
        return tm__fail(error, TM_ENOMEM, "out of memory");
    int status = tm__socket_send(connection->fd, out->data, out->len, connection->limit_ns, error);
    connection->bytes += out->len;
    out->len = 0;
    return status;
}

/* Drops what has been looked at and receives more; `wanted` bytes would be welcome. */
static int receive(tm__memcached_connection *connection, size_t wanted, tm_error *error)
{
    tm__buffer *in = &connection->in;
    in->len -= connection->taken;
    if (connection->taken > 0 && in->len > 0)
        memmove(in->data, in->data + connection->taken, in->len);
    connection->taken = 0;
    size_t most = in->len + RECEIVE_BYTES; /* a length that is only claimed makes us take no more than this */
    if (!tm__buffer_reserve(in, wanted < most ? wanted : most))
        return tm__fail(error, TM_ENOMEM, "out of memory");
    size_t len = 0;
    int status = tm__socket_receive(connection->fd, in->data + in->len, in->capacity - in->len, connection->limit_ns,
                                    &len, error);
    in->len += len;
    connection->bytes += len;
    return status;
}

static size_t untaken(const tm__memcached_connection *connection)
{
    return connection->in.len - connection->taken;
}

int tm__memcached_line(tm__memcached_connection *connection, char **line, tm_error *error)
{
    char *end = NULL;
    while (!end) {
        size_t have = untaken(connection);
        *line = have > 0 ? connection->in.data + connection->taken : NULL;
        end = have > 0 ? memchr(*line, '\n', have) : NULL;
        if (!end && have > LONGEST_LINE)
            return tm__fail(error, TM_EPROTO, "the reply has no end of line");
        int status = end ? TM_OK : receive(connection, RECEIVE_BYTES, error);
        if (status != TM_OK)
            return status;
    }
    size_t len = (size_t)(end - *line);
    connection->taken += len + 1;
    if (len == 0 || end[-1] != '\r' || memchr(*line, '\0', len))
        return tm__fail(error, TM_EPROTO, "the reply is no line of the protocol");
    end[-1] = '\0';
    return TM_OK;
}

int tm__memcached_value(tm__memcached_connection *connection, size_t len, const char **value, tm_error *error)
{
    size_t all = len + strlen("\r\n");
    while (untaken(connection) < all) {
        int status = receive(connection, all - untaken(connection), error);
        if (status != TM_OK)
            return status;
    }
    *value = connection->in.data + connection->taken;
    connection->taken += all;
    if (memcmp(*value + len, "\r\n", 2) != 0)
        return tm__fail(error, TM_EPROTO, "a value is not as long as the reply says");
    return TM_OK;
}

int tm__memcached_nothing_left(const tm__memcached_connection *connection, tm_error *error)
{
    return untaken(connection) == 0 ? TM_OK : tm__fail(error, TM_EPROTO, "more came than was asked for");
}
