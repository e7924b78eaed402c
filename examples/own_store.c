/* A store of one's own: a plain in-process store, complete and exactly once.
 *
 * It keeps the last sequence number of each instance, and each number that an instance told, as an absolute value. A
 * total is the sum over the instances, made when it is read, so it cannot drift. Searches are linear: this is an
 * example. */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <taskermetrics/taskermetrics.h>

typedef struct own_instance {
    char *name;
    uint64_t last_seq;
    bool last_was_taken_whole;
    struct own_instance *next;
} own_instance;

/* What one instance told of one part of a series. */
typedef struct own_number {
    const own_instance *instance;
    const tm_family *family; /* in the catalogue */
    char *labels;
    size_t labels_bytes;
    size_t part;
    tm_number value;
    struct own_number *next;
} own_number;

typedef struct own_store {
    pthread_mutex_t lock;
    tm_snapshot *catalogue; /* a snapshot without series: it copies descriptions of families */
    own_instance *instances;
    own_number *numbers;
} own_store;

/* ---- Families: the first description of a name holds ---- */

static char printed(char c)
{
    return c == '.' ? '_' : c;
}

static bool print_alike(const char *a, const char *b)
{
    while (*a && printed(*a) == printed(*b)) {
        a++;
        b++;
    }
    return printed(*a) == printed(*b);
}

static const tm_family *find_family(const own_store *store, const char *name)
{
    for (size_t i = 0; i < tm_snapshot_family_count(store->catalogue); i++) {
        const tm_family *family = tm_snapshot_family(store->catalogue, i);
        if (print_alike(family->name, name))
            return family;
    }
    return NULL;
}

static bool same_family(const tm_family *a, const tm_family *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type && a->aggregation == b->aggregation &&
           strcmp(a->unit, b->unit) == 0 && a->bucket_count == b->bucket_count &&
           (a->bucket_count == 0 || memcmp(a->buckets, b->buckets, a->bucket_count * sizeof *a->buckets) == 0);
}

/* Whether the numbers of a family can be taken. This store only adds, so the only gauges are sums. */
static int admit_family(own_store *store, const tm_family *family)
{
    const tm_family *known = find_family(store, family->name);
    if (known)
        return same_family(known, family) ? TM_OK : TM_ECONFLICT;
    if (family->type == TM_TYPE_GAUGE && family->aggregation != TM_AGGREGATE_SUM)
        return TM_EUNSUPPORTED;
    size_t index;
    return tm_snapshot_add_family(store->catalogue, family, &index);
}

/* ---- Instances and their numbers ---- */

static own_instance *find_instance(const own_store *store, const char *name)
{
    own_instance *instance = store->instances;
    while (instance && strcmp(instance->name, name) != 0)
        instance = instance->next;
    return instance;
}

static own_instance *add_instance(own_store *store, const char *name)
{
    own_instance *instance = calloc(1, sizeof *instance);
    char *copy = strdup(name);
    if (!instance || !copy) {
        free(copy);
        free(instance);
        return NULL;
    }
    *instance = (own_instance){.name = copy, .last_was_taken_whole = true, .next = store->instances};
    store->instances = instance;
    return instance;
}

static own_number *find_number(const own_store *store, const own_instance *instance, const tm_change *change)
{
    own_number *number = store->numbers;
    while (number &&
           !(number->instance == instance && number->part == change->part &&
             strcmp(number->family->name, change->family->name) == 0 && number->labels_bytes == change->labels_bytes &&
             memcmp(number->labels, change->labels, change->labels_bytes) == 0))
        number = number->next;
    return number;
}

static bool add_number(own_store *store, const own_instance *instance, const tm_change *change)
{
    own_number *number = calloc(1, sizeof *number);
    char *labels = strndup(change->labels, change->labels_bytes);
    if (!number || !labels) {
        free(labels);
        free(number);
        return false;
    }
    *number = (own_number){.instance = instance,
                           .family = find_family(store, change->family->name),
                           .labels = labels,
                           .labels_bytes = change->labels_bytes,
                           .part = change->part,
                           .next = store->numbers};
    store->numbers = number;
    return true;
}

static bool same_series(const own_number *a, const own_number *b)
{
    return a->family == b->family && a->labels_bytes == b->labels_bytes &&
           memcmp(a->labels, b->labels, a->labels_bytes) == 0;
}

