#include "store/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

/* Waits until the socket is ready, or fails. Once the deadline has passed it is TM_ETIMEOUT, ready or not: a server
 * that drips must not stretch it. */
static int wait_ready(int fd, short events, int64_t deadline_ns, tm_error *error)
{
    for (;;) {
        int64_t left_ns = deadline_ns - tm__monotonic_ns();
        if (left_ns <= 0)
            return tm__fail(error, TM_ETIMEOUT, "no answer before the deadline");
        struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
        struct pollfd polled = {.fd = fd, .events = events};
        int ready = ppoll(&polled, 1, &left, NULL);
        if (ready > 0)
            return TM_OK;
        if (ready < 0 && errno != EINTR)
            return tm__fail_errno(error, "poll");
    }
}

/* What became of a connect that was in progress. */
static int finish_connect(int fd, int64_t deadline_ns, tm_error *error)
{
    int status = wait_ready(fd, POLLOUT, deadline_ns, error);
    if (status != TM_OK)
        return status;
    int failure = 0;
    socklen_t bytes = sizeof failure;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &bytes) != 0 || failure == 0)
        return TM_OK;
    errno = failure;
    return tm__fail_errno(error, "connect");
}

/* A unix socket whose server has no room for one more in its queue says EAGAIN. */
static int connect_socket(int fd, const struct sockaddr *address, socklen_t bytes, int64_t deadline_ns, tm_error *error)
{
    tm__backoff backoff = {0};
    while (connect(fd, address, bytes) != 0) {
        if (errno == EINPROGRESS || errno == EINTR)
            return finish_connect(fd, deadline_ns, error);
        if (errno != EAGAIN)
            return tm__fail_errno(error, "connect");
        if (tm__backoff_wait(&backoff, deadline_ns) != TM_OK)
            return tm__fail(error, TM_ETIMEOUT, "the server took no connection before the deadline");
    }
    return TM_OK;
}

static int open_address(const struct sockaddr *address, socklen_t bytes, int64_t deadline_ns, int *fd, tm_error *error)
{
    int made = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0)
        return tm__fail_errno(error, "socket");
    int status = connect_socket(made, address, bytes, deadline_ns, error);
    if (status == TM_OK)
        *fd = made;
    else
        close(made);
    return status;
}

int tm__socket_open_path(const char *path, int64_t deadline_ns, int *fd, tm_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    return open_address((const struct sockaddr *)&address, sizeof address, deadline_ns, fd, error);
}

/* The addresses one after the other, each with an equal part of the time that is left. */
static int open_first(const struct addrinfo *addresses, int64_t deadline_ns, int *fd, tm_error *error)
{
    int count = 0;
    for (const struct addrinfo *a = addresses; a; a = a->ai_next)
        count++;
    int status = TM_EUNAVAILABLE;
    for (const struct addrinfo *a = addresses; a && status != TM_OK; a = a->ai_next) {
        int64_t now_ns = tm__monotonic_ns();
        status = open_address(a->ai_addr, a->ai_addrlen, now_ns + (deadline_ns - now_ns) / count--, fd, error);
    }
    if (!addresses)
        tm__fail(error, status, "the host has no address");
    return status;
}

int tm__socket_open(const char *host, const char *port, tm__resolver *resolver, int64_t deadline_ns, int *fd,
                    tm_error *error)
{
    struct addrinfo *addresses = NULL;
    int status = tm__resolve(resolver, host, port, deadline_ns, &addresses, error);
    if (status != TM_OK)
        return status;
    status = open_first(addresses, deadline_ns, fd, error);
    freeaddrinfo(addresses);
    if (status == TM_OK)
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return status;
}

int tm__socket_send(int fd, const char *bytes, size_t len, int64_t deadline_ns, tm_error *error)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return tm__fail_errno(error, "send");
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        }
        int status = len > 0 ? wait_ready(fd, POLLOUT, deadline_ns, error) : TM_OK;
        if (status != TM_OK)
            return status;
    }
    return TM_OK;
}

int tm__socket_receive(int fd, char *bytes, size_t capacity, int64_t deadline_ns, size_t *len, tm_error *error)
{
    for (;;) {
        int status = wait_ready(fd, POLLIN, deadline_ns, error);
        if (status != TM_OK)
            return status;
        ssize_t received = recv(fd, bytes, capacity, MSG_DONTWAIT);
        if (received > 0) {
            *len = (size_t)received;
            return TM_OK;
        }
        if (received == 0)
            return tm__fail(error, TM_EUNAVAILABLE, "the server closed the connection");
        if (errno != EAGAIN && errno != EINTR)
            return tm__fail_errno(error, "receive");
    }
}

bool tm__socket_idle(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 0;
}
