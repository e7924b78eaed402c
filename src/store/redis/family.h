/* A family of metrics as it stands in Redis: one line of text, and the words its samples' fields are made of. */
#ifndef TM__STORE_REDIS_FAMILY_H
#define TM__STORE_REDIS_FAMILY_H

#include <stdbool.h>

#include <taskermetrics/base.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/names.h"

typedef struct tm__redis_text {
    const char *text;
    size_t len;
} tm__redis_text;

typedef struct tm__redis_family {
    const tm_family *info;
    tm__redis_text printed; /* NUL-terminated: the name as Prometheus prints it */
    tm__redis_text *ranges; /* histograms: for each bucket gt="...",le="..." */
} tm__redis_family;

/* info: complete, as in a snapshot; borrowed. NULL: no memory. */
tm__redis_family *tm__redis_family_make(const tm_family *info, tm__arena *arena);

/* Appends the description: NAME TYPE REAL_NAME UNIT AGGREGATION BUCKETS, where "-" means none. */
void tm__redis_family_describe(const tm__redis_family *family, tm__buffer *out);

/* Appends a help without line breaks and tabs, and reads it back. */
void tm__redis_help_escape(const char *help, tm__buffer *out);
char *tm__redis_help_unescape(const char *text, size_t len, tm__arena *arena);

/* Reads a description. TM_OK; TM_ECORRUPT if it is none; TM_ENOMEM. */
int tm__redis_family_parse(const char *text, size_t len, tm__arena *arena, tm__redis_family **out);

#endif
