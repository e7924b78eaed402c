/* What a memcached may answer to gets: any bytes are items of what was asked for, in order, or refused; and what is
 * inside the items is a layout, a ledger, or refused. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/ledger.h"
#include "store/memcached/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTITIONS = 3, MOST_BYTES = 64 * 1024 }; /* what a socket takes without a reader */

static void check(int condition)
{
    if (!condition)
        abort();
}

/* Which items came, and the last of them. */
typedef struct received {
    size_t count;
    size_t last_id;
} received;

static void read_partition(const tm__memcached_item *item)
{
    tm__ledger *ledger = NULL;
    tm_error error = {0};
    int status = tm__ledger_decode(item->bytes, item->len, &ledger, &error);
    check(status == TM_OK || (error.status == status && error.text[0] != '\0'));
    tm__ledger_free(ledger);
}

static void read_layout(const tm__memcached_item *item)
{
    tm__memcached_layout layout;
    tm_error error = {0};
    int status = tm__memcached_layout_read(item->bytes, item->len, &layout, &error);
    check(status == TM_OK || (error.status == status && error.text[0] != '\0'));
    if (status != TM_OK)
        return;
    char text[TM__MEMCACHED_LAYOUT_BYTES];
    check(tm__memcached_layout_write(&layout, text) == item->len && memcmp(text, item->bytes, item->len) == 0);
}

static int take(void *ctx, size_t id, const tm__memcached_item *item, tm_error *error)
{
    (void)error;
    received *r = ctx;
    check(id <= PARTITIONS && (r->count == 0 || id > r->last_id) && item->len <= MOST_BYTES);
    r->count++;
    r->last_id = id;
    if (id == 0)
        read_layout(item);
    else
        read_partition(item);
    return TM_OK;
}

static void name_keys(tm__memcached_keys *keys)
{
    const tm__memcached_layout layout = {.partition_count = PARTITIONS,
                                         .generation = "0123456789abcdef0123456789abcdef"};
    tm__memcached_layout_key("n", keys->texts[0]);
    for (size_t p = 0; p < PARTITIONS; p++)
        tm__memcached_partition_key("n", &layout, p, keys->texts[1 + p]);
    for (size_t i = 0; i <= PARTITIONS; i++)
        keys->ids[i] = i;
    keys->count = 1 + PARTITIONS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tm__memcached_keys keys;
    int pair[2];
    tm__memcached_server server;
    tm_error error = {0};
    received r = {0};
    name_keys(&keys);
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    check(tm__memcached_server_init(&server, "nowhere", 7, &error) == TM_OK);
    server.connection.fd = pair[0];
    server.fresh = true;
    check(size == 0 || write(pair[1], data, size < MOST_BYTES ? size : MOST_BYTES) > 0);
    shutdown(pair[1], SHUT_WR);
    int status = tm__memcached_answer(&server, &keys, take, &r, tm__monotonic_ns() + INT64_C(60000000000), &error);
    check(status == TM_OK || (error.status == status && error.text[0] != '\0' && server.connection.fd < 0));
    tm__memcached_server_free(&server);
    close(pair[1]);
    return 0;
}
