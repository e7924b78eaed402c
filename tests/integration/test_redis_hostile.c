/* Servers that lie, flood, drip or stop: a call ends by its deadline, with a named error, and takes little memory. */
#include <fcntl.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "hostile_server.h"
#include "redis_case.h"
#include "threads.h"

/* The promise is 50 ms; a loaded machine may run us late. */
enum { TIMEOUT_MS = 300, LATE_MS = 3000, MEMORY_KIB = 64 * 1024 };

static tm_store_options quick(void)
{
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = TIMEOUT_MS;
    return options;
}

static int64_t start_ns;

static void start_clock(void)
{
    start_ns = tm__monotonic_ns();
}

static void the_deadline_held(void)
{
    int64_t took_ms = (tm__monotonic_ns() - start_ns) / 1000000;
    if (took_ms > TIMEOUT_MS + LATE_MS)
        fail_msg("it took %lld ms", (long long)took_ms);
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static long status_kib(const char *name)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtol(line + strlen(name), NULL, 10);
    fclose(file);
    return kib;
}

static long resident_before;
static long reserved_before;

static void start_memory(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "5", 1), 1); /* the peak begins anew */
    close(fd);
    resident_before = status_kib("VmRSS:");
    reserved_before = status_kib("VmSize:");
}

/* Sanitizers have memory of their own. */
static void the_memory_was_bounded(void)
{
    const char *sanitizer = getenv("TM_SANITIZER");
    long grown = status_kib("VmHWM:") - resident_before;
    long reserved = status_kib("VmPeak:") - reserved_before;
    if ((grown > MEMORY_KIB || reserved > MEMORY_KIB) && !(sanitizer && sanitizer[0]))
        fail_msg("it took %ld KiB and reserved %ld KiB", grown, reserved);
}

/* ---- hostile replies ----------------------------------------------------------------------------------------- */

#define POLITE ":1\r\n", "$0\r\n\r\n" /* what opening asks for */

static char *url_of(const hostile_server *hostile)
{
    char *url;
    assert_true(asprintf(&url, "redis+unix://user:secret@%s?ns=test", hostile_path(hostile)) > 0);
    return url;
}

/* The answer to whatever comes first. */
static void attack_open(const char *answer, size_t len, const char *flood)
{
    const char *const answers[] = {answer, NULL};
    hostile_server *hostile = hostile_start(answers, len, flood);
    char *url = url_of(hostile);
    tm_store_options options = quick();
    tm_store *store;
    tm_error error;
    start_memory();
    start_clock();
    assert_true(tm_store_open(url, &options, &store, &error) != TM_OK);
    the_deadline_held();
    the_memory_was_bounded();
    assert_null(store);
    assert_null(strstr(error.text, "secret"));
    hostile_stop(hostile);
    free(url);
}

/* The answer to a sync, and to a read, after a polite beginning. */
static void attack_use(const char *answer, size_t len, const char *flood, bool reading)
{
    const char *const answers[] = {"+OK\r\n", POLITE, answer, NULL};
    hostile_server *hostile = hostile_start(answers, len, flood);
    char *url = url_of(hostile);
    tm_store_options options = quick();
    tm_store *store = open_store(url, &options);
    tm_registry *registry = new_registry();
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    tm_snapshot *snapshot = NULL;
    tm_error error = {0};
    assert_ok(tm_count(registry, "tasks", 1, TM_NO_LABELS));
    start_memory();
    start_clock();
    if (reading)
        assert_true(tm_store_read(store, NULL, &snapshot, &error) != TM_OK);
    else
        assert_true(tm_sync_to_cache(registry, store, &report) != TM_OK);
    the_deadline_held();
    the_memory_was_bounded();
    assert_null(strstr(error.text, "secret"));
    assert_null(strstr(report.error.text, "secret"));
    tm_registry_free(registry);
    tm_store_close(store);
    hostile_stop(hostile);
    free(url);
}

static void attack(const char *answer, size_t len, const char *flood)
{
    attack_open(answer, len, flood);
    attack_use(answer, len, flood, false);
    attack_use(answer, len, flood, true);
}

