/* From registries through a store to text: the whole way, on the memory store. */
#include "test.h"

typedef struct setting {
    tm_store *store;
    tm_registry *registries[2];
} setting;

static void set_up(setting *s)
{
    tm_error error;
    assert_ok(tm_store_open("memory:", NULL, &s->store, &error));
    for (size_t i = 0; i < 2; i++)
        assert_ok(tm_registry_new(NULL, &s->registries[i]));
}

static void tear_down(setting *s)
{
    for (size_t i = 0; i < 2; i++)
        tm_registry_free(s->registries[i]);
    tm_store_close(s->store);
}

static void sync_both(setting *s)
{
    for (size_t i = 0; i < 2; i++)
        assert_ok(tm_sync_to_cache(s->registries[i], s->store, NULL));
}

static void assert_aggregate(setting *s, tm_format format, const tm_export_options *options, const char *expected)
{
    test_text text = {0};
    assert_ok(tm_export_distributed(s->store, format, options, text_sink, &text));
    assert_string_equal(text.data, expected);
    text_free(&text);
}

static void describe_both(setting *s, const char *name, tm_type type, tm_aggregation aggregation)
{
    tm_family family = TM_FAMILY_INIT;
    family.name = name;
    family.type = type;
    family.aggregation = aggregation;
    family.help = "What it is";
    for (size_t i = 0; i < 2; i++)
        assert_ok(tm_describe(s->registries[i], &family));
}

TEST(counters_of_two_instances_are_summed)
{
    setting s;
    set_up(&s);
    describe_both(&s, "tasks.done", TM_TYPE_COUNTER, TM_AGGREGATE_LAST);
    for (int i = 0; i < 3; i++) {
        assert_ok(tm_count(s.registries[0], "tasks.done", 2, TM_LABELS("status", "ok")));
        assert_ok(tm_count(s.registries[1], "tasks.done", 5, TM_LABELS("status", "ok")));
        sync_both(&s);
    }
    assert_aggregate(&s, TM_FORMAT_PROMETHEUS, NULL,
                     "# HELP tasks_done_total What it is\n"
                     "# TYPE tasks_done_total counter\n"
                     "tasks_done_total{status=\"ok\"} 21\n");
    tear_down(&s);
}

TEST(histograms_of_two_instances_are_summed)
{
    setting s;
    set_up(&s);
    const double buckets[] = {1, 2};
    tm_family family = TM_FAMILY_INIT;
    family.name = "t";
    family.type = TM_TYPE_HISTOGRAM;
    family.buckets = buckets;
    family.bucket_count = 2;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(tm_describe(s.registries[i], &family));
        assert_ok(tm_observe(s.registries[i], "t", 0.5, TM_NO_LABELS));
        assert_ok(tm_observe(s.registries[i], "t", 1.5, TM_NO_LABELS));
    }
    assert_ok(tm_observe(s.registries[1], "t", 8, TM_NO_LABELS));
    sync_both(&s);
    assert_aggregate(&s, TM_FORMAT_PROMETHEUS, NULL,
                     "# TYPE t histogram\n"
                     "t_bucket{le=\"1\"} 2\n"
                     "t_bucket{le=\"2\"} 4\n"
                     "t_bucket{le=\"+Inf\"} 5\n"
                     "t_sum 12\n"
                     "t_count 5\n");
    tear_down(&s);
}

TEST(gauges_are_aggregated_as_described)
{
    setting s;
    set_up(&s);
    describe_both(&s, "a", TM_TYPE_GAUGE, TM_AGGREGATE_SUM);
    describe_both(&s, "b", TM_TYPE_GAUGE, TM_AGGREGATE_MIN);
    describe_both(&s, "c", TM_TYPE_GAUGE, TM_AGGREGATE_MAX);
    for (size_t i = 0; i < 2; i++)
        for (const char *name = "abc"; *name; name++)
            assert_ok(tm_set(s.registries[i], (const char[]){*name, '\0'}, (double)(3 + i), TM_NO_LABELS));
    assert_ok(tm_set(s.registries[0], "l", 9, TM_NO_LABELS));
    sync_both(&s);
    assert_ok(tm_set(s.registries[1], "l", 7, TM_NO_LABELS));
    sync_both(&s);
    assert_aggregate(&s, TM_FORMAT_CSV, &(tm_export_options){.csv_no_header = 1, .timestamp_ms = 1},
                     "1970-01-01T00:00:00.001Z,a,gauge,7\r\n"
                     "1970-01-01T00:00:00.001Z,b,gauge,3\r\n"
                     "1970-01-01T00:00:00.001Z,c,gauge,4\r\n"
                     "1970-01-01T00:00:00.001Z,l,gauge,7\r\n");
    tear_down(&s);
}

