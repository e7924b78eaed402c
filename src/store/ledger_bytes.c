#include "base/error.h"
#include "store/ledger_state.h"

int tm__ledger_apply_bytes(const void *bytes, size_t len, const tm_batch *batch, const tm__ledger_rules *rules,
                           int64_t now_ms, tm_reply *reply, tm__buffer *out, tm_error *error)
{
    tm__ledger *ledger;
    int status = len > 0 ? tm__ledger_decode(bytes, len, &ledger, error) : tm__ledger_new(&ledger);
    if (status != TM_OK)
        return len > 0 ? status : tm__fail(error, status, "ledger: %s", tm_status_text(status));
    tm_batch alone = *batch;
    alone.series = NULL; /* there is no next batch to remember them for */
    status = tm__ledger_apply(ledger, &alone, rules, now_ms, reply, error);
    if (status == TM_OK && ledger->changed && tm__ledger_encode(ledger, out) != TM_OK)
        status = tm__fail(error, TM_ENOMEM, "ledger: %s", tm_status_text(TM_ENOMEM));
    tm__ledger_free(ledger);
    return status;
}
