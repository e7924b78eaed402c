/* Opening stores, the memory store, and handles of one's own. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "contract.h"
#include "faults.h"
#include "registries.h"
#include "store/store.h"
#include "test.h"
#include "threads.h"

static tm_store *contract_open(void)
{
    tm_store *store;
    tm_error error;
    assert_ok(tm_store_open("memory:", NULL, &store, &error));
    return store;
}

CONTRACT_CASES(CONTRACT_TEST)

/* ---- opening ------------------------------------------------------------------------------------------------- */

static void assert_cannot_open(const char *url, const tm_store_options *options, int expected)
{
    tm_store *store = (tm_store *)&store;
    tm_error error = {0};
    int status = tm_store_open(url, options, &store, &error);
    if (status != expected)
        fail_msg("\"%s\" is %s (%s), expected %s", url, tm_status_name(status), error.text, tm_status_name(expected));
    assert_null(store);
    assert_int_equal(error.status, expected);
    assert_true(error.text[0] != '\0');
    assert_int_equal(tm_store_open(url, options, &store, NULL), expected);
}

TEST(what_is_no_url_of_a_store_is_a_named_error)
{
    assert_cannot_open("", NULL, TM_EURL);
    assert_cannot_open(":", NULL, TM_EURL);
    assert_cannot_open("memory", NULL, TM_EURL);
    assert_cannot_open("1memory:", NULL, TM_EURL);
    assert_cannot_open("me mory:", NULL, TM_EURL);
    assert_cannot_open("a-scheme-of-more-than-thirty-two-characters:", NULL, TM_EURL);
    assert_cannot_open("nosuchscheme:x", NULL, TM_EUNSUPPORTED);
    assert_cannot_open("memory:x", NULL, TM_EURL);
    assert_cannot_open("memory://host", NULL, TM_EURL);
    assert_cannot_open("memory:?ns=a", NULL, TM_EURL);
    assert_cannot_open("memory:?what=a", NULL, TM_EURL);
    assert_cannot_open("file:", NULL, TM_EURL);
    assert_cannot_open("file:/", NULL, TM_EURL);
    assert_cannot_open("file:/tmp/", NULL, TM_EURL);
    assert_cannot_open("file:/tmp/..", NULL, TM_EURL);
    assert_cannot_open("file:.", NULL, TM_EURL);
    assert_cannot_open("file://host/tmp/x", NULL, TM_EURL);
    assert_cannot_open("file://user@/tmp/x", NULL, TM_EURL);
    assert_cannot_open("file:/tmp/x?ns=a", NULL, TM_EURL);
    assert_cannot_open("file:/tmp/x.lock", NULL, TM_EURL);
    char too_long[300] = "file:/tmp/";
    memset(too_long + strlen(too_long), 'n', 251);
    assert_cannot_open(too_long, NULL, TM_EURL);
    assert_cannot_open("file:/tmp/x.tmp", NULL, TM_EURL);
    assert_cannot_open("file:/tmp/%00", NULL, TM_EURL);
    assert_cannot_open("file:/tmp/%zz", NULL, TM_EURL);
}

TEST(missing_arguments_are_named_errors)
{
    tm_store *store = (tm_store *)&store;
    tm_error error = {0};
    assert_status(tm_store_open(NULL, NULL, &store, &error), TM_EINVAL);
    assert_null(store);
    assert_status(error.status, TM_EINVAL);
    assert_status(tm_store_open("memory:", NULL, NULL, &error), TM_EINVAL);
    assert_status(tm_store_open("memory:", NULL, NULL, NULL), TM_EINVAL);
}

TEST(no_error_holds_a_password)
{
    const char *const urls[] = {"hunter2",
                                "hunter2:x",
                                "user:hunter2@host",
                                "nosuchscheme://user:hunter2@host/",
                                "memory:hunter2",
                                "memory://user:hunter2@host/",
                                "file://user:hunter2@host/tmp/x",
                                "file:user:hunter2@host/there/is/none",
                                "redis//user:hunter2@host",
                                "redis://user:hunter2@host:port/?x=y",
                                "redis://:hunter2@127.0.0.1:1/notanumber",
                                "redis+unix://:hunter2@/there/is/none?ns=a b",
                                "memcached://user:hunter2@host/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        tm_store *store;
        tm_error error = {0};
        assert_true(tm_store_open(urls[i], NULL, &store, &error) != TM_OK);
        bool path_of_a_file = strncmp(urls[i], "file:user", 9) == 0; /* is no password, and shown */
        if (strstr(error.text, "hunter2") && !path_of_a_file)
            fail_msg("%s", error.text);
    }
}