TEST(a_series_at_zero_is_there)
{
    setting s;
    set_up(&s);
    tm_counter *counter;
    tm_histogram *histogram;
    tm_gauge *gauge;
    assert_ok(tm_counter_get(s.registries[0], "c", TM_NO_LABELS, &counter));
    assert_ok(tm_gauge_get(s.registries[0], "g", TM_NO_LABELS, &gauge));
    assert_ok(tm_histogram_get(s.registries[0], "h", TM_NO_LABELS, &histogram));
    tm_gauge_set(gauge, 0);
    sync_both(&s);
    test_text text = {0};
    assert_ok(tm_export_distributed(s.store, TM_FORMAT_PROMETHEUS, NULL, text_sink, &text));
    assert_non_null(strstr(text.data, "\nc_total 0\n"));
    assert_non_null(strstr(text.data, "\ng 0\n"));
    assert_non_null(strstr(text.data, "\nh_count 0\n"));
    text_free(&text);
    tear_down(&s);
}

TEST(a_gauge_that_nobody_set_here_does_not_speak)
{
    setting s;
    set_up(&s);
    tm_gauge *gauge;
    assert_ok(tm_set(s.registries[0], "last", 7, TM_NO_LABELS));
    sync_both(&s);
    assert_ok(tm_gauge_get(s.registries[1], "last", TM_NO_LABELS, &gauge));
    assert_ok(tm_count(s.registries[1], "work", 1, TM_NO_LABELS));
    sync_both(&s);
    const tm_export_options options = {.csv_no_header = 1, .timestamp_ms = 1};
    assert_aggregate(&s, TM_FORMAT_CSV, &options,
                     "1970-01-01T00:00:00.001Z,last,gauge,7\r\n"
                     "1970-01-01T00:00:00.001Z,work,counter,1\r\n");
    tm_gauge_add(gauge, 2);
    sync_both(&s);
    assert_ok(tm_registry_clear(s.registries[1], NULL));
    sync_both(&s);
    assert_aggregate(&s, TM_FORMAT_CSV, &options,
                     "1970-01-01T00:00:00.001Z,last,gauge,0\r\n"
                     "1970-01-01T00:00:00.001Z,work,counter,1\r\n");
    tear_down(&s);
}

TEST(an_instance_can_be_told_apart)
{
    setting s;
    set_up(&s);
    assert_ok(tm_count(s.registries[0], "c", 2, TM_LABELS("instance", "mine")));
    assert_ok(tm_count(s.registries[1], "c", 3, TM_LABELS("instance", "mine")));
    sync_both(&s);
    test_text text = {0};
    tm_export_options options = TM_EXPORT_OPTIONS_INIT;
    options.include_instances = 1;
    assert_ok(tm_export_distributed(s.store, TM_FORMAT_PROMETHEUS, &options, text_sink, &text));
    assert_non_null(strstr(text.data, "c_total{instance=\"mine\"} 5\n"));
    size_t lines = 0;
    for (const char *at = text.data; (at = strstr(at, "c_total{exported_instance=\"mine\",instance=\"")); at++)
        lines++;
    assert_int_equal(lines, 2);
    text_free(&text);
    tear_down(&s);
}

TEST(an_aggregate_can_be_read_as_a_snapshot)
{
    setting s;
    set_up(&s);
    assert_ok(tm_count(s.registries[0], "c", 2, TM_NO_LABELS));
    sync_both(&s);
    tm_snapshot *snapshot;
    assert_ok(tm_store_read(s.store, NULL, &snapshot, NULL));
    assert_int_equal(tm_snapshot_family_count(snapshot), 1);
    assert_int_equal(tm_snapshot_series(snapshot, 0, 0).values[0].u, 2);
    tm_snapshot_free(snapshot);
    tm_error error;
    assert_status(tm_store_read(NULL, NULL, &snapshot, &error), TM_EINVAL);
    assert_null(snapshot);
    assert_int_equal(error.status, TM_EINVAL);
    assert_status(tm_export_distributed(NULL, TM_FORMAT_JSON, NULL, text_sink, NULL), TM_EINVAL);
    tear_down(&s);
}

