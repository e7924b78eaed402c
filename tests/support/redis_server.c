#include "redis_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { START_TRIES = 3000, PAUSE_MS = 10 };

static void pause_shortly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
}

/* ---- commands ------------------------------------------------------------------------------------------------ */

static int connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void write_command(FILE *stream, const char *const *command)
{
    size_t count = 0;
    while (command[count])
        count++;
    fprintf(stream, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "$%zu\r\n%s\r\n", strlen(command[i]), command[i]);
    fflush(stream);
}

static bool read_reply(FILE *stream, test_text *out);

static bool read_bulk(FILE *stream, long len, test_text *out)
{
    if (len < 0)
        return text_sink(out, "(nil)", 5) == 0;
    char *bytes = malloc((size_t)len + 2);
    bool ok = bytes && fread(bytes, 1, (size_t)len + 2, stream) == (size_t)len + 2;
    ok = ok && text_sink(out, bytes, (size_t)len) == 0;
    free(bytes);
    return ok;
}

static bool read_array(FILE *stream, long count, test_text *out)
{
    for (long i = 0; i < count; i++)
        if ((i > 0 && text_sink(out, "\n", 1) != 0) || !read_reply(stream, out))
            return false;
    return true;
}

static bool read_reply(FILE *stream, test_text *out)
{
    char line[4096];
    if (!fgets(line, sizeof line, stream) || strlen(line) < 3)
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    switch (line[0]) {
    case '$':
        return read_bulk(stream, strtol(line + 1, NULL, 10), out);
    case '*':
        return read_array(stream, strtol(line + 1, NULL, 10), out);
    case '-':
        return text_sink(out, line, strlen(line)) == 0;
    default:
        return text_sink(out, line + 1, strlen(line + 1)) == 0;
    }
}

/* NULL if the server gave no answer. */
static char *try_command(const redis_server *server, const char *const *command)
{
    int fd = connect_path(server->path);
    FILE *stream = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (!stream)
        return NULL;
    test_text reply = {0};
    write_command(stream, command);
    bool ok = read_reply(stream, &reply) && (reply.data || text_sink(&reply, "", 0) == 0);
    fclose(stream);
    if (!ok)
        text_free(&reply);
    return reply.data;
}

char *redis_server_ask(const redis_server *server, const char *const *command)
{
    char *reply = try_command(server, command);
    if (!reply)
        fail_msg("redis-server did not answer %s", command[0]);
    return reply;
}

void redis_server_tell(const redis_server *server, const char *const *command)
{
    char *reply = redis_server_ask(server, command);
    if (reply[0] == '-')
        fail_msg("%s: %s", command[0], reply);
    free(reply);
}

void redis_server_expect(const redis_server *server, const char *expected, const char *const *command)
{
    char *reply = redis_server_ask(server, command);
    assert_string_equal(reply, expected);
    free(reply);
}

/* ---- starting and stopping ----------------------------------------------------------------------------------- */

/* A cluster's node takes the port above it by 10,000, too. */
enum { HIGHEST_PORT = 65535 - 10000 };

static unsigned any_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static unsigned free_port(void)
{
    unsigned port;
    do
        port = any_free_port();
    while (port > HIGHEST_PORT);
    return port;
}

static void run_server(redis_server *server, const char *directory)
{
    char port[16];
    snprintf(port, sizeof port, "%u", server->port);
    const char *words[64] = {
        "redis-server", "--port",    port,       "--bind", "127.0.0.1",    "--unixsocket", server->path,
        "--dir",        directory,   "--save",   "",       "--appendonly", "no",           "--enable-debug-command",
        "yes",          "--logfile", "redis.log"};
    size_t count = 0;
    while (words[count])
        count++;
    for (size_t i = 0; server->options[i]; i++)
        words[count++] = server->options[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

/* Whether it has ended: a port that was taken meanwhile, or there is no redis-server. */
static bool has_ended(redis_server *server)
{
    int status;
    if (waitpid(server->pid, &status, WNOHANG) == 0)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        fail_msg("there is no redis-server");
    server->pid = 0;
    return true;
}

static bool listens(const redis_server *server)
{
    int fd = connect_path(server->path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool answers(const redis_server *server)
{
    char *reply = try_command(server, (const char *const[]){"PING", NULL});
    bool well = reply && (strcmp(reply, "PONG") == 0 || strncmp(reply, "-NOAUTH", 7) == 0);
    free(reply);
    return well;
}

static void start(redis_server *server, bool until_it_answers)
{
    char directory[108];
    snprintf(directory, sizeof directory, "%s", server->path);
    *strrchr(directory, '/') = '\0';
    unlink(server->path);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        run_server(server, directory);
    for (int i = 0; i < START_TRIES; i++) {
        if (has_ended(server)) {
            fail_msg("redis-server ended at once; see redis.log");
        } else if (until_it_answers ? answers(server) : listens(server)) {
            return;
        }
        pause_shortly();
    }
    fail_msg("redis-server does not answer");
}

static redis_server *new_server(const char *const *options)
{
    static int count;
    redis_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    char directory[80];
    snprintf(directory, sizeof directory, "%s/redis%d", test_directory(), count++);
    assert_int_equal(mkdir(directory, 0700), 0);
    snprintf(server->path, sizeof server->path, "%s/socket", directory);
    server->port = free_port();
    for (size_t i = 0; options[i]; i++) {
        assert_true(i < sizeof server->options / sizeof server->options[0] - 1);
        server->options[i] = strdup(options[i]);
    }
    return server;
}

redis_server *redis_server_start(const char *const *options)
{
    redis_server *server = new_server(options);
    start(server, true);
    return server;
}

static void end_process(redis_server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void redis_server_stop(redis_server *server)
{
    end_process(server);
    for (size_t i = 0; server->options[i]; i++)
        free(server->options[i]);
    free(server);
}

void redis_server_restart(redis_server *server)
{
    end_process(server);
    start(server, true);
}

void redis_server_restart_busy(redis_server *server)
{
    end_process(server);
    start(server, false);
}

void redis_server_pause(redis_server *server)
{
    int status;
    assert_int_equal(kill(server->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
}

void redis_server_resume(redis_server *server)
{
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

char *redis_server_url(const redis_server *server)
{
    char *url;
    assert_true(asprintf(&url, "redis+unix://%s?ns=test", server->path) > 0);
    return url;
}

char *redis_server_tcp_url(const redis_server *server)
{
    char *url;
    assert_true(asprintf(&url, "redis://127.0.0.1:%u/0?ns=test", server->port) > 0);
    return url;
}