TEST(a_scheme_whose_library_is_missing_says_which)
{
#ifndef TM_TEST_WITH_redis
    tm_store *store;
    tm_error error = {0};
    int status = tm_store_open("redis://:hunter2@localhost/", NULL, &store, &error);
    assert_status(status, TM_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "libtaskermetrics_redis.so.0"));
#else
    assert_cannot_open("redis://", NULL, TM_EURL);
#endif
}

TEST(a_success_clears_the_error)
{
    tm_store *store;
    tm_error error = {TM_EIO, "old"};
    assert_ok(tm_store_open("memory:", NULL, &store, &error));
    assert_int_equal(error.status, TM_OK);
    assert_string_equal(error.text, "");
    tm_store_close(store);
}

TEST(the_scheme_may_be_in_capitals)
{
    tm_store *store;
    tm_error error;
    assert_ok(tm_store_open("MEMORY:", NULL, &store, &error));
    tm_store_close(store);
}

/* ---- options and further schemes ----------------------------------------------------------------------------- */

static tm_store_options seen;
static char seen_url[64];

static int open_and_look(const char *url, const tm_store_options *options, tm_store **out, tm_error *error)
{
    (void)out;
    seen = *options;
    snprintf(seen_url, sizeof seen_url, "%s", url);
    error->status = TM_OK;
    return TM_EUNAVAILABLE;
}

TEST(a_registered_scheme_is_opened_with_complete_options)
{
    assert_ok(tm_store_register("Look+1", open_and_look));
    assert_cannot_open("look+1:anything at all", NULL, TM_EUNAVAILABLE);
    assert_string_equal(seen_url, "look+1:anything at all");
    assert_null(seen.ns);
    assert_int_equal(seen.sync_timeout_ms, 1000);
    assert_int_equal(seen.liveness_ms, 300000);
    assert_int_equal(seen.values_ttl_ms, 3600000);
    assert_int_equal(seen.retention_ms, 7 * 24 * 3600 * 1000);
    assert_int_equal(seen.partitions, 64);
    assert_int_equal(seen.skip_if_unavailable, 0);
    assert_null(seen.warn);

    int context;
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.ns = "a.b";
    options.liveness_ms = 5;
    options.partitions = 4096;
    options.skip_if_unavailable = 1;
    options.warn_ctx = &context;
    assert_cannot_open("LOOK+1:x", &options, TM_EUNAVAILABLE);
    assert_string_equal(seen.ns, "a.b");
    assert_int_equal(seen.liveness_ms, 5);
    assert_int_equal(seen.sync_timeout_ms, 1000);
    assert_int_equal(seen.partitions, 4096);
    assert_int_equal(seen.skip_if_unavailable, 1);
    assert_ptr_equal(seen.warn_ctx, &context);
}

TEST(options_of_a_shorter_struct_keep_their_defaults)
{
    assert_ok(tm_store_register("look", open_and_look));
    tm_store_options options;
    memset(&options, 0xff, sizeof options);
    options.size = 0;
    assert_cannot_open("look:", &options, TM_EUNAVAILABLE);
    assert_int_equal(seen.sync_timeout_ms, 1000);
    assert_null(seen.ns);
    options.size = offsetof(tm_store_options, liveness_ms) + 7; /* cut in the middle of a field */
    options.ns = "space";
    options.sync_timeout_ms = 7;
    assert_cannot_open("look:", &options, TM_EUNAVAILABLE);
    assert_string_equal(seen.ns, "space");
    assert_int_equal(seen.sync_timeout_ms, 7);
    assert_int_equal(seen.liveness_ms, 300000);
    assert_int_equal(seen.partitions, 64);
}

TEST(options_out_of_range_are_named_errors)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    int64_t *const times[] = {&options.sync_timeout_ms, &options.liveness_ms, &options.values_ttl_ms,
                              &options.retention_ms};
    for (size_t i = 0; i < 4; i++) {
        *times[i] = -1;
        assert_cannot_open("memory:", &options, TM_EINVAL);
        *times[i] = INT64_MAX;
        assert_cannot_open("memory:", &options, TM_EINVAL);
        *times[i] = INT64_C(100) * 365 * 24 * 3600 * 1000;
        tm_store *store;
        assert_ok(tm_store_open("memory:", &options, &store, NULL));
        tm_store_close(store);
        *times[i] = 0;
    }
    options.partitions = 4097;
    assert_cannot_open("memory:", &options, TM_EINVAL);
    options.partitions = 0;
    options.ns = "";
    assert_cannot_open("memory:", &options, TM_EINVAL);
    options.ns = "a{b}";
    assert_cannot_open("memory:", &options, TM_EINVAL);
}

