/* Store URLs: any text is parsed or refused, and what is parsed keeps the promises of url.h. */
#include <stdlib.h>
#include <string.h>

#include "store/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    tm__url url;
    tm_error error = {0};
    int status = tm__url_parse(text, &url, &error);
    if (status == TM_OK) {
        check(url.scheme[0] != '\0' && url.user && url.password && url.hosts && url.path);
        check(url.ns[0] == '\0' || tm__namespace_check(url.ns, NULL) == TM_OK);
        check(strlen(url.user) + strlen(url.password) + strlen(url.hosts) + strlen(url.path) <= strlen(text));
    } else {
        check(status == TM_EURL && error.status == status && error.text[0] != '\0');
        check(!url.scheme && !url.password && !url.path);
    }
    tm__url_free(&url);
    free(text);
    return 0;
}
