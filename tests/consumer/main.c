/* An application in C: records, syncs, renders. Arguments: further store URLs, whose schemes must be known. */
#include <stdio.h>
#include <string.h>

#include <taskermetrics/taskermetrics.h>

static int print(void *ctx, const char *bytes, size_t len)
{
    return fwrite(bytes, 1, len, ctx) == len ? 0 : -1;
}

static int record_and_print(void)
{
    tm_registry *registry = tm_registry_default();
    tm_store *store = NULL;
    int status = tm_store_open("memory:", NULL, &store, NULL);
    if (status == TM_OK)
        status = tm_count(registry, "consumer.runs", 3, TM_LABELS("language", "C"));
    if (status == TM_OK)
        status = tm_sync_to_cache(registry, store, NULL);
    if (status == TM_OK)
        status = tm_export_distributed(store, TM_FORMAT_PROMETHEUS, NULL, print, stdout);
    tm_store_close(store);
    return status;
}

/* Whether the library of a store that cannot be reached answers, and not the core in its place. */
static int scheme_is_known(const char *url)
{
    tm_store *store = NULL;
    tm_error error;
    int status = tm_store_open(url, NULL, &store, &error);
    tm_store_close(store);
    printf("%s: %s\n", url, tm_status_name(status));
    return status == TM_OK || status == TM_EUNAVAILABLE;
}

int main(int argc, char **argv)
{
    int status = record_and_print();
    if (status != TM_OK) {
        fprintf(stderr, "%s: %s\n", tm_status_name(status), tm_status_text(status));
        return 1;
    }
    for (int i = 1; i < argc; i++)
        if (!scheme_is_known(argv[i]))
            return 1;
    return 0;
}
