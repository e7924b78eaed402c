/* memory: a ledger in this process. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "store/ledger.h"
#include "store/store.h"
#include "store/url.h"

typedef struct memory_store {
    pthread_mutex_t lock;
    tm__ledger *ledger; /* NULL: empty, made by the next apply */
    tm__ledger_rules rules;
    tm__fork_node fork_node;
    bool quiet; /* at the fork: nobody was changing the ledger */
} memory_store;

static int memory_apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    (void)deadline_ns;
    memory_store *memory = self;
    pthread_mutex_lock(&memory->lock);
    int status = memory->ledger ? TM_OK : tm__ledger_new(&memory->ledger);
    if (status == TM_OK)
        status = tm__ledger_apply(memory->ledger, batch, &memory->rules, tm__wall_ms(), reply, error);
    else
        tm__fail(error, status, "memory: %s", tm_status_text(status));
    pthread_mutex_unlock(&memory->lock);
    return status;
}

static int memory_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into,
                       tm_error *error)
{
    (void)deadline_ns;
    memory_store *memory = self;
    pthread_mutex_lock(&memory->lock);
    int status = TM_OK;
    if (memory->ledger)
        status = tm__ledger_read(memory->ledger, options, &memory->rules, tm__wall_ms(), into, error);
    pthread_mutex_unlock(&memory->lock);
    return status;
}

static void memory_close(void *self)
{
    memory_store *memory = self;
    tm__fork_unregister(&memory->fork_node);
    pthread_mutex_destroy(&memory->lock);
    tm__ledger_free(memory->ledger);
    free(memory);
}

/* The fork does not wait for a call that is under way, which may wait for locks that the fork holds. */
static void before_fork(void *self)
{
    memory_store *memory = self;
    memory->quiet = pthread_mutex_trylock(&memory->lock) == 0;
}

static void after_fork_in_parent(void *self)
{
    memory_store *memory = self;
    if (memory->quiet)
        pthread_mutex_unlock(&memory->lock);
}

/* What the parent counted is not the child's. A ledger in the middle of a change is left alone, with its lock. */
static void after_fork_in_child(void *self)
{
    memory_store *memory = self;
    if (memory->quiet) {
        tm__ledger_free(memory->ledger);
        pthread_mutex_unlock(&memory->lock);
    } else {
        pthread_mutex_init(&memory->lock, NULL);
    }
    memory->ledger = NULL;
}

static int check_url(const char *text, tm_error *error)
{
    tm__url url;
    int status = tm__url_parse(text, &url, error);
    if (status != TM_OK)
        return status;
    if (url.user[0] || url.password[0] || url.hosts[0] || url.path[0] || url.ns[0])
        status = tm__fail(error, TM_EURL, "memory: the URL is \"memory:\" and no more");
    tm__url_free(&url);
    return status;
}

static int make(const tm_store_options *options, memory_store **out)
{
    memory_store *memory = calloc(1, sizeof *memory);
    if (!memory)
        return TM_ENOMEM;
    pthread_mutex_init(&memory->lock, NULL);
    memory->rules = (tm__ledger_rules){options->liveness_ms, options->values_ttl_ms, options->retention_ms};
    memory->fork_node = (tm__fork_node){before_fork, after_fork_in_parent, after_fork_in_child, memory, NULL, NULL};
    if (tm__fork_register(&memory->fork_node) == TM_OK) {
        *out = memory;
        return TM_OK;
    }
    memory_close(memory);
    return TM_ENOMEM;
}

int tm__memory_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error)
{
    static const tm_store_ops ops = {.size = sizeof ops,
                                     .kind = "memory",
                                     .strategy = TM_STRATEGY_LOCAL_ONLY,
                                     .capabilities = TM_CAP_PER_INSTANCE,
                                     .apply = memory_apply,
                                     .read = memory_read,
                                     .close = memory_close};
    memory_store *memory;
    int status = check_url(url, error);
    if (status != TM_OK)
        return status;
    status = make(options, &memory);
    if (status == TM_OK)
        status = tm__store_make(&ops, memory, NULL, options, out);
    return status == TM_OK ? TM_OK : tm__fail(error, status, "memory: %s", tm_status_text(status));
}
