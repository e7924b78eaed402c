/* Ledgers: any bytes are decoded or refused; what is decoded encodes to the same bytes, and can be read, changed and
 * encoded again. */
#include <stdlib.h>
#include <string.h>

#include <taskermetrics/snapshot.h>

#include "base/hash.h"
#include "store/ledger.h"
#include "store/ledger_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const tm__ledger_rules rules = {.liveness_ms = 300000, .values_ttl_ms = 3600000, .retention_ms = 604800000};

static void check(int condition)
{
    if (!condition)
        abort();
}

static int remember(void *ctx, const char *family, const char *labels, size_t labels_bytes, size_t part,
                    tm_number value)
{
    (void)ctx, (void)part, (void)value;
    check(family[0] != '\0' && (labels || labels_bytes == 0));
    return TM_OK;
}

static void refuse(void *ctx, size_t index, int status)
{
    (void)ctx;
    check(index < 2 && status != TM_OK);
}

static void read_all(const tm__ledger *ledger)
{
    tm_read_options options = {.size = sizeof options, .include_instances = 1};
    tm_snapshot *snapshot;
    tm_error error;
    check(tm_snapshot_new(0, &snapshot) == TM_OK);
    check(tm__ledger_read(ledger, &options, &rules, INT64_C(1700000000000), snapshot, &error) == TM_OK);
    tm_snapshot_free(snapshot);
}

static void apply(tm__ledger *ledger, uint64_t prev, uint64_t seq)
{
    static const tm_family counter = {
        .size = sizeof counter, .name = "events", .type = TM_TYPE_COUNTER, .help = "", .unit = ""};
    static const tm_family gauge = {
        .size = sizeof gauge, .name = "level", .type = TM_TYPE_GAUGE, .help = "", .unit = ""};
    const tm_change changes[] = {{&counter, "", 0, 0, {.u = 5}, {.u = 5}}, {&gauge, "", 0, 0, {.d = 1}, {.d = 1}}};
    const tm_batch batch = {.instance = "i", .prev = prev, .seq = seq, .changes = changes, .change_count = 2};
    tm_reply reply = {.remembered = remember, .refused = refuse};
    tm_error error;
    check(tm__ledger_apply(ledger, &batch, &rules, INT64_C(1700000000000), &reply, &error) == TM_OK);
}

static void check_bytes(const void *bytes, size_t len)
{
    tm__ledger *ledger = NULL;
    tm_error error = {0};
    int status = tm__ledger_decode(bytes, len, &ledger, &error);
    check((status == TM_OK) == (ledger != NULL) && status == error.status);
    if (status != TM_OK) {
        check((status == TM_ECORRUPT || status == TM_EUNSUPPORTED) && error.text[0] != '\0');
        return;
    }
    tm__buffer again = {0};
    check(tm__ledger_encode(ledger, &again) == TM_OK);
    check(again.len == len && memcmp(again.data, bytes, len) == 0);
    tm__buffer_free(&again);
    read_all(ledger);
    apply(ledger, 0, 1);
    apply(ledger, 7, 8);
    read_all(ledger);
    check(tm__ledger_encode(ledger, &again) == TM_OK);
    tm__ledger_free(ledger);
    check(tm__ledger_decode(again.data, again.len, &ledger, &error) == TM_OK);
    tm__ledger_free(ledger);
    tm__buffer_free(&again);
}

static void put_fixed(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

/* As they are, and with a good header and checksum around them, which no fuzzer would find. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_bytes(data, size);
    if (size < TM__LEDGER_HEADER_BYTES + TM__LEDGER_CHECKSUM_BYTES)
        return 0;
    uint8_t *sealed = malloc(size);
    if (!sealed)
        return 0;
    size_t end = size - TM__LEDGER_CHECKSUM_BYTES;
    memcpy(sealed, data, size);
    memcpy(sealed, TM__LEDGER_MAGIC, strlen(TM__LEDGER_MAGIC));
    put_fixed(sealed + 8, TM__LEDGER_VERSION, 4);
    put_fixed(sealed + 12, size, 8);
    put_fixed(sealed + end, tm__hash(sealed, end, 0), TM__LEDGER_CHECKSUM_BYTES);
    check_bytes(sealed, size);
    free(sealed);
    return 0;
}
