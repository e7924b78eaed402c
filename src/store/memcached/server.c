#include "store/memcached/server.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define DEFAULT_PORT "11211"

/* A connection that breaks is tried again, for it may have been an old one; a server that lets us wait is not. */
enum { TROUBLE_BROKEN = 1, TROUBLE_SILENT = 3, TROUBLES_MAX = 3 };

/* ---- where it is --------------------------------------------------------------------------------------------- */

static bool host_ok(const char *host, bool v6)
{
    const char *letters = v6 ? "0123456789abcdef:." : "abcdefghijklmnopqrstuvwxyz0123456789._-";
    return host[0] != '\0' && host[strspn(host, letters)] == '\0';
}

static bool port_ok(const char *port)
{
    size_t len = strspn(port, "0123456789");
    long number = len >= 1 && len <= 5 && port[len] == '\0' ? strtol(port, NULL, 10) : 0;
    return number >= 1 && number <= 65535;
}

/* Letters in lower case: "Host" and "host" are one server. */
static char *copy_host(const char *text, size_t len)
{
    char *copy = strndup(text, len);
    for (char *c = copy; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

/* Takes the text apart; what is wrong with it shows in the parts. */
static void split(tm__memcached_server *server, const char *text, size_t len, bool v6)
{
    const char *host = text + v6;
    const char *end = text + len;
    const char *host_end = memchr(host, v6 ? ']' : ':', (size_t)(end - host));
    const char *rest = host_end ? host_end + v6 : end;
    server->host = copy_host(host, (size_t)((host_end ? host_end : end) - host));
    server->port = rest == end ? strdup(DEFAULT_PORT) : strndup(rest + 1, (size_t)(end - rest - 1));
    bool odd = (v6 && !host_end) || (rest < end && *rest != ':');
    if (odd && server->port)
        server->port[0] = '\0';
    if (server->host && server->port &&
        asprintf(&server->name, v6 ? "[%s]:%s" : "%s:%s", server->host, server->port) < 0)
        server->name = NULL;
}

int tm__memcached_server_init(tm__memcached_server *server, const char *text, size_t len, tm_error *error)
{
    *server = (tm__memcached_server){.connection = {.fd = -1}};
    bool v6 = len > 0 && text[0] == '[';
    split(server, text, len, v6);
    if (!server->name)
        return tm__fail(error, TM_ENOMEM, "memcached URL: out of memory");
    if (!host_ok(server->host, v6) || !port_ok(server->port))
        return tm__fail(error, TM_EURL, "memcached URL: servers are written memcached://host:port,host:port/");
    return TM_OK;
}

void tm__memcached_server_free(tm__memcached_server *server)
{
    tm__memcached_connection_free(&server->connection);
    free(server->host);
    free(server->port);
    free(server->name);
}

/* ---- what it is worth ---------------------------------------------------------------------------------------- */

static void remember_trouble(tm__memcached_server *server, int64_t deadline_ns, int weight)
{
    if (deadline_ns > server->troubles_deadline_ns) {
        server->troubles = 0;
        server->troubles_deadline_ns = deadline_ns;
    }
    if (server->troubles < TROUBLES_MAX)
        server->troubles += weight;
}

int tm__memcached_server_begin(tm__memcached_server *server, int64_t deadline_ns, tm_error *error)
{
    if (server->troubles >= TROUBLES_MAX && deadline_ns <= server->troubles_deadline_ns)
        return tm__fail(error, TM_EUNAVAILABLE, "%s", server->trouble);
    tm__memcached_server_wait_from_now(server, deadline_ns);
    return TM_OK;
}

void tm__memcached_server_wait_from_now(tm__memcached_server *server, int64_t deadline_ns)
{
    int64_t now_ns = tm__monotonic_ns();
    server->connection.limit_ns = server->alone ? deadline_ns : now_ns + (deadline_ns - now_ns) / 2;
}

int tm__memcached_server_says(const tm__memcached_server *server, int status, tm_error *error)
{
    char text[sizeof error->text];
    memcpy(text, error->text, sizeof text);
    return tm__fail(error, status, "memcached %s: %s", server->name, text);
}

int tm__memcached_server_failed(tm__memcached_server *server, int64_t deadline_ns, int status, tm_error *error)
{
    bool broken = server->connection.fd >= 0 && status != TM_ETIMEOUT;
    tm__memcached_disconnect(&server->connection);
    if (status == TM_ETIMEOUT && tm__monotonic_ns() < deadline_ns)
        status = TM_EUNAVAILABLE;
    tm__memcached_server_says(server, status, error);
    memcpy(server->trouble, error->text, sizeof server->trouble);
    if (status != TM_ENOMEM)
        remember_trouble(server, deadline_ns, broken ? TROUBLE_BROKEN : TROUBLE_SILENT);
    return status;
}
