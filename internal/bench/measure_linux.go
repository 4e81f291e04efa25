package main

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

// A measurement is what this process has used so far.
type measurement struct {
	cpu     time.Duration
	mallocs uint64
	bytes   uint64
}

func measure() measurement {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // its arguments are right
	}
	return measurement{
		cpu:     time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		mallocs: memory.Mallocs,
		bytes:   memory.TotalAlloc,
	}
}

// add notes what was used between two moments.
func (o *outcome) add(before, after measurement) {
	o.CPU = (after.cpu - before.cpu).Seconds()
	o.Mallocs = float64(after.mallocs - before.mallocs)
	o.Bytes = float64(after.bytes - before.bytes)
}

// live returns what is reachable on the heap.
func live() int64 {
	runtime.GC()
	runtime.GC() // what only finalizers held
	return heap()
}

// heap returns the size of the objects on the heap, with those that were not
// collected yet.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

func resident() int64 { return status("VmRSS:") }

// status reads a size from what the kernel says of this process; 0 if it does
// not say.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte(name))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// A watch looks how large this process becomes.
type watch struct {
	resident int64 // when it began
	heap     int64
	highest  int64
	stop     chan struct{}
	stopped  chan struct{}
}

// watchMemory begins with as little memory as can be.
func watchMemory() (*watch, error) {
	runtime.GC()
	debug.FreeOSMemory()
	// Since Linux 4.0: forget the highest size so far.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return nil, errors.Join(errors.New("the peak of memory cannot be measured here"), err)
	}
	w := &watch{resident: resident(), heap: heap(), stop: make(chan struct{}), stopped: make(chan struct{})}
	go w.run()
	return w, nil
}

// run looks at the heap now and then. What the kernel counts needs no looking at.
func (w *watch) run() {
	defer close(w.stopped)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		w.highest = max(w.highest, heap())
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}

// peak ends the watch.
func (w *watch) peak() (resident, heap int64) {
	close(w.stop)
	<-w.stopped
	return max(0, status("VmHWM:")-w.resident), max(0, w.highest-w.heap)
}
