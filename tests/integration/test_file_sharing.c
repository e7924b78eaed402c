/* The file store: several handles, threads and processes on one file, and the names of a file. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_stores.h"
#include "registries.h"
#include "store/store.h"
#include "test.h"
#include "threads.h"

/* ---- locking and processes ----------------------------------------------------------------------------------- */

TEST(a_lock_that_is_taken_ends_in_a_timeout_and_holds_up_no_reader)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    int holder = open(in_directory("store.lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(holder, LOCK_EX), 0);
    const tm_batch batch = {.instance = "i", .prev = 1, .seq = 2};
    tm_reply reply = {.remembered = tell_nobody, .refused = refuse_nothing};
    tm_error error = {0};
    int64_t deadline_ns = in_ms(50);
    assert_status(store->ops.apply(store->self, &batch, deadline_ns, &reply, &error), TM_ETIMEOUT);
    assert_non_null(strstr(error.text, "lock"));
    assert_int_equal(count_in(store), 1);
    close(holder);
    must_count_one(store, 2);
    tm_store_close(store);
}

TEST(only_what_was_applied_is_written)
{
    tm_store *store = open_file(in_directory("store"));
    struct stat before;
    struct stat after;
    tm_reply reply = {.remembered = tell_nobody, .refused = refuse_nothing};
    tm_error error = {0};
    must_count_one(store, 1);
    assert_int_equal(lstat(in_directory("store"), &before), 0);
    must_count_one(store, 1);
    const tm_batch question = {.instance = "i", .prev = 1, .seq = 1};
    const tm_batch stranger = {.instance = "j", .prev = 5, .seq = 6};
    assert_ok(store->ops.apply(store->self, &question, in_ms(1000), &reply, &error));
    assert_int_equal(reply.answer, TM_ANSWER_DUPLICATE);
    assert_ok(store->ops.apply(store->self, &stranger, in_ms(1000), &reply, &error));
    assert_int_equal(reply.answer, TM_ANSWER_RESYNC);
    assert_int_equal(lstat(in_directory("store"), &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(count_in(store), 1);
    tm_store_close(store);
}

/* A process that counts as fast as it can, until it is killed. */
static pid_t start_counting(const char *path)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* also if the test fails */
    tm_registry *registry = new_registry();
    tm_store *store = open_file(path);
    for (;;) {
        tm_count(registry, "events", 1, TM_NO_LABELS);
        tm_sync_to_cache(registry, store, NULL);
    }
}

TEST(killed_processes_leave_a_whole_file_and_no_lock)
{
    enum { PROCESSES = 4, ROUNDS = 40 };
    const char *path = in_directory("store");
    pid_t children[PROCESSES];
    tm_store *store = open_file(path);
    uint64_t random = 1;
    uint64_t before = 0;
    for (size_t i = 0; i < PROCESSES; i++)
        children[i] = start_counting(path);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        usleep((useconds_t)(random >> 50));
        pid_t *victim = &children[round % PROCESSES];
        assert_int_equal(kill(*victim, SIGKILL), 0);
        assert_int_equal(waitpid(*victim, NULL, 0), *victim);
        must_count_one(store, round);
        uint64_t count = count_in(store);
        assert_true(count > before);
        before = count;
        *victim = start_counting(path);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        assert_int_equal(kill(children[i], SIGKILL), 0);
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    }
    tm_store_close(store);
}

enum { COUNTERS = 8, COUNTS = 40 };

static const char *count_a_while(void *ctx)
{
    tm_registry *registry = new_registry();
    tm_store *store = open_file(ctx);
    for (int i = 0; i < COUNTS; i++) {
        if (tm_count(registry, "events", 1, TM_NO_LABELS) != TM_OK)
            return "it cannot count";
        tm_sync_to_cache(registry, store, NULL);
    }
    for (int i = 0; i < 20; i++)
        if (tm_sync_to_cache(registry, store, NULL) == TM_OK) {
            tm_store_close(store);
            tm_registry_free(registry);
            return NULL;
        }
    return "the last sync never came through";
}

typedef struct counting {
    const char *path;
    const char *complaints[COUNTERS];
} counting;

static void count_in_child(void *ctx, size_t number)
{
    counting *c = ctx;
    pid_t child = fork();
    if (child == 0)
        _exit(count_a_while((char *)(uintptr_t)c->path) ? 1 : 0);
    int status;
    c->complaints[number] = waitpid(child, &status, 0) == child && status == 0 ? NULL : "a child failed";
}

TEST(eight_processes_at_once_add_up_exactly)
{
    counting c = {.path = in_directory("store")};
    run_threads(COUNTERS, count_in_child, &c);
    for (size_t i = 0; i < COUNTERS; i++)
        if (c.complaints[i])
            fail_msg("%s", c.complaints[i]);
    tm_store *store = open_file(c.path);
    assert_int_equal(count_in(store), COUNTERS * COUNTS);
    tm_store_close(store);
}

/* In a process: a thread stays in the store with the lock held, the process forks, and dies. */
static int inside[2];

static int stay_inside(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    char byte = 'x';
    if (write(inside[1], &byte, 1) != 1)
        _exit(2);
    pause();
    return TM_OK;
}

static void *ask_and_stay(void *store)
{
    const tm_batch batch = {.instance = "i", .prev = 7, .seq = 8};
    tm_reply reply = {.remembered = stay_inside, .refused = refuse_nothing};
    tm_error error;
    ((tm_store *)store)->ops.apply(((tm_store *)store)->self, &batch, in_ms(10000), &reply, &error);
    return NULL;
}

static void die_in_the_store_but_leave_a_child(tm_store *store, int living)
{
    pthread_t thread;
    char byte;
    if (pthread_create(&thread, NULL, ask_and_stay, store) != 0 || read(inside[0], &byte, 1) != 1)
        _exit(2);
    if (fork() == 0) {
        while (read(living, &byte, 1) < 0) /* until the test closes its end */
            ;
        _exit(0);
    }
    raise(SIGKILL);
}

TEST(a_child_of_a_process_that_died_in_the_store_does_not_keep_the_lock)
{
    int living[2];
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    assert_int_equal(pipe(inside), 0);
    assert_int_equal(pipe(living), 0);
    pid_t child = fork();
    if (child == 0) {
        close(living[1]);
        die_in_the_store_but_leave_a_child(store, living[0]);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    must_count_one(store, 2);
    close(living[1]);
    close(living[0]);
    tm_store_close(store);
}

static const char *count_two(void *store)
{
    tm_answer answer;
    tm_error error;
    return count_one(store, 2, &answer, &error) == TM_OK && answer == TM_ANSWER_APPLIED ? NULL
                                                                                        : "the child cannot count";
}

TEST(a_child_goes_on_with_the_handle_of_its_parent)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    run_child(count_two, store);
    assert_int_equal(count_in(store), 2);
    must_count_one(store, 3);
    tm_store_close(store);
}

/* ---- names --------------------------------------------------------------------------------------------------- */

TEST(one_file_has_one_identity_however_it_is_written)
{
    char path[PATH_BYTES];
    assert_int_equal(mkdir(in_directory("real"), 0755), 0);
    assert_int_equal(symlink("real", in_directory("link")), 0);
    assert_int_equal(chdir(in_directory("real")), 0);
    const char *const spellings[] = {"real/./store", "real/../link/store", "link/store", "real//store"};
    tm_store *first = open_file(in_directory("real/store"));
    for (size_t i = 0; i < 4; i++) {
        tm_store *store = open_file(in_directory(spellings[i]));
        assert_string_equal(store->identity, first->identity);
        tm_store_close(store);
    }
    tm_store *relative = open_file("store");
    tm_store *escaped = open_file("s%74ore");
    snprintf(path, sizeof path, "//localhost%s", in_directory("real/store"));
    tm_store *with_host = open_file(path);
    tm_store *other = open_file("other");
    assert_string_equal(relative->identity, first->identity);
    assert_string_equal(escaped->identity, first->identity);
    assert_string_equal(with_host->identity, first->identity);
    assert_string_not_equal(other->identity, first->identity);
    assert_int_equal(chdir("/"), 0);
    must_count_one(relative, 1);
    assert_true(file_exists(in_directory("real/store")));
    assert_int_equal(count_in(first), 1);
    tm_store_close(first);
    tm_store_close(relative);
    tm_store_close(escaped);
    tm_store_close(with_host);
    tm_store_close(other);
}

TEST(a_directory_that_is_not_there_is_named_or_waited_for)
{
    tm_store *store;
    tm_error error = {0};
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.skip_if_unavailable = 1;
    char url[PATH_BYTES + 8];
    assert_status(try_open_file(in_directory("later/store"), &store, &error), TM_EUNAVAILABLE);
    assert_int_equal(chdir(test_directory()), 0);
    snprintf(url, sizeof url, "file:later/store");
    assert_ok(tm_store_open(url, &options, &store, &error));
    assert_int_equal(chdir("/"), 0);
    must_fail_to_count(store, 1, TM_EUNAVAILABLE);
    assert_int_equal(count_in(store), 0);
    assert_int_equal(mkdir(in_directory("later"), 0755), 0);
    must_count_one(store, 1);
    assert_int_equal(count_in(store), 1);
    tm_store_close(store);
    content garbage = {.len = 5, .bytes = "junk!"};
    write_content(in_directory("later/store"), &garbage);
    snprintf(url, sizeof url, "file:%s", in_directory("later/store"));
    assert_status(tm_store_open(url, &options, &store, &error), TM_ECORRUPT);
}

TEST(strange_names_are_names)
{
    static const char *const names[] = {"with space", "100%25", "\xc3\xa9", "a?b", "x'\"y", ".hidden", "-"};
    static const char *const escaped[] = {"with%20space", "100%2525", "%c3%a9", "a%3Fb", "x'\"y", ".hidden", "-"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        tm_store *store = open_file(in_directory(escaped[i]));
        must_count_one(store, 1);
        const char *expected = strcmp(names[i], "100%25") == 0 ? "100%25" : names[i];
        assert_true(file_exists(in_directory(expected)));
        tm_store_close(store);
    }
    char long_name[300];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    tm_store *store;
    tm_error error = {0};
    assert_true(try_open_file(in_directory(long_name), &store, &error) != TM_OK);
    assert_true(error.text[0] != '\0');
}

TEST(a_file_store_says_what_it_is)
{
    tm_store *store = open_file(in_directory("store"));
    assert_int_equal(tm_store_strategy(store), TM_STRATEGY_LOCAL_ONLY);
    assert_int_equal(tm_store_capabilities(store), TM_CAP_PERSISTENCE | TM_CAP_PER_INSTANCE);
    assert_false(file_exists(in_directory("store")));
    assert_int_equal(count_in(store), 0);
    assert_false(file_exists(in_directory("store")));
    tm_store_close(store);
}

TEST_MAIN("file_sharing", T(a_lock_that_is_taken_ends_in_a_timeout_and_holds_up_no_reader),
          T(only_what_was_applied_is_written), T(killed_processes_leave_a_whole_file_and_no_lock),
          T(eight_processes_at_once_add_up_exactly),
          T(a_child_of_a_process_that_died_in_the_store_does_not_keep_the_lock),
          T(a_child_goes_on_with_the_handle_of_its_parent), T(one_file_has_one_identity_however_it_is_written),
          T(a_directory_that_is_not_there_is_named_or_waited_for), T(strange_names_are_names),
          T(a_file_store_says_what_it_is))
