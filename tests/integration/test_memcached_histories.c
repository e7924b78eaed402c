/* The fault histories against a memcached, which cannot go back to an older state, but can lose any of its items; and
 * many processes at once. */
#include "histories.h"

#include "memcached_case.h"
#include "processes.h"

enum { PARTITIONS = 4, HISTORIES = 15 };

/* What happens to the server beside what the proxy does. */
enum { NOTHING, FLUSHES, LOST_ITEMS, RESTARTS, EVERYTHING };

typedef struct direct_case {
    memcached_case c;
    tm_store *direct; /* without the proxy */
} direct_case;

static void begin(history *h)
{
    direct_case *server = calloc(1, sizeof *server);
    assert_non_null(server);
    h->options.partitions = PARTITIONS;
    server->c = memcached_case_begin_behind_proxy(&h->options);
    h->options.ns = "test";
    server->direct = open_store(server->c.server->url, &h->options);
    h->server = server;
    h->proxy = server->c.proxy;
    h->url = server->c.url;
    h->reader = server->direct;
}

static void end(history *h)
{
    direct_case *server = h->server;
    tm_store_close(server->direct);
    memcached_case_end(&server->c);
    free(server);
}

static void set_fault(history *h)
{
    size_t requests;
    proxy_fault fault = history_draw_fault(h, 5, &requests);
    proxy_set_fault_after(h->proxy, history_draw(h, 2 + PARTITIONS), fault, requests, history_draw(h, 60));
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

static void lose_an_item(history *h)
{
    const direct_case *server = h->server;
    char command[96] = "delete test:layout";
    const char *found = strstr(memcached_tell(server->c.server, "get test:layout", "END\r\n"), "layout 1 ");
    unsigned partitions;
    char generation[33];
    if (found && history_draw(h, 4) > 0) {
        assert_int_equal(sscanf(found, "layout 1 %u %32s", &partitions, generation), 2);
        snprintf(command, sizeof command, "delete test:%s:%u", generation, (unsigned)history_draw(h, partitions));
    }
    memcached_tell(server->c.server, command, "\r\n");
}

static void disturb(history *h)
{
    memcached_server *server = ((direct_case *)h->server)->c.server;
    int now = h->disturbance == EVERYTHING ? FLUSHES + (int)history_draw(h, 3) : h->disturbance;
    if (now == NOTHING || history_draw(h, 60) != 0)
        return;
    if (now == FLUSHES)
        memcached_expect(server, "OK\r\n", "flush_all");
    if (now == LOST_ITEMS)
        lose_an_item(h);
    if (now == RESTARTS) {
        memcached_kill(server);
        memcached_must_revive(server);
    }
}

static void read_totals(history *h, uint64_t totals[HISTORY_FIELDS])
{
    tm_snapshot *snapshot = read_store(h->reader);
    for (size_t i = 0; i < HISTORY_FIELDS; i++) {
        const tm_number *values = values_in(snapshot, history_families[i], history_labels);
        totals[i] = values ? values[0].u : 0;
    }
    tm_snapshot_free(snapshot);
}

static void run_histories(int disturbance)
{
    static const history_server memcached = {begin, end, set_fault, disturb, read_totals};
    history_counts counts = histories_run(&memcached, disturbance, 1 + 100 * (uint64_t)disturbance, HISTORIES);
    assert_true(counts.failed > 0 && counts.duplicates > 0 && (counts.resyncs > 0) == (disturbance != NOTHING));
}

TEST(totals_are_exact_when_requests_and_replies_are_lost_or_late)
{
    run_histories(NOTHING);
}

TEST(totals_are_exact_when_the_server_is_flushed)
{
    run_histories(FLUSHES);
}

TEST(totals_are_exact_when_single_items_are_lost)
{
    run_histories(LOST_ITEMS);
}

TEST(totals_are_exact_when_the_server_restarts)
{
    run_histories(RESTARTS);
}

TEST(totals_are_exact_when_everything_happens)
{
    run_histories(EVERYTHING);
}

/* ---- processes ----------------------------------------------------------------------------------------------- */

TEST(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt)
{
    memcached_server *server = memcached_must_start(NULL);
    processes_run(&(processes_plan){.url = server->url, .processes = 16, .syncs = 1000, .kills = 6});
    memcached_stop(server);
}

TEST(sixteen_processes_that_overtake_each_other_in_one_partition_count_once)
{
    memcached_server *server = memcached_must_start(NULL);
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.partitions = 1;
    tm_store_close(open_store(server->url, &options)); /* for all that follow */
    processes_run(&(processes_plan){.url = server->url, .processes = 16, .syncs = 200, .kills = 4});
    memcached_stop(server);
}

TEST_MAIN("memcached_histories", T_LIMIT(totals_are_exact_when_requests_and_replies_are_lost_or_late, 180),
          T_LIMIT(totals_are_exact_when_the_server_is_flushed, 180),
          T_LIMIT(totals_are_exact_when_single_items_are_lost, 180),
          T_LIMIT(totals_are_exact_when_the_server_restarts, 180),
          T_LIMIT(totals_are_exact_when_everything_happens, 180),
          T_LIMIT(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt, 180),
          T_LIMIT(sixteen_processes_that_overtake_each_other_in_one_partition_count_once, 180))
