/* Stores and syncs, in few words. Every function fails the test, and says why, if it cannot do its work. */
#ifndef TM_TESTS_STORES_H
#define TM_TESTS_STORES_H

#include <taskermetrics/taskermetrics.h>

tm_store *open_store(const char *url, const tm_store_options *options);

/* Opening must fail with this status; *error holds the text. */
void open_must_fail(const char *url, const tm_store_options *options, int status, tm_error *error);

tm_sync_report sync_store(tm_registry *registry, tm_store *store);

/* The sync must fail with this status; nothing of it may be a secret of ours, "secret". */
tm_sync_report sync_must_fail(tm_registry *registry, tm_store *store, int status);

/* The aggregate; to be freed. */
tm_snapshot *read_store(tm_store *store);
tm_snapshot *read_instances(tm_store *store);

/* One number of a counter or histogram in the aggregate; 0 if there is no such series. */
uint64_t stored_count(tm_store *store, const char *family, const char *labels, size_t part);

/* A gauge in the aggregate; NaN if there is no such series. */
double stored_gauge(tm_store *store, const char *family, const char *labels);

#endif
