/* File stores in the test's directory that count events, and their files, in few words. */
#ifndef TM_TESTS_FILE_STORES_H
#define TM_TESTS_FILE_STORES_H

#include <stdbool.h>

#include <taskermetrics/store.h>

enum { PATH_BYTES = 512 };

/* "NAME" in the test's directory; good until the next but seven. */
const char *in_directory(const char *name);

int try_open_file(const char *path, tm_store **out, tm_error *error);
tm_store *open_file(const char *path);

/* For a tm_reply. */
int tell_nobody(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part, tm_number value);
void refuse_nothing(void *ctx, size_t index, int status);

int64_t in_ms(int64_t ms); /* a deadline */

/* Applies batch number seq of the instance "i": one event more. */
int count_one(tm_store *store, uint64_t seq, tm_answer *answer, tm_error *error);
void must_count_one(tm_store *store, uint64_t seq);
void must_fail_to_count(tm_store *store, uint64_t seq, int expected);
uint64_t count_in(tm_store *store);

bool file_exists(const char *path);

/* What is in a small file. */
typedef struct content {
    size_t len;
    unsigned char bytes[4096];
} content;

content content_of(const char *path);
void write_content(const char *path, const content *c);
void assert_content(const char *path, const content *expected);

#endif
