#include "memcached_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_ATTEMPTS = 2000, ATTEMPT_NS = 5 * 1000 * 1000 };

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = ATTEMPT_NS}, NULL);
}

/* ---- talking ------------------------------------------------------------------------------------------------- */

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t end_len = strlen(end);
    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

const char *memcached_tell(memcached_server *server, const char *command, const char *end)
{
    static char reply[1 << 16];
    size_t len = 0;
    int fd = connect_to(server->port);
    reply[0] = '\0';
    if (fd < 0)
        return reply;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20}, sizeof(struct timeval));
    bool ok = send(fd, command, strlen(command), MSG_NOSIGNAL) > 0 && send(fd, "\r\n", 2, MSG_NOSIGNAL) > 0;
    while (ok && !ends_with(reply, len, end) && len < sizeof reply - 1) {
        ssize_t got = recv(fd, reply + len, sizeof reply - 1 - len, 0);
        ok = got > 0;
        len += ok ? (size_t)got : 0;
    }
    close(fd);
    reply[ok ? len : 0] = '\0';
    return reply;
}

/* ---- starting ------------------------------------------------------------------------------------------------ */

/* port 0: the server takes a free one and writes it to the file. */
static void become_server(const memcached_server *server, const char *port_file, pid_t parent)
{
    char port[16];
    const char *command[12 + MEMCACHED_ARGUMENTS_MAX];
    size_t count = 0;
    snprintf(port, sizeof port, "%d", server->port ? server->port : -1);
    const char *const common[] = {"memcached", "-l", "127.0.0.1", "-U", "0", "-t", "2", "-p", port};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        command[count++] = common[i];
    if (geteuid() == 0) {
        command[count++] = "-u";
        command[count++] = "root";
    }
    for (size_t i = 0; server->arguments[i]; i++)
        command[count++] = server->arguments[i];
    command[count] = NULL;
    setenv("MEMCACHED_PORT_FILENAME", port_file, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        execvp(command[0], (char *const *)(uintptr_t)command);
    fprintf(stderr, "memcached: %s\n", strerror(errno));
    _exit(127);
}

/* The file has "TCP INET: PORT". */
static int read_port(const char *port_file)
{
    char line[128];
    int port = 0;
    FILE *file = fopen(port_file, "r");
    while (file && port == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, "TCP INET: ", 10) == 0)
            port = atoi(line + 10);
    if (file)
        fclose(file);
    return port;
}

static bool has_ended(memcached_server *server)
{
    if (waitpid(server->pid, NULL, WNOHANG) == 0)
        return false;
    server->pid = 0;
    return true;
}

static bool wait_until_ready(memcached_server *server, const char *port_file)
{
    for (int i = 0; i < START_ATTEMPTS && !has_ended(server); i++) {
        if (server->port == 0)
            server->port = read_port(port_file);
        if (server->port != 0 && strncmp(memcached_tell(server, "version", "\r\n"), "VERSION", 7) == 0)
            return true;
        pause_a_little();
    }
    return false;
}

int memcached_revive(memcached_server *server)
{
    const char *parent_directory = getenv("TMPDIR");
    char port_file[4096];
    snprintf(port_file, sizeof port_file, "%s/tm-memcached-XXXXXX", parent_directory ? parent_directory : "/tmp");
    int fd = mkstemp(port_file);
    if (fd < 0)
        return -1;
    close(fd);
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0)
        become_server(server, port_file, parent);
    bool ready = server->pid > 0 && wait_until_ready(server, port_file);
    unlink(port_file);
    snprintf(server->url, sizeof server->url, "memcached://127.0.0.1:%d/", server->port);
    return ready ? 0 : -1;
}

memcached_server *memcached_start(const char *const *arguments)
{
    memcached_server *server = calloc(1, sizeof *server);
    for (size_t i = 0; server && arguments && arguments[i] && i < MEMCACHED_ARGUMENTS_MAX - 1; i++)
        server->arguments[i] = arguments[i];
    if (server && memcached_revive(server) == 0)
        return server;
    fprintf(stderr, "memcached did not start\n");
    memcached_stop(server);
    return NULL;
}

/* ---- ending, stopping ---------------------------------------------------------------------------------------- */

void memcached_kill(memcached_server *server)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void memcached_stop(memcached_server *server)
{
    if (server)
        memcached_kill(server);
    free(server);
}

void memcached_pause(memcached_server *server)
{
    kill(server->pid, SIGSTOP);
    waitpid(server->pid, NULL, WUNTRACED);
}

void memcached_resume(memcached_server *server)
{
    kill(server->pid, SIGCONT);
}
