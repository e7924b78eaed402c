#include "proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { PAIRS_MAX = 256, PIECE_BYTES = 64 * 1024, QUIET_MS = 20, ANSWER_MS = 2000, LATE_MAX = 256 };

/* One client and its connection to the server. */
typedef struct pair {
    int client;
    int server;
    bool in_request; /* the server has not answered yet */
    proxy_fault fault;
    size_t amount;
} pair;

typedef struct late_request {
    char *bytes;
    size_t len;
} late_request;

struct proxy {
    char upstream[108];
    char address[108];
    int listener;
    int wake[2]; /* closed at the writing end to stop */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    proxy_fault fault;
    size_t passing; /* requests before the first that suffers */
    size_t fault_requests;
    size_t amount;
    size_t requests;
    late_request late[LATE_MAX];
    size_t late_count;
};

/* ---- sockets ------------------------------------------------------------------------------------------------- */

static bool is_path(const char *address)
{
    return address[0] == '/';
}

static socklen_t fill_address(const char *text, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (is_path(text)) {
        struct sockaddr_un *path = (struct sockaddr_un *)out;
        path->sun_family = AF_UNIX;
        snprintf(path->sun_path, sizeof path->sun_path, "%s", text);
        return sizeof *path;
    }
    struct sockaddr_in *port = (struct sockaddr_in *)out;
    port->sin_family = AF_INET;
    port->sin_port = htons((uint16_t)strtoul(text, NULL, 10));
    port->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *port;
}

static int connect_to(const char *address)
{
    struct sockaddr_storage to;
    socklen_t bytes = fill_address(address, &to);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, bytes) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
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

static void sleep_ms(size_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) > 0;
}

/* ---- faults -------------------------------------------------------------------------------------------------- */

static void close_pair(pair *l)
{
    close(l->client);
    close(l->server);
    l->client = -1;
}

static void begin_request(proxy *p, pair *l)
{
    pthread_mutex_lock(&p->mutex);
    p->requests++;
    bool suffers = p->passing == 0 && p->fault_requests > 0;
    l->fault = suffers ? p->fault : PROXY_PASS;
    l->amount = p->amount;
    if (suffers)
        p->fault_requests--;
    if (p->passing > 0)
        p->passing--;
    pthread_mutex_unlock(&p->mutex);
    l->in_request = true;
}

/* In the proxy's thread, where no assertion can be made. */
static void append(late_request *late, const char *bytes, size_t len)
{
    late->bytes = realloc(late->bytes, late->len + len);
    if (!late->bytes)
        abort();
    memcpy(late->bytes + late->len, bytes, len);
    late->len += len;
}

/* Reads on until the client pauses, and keeps what it sent for later. */
static void keep_late(proxy *p, pair *l, const char *first, size_t len)
{
    late_request late = {0};
    append(&late, first, len);
    while (readable(l->client, QUIET_MS)) {
        char piece[PIECE_BYTES];
        ssize_t got = recv(l->client, piece, sizeof piece, 0);
        if (got <= 0)
            break;
        append(&late, piece, (size_t)got);
    }
    pthread_mutex_lock(&p->mutex);
    if (p->late_count < LATE_MAX)
        p->late[p->late_count++] = late;
    else
        free(late.bytes);
    pthread_mutex_unlock(&p->mutex);
}

/* Bytes from the client. */
static void pass_request(proxy *p, pair *l)
{
    char piece[PIECE_BYTES];
    ssize_t got = recv(l->client, piece, sizeof piece, 0);
    if (got <= 0) {
        close_pair(l);
        return;
    }
    if (!l->in_request)
        begin_request(p, l);
    if (l->fault == PROXY_SILENCE)
        return;
    if (l->fault == PROXY_LATE_REQUEST)
        keep_late(p, l, piece, (size_t)got);
    bool lost = l->fault == PROXY_LATE_REQUEST || l->fault == PROXY_DROP_REQUEST;
    if (lost || !send_all(l->server, piece, (size_t)got))
        close_pair(l);
}

static bool drip(const pair *l, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sleep_ms(l->amount);
        if (!send_all(l->client, bytes + i, 1))
            return false;
    }
    return true;
}

static bool pass_faulty(pair *l, const char *bytes, size_t len)
{
    switch (l->fault) {
    case PROXY_DROP_REPLY:
        return false;
    case PROXY_CUT_REPLY:
        send_all(l->client, bytes, len < l->amount ? len : l->amount);
        return false;
    case PROXY_DRIP_REPLY:
        return drip(l, bytes, len);
    case PROXY_DELAY_REPLY:
        sleep_ms(l->amount);
        return send_all(l->client, bytes, len);
    default:
        return send_all(l->client, bytes, len);
    }
}

