package main

import "github.com/mailport/mailport/internal/bench/driver"

// A job is what a process that is a client does.
type job struct {
	Client   string
	Target   driver.Target
	Do       task
	Whole    bool // measure from the beginning, connecting included
	Warm     int  // messages before measuring begins
	Messages int
	Size     int // octets of a large message
	Patience seconds
	Profile  string // where to write one of the CPU; "": nowhere

	*paper // for who cannot make messages
}

// A paper is what messages are made of.
type paper struct {
	Text    string // of a message, with any serial number
	Warmer  string // the same of a small one, if Text is that of a large one
	Block   []byte // of which a large attachment consists
	Content int    // octets of the attachment
}

// A task is a kind of job.
type task string

const (
	kept  task = "kept"  // time, CPU and allocations of messages over connections that are open
	cold  task = "cold"  // the time from nothing to a message that was taken
	twice task = "twice" // the same, and once more
	large task = "large" // memory and CPU of one large message
	soak  task = "soak"  // memory and goroutines, at each quarter of many messages
)

type seconds = float64

// An outcome is what was measured. A program in another language has no
// allocations and no heap to tell of.
type outcome struct {
	Error    string // if it failed, or took too long
	Seconds  []seconds
	CPU      seconds // user and system
	Mallocs  float64 // allocations
	Bytes    float64 // allocated
	Resident int64   // peak of memory, in octets above what it was before
	Heap     int64   // peak of live objects, likewise
	Quarters []quarter
	Version  string // of a client that is not a module
}

// A quarter is how a process stands after a quarter of its messages.
type quarter struct {
	Messages   int
	Heap       int64
	Goroutines int
	Resident   int64
	Seconds    seconds
}
