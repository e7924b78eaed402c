/* The file store: the contract of all stores, and crashes, failures and full disks at every moment. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"
#include "faults.h"
#include "file_stores.h"
#include "test.h"
#include "threads.h"

static tm_store *contract_open(void)
{
    return open_file(in_directory("contract"));
}

CONTRACT_CASES(CONTRACT_TEST)

/* ---- crashes ------------------------------------------------------------------------------------------------- */

typedef struct crash {
    tm_store *store;
    uint64_t seq;
    size_t call;
    faults_moment moment;
} crash;

/* True if the process ended in that system call, false if there are not so many. */
static bool crash_in_call(const crash *c)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tm_answer answer;
        tm_error error;
        faults_exit_at(c->call, c->moment);
        int status = count_one(c->store, c->seq, &answer, &error);
        _exit(status == TM_OK && answer == TM_ANSWER_APPLIED ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULTS_EXIT));
    return WEXITSTATUS(status) == FAULTS_EXIT;
}

/* Whatever is in the file is whole, and repeating the batch counts it once. Returns how many calls there are. */
static size_t crash_everywhere(faults_moment moment, bool begin_anew)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", in_directory("crash"));
    uint64_t seq = 0;
    for (size_t call = 1;; call++) {
        if (begin_anew) {
            seq = 0;
            unlink(path);
        }
        tm_store *store = open_file(path);
        seq++;
        bool crashed = crash_in_call(&(crash){store, seq, call, moment});
        tm_store *fresh = open_file(path);
        uint64_t count = count_in(fresh);
        assert_true(count == seq || (crashed && count == seq - 1));
        must_count_one(fresh, seq);
        assert_int_equal(count_in(store), seq);
        assert_false(file_exists(in_directory("crash.tmp")));
        tm_store_close(fresh);
        tm_store_close(store);
        if (!crashed)
            return call - 1;
    }
}

TEST(a_crash_at_any_system_call_leaves_the_old_file_or_the_new)
{
    assert_true(crash_everywhere(FAULTS_BEFORE, false) >= 15);
}

TEST(a_crash_after_any_system_call_leaves_the_old_file_or_the_new)
{
    assert_true(crash_everywhere(FAULTS_AFTER, false) >= 15);
}

TEST(a_crash_in_the_middle_of_a_write_leaves_the_old_file)
{
    assert_true(crash_everywhere(FAULTS_HALFWAY, false) >= 15);
}

TEST(a_crash_while_the_file_is_made_leaves_none_or_a_whole_one)
{
    assert_true(crash_everywhere(FAULTS_BEFORE, true) >= 12);
    assert_true(crash_everywhere(FAULTS_AFTER, true) >= 12);
}

/* ---- failures ------------------------------------------------------------------------------------------------ */

/* What closes or unlocks, looks whether the lock was removed meanwhile, or varies pauses, and may fail without harm. */
static bool is_harmless(const char *function)
{
    static const char *const harmless[] = {"close", "flock", "fstat", "getrandom"};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strcmp(function, harmless[i]) == 0)
            return true;
    return false;
}

static void fail_every_call(int error_number, int expected)
{
    unlink(in_directory("store"));
    tm_store *store = open_file(in_directory("store"));
    uint64_t seq = 0;
    size_t failures = 0;
    must_count_one(store, ++seq);
    for (size_t n = 1; faults_fail_call(n, error_number); n++) {
        tm_answer answer;
        tm_error error = {0};
        int status = count_one(store, seq + 1, &answer, &error);
        faults_off();
        if (status == TM_OK && faults_happened() && !is_harmless(faults_function()))
            fail_msg("nobody noticed that %s failed", faults_function());
        if (status != TM_OK) {
            assert_status(status, expected);
            assert_true(error.status == status && strlen(error.text) > 10);
            uint64_t count = count_in(store);
            assert_true(count == seq || (count == seq + 1 && strstr(error.text, test_directory())));
            assert_true(!file_exists(in_directory("store.tmp")) || strcmp(faults_function(), "unlink") == 0);
            failures++;
        }
        seq++;
        must_count_one(store, seq);
        assert_int_equal(count_in(store), seq);
    }
    assert_true(failures >= 10);
    tm_store_close(store);
}

TEST(every_system_call_may_fail_once)
{
    fail_every_call(EIO, TM_EIO);
}

TEST(a_disk_that_is_full_at_any_moment_is_named)
{
    fail_every_call(ENOSPC, TM_ENOSPC);
    fail_every_call(EDQUOT, TM_ENOSPC);
    fail_every_call(EFBIG, TM_ENOSPC);
}

TEST(rights_that_are_missing_at_any_moment_are_named)
{
    fail_every_call(EACCES, TM_EDENIED);
    fail_every_call(EROFS, TM_EREADONLY);
}

TEST(content_is_synced_before_it_takes_its_place_and_the_directory_after)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    faults_fail_named("fsync", 1, EIO);
    must_fail_to_count(store, 2, TM_EIO);
    faults_off();
    assert_int_equal(count_in(store), 1);
    faults_fail_named("fsync", 2, EIO);
    must_fail_to_count(store, 2, TM_EIO);
    faults_off();
    assert_int_equal(count_in(store), 2);
    must_count_one(store, 2);
    faults_fail_named("fsync", 2, EINVAL); /* from file systems that cannot sync a directory */
    must_count_one(store, 3);
    faults_off();
    assert_true(faults_happened());
    tm_store_close(store);
}

TEST(signals_interrupt_nothing)
{
    static const char *const functions[] = {"read", "write", "flock"};
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    for (uint64_t k = 0; k < 3; k++) {
        faults_fail_named(functions[k], 1, EINTR);
        must_count_one(store, k + 2);
        faults_off();
        assert_true(faults_happened());
        assert_int_equal(count_in(store), k + 2);
    }
    tm_store_close(store);
}

