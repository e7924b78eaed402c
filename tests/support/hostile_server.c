#include "hostile_server.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

enum { FLOOD_BYTES = 64 * 1024 };

struct hostile_server {
    const char *const *answers;
    size_t last_len;
    const char *flood;
    int listener;
    atomic_bool stopping;
    pthread_t thread;
    char path[108];
};

static bool wait_readable(hostile_server *server, int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    while (!atomic_load(&server->stopping))
        if (poll(&polled, 1, 20) > 0)
            return true;
    return false;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Until the client goes away, or stops to read and the server is stopped. */
static void send_for_ever(hostile_server *server, int fd)
{
    char block[FLOOD_BYTES];
    size_t filled = 0;
    size_t len = strlen(server->flood);
    while (filled + len <= sizeof block) {
        memcpy(block + filled, server->flood, len);
        filled += len;
    }
    struct timeval patience = {.tv_usec = 20000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (!atomic_load(&server->stopping) && send_all(fd, block, filled))
        continue;
}

static void serve(hostile_server *server, int fd)
{
    const char *const *answer = server->answers;
    char request[FLOOD_BYTES];
    while (wait_readable(server, fd) && recv(fd, request, sizeof request, 0) > 0) {
        bool last = !answer[1];
        size_t len = last && server->last_len > 0 ? server->last_len : strlen(*answer);
        if (!send_all(fd, *answer, len))
            return;
        if (last && server->flood)
            send_for_ever(server, fd);
        answer += !last;
    }
}

static void *run(void *argument)
{
    hostile_server *server = argument;
    while (wait_readable(server, server->listener)) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve(server, fd);
        close(fd);
    }
    return NULL;
}

hostile_server *hostile_start(const char *const *answers, size_t last_len, const char *flood)
{
    static int count;
    hostile_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->answers = answers;
    server->last_len = last_len;
    server->flood = flood;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(server->path, sizeof server->path, "%s/hostile%d", test_directory(), count++);
    memcpy(address.sun_path, server->path, sizeof address.sun_path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
    return server;
}

void hostile_stop(hostile_server *server)
{
    atomic_store(&server->stopping, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
    free(server);
}

const char *hostile_path(const hostile_server *server)
{
    return server->path;
}