static bool is_double(const own_number *number)
{
    const tm_family *family = number->family;
    return family->type == TM_TYPE_GAUGE ||
           (family->type == TM_TYPE_HISTOGRAM && number->part == family->bucket_count + 1);
}

/* ---- apply: first make room for everything, which may fail, then take the numbers, which cannot ---- */

/* Sees to it that a change has a place. TM_ENOMEM ends the batch; another status refuses this change. */
static int make_room(own_store *store, const own_instance *instance, const tm_change *change)
{
    int status = admit_family(store, change->family);
    if (status != TM_OK || find_number(store, instance, change))
        return status;
    return add_number(store, instance, change) ? TM_OK : TM_ENOMEM;
}

static bool make_room_for_all(own_store *store, const own_instance *instance, const tm_batch *batch)
{
    for (size_t i = 0; i < batch->change_count; i++)
        if (make_room(store, instance, &batch->changes[i]) == TM_ENOMEM)
            return false;
    return true;
}

/* Whether the total can be told when this number becomes `count`. */
static bool fits(const own_store *store, const own_number *number, uint64_t count)
{
    uint64_t room = UINT64_MAX - count;
    for (const own_number *other = store->numbers; other; other = other->next) {
        if (other == number || other->part != number->part || !same_series(other, number))
            continue;
        if (other->value.u > room)
            return false;
        room -= other->value.u;
    }
    return true;
}

static int take_number(own_store *store, const own_instance *instance, const tm_change *change)
{
    int status = admit_family(store, change->family);
    if (status != TM_OK)
        return status;
    own_number *number = find_number(store, instance, change);
    if (!is_double(number) && !fits(store, number, change->value.u))
        return TM_EOVERFLOW;
    number->value = change->value;
    return TM_OK;
}

static void take_numbers(own_store *store, own_instance *instance, const tm_batch *batch, tm_reply *reply)
{
    instance->last_seq = batch->seq;
    instance->last_was_taken_whole = true;
    for (size_t i = 0; i < batch->change_count; i++) {
        int status = take_number(store, instance, &batch->changes[i]);
        if (status != TM_OK) {
            instance->last_was_taken_whole = false;
            reply->refused(reply->ctx, i, status);
        }
    }
}

/* The sender's idea of what is here differs from ours: tell it. */
static int tell_memory(const own_store *store, const own_instance *instance, tm_reply *reply)
{
    int status = TM_OK;
    reply->answer = TM_ANSWER_RESYNC;
    reply->memory = instance->last_seq > 0 ? TM_MEMORY_VALUES : TM_MEMORY_NOTHING;
    reply->last_seq = instance->last_seq;
    for (const own_number *number = store->numbers; number && status == TM_OK; number = number->next)
        if (number->instance == instance && number->family->type != TM_TYPE_GAUGE)
            status = reply->remembered(reply->ctx, number->family->name, number->labels, number->labels_bytes,
                                       number->part, number->value);
    return status;
}

static int apply_locked(own_store *store, const tm_batch *batch, tm_reply *reply)
{
    own_instance *instance = find_instance(store, batch->instance);
    if (!instance)
        instance = add_instance(store, batch->instance);
    if (!instance)
        return TM_ENOMEM;
    bool nothing_refused = instance->last_was_taken_whole || batch->change_count == 0;
    if (instance->last_seq == batch->seq && nothing_refused) {
        reply->answer = TM_ANSWER_DUPLICATE;
        return TM_OK;
    }
    if (instance->last_seq != batch->prev)
        return tell_memory(store, instance, reply);
    if (!make_room_for_all(store, instance, batch))
        return TM_ENOMEM;
    take_numbers(store, instance, batch, reply);
    reply->answer = TM_ANSWER_APPLIED;
    return TM_OK;
}

static int fail(tm_error *error, int status)
{
    error->status = status;
    snprintf(error->text, sizeof error->text, "own store: %s", tm_status_text(status));
    return status;
}

static int own_apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    own_store *store = self;
    (void)deadline_ns; /* nothing here waits for long */
    reply->time_ms = (int64_t)time(NULL) * 1000;
    pthread_mutex_lock(&store->lock);
    int status = apply_locked(store, batch, reply);
    pthread_mutex_unlock(&store->lock);
    return status == TM_OK ? TM_OK : fail(error, status);
}

/* ---- read: a total is the sum over the instances ---- */

static bool begins_a_series(const own_store *store, const own_number *number)
{
    const own_number *first = store->numbers;
    while (!same_series(first, number))
        first = first->next;
    return first == number;
}

