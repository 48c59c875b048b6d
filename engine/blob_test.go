package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// The handle has the interfaces that its documentation names.
var _ interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.WriterTo
	io.ReaderFrom
	io.StringWriter
	io.Closer
} = (*BlobHandle)(nil)

// openBlobs opens a database with the values in column b of the rows 1, 2, ...
func openBlobs(tb testing.TB, values ...any) *Conn {
	tb.Helper()
	c := openMemory(tb)
	mustExec(tb, c, "CREATE TABLE t(id INTEGER PRIMARY KEY, b, other)")
	for _, v := range values {
		mustExec(tb, c, "INSERT INTO t(b) VALUES (?)", v)
	}
	return c
}

func mustOpenBlob(tb testing.TB, c *Conn, row int64, write bool) *BlobHandle {
	tb.Helper()
	b, err := c.OpenBlob(background, "", "t", "b", row, write)
	if err != nil {
		tb.Fatalf("open blob of row %d: %v", row, err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Errorf("close blob of row %d: %v", row, err)
		}
	})
	return b
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 7)
	}
	return p
}

func TestBlobIsAReader(t *testing.T) {
	for _, content := range [][]byte{{}, []byte("x"), pattern(1000), pattern(200_000)} {
		c := openBlobs(t, content)
		if err := iotest.TestReader(mustOpenBlob(t, c, 1, false), content); err != nil {
			t.Errorf("%d bytes: %v", len(content), err)
		}
	}
}

func TestBlobOfTextIsItsBytes(t *testing.T) {
	c := openBlobs(t, "a\x00text")
	got, err := io.ReadAll(mustOpenBlob(t, c, 1, false))
	if err != nil || string(got) != "a\x00text" {
		t.Errorf("read %q, %v; want the text", got, err)
	}
}

func TestBlobWritesGoWhereThePositionIs(t *testing.T) {
	c := openBlobs(t, make([]byte, 10))
	b := mustOpenBlob(t, c, 1, true)
	for _, step := range []struct {
		name string
		run  func() (int64, error)
		want int64
	}{
		{"Write", func() (int64, error) { n, err := b.WriteString("abc"); return int64(n), err }, 3},
		{"Seek from here", func() (int64, error) { return b.Seek(1, io.SeekCurrent) }, 4},
		{"Write there", func() (int64, error) { n, err := b.Write([]byte("e")); return int64(n), err }, 1},
		{"WriteAt", func() (int64, error) { n, err := b.WriteAt([]byte("z"), 9); return int64(n), err }, 1},
		{"WriteAt leaves the position", func() (int64, error) { return b.Seek(0, io.SeekCurrent) }, 5},
		{"Seek from the end", func() (int64, error) { return b.Seek(-2, io.SeekEnd) }, 8},
		{"Write nothing", func() (int64, error) { n, err := b.Write(nil); return int64(n), err }, 0},
	} {
		if got, err := step.run(); got != step.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", step.name, got, err, step.want)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := values(t, c, "SELECT b FROM t")[0][0].([]byte); string(got) != "abc\x00e\x00\x00\x00\x00z" {
		t.Errorf("the value is %q", got)
	}
}