TEST(bad_and_taken_schemes_are_refused)
{
    assert_status(tm_store_register(NULL, open_and_look), TM_EINVAL);
    assert_status(tm_store_register("", open_and_look), TM_EINVAL);
    assert_status(tm_store_register("a:", open_and_look), TM_EINVAL);
    assert_status(tm_store_register("1a", open_and_look), TM_EINVAL);
    assert_status(tm_store_register("a_b", open_and_look), TM_EINVAL);
    assert_status(tm_store_register("a-scheme-of-more-than-thirty-two-characters", open_and_look), TM_EINVAL);
    assert_status(tm_store_register("look", NULL), TM_EINVAL);
    assert_status(tm_store_register("file", open_and_look), TM_EBUSY);
    assert_status(tm_store_register("Memory", open_and_look), TM_EBUSY);
    assert_ok(tm_store_register("look", open_and_look));
    assert_status(tm_store_register("look", open_and_look), TM_EBUSY);
    faults_fail_allocation(1);
    assert_status(tm_store_register("look2", open_and_look), TM_ENOMEM);
    faults_off();
}

enum { REGISTRARS = 4, SCHEMES = 50 };
static int registered[REGISTRARS][SCHEMES];

static void register_all(void *ctx, size_t number)
{
    (void)ctx;
    for (int i = 0; i < SCHEMES; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        registered[number][i] = tm_store_register(name, open_and_look);
    }
}

TEST(of_threads_that_register_one_scheme_one_wins)
{
    run_threads(REGISTRARS, register_all, NULL);
    for (int i = 0; i < SCHEMES; i++) {
        int won = 0;
        for (int k = 0; k < REGISTRARS; k++) {
            won += registered[k][i] == TM_OK;
            assert_true(registered[k][i] == TM_OK || registered[k][i] == TM_EBUSY);
        }
        assert_int_equal(won, 1);
    }
}

/* ---- the memory store ---------------------------------------------------------------------------------------- */

static uint64_t total_in(tm_store *store)
{
    tm_snapshot *snapshot;
    assert_ok(tm_store_read(store, NULL, &snapshot, NULL));
    const tm_number *values = values_in(snapshot, "events", "");
    uint64_t total = values ? values[0].u : 0;
    tm_snapshot_free(snapshot);
    return total;
}

TEST(memory_says_what_it_is)
{
    tm_store *store = contract_open();
    assert_int_equal(tm_store_strategy(store), TM_STRATEGY_LOCAL_ONLY);
    assert_int_equal(tm_store_capabilities(store), TM_CAP_PER_INSTANCE);
    assert_string_equal(tm_strategy_name(tm_store_strategy(store)), "local_only");
    assert_string_equal(tm_strategy_name(TM_STRATEGY_DISTRIBUTED_BASIC), "distributed_basic");
    assert_string_equal(tm_strategy_name(TM_STRATEGY_DISTRIBUTED_ATOMIC), "distributed_atomic");
    assert_string_equal(tm_strategy_name((tm_strategy)9), "unknown");
    tm_store_close(store);
    tm_store_close(NULL);
    assert_int_equal(tm_store_strategy(NULL), TM_STRATEGY_LOCAL_ONLY);
    assert_int_equal(tm_store_capabilities(NULL), 0);
}

TEST(every_memory_store_is_one_of_its_own)
{
    tm_store *one = contract_open();
    tm_store *other = contract_open();
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "events", 5, TM_NO_LABELS));
    assert_ok(tm_sync_to_cache(registry, one, NULL));
    assert_int_equal(total_in(one), 5);
    assert_int_equal(total_in(other), 0);
    assert_ok(tm_sync_to_cache(registry, other, NULL));
    assert_int_equal(total_in(other), 5);
    tm_registry_free(registry);
    tm_store_close(one);
    tm_store_close(other);
}