static int read_series(const own_store *store, const own_number *one, size_t index, tm_snapshot *into)
{
    tm_number totals[TM_BUCKETS_MAX + 2] = {{0}};
    for (const own_number *number = store->numbers; number; number = number->next) {
        if (!same_series(number, one))
            continue;
        if (is_double(number))
            totals[number->part].d += number->value.d;
        else
            totals[number->part].u += number->value.u;
    }
    return tm_snapshot_add_series(into, index, one->labels, one->labels_bytes, totals);
}

static int read_family(const own_store *store, const tm_family *family, tm_snapshot *into)
{
    size_t index;
    int status = tm_snapshot_add_family(into, family, &index);
    for (const own_number *number = store->numbers; number && status == TM_OK; number = number->next)
        if (number->family == family && begins_a_series(store, number))
            status = read_series(store, number, index, into);
    return status;
}

static int own_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into, tm_error *error)
{
    own_store *store = self;
    int status = TM_OK;
    (void)options; /* no TM_CAP_PER_INSTANCE */
    (void)deadline_ns;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < tm_snapshot_family_count(store->catalogue) && status == TM_OK; i++)
        status = read_family(store, tm_snapshot_family(store->catalogue, i), into);
    pthread_mutex_unlock(&store->lock);
    return status == TM_OK ? TM_OK : fail(error, status);
}

/* ---- The beginning and the end ---- */

static void own_close(void *self)
{
    own_store *store = self;
    for (own_number *number = store->numbers, *next; number; number = next) {
        next = number->next;
        free(number->labels);
        free(number);
    }
    for (own_instance *instance = store->instances, *next; instance; instance = next) {
        next = instance->next;
        free(instance->name);
        free(instance);
    }
    tm_snapshot_free(store->catalogue);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static int own_store_open(tm_store **out)
{
    static const tm_store_ops ops = {
        .size = sizeof ops,
        .kind = "own",
        .strategy = TM_STRATEGY_LOCAL_ONLY,
        .apply = own_apply,
        .read = own_read,
        .close = own_close,
    };
    *out = NULL;
    own_store *store = calloc(1, sizeof *store);
    if (!store)
        return TM_ENOMEM;
    pthread_mutex_init(&store->lock, NULL);
    int status = tm_snapshot_new(0, &store->catalogue);
    if (status != TM_OK) {
        own_close(store);
        return status;
    }
    return tm_store_new(&ops, store, out);
}

/* ---- Using it: two registries stand for two processes ---- */

static int sync_and_tell(tm_registry *registry, tm_store *store)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    int status = tm_sync_to_cache(registry, store, &report);
    fprintf(stderr, "sync: %" PRIu64 " batches, %" PRIu64 " series: %s\n", report.batches, report.series_sent,
            status == TM_OK ? "ok" : report.error.text);
    return status;
}

/* Counts in two rounds, each of them followed by a sync: the store ends with 10 + 5, not with 10 + 15. */
static int work(tm_registry *registry, tm_store *store)
{
    tm_counter *done;
    tm_counter_get(registry, "tasker.tasks", TM_LABELS("status", "success"), &done);
    tm_counter_add(done, 10);
    tm_observe(registry, "tasker.task.duration", 0.25, TM_NO_LABELS);
    int status = sync_and_tell(registry, store);
    tm_counter_add(done, 5);
    return status == TM_OK ? sync_and_tell(registry, store) : status;
}

static int print(void *ctx, const char *bytes, size_t len)
{
    return fwrite(bytes, 1, len, ctx) == len ? 0 : -1;
}

static int run(tm_registry *one, tm_registry *other, tm_store *store)
{
    int status = work(one, store);
    if (status == TM_OK)
        status = work(other, store);
    return status == TM_OK ? tm_export_distributed(store, TM_FORMAT_PROMETHEUS, NULL, print, stdout) : status;
}

int main(void)
{
    tm_registry *one;
    tm_registry *other;
    tm_store *store;
    int status = own_store_open(&store);
    tm_registry_new(NULL, &one); /* without memory it is NULL, which the sync refuses */
    tm_registry_new(NULL, &other);
    if (status == TM_OK)
        status = run(one, other, store);
    if (status != TM_OK)
        fprintf(stderr, "own_store: %s\n", tm_status_text(status));
    tm_store_close(store);
    tm_registry_free(other);
    tm_registry_free(one);
    return status == TM_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
