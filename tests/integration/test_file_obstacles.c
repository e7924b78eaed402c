/* The file store: rights that are missing, things in the way, and damage. */
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "file_stores.h"
#include "registries.h"
#include "test.h"
#include "threads.h"

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
    return try_open_file(in_directory("store"), &store, &error) == TM_EDENIED ? NULL
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
    assert_false(file_exists(in_directory("nowhere")));
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
        assert_status(try_open_file(in_directory("store"), &other, &error), TM_EDENIED);
        assert_non_null(strstr(error.text, "in the way"));
        must_fail_to_count(store, 1, TM_EDENIED);
        assert_true(file_exists(in_directory("store")));
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
            assert_true(file_exists(in_directory("store.tmp")));
            clear_the_way(in_directory("store.tmp"));
        }
        must_count_one(store, ++seq);
        assert_false(file_exists(in_directory("store.tmp")));
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
    assert_status(try_open_file(in_directory("store"), &other, &error), TM_ECORRUPT);
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
    assert_status(try_open_file(in_directory("store"), &store, &error), TM_ETOOBIG);
}

TEST_MAIN("file_obstacles", T(a_read_only_directory_can_be_read_and_is_named_when_written),
          T(an_unreadable_file_is_named), T(a_new_file_obeys_the_umask_and_an_old_one_keeps_its_mode_and_owner),
          T(what_is_in_the_way_of_the_file_is_named_and_neither_harmed_nor_waited_for),
          T(what_is_in_the_way_of_the_lock_is_named_and_neither_harmed_nor_waited_for),
          T(what_is_in_the_way_of_the_temporary_is_removed_but_for_a_directory),
          T(every_flipped_bit_is_found_and_the_file_is_left_as_it_is),
          T(a_file_that_was_cut_short_or_emptied_is_found_and_left_as_it_is),
          T(a_damaged_file_that_was_moved_away_loses_nothing_of_those_that_run),
          T(a_backup_that_was_put_back_heals_exactly), T(a_file_that_is_too_large_is_named))