TEST(huge_headers_reserve_nothing)
{
    const char *const headers[] = {
        "$16000000000\r\n",
        "$9223372036854775807\r\n",
        "$536870912\r\n",
        "*2147483647\r\n",
        "*1000000000\r\n",
        "*9223372036854775807\r\n",
        "*20000000\r\n",
        "*2\r\n$1\r\n0\r\n*1000000000\r\n",
        "*3\r\n*2000000\r\n*2000000\r\n*2000000\r\n",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        attack(headers[i], 0, NULL);
}

TEST(negative_lengths_are_no_lengths)
{
    const char *const headers[] = {"$-5\r\n", "*-7\r\n", "$-9223372036854775808\r\n", "$\r\n", "*\r\n", ":\r\n"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        attack(headers[i], 0, headers[i]);
}

TEST(an_endless_line_is_given_up)
{
    attack("", 0, "a");
    attack("+", 0, "a");
    attack("-ERR ", 0, "a");
    attack(":", 0, "1");
    attack("*", 0, "1");
    attack("$", 0, "1");
}

TEST(an_endless_string_is_given_up)
{
    attack("$400000000\r\n", 0, "x");
    attack("*1\r\n$400000000\r\n", 0, "x");
}

TEST(endless_elements_are_given_up)
{
    attack("*2000000\r\n", 0, ":1\r\n");
    attack("*2000000\r\n", 0, "$1\r\na\r\n");
    attack("*2000000\r\n", 0, "*0\r\n");
    attack("*2\r\n$1\r\n0\r\n*2000000\r\n", 0, ":1\r\n");
}

TEST(deep_nesting_is_given_up)
{
    attack("", 0, "*1\r\n");
    attack("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 0, NULL);
}

TEST(garbage_is_no_reply)
{
    static char noise[30000];
    uint64_t random = 88172645463325252;
    for (size_t i = 0; i < sizeof noise; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        noise[i] = (char)random;
    }
    attack(noise, sizeof noise, "noise");
    attack("HTTP/1.1 400 Bad Request\r\n\r\n", 0, NULL);
    attack("\r\n", 0, "\r\n");
    attack("\0\0\0\0", 4, NULL);
}

TEST(replies_of_the_wrong_kind_are_refused)
{
    const char *const replies[] = {
        "+OK\r\n",
        "*0\r\n",
        "*1\r\n+OK\r\n",
        "*3\r\n$7\r\napplied\r\n$0\r\n\r\n$1\r\nx\r\n",
        "*3\r\n$7\r\napplied\r\n$2\r\nab\r\n$1\r\n1\r\n",
        "*3\r\n$-1\r\n$-1\r\n$-1\r\n",
        "*5\r\n$7\r\napplied\r\n$0\r\n\r\n$1\r\n1\r\n$3\r\n999\r\n$3\r\nERR\r\n",
        "*4\r\n$7\r\napplied\r\n$0\r\n\r\n$1\r\n1\r\n$1\r\n0\r\n",
        "*4\r\n$9\r\nduplicate\r\n$0\r\n\r\n$1\r\n1\r\n$1\r\n0\r\n",
        "*5\r\n$6\r\nresync\r\n$0\r\n\r\n$1\r\n1\r\n$1\r\n0\r\n$3\r\nxxx\r\n",
        "*3\r\n$5\r\nother\r\n$0\r\n\r\n$1\r\n1\r\n",
        "-NOSCRIPT for ever\r\n",
        "-ERR secret user:secret\r\n",
        "-\r\n",
        "$-1\r\n",
        "*-1\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        attack_use(replies[i], 0, NULL, false);
        attack_use(replies[i], 0, NULL, true);
    }
}

TEST(values_that_change_while_they_are_read_are_not_believed)
{
    const char *const answers[] = {"+OK\r\n",
                                   POLITE,
                                   "*5\r\n$6\r\nresync\r\n$0\r\n\r\n$1\r\n1\r\n$1\r\n5\r\n$6\r\nvalues\r\n",
                                   "*2\r\n$1\r\n0\r\n*0\r\n",
                                   "*2\r\n$1\r\n0\r\n*0\r\n",
                                   "$1\r\n6\r\n",
                                   NULL};
    hostile_server *hostile = hostile_start(answers, 0, NULL);
    char *url = url_of(hostile);
    tm_store *store = open_store(url, NULL);
    tm_registry *registry = new_registry();
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    assert_ok(tm_count(registry, "tasks", 1, TM_NO_LABELS));
    assert_true(tm_sync_to_cache(registry, store, &report) != TM_OK);
    assert_int_equal(report.retries, 2);
    assert_int_equal(report.resyncs, 0);
    tm_registry_free(registry);
    tm_store_close(store);
    hostile_stop(hostile);
    free(url);
}

TEST(an_endless_scan_ends_at_the_deadline)
{
    const char *const answers[] = {"+OK\r\n", POLITE, "*2\r\n$1\r\n1\r\n$1\r\n1\r\n:9000000\r\n*2\r\n$-1\r\n$-1\r\n",
                                   "*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", NULL};
    hostile_server *hostile = hostile_start(answers, 0, NULL);
    char *url = url_of(hostile);
    tm_store_options options = quick();
    tm_store *store = open_store(url, &options);
    tm_snapshot *snapshot;
    tm_error error;
    start_clock();
    assert_status(tm_store_read(store, NULL, &snapshot, &error), TM_ETIMEOUT);
    the_deadline_held();
    tm_store_close(store);
    hostile_stop(hostile);
    free(url);
}

/* ---- slow servers -------------------------------------------------------------------------------------------- */

TEST(a_stopped_server_costs_one_deadline)
{
    tm_store_options options = quick();
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    assert_ok(tm_count(c.registry, "tasks", 1, TM_NO_LABELS));
    sync_store(c.registry, c.store);
    redis_server_pause(c.server);
    assert_ok(tm_count(c.registry, "tasks", 1, TM_NO_LABELS));
    for (int i = 0; i < 3; i++) {
        start_clock();
        sync_must_fail(c.registry, c.store, TM_ETIMEOUT);
        the_deadline_held();
    }
    tm_error error;
    start_clock();
    open_must_fail(c.url, &options, TM_ETIMEOUT, &error);
    the_deadline_held();
    redis_server_resume(c.server);
    sync_store(c.registry, c.store);
    assert_int_equal(stored_count(c.store, "tasks", "", 0), 2);
    redis_case_end(&c);
}

/* So many connections wait that the kernel takes no more. */
TEST(a_stopped_server_with_a_full_queue_costs_one_deadline)
{
    tm_store_options options = quick();
    redis_case c = redis_case_begin(&options, REDIS_OPTIONS("--tcp-backlog", "1"));
    redis_server_pause(c.server);
    for (int i = 0; i < 6; i++) {
        tm_error error;
        start_clock();
        open_must_fail(c.url, &options, TM_ETIMEOUT, &error);
        the_deadline_held();
    }
    redis_server_resume(c.server);
    redis_case_end(&c);
}

TEST(a_dripping_or_silent_or_late_server_costs_one_deadline)
{
    tm_store_options options = quick();
    redis_case c = redis_case_begin_behind_proxy(&options);
    const struct {
        proxy_fault fault;
        size_t amount;
    } faults[] = {{PROXY_DRIP_REPLY, 50}, {PROXY_SILENCE, 0}, {PROXY_DELAY_REPLY, 600}};
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        proxy_set_fault(c.proxy, faults[i].fault, 1, faults[i].amount);
        assert_ok(tm_count(c.registry, "tasks", 1, TM_NO_LABELS));
        total++;
        start_clock();
        sync_must_fail(c.registry, c.store, TM_ETIMEOUT);
        the_deadline_held();
        for (int tries = 0; tries < 20 && tm_sync_to_cache(c.registry, c.store, NULL) != TM_OK; tries++)
            continue; /* the proxy may still be busy with what was late */
        assert_int_equal(stored_count(c.store, "tasks", "", 0), total);
    }
    redis_case_end(&c);
}

enum { THREADS = 4 };

typedef struct waiting_case {
    tm_store *store;
    tm_registry *registries[THREADS];
    int statuses[THREADS];
} waiting_case;

static void sync_in_thread(void *ctx, size_t number)
{
    waiting_case *w = ctx;
    w->statuses[number] = tm_sync_to_cache(w->registries[number], w->store, NULL);
}

TEST(waiting_for_other_threads_ends_at_the_deadline)
{
    tm_store_options options = quick();
    redis_case c = redis_case_begin(&options, REDIS_PLAIN);
    waiting_case w = {.store = c.store};
    for (size_t i = 0; i < THREADS; i++) {
        w.registries[i] = new_registry();
        assert_ok(tm_count(w.registries[i], "tasks", 1, TM_NO_LABELS));
    }
    redis_server_pause(c.server);
    start_clock();
    run_threads(THREADS, sync_in_thread, &w);
    the_deadline_held();
    for (size_t i = 0; i < THREADS; i++)
        assert_status(w.statuses[i], TM_ETIMEOUT);
    redis_server_resume(c.server);
    for (size_t i = 0; i < THREADS; i++) {
        sync_store(w.registries[i], c.store);
        tm_registry_free(w.registries[i]);
    }
    assert_int_equal(stored_count(c.store, "tasks", "", 0), THREADS);
    redis_case_end(&c);
}

TEST_MAIN("redis_hostile", T(huge_headers_reserve_nothing), T(negative_lengths_are_no_lengths),
          T(an_endless_line_is_given_up), T(an_endless_string_is_given_up), T(endless_elements_are_given_up),
          T(deep_nesting_is_given_up), T(garbage_is_no_reply), T(replies_of_the_wrong_kind_are_refused),
          T(values_that_change_while_they_are_read_are_not_believed), T(an_endless_scan_ends_at_the_deadline),
          T(a_stopped_server_costs_one_deadline), T(a_stopped_server_with_a_full_queue_costs_one_deadline),
          T(a_dripping_or_silent_or_late_server_costs_one_deadline), T(waiting_for_other_threads_ends_at_the_deadline))
