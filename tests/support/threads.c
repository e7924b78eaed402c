#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { CHILD_LIMIT_S = 40 };

typedef struct task {
    void (*numbered)(void *ctx, size_t number);
    void (*single)(void *ctx);
    void *ctx;
    size_t number;
    pthread_barrier_t *start;
} task;

static void *run_task(void *arg)
{
    task *t = arg;
    pthread_barrier_wait(t->start);
    if (t->single)
        t->single(t->ctx);
    else
        t->numbered(t->ctx, t->number);
    return NULL;
}

static void run_tasks(task *tasks, size_t count)
{
    pthread_barrier_t start;
    pthread_t *threads = calloc(count, sizeof *threads);
    assert_non_null(threads);
    assert_int_equal(pthread_barrier_init(&start, NULL, (unsigned)count), 0);
    for (size_t i = 0; i < count; i++) {
        tasks[i].start = &start;
        assert_int_equal(pthread_create(&threads[i], NULL, run_task, &tasks[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&start);
    free(threads);
}

void run_threads(size_t count, void (*work)(void *ctx, size_t number), void *ctx)
{
    task *tasks = calloc(count, sizeof *tasks);
    assert_non_null(tasks);
    for (size_t i = 0; i < count; i++)
        tasks[i] = (task){.numbered = work, .ctx = ctx, .number = i};
    run_tasks(tasks, count);
    free(tasks);
}

void run_thread(void (*work)(void *ctx), void *ctx)
{
    task single = {.single = work, .ctx = ctx};
    run_tasks(&single, 1);
}

/* The complaint goes back through a pipe. */
static void be_the_child(const char *(*work)(void *ctx), void *ctx, int complaints)
{
    alarm(CHILD_LIMIT_S);
    const char *complaint = work(ctx);
    if (complaint && write(complaints, complaint, strlen(complaint)) < 0)
        _exit(2);
    _exit(complaint ? 1 : 0);
}

static int status_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

const char *complaint_of_child(const char *(*work)(void *ctx), void *ctx)
{
    static char complaint[256];
    int complaints[2];
    if (pipe(complaints) != 0)
        return "there is no pipe";
    pid_t child = fork();
    if (child == 0)
        be_the_child(work, ctx, complaints[1]);
    close(complaints[1]);
    ssize_t len = child < 0 ? 0 : read(complaints[0], complaint, sizeof complaint - 1);
    close(complaints[0]);
    if (child < 0)
        return "there is no child";
    int status = status_of(child);
    if (len <= 0 && status != 0)
        snprintf(complaint, sizeof complaint, "a child ended with wait status %d", status);
    else
        complaint[len > 0 ? len : 0] = '\0';
    return complaint[0] ? complaint : NULL;
}

void run_child(const char *(*work)(void *ctx), void *ctx)
{
    const char *complaint = complaint_of_child(work, ctx);
    if (complaint)
        fail_msg("in the child: %s", complaint);
}
