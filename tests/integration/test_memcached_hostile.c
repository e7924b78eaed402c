/* The Memcached store against a server that says what it likes: no crash, no memory beyond bounds, no lost deadline, no
 * lie. */
#include <stdbool.h>
#include <sys/resource.h>

#include "fake_server.h"
#include "memcached_case.h"

enum { TIMEOUT_MS = 300, GENEROUS_MS = 10000, MEMORY_MIB = 64, MANY = 1 << 20 };

#define SETTINGS "STAT item_size_max 1048576\r\nEND\r\n"
#define GENERATION "0123456789abcdef0123456789abcdef"
#define PLAIN_LAYOUT "taskermetrics layout 1 4 " GENERATION
#define LAYOUT "VALUE test:layout 0 57 1\r\n" PLAIN_LAYOUT "\r\n"

/* A sanitizer's own memory says nothing about ours. */
static bool memory_tells(void)
{
    const char *sanitizer = getenv("TM_SANITIZER");
    return !sanitizer || !sanitizer[0];
}

static long peak_mib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss / 1024;
}

/* ---- scripts ------------------------------------------------------------------------------------------------- */

/* What comes after the settings: a text, repeated. */
typedef struct saying {
    const char *settings; /* NULL: SETTINGS */
    const char *text;
    size_t repeats;
} saying;

static void say(int client, void *ctx)
{
    const saying *s = ctx;
    char line[8192];
    if (!fake_hear_line(client, line, sizeof line) || !fake_say(client, s->settings ? s->settings : SETTINGS))
        return;
    while (fake_hear_line(client, line, sizeof line))
        for (size_t i = 0; i < s->repeats; i++)
            if (!fake_say(client, s->text))
                return;
}

/* ---- what must hold ------------------------------------------------------------------------------------------ */

typedef struct attack {
    fake_server *server;
    tm_store *store;
    tm_registry *registry;
    long before_mib;
} attack;

static attack begin(fake_script script, void *ctx)
{
    attack a = {.server = fake_server_start(script, ctx), .registry = new_registry(), .before_mib = peak_mib()};
    char url[64];
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = TIMEOUT_MS;
    options.skip_if_unavailable = 1;
    options.ns = "test";
    snprintf(url, sizeof url, "memcached://127.0.0.1:%u/", fake_server_port(a.server));
    tm_error error;
    int64_t start_ns = tm_monotonic_ns();
    int status = tm_store_open(url, &options, &a.store, &error);
    assert_in_range(tm_monotonic_ns() - start_ns, 0, GENEROUS_MS * INT64_C(1000000));
    assert_true(status == TM_OK || error.text[0] != '\0');
    for (int i = 0; i < 50; i++) {
        char name[24];
        snprintf(name, sizeof name, "tasks_%d", i);
        assert_ok(tm_count(a.registry, name, 1, TM_NO_LABELS));
    }
    return a;
}

/* Opening, syncing and reading fail in time, with a text, and without much memory. */
static void end(attack *a)
{
    tm_sync_report report = TM_SYNC_REPORT_INIT;
    tm_snapshot *snapshot = NULL;
    tm_error error = {0};
    for (int i = 0; a->store && i < 2; i++) {
        assert_int_not_equal(tm_sync_to_cache(a->registry, a->store, &report), TM_OK);
        assert_in_range(report.duration_ns, 0, GENEROUS_MS * INT64_C(1000000));
        assert_true(report.error.text[0] != '\0');
        assert_int_equal(report.batches, 0);
        int64_t start_ns = tm_monotonic_ns();
        (void)tm_store_read(a->store, NULL, &snapshot, &error);
        assert_in_range(tm_monotonic_ns() - start_ns, 0, GENEROUS_MS * INT64_C(1000000));
        tm_snapshot_free(snapshot);
    }
    if (memory_tells() && peak_mib() - a->before_mib > MEMORY_MIB)
        fail_msg("took %ld MiB", peak_mib() - a->before_mib);
    tm_store_close(a->store);
    fake_server_stop(a->server);
    tm_registry_free(a->registry);
}

static void attack_with(saying s)
{
    attack a = begin(say, &s);
    end(&a);
}

static void attack_after_settings(const char *text, size_t repeats)
{
    attack_with((saying){.text = text, .repeats = repeats});
}

/* ---- the attacks --------------------------------------------------------------------------------------------- */

