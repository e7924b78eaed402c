/* The file store against everything that can happen to a file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "contract.h"
#include "faults.h"
#include "registries.h"
#include "store/store.h"
#include "test.h"
#include "threads.h"

/* ---- a store in the test's directory ------------------------------------------------------------------------- */

enum { PATH_BYTES = 512 };

/* "NAME" in the test's directory; good until the next but seven. */
static const char *in_directory(const char *name)
{
    static char paths[8][PATH_BYTES];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_BYTES, "%s/%s", test_directory(), name);
    return path;
}

static int try_open(const char *path, tm_store **out, tm_error *error)
{
    char url[PATH_BYTES + 8];
    snprintf(url, sizeof url, "file:%s", path);
    return tm_store_open(url, NULL, out, error);
}

static tm_store *open_file(const char *path)
{
    tm_store *store;
    tm_error error;
    int status = try_open(path, &store, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    return store;
}

static tm_store *contract_open(void)
{
    return open_file(in_directory("contract"));
}

CONTRACT_CASES(CONTRACT_TEST)

static int tell_nobody(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                       tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    return TM_OK;
}

static void refuse_nothing(void *ctx, size_t index, int status)
{
    (void)ctx, (void)index, (void)status;
}

static const tm_family events = {
    .size = sizeof(tm_family), .name = "events", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};

static int64_t in_ms(int64_t ms)
{
    return tm_monotonic_ns() + ms * 1000000;
}

/* Batch number seq of the one instance: one event more. */
static int count_one(tm_store *store, uint64_t seq, tm_answer *answer, tm_error *error)
{
    const tm_change change = {&events, "", 0, 0, {.u = seq}, {.u = 1}};
    const tm_batch batch = {.instance = "i", .prev = seq - 1, .seq = seq, .changes = &change, .change_count = 1};
    tm_reply reply = {.remembered = tell_nobody, .refused = refuse_nothing};
    int status = store->ops.apply(store->self, &batch, in_ms(10000), &reply, error);
    *answer = reply.answer;
    return status;
}

static void must_count_one(tm_store *store, uint64_t seq)
{
    tm_answer answer;
    tm_error error;
    int status = count_one(store, seq, &answer, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    assert_true(answer == TM_ANSWER_APPLIED || answer == TM_ANSWER_DUPLICATE);
}

static void must_fail_to_count(tm_store *store, uint64_t seq, int expected)
{
    tm_answer answer;
    tm_error error = {0};
    assert_status(count_one(store, seq, &answer, &error), expected);
    assert_int_equal(error.status, expected);
    assert_true(error.text[0] != '\0');
}

static uint64_t count_in(tm_store *store)
{
    tm_snapshot *snapshot;
    tm_error error;
    int status = tm_store_read(store, NULL, &snapshot, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    const tm_number *values = values_in(snapshot, "events", "");
    uint64_t count = values ? values[0].u : 0;
    tm_snapshot_free(snapshot);
    return count;
}

static bool exists(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) == 0;
}

/* ---- content by hand ----------------------------------------------------------------------------------------- */

typedef struct content {
    size_t len;
    unsigned char bytes[4096];
} content;

static content content_of(const char *path)
{
    content c = {0};
    int descriptor = open(path, O_RDONLY);
    assert_true(descriptor >= 0);
    ssize_t got = read(descriptor, c.bytes, sizeof c.bytes);
    assert_true(got >= 0 && (size_t)got < sizeof c.bytes);
    c.len = (size_t)got;
    close(descriptor);
    return c;
}

static void write_content(const char *path, const content *c)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, c->bytes, c->len), c->len);
    close(descriptor);
}

static void assert_content(const char *path, const content *expected)
{
    content c = content_of(path);
    assert_int_equal(c.len, expected->len);
    assert_memory_equal(c.bytes, expected->bytes, c.len);
}

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
        assert_false(exists(in_directory("crash.tmp")));
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
            assert_true(!exists(in_directory("store.tmp")) || strcmp(faults_function(), "unlink") == 0);
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
        int status = try_open(in_directory("store"), &store, &error);
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
    return exists(in_directory("store.tmp")) ? "the temporary is left" : NULL;
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
    if (try_open(in_directory("disk/store"), &store, &error) != TM_OK || count_one(store, 1, &answer, &error) != TM_OK)
        return "the store does not work on an empty disk";
    int descriptor = open(in_directory("disk/filling"), O_WRONLY | O_CREAT, 0644);
    while (write(descriptor, filling, 512) > 0)
        ;
    close(descriptor);
    if (count_one(store, 2, &answer, &error) != TM_ENOSPC)
        return "a full disk is not TM_ENOSPC";
    if (count_in(store) != 1 || exists(in_directory("disk/store.tmp")))
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