/* Bytes from the server. */
static void pass_reply(pair *l)
{
    char piece[PIECE_BYTES];
    ssize_t got = recv(l->server, piece, sizeof piece, 0);
    l->in_request = false;
    if (got <= 0 || !pass_faulty(l, piece, (size_t)got))
        close_pair(l);
}

/* ---- the thread ---------------------------------------------------------------------------------------------- */

static void add_pair(proxy *p, pair *pairs)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = connect_to(p->upstream);
    size_t place = 0;
    while (place < PAIRS_MAX && pairs[place].client >= 0)
        place++;
    if (server < 0 || place == PAIRS_MAX) {
        close(client);
        if (server >= 0)
            close(server);
        return;
    }
    pairs[place] = (pair){.client = client, .server = server};
}

static void *run(void *argument)
{
    proxy *p = argument;
    pair pairs[PAIRS_MAX];
    struct pollfd polled[2 + 2 * PAIRS_MAX];
    for (size_t i = 0; i < PAIRS_MAX; i++)
        pairs[i].client = -1;
    for (;;) {
        polled[0] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
        polled[1] = (struct pollfd){.fd = p->listener, .events = POLLIN};
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            polled[2 + 2 * i] = (struct pollfd){.fd = pairs[i].client, .events = POLLIN};
            polled[3 + 2 * i] = (struct pollfd){.fd = pairs[i].client < 0 ? -1 : pairs[i].server, .events = POLLIN};
        }
        poll(polled, sizeof polled / sizeof polled[0], -1);
        if (polled[0].revents)
            break;
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (polled[3 + 2 * i].revents)
                pass_reply(&pairs[i]);
            if (pairs[i].client >= 0 && polled[2 + 2 * i].revents)
                pass_request(p, &pairs[i]);
        }
        if (polled[1].revents)
            add_pair(p, pairs);
    }
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (pairs[i].client >= 0)
            close_pair(&pairs[i]);
    return NULL;
}

/* ---- the functions ------------------------------------------------------------------------------------------- */

static void listen_beside(proxy *p)
{
    static int count;
    struct sockaddr_storage at;
    snprintf(p->address, sizeof p->address, "0");
    if (is_path(p->upstream))
        snprintf(p->address, sizeof p->address, "%s/proxy%d", test_directory(), count++);
    socklen_t bytes = fill_address(p->address, &at);
    p->listener = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, bytes), 0);
    assert_int_equal(listen(p->listener, 64), 0);
    if (is_path(p->upstream))
        return;
    struct sockaddr_in bound;
    bytes = sizeof bound;
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&bound, &bytes), 0);
    snprintf(p->address, sizeof p->address, "%u", (unsigned)ntohs(bound.sin_port));
}

proxy *proxy_start(const char *server)
{
    proxy *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_true(strlen(server) < sizeof p->upstream);
    memcpy(p->upstream, server, strlen(server));
    listen_beside(p);
    pthread_mutex_init(&p->mutex, NULL);
    assert_int_equal(pipe2(p->wake, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
    return p;
}

void proxy_stop(proxy *p)
{
    close(p->wake[1]);
    pthread_join(p->thread, NULL);
    close(p->wake[0]);
    close(p->listener);
    for (size_t i = 0; i < p->late_count; i++)
        free(p->late[i].bytes);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

const char *proxy_address(const proxy *p)
{
    return p->address;
}

void proxy_set_fault(proxy *p, proxy_fault fault, size_t requests, size_t amount)
{
    proxy_set_fault_after(p, 0, fault, requests, amount);
}

void proxy_set_fault_after(proxy *p, size_t passing, proxy_fault fault, size_t requests, size_t amount)
{
    pthread_mutex_lock(&p->mutex);
    p->passing = passing;
    p->fault = fault;
    p->fault_requests = requests;
    p->amount = amount;
    pthread_mutex_unlock(&p->mutex);
}

size_t proxy_request_count(proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    size_t requests = p->requests;
    pthread_mutex_unlock(&p->mutex);
    return requests;
}

/* Takes one of the late requests out; false if there is none. */
static bool take_late(proxy *p, late_request *out)
{
    pthread_mutex_lock(&p->mutex);
    bool some = p->late_count > 0;
    if (some) {
        size_t place = (size_t)rand() % p->late_count;
        *out = p->late[place];
        p->late[place] = p->late[--p->late_count];
    }
    pthread_mutex_unlock(&p->mutex);
    return some;
}

size_t proxy_deliver_late(proxy *p)
{
    size_t count = 0;
    for (late_request late; take_late(p, &late); count++) {
        int server = connect_to(p->upstream);
        assert_true(server >= 0);
        assert_true(send_all(server, late.bytes, late.len));
        readable(server, ANSWER_MS);
        close(server);
        free(late.bytes);
    }
    return count;
}
