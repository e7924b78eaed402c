#include <stdio.h>
#include <taskermetrics/taskermetrics.h>

static int print(void *stream, const char *bytes, size_t len)
{
    return fwrite(bytes, 1, len, stream) == len ? 0 : -1;
}

int main(void)
{
    tm_registry *registry = tm_registry_default();
    tm_counter *done;
    tm_counter_get(registry, "tasker.tasks", TM_LABELS("status", "success"), &done);
    tm_counter_inc(done); /* from any thread: no lock, no system call */
    tm_observe(registry, "tasker.task.duration", 0.042, TM_LABELS("task_name", "parse"));
    tm_store *store;
    tm_store_open("file:metrics.tm", NULL, &store, NULL);
    tm_sync_to_cache(registry, store, NULL); /* from a timer of your own; after a failure the next one goes on */
    int status = tm_export_distributed(store, TM_FORMAT_PROMETHEUS, NULL, print, stdout);
    tm_store_close(store);
    return status == TM_OK ? 0 : 1;
}
