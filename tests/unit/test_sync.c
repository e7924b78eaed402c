/* tm_sync_to_cache against a store that does as it is told. */
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/labels.h"
#include "test.h"

enum { BATCHES = 64 };

/* What the store was sent, and how it shall answer. */
typedef struct scripted {
    size_t batches;
    uint64_t prev[BATCHES];
    uint64_t seq[BATCHES];
    size_t changes[BATCHES];
    size_t partition[BATCHES];
    char instance[200];
    uint64_t delta_sum; /* of all counters applied */
    uint64_t value_sum; /* the absolute values of the last batch */
    uint64_t last_seq;

    int fail_next;       /* so many calls fail ... */
    int fail_status;     /* ... with this */
    bool lose_reply;     /* the failing calls are applied all the same */
    tm_answer force;     /* not 0: answers this, once */
    tm_memory memory;    /* with RESYNC */
    uint64_t remembered; /* of counter "c", with TM_MEMORY_VALUES */
    int garbage;         /* not 0: answers this number, which is no answer, once */
    int refuse_first;    /* the status for changes[0], while not 0 */
    size_t partitions;
    size_t dead_partition; /* + 1; 0: none */
    void (*during)(void *ctx);
    void *during_ctx;
} scripted;

static void take(scripted *s, const tm_batch *batch)
{
    size_t n = s->batches++ % BATCHES;
    s->prev[n] = batch->prev;
    s->seq[n] = batch->seq;
    s->changes[n] = batch->change_count;
    s->partition[n] = batch->partition;
    snprintf(s->instance, sizeof s->instance, "%s", batch->instance);
}

static void apply_changes(scripted *s, const tm_batch *batch, tm_reply *reply)
{
    s->value_sum = 0;
    for (size_t i = 0; i < batch->change_count; i++) {
        if (i == 0 && s->refuse_first) {
            reply->refused(reply->ctx, i, s->refuse_first);
            continue;
        }
        if (batch->changes[i].family->type != TM_TYPE_COUNTER)
            continue;
        s->delta_sum += batch->changes[i].delta.u;
        s->value_sum += batch->changes[i].value.u;
    }
    s->last_seq = batch->seq;
}

/* Also what is no label text, or a longer one than any series has, which is passed by. */
static void remember(const scripted *s, tm_reply *reply)
{
    char longest[TM__LABELS_TEXT_MAX + 2000];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a=\"", 3);
    const tm_number value = {.u = s->remembered};
    for (size_t len = TM__LABELS_TEXT_MAX; len < sizeof longest; len += 100) {
        longest[len - 1] = '"';
        assert_ok(reply->remembered(reply->ctx, "c", longest, len, 0, value));
        longest[len - 1] = 'x';
        assert_ok(reply->remembered(reply->ctx, "c", longest, len, 0, value));
    }
    assert_ok(reply->remembered(reply->ctx, "c", "", 0, 0, value));
}

static int scripted_apply(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    (void)deadline_ns;
    scripted *s = self;
    take(s, batch);
    if (s->during)
        s->during(s->during_ctx);
    bool fails = s->fail_next > 0 || s->dead_partition == batch->partition + 1;
    if (s->fail_next > 0)
        s->fail_next--;
    if (fails && s->refuse_first && !s->lose_reply)
        reply->refused(reply->ctx, 0, s->refuse_first);
    if (fails && !s->lose_reply) {
        snprintf(error->text, sizeof error->text, "told to fail");
        return error->status = s->fail_status;
    }
    if (s->garbage) {
        reply->answer = (tm_answer)s->garbage;
        s->garbage = 0;
        return TM_OK;
    }
    if (s->force == TM_ANSWER_RESYNC) {
        s->force = 0;
        reply->answer = TM_ANSWER_RESYNC;
        reply->last_seq = s->last_seq;
        reply->memory = s->memory;
        if (s->memory == TM_MEMORY_VALUES)
            remember(s, reply);
        return TM_OK;
    }
    reply->answer = TM_ANSWER_DUPLICATE;
    if (batch->seq != s->last_seq) {
        reply->answer = TM_ANSWER_APPLIED;
        apply_changes(s, batch, reply);
    }
    return fails ? (error->status = s->fail_status) : TM_OK;
}

