/* Store URLs. */
#ifndef TM__STORE_URL_H
#define TM__STORE_URL_H

#include <taskermetrics/base.h>

#include "base/shared.h"

/* The parts of a URL, percent-escapes decoded, each an own string ("" where absent) but hosts, which is still to be
 * split at commas. */
typedef struct tm__url {
    char *scheme;
    char *user;
    char *password;
    char *hosts; /* between "//" and the next '/', '?' or the end, without user and password */
    char *path;  /* with its leading '/', if any; for "file:relative/path" without */
    char *ns;    /* ?ns= */
} tm__url;

/* Parses; TM_EURL for bad syntax, a bad escape, NUL, an unknown query key; TM_ENOMEM. The text of an error never holds
 * the user or the password. On an error *out is empty. */
TM__SHARED int tm__url_parse(const char *text, tm__url *out, tm_error *error);

/* Frees the parts; the password is overwritten first. */
TM__SHARED void tm__url_free(tm__url *url);

/* [A-Za-z0-9_.:-]{1,64}: the rule for namespaces. Not '{' or '}', which mean something to Redis. */
TM__SHARED int tm__namespace_check(const char *ns, tm_error *error);

#endif
