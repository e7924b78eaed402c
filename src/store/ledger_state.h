/* The body of a ledger, for the files that change, write and read it. */
#ifndef TM__STORE_LEDGER_STATE_H
#define TM__STORE_LEDGER_STATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/shared.h"
#include "base/table.h"
#include "store/ledger.h"

enum { TM__INSTANCE_NAME_MAX = 160 };

typedef struct tm__ledger_family {
    struct tm__ledger_family *next;
    tm_family info; /* complete */
    const char *printed;
    uint64_t name_hash;
    uint64_t printed_hash;
    size_t value_count;
    size_t index; /* place in the list */
    bool used;    /* while unused families are looked for */
} tm__ledger_family;

typedef struct tm__ledger_series {
    struct tm__ledger_series *next;
    tm__ledger_family *family;
    uint64_t hash;
    const char *labels;
    size_t labels_len;
    size_t index;      /* place in the list */
    tm_number *totals; /* NULL for gauges, whose aggregate follows from the instances' values */
    bool used;         /* while unused series are looked for */
} tm__ledger_series;

/* What one instance said of one series: its absolute values, or the value of its gauge. */
typedef struct tm__held {
    struct tm__held *next;
    tm__ledger_series *series;
    tm_number *totals; /* of the series */
    uint64_t revision; /* gauges: the ledger's revision when the value last changed */
    tm_number values[];
} tm__held;

typedef struct tm__held_list {
    tm__held *first;
    tm__held **end;
    tm__held *got; /* what tm__held_get returned last */
    size_t count;
    tm__table by_series; /* made when it is first needed */
    tm__arena arena;
} tm__held_list;

typedef struct tm__ledger_instance {
    struct tm__ledger_instance *next;
    const char *name;
    uint64_t hash;
    uint64_t last_seq;
    int64_t seen_ms;      /* when it was last heard of: silence counts from here */
    int64_t told_ms;      /* the latest time that was ever told to it: see tm__ledger_may_have_retired */
    bool values_expired;  /* its absolute values are forgotten for good */
    bool had_refusals;    /* some numbers of the batch last_seq were refused */
    tm__held_list values; /* counters and histograms; empty once expired */
    tm__held_list gauges;
    tm__held **by_number; /* of either list, by tm_batch.series; NULL where nothing is remembered */
    size_t number_count;
} tm__ledger_instance;

struct tm__ledger {
    unsigned char id[TM_STORE_ID_BYTES];
    uint64_t revision;        /* batches applied */
    int64_t retired_until_ms; /* the latest told_ms of all instances that were retired; INT64_MIN for none */
    bool changed;             /* since it was made */

    tm__ledger_family *families;
    tm__ledger_family **families_end;
    size_t family_count;
    tm__ledger_series *series;
    tm__ledger_series **series_end;
    size_t series_count;
    tm__ledger_instance *instances;
    tm__ledger_instance **instances_end;
    size_t instance_count;
    size_t calls_until_sweep;

    tm__table by_name;
    tm__table by_printed;
    tm__table by_labels;
    tm__table by_instance;
    tm__arena arena;  /* families and series */
    tm__arena totals; /* of the series; apart, as a batch touches nothing else of a series that it names by number */
};

/* An empty ledger without an id. TM_ENOMEM. */
int tm__ledger_make(tm__ledger **out);

/* NULL if there is none. */
tm__ledger_family *tm__ledger_find_family(const tm__ledger *ledger, const char *name);
tm__ledger_family *tm__ledger_find_printed(const tm__ledger *ledger, const char *printed);
tm__ledger_series *tm__ledger_find_series(const tm__ledger *ledger, tm__ledger_family *family, const char *labels,
                                          size_t labels_len);
tm__ledger_instance *tm__ledger_find_instance(const tm__ledger *ledger, const char *name);

/* A complete description is copied as it is, also that of a histogram without finite bounds, which tm__family_copy
 * alone would take for one without a description of its buckets. TM_ENOMEM. */
int tm__ledger_copy_family(const tm_family *family, tm__arena *arena, tm_family *out);

/* Whether a family of the ledger prints samples of a name that this one would print too. */
bool tm__ledger_has_samples_like(const tm__ledger *ledger, const tm_family *family);

/* Add what is not there yet, at the end of its list. A family must have been checked; neither its name nor its samples'
 * names may be there. TM_ENOMEM: nothing was added. */
int tm__ledger_add_family(tm__ledger *ledger, const tm_family *family, tm__ledger_family **out);
int tm__ledger_add_series(tm__ledger *ledger, tm__ledger_family *family, const char *labels, size_t labels_len,
                          tm__ledger_series **out);

/* 1 to TM__INSTANCE_NAME_MAX bytes, no spaces or control characters, valid as the value of a label. */
TM__SHARED bool tm__instance_name_ok(const char *name);

/* An instance that is in no ledger; one put into a ledger belongs to it. TM_ENOMEM. */
int tm__instance_new(const char *name, size_t len, tm__ledger_instance **out);
void tm__instance_free(tm__ledger_instance *instance);

/* What was remembered by a number of tm_batch.series, or NULL. Without memory for it, nothing is remembered. */
tm__held *tm__instance_recall(const tm__ledger_instance *instance, uint32_t number);
void tm__instance_remember(tm__ledger_instance *instance, uint32_t number, tm__held *held);
void tm__instance_forget_numbers(tm__ledger_instance *instance);
int tm__ledger_put_instance(tm__ledger *ledger, tm__ledger_instance *instance);

/* Adds to the end of a list, which must not be indexed yet; finds or adds. TM_ENOMEM. */
int tm__held_add(tm__held_list *list, tm__ledger_series *series, tm__held **out);
int tm__held_get(tm__held_list *list, tm__ledger_series *series, tm__held **out);
void tm__held_free(tm__held_list *list);

/* The state of the lists before a change, and the way back: what was added since is taken out again. */
typedef struct tm__held_mark {
    tm__held **end;
    size_t count;
    tm__arena_mark arena;
} tm__held_mark;
tm__held_mark tm__held_here(const tm__held_list *list);
void tm__held_back_to(tm__held_list *list, tm__held_mark mark);

typedef struct tm__ledger_mark {
    tm__ledger_family **families_end;
    size_t family_count;
    tm__ledger_series **series_end;
    size_t series_count;
    tm__arena_mark arena;
    tm__arena_mark totals;
} tm__ledger_mark;
tm__ledger_mark tm__ledger_here(const tm__ledger *ledger);
void tm__ledger_back_to(tm__ledger *ledger, tm__ledger_mark mark);

/* Whether an instance has been silent for longer than limit_ms. A clock that went back means no silence. */
bool tm__instance_silent(const tm__ledger_instance *instance, int64_t now_ms, int64_t limit_ms);

/* Notes that an instance was heard of. */
void tm__instance_seen(tm__ledger_instance *instance, int64_t now_ms);

void tm__instance_expire_values(tm__ledger_instance *instance);

/* Drops what the rules say of silent instances. Every so often all are looked at, so that the cost does not grow with
 * their number; the one called `name` each time. */
void tm__ledger_expire(tm__ledger *ledger, const char *name, const tm__ledger_rules *rules, int64_t now_ms);

/* Whether an instance that the ledger does not know may be one that it has retired: it was heard of, by whatever
 * state of the ledger, no later than the last of the retired. Its own last time would not do: the ledger may have
 * gone back to a state before that, and retired it there. */
bool tm__ledger_may_have_retired(const tm__ledger *ledger, const tm_batch *batch);

#endif
