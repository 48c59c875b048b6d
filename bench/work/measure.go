package work

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// bench is one contestant in one run.
type bench struct {
	open   func() (Session, error)
	s      Session
	size   Sizes
	report func(Result)
	args   [2]int64
}

// Result is what one workload took.
type Result struct {
	Workload string  `json:"workload"`
	NS       float64 `json:"ns"`     // for each operation
	CPU      float64 `json:"cpu"`    // processor time of all threads for each operation, in nanoseconds; 0 if not known
	Ops      int     `json:"ops"`    // operations that were timed
	Sum      uint64  `json:"sum"`    // checksum
	Allocs   float64 `json:"allocs"` // Go allocations for each operation
	Peak     float64 `json:"peak"`   // the most resident memory the process had so far, in bytes; 0 if not known

	Growth *Growth `json:"growth,omitempty"` // of the memory, where a workload is about it
}

// Growth is how much more memory there was after a workload than before, in bytes.
type Growth struct {
	Resident float64  `json:"resident"`         // of the process
	Heap     float64  `json:"heap"`             // Go's, after a collection
	SQLite   *float64 `json:"sqlite,omitempty"` // what SQLite holds for the connection, of those that tell
}

func (b *bench) time(name string, ops int, f func() (uint64, error)) error {
	r, err := b.timed(name, ops, f)
	if err == nil {
		b.report(r)
	}
	return err
}

func (b *bench) timed(name string, ops int, f func() (uint64, error)) (Result, error) {
	runtime.GC() // a workload pays for its own garbage only
	before, cpu := memory().Mallocs, processorTime()
	start := time.Now()
	sum, err := f()
	took := time.Since(start)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	return Result{
		Workload: name,
		NS:       float64(took.Nanoseconds()) / float64(ops),
		CPU:      float64((processorTime() - cpu).Nanoseconds()) / float64(ops),
		Ops:      ops,
		Sum:      sum,
		Allocs:   float64(memory().Mallocs-before) / float64(ops),
		Peak:     status("VmHWM:"),
	}, nil
}

// held is how much memory there is now.
func (b *bench) held() (Growth, error) {
	runtime.GC()
	g := Growth{Resident: status("VmRSS:"), Heap: float64(memory().HeapAlloc)}
	s, ok := b.s.(WithMemory)
	if !ok {
		return g, nil
	}
	bytes, err := s.SQLiteMemory()
	sqlite := float64(bytes)
	g.SQLite = &sqlite
	return g, err
}

func (g Growth) since(before Growth) *Growth {
	grown := &Growth{Resident: g.Resident - before.Resident, Heap: g.Heap - before.Heap}
	if g.SQLite != nil && before.SQLite != nil {
		sqlite := *g.SQLite - *before.SQLite
		grown.SQLite = &sqlite
	}
	return grown
}

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// status reads a field of /proc/self/status that is in kB, as bytes; 0 where there is no such file.
func status(field string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), field)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kB, _ := strconv.ParseFloat(number, 64)
	return kB * 1024
}