/* ---- rights -------------------------------------------------------------------------------------------------- */

/* Root, too, is to be refused what the mode refuses. */
static bool obey_modes(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    data[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    return syscall(SYS_capset, &header, data) == 0;
}

static const char *count_in_a_read_only_directory(void *ctx)
{
    tm_store *store = ctx;
    tm_answer answer;
    tm_error error = {0};
    if (!obey_modes())
        return "the rights cannot be given up";
    if (count_one(store, 2, &answer, &error) != TM_EDENIED || error.status != TM_EDENIED)
        return "a read-only directory is not TM_EDENIED";
    return count_in(store) == 1 ? NULL : "a read-only directory cannot be read";
}

TEST(a_read_only_directory_can_be_read_and_is_named_when_written)
{
    assert_int_equal(mkdir(in_directory("fixed"), 0755), 0);
    tm_store *store = open_file(in_directory("fixed/store"));
    must_count_one(store, 1);
    assert_int_equal(chmod(in_directory("fixed"), 0555), 0);
    run_child(count_in_a_read_only_directory, store);
    assert_int_equal(chmod(in_directory("fixed"), 0755), 0);
    must_count_one(store, 2);
    tm_store_close(store);
}

static const char *open_an_unreadable_file(void *ctx)
{
    (void)ctx;
    tm_store *store;
    tm_error error = {0};
    if (!obey_modes())
        return "the rights cannot be given up";
    return try_open(in_directory("store"), &store, &error) == TM_EDENIED ? NULL
                                                                         : "an unreadable file is not TM_EDENIED";
}

TEST(an_unreadable_file_is_named)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    tm_store_close(store);
    assert_int_equal(chmod(in_directory("store"), 0), 0);
    run_child(open_an_unreadable_file, NULL);
}

static mode_t mode_of(const char *path)
{
    struct stat stat;
    assert_int_equal(lstat(path, &stat), 0);
    return stat.st_mode & 07777;
}

TEST(a_new_file_obeys_the_umask_and_an_old_one_keeps_its_mode_and_owner)
{
    umask(027);
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    assert_int_equal(mode_of(in_directory("store")), 0640);
    const mode_t modes[] = {0600, 0664, 0444, 0640};
    uint64_t seq = 1;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(in_directory("store"), modes[i]), 0);
        must_count_one(store, ++seq);
        assert_int_equal(mode_of(in_directory("store")), modes[i]);
    }
    uid_t owner = geteuid() == 0 ? 65534 : geteuid();
    assert_int_equal(chown(in_directory("store"), owner, (gid_t)-1), 0);
    must_count_one(store, ++seq);
    struct stat stat;
    assert_int_equal(lstat(in_directory("store"), &stat), 0);
    assert_int_equal(stat.st_uid, owner);
    tm_store_close(store);
}

/* ---- things in the way --------------------------------------------------------------------------------------- */

static void put_symlink(const char *path)
{
    assert_int_equal(symlink("target", path), 0);
}

static void put_dangling_symlink(const char *path)
{
    assert_int_equal(symlink("nowhere", path), 0);
}

static void put_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0666), 0);
}

static void put_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64]; /* the whole path may be too long for an address */
    snprintf(name, sizeof name, "s%d", getpid());
    assert_int_equal(chdir(test_directory()), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(rename(name, path), 0);
    close(listener);
}

static void (*const put_something[])(const char *path) = {put_symlink, put_dangling_symlink, put_fifo, put_directory,
                                                          put_socket};
enum { THINGS = sizeof put_something / sizeof put_something[0] };

static void put_target(void)
{
    content c = {.len = 6, .bytes = "target"};
    write_content(in_directory("target"), &c);
}

static void assert_target_untouched(void)
{
    content c = content_of(in_directory("target"));
    assert_int_equal(c.len, 6);
    assert_memory_equal(c.bytes, "target", 6);
    assert_false(exists(in_directory("nowhere")));
}

static void clear_the_way(const char *path)
{
    assert_int_equal(remove(path), 0);
}

TEST(what_is_in_the_way_of_the_file_is_named_and_neither_harmed_nor_waited_for)
{
    put_target();
    for (size_t i = 0; i < THINGS; i++) {
        tm_store *store = open_file(in_directory("store"));
        tm_store *other;
        tm_error error = {0};
        put_something[i](in_directory("store"));
        assert_status(try_open(in_directory("store"), &other, &error), TM_EDENIED);
        assert_non_null(strstr(error.text, "in the way"));
        must_fail_to_count(store, 1, TM_EDENIED);
        assert_true(exists(in_directory("store")));
        clear_the_way(in_directory("store"));
        must_count_one(store, 1);
        assert_int_equal(unlink(in_directory("store")), 0);
        tm_store_close(store);
    }
    assert_target_untouched();
}

