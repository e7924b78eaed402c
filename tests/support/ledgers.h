/* Sending batches to a ledger by hand and reading it, in few words. Every function fails the test if it cannot do its
 * work. */
#ifndef TM_TESTS_LEDGERS_H
#define TM_TESTS_LEDGERS_H

#include <taskermetrics/store.h>

#include "store/ledger_state.h"

#define COUNTER(name_)                                                                            \
    {                                                                                             \
        .size = sizeof(tm_family), .name = name_, .type = TM_TYPE_COUNTER, .help = "", .unit = "" \
    }
#define GAUGE(name_, how)                                                                        \
    {                                                                                            \
        .size = sizeof(tm_family), .name = name_, .type = TM_TYPE_GAUGE, .help = "", .unit = "", \
        .aggregation = TM_AGGREGATE_##how                                                        \
    }

static const double duration_bounds[] = {0.5, 2};
static const tm_family events = COUNTER("events");
static const tm_family others = COUNTER("others");
static const tm_family last = GAUGE("last", LAST);
static const tm_family sum = GAUGE("sum", SUM);
static const tm_family each = GAUGE("each", EACH);
static const tm_family duration = {.size = sizeof(tm_family),
                                   .name = "duration",
                                   .type = TM_TYPE_HISTOGRAM,
                                   .help = "How long",
                                   .unit = "seconds",
                                   .buckets = duration_bounds,
                                   .bucket_count = 2};

/* The rules under which batches are applied and ledgers read. */
extern const tm__ledger_rules ledger_rules;

/* What the ledger said while it answered the last batch. */
typedef struct heard_answer {
    tm_reply reply;
    tm_error error;
    size_t refused_count;
    size_t refused_index[8];
    int refused_status[8];
    size_t memory_count;
    tm_number events;  /* remembered of events{} */
    int refuse_memory; /* set by the test: what the caller says to each remembered number */
} heard_answer;
extern heard_answer heard;

/* What to put into a reply besides. */
int hear_memory(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part, tm_number value);
void hear_refusal(void *ctx, size_t index, int status);

tm_change count_of(const tm_family *family, const char *labels, uint64_t value, uint64_t delta);
tm_change gauge_of_value(const tm_family *family, double value);
tm_change sum_of(double value, double delta); /* of duration{} */

#define CHANGES(...) ((const tm_change[]){__VA_ARGS__}), sizeof((const tm_change[]){__VA_ARGS__}) / sizeof(tm_change)
#define NO_CHANGES NULL, 0

/* Applies a batch, which may fail; the others must not. */
int send_batch(tm__ledger *ledger, const tm_batch *batch, int64_t now_ms);
tm_answer apply_batch(tm__ledger *ledger, const char *instance, uint64_t prev, uint64_t seq, int64_t now_ms,
                      const tm_change *changes, size_t change_count);

/* The same by an instance that the ledger acknowledged before, as `known` says. */
tm_answer apply_known(tm__ledger *ledger, const char *instance, uint64_t prev, uint64_t seq, int64_t now_ms,
                      const tm_reply *known, const tm_change *changes, size_t change_count);

#define assert_answer(call, expected) assert_int_equal(call, TM_ANSWER_##expected)

/* Of the last answer. */
void assert_resynced(uint64_t last_seq, tm_memory memory);

tm__ledger *new_ledger(void);
tm_snapshot *read_ledger(const tm__ledger *ledger, int64_t now_ms, int include_instances);
uint64_t total_of(const tm__ledger *ledger, const char *family, const char *labels);
double gauge_in(const tm__ledger *ledger, int64_t now_ms, const char *family,
                const char *labels); /* NaN: nobody speaks */

tm__buffer encode_ledger(const tm__ledger *ledger);
tm__ledger *decode_ledger(const tm__buffer *bytes);

#endif
