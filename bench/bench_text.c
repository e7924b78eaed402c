/* Rendering: a registry as text in each format, snapshot included, into a buffer that has room for it. One thread. */
#include <stdlib.h>
#include <string.h>

#include "registry.h"

static tm_registry *registry;
static char *text;
static size_t text_len;
static size_t text_capacity;
static tm_format format;

static int keep(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    if (len > text_capacity - text_len)
        return 1;
    memcpy(text + text_len, bytes, len);
    text_len += len;
    return 0;
}

static int measure_length(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    (void)bytes;
    text_capacity += len;
    return 0;
}

static void fill_counters(const bench_case *asked)
{
    tm_counter **counters = bench_counters(registry, bench_label_sets(asked->series), asked->series);
    const uint32_t *picks = bench_picks();
    for (size_t i = 0; i < asked->series; i++)
        tm_counter_add(counters[i], picks[i % BENCH_INPUTS] >> 12);
}

/* 30 observations a histogram. */
static void fill_histograms(const bench_case *asked)
{
    tm_histogram **histograms = bench_histograms(registry, bench_label_sets(asked->series), asked->series);
    const double *durations = bench_durations();
    for (size_t i = 0; i < 30 * asked->series; i++)
        tm_histogram_observe(histograms[i % asked->series], durations[i % BENCH_INPUTS]);
}

static tm_format format_of(const char *work)
{
    return strncmp(work, "json", 4) == 0           ? TM_FORMAT_JSON
           : strncmp(work, "csv", 3) == 0          ? TM_FORMAT_CSV
           : strncmp(work, "openmetrics", 11) == 0 ? TM_FORMAT_OPENMETRICS
                                                   : TM_FORMAT_PROMETHEUS;
}

static void prepare(const bench_case *asked)
{
    registry = bench_registry(asked->series);
    if (strstr(asked->work, "_counters"))
        fill_counters(asked);
    else
        fill_histograms(asked);
    format = format_of(asked->work);
    tm_export(registry, format, NULL, measure_length, NULL);
    text_capacity += 1000; /* the time is one of the numbers */
    text = malloc(text_capacity);
    if (!text)
        bench_fail("no memory");
}

static void render(size_t thread, size_t first, size_t count)
{
    (void)thread;
    (void)first;
    for (size_t i = 0; i < count; i++) {
        text_len = 0;
        if (tm_export(registry, format, NULL, keep, NULL) != TM_OK)
            bench_fail("no text");
    }
}

static const bench_work works[] = {
    {.name = "prometheus_counters", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "prometheus_histograms", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "openmetrics_counters", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "openmetrics_histograms", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "json_counters", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "json_histograms", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "csv_counters", .prepare = prepare, .repeat = render, .batch = 1},
    {.name = "csv_histograms", .prepare = prepare, .repeat = render, .batch = 1},
};

int main(int argc, char **argv)
{
    return bench_main("taskermetrics", works, sizeof works / sizeof *works, argc, argv);
}
