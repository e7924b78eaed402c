/* The ledger: one value that holds everything a store must know for exactly-once sums: an id, the last sequence number,
 * the absolute values and the gauges of each instance, and the totals. Pure: no clock, no input or output. */
#ifndef TM__STORE_LEDGER_H
#define TM__STORE_LEDGER_H

#include <stdint.h>

#include <taskermetrics/store.h>

#include "base/buffer.h"

typedef struct tm__ledger tm__ledger;

/* How long silence lasts until ... ; see tm_store_options. */
typedef struct tm__ledger_rules {
    int64_t liveness_ms;
    int64_t values_ttl_ms;
    int64_t retention_ms;
} tm__ledger_rules;

/* An empty ledger with a new random id. TM_ENOMEM, TM_EIO (no randomness). */
int tm__ledger_new(tm__ledger **out);
void tm__ledger_free(tm__ledger *ledger);

/* Applies a batch as tm_store_ops.apply describes. All or nothing: on an error no number and no seq has moved.
 * now_ms: the store's clock, milliseconds since 1970. */
int tm__ledger_apply(tm__ledger *ledger, const tm_batch *batch, const tm__ledger_rules *rules, int64_t now_ms,
                     tm_reply *reply, tm_error *error);

/* The encoding: versioned, length-checked, checksummed; the same ledger always gives the same bytes. TM_ENOMEM. */
int tm__ledger_encode(const tm__ledger *ledger, tm__buffer *out);

/* Reads an encoding back. Any bytes are safe: TM_ECORRUPT for what encode cannot have written, TM_EUNSUPPORTED for a later
 * version, TM_ENOMEM. */
int tm__ledger_decode(const void *bytes, size_t len, tm__ledger **out, tm_error *error);

/* Adds the aggregate to a snapshot. May be called for several ledgers in turn, whose families then unite by name. */
int tm__ledger_read(const tm__ledger *ledger, const tm_read_options *options, const tm__ledger_rules *rules,
                    int64_t now_ms, tm_snapshot *into, tm_error *error);

/* The step of every store that keeps a ledger as bytes: decodes (len 0: a new ledger), applies, encodes into `out`.
 * reply->answer tells whether `out` must be written: only after TM_ANSWER_APPLIED is it filled. */
int tm__ledger_apply_bytes(const void *bytes, size_t len, const tm_batch *batch, const tm__ledger_rules *rules,
                           int64_t now_ms, tm_reply *reply, tm__buffer *out, tm_error *error);

#endif
