/* The fault histories against Redis; and many processes at once. */
#include "histories.h"

#include <stdbool.h>

#include "processes.h"
#include "redis_case.h"

enum { HISTORIES = 20, SAVED_STATES = 3 };
enum { ROLLS_BACK = 1, IS_FLUSHED = 2 }; /* what the server does, or both */

typedef struct saving_case {
    redis_case c;
    int saved; /* states of the server, in the databases from 1 on */
} saving_case;

static void begin(history *h)
{
    saving_case *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->c = redis_case_begin_behind_proxy(NULL);
    h->server = server;
    h->proxy = server->c.proxy;
    h->url = server->c.url;
    h->reader = server->c.store;
}

static void end(history *h)
{
    saving_case *server = h->server;
    redis_case_end(&server->c);
    free(server);
}

static void set_fault(history *h)
{
    saving_case *server = h->server;
    size_t requests;
    proxy_fault fault = history_draw_fault(h, 4, &requests);
    proxy_set_fault(h->proxy, fault, requests, history_draw(h, 60));
    if (history_draw(h, 20) == 0)
        redis_tell(server->c.server, "SCRIPT", "FLUSH");
}

static void copy_database(redis_server *server, int from, int to)
{
    static const char script[] = "redis.call('SELECT', ARGV[2]) redis.call('FLUSHDB') redis.call('SELECT', ARGV[1]) "
                                 "for _, key in ipairs(redis.call('KEYS', '*')) do "
                                 "redis.call('COPY', key, key, 'DB', ARGV[2]) end return 1";
    char from_text[16];
    char to_text[16];
    snprintf(from_text, sizeof from_text, "%d", from);
    snprintf(to_text, sizeof to_text, "%d", to);
    redis_expect(server, "1", "EVAL", script, "0", from_text, to_text);
}

static void disturb(history *h)
{
    saving_case *server = h->server;
    if (history_draw(h, 50) == 0)
        copy_database(server->c.server, 0, 1 + server->saved++ % SAVED_STATES);
    if (h->disturbance & ROLLS_BACK && server->saved > 0 && history_draw(h, 100) == 0) {
        int states = server->saved < SAVED_STATES ? server->saved : SAVED_STATES;
        copy_database(server->c.server, 1 + (int)history_draw(h, (uint64_t)states), 0);
    }
    if (h->disturbance & IS_FLUSHED && history_draw(h, 150) == 0)
        redis_tell(server->c.server, "FLUSHDB");
}

static void read_totals(history *h, uint64_t totals[HISTORY_FIELDS])
{
    saving_case *server = h->server;
    for (size_t i = 0; i < HISTORY_FIELDS; i++) {
        char field[64];
        snprintf(field, sizeof field, "%s_total{%s}", history_families[i], history_labels);
        char *text = redis_ask(server->c.server, "HGET", "{test}:totals", field);
        totals[i] = strtoull(text, NULL, 10); /* "(nil)" is 0 */
        free(text);
    }
}

static void run_histories(int disturbance)
{
    static const history_server redis = {begin, end, set_fault, disturb, read_totals};
    history_counts counts = histories_run(&redis, disturbance, 1 + 1000 * (uint64_t)disturbance, HISTORIES);
    assert_true(counts.failed > HISTORIES && counts.duplicates > HISTORIES);
    assert_true(disturbance ? counts.resyncs > HISTORIES / 2 : counts.resyncs == 0);
}

TEST(totals_are_exact_when_requests_and_replies_are_lost_or_late)
{
    run_histories(0);
}

TEST(totals_are_exact_when_the_server_rolls_back)
{
    run_histories(ROLLS_BACK);
}

TEST(totals_are_exact_when_the_server_is_flushed)
{
    run_histories(IS_FLUSHED);
}

TEST(totals_are_exact_when_everything_happens)
{
    run_histories(ROLLS_BACK | IS_FLUSHED);
}

/* ---- processes ----------------------------------------------------------------------------------------------- */

TEST(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt)
{
    redis_server *server = redis_server_start(REDIS_PLAIN);
    char *url = redis_server_url(server);
    processes_run(&(processes_plan){.url = url, .processes = 16, .syncs = 1000, .kills = 6});
    redis_server_stop(server);
    free(url);
}

TEST_MAIN("redis_histories", T_LIMIT(totals_are_exact_when_requests_and_replies_are_lost_or_late, 180),
          T_LIMIT(totals_are_exact_when_the_server_rolls_back, 180),
          T_LIMIT(totals_are_exact_when_the_server_is_flushed, 180),
          T_LIMIT(totals_are_exact_when_everything_happens, 180),
          T_LIMIT(sixteen_processes_of_which_some_are_killed_lose_at_most_the_batch_in_doubt, 180))
