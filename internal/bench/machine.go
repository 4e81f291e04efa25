package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
)

// peers are the modules that are compared, as go.mod names them.
var peers = [...]string{
	"github.com/wneessen/go-mail",
	"github.com/emersion/go-smtp",
	"gopkg.in/gomail.v2",
	"github.com/jordan-wright/email",
	"github.com/mjl-/mox",
}

// machine describes where and with what the numbers were measured.
func machine(node string) []string {
	lines := []string{
		fmt.Sprintf("%s, %d cores, %s, %s", model(), runtime.NumCPU(), kernel(), runtime.Version()),
	}
	var versions []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, path := range peers {
			versions = append(versions, path+" "+version(info, path))
		}
	}
	return append(lines, strings.Join(append(versions, node), ", "))
}

func version(info *debug.BuildInfo, path string) string {
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "of unknown version"
}

// model is what the processor calls itself.
func model() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	var name syscall.Utsname
	if err := syscall.Uname(&name); err != nil {
		return runtime.GOOS
	}
	return chars(name.Sysname[:]) + " " + chars(name.Release[:])
}

// chars is a string of C, whose characters are signed on some machines.
func chars[T int8 | uint8](s []T) string {
	var b strings.Builder
	for _, c := range s {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}