func TestBlobCannotGrow(t *testing.T) {
	c := openBlobs(t, make([]byte, 4))
	b := mustOpenBlob(t, c, 1, true)
	for _, test := range []struct {
		name string
		run  func() (int64, error)
		want int64
	}{
		{"Write over the end", func() (int64, error) { b.Seek(2, 0); n, err := b.Write([]byte("abc")); return int64(n), err }, 2},
		{"Write at the end", func() (int64, error) { n, err := b.Write([]byte("a")); return int64(n), err }, 0},
		{"Write far behind it", func() (int64, error) { b.Seek(3<<31, 0); n, err := b.Write([]byte("a")); return int64(n), err }, 0},
		{"WriteAt over the end", func() (int64, error) { n, err := b.WriteAt([]byte("xyz"), 3); return int64(n), err }, 1},
		{"WriteAt far behind it", func() (int64, error) { n, err := b.WriteAt([]byte("xyz"), math.MaxInt64); return int64(n), err }, 0},
		{"ReadFrom", func() (int64, error) { b.Seek(0, 0); return b.ReadFrom(strings.NewReader("12345")) }, 4},
	} {
		got, err := test.run()
		if got != test.want || !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s: %d, %v; want %d and io.ErrShortWrite", test.name, got, err, test.want)
		}
	}
	if n, err := b.ReadAt(make([]byte, 1), 1<<40); n != 0 || err != io.EOF {
		t.Errorf("ReadAt behind the end: %d, %v; want EOF", n, err)
	}
}

func TestBlobReadFromAndWriteTo(t *testing.T) {
	content := pattern(3*blobChunk + 17)
	c := openBlobs(t, make([]byte, len(content)), nil)
	b := mustOpenBlob(t, c, 1, true)
	if n, err := b.ReadFrom(iotest.HalfReader(bytes.NewReader(content))); n != int64(len(content)) || err != nil {
		t.Fatalf("ReadFrom: %d, %v", n, err)
	}
	if _, err := b.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if n, err := b.WriteTo(&got); n != int64(len(content)-5) || err != nil {
		t.Fatalf("WriteTo: %d, %v", n, err)
	}
	if !bytes.Equal(got.Bytes(), content[5:]) {
		t.Error("what WriteTo wrote is not what ReadFrom read")
	}
	broken := errors.New("broken")
	b.Seek(0, io.SeekStart)
	if _, err := b.ReadFrom(iotest.ErrReader(broken)); err != broken {
		t.Errorf("ReadFrom: %v, want %v", err, broken)
	}
	if _, err := b.WriteTo(iotest.TruncateWriter(io.Discard, 3)); err != nil {
		t.Errorf("WriteTo: %v", err)
	}
}

func TestBlobOfAChangedRowHasExpired(t *testing.T) {
	for _, change := range []string{
		"UPDATE t SET other = 1", "UPDATE t SET b = zeroblob(3)", "DELETE FROM t", "REPLACE INTO t VALUES (1, 'x', 2)",
	} {
		c := openBlobs(t, []byte("abc"))
		b := mustOpenBlob(t, c, 1, true)
		mustExec(t, c, change)
		_, readErr := b.Read(make([]byte, 3))
		_, writeErr := b.Write([]byte("x"))
		b.Seek(0, io.SeekEnd)
		_, endErr := b.Read(make([]byte, 1))
		_, growErr := b.Write([]byte("x"))
		for call, err := range map[string]error{
			"read": readErr, "write": writeErr, "read at the end": endErr, "write at the end": growErr, "reopen": b.Reopen(1),
		} {
			if !errors.Is(err, Abort) {
				t.Errorf("%s: %s: %v, want %v", change, call, err, Abort)
			}
		}
		if err := b.Close(); err != nil {
			t.Errorf("%s: close: %v", change, err)
		}
	}
}