static int scripted_partitions(void *self, int64_t deadline_ns, size_t *count, tm_error *error)
{
    (void)deadline_ns, (void)error;
    *count = ((scripted *)self)->partitions;
    return TM_OK;
}

static int scripted_read(void *self, const tm_read_options *options, int64_t deadline_ns, tm_snapshot *into,
                         tm_error *error)
{
    (void)self, (void)options, (void)deadline_ns, (void)into, (void)error;
    return TM_OK;
}

static void scripted_close(void *self)
{
    (void)self;
}

typedef struct setting {
    scripted store_self;
    tm_store *store;
    tm_registry *registry;
    tm_counter *counter;
    tm_sync_report report;
} setting;

static void set_up(setting *s)
{
    *s = (setting){.store_self = {.partitions = 1}, .report = TM_SYNC_REPORT_INIT};
    const tm_store_ops ops = {.size = sizeof ops,
                              .kind = "scripted",
                              .strategy = TM_STRATEGY_DISTRIBUTED_BASIC,
                              .partitions = scripted_partitions,
                              .apply = scripted_apply,
                              .read = scripted_read,
                              .close = scripted_close};
    assert_ok(tm_store_new(&ops, &s->store_self, &s->store));
    assert_ok(tm_registry_new(NULL, &s->registry));
    assert_ok(tm_counter_get(s->registry, "c", TM_NO_LABELS, &s->counter));
}

static void tear_down(setting *s)
{
    tm_store_close(s->store);
    tm_registry_free(s->registry);
}

static int sync_now(setting *s)
{
    return tm_sync_to_cache(s->registry, s->store, &s->report);
}

TEST(ten_increments_and_three_syncs_give_ten)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 10);
    for (int i = 0; i < 3; i++)
        assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 10);
    tear_down(&s);
}

TEST(the_report_says_what_happened)
{
    setting s;
    set_up(&s);
    tm_counter_inc(s.counter);
    assert_ok(sync_now(&s));
    assert_int_equal(s.report.strategy, TM_STRATEGY_DISTRIBUTED_BASIC);
    assert_int_equal(s.report.batches, 1);
    assert_int_equal(s.report.series_sent, 1);
    assert_int_equal(s.report.duplicates + s.report.resyncs + s.report.failed_fields + s.report.retries, 0);
    assert_true(s.report.duration_ns > 0);
    assert_int_equal(s.report.error.status, TM_OK);
    assert_string_equal(s.report.error.text, "");
    tear_down(&s);
}

TEST(nothing_changed_costs_one_question_and_no_number)
{
    setting s;
    set_up(&s);
    tm_counter_inc(s.counter);
    assert_ok(sync_now(&s));
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.batches, 2);
    assert_int_equal(s.store_self.changes[1], 0);
    assert_int_equal(s.store_self.seq[1], s.store_self.seq[0]);
    assert_int_equal(s.report.batches, 0);
    assert_int_equal(s.report.duplicates, 0);
    tear_down(&s);
}

TEST(an_empty_registry_sends_nothing)
{
    setting s;
    set_up(&s);
    tm_registry *empty;
    assert_ok(tm_registry_new(NULL, &empty));
    assert_ok(tm_sync_to_cache(empty, s.store, NULL));
    assert_int_equal(s.store_self.batches, 0);
    tm_registry_free(empty);
    tear_down(&s);
}

TEST(a_series_at_zero_is_announced)
{
    setting s;
    set_up(&s);
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.changes[0], 1);
    assert_int_equal(s.store_self.delta_sum, 0);
    tear_down(&s);
}

TEST(an_unanswered_batch_is_repeated_with_the_same_number)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    s.store_self.fail_next = 1;
    s.store_self.fail_status = TM_ETIMEOUT;
    s.store_self.lose_reply = true;
    assert_status(sync_now(&s), TM_ETIMEOUT);
    tm_counter_add(s.counter, 2);
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.seq[1], s.store_self.seq[0]);
    assert_int_equal(s.report.duplicates, 1);
    assert_int_equal(s.store_self.delta_sum, 7);
    tear_down(&s);
}

TEST(a_short_failure_is_retried_within_the_call)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    s.store_self.fail_next = 1;
    s.store_self.fail_status = TM_EUNAVAILABLE;
    assert_ok(sync_now(&s));
    assert_int_equal(s.report.retries, 1);
    assert_int_equal(s.report.error.status, TM_OK);
    assert_int_equal(s.store_self.delta_sum, 5);
    tear_down(&s);
}

