// client_golang, through the protocol and with the inputs of bench.h.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

const (
	inputs     = 1 << 20
	threadsMax = 64
	usualBatch = 1024
)

type request struct {
	work    string
	threads int
	window  time.Duration
	series  int
}

type work struct {
	name    string
	prepare func(request)
	repeat  func(thread, first, count int)
	batch   int
	measure func(request) float64
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}

// ---- Inputs ----

var (
	durations  []float64
	picks      []uint32
	bounds     = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	manyBounds = prometheus.LinearBuckets(.25, .25, 40)
)

func makeInputs() {
	durations = make([]float64, inputs)
	picks = make([]uint32, inputs)
	state := uint64(88172645463325252)
	for i := range durations {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		u := float64(state>>11) / 9007199254740992
		durations[i] = 12 * u * u * u
		picks[i] = uint32(state >> 32)
	}
}

func choose(pick uint32, n int) int {
	return int(uint64(pick) * uint64(n) >> 32)
}

var labelSets [][2]string // status, task_name

func makeLabelSets(series int) {
	for i := 0; i < series; i++ {
		labelSets = append(labelSets, [2]string{[2]string{"success", "failure"}[i%2], fmt.Sprintf("task_%05d", i)})
	}
}

// ---- The registry ----

var (
	registry   *prometheus.Registry
	counters   *prometheus.CounterVec
	histograms *prometheus.HistogramVec
	counter    prometheus.Counter
	gauge      prometheus.Gauge
	ownGauges  []prometheus.Gauge
	histogram  prometheus.Histogram
)

func makeRegistry() {
	registry = prometheus.NewRegistry()
	names := []string{"status", "task_name"}
	counters = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_tasks_total"}, names)
	histograms = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bench_task_seconds", Buckets: bounds}, names)
	registry.MustRegister(counters, histograms)
}

func prepare(asked request) {
	makeInputs()
	makeLabelSets(asked.series)
	makeRegistry()
	counter = prometheus.NewCounter(prometheus.CounterOpts{Name: "bench_counter_total"})
	gauge = prometheus.NewGauge(prometheus.GaugeOpts{Name: "bench_gauge"})
	gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "bench_own_gauge"}, []string{"thread"})
	for i := 0; i < asked.threads; i++ {
		ownGauges = append(ownGauges, gauges.WithLabelValues(strconv.Itoa(i)))
	}
	options := prometheus.HistogramOpts{Name: "bench_seconds", Buckets: bounds}
	if asked.work == "observe_40" {
		options.Buckets = manyBounds
	}
	histogram = prometheus.NewHistogram(options)
	registry.MustRegister(counter, gauge, gauges, histogram)
}

// ---- Recording ----

func addToCounter(thread, first, count int) {
	for i := 0; i < count; i++ {
		counter.Inc()
	}
}

func lookUpAndAdd(thread, first, count int) {
	for i := 0; i < count; i++ {
		labels := &labelSets[choose(picks[(first+i)%inputs], len(labelSets))]
		counters.WithLabelValues(labels[0], labels[1]).Inc()
	}
}

func setGauge(thread, first, count int) {
	for i := 0; i < count; i++ {
		gauge.Set(durations[(first+i)%inputs])
	}
}

func setOwnGauge(thread, first, count int) {
	own := ownGauges[thread]
	for i := 0; i < count; i++ {
		own.Set(durations[(first+i)%inputs])
	}
}

func addToGauge(thread, first, count int) {
	for i := 0; i < count; i++ {
		gauge.Add(durations[(first+i)%inputs])
	}
}

func observe(thread, first, count int) {
	for i := 0; i < count; i++ {
		histogram.Observe(durations[(first+i)%inputs])
	}
}

// ---- Many series ----

func measureRegistering(asked request) float64 {
	makeLabelSets(asked.series)
	var kept []*prometheus.Registry
	var ns float64
	for round := 0; round < 2; round++ {
		begin := time.Now()
		makeRegistry()
		for i := range labelSets {
			counters.WithLabelValues(labelSets[i][0], labelSets[i][1]).Inc()
		}
		ns = float64(time.Since(begin).Nanoseconds())
		kept = append(kept, registry)
	}
	runtime.KeepAlive(kept)
	return ns
}

// What lives on Go's heap.
func heapBytes() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

func measureMemory(asked request) float64 {
	makeLabelSets(asked.series)
	before := heapBytes()
	makeRegistry()
	for i := range labelSets {
		if asked.work == "heap_of_counters" {
			counters.WithLabelValues(labelSets[i][0], labelSets[i][1]).Inc()
		} else {
			histograms.WithLabelValues(labelSets[i][0], labelSets[i][1]).Observe(0.1)
		}
	}
	bytes := (heapBytes() - before) / float64(asked.series)
	runtime.KeepAlive(registry)
	runtime.KeepAlive(labelSets)
	return bytes
}

