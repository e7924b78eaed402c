/* Sync: bringing what a registry has recorded into a store, each count exactly once. */
#ifndef TASKERMETRICS_SYNC_H
#define TASKERMETRICS_SYNC_H

#include <taskermetrics/base.h>
#include <taskermetrics/store.h>

TM_BEGIN_DECLS

typedef struct tm_sync_report {
    size_t size;
    tm_strategy strategy;
    uint64_t batches;       /* batches acknowledged */
    uint64_t series_sent;   /* series in them */
    uint64_t duplicates;    /* batches the store had already: an earlier reply was lost */
    uint64_t resyncs;       /* times the store's memory differed from ours and we started again from it */
    uint64_t failed_fields; /* numbers the store refused; they are sent again next time */
    uint64_t retries;       /* batches sent again within this call */
    uint64_t bytes;         /* to and from the store */
    int64_t duration_ns;
    tm_error error; /* status TM_OK, or the first thing that went wrong */
} tm_sync_report;

/* clang-format off */
#define TM_SYNC_REPORT_INIT { sizeof(tm_sync_report), TM_STRATEGY_LOCAL_ONLY, 0, 0, 0, 0, 0, 0, 0, 0, { 0, "" } }
/* clang-format on */

/* Sends everything that changed since the last acknowledged sync. Safe to repeat and to interrupt: a count arrives
 * once, whatever is lost on the way. Recording goes on meanwhile. Takes at most the store's sync_timeout_ms.
 * report: NULL, or receives what happened; its size must be set (TM_SYNC_REPORT_INIT) or 0.
 * Errors: TM_EBUSY (another sync of this registry is running), TM_EINVAL, TM_ENOMEM, TM_EFIELD (part was refused),
 *   TM_ELOST, and what the store says: TM_ETIMEOUT, TM_EUNAVAILABLE, TM_ENOSPC ... On an error nothing is lost: the
 *   next sync goes on.
 * Threads: any; one at a time for each registry. Ownership: none. */
TM_API int tm_sync_to_cache(tm_registry *registry, tm_store *store, tm_sync_report *report);

TM_END_DECLS

#endif
