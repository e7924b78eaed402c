/* The real ledger behind the faulty channel; a saved state is its encoding. */
#include <stdlib.h>

#include "faulty_store.h"
#include "store/ledger.h"
#include "test.h"

int64_t ledger_backend_now_ms = 1000000;

static const tm__ledger_rules rules = {.liveness_ms = 300000, .values_ttl_ms = 3600000, .retention_ms = 604800000};

typedef struct ledger_server {
    tm__ledger *ledger;
} ledger_server;

static int apply(void *self, const tm_batch *batch, tm_reply *reply, tm_error *error)
{
    return tm__ledger_apply(((ledger_server *)self)->ledger, batch, &rules, ledger_backend_now_ms, reply, error);
}

static int read_totals(void *self, const tm_read_options *options, tm_snapshot *into, tm_error *error)
{
    return tm__ledger_read(((ledger_server *)self)->ledger, options, &rules, ledger_backend_now_ms, into, error);
}

static void *save(void *self)
{
    tm__buffer *saved = calloc(1, sizeof *saved);
    assert_ok(tm__ledger_encode(((ledger_server *)self)->ledger, saved));
    return saved;
}

static void restore(void *self, const void *saved)
{
    ledger_server *server = self;
    const tm__buffer *bytes = saved;
    tm_error error;
    tm__ledger_free(server->ledger);
    assert_ok(tm__ledger_decode(bytes->data, bytes->len, &server->ledger, &error));
}

static void discard(void *saved)
{
    tm__buffer_free(saved);
    free(saved);
}

static void flush(void *self)
{
    ledger_server *server = self;
    tm__ledger_free(server->ledger);
    assert_ok(tm__ledger_new(&server->ledger));
}

static void close_server(void *self)
{
    tm__ledger_free(((ledger_server *)self)->ledger);
    free(self);
}

void *ledger_backend_new(void)
{
    ledger_server *server = calloc(1, sizeof *server);
    assert_ok(tm__ledger_new(&server->ledger));
    return server;
}

const faulty_backend ledger_backend = {.apply = apply,
                                       .read = read_totals,
                                       .save = save,
                                       .restore = restore,
                                       .discard = discard,
                                       .flush = flush,
                                       .close = close_server};