/* A store of somebody's own, which keeps nothing apart. */
static int read_clashes(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into,
                        tm_error *error)
{
    (void)self, (void)options, (void)deadline_ns, (void)error;
    static const struct {
        const char *name;
        tm_type type;
    } families[] = {{"a", TM_TYPE_COUNTER},       {"a_total", TM_TYPE_GAUGE}, {"b", TM_TYPE_GAUGE},
                    {"b_count", TM_TYPE_COUNTER}, {"b", TM_TYPE_GAUGE},       {"h", TM_TYPE_HISTOGRAM},
                    {"h.sum", TM_TYPE_GAUGE},     {"last", TM_TYPE_GAUGE}};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        tm_family family = TM_FAMILY_INIT;
        family.name = families[i].name;
        family.type = families[i].type;
        size_t index;
        assert_ok(tm_snapshot_add_family(into, &family, &index));
        const tm_number values[TM_BUCKETS_MAX + 2] = {{.u = 0}};
        assert_ok(tm_snapshot_add_series(into, index, "", 0, values));
    }
    return TM_OK;
}

static int apply_nothing(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    (void)self, (void)batch, (void)deadline_ns, (void)reply, (void)error;
    return TM_EUNSUPPORTED;
}

static void close_nothing(void *self)
{
    (void)self;
}

TEST(no_two_families_of_an_aggregate_print_the_same_name)
{
    const tm_store_ops ops = {.size = sizeof ops,
                              .kind = "careless",
                              .strategy = TM_STRATEGY_LOCAL_ONLY,
                              .apply = apply_nothing,
                              .read = read_clashes,
                              .close = close_nothing};
    tm_store *store;
    tm_snapshot *snapshot;
    assert_ok(tm_store_new(&ops, NULL, &store));
    assert_ok(tm_store_read(store, NULL, &snapshot, NULL));
    static const char *const left[] = {"a", "b", "b_count", "h", "last"};
    assert_int_equal(tm_snapshot_family_count(snapshot), sizeof left / sizeof left[0]);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        assert_string_equal(tm_snapshot_family(snapshot, i)->name, left[i]);
    tm_snapshot_free(snapshot);
    tm_store_close(store);
}

TEST(a_store_without_locks_says_so)
{
    setting s;
    set_up(&s);
    tm_error error;
    int64_t ttl_ms;
    assert_status(tm_store_lock(s.store, "export", "me", 1000, &error), TM_EUNSUPPORTED);
    assert_int_equal(error.status, TM_EUNSUPPORTED);
    assert_status(tm_store_unlock(s.store, "export", "me", NULL), TM_EUNSUPPORTED);
    assert_status(tm_store_lock_extend(s.store, "export", "me", 1, NULL), TM_EUNSUPPORTED);
    assert_status(tm_store_lock_ttl(s.store, "export", &ttl_ms, NULL), TM_EUNSUPPORTED);
    assert_status(tm_store_lock(s.store, "bad name", "me", 1000, NULL), TM_EINVAL);
    assert_status(tm_store_lock(s.store, "export", "", 1000, NULL), TM_EINVAL);
    assert_status(tm_store_lock(s.store, "export", "me", 0, NULL), TM_EINVAL);
    assert_status(tm_store_lock(s.store, "export", "me", INT64_MAX, NULL), TM_EINVAL);
    assert_status(tm_store_lock_ttl(s.store, "export", NULL, NULL), TM_EINVAL);
    tear_down(&s);
}

TEST_MAIN("distributed", T(counters_of_two_instances_are_summed), T(histograms_of_two_instances_are_summed),
          T(gauges_are_aggregated_as_described), T(a_series_at_zero_is_there),
          T(a_gauge_that_nobody_set_here_does_not_speak), T(an_instance_can_be_told_apart),
          T(an_aggregate_can_be_read_as_a_snapshot), T(no_two_families_of_an_aggregate_print_the_same_name),
          T(a_store_without_locks_says_so))
