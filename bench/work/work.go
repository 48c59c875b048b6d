// Package work is what the contestants of enginebench do: the same SQL, the same values and the same checksums for all
// of them. A contestant is a program of its own, as two C libraries of SQLite cannot be linked into one.
package work

import (
	"io"
	"math"
)

// Session is one connection of a contestant, used as its best reasonable user would: a text that comes again is a
// prepared statement that is used again. It belongs to one goroutine.
type Session interface {
	// Exec runs a statement and drops its rows.
	Exec(sql string) error

	// Text runs a query and returns its one value as text.
	Text(sql string) (string, error)

	// Insert runs sql with the columns of RowAt(i) for each i below n.
	Insert(sql string, n int) error

	// Blobs runs sql with the arguments i and blob for each i below n.
	Blobs(sql string, n int, blob []byte) error

	// Each runs a query as often as it says and returns the checksum of all that it read.
	Each(q Query) (uint64, error)

	Close() error
}

// Hooked is a session that has some hooks of SQLite. Each turns one that does nothing on or off, and reports whether
// the contestant has it.
type Hooked interface {
	UpdateHook(on bool) (bool, error)
	Authorizer(on bool) (bool, error)
	Progress(on bool) (bool, error)
}

// WithFunction is a session that can have a function of SQL written in Go. It defines increment(x), which is x + 1.
type WithFunction interface{ DefineIncrement() error }

// WithBlobs is a session that reads and writes a blob in place, without all of it in memory.
type WithBlobs interface {
	OpenBlob(table, column string, rowid int64, write bool) (io.ReadWriteCloser, error)
}

// WithMemory is a session that knows how many bytes SQLite holds for it: pages, schema and statements.
type WithMemory interface{ SQLiteMemory() (int64, error) }

// Streamer is a contestant that has a way of its own to read many rows at once.
type Streamer interface {
	Stream(q Query) (uint64, error)
}

// Query is one text and how often it is run.
type Query struct {
	SQL   string
	Kinds string // a letter for each column: i, f, t or b
	Times int
	Args  func(k int) []int64 // the arguments of run k; the slice may be used again. Nil if there are none.
}

// Arguments returns the arguments of run k.
func (q Query) Arguments(k int) []int64 {
	if q.Args == nil {
		return nil
	}
	return q.Args(k)
}

// Scatter spreads k over the numbers from 1 to n.
func Scatter(k, n int) int64 { return int64(uint32(k)*2654435761)%int64(n) + 1 }

// Row is a row of the table that the workloads are about.
type Row struct {
	ID    int64
	Name  string
	Count int64
	Score float64
}

const hexDigits = "0123456789abcdef"

// RowAt returns row i, with a name of 20 bytes. It is not inlined, so that the name is a string of the heap, as those of
// a program mostly are, for every contestant: otherwise the compiler spares some of them the allocation.
//
//go:noinline
func RowAt(i int, name *[20]byte) Row {
	copy(name[:], "name-of-row-")
	h := uint32(i) * 2654435761
	for j := range 8 {
		name[12+j] = hexDigits[h>>(28-4*j)&15]
	}
	return Row{ID: int64(i + 1), Name: string(name[:]), Count: int64(h % 100000), Score: float64(i) / 4}
}

// The checksum is a sum, so that the order of rows with equal keys does not matter.

// SumInt is what an integer adds to the checksum.
func SumInt(v int64) uint64 { return uint64(v) }

// SumFloat is what a floating point number adds to the checksum.
func SumFloat(v float64) uint64 { return math.Float64bits(v) >> 12 }

// SumText is what a text adds to the checksum.
func SumText(v string) uint64 {
	if v == "" {
		return 0
	}
	return uint64(len(v)) + uint64(v[len(v)-1])
}

// SumBlob is what a blob adds to the checksum.
func SumBlob(v []byte) uint64 {
	if len(v) == 0 {
		return 0
	}
	return uint64(len(v)) + uint64(v[len(v)-1])
}
