#include "store/memcached/protocol.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { COMMAND_BYTES = TM__MEMCACHED_KEY_BYTES + 128 };

static bool begins_with(const char *line, const char *word)
{
    return strncmp(line, word, strlen(word)) == 0;
}

/* Decimal digits up to `end`, which is skipped. */
static bool take_number(const char **at, char end, uint64_t *value)
{
    *value = 0;
    size_t digits = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++, digits++) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    if (digits == 0 || **at != end)
        return false;
    *at += end != '\0';
    return true;
}

__attribute__((format(printf, 2, 3))) static void add_text(tm__buffer *out, const char *format, ...)
{
    char text[COMMAND_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tm__buffer_append(out, text, (size_t)len);
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* What a server says instead of an answer. The text is its own: only letters of it are shown. */
static int refusal(char *line, tm_error *error)
{
    for (char *c = line; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    int status = TM_EPROTO;
    if (begins_with(line, "SERVER_ERROR object too large"))
        status = TM_ETOOBIG;
    else if (begins_with(line, "SERVER_ERROR out of memory"))
        status = TM_ENOSPC;
    else if (begins_with(line, "CLIENT_ERROR unauthenticated"))
        status = TM_EDENIED;
    else if (begins_with(line, "SERVER_ERROR"))
        status = TM_EIO;
    return tm__fail(error, status, "it says \"%.80s\"", line);
}

/* After these the connection is still in step. */
static bool harmless(int status)
{
    return status == TM_ETOOBIG || status == TM_ENOSPC;
}

/* ---- connecting ---------------------------------------------------------------------------------------------- */

static size_t value_bytes_for(uint64_t item_size_max)
{
    if (item_size_max <= TM__MEMCACHED_ITEM_OVERHEAD)
        return 0;
    uint64_t bytes = item_size_max - TM__MEMCACHED_ITEM_OVERHEAD;
    return bytes < TM__MEMCACHED_VALUE_LIMIT ? (size_t)bytes : TM__MEMCACHED_VALUE_LIMIT;
}

/* How large an item may be. A server, or what stands in front of it, need not tell. */
static int read_settings(tm__memcached_server *server, tm_error *error)
{
    static const char wanted[] = "STAT item_size_max ";
    server->value_bytes_max = value_bytes_for(TM__MEMCACHED_VALUE_BYTES);
    add_text(&server->connection.out, "stats settings\r\n");
    int status = tm__memcached_send(&server->connection, error);
    while (status == TM_OK) {
        char *line;
        status = tm__memcached_line(&server->connection, &line, error);
        if (status != TM_OK || strcmp(line, "END") == 0)
            return status;
        if (strcmp(line, "ERROR") == 0 || begins_with(line, "CLIENT_ERROR ") || begins_with(line, "SERVER_ERROR "))
            return TM_OK;
        if (!begins_with(line, "STAT "))
            return tm__fail(error, TM_EPROTO, "it does not speak memcached's text protocol");
        const char *at = line + strlen(wanted);
        uint64_t size;
        if (begins_with(line, wanted) && take_number(&at, '\0', &size))
            server->value_bytes_max = value_bytes_for(size);
    }
    return status;
}

static int connect_server(tm__memcached_server *server, tm_error *error)
{
    int status = tm__memcached_connect(&server->connection, server->host, server->port, &server->fresh, error);
    if (status == TM_OK && server->fresh)
        status = read_settings(server, error);
    if (status == TM_OK && server->fresh)
        status = tm__memcached_nothing_left(&server->connection, error);
    return status;
}

/* ---- gets ---------------------------------------------------------------------------------------------------- */

static int connect_and_ask(tm__memcached_server *server, const tm__memcached_keys *keys, tm_error *error)
{
    int status = connect_server(server, error);
    if (status != TM_OK)
        return status;
    if (keys->renew_s > 0)
        add_text(&server->connection.out, "gats %" PRIu32, keys->renew_s);
    else
        add_text(&server->connection.out, "gets");
    for (size_t i = 0; i < keys->count; i++)
        add_text(&server->connection.out, " %s", keys->texts[i]);
    add_text(&server->connection.out, "\r\n");
    return tm__memcached_send(&server->connection, error);
}

int tm__memcached_ask(tm__memcached_server *server, const tm__memcached_keys *keys, int64_t deadline_ns,
                      tm_error *error)
{
    int status = tm__memcached_server_begin(server, deadline_ns, error);
    if (status != TM_OK)
        return status;
    status = connect_and_ask(server, keys, error);
    return status == TM_OK ? TM_OK : tm__memcached_server_failed(server, deadline_ns, status, error);
}

/* "VALUE key flags bytes cas". Items come in the order they were asked for: *next is the first that may still come. */
static int parse_value(tm__memcached_server *server, const char *line, const tm__memcached_keys *keys, size_t *next,
                       tm__memcached_item *item, tm_error *error)
{
    const char *at = line + strlen("VALUE ");
    size_t key_len = strcspn(at, " ");
    while (*next < keys->count &&
           !(strlen(keys->texts[*next]) == key_len && memcmp(keys->texts[*next], at, key_len) == 0))
        (*next)++;
    if (*next == keys->count || at[key_len] != ' ')
        return tm__fail(error, TM_EPROTO, "an item came that was not asked for");
    at += key_len + 1;
    uint64_t flags;
    uint64_t len;
    if (!take_number(&at, ' ', &flags) || !take_number(&at, ' ', &len) || !take_number(&at, '\0', &item->cas))
        return tm__fail(error, TM_EPROTO, "the head of an item is malformed");
    if (len > TM__MEMCACHED_VALUE_LIMIT)
        return tm__fail(error, TM_EPROTO, "an item claims to be larger than any of ours");
    item->server = server;
    item->len = (size_t)len;
    item->connection = server->connection.number;
    return TM_OK;
}

static int take_items(tm__memcached_server *server, const tm__memcached_keys *keys, tm__memcached_taker take, void *ctx,
                      tm_error *error)
{
    char *line;
    size_t next = 0;
    int status = tm__memcached_line(&server->connection, &line, error);
    while (status == TM_OK && strcmp(line, "END") != 0) {
        tm__memcached_item item = {0};
        status =
            begins_with(line, "VALUE ") ? parse_value(server, line, keys, &next, &item, error) : refusal(line, error);
        if (status == TM_OK)
            status = tm__memcached_value(&server->connection, item.len, &item.bytes, error);
        if (status == TM_OK)
            status = take(ctx, keys->ids[next++], &item, error);
        if (status == TM_OK)
            status = tm__memcached_line(&server->connection, &line, error);
    }
    return status == TM_OK ? tm__memcached_nothing_left(&server->connection, error) : status;
}

/* A connection that broke while nobody used it is replaced without a word. */
int tm__memcached_answer(tm__memcached_server *server, const tm__memcached_keys *keys, tm__memcached_taker take,
                         void *ctx, int64_t deadline_ns, tm_error *error)
{
    uint64_t bytes_before = server->connection.bytes;
    tm__memcached_server_wait_from_now(server, deadline_ns);
    int status = take_items(server, keys, take, ctx, error);
    if (status == TM_EUNAVAILABLE && !server->fresh && server->connection.bytes == bytes_before) {
        tm__memcached_disconnect(&server->connection);
        status = connect_and_ask(server, keys, error);
        if (status == TM_OK)
            status = take_items(server, keys, take, ctx, error);
    }
    return status == TM_OK ? TM_OK : tm__memcached_server_failed(server, deadline_ns, status, error);
}

/* ---- add, cas ------------------------------------------------------------------------------------------------ */

static int send_value(tm__memcached_server *server, const char *key, const tm__memcached_item *old, const char *value,
                      size_t len, uint32_t ttl_s, tm_error *error)
{
    tm__buffer *out = &server->connection.out;
    if (old)
        add_text(out, "cas %s 0 %" PRIu32 " %zu %" PRIu64 "\r\n", key, ttl_s, len, old->cas);
    else
        add_text(out, "add %s 0 %" PRIu32 " %zu\r\n", key, ttl_s, len);
    tm__buffer_append(out, value, len);
    tm__buffer_append(out, "\r\n", 2);
    return tm__memcached_send(&server->connection, error);
}

static int take_outcome(tm__memcached_server *server, bool *stored, tm_error *error)
{
    char *line;
    int status = tm__memcached_line(&server->connection, &line, error);
    if (status == TM_OK)
        status = tm__memcached_nothing_left(&server->connection, error);
    if (status != TM_OK)
        return status;
    *stored = strcmp(line, "STORED") == 0;
    bool overtaken = strcmp(line, "EXISTS") == 0 || strcmp(line, "NOT_FOUND") == 0 || strcmp(line, "NOT_STORED") == 0;
    return *stored || overtaken ? TM_OK : refusal(line, error);
}

int tm__memcached_store(tm__memcached_server *server, const char *key, const tm__memcached_item *old, const char *value,
                        size_t len, uint32_t ttl_s, int64_t deadline_ns, bool *stored, tm_error *error)
{
    *stored = false;
    int status = tm__memcached_server_begin(server, deadline_ns, error);
    if (status != TM_OK)
        return status;
    status = connect_server(server, error);
    if (status == TM_OK && old && old->connection != server->connection.number)
        return TM_OK; /* on a new connection the token means nothing: as if it had been overtaken */
    if (status == TM_OK)
        status = send_value(server, key, old, value, len, ttl_s, error);
    if (status == TM_OK)
        status = take_outcome(server, stored, error);
    if (status == TM_OK)
        return TM_OK;
    return harmless(status) ? tm__memcached_server_says(server, status, error)
                            : tm__memcached_server_failed(server, deadline_ns, status, error);
}
