// rust-prometheus, through the protocol and with the inputs of bench.h.
use prometheus::{
    linear_buckets, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts,
    Registry, TextEncoder,
};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const INPUTS: usize = 1 << 20;
const THREADS_MAX: usize = 64;
const USUAL_BATCH: usize = 1024;
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

struct Request {
    work: String,
    threads: usize,
    window: Duration,
    series: usize,
}

fn fail(text: &str) -> ! {
    eprintln!("{}", text);
    std::process::exit(1);
}

// ---- Inputs ----

struct Inputs {
    durations: Vec<f64>,
    picks: Vec<u32>,
    label_sets: Vec<[String; 2]>, // status, task_name
}

fn make_inputs(series: usize) -> Inputs {
    let mut inputs = Inputs { durations: Vec::new(), picks: Vec::new(), label_sets: make_label_sets(series) };
    let mut state: u64 = 88172645463325252;
    for _ in 0..INPUTS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let u = (state >> 11) as f64 / 9007199254740992.0;
        inputs.durations.push(12.0 * u * u * u);
        inputs.picks.push((state >> 32) as u32);
    }
    inputs
}

fn make_label_sets(series: usize) -> Vec<[String; 2]> {
    (0..series).map(|i| [["success", "failure"][i % 2].to_string(), format!("task_{:05}", i)]).collect()
}

fn choose(pick: u32, n: usize) -> usize {
    (pick as u64 * n as u64 >> 32) as usize
}

// ---- The registry ----

struct Subject {
    registry: Registry,
    counters: IntCounterVec,
    histograms: HistogramVec,
}

fn make_registry() -> Subject {
    let names = ["status", "task_name"];
    let counters = IntCounterVec::new(Opts::new("bench_tasks_total", "Tasks"), &names).unwrap();
    let options = HistogramOpts::new("bench_task_seconds", "Seconds").buckets(BOUNDS.to_vec());
    let histograms = HistogramVec::new(options, &names).unwrap();
    let registry = Registry::new();
    registry.register(Box::new(counters.clone())).unwrap();
    registry.register(Box::new(histograms.clone())).unwrap();
    Subject { registry, counters, histograms }
}

fn add_one(subject: &Subject, labels: &[String; 2]) {
    subject.counters.with_label_values(&[&labels[0], &labels[1]]).inc();
}

fn histogram_of(subject: &Subject, labels: &[String; 2]) -> Histogram {
    subject.histograms.with_label_values(&[&labels[0], &labels[1]])
}

// ---- Recording: each repeats its work for (thread, first, count) ----

type Repeat = Box<dyn Fn(usize, usize, usize) + Sync>;

fn add_to_counter(_: &Request) -> Repeat {
    let counter = IntCounter::new("bench_counter_total", "Counter").unwrap();
    Box::new(move |_, _, count| (0..count).for_each(|_| counter.inc()))
}

fn look_up_and_add(asked: &Request) -> Repeat {
    let inputs = make_inputs(asked.series);
    let subject = make_registry();
    inputs.label_sets.iter().for_each(|labels| add_one(&subject, labels));
    Box::new(move |_, first, count| {
        for i in first..first + count {
            add_one(&subject, &inputs.label_sets[choose(inputs.picks[i % INPUTS], inputs.label_sets.len())]);
        }
    })
}

fn set_gauge(_: &Request) -> Repeat {
    let inputs = make_inputs(1);
    let gauge = Gauge::new("bench_gauge", "Gauge").unwrap();
    Box::new(move |_, first, count| (first..first + count).for_each(|i| gauge.set(inputs.durations[i % INPUTS])))
}

fn set_own_gauge(asked: &Request) -> Repeat {
    let inputs = make_inputs(1);
    let gauges = GaugeVec::new(Opts::new("bench_gauge", "Gauge"), &["thread"]).unwrap();
    let own: Vec<Gauge> = (0..asked.threads).map(|i| gauges.with_label_values(&[&i.to_string()])).collect();
    Box::new(move |thread, first, count| {
        let gauge = &own[thread];
        (first..first + count).for_each(|i| gauge.set(inputs.durations[i % INPUTS]))
    })
}

fn add_to_gauge(_: &Request) -> Repeat {
    let inputs = make_inputs(1);
    let gauge = Gauge::new("bench_gauge", "Gauge").unwrap();
    Box::new(move |_, first, count| (first..first + count).for_each(|i| gauge.add(inputs.durations[i % INPUTS])))
}

fn observe(asked: &Request) -> Repeat {
    let inputs = make_inputs(1);
    let bounds =
        if asked.work == "observe_40" { linear_buckets(0.25, 0.25, 40).unwrap() } else { BOUNDS.to_vec() };
    let histogram = Histogram::with_opts(HistogramOpts::new("bench_seconds", "Seconds").buckets(bounds)).unwrap();
    Box::new(move |_, first, count| {
        (first..first + count).for_each(|i| histogram.observe(inputs.durations[i % INPUTS]))
    })
}

// ---- Many series ----

