#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/* What a process tells the parent, in shared memory, where it survives its death. */
typedef struct life {
    _Atomic uint64_t attempted; /* its count when its last sync began */
    _Atomic uint64_t acknowledged;
    _Atomic uint64_t syncs;
    pid_t pid;
    uint64_t dies_after; /* syncs; 0: never */
    bool killed;
} life;

static life *new_lives(void)
{
    void *memory = mmap(NULL, PROCESSES_MAX * sizeof(life), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

/* Syncs until it is acknowledged: another process may hold the store for longer than one deadline. */
static bool sync_until_acknowledged(tm_registry *registry, tm_store *store)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        tm_sync_report report = TM_SYNC_REPORT_INIT;
        int status = tm_sync_to_cache(registry, store, &report);
        if (status == TM_OK)
            return true;
        if (status != TM_ETIMEOUT && status != TM_EUNAVAILABLE) {
            fprintf(stderr, "sync: %s: %s\n", tm_status_name(status), report.error.text);
            return false;
        }
    }
    return false;
}

static int live(const processes_plan *plan, size_t index, life *mine)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", index);
    tm_registry *registry;
    tm_store *store;
    tm_error error;
    if (tm_registry_new(NULL, &registry) != TM_OK || tm_store_open(plan->url, NULL, &store, &error) != TM_OK)
        return 1;
    uint64_t count = 0;
    for (size_t i = 0; i < plan->syncs; i++) {
        uint64_t n = 1 + (i * 7 + index) % 5;
        tm_count(registry, "work", n, TM_LABELS("process", name));
        tm_observe(registry, "time", 1, TM_LABELS("process", name));
        count += n;
        atomic_store(&mine->attempted, count);
        if (!sync_until_acknowledged(registry, store))
            return 2;
        atomic_store(&mine->acknowledged, count);
        atomic_fetch_add(&mine->syncs, 1);
    }
    tm_store_close(store);
    tm_registry_free(registry);
    return 0;
}

/* Only the parent writes the pid: the memory is shared. */
static void start(const processes_plan *plan, size_t index, life *mine)
{
    mine->dies_after = index < plan->kills ? 1 + (index * 37) % plan->syncs : 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(live(plan, index, mine));
    mine->pid = pid;
}

static void kill_those_whose_time_has_come(life *lives, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lives[i].dies_after && !lives[i].killed && atomic_load(&lives[i].syncs) >= lives[i].dies_after) {
            kill(lives[i].pid, SIGKILL);
            lives[i].killed = true;
        }
}

/* A process that was to be killed may have ended just before. */
static void wait_for_all(life *lives, size_t count)
{
    for (size_t left = count; left > 0;) {
        kill_those_whose_time_has_come(lives, count);
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == 0) {
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
            continue;
        }
        assert_true(ended > 0);
        left--;
        bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!died && status != 0)
            fail_msg("process %d ended with status %#x", (int)ended, (unsigned)status);
    }
}

/* The store's count for one process; 0 if it has none. */
static uint64_t stored(const tm_snapshot *snapshot, const char *family, size_t index, bool histogram)
{
    char labels[32];
    int len = snprintf(labels, sizeof labels, "process=\"%zu\"", index);
    for (size_t i = 0; i < tm_snapshot_family_count(snapshot); i++) {
        const tm_family *info = tm_snapshot_family(snapshot, i);
        for (size_t k = 0; strcmp(info->name, family) == 0 && k < tm_snapshot_series_count(snapshot, i); k++) {
            tm_series series = tm_snapshot_series(snapshot, i, k);
            if (series.labels_bytes != (size_t)len || memcmp(series.labels, labels, (size_t)len) != 0)
                continue;
            uint64_t sum = 0;
            for (size_t part = 0; part < (histogram ? info->bucket_count + 1 : 1); part++)
                sum += series.values[part].u;
            return sum;
        }
    }
    return 0;
}

static void check(const processes_plan *plan, life *lives, const tm_snapshot *snapshot)
{
    for (size_t i = 0; i < plan->processes; i++) {
        uint64_t total = stored(snapshot, "work", i, false);
        uint64_t acknowledged = atomic_load(&lives[i].acknowledged);
        uint64_t attempted = atomic_load(&lives[i].attempted);
        if (total != acknowledged && !(lives[i].killed && total == attempted))
            fail_msg("process %zu: the store says %llu, acknowledged %llu, attempted %llu", i,
                     (unsigned long long)total, (unsigned long long)acknowledged, (unsigned long long)attempted);
        uint64_t syncs = atomic_load(&lives[i].syncs);
        uint64_t observed = stored(snapshot, "time", i, true);
        assert_true(observed == syncs || (lives[i].killed && observed == syncs + 1));
    }
}

void processes_run(const processes_plan *plan)
{
    assert_true(plan->processes <= PROCESSES_MAX && plan->kills < plan->processes);
    life *lives = new_lives();
    for (size_t i = 0; i < plan->processes; i++)
        start(plan, i, &lives[i]);
    wait_for_all(lives, plan->processes);
    tm_store *store;
    tm_error error;
    assert_ok(tm_store_open(plan->url, NULL, &store, &error));
    tm_snapshot *snapshot;
    assert_ok(tm_store_read(store, NULL, &snapshot, &error));
    check(plan, lives, snapshot);
    size_t killed = 0;
    for (size_t i = 0; i < plan->processes; i++)
        killed += lives[i].killed;
    assert_true(killed >= plan->kills / 2);
    tm_snapshot_free(snapshot);
    tm_store_close(store);
    munmap(lives, PROCESSES_MAX * sizeof *lives);
}
