// prometheus-cpp, through the protocol and with the inputs of bench.h.
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "bench.h"

namespace
{
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::Registry;

const double *durations;
const uint32_t *picks;
std::vector<Labels> label_sets;
std::shared_ptr<Registry> registry;
Family<Counter> *counters;
Family<Histogram> *histograms;
Counter *counter;
Gauge *gauge;
std::vector<Gauge *> own_gauges;
Histogram *histogram;

void make_label_sets(size_t series)
{
    const bench_task_name *names = bench_task_names(series);
    for (size_t i = 0; i < series; i++)
        label_sets.push_back({{"status", bench_status(i)}, {"task_name", names[i].text}});
}

void make_registry()
{
    registry = std::make_shared<Registry>();
    counters = &prometheus::BuildCounter().Name("bench_tasks_total").Register(*registry);
    histograms = &prometheus::BuildHistogram().Name("bench_task_seconds").Register(*registry);
}

void prepare(const bench_case *asked)
{
    durations = bench_durations();
    picks = bench_picks();
    make_label_sets(asked->series);
    make_registry();
    counter = &counters->Add({});
    auto &gauges = prometheus::BuildGauge().Name("bench_gauge").Register(*registry);
    gauge = &gauges.Add({});
    for (size_t i = 0; i < asked->threads; i++)
        own_gauges.push_back(&gauges.Add({{"thread", std::to_string(i)}}));
    const bool many = std::strcmp(asked->work, "observe_40") == 0;
    const double *bounds = many ? bench_many_bounds : bench_bounds;
    const size_t bound_count = many ? size_t{BENCH_MANY_BOUNDS} : size_t{BENCH_BOUNDS};
    histogram = &histograms->Add({}, Histogram::BucketBoundaries(bounds, bounds + bound_count));
}

// ---- Recording ----

void add_to_counter(size_t, size_t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        counter->Increment();
}

void look_up_and_add(size_t, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        counters->Add(label_sets[bench_choose(picks[(first + i) % BENCH_INPUTS], label_sets.size())]).Increment();
}

void set_gauge(size_t, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gauge->Set(durations[(first + i) % BENCH_INPUTS]);
}

void set_own_gauge(size_t thread, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        own_gauges[thread]->Set(durations[(first + i) % BENCH_INPUTS]);
}

void add_to_gauge(size_t, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gauge->Increment(durations[(first + i) % BENCH_INPUTS]);
}

void observe(size_t, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        histogram->Observe(durations[(first + i) % BENCH_INPUTS]);
}

// ---- Many series ----

const Histogram::BucketBoundaries usual_bounds(bench_bounds, bench_bounds + BENCH_BOUNDS);

void measure_registering(const bench_case *asked)
{
    make_label_sets(asked->series);
    std::shared_ptr<Registry> before;
    for (int round = 0; round < 2; round++) {
        before = registry;
        const double begin = bench_now_ns();
        make_registry();
        for (const Labels &labels : label_sets)
            counters->Add(labels).Increment();
        if (round == 1)
            bench_report(bench_now_ns() - begin);
    }
}

void measure_memory(const bench_case *asked)
{
    make_label_sets(asked->series);
    const size_t before = bench_heap_bytes();
    make_registry();
    for (const Labels &labels : label_sets)
        if (std::strstr(asked->work, "counters"))
            counters->Add(labels).Increment();
        else
            histograms->Add(labels, usual_bounds).Observe(0.1);
    bench_report(static_cast<double>(bench_heap_bytes() - before) / static_cast<double>(asked->series));
}

void fill(const bench_case *asked)
{
    durations = bench_durations();
    picks = bench_picks();
    make_label_sets(asked->series);
    make_registry();
    for (size_t i = 0; i < label_sets.size(); i++)
        if (std::strstr(asked->work, "counters"))
            counters->Add(label_sets[i]).Increment(picks[i % BENCH_INPUTS] >> 12);
        else
            for (size_t k = i; k < 30 * label_sets.size(); k += label_sets.size())
                histograms->Add(label_sets[i], usual_bounds).Observe(durations[k % BENCH_INPUTS]);
}

void render(size_t, size_t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        std::ostringstream text;
        prometheus::TextSerializer().Serialize(text, registry->Collect());
        if (text.tellp() == std::streampos(0))
            bench_fail("no text");
    }
}

bench_work repeating(const char *name, void (*repeat)(size_t, size_t, size_t))
{
    return {name, nullptr, prepare, repeat, 0, false, nullptr};
}

bench_work rendering(const char *name)
{
    return {name, nullptr, fill, render, 1, false, nullptr};
}

bench_work measuring(const char *name, void (*measure)(const bench_case *))
{
    return {name, nullptr, nullptr, nullptr, 0, false, measure};
}

} // namespace

int main(int argc, char **argv)
{
    const bench_work works[] = {
        repeating("counter", add_to_counter),
        repeating("lookup", look_up_and_add),
        repeating("gauge_set", set_gauge),
        repeating("gauge_set_own", set_own_gauge),
        repeating("gauge_add", add_to_gauge),
        repeating("observe", observe),
        repeating("observe_40", observe),
        measuring("register", measure_registering),
        measuring("heap_of_counters", measure_memory),
        measuring("heap_of_histograms", measure_memory),
        rendering("prometheus_counters"),
        rendering("prometheus_histograms"),
    };
    return bench_main("prometheus-cpp", works, sizeof works / sizeof *works, argc, argv);
}