/* The work of a child: an empty store, that counts what the child counts. */
static const char *child_counts_anew(void *ctx)
{
    tm_store *store = ctx;
    tm_snapshot *snapshot;
    tm_registry *registry;
    if (tm_store_read(store, NULL, &snapshot, NULL) != TM_OK || tm_snapshot_family_count(snapshot) != 0)
        return "the parent's counts are in the child's store";
    tm_snapshot_free(snapshot);
    if (tm_registry_new(NULL, &registry) != TM_OK || tm_count(registry, "events", 3, TM_NO_LABELS) != TM_OK ||
        tm_sync_to_cache(registry, store, NULL) != TM_OK)
        return "the child cannot sync";
    tm_registry_free(registry);
    if (total_in(store) != 3)
        return "the child's counts are not in its store";
    tm_store_close(store);
    return NULL;
}

TEST(in_a_forked_child_memory_is_empty_and_of_use)
{
    tm_store *store = contract_open();
    tm_registry *registry = new_registry();
    assert_ok(tm_count(registry, "events", 5, TM_NO_LABELS));
    assert_ok(tm_sync_to_cache(registry, store, NULL));
    run_child(child_counts_anew, store);
    assert_int_equal(total_in(store), 5);
    assert_ok(tm_count(registry, "events", 1, TM_NO_LABELS));
    assert_ok(tm_sync_to_cache(registry, store, NULL));
    assert_int_equal(total_in(store), 6);
    tm_registry_free(registry);
    tm_store_close(store);
}

typedef struct held_store {
    tm_store *store;
    pthread_barrier_t inside;
    pthread_barrier_t may_leave;
} held_store;

static int wait_inside(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    held_store *held = ctx;
    pthread_barrier_wait(&held->inside);
    pthread_barrier_wait(&held->may_leave);
    return TM_OK;
}

static void refuse_nothing(void *ctx, size_t index, int status)
{
    (void)ctx, (void)index, (void)status;
}

static int apply_one(held_store *held, uint64_t prev, uint64_t seq)
{
    static const tm_family family = {
        .size = sizeof family, .name = "events", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};
    const tm_change change = {&family, "", 0, 0, {.u = 1}, {.u = 1}};
    tm_batch batch = {.instance = "i", .prev = prev, .seq = seq, .changes = &change, .change_count = 1};
    tm_reply reply = {.ctx = held, .remembered = wait_inside, .refused = refuse_nothing};
    tm_error error;
    return held->store->ops.apply(held->store->self, &batch, tm_monotonic_ns() + 1000000000, &reply, &error);
}

static void *stay_inside(void *ctx)
{
    apply_one(ctx, 7, 8); /* a resync, which tells what is remembered */
    return NULL;
}

TEST(a_child_forked_while_a_thread_is_in_the_store_does_not_hang)
{
    held_store held = {.store = contract_open()};
    assert_ok(apply_one(&held, 0, 1));
    assert_int_equal(pthread_barrier_init(&held.inside, NULL, 2), 0);
    assert_int_equal(pthread_barrier_init(&held.may_leave, NULL, 2), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stay_inside, &held), 0);
    pthread_barrier_wait(&held.inside);
    const char *complaint = complaint_of_child(child_counts_anew, held.store);
    pthread_barrier_wait(&held.may_leave);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (complaint)
        fail_msg("in the child: %s", complaint);
    assert_int_equal(total_in(held.store), 1);
    pthread_barrier_destroy(&held.inside);
    pthread_barrier_destroy(&held.may_leave);
    tm_store_close(held.store);
}

/* ---- handles of one's own ------------------------------------------------------------------------------------ */

static int own_apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    (void)self, (void)batch, (void)deadline_ns, (void)reply, (void)error;
    return TM_EUNSUPPORTED;
}

static int own_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into, tm_error *error)
{
    (void)self, (void)options, (void)deadline_ns, (void)into, (void)error;
    return TM_EUNSUPPORTED;
}

static void own_close(void *self)
{
    ++*(int *)self;
}

static const tm_store_ops own_ops = {.size = sizeof own_ops,
                                     .kind = "own",
                                     .strategy = TM_STRATEGY_LOCAL_ONLY,
                                     .apply = own_apply,
                                     .read = own_read,
                                     .close = own_close};

static void assert_refused_ops(tm_store_ops ops)
{
    int closed = 0;
    tm_store *store = (tm_store *)&store;
    assert_status(tm_store_new(&ops, &closed, &store), TM_EINVAL);
    assert_null(store);
    assert_int_equal(closed, 0);
}

