/* Rendering metrics to a stream or a file. */
#ifndef CHECKSUM_TREE_OUTPUT_H
#define CHECKSUM_TREE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include <taskermetrics/taskermetrics.h>

/* Makes a directory and those above it. False, with errno, if it is not there afterwards. */
bool make_directories(const char *path);

/* Renders a snapshot; a failure is told on stderr. */
bool print_snapshot(const tm_snapshot *snapshot, tm_format format, FILE *stream);

/* The same into DIRECTORY/NAME, which is replaced as a whole: a reader never sees half a file. */
bool write_snapshot(const tm_snapshot *snapshot, tm_format format, const char *directory, const char *name);

#endif
