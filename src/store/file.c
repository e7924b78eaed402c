/* file: a ledger in a file that several processes of one host share. Each apply reads the file under a lock, changes
 * the ledger and replaces the file; a read takes no lock. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "store/file_io.h"
#include "store/ledger.h"
#include "store/store.h"
#include "store/url.h"

/* Values of lock_descriptor that are no descriptor. */
enum { NOBODY = -1, OPENING = -2 };

enum { POLL_NS = 400 * 1000 };

typedef struct file_store {
    tm__file_paths paths;
    tm__ledger_rules rules;
    /* One thread at a time applies; others wait. Acquire when the turn is taken, release when it is given up. */
    atomic_int lock_descriptor;
    _Atomic int64_t unlocked_ns; /* when it was last given back */
    tm__fork_node fork_node;
} file_store;

/* ---- applying ------------------------------------------------------------------------------------------------ */

static int try_lock(file_store *file, bool *locked, tm_error *error)
{
    int nobody = NOBODY;
    *locked = false;
    if (!atomic_compare_exchange_strong_explicit(&file->lock_descriptor, &nobody, OPENING, memory_order_acquire,
                                                 memory_order_relaxed))
        return TM_OK;
    int descriptor;
    int status = tm__file_try_lock(&file->paths, &descriptor, error);
    *locked = descriptor >= 0;
    atomic_store_explicit(&file->lock_descriptor, *locked ? descriptor : NOBODY, memory_order_release);
    return status;
}

/* Whoever wants the lock again at once pauses for longer than those who wait for it do, so that one of them gets it. */
static void let_others_go_first(const file_store *file, int64_t deadline_ns)
{
    tm__backoff courtesy = {.pause_ns = 2 * POLL_NS};
    if (tm__monotonic_ns() - atomic_load_explicit(&file->unlocked_ns, memory_order_relaxed) < POLL_NS)
        tm__backoff_wait(&courtesy, deadline_ns);
}

static int lock(file_store *file, int64_t deadline_ns, tm_error *error)
{
    tm__backoff backoff = {0};
    let_others_go_first(file, deadline_ns);
    for (;;) {
        bool locked;
        int status = try_lock(file, &locked, error);
        if (status != TM_OK || locked)
            return status;
        if (backoff.pause_ns > POLL_NS)
            backoff.pause_ns = POLL_NS;
        if (tm__backoff_wait(&backoff, deadline_ns) != TM_OK)
            return tm__fail(error, TM_ETIMEOUT, "file: the lock is taken: %s", file->paths.lock);
    }
}

/* The descriptor is taken back before it is closed: a child forked now must not close what then has its number. */
static void unlock(file_store *file)
{
    atomic_store_explicit(&file->unlocked_ns, tm__monotonic_ns(), memory_order_relaxed);
    tm__file_unlock(atomic_exchange_explicit(&file->lock_descriptor, NOBODY, memory_order_release));
}

/* Damage is left as it is, for people to look at. Moved away it harms nobody: what runs brings its counts again. */
static int explain(const file_store *file, int status, tm_error *error)
{
    if (status != TM_ECORRUPT)
        return status;
    return tm__fail(error, status, "file: damaged; restore it, or move it away to begin anew: %s", file->paths.data);
}

static int read_content(const file_store *file, tm__file_found *found, tm__buffer *out, tm_error *error)
{
    int status = tm__file_read(&file->paths, found, out, error);
    if (status == TM_OK && found->exists && out->len == 0)
        status = TM_ECORRUPT;
    return explain(file, status, error);
}

static int change(const file_store *file, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    tm__file_found found;
    tm__buffer before = {0};
    tm__buffer after = {0};
    int status = read_content(file, &found, &before, error);
    if (status == TM_OK) {
        status =
            tm__ledger_apply_bytes(before.data, before.len, batch, &file->rules, tm__wall_ms(), reply, &after, error);
        status = explain(file, status, error);
    }
    if (status == TM_OK && after.len > 0 && tm__monotonic_ns() > deadline_ns)
        status = tm__fail(error, TM_ETIMEOUT, "file: no time was left to write: %s", file->paths.data);
    if (status == TM_OK && after.len > 0)
        status = tm__file_replace(&file->paths, &found, &after, error);
    reply->bytes = before.len + after.len;
    tm__buffer_free(&before);
    tm__buffer_free(&after);
    return status;
}

static int file_apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    file_store *file = self;
    int status = lock(file, deadline_ns, error);
    if (status != TM_OK)
        return status;
    status = change(file, batch, deadline_ns, reply, error);
    unlock(file);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* *out is NULL if there is no file yet. */
static int load(const file_store *file, tm__ledger **out, tm_error *error)
{
    tm__file_found found;
    tm__buffer content = {0};
    *out = NULL;
    int status = read_content(file, &found, &content, error);
    if (status == TM_OK && found.exists)
        status = explain(file, tm__ledger_decode(content.data, content.len, out, error), error);
    tm__buffer_free(&content);
    return status;
}