fn measure_registering(asked: &Request) -> f64 {
    let label_sets = make_label_sets(asked.series);
    let mut kept = Vec::new();
    let mut ns = 0.0;
    for _ in 0..2 {
        let begin = Instant::now();
        let subject = make_registry();
        label_sets.iter().for_each(|labels| add_one(&subject, labels));
        ns = begin.elapsed().as_nanos() as f64;
        kept.push(subject);
    }
    ns
}

/// As mallinfo2 tells it: Rust's programs take their memory from malloc.
fn heap_bytes() -> f64 {
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}

fn measure_memory(asked: &Request) -> f64 {
    let label_sets = make_label_sets(asked.series);
    let before = heap_bytes();
    let subject = make_registry();
    for labels in &label_sets {
        if asked.work == "heap_of_counters" {
            add_one(&subject, labels);
        } else {
            histogram_of(&subject, labels).observe(0.1);
        }
    }
    let bytes = (heap_bytes() - before) / asked.series as f64;
    drop(subject);
    bytes
}

fn render(asked: &Request) -> Repeat {
    let inputs = make_inputs(asked.series);
    let subject = make_registry();
    for (i, labels) in inputs.label_sets.iter().enumerate() {
        if asked.work == "prometheus_counters" {
            let value = (inputs.picks[i % INPUTS] >> 12) as u64;
            subject.counters.with_label_values(&[&labels[0], &labels[1]]).inc_by(value);
        } else {
            let histogram = histogram_of(&subject, labels);
            (i..30 * asked.series).step_by(asked.series).for_each(|k| histogram.observe(inputs.durations[k % INPUTS]));
        }
    }
    Box::new(move |_, _, count| {
        for _ in 0..count {
            let mut text = Vec::new();
            TextEncoder::new().encode(&subject.registry.gather(), &mut text).unwrap();
            if text.is_empty() {
                fail("no text");
            }
        }
    })
}

enum Work {
    Repeated(fn(&Request) -> Repeat, usize), // operations between two looks at the clock
    Measured(fn(&Request) -> f64),
}

const WORKS: &[(&str, Work)] = &[
    ("counter", Work::Repeated(add_to_counter, USUAL_BATCH)),
    ("lookup", Work::Repeated(look_up_and_add, USUAL_BATCH)),
    ("gauge_set", Work::Repeated(set_gauge, USUAL_BATCH)),
    ("gauge_set_own", Work::Repeated(set_own_gauge, USUAL_BATCH)),
    ("gauge_add", Work::Repeated(add_to_gauge, USUAL_BATCH)),
    ("observe", Work::Repeated(observe, USUAL_BATCH)),
    ("observe_40", Work::Repeated(observe, USUAL_BATCH)),
    ("register", Work::Measured(measure_registering)),
    ("heap_of_counters", Work::Measured(measure_memory)),
    ("heap_of_histograms", Work::Measured(measure_memory)),
    ("prometheus_counters", Work::Repeated(render, 1)),
    ("prometheus_histograms", Work::Repeated(render, 1)),
];

// ---- The harness ----

/// To the core of its number among those that the process may use.
fn pin(thread: usize) {
    unsafe {
        let size = std::mem::size_of::<libc::cpu_set_t>();
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size, &mut allowed);
        let cores: Vec<usize> =
            (0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &allowed)).collect();
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cores[thread % cores.len()], &mut one);
        libc::sched_setaffinity(0, size, &one);
    }
}

fn repeat_for(repeat: &Repeat, batch: usize, window: Duration, thread: usize, done: &mut usize) -> f64 {
    let before = *done;
    let begin = Instant::now();
    loop {
        repeat(thread, thread * (INPUTS / THREADS_MAX) + *done, batch);
        *done += batch;
        let taken = begin.elapsed();
        if taken >= window {
            return taken.as_nanos() as f64 / (*done - before) as f64;
        }
    }
}

fn measure_repeated(prepare: fn(&Request) -> Repeat, batch: usize, asked: &Request) -> f64 {
    let repeat = prepare(asked);
    let warm = Barrier::new(asked.threads);
    let run = |thread| {
        pin(thread);
        let mut done = 0;
        repeat_for(&repeat, batch, asked.window / 5, thread, &mut done);
        warm.wait();
        repeat_for(&repeat, batch, asked.window, thread, &mut done)
    };
    let run = &run;
    let figures: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..asked.threads).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    figures.iter().sum::<f64>() / asked.threads as f64
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() == 1 {
        WORKS.iter().for_each(|(name, _)| println!("rust-prometheus {}", name));
        return;
    }
    let numbers: Vec<usize> = arguments.iter().skip(2).filter_map(|word| word.parse().ok()).collect();
    if numbers.len() != 3 || numbers.contains(&0) {
        fail("usage: PROGRAM [WORK THREADS MS SERIES]");
    }
    let asked = Request {
        work: arguments[1].clone(),
        threads: numbers[0],
        window: Duration::from_millis(numbers[1] as u64),
        series: numbers[2],
    };
    match WORKS.iter().find(|(name, _)| *name == asked.work) {
        Some((_, Work::Repeated(prepare, batch))) => println!("{}", measure_repeated(*prepare, *batch, &asked)),
        Some((_, Work::Measured(measure))) => println!("{}", measure(&asked)),
        None => fail("no such work"),
    }
}
