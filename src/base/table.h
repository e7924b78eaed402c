/* A hash table of pointers on Concurrency Kit's ck_hs: readers never wait, one writer at a time (the owner's lock). */
#ifndef TM__BASE_TABLE_H
#define TM__BASE_TABLE_H

#include <ck_hs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/shared.h"

typedef struct tm__table {
    ck_hs_t set;
    ck_hs_compare_cb_t *same;
    void *retired; /* outgrown maps: a reader may still be in one, so they live as long as the table */
    size_t bytes;  /* taken from the heap */
    bool ready;
} tm__table;

/* hash: of an entry (the seed is always 0). same: whether an entry is the one that a key asks for. Zero-initialise the
 * table first. TM_ENOMEM. */
TM__SHARED int tm__table_init(tm__table *table, ck_hs_hash_cb_t *hash, ck_hs_compare_cb_t *same);
TM__SHARED void tm__table_free(tm__table *table);

/* Right after tm__table_init: makes room for so many entries, so that the table need not grow step by step.
 * TM_ENOMEM. */
int tm__table_reserve(tm__table *table, size_t count);

/* The entry for a key, or NULL. Any thread, at any time. ck's loads are invisible to ThreadSanitizer and ordered
 * only by data dependency: `same` and the caller must load-acquire a field that the writer stored with release
 * before put. */
TM__SHARED void *tm__table_get(const tm__table *table, uint64_t hash, const void *key);

/* Adds an entry that is not there yet. TM_ENOMEM. */
TM__SHARED int tm__table_put(tm__table *table, uint64_t hash, const void *entry);

/* Takes out the entry for a key, if there is one. */
void tm__table_remove(tm__table *table, uint64_t hash, const void *key);

#endif
