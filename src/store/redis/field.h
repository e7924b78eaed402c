/* The fields of samples in Redis' hashes: tasker_tasks_total{status="ok"}, x_bucket{gt="0.1",le="0.5"}, x_sum. A
 * bucket's count is of the values above gt and up to le, not cumulative. */
#ifndef TM__STORE_REDIS_FIELD_H
#define TM__STORE_REDIS_FIELD_H

#include "base/table.h"
#include "store/redis/family.h"

/* Appends the field of one number. */
void tm__redis_field_write(const tm__redis_family *family, const char *labels, size_t labels_len, size_t part,
                           tm__buffer *out);

enum { TM__REDIS_FAMILIES_BYTES_MAX = 32 << 20 };

/* All families that a server knows. Zero-initialise, then init. One thread at a time. */
typedef struct tm__redis_families {
    tm__arena arena;
    tm__table by_name;
} tm__redis_families;

int tm__redis_families_init(tm__redis_families *families);
void tm__redis_families_free(tm__redis_families *families);

/* Takes a field of the families hash and its value; what cannot be a family is left out. TM_ENOMEM, TM_ETOOBIG. */
int tm__redis_families_add(tm__redis_families *families, const char *field, size_t field_len, const char *value,
                           size_t value_len);

/* The family with that printed name, or NULL. */
const tm__redis_family *tm__redis_families_find(const tm__redis_families *families, const char *name, size_t len);

/* Its help, "" for none. */
const char *tm__redis_families_help(const tm__redis_families *families, const tm__redis_family *family);

typedef struct tm__redis_sample {
    const tm__redis_family *family;
    tm__redis_text labels;
    size_t part;
} tm__redis_sample;

/* Takes a field apart. False if it is no sample of these families. The labels are not checked. */
bool tm__redis_field_parse(const tm__redis_families *families, const char *field, size_t len, bool gauge,
                           tm__redis_sample *out);

/* Reads the value of a count or a sum. */
bool tm__redis_sample_number(const tm__redis_sample *sample, tm__redis_text value, tm_number *out);

#endif