TEST(short_writes_are_continued)
{
    tm_store *store = open_file(in_directory("store"));
    for (uint64_t seq = 1; seq <= 20; seq++) {
        faults_short_write(1, seq);
        must_count_one(store, seq);
        faults_off();
        assert_true(faults_happened());
        assert_int_equal(count_in(store), seq);
    }
    tm_store_close(store);
}

TEST(memory_that_runs_out_is_an_error_and_no_leak)
{
    size_t failures = 0;
    uint64_t seq = 0;
    for (size_t n = 1; faults_fail_allocation(n); n++) {
        tm_store *store = NULL;
        tm_snapshot *snapshot = NULL;
        tm_answer answer;
        tm_error error = {0};
        int status = try_open_file(in_directory("store"), &store, &error);
        if (status == TM_OK)
            status = count_one(store, seq + 1, &answer, &error);
        seq += status == TM_OK;
        if (status == TM_OK)
            status = tm_store_read(store, NULL, &snapshot, &error);
        faults_off();
        assert_true(status == TM_OK || status == TM_ENOMEM);
        assert_int_equal(error.status, status);
        failures += status != TM_OK;
        tm_snapshot_free(snapshot);
        tm_store_close(store);
    }
    assert_true(failures > 30);
    tm_store *store = open_file(in_directory("store"));
    assert_int_equal(count_in(store), seq);
    tm_store_close(store);
}

/* ---- full disks ---------------------------------------------------------------------------------------------- */

static const char *count_under_a_size_limit(void *ctx)
{
    tm_store *store = ctx;
    const struct rlimit small = {64, 64};
    tm_answer answer;
    tm_error error = {0};
    sigset_t pending;
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return "the limit cannot be set";
    if (count_one(store, 2, &answer, &error) != TM_ENOSPC || error.status != TM_ENOSPC)
        return "a file size limit is not TM_ENOSPC";
    sigpending(&pending);
    if (sigismember(&pending, SIGXFSZ))
        return "SIGXFSZ is left pending";
    return file_exists(in_directory("store.tmp")) ? "the temporary is left" : NULL;
}

TEST(a_file_size_limit_is_a_full_disk_and_kills_nobody)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    content before = content_of(in_directory("store"));
    run_child(count_under_a_size_limit, store);
    assert_content(in_directory("store"), &before);
    must_count_one(store, 2);
    assert_int_equal(count_in(store), 2);
    tm_store_close(store);
}

static const char *keep_a_pending_signal(void *ctx)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_kill(pthread_self(), SIGXFSZ);
    const char *complaint = count_under_a_size_limit(ctx);
    sigpending(&signals);
    if (!sigismember(&signals, SIGXFSZ))
        return "the host's own SIGXFSZ is gone";
    return complaint && strstr(complaint, "pending") ? NULL : "unexpected end";
}

TEST(a_signal_that_the_host_has_pending_stays)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    run_child(keep_a_pending_signal, store);
    tm_store_close(store);
}

/* Fills a file system of 64 KiB, so that the store's next content does not fit, and empties it again. */
static const char *count_on_a_full_tmpfs(void *ctx)
{
    const char *directory = ctx;
    tm_store *store;
    tm_answer answer;
    tm_error error = {0};
    static char filling[64 * 1024];
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", directory, "tmpfs", 0, "size=64k") != 0)
        return "not permitted";
    if (try_open_file(in_directory("disk/store"), &store, &error) != TM_OK ||
        count_one(store, 1, &answer, &error) != TM_OK)
        return "the store does not work on an empty disk";
    int descriptor = open(in_directory("disk/filling"), O_WRONLY | O_CREAT, 0644);
    while (write(descriptor, filling, 512) > 0)
        ;
    close(descriptor);
    if (count_one(store, 2, &answer, &error) != TM_ENOSPC)
        return "a full disk is not TM_ENOSPC";
    if (count_in(store) != 1 || file_exists(in_directory("disk/store.tmp")))
        return "a full disk did harm";
    unlink(in_directory("disk/filling"));
    if (count_one(store, 2, &answer, &error) != TM_OK || count_in(store) != 2)
        return "the store does not recover";
    tm_store_close(store);
    return NULL;
}

TEST(a_disk_that_is_really_full_is_named_and_does_no_harm)
{
    assert_int_equal(mkdir(in_directory("disk"), 0755), 0);
    const char *complaint = complaint_of_child(count_on_a_full_tmpfs, (char *)(uintptr_t)in_directory("disk"));
    if (complaint && strcmp(complaint, "not permitted") == 0) {
        print_message("not run: this process may not mount\n");
        skip();
    }
    if (complaint)
        fail_msg("in the child: %s", complaint);
}

TEST_MAIN("file_store", CONTRACT_CASES(CONTRACT_ENTRY) T(a_crash_at_any_system_call_leaves_the_old_file_or_the_new),
          T(a_crash_after_any_system_call_leaves_the_old_file_or_the_new),
          T(a_crash_in_the_middle_of_a_write_leaves_the_old_file),
          T(a_crash_while_the_file_is_made_leaves_none_or_a_whole_one), T(every_system_call_may_fail_once),
          T(a_disk_that_is_full_at_any_moment_is_named), T(rights_that_are_missing_at_any_moment_are_named),
          T(content_is_synced_before_it_takes_its_place_and_the_directory_after), T(signals_interrupt_nothing),
          T(short_writes_are_continued), T(memory_that_runs_out_is_an_error_and_no_leak),
          T(a_file_size_limit_is_a_full_disk_and_kills_nobody), T(a_signal_that_the_host_has_pending_stays),
          T(a_disk_that_is_really_full_is_named_and_does_no_harm))
