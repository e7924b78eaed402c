#include "checksum_tree/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_bytes(void *stream, const char *bytes, size_t len)
{
    return fwrite(bytes, 1, len, stream) == len ? 0 : -1;
}

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "checksum_tree: %s: %s\n", what, why);
    return false;
}

bool make_directories(const char *path)
{
    char *part = strdup(path);
    if (!part)
        return false;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0777);
        *slash = '/';
    }
    bool made = mkdir(part, 0777) == 0 || errno == EEXIST;
    free(part);
    return made;
}

bool print_snapshot(const tm_snapshot *snapshot, tm_format format, FILE *stream)
{
    tm_export_options options = TM_EXPORT_OPTIONS_INIT;
    options.pretty = 1;
    int status = tm_snapshot_export(snapshot, format, &options, write_bytes, stream);
    if (status != TM_OK)
        return complain("export failed", status == TM_ESINK ? strerror(errno) : tm_status_text(status));
    return fflush(stream) == 0 || complain("output", strerror(errno));
}

static bool write_file(const tm_snapshot *snapshot, tm_format format, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return complain(path, strerror(errno));
    bool printed = print_snapshot(snapshot, format, file);
    bool closed = fclose(file) == 0 || complain(path, strerror(errno));
    return printed && closed;
}

bool write_snapshot(const tm_snapshot *snapshot, tm_format format, const char *directory, const char *name)
{
    char *path;
    char *temporary;
    bool done = false;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        path = NULL;
    if (!path || asprintf(&temporary, "%s.%ld", path, (long)getpid()) < 0)
        temporary = NULL;
    if (!temporary)
        complain(name, strerror(ENOMEM));
    else if (write_file(snapshot, format, temporary))
        done = rename(temporary, path) == 0 || complain(path, strerror(errno));
    if (temporary && !done)
        unlink(temporary);
    free(temporary);
    free(path);
    return done;
}
