package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profile begins to write a CPU profile to a file; no name, no profile.
func profile(name string) (end func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

// profileOf names the profile of a client's next job. It is numbered, since there
// are several with and without CHUNKING, and at each distance.
func (r *runner) profileOf(j job) string {
	if r.profiles == "" {
		return ""
	}
	r.profiled++
	return filepath.Join(r.profiles, fmt.Sprintf("%03d-%s-%s.pprof", r.profiled, j.Do, j.Client))
}
