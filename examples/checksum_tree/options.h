/* The command line. */
#ifndef CHECKSUM_TREE_OPTIONS_H
#define CHECKSUM_TREE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

typedef struct tree_options {
    const char *path;
    size_t threads;
    int64_t interval_ms;
    const char *out_directory;
    char *store_url;
} tree_options;

/* Reads the command line. Returns -1 to go on, else the exit status: 0 after --help, 2 for a mistake (told on
 * stderr). */
int options_parse(tree_options *options, int argc, char **argv);
void options_free(tree_options *options);

#endif
