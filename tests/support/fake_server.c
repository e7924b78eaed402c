#include "fake_server.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

struct fake_server {
    int listener;
    unsigned port;
    fake_script script;
    void *ctx;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    int client;            /* -1: none */
    bool stopping;
};

/* False if the server is to stop. */
static bool set_client(fake_server *server, int client)
{
    pthread_mutex_lock(&server->mutex);
    bool goes_on = !server->stopping;
    server->client = goes_on ? client : -1;
    pthread_mutex_unlock(&server->mutex);
    return goes_on;
}

static void *run(void *argument)
{
    fake_server *server = argument;
    bool goes_on = true;
    while (goes_on) {
        int client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            break;
        goes_on = set_client(server, client);
        if (goes_on)
            server->script(client, server->ctx);
        goes_on = set_client(server, -1) && goes_on;
        close(client);
    }
    return NULL;
}

fake_server *fake_server_start(fake_script script, void *ctx)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    fake_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->script = script;
    server->ctx = ctx;
    server->client = -1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &bytes), 0);
    server->port = ntohs(address.sin_port);
    pthread_mutex_init(&server->mutex, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
    return server;
}

unsigned fake_server_port(const fake_server *server)
{
    return server->port;
}

void fake_server_stop(fake_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    if (server->client >= 0)
        shutdown(server->client, SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

bool fake_send(int client, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(client, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool fake_say(int client, const char *text)
{
    return fake_send(client, text, strlen(text));
}

bool fake_hear_line(int client, char *line, size_t capacity)
{
    size_t len = 0;
    for (char c = '\0'; c != '\n';) {
        if (recv(client, &c, 1, 0) != 1)
            return false;
        if (c != '\r' && c != '\n' && len + 1 < capacity)
            line[len++] = c;
    }
    line[len] = '\0';
    return true;
}