func TestBlobReopenGoesToAnotherRow(t *testing.T) {
	c := openBlobs(t, []byte("one"), []byte("second"), nil, 4)
	b := mustOpenBlob(t, c, 1, false)
	if _, err := io.ReadAll(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Reopen(2); err != nil || b.Size() != 6 {
		t.Fatalf("reopen: %v, size %d", err, b.Size())
	}
	if got, err := io.ReadAll(b); string(got) != "second" || err != nil {
		t.Errorf("read %q, %v; want the second value from its start", got, err)
	}
	for _, row := range []int64{3, 4, 5} {
		if err := mustOpenBlob(t, c, 1, false).Reopen(row); !errors.Is(err, Generic) {
			t.Errorf("reopen row %d: %v, want %v", row, err, Generic)
		}
	}
}

func TestBlobThatCannotBeOpened(t *testing.T) {
	c := openBlobs(t, []byte("abc"), nil, 3)
	mustExec(t, c, `CREATE INDEX i ON t(b); CREATE VIEW v AS SELECT * FROM t;
		CREATE TABLE w(a PRIMARY KEY, b) WITHOUT ROWID; CREATE TABLE g(a, b AS (a))`)
	for _, test := range []struct {
		schema, table, column string
		row                   int64
		write                 bool
		want                  string
	}{
		{"nope", "t", "b", 1, false, "no such table: nope.t"},
		{"main", "nope", "b", 1, false, "no such table: main.nope"},
		{"", "t", "nope", 1, false, `no such column`},
		{"", "t", "b", 9, false, "no such rowid: 9"},
		{"", "t", "b", 2, false, "cannot open value of type null"},
		{"", "t", "b", 3, false, "cannot open value of type integer"},
		{"", "t", "b", 1, true, "cannot open indexed column for writing"},
		{"", "v", "b", 1, false, "cannot open view: v"},
		{"", "w", "b", 1, false, "cannot open table without rowid: w"},
		{"", "g", "b", 1, false, "cannot open table with generated columns: g"},
		{"", "t\x00", "b", 1, false, "NUL byte"},
	} {
		_, err := c.OpenBlob(background, test.schema, test.table, test.column, test.row, test.write)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestBlobMisuse(t *testing.T) {
	c := openBlobs(t, []byte("abc"))
	readOnly := mustOpenBlob(t, c, 1, false)
	if _, err := readOnly.Write([]byte("x")); !errors.Is(err, ReadOnly) {
		t.Errorf("write to a handle for reading: %v, want %v", err, ReadOnly)
	}
	b := mustOpenBlob(t, c, 1, true)
	_, readErr := b.ReadAt(make([]byte, 1), -1)
	_, writeErr := b.WriteAt(make([]byte, 1), -1)
	_, before := b.Seek(-1, io.SeekStart)
	_, beyond := b.Seek(math.MaxInt64, io.SeekEnd)
	for call, err := range map[string]error{"ReadAt": readErr, "WriteAt": writeErr, "Seek": before, "Seek beyond": beyond} {
		if !errors.Is(err, Range) {
			t.Errorf("%s with a bad offset: %v, want %v", call, err, Range)
		}
	}
	if _, err := b.Seek(0, 7); !errors.Is(err, Misuse) {
		t.Errorf("seek with a bad whence: %v", err)
	}
	checkRefusals(t, c, ErrHandleClosed, func() error { return b.Close() }, blobCalls(b))
	var none *BlobHandle
	if err := none.Close(); err != nil {
		t.Errorf("close of nil: %v", err)
	}
	checkCalls(t, "of a zero handle", ErrHandleClosed, blobCalls(&BlobHandle{}))
}

func blobCalls(b *BlobHandle) map[string]func() error {
	return map[string]func() error{
		"Read":     func() error { _, err := b.Read(make([]byte, 1)); return err },
		"ReadAt":   func() error { _, err := b.ReadAt(make([]byte, 1), 0); return err },
		"Write":    func() error { _, err := b.Write(make([]byte, 1)); return err },
		"WriteAt":  func() error { _, err := b.WriteAt(make([]byte, 1), 0); return err },
		"Seek":     func() error { _, err := b.Seek(0, 0); return err },
		"Reopen":   func() error { return b.Reopen(1) },
		"WriteTo":  func() error { _, err := b.WriteTo(io.Discard); return err },
		"ReadFrom": func() error { _, err := b.ReadFrom(strings.NewReader("")); return err },
	}
}

// checkRefusals checks that calls are refused while another goroutine is inside the connection, after close, and after
// the connection was closed. It closes both.
func checkRefusals(t *testing.T, c *Conn, closed error, close func() error, calls map[string]func() error) {
	t.Helper()
	if err := c.enter(); err != nil {
		t.Fatal(err)
	}
	checkCalls(t, "at the same time", ErrConcurrentUse, calls)
	if err := close(); !errors.Is(err, ErrConcurrentUse) {
		t.Errorf("close at the same time: %v, want %v", err, ErrConcurrentUse)
	}
	c.leave()
	for range 2 {
		if err := close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	checkCalls(t, "after close", closed, calls)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	checkCalls(t, "after the connection was closed", ErrClosed, calls)
	if err := close(); err != nil {
		t.Errorf("close after the connection was closed: %v", err)
	}
}

func checkCalls(t *testing.T, when string, want error, calls map[string]func() error) {
	t.Helper()
	for name, call := range calls {
		if err := call(); !errors.Is(err, want) {
			t.Errorf("%s %s: %v, want %v", name, when, err, want)
		}
	}
}

func TestConnCloseEndsOpenBlobs(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(b); INSERT INTO t VALUES (zeroblob(3))")
	blob, err := a.OpenBlob(background, "main", "t", "b", 1, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	checkCalls(t, "after the connection was closed", ErrClosed, blobCalls(blob))
	mustExec(t, b, "INSERT INTO t VALUES (1)")
}

func TestOpenBlobWaitsForLocksUnderItsContext(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(b); INSERT INTO t VALUES (zeroblob(3)); BEGIN EXCLUSIVE")
	b.SetBusyTimeout(time.Hour)
	ctx, cancel := context.WithTimeout(background, 30*time.Millisecond)
	defer cancel()
	_, err := b.OpenBlob(ctx, "", "t", "b", 1, true)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, Interrupt) {
		t.Errorf("open blob: %v, want the end of the context", err)
	}
	mustExec(t, a, "COMMIT")
	mustOpenBlob(t, b, 1, true)
}

func TestOpenBlobThatDoesNotSucceedLeavesOthersOpen(t *testing.T) {
	c := openBlobs(t, []byte("abc"))
	b := mustOpenBlob(t, c, 1, false)
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := c.OpenBlob(ctx, "", "t", "b", 1, false); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	if got, err := io.ReadAll(b); string(got) != "abc" || err != nil {
		t.Errorf("read %q, %v; want the value", got, err)
	}
}

func TestBlobWriteThatAHookRefusesIsAnError(t *testing.T) {
	c := openBlobs(t, []byte("abc"))
	b := mustOpenBlob(t, c, 1, true)
	refused := errors.New("refused")
	if err := c.SetPreUpdateHook(func(*PreUpdate) error { return refused }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, refused) {
		t.Errorf("write: %v, want %v", err, refused)
	}
}

func TestBlobsDoNotLeak(t *testing.T) {
	c := openBlobs(t, pattern(1000))
	mustNotLeak(t, 2000, func() error {
		b, err := c.OpenBlob(background, "", "t", "b", 1, true)
		if err != nil {
			return err
		}
		if _, err := b.Write([]byte("x")); err != nil {
			return err
		}
		if _, err := c.OpenBlob(background, "", "t", "b", 2, true); !errors.Is(err, Generic) {
			return expect(Generic, err)
		}
		return b.Close()
	})
	if n := len(c.owned); n != 0 {
		t.Errorf("the connection still owns %d", n)
	}
}

// mustNotLeak runs a cycle many times, after which SQLite's memory must be as large as before.
func mustNotLeak(t *testing.T, cycles int, cycle func() error) {
	t.Helper()
	run := func(n int) {
		for i := range n {
			if err := cycle(); err != nil {
				t.Fatalf("cycle %d: %v", i, err)
			}
		}
	}
	run(10) // caches of SQLite's fill up
	before := memoryUsed()
	run(cycles)
	if grown := memoryUsed() - before; grown > int64(cycles) {
		t.Errorf("%d cycles: %d bytes more are in use", cycles, grown)
	}
}