TEST(a_failure_is_reported_with_the_text_of_the_store)
{
    setting s;
    set_up(&s);
    s.store_self.fail_next = 100;
    s.store_self.fail_status = TM_EDENIED;
    assert_status(sync_now(&s), TM_EDENIED);
    assert_int_equal(s.report.error.status, TM_EDENIED);
    assert_string_equal(s.report.error.text, "told to fail");
    assert_int_equal(s.report.batches, 0);
    tear_down(&s);
}

TEST(an_answer_that_is_none_is_a_failure_and_the_batch_stays)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    s.store_self.garbage = 77;
    assert_ok(sync_now(&s));
    assert_int_equal(s.report.retries, 1);
    assert_int_equal(s.store_self.seq[1], s.store_self.seq[0]);
    assert_int_equal(s.store_self.delta_sum, 5);
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = (tm_memory)9;
    assert_ok(sync_now(&s));
    assert_int_equal(s.report.resyncs, 0);
    tear_down(&s);
}

TEST(a_status_that_is_none_is_named)
{
    setting s;
    set_up(&s);
    s.store_self.fail_next = 10;
    s.store_self.fail_status = 777;
    assert_status(sync_now(&s), TM_EPROTO);
    assert_int_equal(s.report.error.status, TM_EPROTO);
    tear_down(&s);
}

TEST(a_store_that_forgot_everything_gets_everything_again)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    tm_counter_add(s.counter, 1);
    s.store_self.last_seq = 0;
    s.store_self.delta_sum = 0;
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = TM_MEMORY_NOTHING;
    assert_ok(sync_now(&s));
    assert_int_equal(s.report.resyncs, 1);
    assert_int_equal(s.store_self.delta_sum, 6);
    tear_down(&s);
}

TEST(a_store_that_remembers_less_gets_the_difference)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = TM_MEMORY_VALUES;
    s.store_self.remembered = 2;
    s.store_self.delta_sum = 2;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 5);
    assert_int_equal(s.store_self.value_sum, 5);
    tear_down(&s);
}

TEST(a_store_whose_memory_expired_gets_what_is_new)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    tm_counter_add(s.counter, 3);
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = TM_MEMORY_EXPIRED;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 8);
    tear_down(&s);
}

TEST(a_batch_in_doubt_is_never_counted_twice_where_the_store_forgot_whether_it_came)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    tm_counter_add(s.counter, 3);
    s.store_self.fail_next = 1;
    s.store_self.fail_status = TM_ETIMEOUT;
    s.store_self.lose_reply = true;
    assert_status(sync_now(&s), TM_ETIMEOUT);
    tm_counter_add(s.counter, 1);
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = TM_MEMORY_EXPIRED;
    s.store_self.last_seq = 0;
    assert_status(sync_now(&s), TM_ELOST);
    assert_int_equal(s.store_self.delta_sum, 9);
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 9);
    tear_down(&s);
}

TEST(a_lost_baseline_is_reported_and_never_counts_twice)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    s.store_self.last_seq = 77;
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = TM_MEMORY_EXPIRED;
    assert_status(sync_now(&s), TM_ELOST);
    assert_int_equal(s.store_self.delta_sum, 0);
    tm_counter_add(s.counter, 1);
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 1);
    tear_down(&s);
}

TEST(a_memory_above_the_truth_is_reported_and_nothing_is_subtracted)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    s.store_self.force = TM_ANSWER_RESYNC;
    s.store_self.memory = TM_MEMORY_VALUES;
    s.store_self.remembered = 1000;
    assert_status(sync_now(&s), TM_EFIELD);
    assert_int_equal(s.report.failed_fields, 1);
    assert_int_equal(s.store_self.delta_sum, 5);
    tear_down(&s);
}

TEST(a_counter_that_wrapped_is_reported_and_the_others_are_sent)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, UINT64_MAX);
    assert_ok(sync_now(&s));
    tm_counter_add(s.counter, 3);
    assert_ok(tm_count(s.registry, "d", 7, TM_NO_LABELS));
    assert_status(sync_now(&s), TM_EFIELD);
    assert_int_equal(s.report.failed_fields, 1);
    assert_non_null(strstr(s.report.error.text, "2^64"));
    assert_int_equal(s.store_self.delta_sum, UINT64_MAX + 7);
    tear_down(&s);
}

