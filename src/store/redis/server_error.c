#include "store/redis/server_error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const struct {
    const char *beginning;
    int status;
} meanings[] = {
    {"NOAUTH", TM_EDENIED},
    {"WRONGPASS", TM_EDENIED},
    {"NOPERM", TM_EDENIED},
    {"DENIED", TM_EDENIED},
    {"ERR invalid password", TM_EDENIED},
    {"ERR AUTH", TM_EDENIED},
    {"ERR Client sent AUTH", TM_EDENIED},
    {"ERR wrong number of arguments for 'auth'", TM_EDENIED},
    {"ERR The user executing the script", TM_EDENIED},
    {"READONLY", TM_EREADONLY},
    {"OOM", TM_ENOSPC},
    {"LOADING", TM_EUNAVAILABLE},
    {"BUSY", TM_EUNAVAILABLE},
    {"MASTERDOWN", TM_EUNAVAILABLE},
    {"NOREPLICAS", TM_EUNAVAILABLE},
    {"CLUSTERDOWN", TM_EUNAVAILABLE},
    {"TRYAGAIN", TM_EUNAVAILABLE},
    {"MISCONF", TM_EUNAVAILABLE},
    {"UNBLOCKED", TM_EUNAVAILABLE},
    {"ERR max number of clients reached", TM_EUNAVAILABLE},
    {"MOVED", TM_EUNSUPPORTED},
    {"ASK", TM_EUNSUPPORTED},
    {"CROSSSLOT", TM_EUNSUPPORTED},
    {"ERR unknown command", TM_EUNSUPPORTED},
    {"ERR DB index is out of range", TM_EURL},
    {"ERR invalid DB index", TM_EURL},
    {"WRONGTYPE", TM_ECORRUPT},
    {"CORRUPT", TM_ECORRUPT},
    {"ERR hash value is not", TM_ECORRUPT},
    {"ERR increment or decrement would overflow", TM_EOVERFLOW},
    {"ERR value is not an integer or out of range", TM_EOVERFLOW},
    {"CONFLICT", TM_ECONFLICT},
    {"REFUSED", TM_EFIELD},
};

int tm__redis_status_of(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        size_t beginning = strlen(meanings[i].beginning);
        if (len >= beginning && memcmp(text, meanings[i].beginning, beginning) == 0)
            return meanings[i].status;
    }
    return TM_EIO;
}

static void blot_out(char *text, const char *secret)
{
    size_t len = strlen(secret);
    for (char *at = text; len > 0 && (at = strstr(at, secret)); at += len)
        memset(at, '*', len);
}

/* Some replies quote what was sent. */
static void cut_quotation(char *text)
{
    char *quoted = strstr(text, ", with args beginning with");
    if (quoted)
        *quoted = '\0';
}

static void replace_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

int tm__redis_fail_with(const tm__redis_target *target, const char *text, size_t len, tm_error *error)
{
    int status = tm__redis_status_of(text, len);
    char *copy = strndup(text, len);
    if (!copy)
        return tm__fail(error, TM_ENOMEM, "%s: out of memory", target->shown);
    cut_quotation(copy);
    blot_out(copy, target->password);
    blot_out(copy, target->user);
    replace_controls(copy);
    tm__fail(error, status, "%s: %s", target->shown, copy);
    free(copy);
    return status;
}
