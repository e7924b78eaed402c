/* The parts of the Memcached store that need no server: the layout's text, keys, and which server a partition is on. */
#include "store/memcached/cluster.h"
#include "test.h"

#define GENERATION "0123456789abcdef0123456789abcdef"

TEST(a_layout_reads_back)
{
    const size_t counts[] = {1, 64, 4096};
    for (size_t i = 0; i < 3; i++) {
        tm__memcached_layout written;
        tm__memcached_layout read;
        tm_error error;
        char text[TM__MEMCACHED_LAYOUT_BYTES];
        assert_ok(tm__memcached_layout_new(counts[i], &written, &error));
        size_t len = tm__memcached_layout_write(&written, text);
        assert_in_range(len, 57, TM__MEMCACHED_LAYOUT_BYTES - 1);
        assert_ok(tm__memcached_layout_read(text, len, &read, &error));
        assert_int_equal(read.partition_count, counts[i]);
        assert_string_equal(read.generation, written.generation);
    }
}

TEST(a_later_layout_is_newer_and_no_two_are_alike)
{
    tm__memcached_layout layouts[3];
    tm_error error;
    for (size_t i = 0; i < 3; i++)
        assert_ok(tm__memcached_layout_new(64, &layouts[i], &error));
    assert_string_not_equal(layouts[0].generation, layouts[1].generation);
    assert_true(strncmp(layouts[0].generation, layouts[2].generation, 12) <= 0); /* the time stands in front */
}

TEST(what_no_layout_is_is_refused)
{
    const struct {
        const char *text;
        int status;
    } bad[] = {
        {"", TM_ECORRUPT},
        {"taskermetrics layout", TM_ECORRUPT},
        {"taskermetrics layout 1 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 64 ", TM_ECORRUPT},
        {"taskermetrics layout 1 64 " GENERATION "0", TM_ECORRUPT},
        {"taskermetrics layout 1 64 " GENERATION "\n", TM_ECORRUPT},
        {"taskermetrics layout 1 64  " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 0 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 064 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 +64 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 -64 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 4097 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 18446744073709551617 " GENERATION, TM_ECORRUPT},
        {"taskermetrics layout 1 64 0123456789ABCDEF0123456789abcdef", TM_ECORRUPT},
        {"taskermetrics layout 1 64 0123456789abcdef 123456789abcdef", TM_ECORRUPT},
        {"taskermetrics layout 12 64 " GENERATION, TM_EUNSUPPORTED},
        {"taskermetrics layout 2 and all that follows", TM_EUNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm__memcached_layout layout;
        tm_error error = {0};
        int status = tm__memcached_layout_read(bad[i].text, strlen(bad[i].text), &layout, &error);
        if (status != bad[i].status)
            fail_msg("\"%s\" is %s", bad[i].text, tm_status_name(status));
        assert_int_equal(error.status, status);
    }
    tm__memcached_layout layout;
    tm_error error;
    const char nul[] = "taskermetrics layout 1 64 0123456789abcdef\0"
                       "123456789abcdef";
    assert_status(tm__memcached_layout_read(nul, sizeof nul - 1, &layout, &error), TM_ECORRUPT);
    assert_ok(tm__memcached_layout_read("taskermetrics layout 1 64 " GENERATION, 58, &layout, &error));
}

TEST(keys_are_what_the_protocol_allows)
{
    char ns[65];
    char key[TM__MEMCACHED_KEY_BYTES];
    tm__memcached_layout layout = {.partition_count = 4096, .generation = GENERATION};
    memset(ns, 'n', 64);
    ns[64] = '\0';
    tm__memcached_layout_key("tasker", key);
    assert_string_equal(key, "tasker:layout");
    tm__memcached_partition_key("tasker", &layout, 17, key);
    assert_string_equal(key, "tasker:" GENERATION ":17");
    tm__memcached_partition_key(ns, &layout, 4095, key);
    assert_int_equal(strlen(key), 64 + 1 + 32 + 1 + 4);
}

/* ---- servers ------------------------------------------------------------------------------------------------- */

static void begin(tm__memcached_cluster *cluster, const char *hosts)
{
    tm_error error;
    *cluster = (tm__memcached_cluster){0};
    if (tm__memcached_cluster_init(cluster, hosts, &error) != TM_OK)
        fail_msg("%s: %s", hosts, error.text);
}

static const char *place_of(const tm__memcached_cluster *cluster, size_t partition)
{
    return cluster->servers[cluster->places[partition]].name;
}

TEST(servers_are_named_one_way_and_ordered)
{
    tm__memcached_cluster cluster;
    begin(&cluster, "b.example,[::1]:7,A-host:99,10.0.0.1,[fe80::AB]");
    const char *const names[] = {"10.0.0.1:11211", "[::1]:7", "[fe80::ab]:11211", "a-host:99", "b.example:11211"};
    assert_int_equal(cluster.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(cluster.servers[i].name, names[i]);
    tm__memcached_cluster_free(&cluster);
}

TEST(partitions_are_spread_evenly_whatever_the_order)
{
    tm__memcached_cluster one;
    tm__memcached_cluster other;
    size_t shares[3] = {0};
    begin(&one, "a,b,c");
    begin(&other, "c:11211,a:11211,B:11211");
    for (size_t p = 0; p < TM__MEMCACHED_PARTITIONS_MAX; p++) {
        assert_string_equal(place_of(&one, p), place_of(&other, p));
        shares[one.places[p]]++;
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(shares[i], 1200, 1530);
    tm__memcached_cluster_free(&one);
    tm__memcached_cluster_free(&other);
}

TEST(a_further_server_takes_over_its_share_only)
{
    tm__memcached_cluster three;
    tm__memcached_cluster four;
    size_t moved = 0;
    begin(&three, "a,b,c");
    begin(&four, "a,b,c,d");
    for (size_t p = 0; p < TM__MEMCACHED_PARTITIONS_MAX; p++) {
        if (strcmp(place_of(&three, p), place_of(&four, p)) == 0)
            continue;
        assert_string_equal(place_of(&four, p), "d:11211");
        moved++;
    }
    assert_in_range(moved, 900, 1150);
    tm__memcached_cluster_free(&three);
    tm__memcached_cluster_free(&four);
}

TEST(too_many_servers_are_refused)
{
    char hosts[1024];
    size_t len = 0;
    for (int i = 0; i <= TM__MEMCACHED_SERVERS_MAX; i++)
        len += (size_t)snprintf(hosts + len, sizeof hosts - len, "%sh%d", i > 0 ? "," : "", i);
    tm__memcached_cluster cluster = {0};
    tm_error error;
    assert_status(tm__memcached_cluster_init(&cluster, hosts, &error), TM_EURL);
    tm__memcached_cluster_free(&cluster);
    *strrchr(hosts, ',') = '\0';
    begin(&cluster, hosts);
    assert_int_equal(cluster.count, TM__MEMCACHED_SERVERS_MAX);
    tm__memcached_cluster_free(&cluster);
}

TEST_MAIN("memcached_layout", T(a_layout_reads_back), T(a_later_layout_is_newer_and_no_two_are_alike),
          T(what_no_layout_is_is_refused), T(keys_are_what_the_protocol_allows),
          T(servers_are_named_one_way_and_ordered), T(partitions_are_spread_evenly_whatever_the_order),
          T(a_further_server_takes_over_its_share_only), T(too_many_servers_are_refused))