TEST(a_refused_number_is_reported_and_sent_again)
{
    setting s;
    set_up(&s);
    tm_counter *other;
    assert_ok(tm_counter_get(s.registry, "d", TM_NO_LABELS, &other));
    tm_counter_add(s.counter, 5);
    tm_counter_add(other, 7);
    s.store_self.refuse_first = TM_EOVERFLOW;
    assert_status(sync_now(&s), TM_EFIELD);
    assert_int_equal(s.report.failed_fields, 1);
    assert_non_null(strstr(s.report.error.text, tm_status_text(TM_EOVERFLOW)));
    assert_int_equal(s.store_self.delta_sum, 7);
    s.store_self.refuse_first = 0;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 12);
    tear_down(&s);
}

TEST(a_refusal_in_an_answer_that_never_came_does_not_count)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    s.store_self.refuse_first = TM_EOVERFLOW;
    s.store_self.fail_next = 1;
    s.store_self.fail_status = TM_ENOSPC;
    assert_status(sync_now(&s), TM_ENOSPC);
    s.store_self.refuse_first = 0;
    assert_ok(sync_now(&s));
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 5);
    tear_down(&s);
}

static void cancel_me(void *ctx)
{
    (void)ctx;
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static void *sync_and_be_cancelled(void *ctx)
{
    setting *s = ctx;
    s->store_self.during = cancel_me;
    (void)sync_now(s);
    pthread_testcancel();
    return NULL;
}

TEST(a_thread_cancelled_in_a_sync_finishes_it_first)
{
    setting s;
    set_up(&s);
    tm_counter_inc(s.counter);
    pthread_t thread;
    void *end;
    assert_int_equal(pthread_create(&thread, NULL, sync_and_be_cancelled, &s), 0);
    assert_int_equal(pthread_join(thread, &end), 0);
    assert_ptr_equal(end, PTHREAD_CANCELED);
    s.store_self.during = NULL;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 1);
    tear_down(&s);
}

static int endless_resync(void *self, const tm_batch *batch, int64_t deadline_ns, tm_reply *reply, tm_error *error)
{
    (void)batch, (void)deadline_ns, (void)error;
    ++*(size_t *)self;
    reply->answer = TM_ANSWER_RESYNC;
    reply->last_seq = 999;
    reply->memory = TM_MEMORY_NOTHING;
    return TM_OK;
}

TEST(endless_resyncs_end_in_an_error)
{
    setting s;
    set_up(&s);
    size_t calls = 0;
    const tm_store_ops ops = {.size = sizeof ops,
                              .kind = "endless",
                              .strategy = TM_STRATEGY_LOCAL_ONLY,
                              .apply = endless_resync,
                              .read = scripted_read,
                              .close = scripted_close};
    tm_store *store;
    assert_ok(tm_store_new(&ops, &calls, &store));
    assert_status(tm_sync_to_cache(s.registry, store, NULL), TM_EPROTO);
    assert_true(calls > 1 && calls < 20);
    tm_store_close(store);
    tear_down(&s);
}

static void sync_again(void *ctx)
{
    setting *s = ctx;
    s->store_self.during = NULL;
    assert_status(tm_sync_to_cache(s->registry, s->store, NULL), TM_EBUSY);
}

TEST(a_second_sync_at_the_same_time_is_refused)
{
    setting s;
    set_up(&s);
    s.store_self.during = sync_again;
    s.store_self.during_ctx = &s;
    assert_ok(sync_now(&s));
    assert_ok(sync_now(&s));
    tear_down(&s);
}

static void record_more(void *ctx)
{
    tm_counter_add(ctx, 3);
}

TEST(what_is_recorded_during_a_sync_goes_with_the_next)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 1);
    s.store_self.during = record_more;
    s.store_self.during_ctx = s.counter;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 1);
    s.store_self.during = NULL;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 4);
    tear_down(&s);
}

TEST(a_clear_loses_nothing_that_was_not_synced)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    tm_counter_add(s.counter, 2);
    assert_ok(tm_registry_clear(s.registry, NULL));
    tm_counter_add(s.counter, 4);
    assert_int_equal(tm_counter_value(s.counter), 4);
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 11);
    tear_down(&s);
}

