#include "base/table.h"

#include <stdlib.h>

#include <taskermetrics/base.h>

enum { INITIAL_CAPACITY = 32 };

/* Heads every allocation, so that an outgrown map can be put on a list. */
typedef struct block {
    struct block *next;
    size_t bytes;
} block;

/* ck's allocator callbacks know no table: the writer's thread says which one it works on. */
static _Thread_local tm__table *working_on;

static void *table_malloc(size_t bytes)
{
    block *b = malloc(sizeof *b + bytes);
    if (!b)
        return NULL;
    b->bytes = sizeof *b + bytes;
    working_on->bytes += b->bytes;
    return b + 1;
}

static void table_free(void *p, size_t bytes, bool defer)
{
    (void)bytes;
    if (!p)
        return;
    block *b = (block *)p - 1;
    if (defer) {
        b->next = working_on->retired;
        working_on->retired = b;
        return;
    }
    working_on->bytes -= b->bytes;
    free(b);
}

static struct ck_malloc allocator = {.malloc = table_malloc, .free = table_free};

/* What ck_hs is given as the key of a lookup: the address of one of these, plus one. */
typedef struct question {
    ck_hs_compare_cb_t *same;
    const void *key;
} question;

/* ck_hs compares entries with a key, but also, while one is put, with the new entry; that one is not there yet. Entries
 * are aligned, so an odd address is a question. */
static bool answer(const void *entry, const void *asked)
{
    if (((uintptr_t)asked & 1) == 0)
        return false;
    const question *q = (const void *)((const char *)asked - 1);
    return q->same(entry, q->key);
}

int tm__table_init(tm__table *table, ck_hs_hash_cb_t *hash, ck_hs_compare_cb_t *same)
{
    working_on = table;
    table->same = same;
    table->ready =
        ck_hs_init(&table->set, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, hash, answer, &allocator, INITIAL_CAPACITY, 0);
    return table->ready ? TM_OK : TM_ENOMEM;
}

/* ck_hs grows when it is half full. */
int tm__table_reserve(tm__table *table, size_t count)
{
    size_t capacity = INITIAL_CAPACITY;
    while (capacity / 2 <= count && capacity <= SIZE_MAX / 4)
        capacity *= 2;
    working_on = table;
    if (capacity == INITIAL_CAPACITY || ck_hs_grow(&table->set, (unsigned long)capacity))
        return TM_OK;
    return TM_ENOMEM;
}

void tm__table_free(tm__table *table)
{
    if (!table->ready)
        return;
    working_on = table;
    ck_hs_destroy(&table->set);
    for (block *b = table->retired; b;) {
        block *next = b->next;
        free(b);
        b = next;
    }
    *table = (tm__table){0};
}

void *tm__table_get(const tm__table *table, uint64_t hash, const void *key)
{
    /* ck_hs_get only reads; its parameter is not const. */
    const question q = {table->same, key};
    return ck_hs_get((ck_hs_t *)(uintptr_t)&table->set, (unsigned long)hash, (const char *)&q + 1);
}

int tm__table_put(tm__table *table, uint64_t hash, const void *entry)
{
    working_on = table;
    return ck_hs_put_unique(&table->set, (unsigned long)hash, entry) ? TM_OK : TM_ENOMEM;
}

void tm__table_remove(tm__table *table, uint64_t hash, const void *key)
{
    const question q = {table->same, key};
    working_on = table;
    ck_hs_remove(&table->set, (unsigned long)hash, (const char *)&q + 1);
}
