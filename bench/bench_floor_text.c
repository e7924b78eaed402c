/* The floor of rendering: every line's beginning lies ready and is copied, and its number is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct line {
    const char *prefix;
    uint32_t prefix_len;
    bool is_ready; /* the number too: a double is not the floor's to print */
    uint64_t value;
} line;

enum { LINE_MAX_BYTES = 160, HISTOGRAM_LINES = BENCH_BOUNDS + 3 };

static line *lines;
static size_t line_count;
static char *text;

static char *room_for(size_t bytes)
{
    char *room = malloc(bytes);
    if (!room)
        bench_fail("no memory");
    return room;
}

static void add_line(const char *prefix, int len, uint64_t value, bool is_ready)
{
    char *copy = room_for((size_t)len);
    memcpy(copy, prefix, (size_t)len);
    lines[line_count++] = (line){copy, (uint32_t)len, is_ready, value};
}

static void prepare_counters(const bench_case *asked)
{
    const bench_task_name *names = bench_task_names(asked->series);
    const uint32_t *picks = bench_picks();
    char prefix[LINE_MAX_BYTES];
    lines = (line *)(void *)room_for(asked->series * sizeof *lines);
    text = room_for(asked->series * LINE_MAX_BYTES);
    for (size_t i = 0; i < asked->series; i++) {
        int len = snprintf(prefix, sizeof prefix, "bench_tasks_total{status=\"%s\",task_name=\"%s\"} ", bench_status(i),
                           names[i].text);
        add_line(prefix, len, picks[i % BENCH_INPUTS] >> 12, false);
    }
}

typedef struct observed {
    uint64_t buckets[BENCH_BOUNDS + 1]; /* cumulative */
    double sum;
} observed;

/* What histogram i of n has seen after 30 observations each: every n-th duration. */
static observed observe(const double *durations, size_t i, size_t n)
{
    observed seen = {{0}, 0};
    for (size_t k = i; k < 30 * n; k += n) {
        double duration = durations[k % BENCH_INPUTS];
        for (size_t b = 0; b <= BENCH_BOUNDS; b++)
            seen.buckets[b] += b == BENCH_BOUNDS || duration <= bench_bounds[b];
        seen.sum += duration;
    }
    return seen;
}

static void add_histogram(const char *labels, const observed *seen)
{
    char prefix[LINE_MAX_BYTES];
    for (size_t b = 0; b < BENCH_BOUNDS; b++)
        add_line(prefix,
                 snprintf(prefix, sizeof prefix, "bench_task_seconds_bucket{%s,le=\"%g\"} ", labels, bench_bounds[b]),
                 seen->buckets[b], false);
    add_line(prefix, snprintf(prefix, sizeof prefix, "bench_task_seconds_bucket{%s,le=\"+Inf\"} ", labels),
             seen->buckets[BENCH_BOUNDS], false);
    add_line(prefix, snprintf(prefix, sizeof prefix, "bench_task_seconds_sum{%s} %.17g\n", labels, seen->sum), 0, true);
    add_line(prefix, snprintf(prefix, sizeof prefix, "bench_task_seconds_count{%s} ", labels),
             seen->buckets[BENCH_BOUNDS], false);
}

static void prepare_histograms(const bench_case *asked)
{
    const bench_task_name *names = bench_task_names(asked->series);
    const double *durations = bench_durations();
    size_t most_lines = asked->series * HISTOGRAM_LINES;
    lines = (line *)(void *)room_for(most_lines * sizeof *lines);
    text = room_for(most_lines * LINE_MAX_BYTES);
    for (size_t i = 0; i < asked->series; i++) {
        char labels[LINE_MAX_BYTES / 2];
        snprintf(labels, sizeof labels, "status=\"%s\",task_name=\"%s\"", bench_status(i), names[i].text);
        observed seen = observe(durations, i, asked->series);
        add_histogram(labels, &seen);
    }
}

/* Two digits at a time. */
static char *print_number(char *at, uint64_t value)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445"
        "46474849505152535455565758596061626364656667686970717273747576777879808182838485868788899091"
        "9293949596979899";
    char digits[20];
    char *first = digits + sizeof digits;
    while (value >= 100) {
        first -= 2;
        memcpy(first, &pairs[value % 100 * 2], 2);
        value /= 100;
    }
    if (value >= 10) {
        first -= 2;
        memcpy(first, &pairs[value * 2], 2);
    } else {
        *--first = (char)('0' + value);
    }
    size_t len = (size_t)(digits + sizeof digits - first);
    memcpy(at, first, len);
    return at + len;
}

static void render(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++) {
        char *at = text;
        for (const line *l = lines; l < lines + line_count; l++) {
            memcpy(at, l->prefix, l->prefix_len);
            at += l->prefix_len;
            if (l->is_ready)
                continue;
            at = print_number(at, l->value);
            *at++ = '\n';
        }
    }
}

static const bench_work works[] = {
    {.name = "prometheus_counters", .prepare = prepare_counters, .repeat = render, .batch = 1},
    {.name = "prometheus_histograms", .prepare = prepare_histograms, .repeat = render, .batch = 1},
};

int main(int argc, char **argv)
{
    return bench_main("floor", works, sizeof works / sizeof *works, argc, argv);
}