TEST(garbage_is_no_reply)
{
    const char *const garbage[] = {"\r\n",
                                   "\n",
                                   "END\n",
                                   "\x01\x02\x03\xff\r\n",
                                   "HTTP/1.1 400 Bad Request\r\n\r\n",
                                   "-ERR unknown command\r\n",
                                   "STORED\r\n",
                                   "VALUE\r\n",
                                   "VALUE \r\n",
                                   "VALUE test:layout\r\n",
                                   "VALUE test:layout 0\r\n",
                                   "VALUE test:layout 0 5\r\nhello\r\nEND\r\n",
                                   "VALUE test:layout 0 5 \r\nhello\r\nEND\r\n",
                                   "VALUE test:layout 0 5 x\r\nhello\r\nEND\r\n",
                                   "VALUE test:layout 0 -1 1\r\nhello\r\nEND\r\n",
                                   "VALUE test:layout 0 4 1\r\nhello\r\nEND\r\n",
                                   "VALUE test:layout 0 6 1\r\nhello\r\nEND\r\n",
                                   "VALUE test:layout 0 5 99999999999999999999\r\nhello\r\nEND\r\n",
                                   "VALUE other:layout 0 5 1\r\nhello\r\nEND\r\n",
                                   "ERROR\r\n",
                                   "SERVER_ERROR \x1b[31m\r\n",
                                   "CLIENT_ERROR unauthenticated\r\n"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        attack_after_settings(garbage[i], 1);
}

TEST(an_endless_line_is_cut_off)
{
    attack_after_settings("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                          MANY);
    attack_with((saying){.settings = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .text = "aaaaaaaaaaaaaa", .repeats = MANY});
}

TEST(a_length_that_is_only_claimed_takes_no_memory)
{
    const char *const lengths[] = {"18446744073709551615",
                                   "18446744073709551614",
                                   "18446744073709551616",
                                   "9223372036854775807",
                                   "4294967295",
                                   "4000000000",
                                   "8388609",
                                   "8388608",
                                   "1048576"};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char head[96];
        snprintf(head, sizeof head, "VALUE test:layout 0 %s 1\r\n", lengths[i]);
        attack_after_settings(head, 1);
        attack_after_settings(head, MANY);
    }
}

/* Sends what it claims, for as long as somebody listens. */
static void flood(int client, void *ctx)
{
    static char bytes[1 << 16];
    char line[8192];
    memset(bytes, 'b', sizeof bytes);
    if (!fake_hear_line(client, line, sizeof line) || !fake_say(client, SETTINGS))
        return;
    bool listens = fake_hear_line(client, line, sizeof line) && fake_say(client, ctx);
    while (listens)
        listens = fake_send(client, bytes, sizeof bytes);
}

TEST(a_flood_is_not_kept)
{
    char four_gigabytes[] = "VALUE test:layout 0 4000000000 1\r\n";
    char eight_megabytes[] = "VALUE test:layout 0 8388608 1\r\n";
    char line[] = "VALUE test:layout";
    char *const heads[] = {four_gigabytes, eight_megabytes, line};
    for (size_t i = 0; i < 3; i++) {
        attack a = begin(flood, heads[i]);
        end(&a);
    }
}

TEST(a_long_key_is_not_ours)
{
    static const char end[] = " 0 1 1\r\nx\r\nEND\r\n";
    static char line[2000];
    memset(line, 'k', sizeof line);
    memcpy(line, "VALUE ", 6);
    memcpy(line + sizeof line - sizeof end, end, sizeof end);
    attack_after_settings(line, 1);
}

TEST(settings_without_end_are_cut_off)
{
    static char settings[400000];
    for (size_t at = 0; at + 40 < sizeof settings; at += 23)
        memcpy(settings + at, "STAT some_setting 100\r\n", 24);
    attack_with((saying){.settings = settings, .text = "END\r\n", .repeats = 1});
    attack_with(
        (saying){.settings = "STAT item_size_max 99999999999999999999999\r\nEND\r\n", .text = "x", .repeats = 1});
    attack_with((saying){.settings = "STAT item_size_max 0\r\nEND\r\n", .text = LAYOUT "END\r\n", .repeats = 1});
    attack_with((saying){.settings = "END\r\nEND\r\n", .text = LAYOUT "END\r\n", .repeats = 1});
    attack_with((saying){.settings = "nonsense\r\n", .text = LAYOUT "END\r\n", .repeats = 1});
}

TEST(more_than_was_asked_for_is_refused)
{
    attack_after_settings(LAYOUT "END\r\nEND\r\n", 1);
    attack_after_settings(LAYOUT LAYOUT "END\r\n", 1);
    attack_after_settings(LAYOUT, MANY);
    attack_after_settings(LAYOUT "VALUE test:" GENERATION ":9 0 1 1\r\nx\r\nEND\r\n", 1);
    attack_after_settings(
        LAYOUT "VALUE test:" GENERATION ":1 0 1 1\r\nx\r\nVALUE test:" GENERATION ":0 0 1 1\r\nx\r\nEND\r\n", 1);
}

TEST(silence_and_sudden_ends_are_bounded)
{
    attack_with((saying){.settings = "", .text = "", .repeats = 0});
    attack_with((saying){.settings = "STAT a", .text = "", .repeats = 0});
    attack_after_settings("", 0);
    attack_after_settings("VALUE test:layout 0 100 1\r\nabc", 1);
}

static void hang_up(int client, void *ctx)
{
    (void)client, (void)ctx;
}

TEST(a_server_that_hangs_up_is_unavailable)
{
    attack a = begin(hang_up, NULL);
    end(&a);
}

/* Plays a server whose partitions are all as large as they may be, and full of nonsense. */
static void give_large_nonsense(int client, void *ctx)
{
    static char value[(2 << 20) + 2];
    memset(value, 'v', sizeof value);
    memcpy(value + sizeof value - 2, "\r\n", 2);
    char line[8192];
    (void)ctx;
    if (!fake_hear_line(client, line, sizeof line) || !fake_say(client, "STAT item_size_max 134217728\r\nEND\r\n"))
        return;
    while (fake_hear_line(client, line, sizeof line)) {
        char *rest = line;
        for (char *key = strsep(&rest, " "); key; key = strsep(&rest, " ")) {
            char head[300];
            snprintf(head, sizeof head, "VALUE %.200s 0 %zu 1\r\n", key, sizeof value - 2);
            if (strcmp(key, "gets") == 0 || strcmp(key, "gats") == 0 || !strchr(key, ':'))
                continue;
            bool is_layout = strstr(key, "layout");
            const char *text = "VALUE test:layout 0 58 1\r\ntaskermetrics layout 1 64 " GENERATION "\r\n";
            if (is_layout ? !fake_say(client, text)
                          : !fake_say(client, head) || !fake_send(client, value, sizeof value))
                return;
        }
        if (!fake_say(client, "END\r\n"))
            return;
    }
}

TEST(large_nonsense_in_every_partition_takes_bounded_memory)
{
    attack a = begin(give_large_nonsense, NULL);
    end(&a);
}

/* Random pieces of the protocol, thrown together. */
static void babble(int client, void *ctx)
{
    static const char *const pieces[] = {"VALUE ",    "test:layout", " ",          "0",
                                         "5",         "58",          "\r\n",       "\r",
                                         "\n",        "END\r\n",     "STORED\r\n", "EXISTS\r\n",
                                         "hello",     PLAIN_LAYOUT,  "STAT ",      "item_size_max",
                                         "ERROR\r\n", LAYOUT,        SETTINGS,     "test:" GENERATION ":1"};
    uint64_t *random = ctx;
    char line[8192];
    while (fake_hear_line(client, line, sizeof line))
        for (*random = *random * 6364136223846793005u + 1442695040888963407u; *random >> 60;
             *random = *random * 6364136223846793005u + 1442695040888963407u)
            if (!fake_say(client, pieces[(*random >> 33) % (sizeof pieces / sizeof pieces[0])]))
                return;
}

TEST(babble_does_no_harm)
{
    uint64_t random = 1;
    fake_server *server = fake_server_start(babble, &random);
    tm_store_options options = TM_STORE_OPTIONS_INIT;
    options.sync_timeout_ms = 20;
    options.skip_if_unavailable = 1;
    options.ns = "test";
    char url[64];
    snprintf(url, sizeof url, "memcached://127.0.0.1:%u/", fake_server_port(server));
    tm_registry *registry = new_registry();
    int failed = 0;
    for (int i = 0; i < 300; i++) {
        tm_store *store = NULL;
        assert_ok(tm_count(registry, "tasks", 1, TM_NO_LABELS));
        if (tm_store_open(url, &options, &store, NULL) == TM_OK)
            failed += tm_sync_to_cache(registry, store, NULL) != TM_OK;
        tm_store_close(store);
    }
    assert_true(failed > 10);
    tm_registry_free(registry);
    fake_server_stop(server);
}

TEST_MAIN("memcached_hostile", T(garbage_is_no_reply), T(an_endless_line_is_cut_off),
          T(a_length_that_is_only_claimed_takes_no_memory), T(a_flood_is_not_kept), T(a_long_key_is_not_ours),
          T(settings_without_end_are_cut_off), T(more_than_was_asked_for_is_refused),
          T(silence_and_sudden_ends_are_bounded), T(a_server_that_hangs_up_is_unavailable),
          T(large_nonsense_in_every_partition_takes_bounded_memory), T(babble_does_no_harm))
