// Package harness is what benchmarks have in common that start servers: a stand-in for a test, runs in turn, and reports
// of medians and ratios.
package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// host stands in for a test, which is what package sqldtest starts servers for. Of [testing.TB] it has what
// sqldtest calls; what else a test can do is not there.
type Host struct {
	testing.TB
	root     string
	dirs     int
	failed   bool
	cleanups []func()
}

// abandoned is what a host panics with to end a measure, as a test's Fatal ends its goroutine.
type abandoned struct{ message string }

func NewHost() *Host { return &Host{} }

func (h *Host) Helper()          {}
func (h *Host) Failed() bool     { return h.failed }
func (h *Host) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }
func (h *Host) Skip(args ...any) { h.Fatal(args...) }
func (h *Host) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (h *Host) Fatalf(format string, args ...any) { h.Fatal(fmt.Sprintf(format, args...)) }

func (h *Host) Fatal(args ...any) {
	h.failed = true
	panic(abandoned{fmt.Sprint(args...)})
}

// TempDir makes a directory that is gone after the measure.
func (h *Host) TempDir() string {
	if h.root == "" {
		root, err := os.MkdirTemp("", "floe-syncbench-")
		if err != nil {
			h.Fatal(err)
		}
		h.root = root
		h.Cleanup(func() { os.RemoveAll(root) })
	}
	h.dirs++
	dir := filepath.Join(h.root, strconv.Itoa(h.dirs))
	if err := os.Mkdir(dir, 0o755); err != nil {
		h.Fatal(err)
	}
	return dir
}

// Finish ends what the measure started. With recovered, what a panic ended it with, it gives that as an error.
func (h *Host) Finish(recovered any) error {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
	switch r := recovered.(type) {
	case nil:
		return nil
	case abandoned:
		return errors.New(r.message)
	}
	panic(recovered)
}
