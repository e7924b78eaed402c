/* The ledger: one value that holds everything a store must know for exactly-once sums: an id, the last sequence number,
 * the absolute values and the gauges of each instance, and the totals. Pure: no clock, no input or output. */
#ifndef TM__STORE_LEDGER_H
#define TM__STORE_LEDGER_H

#include <stdint.h>

#include <taskermetrics/store.h>

#include "base/buffer.h"
#include "base/shared.h"

typedef struct tm__ledger tm__ledger;

/* What follows from how long an instance has been silent; see tm_store_options. A batch is a sign of life, also an
 * empty one and a repeated one. */
typedef struct tm__ledger_rules {
    int64_t liveness_ms;   /* then its gauges no longer speak */
    int64_t values_ttl_ms; /* then its absolute values are forgotten, and are not gathered anew: TM_MEMORY_EXPIRED */
    int64_t retention_ms;  /* then all of it is forgotten; its counts stay in the totals */
} tm__ledger_rules;

/* An empty ledger with a new random id. TM_ENOMEM, TM_EIO (no randomness). */
int tm__ledger_new(tm__ledger **out);
TM__SHARED void tm__ledger_free(tm__ledger *ledger);

/* Applies a batch as tm_store_ops.apply describes. All or nothing: on an error no number and no seq has moved.
 * now_ms: the store's clock, milliseconds since 1970. It may go back.
 * A number is refused with TM_ECONFLICT (its family differs from the one that is there, or prints like another),
 * TM_EOVERFLOW, TM_EINVAL (no such part), TM_ELABEL, TM_ENAME. A batch with refused numbers that is sent again is
 * answered with TM_ANSWER_RESYNC, so that the caller learns what was taken.
 * Where the batch numbers its series, those that an instance told before are found by their numbers alone.
 * An instance that the ledger does not know, but may have retired, is told TM_MEMORY_EXPIRED, another
 * TM_MEMORY_NOTHING. The earliest reply->time_ms, brought back as first_time_ms, tells the one from the other. */
int tm__ledger_apply(tm__ledger *ledger, const tm_batch *batch, const tm__ledger_rules *rules, int64_t now_ms,
                     tm_reply *reply, tm_error *error);

/* The encoding: versioned, length-checked, checksummed; the same ledger always gives the same bytes. TM_ENOMEM. */
int tm__ledger_encode(const tm__ledger *ledger, tm__buffer *out);

/* Reads an encoding back. Any bytes are safe: TM_ECORRUPT for what encode cannot have written, TM_EUNSUPPORTED for a
 * later version, TM_ENOMEM. */
TM__SHARED int tm__ledger_decode(const void *bytes, size_t len, tm__ledger **out, tm_error *error);

/* Adds the aggregate to a snapshot. May be called for several ledgers in turn, whose families then unite by name; one
 * that disagrees with a family that is there already is left out. TM_ENOMEM. */
TM__SHARED int tm__ledger_read(const tm__ledger *ledger, const tm_read_options *options, const tm__ledger_rules *rules,
                               int64_t now_ms, tm_snapshot *into, tm_error *error);

/* The step of every store that keeps a ledger as bytes: decodes (len 0: a new ledger), applies, encodes into `out`.
 * `out` is filled if it must be written: after TM_ANSWER_APPLIED, and now and then after TM_ANSWER_DUPLICATE, so that
 * an instance which has nothing to say stays alive. The reply's functions have been called before anything is written:
 * who tries again with other bytes must hold back what the last attempt refused. */
TM__SHARED int tm__ledger_apply_bytes(const void *bytes, size_t len, const tm_batch *batch,
                                      const tm__ledger_rules *rules, int64_t now_ms, tm_reply *reply, tm__buffer *out,
                                      tm_error *error);

#endif