#define WITHOUT(field, value)       \
    do {                            \
        tm_store_ops ops = own_ops; \
        ops.field = value;          \
        assert_refused_ops(ops);    \
    } while (0)

TEST(a_table_of_functions_must_be_complete)
{
    int closed = 0;
    tm_store *store;
    WITHOUT(size, 0);
    WITHOUT(size, sizeof own_ops - 1);
    WITHOUT(kind, NULL);
    WITHOUT(apply, NULL);
    WITHOUT(read, NULL);
    WITHOUT(close, NULL);
    WITHOUT(strategy, (tm_strategy)0);
    WITHOUT(strategy, (tm_strategy)4);
    WITHOUT(max_changes, 100);
    WITHOUT(capabilities, TM_CAP_LOCKING);
    WITHOUT(capabilities, TM_CAP_TTL_INSPECTION);
    assert_status(tm_store_new(NULL, &closed, &store), TM_EINVAL);
    assert_status(tm_store_new(&own_ops, &closed, NULL), TM_EINVAL);
    assert_int_equal(closed, 0);
    assert_ok(tm_store_new(&own_ops, &closed, &store));
    assert_int_equal(closed, 0);
    tm_store_close(store);
    assert_int_equal(closed, 1);
}

TEST(handles_that_cannot_say_what_is_behind_them_differ)
{
    int closed = 0;
    tm_store *one;
    tm_store *other;
    assert_ok(tm_store_new(&own_ops, &closed, &one));
    assert_ok(tm_store_new(&own_ops, &closed, &other));
    assert_string_not_equal(one->identity, other->identity);
    tm_store_close(one);
    tm_store_close(other);
}

TEST(memory_that_runs_out_closes_what_was_taken)
{
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        int closed = 0;
        tm_store *store = NULL;
        int status = tm_store_new(&own_ops, &closed, &store);
        faults_off();
        assert_status(status, faults_happened() ? TM_ENOMEM : TM_OK);
        assert_true((store == NULL) == faults_happened());
        assert_int_equal(closed, faults_happened());
        tm_store_close(store);
    }
}

TEST(memory_that_runs_out_while_opening_is_an_error_and_no_leak)
{
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        tm_store *store = NULL;
        tm_error error;
        int status = tm_store_open("memory:", NULL, &store, &error);
        faults_off();
        assert_status(status, faults_happened() ? TM_ENOMEM : TM_OK);
        assert_int_equal(error.status, status);
        tm_store_close(store);
    }
}

TEST(a_first_batch_without_memory_or_randomness_can_be_sent_again)
{
    held_store held = {.store = contract_open()};
    faults_fail_named("getrandom", 1, EIO);
    assert_status(apply_one(&held, 0, 1), TM_EIO);
    faults_off();
    size_t failed = 0;
    for (size_t n = 1; total_in(held.store) == 0 && faults_fail_allocation(n); n++) {
        int status = apply_one(&held, 0, 1);
        faults_off();
        assert_true(status == TM_OK || status == TM_ENOMEM);
        assert_int_equal(total_in(held.store), status == TM_OK);
        failed += status == TM_ENOMEM;
    }
    assert_true(failed > 5);
    assert_int_equal(total_in(held.store), 1);
    tm_store_close(held.store);
}

TEST_MAIN("store", CONTRACT_CASES(CONTRACT_ENTRY) T(what_is_no_url_of_a_store_is_a_named_error),
          T(missing_arguments_are_named_errors), T(no_error_holds_a_password),
          T(a_scheme_whose_library_is_missing_says_which), T(a_success_clears_the_error),
          T(the_scheme_may_be_in_capitals), T(a_registered_scheme_is_opened_with_complete_options),
          T(options_of_a_shorter_struct_keep_their_defaults), T(options_out_of_range_are_named_errors),
          T(bad_and_taken_schemes_are_refused), T(of_threads_that_register_one_scheme_one_wins),
          T(memory_says_what_it_is), T(every_memory_store_is_one_of_its_own),
          T(in_a_forked_child_memory_is_empty_and_of_use),
          T(a_child_forked_while_a_thread_is_in_the_store_does_not_hang), T(a_table_of_functions_must_be_complete),
          T(handles_that_cannot_say_what_is_behind_them_differ), T(memory_that_runs_out_closes_what_was_taken),
          T(memory_that_runs_out_while_opening_is_an_error_and_no_leak),
          T(a_first_batch_without_memory_or_randomness_can_be_sent_again))