static int file_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into,
                     tm_error *error)
{
    (void)deadline_ns;
    file_store *file = self;
    tm__ledger *ledger;
    int status = load(file, &ledger, error);
    if (status == TM_OK && ledger)
        status = tm__ledger_read(ledger, options, &file->rules, tm__wall_ms(), into, error);
    tm__ledger_free(ledger);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static void file_close(void *self)
{
    file_store *file = self;
    tm__fork_unregister(&file->fork_node);
    tm__file_paths_free(&file->paths);
    free(file);
}

/* The thread that had the lock is not in the child. Its descriptor is: as long as it is open here, the lock would
 * outlive a parent that dies without unlocking. */
static void after_fork_in_child(void *self)
{
    file_store *file = self;
    int descriptor = atomic_load_explicit(&file->lock_descriptor, memory_order_relaxed);
    if (descriptor >= 0)
        close(descriptor);
    atomic_store_explicit(&file->lock_descriptor, NOBODY, memory_order_relaxed);
}

/* The path of a URL, split: "" and the name if it has no '/'. Cuts the path in two. */
static void split(char *path, const char **directory, const char **name)
{
    char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    *directory = slash ? path : "";
    if (slash)
        *slash = '\0';
    if (slash == path)
        *directory = "/";
}

/* Without symbolic links or "..", so that one file has one name, whatever becomes the working directory later. */
static int canonical_directory(const char *directory, char **out, tm_error *error)
{
    *out = realpath(directory[0] ? directory : ".", NULL);
    return *out ? TM_OK : tm__fail_errno(error, "file: the directory");
}

/* A directory that is not there yet cannot be resolved; its name is made absolute at least. */
static int absolute_directory(const char *directory, char **out, tm_error *error)
{
    char *working = directory[0] == '/' ? NULL : getcwd(NULL, 0);
    if (directory[0] == '/')
        *out = strdup(directory);
    else if (!working || asprintf(out, "%s/%s", working, directory) < 0)
        *out = NULL;
    free(working);
    return *out ? TM_OK : tm__fail(error, TM_ENOMEM, "file: %s", tm_status_text(TM_ENOMEM));
}

static int find_paths(tm__url *url, bool may_be_absent, tm__file_paths *out, tm_error *error)
{
    const char *directory;
    const char *name;
    char *whole = NULL;
    if (url->user[0] || url->password[0] || (url->hosts[0] && strcmp(url->hosts, "localhost") != 0))
        return tm__fail(error, TM_EURL, "file: the URL names a host; write file:/path or file:path");
    if (url->ns[0])
        return tm__fail(error, TM_EURL, "file: ns= has no meaning for a file");
    split(url->path, &directory, &name);
    int status = canonical_directory(directory, &whole, error);
    if (status == TM_EUNAVAILABLE && may_be_absent)
        status = absolute_directory(directory, &whole, error);
    if (status == TM_OK)
        status = tm__file_paths_make(whole, name, out, error);
    free(whole);
    return status;
}

static int make(const char *text, const tm_store_options *options, file_store **out, tm_error *error)
{
    tm__url url;
    int status = tm__url_parse(text, &url, error);
    if (status != TM_OK)
        return status;
    file_store *file = calloc(1, sizeof *file);
    if (file) {
        atomic_init(&file->lock_descriptor, NOBODY);
        atomic_init(&file->unlocked_ns, INT64_MIN / 2);
        file->rules = (tm__ledger_rules){options->liveness_ms, options->values_ttl_ms, options->retention_ms};
        file->fork_node = (tm__fork_node){NULL, NULL, after_fork_in_child, file, NULL, NULL};
        status = find_paths(&url, options->skip_if_unavailable, &file->paths, error);
    }
    if (!file || (status == TM_OK && tm__fork_register(&file->fork_node) != TM_OK))
        status = tm__fail(error, TM_ENOMEM, "file: %s", tm_status_text(TM_ENOMEM));
    tm__url_free(&url);
    if (status == TM_OK)
        *out = file;
    else if (file)
        file_close(file);
    return status;
}

/* A file that is there must be sound already now. */
static int check(const file_store *file, bool may_be_absent, tm_error *error)
{
    tm__ledger *ledger;
    int status = load(file, &ledger, error);
    tm__ledger_free(ledger);
    return status == TM_EUNAVAILABLE && may_be_absent ? TM_OK : status;
}

int tm__file_store_open(const char *url, const tm_store_options *options, tm_store **out, tm_error *error)
{
    static const tm_store_ops ops = {.size = sizeof ops,
                                     .kind = "file",
                                     .strategy = TM_STRATEGY_LOCAL_ONLY,
                                     .capabilities = TM_CAP_PERSISTENCE | TM_CAP_PER_INSTANCE,
                                     .apply = file_apply,
                                     .read = file_read,
                                     .close = file_close};
    file_store *file;
    int status = make(url, options, &file, error);
    if (status != TM_OK)
        return status;
    status = check(file, options->skip_if_unavailable, error);
    if (status != TM_OK) {
        file_close(file);
        return status;
    }
    status = tm__store_make(&ops, file, file->paths.data, options, out);
    return status == TM_OK ? TM_OK : tm__fail(error, status, "file: %s", tm_status_text(status));
}
