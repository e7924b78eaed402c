#include "file_stores.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registries.h"
#include "store/store.h"
#include "test.h"

/* ---- a store in the test's directory ------------------------------------------------------------------------- */

const char *in_directory(const char *name)
{
    static char paths[8][PATH_BYTES];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_BYTES, "%s/%s", test_directory(), name);
    return path;
}

int try_open_file(const char *path, tm_store **out, tm_error *error)
{
    char url[PATH_BYTES + 8];
    snprintf(url, sizeof url, "file:%s", path);
    return tm_store_open(url, NULL, out, error);
}

tm_store *open_file(const char *path)
{
    tm_store *store;
    tm_error error;
    int status = try_open_file(path, &store, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    return store;
}

int tell_nobody(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part, tm_number value)
{
    (void)ctx, (void)family, (void)labels, (void)labels_bytes, (void)part, (void)value;
    return TM_OK;
}

void refuse_nothing(void *ctx, size_t index, int status)
{
    (void)ctx, (void)index, (void)status;
}

static const tm_family events = {
    .size = sizeof(tm_family), .name = "events", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};

int64_t in_ms(int64_t ms)
{
    return tm_monotonic_ns() + ms * 1000000;
}

int count_one(tm_store *store, uint64_t seq, tm_answer *answer, tm_error *error)
{
    const tm_change change = {&events, "", 0, 0, {.u = seq}, {.u = 1}};
    const tm_batch batch = {.instance = "i", .prev = seq - 1, .seq = seq, .changes = &change, .change_count = 1};
    tm_reply reply = {.remembered = tell_nobody, .refused = refuse_nothing};
    int status = store->ops.apply(store->self, &batch, in_ms(10000), &reply, error);
    *answer = reply.answer;
    return status;
}

void must_count_one(tm_store *store, uint64_t seq)
{
    tm_answer answer;
    tm_error error;
    int status = count_one(store, seq, &answer, &error);
    if (status != TM_OK)
        fail_msg("%s: %s", tm_status_name(status), error.text);
    assert_true(answer == TM_ANSWER_APPLIED || answer == TM_ANSWER_DUPLICATE);
}

void must_fail_to_count(tm_store *store, uint64_t seq, int expected)
{
    tm_answer answer;
    tm_error error = {0};
    assert_status(count_one(store, seq, &answer, &error), expected);
    assert_int_equal(error.status, expected);
    assert_true(error.text[0] != '\0');
}

uint64_t count_in(tm_store *store)
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

bool file_exists(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) == 0;
}

/* ---- content by hand ----------------------------------------------------------------------------------------- */

content content_of(const char *path)
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

void write_content(const char *path, const content *c)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, c->bytes, c->len), c->len);
    close(descriptor);
}

void assert_content(const char *path, const content *expected)
{
    content c = content_of(path);
    assert_int_equal(c.len, expected->len);
    assert_memory_equal(c.bytes, expected->bytes, c.len);
}