func fill(asked request) {
	makeInputs()
	makeLabelSets(asked.series)
	makeRegistry()
	for i := range labelSets {
		if asked.work == "prometheus_counters" {
			counters.WithLabelValues(labelSets[i][0], labelSets[i][1]).Add(float64(picks[i%inputs] >> 12))
			continue
		}
		own := histograms.WithLabelValues(labelSets[i][0], labelSets[i][1])
		for k := i; k < 30*len(labelSets); k += len(labelSets) {
			own.Observe(durations[k%inputs])
		}
	}
}

var text bytes.Buffer

func render(thread, first, count int) {
	for i := 0; i < count; i++ {
		families, err := registry.Gather()
		if err != nil {
			fail(err.Error())
		}
		text.Reset()
		for _, family := range families {
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				fail(err.Error())
			}
		}
	}
}

var works = []work{
	{name: "counter", prepare: prepare, repeat: addToCounter},
	{name: "lookup", prepare: prepare, repeat: lookUpAndAdd},
	{name: "gauge_set", prepare: prepare, repeat: setGauge},
	{name: "gauge_set_own", prepare: prepare, repeat: setOwnGauge},
	{name: "gauge_add", prepare: prepare, repeat: addToGauge},
	{name: "observe", prepare: prepare, repeat: observe},
	{name: "observe_40", prepare: prepare, repeat: observe},
	{name: "register", measure: measureRegistering},
	{name: "heap_of_counters", measure: measureMemory},
	{name: "heap_of_histograms", measure: measureMemory},
	{name: "prometheus_counters", prepare: fill, repeat: render, batch: 1},
	{name: "prometheus_histograms", prepare: fill, repeat: render, batch: 1},
}

// ---- The harness ----

// pin ties the calling goroutine to a thread and the thread to the core of its number.
func pin(thread int) {
	runtime.LockOSThread()
	var mask [16]uint64
	size, address := unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))
	if _, _, err := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, size, address); err != 0 {
		fail(err.Error())
	}
	var cores []int
	for core := 0; core < 64*len(mask); core++ {
		if mask[core/64]>>(core%64)&1 == 1 {
			cores = append(cores, core)
		}
	}
	core := cores[thread%len(cores)]
	mask = [16]uint64{}
	mask[core/64] = 1 << (core % 64)
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, size, address)
}

func repeatFor(w *work, window time.Duration, thread int, done *int) float64 {
	batch := w.batch
	if batch == 0 {
		batch = usualBatch
	}
	before := *done
	begin := time.Now()
	for {
		w.repeat(thread, thread*(inputs/threadsMax)+*done, batch)
		*done += batch
		if taken := time.Since(begin); taken >= window {
			return float64(taken.Nanoseconds()) / float64(*done-before)
		}
	}
}

func measureRepeated(w *work, asked request) float64 {
	var warm, finished sync.WaitGroup
	warm.Add(asked.threads)
	finished.Add(asked.threads)
	figures := make([]float64, asked.threads)
	for thread := 0; thread < asked.threads; thread++ {
		go func(thread int) {
			defer finished.Done()
			pin(thread)
			done := 0
			repeatFor(w, asked.window/5, thread, &done)
			warm.Done()
			warm.Wait()
			figures[thread] = repeatFor(w, asked.window, thread, &done)
		}(thread)
	}
	finished.Wait()
	sum := 0.0
	for _, ns := range figures {
		sum += ns
	}
	return sum / float64(asked.threads)
}

func main() {
	if len(os.Args) == 1 {
		for _, w := range works {
			fmt.Println("client_golang", w.name)
		}
		return
	}
	numbers := [3]int{}
	for i := range numbers {
		number, err := strconv.Atoi(strings.Join(os.Args[2+i:3+i], ""))
		if err != nil || number < 1 {
			fail("usage: PROGRAM [WORK THREADS MS SERIES]")
		}
		numbers[i] = number
	}
	asked := request{os.Args[1], numbers[0], time.Duration(numbers[1]) * time.Millisecond, numbers[2]}
	for i := range works {
		w := &works[i]
		if w.name != asked.work {
			continue
		}
		if w.measure != nil {
			fmt.Println(w.measure(asked))
			return
		}
		w.prepare(asked)
		fmt.Println(measureRepeated(w, asked))
		return
	}
	fail("no such work")
}
