/* Series put together from fields, in any order and as often as they come. */
#ifndef TM__STORE_REDIS_COLLECTION_H
#define TM__STORE_REDIS_COLLECTION_H

#include "store/redis/field.h"

enum { TM__REDIS_COLLECTION_BYTES_MAX = 64 << 20 };

typedef struct tm__redis_series {
    const tm__redis_family *family;
    const char *instance; /* whose it is; NULL: of all together */
    tm__redis_text labels;
    uint64_t stamp_us; /* gauges: when the value was set */
    bool *has;         /* for each part, whether it was there */
    tm_number values[];
} tm__redis_series;

/* Zero-initialise, then init. One thread at a time. */
typedef struct tm__redis_collection {
    tm__arena arena;
    tm__table by_name;
    tm__redis_series **series;
    size_t count;
    size_t capacity;
} tm__redis_collection;

int tm__redis_collection_init(tm__redis_collection *collection);
void tm__redis_collection_free(tm__redis_collection *collection);

/* The series of a sample, made at first. instance: NULL, or one pointer for each name, that outlives the collection.
 * TM_EINVAL: the labels are not canonical. TM_ENOMEM. TM_ETOOBIG. */
int tm__redis_collection_get(tm__redis_collection *collection, const tm__redis_sample *sample, const char *instance,
                             tm__redis_series **out);

/* Takes a field of the totals or of an instance's values. What is no sample, or no number, is left out. */
int tm__redis_collect_count(tm__redis_collection *collection, const tm__redis_families *families, const char *instance,
                            tm__redis_text field, tm__redis_text value);

/* Takes a field of an instance's gauges: "VALUE STAMP". */
int tm__redis_collect_gauge(tm__redis_collection *collection, const tm__redis_families *families, const char *instance,
                            tm__redis_text field, tm__redis_text value);

/* Orders the series by family, labels and instance. */
void tm__redis_collection_sort(tm__redis_collection *collection);

#endif