TEST(a_partition_that_fails_does_not_hold_up_the_others)
{
    setting s;
    set_up(&s);
    s.store_self.partitions = 4;
    s.store_self.dead_partition = 2;
    s.store_self.fail_status = TM_EUNAVAILABLE;
    for (int i = 0; i < 100; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        assert_ok(tm_count(s.registry, "many", 1, TM_LABELS("n", value)));
    }
    assert_status(sync_now(&s), TM_EUNAVAILABLE);
    bool reached[4] = {false};
    for (size_t i = 0; i < s.store_self.batches; i++)
        reached[s.store_self.partition[i]] = true;
    assert_true(reached[0] && reached[1] && reached[2] && reached[3]);
    assert_int_equal(s.report.batches, 3);
    tear_down(&s);
}

TEST(a_forked_child_is_an_instance_of_its_own_and_starts_at_zero)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    assert_ok(sync_now(&s));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char parent[200];
        snprintf(parent, sizeof parent, "%s", s.store_self.instance);
        s.store_self.delta_sum = s.store_self.last_seq = 0;
        tm_counter_add(s.counter, 2);
        bool right = sync_now(&s) == TM_OK && s.store_self.delta_sum == 2 && s.store_self.prev[1] == 0 &&
                     strcmp(parent, s.store_self.instance) != 0;
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 5);
    tear_down(&s);
}

static void fork_here(void *ctx)
{
    setting *s = ctx;
    s->store_self.during = NULL;
    pid_t child = fork();
    if (child == 0) {
        s->store_self.delta_sum = s->store_self.last_seq = 0;
        tm_counter_add(s->counter, 9);
        bool right = tm_sync_to_cache(s->registry, s->store, NULL) == TM_OK && s->store_self.delta_sum == 9;
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

TEST(a_child_forked_in_the_middle_of_a_sync_can_sync)
{
    setting s;
    set_up(&s);
    tm_counter_add(s.counter, 5);
    s.store_self.during = fork_here;
    s.store_self.during_ctx = &s;
    assert_ok(sync_now(&s));
    assert_int_equal(s.store_self.delta_sum, 5);
    tear_down(&s);
}

TEST(missing_arguments_are_named)
{
    setting s;
    set_up(&s);
    assert_status(tm_sync_to_cache(NULL, s.store, &s.report), TM_EINVAL);
    assert_int_equal(s.report.error.status, TM_EINVAL);
    assert_status(tm_sync_to_cache(s.registry, NULL, NULL), TM_EINVAL);
    s.report.size = 3;
    assert_status(sync_now(&s), TM_EINVAL);
    tear_down(&s);
}

TEST_MAIN("sync", T(ten_increments_and_three_syncs_give_ten), T(the_report_says_what_happened),
          T(nothing_changed_costs_one_question_and_no_number), T(an_empty_registry_sends_nothing),
          T(a_series_at_zero_is_announced), T(an_unanswered_batch_is_repeated_with_the_same_number),
          T(a_short_failure_is_retried_within_the_call), T(a_failure_is_reported_with_the_text_of_the_store),
          T(an_answer_that_is_none_is_a_failure_and_the_batch_stays), T(a_status_that_is_none_is_named),
          T(a_store_that_forgot_everything_gets_everything_again), T(a_store_that_remembers_less_gets_the_difference),
          T(a_store_whose_memory_expired_gets_what_is_new),
          T(a_batch_in_doubt_is_never_counted_twice_where_the_store_forgot_whether_it_came),
          T(a_lost_baseline_is_reported_and_never_counts_twice),
          T(a_memory_above_the_truth_is_reported_and_nothing_is_subtracted),
          T(a_counter_that_wrapped_is_reported_and_the_others_are_sent), T(a_refused_number_is_reported_and_sent_again),
          T(a_refusal_in_an_answer_that_never_came_does_not_count), T(endless_resyncs_end_in_an_error),
          T(a_thread_cancelled_in_a_sync_finishes_it_first), T(a_second_sync_at_the_same_time_is_refused),
          T(what_is_recorded_during_a_sync_goes_with_the_next), T(a_clear_loses_nothing_that_was_not_synced),
          T(a_partition_that_fails_does_not_hold_up_the_others),
          T(a_forked_child_is_an_instance_of_its_own_and_starts_at_zero),
          T(a_child_forked_in_the_middle_of_a_sync_can_sync), T(missing_arguments_are_named))
