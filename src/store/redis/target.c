#include "store/redis/target.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"

#define DEFAULT_PORT "6379"

static int bad_url(tm_error *error, const char *what)
{
    return tm__fail(error, TM_EURL, "redis URL: %s", what);
}

/* 1 to 5 digits, at most `largest`. */
static bool number_ok(const char *text, long largest)
{
    size_t len = strspn(text, "0123456789");
    return len >= 1 && len <= 5 && text[len] == '\0' && strtol(text, NULL, 10) <= largest;
}

/* host, host:port, [v6] or [v6]:port. */
static int split_host(const char *hosts, tm__redis_target *out, tm_error *error)
{
    bool bracket = hosts[0] == '[';
    const char *begin = hosts + bracket;
    const char *end = begin + strcspn(begin, bracket ? "]" : ":");
    const char *rest = end + (bracket && *end);
    if (begin == end || (bracket && *end != ']') || (*rest && *rest != ':') || strchr(hosts, ','))
        return bad_url(error, "it must name one host, as in redis://host:port/db");
    const char *port = *rest ? rest + 1 : DEFAULT_PORT;
    if (!number_ok(port, 65535) || strtol(port, NULL, 10) == 0)
        return bad_url(error, "the port is not a number from 1 to 65535");
    out->host = strndup(begin, (size_t)(end - begin));
    out->port = strdup(port);
    return out->host && out->port ? TM_OK : tm__fail(error, TM_ENOMEM, "redis URL: out of memory");
}

static int take_server(const tm__url *url, tm__redis_target *out, tm_error *error)
{
    const char *database = url->path[0] == '/' ? url->path + 1 : url->path;
    if (!number_ok(database[0] ? database : "0", 99999))
        return bad_url(error, "the path is not a database number, as in redis://host:port/2");
    out->database = strdup(database[0] ? database : "0");
    if (!out->database)
        return tm__fail(error, TM_ENOMEM, "redis URL: out of memory");
    return split_host(url->hosts, out, error);
}

static int take_socket(const tm__url *url, tm__redis_target *out, tm_error *error)
{
    if (url->hosts[0] || url->path[0] != '/')
        return bad_url(error, "a socket is written redis+unix:///path");
    if (strlen(url->path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return bad_url(error, "the path of the socket is too long");
    out->path = strdup(url->path);
    out->database = strdup("0");
    return out->path && out->database ? TM_OK : tm__fail(error, TM_ENOMEM, "redis URL: out of memory");
}

static int describe(tm__redis_target *out, tm_error *error)
{
    const char *secret = out->user[0] || out->password[0] ? "***@" : "";
    bool v6 = out->host && strchr(out->host, ':');
    int len = out->path ? asprintf(&out->shown, "redis+unix://%s%s", secret, out->path)
                        : asprintf(&out->shown, "redis://%s%s%s%s:%s/%s", secret, v6 ? "[" : "", out->host,
                                   v6 ? "]" : "", out->port, out->database);
    if (len >= 0)
        return TM_OK;
    out->shown = NULL;
    return tm__fail(error, TM_ENOMEM, "redis URL: out of memory");
}

int tm__redis_target_make(const tm__url *url, tm__redis_target *out, tm_error *error)
{
    *out = (tm__redis_target){.user = strdup(url->user), .password = strdup(url->password)};
    int status = out->user && out->password ? TM_OK : tm__fail(error, TM_ENOMEM, "redis URL: out of memory");
    if (status == TM_OK)
        status = strcmp(url->scheme, "redis+unix") == 0 ? take_socket(url, out, error) : take_server(url, out, error);
    if (status == TM_OK)
        status = describe(out, error);
    if (status != TM_OK)
        tm__redis_target_free(out);
    return status;
}

void tm__redis_target_free(tm__redis_target *target)
{
    if (target->password)
        explicit_bzero(target->password, strlen(target->password));
    free(target->host);
    free(target->port);
    free(target->path);
    free(target->user);
    free(target->password);
    free(target->database);
    free(target->shown);
    *target = (tm__redis_target){0};
}