TEST(what_is_in_the_way_of_the_lock_is_named_and_neither_harmed_nor_waited_for)
{
    put_target();
    tm_store *store = open_file(in_directory("store"));
    uint64_t seq = 0;
    for (size_t i = 0; i < THINGS; i++) {
        put_something[i](in_directory("store.lock"));
        must_fail_to_count(store, seq + 1, TM_EDENIED);
        assert_int_equal(count_in(store), seq);
        clear_the_way(in_directory("store.lock"));
        must_count_one(store, ++seq);
        assert_int_equal(unlink(in_directory("store.lock")), 0);
    }
    assert_target_untouched();
    tm_store_close(store);
}

TEST(what_is_in_the_way_of_the_temporary_is_removed_but_for_a_directory)
{
    put_target();
    tm_store *store = open_file(in_directory("store"));
    uint64_t seq = 0;
    for (size_t i = 0; i < THINGS; i++) {
        put_something[i](in_directory("store.tmp"));
        if (put_something[i] == put_directory) {
            must_fail_to_count(store, seq + 1, TM_EIO);
            assert_true(exists(in_directory("store.tmp")));
            clear_the_way(in_directory("store.tmp"));
        }
        must_count_one(store, ++seq);
        assert_false(exists(in_directory("store.tmp")));
        assert_int_equal(count_in(store), seq);
    }
    assert_target_untouched();
    tm_store_close(store);
}

/* ---- damage -------------------------------------------------------------------------------------------------- */

static void assert_damaged(tm_store *open, const content *damaged)
{
    tm_store *other;
    tm_error error = {0};
    tm_snapshot *snapshot;
    write_content(in_directory("store"), damaged);
    assert_status(try_open(in_directory("store"), &other, &error), TM_ECORRUPT);
    assert_non_null(strstr(error.text, "move it away"));
    must_fail_to_count(open, 2, TM_ECORRUPT);
    assert_status(tm_store_read(open, NULL, &snapshot, &error), TM_ECORRUPT);
    assert_content(in_directory("store"), damaged);
}

TEST(every_flipped_bit_is_found_and_the_file_is_left_as_it_is)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    content good = content_of(in_directory("store"));
    assert_in_range(good.len, 50, 200);
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        content damaged = good;
        damaged.bytes[bit / 8] ^= (unsigned char)(1u << (bit % 8));
        assert_damaged(store, &damaged);
    }
    write_content(in_directory("store"), &good);
    must_count_one(store, 2);
    assert_int_equal(count_in(store), 2);
    tm_store_close(store);
}

TEST(a_file_that_was_cut_short_or_emptied_is_found_and_left_as_it_is)
{
    tm_store *store = open_file(in_directory("store"));
    must_count_one(store, 1);
    content good = content_of(in_directory("store"));
    for (size_t len = 0; len < good.len; len++) {
        content damaged = good;
        damaged.len = len;
        assert_damaged(store, &damaged);
    }
    content longer = good;
    longer.len++;
    assert_damaged(store, &longer);
    tm_store_close(store);
}

TEST(a_damaged_file_that_was_moved_away_loses_nothing_of_those_that_run)
{
    tm_registry *registry = new_registry();
    tm_store *store = open_file(in_directory("store"));
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    content garbage = {.len = 5, .bytes = "junk!"};
    assert_ok(tm_count(registry, "events", 7, TM_NO_LABELS));
    assert_ok(tm_sync_to_cache(registry, store, NULL));
    write_content(in_directory("store"), &garbage);
    assert_ok(tm_count(registry, "events", 1, TM_NO_LABELS));
    assert_status(tm_sync_to_cache(registry, store, &report), TM_ECORRUPT);
    assert_int_equal(rename(in_directory("store"), in_directory("away")), 0);
    assert_ok(tm_sync_to_cache(registry, store, &report));
    assert_int_equal(count_in(store), 8);
    assert_content(in_directory("away"), &garbage);
    tm_registry_free(registry);
    tm_store_close(store);
}

