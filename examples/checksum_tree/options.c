#include "checksum_tree/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 1024, INTERVAL_MS_MAX = 3600000, USAGE_ERROR = 2 };

static const char usage[] =
    "usage: checksum_tree [--threads N] [--interval-ms N] [--store URL] [--out DIR] [PATH]\n"
    "\n"
    "Digests every regular file below PATH (default /usr/include) and prints the metrics of all runs so far.\n"
    "  --threads N       worker threads; default: one a core\n"
    "  --interval-ms N   time between two syncs; default: 100\n"
    "  --store URL       where the metrics live; default: file:DIR/metrics.tm\n"
    "  --out DIR         where metrics.json and metrics.csv go; default: build/demo\n";

static size_t cores(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (size_t)count : 1;
}

/* A number of 1 to `max`, or 0 for anything else. */
static long parse_number(const char *text, long max)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    return errno || end == text || *end || number < 1 || number > max ? 0 : number;
}

/* "file:DIRECTORY/metrics.tm", with everything escaped that means something in a URL; NULL if there is no memory. */
static char *default_store_url(const char *directory)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    static const char scheme[] = "file:";
    static const char file[] = "/metrics.tm";
    char *url = malloc(sizeof scheme + 3 * strlen(directory) + sizeof file);
    if (!url)
        return NULL;
    char *at = stpcpy(url, scheme);
    for (const char *c = directory; *c; c++) {
        if (strchr(plain, *c))
            *at++ = *c;
        else
            at += sprintf(at, "%%%02X", (unsigned)(unsigned char)*c);
    }
    memcpy(at, file, sizeof file);
    return url;
}

static int refuse(const char *what, const char *value)
{
    fprintf(stderr, "checksum_tree: %s: %s\n%s", what, value, usage);
    return USAGE_ERROR;
}

static int set_option(tree_options *o, const char **store_url, int option, const char *value)
{
    switch (option) {
    case 't':
        o->threads = (size_t)parse_number(value, THREADS_MAX);
        return o->threads ? -1 : refuse("not a number of threads", value);
    case 'i':
        o->interval_ms = parse_number(value, INTERVAL_MS_MAX);
        return o->interval_ms ? -1 : refuse("not a number of milliseconds", value);
    case 's':
        *store_url = value;
        return -1;
    case 'o':
        o->out_directory = value;
        return -1;
    case 'h':
        fputs(usage, stdout);
        return 0;
    default:
        fputs(usage, stderr);
        return USAGE_ERROR;
    }
}

int options_parse(tree_options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"threads", required_argument, NULL, 't'}, {"interval-ms", required_argument, NULL, 'i'},
        {"store", required_argument, NULL, 's'},   {"out", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    const char *store_url = NULL;
    *o = (tree_options){.path = "/usr/include", .threads = cores(), .interval_ms = 100, .out_directory = "build/demo"};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        int exit_status = set_option(o, &store_url, option, optarg ? optarg : "");
        if (exit_status >= 0)
            return exit_status;
    }
    if (argc - optind > 1)
        return refuse("one path only, not also", argv[optind + 1]);
    if (optind < argc)
        o->path = argv[optind];
    o->store_url = store_url ? strdup(store_url) : default_store_url(o->out_directory);
    return o->store_url ? -1 : refuse("out of memory for", "the store's URL");
}

void options_free(tree_options *o)
{
    free(o->store_url);
}