TEST(a_backup_that_was_put_back_heals_exactly)
{
    tm_registry *one = new_registry();
    tm_registry *other = new_registry();
    tm_store *store = open_file(in_directory("store"));
    content backup = {0};
    for (uint64_t i = 1; i <= 6; i++) {
        assert_ok(tm_count(one, "events", 10, TM_NO_LABELS));
        assert_ok(tm_count(other, "events", 1, TM_NO_LABELS));
        assert_ok(tm_sync_to_cache(one, store, NULL));
        if (i == 2)
            backup = content_of(in_directory("store")); /* the other one is not in it as of now */
        assert_ok(tm_sync_to_cache(other, store, NULL));
        if (i == 4)
            write_content(in_directory("store"), &backup);
        if (i == 4)
            assert_int_equal(count_in(store), 21);
        else
            assert_true(i == 5 || count_in(store) == 11 * i);
    }
    assert_int_equal(count_in(store), 66);
    tm_registry_free(one);
    tm_registry_free(other);
    tm_store_close(store);
}

TEST(a_file_that_is_too_large_is_named)
{
    int descriptor = open(in_directory("store"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(ftruncate(descriptor, (INT64_C(1) << 30) + 1), 0);
    close(descriptor);
    tm_store *store;
    tm_error error = {0};
    assert_status(try_open(in_directory("store"), &store, &error), TM_ETOOBIG);
}

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
    assert_true(exists(in_directory("real/store")));
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
    assert_status(try_open(in_directory("later/store"), &store, &error), TM_EUNAVAILABLE);
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
        assert_true(exists(in_directory(expected)));
        tm_store_close(store);
    }
    char long_name[300];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    tm_store *store;
    tm_error error = {0};
    assert_true(try_open(in_directory(long_name), &store, &error) != TM_OK);
    assert_true(error.text[0] != '\0');
}

TEST(a_file_store_says_what_it_is)
{
    tm_store *store = open_file(in_directory("store"));
    assert_int_equal(tm_store_strategy(store), TM_STRATEGY_LOCAL_ONLY);
    assert_int_equal(tm_store_capabilities(store), TM_CAP_PERSISTENCE | TM_CAP_PER_INSTANCE);
    assert_false(exists(in_directory("store")));
    assert_int_equal(count_in(store), 0);
    assert_false(exists(in_directory("store")));
    tm_store_close(store);
}

TEST_MAIN("file_store", CONTRACT_CASES(CONTRACT_ENTRY) T(a_crash_at_any_system_call_leaves_the_old_file_or_the_new),
          T(a_crash_after_any_system_call_leaves_the_old_file_or_the_new),
          T(a_crash_in_the_middle_of_a_write_leaves_the_old_file),
          T(a_crash_while_the_file_is_made_leaves_none_or_a_whole_one), T(every_system_call_may_fail_once),
          T(a_disk_that_is_full_at_any_moment_is_named), T(rights_that_are_missing_at_any_moment_are_named),
          T(content_is_synced_before_it_takes_its_place_and_the_directory_after), T(signals_interrupt_nothing),
          T(short_writes_are_continued), T(memory_that_runs_out_is_an_error_and_no_leak),
          T(a_file_size_limit_is_a_full_disk_and_kills_nobody), T(a_signal_that_the_host_has_pending_stays),
          T(a_disk_that_is_really_full_is_named_and_does_no_harm),
          T(a_read_only_directory_can_be_read_and_is_named_when_written), T(an_unreadable_file_is_named),
          T(a_new_file_obeys_the_umask_and_an_old_one_keeps_its_mode_and_owner),
          T(what_is_in_the_way_of_the_file_is_named_and_neither_harmed_nor_waited_for),
          T(what_is_in_the_way_of_the_lock_is_named_and_neither_harmed_nor_waited_for),
          T(what_is_in_the_way_of_the_temporary_is_removed_but_for_a_directory),
          T(every_flipped_bit_is_found_and_the_file_is_left_as_it_is),
          T(a_file_that_was_cut_short_or_emptied_is_found_and_left_as_it_is),
          T(a_damaged_file_that_was_moved_away_loses_nothing_of_those_that_run),
          T(a_backup_that_was_put_back_heals_exactly), T(a_file_that_is_too_large_is_named),
          T(a_lock_that_is_taken_ends_in_a_timeout_and_holds_up_no_reader), T(only_what_was_applied_is_written),
          T(killed_processes_leave_a_whole_file_and_no_lock), T(eight_processes_at_once_add_up_exactly),
          T(a_child_of_a_process_that_died_in_the_store_does_not_keep_the_lock),
          T(a_child_goes_on_with_the_handle_of_its_parent), T(one_file_has_one_identity_however_it_is_written),
          T(a_directory_that_is_not_there_is_named_or_waited_for), T(strange_names_are_names),
          T(a_file_store_says_what_it_is))
