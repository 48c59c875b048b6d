package cursor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/google/go-cmp/cmp"
)

var background = context.Background()

func openTest(t *testing.T, name string) *engine.Conn {
	t.Helper()
	c, err := engine.Open(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// openNumbers returns a connection to a new file with a table t of the numbers from 1 to n.
func openNumbers(t *testing.T, n int) *engine.Conn {
	t.Helper()
	c := openTest(t, filepath.Join(t.TempDir(), "test.db"))
	mustExec(t, c, "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)")
	mustExec(t, c, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i, 'name ' || i FROM n LIMIT ?", n)
	return c
}

func mustExec(t *testing.T, c *engine.Conn, sql string, args ...any) {
	t.Helper()
	if err := c.Exec(background, sql, args...); err != nil {
		t.Fatalf("exec %q: %v", sql, err)
	}
}

func mustOpen(t *testing.T, c *engine.Conn, limits Limits, sql string, args ...any) *Cursor {
	t.Helper()
	cur, err := Open(c, limits, sql, args...)
	if err != nil {
		t.Fatalf("open %q: %v", sql, err)
	}
	t.Cleanup(func() {
		if err := cur.Close(); err != nil {
			t.Error(err)
		}
	})
	return cur
}

// fetcher is a [Cursor] or a [Pager].
type fetcher interface {
	Fetch(context.Context) (*Batch, error)
}

func mustFetch(t *testing.T, f fetcher) *Batch {
	t.Helper()
	b, err := f.Fetch(background)
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	return b
}

// rest fetches all batches and returns the first column of each.
func rest(t *testing.T, f fetcher) [][]int64 {
	t.Helper()
	var batches [][]int64
	for {
		b, err := f.Fetch(background)
		if err == io.EOF {
			return batches
		}
		if err != nil {
			t.Fatalf("fetch after %d batches: %v", len(batches), err)
		}
		batches = append(batches, append([]int64{}, b.Columns[0].Ints...))
	}
}

func wantEnd(t *testing.T, f fetcher, want error) {
	t.Helper()
	for range 2 {
		if b, err := f.Fetch(background); b != nil || !errors.Is(err, want) {
			t.Errorf("fetch: %v, error %v; want no batch and %v", b, err, want)
		}
	}
}

func TestBatchesHaveAllRowsInOrder(t *testing.T) {
	c := openNumbers(t, 7)
	for size, want := range map[int][][]int64{
		1:   {{1}, {2}, {3}, {4}, {5}, {6}, {7}},
		3:   {{1, 2, 3}, {4, 5, 6}, {7}},
		7:   {{1, 2, 3, 4, 5, 6, 7}},
		100: {{1, 2, 3, 4, 5, 6, 7}},
		0:   {{1, 2, 3, 4, 5, 6, 7}},
	} {
		cur := mustOpen(t, c, Limits{Rows: size}, "SELECT id FROM t WHERE id <= ?", 7)
		if diff := cmp.Diff(want, rest(t, cur)); diff != "" {
			t.Errorf("batches of %d rows (-want +got):\n%s", size, diff)
		}
		wantEnd(t, cur, io.EOF)
	}
}

func TestBatchHoldsEveryKindOfValue(t *testing.T) {
	c := openTest(t, ":memory:")
	cur := mustOpen(t, c, Limits{}, `SELECT column1 AS a, column2 AS b FROM
		(VALUES (1, 'one'), (2.5, NULL), ('text', x'00ff'), (x'', ''), (NULL, zeroblob(2)))`)
	b := mustFetch(t, cur)
	var got [][2]any
	for row := range b.Len() {
		got = append(got, [2]any{b.Column("a").Value(row), b.Columns[1].Value(row)})
	}
	want := [][2]any{
		{int64(1), "one"}, {2.5, nil}, {"text", []byte{0, 0xff}}, {[]byte{}, ""}, {nil, []byte{0, 0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	a := Column{
		Name:   "a",
		Types:  []engine.Type{engine.Integer, engine.Float, engine.Text, engine.Blob, engine.Null},
		Ints:   []int64{1, 0, 0, 0, 0},
		Floats: []float64{0, 2.5, 0, 0, 0},
		Data:   []byte("text"),
		Ends:   []int{0, 0, 4, 4, 4},
	}
	if diff := cmp.Diff(a, b.Columns[0]); diff != "" {
		t.Errorf("column a (-want +got):\n%s", diff)
	}
	if b.Column("c") != nil {
		t.Error("a column that the result does not have was found")
	}
	if !a.IsNull(4) || a.IsNull(0) || a.Bytes(0) != nil || a.Bytes(3) == nil || a.Text(2) != "text" {
		t.Errorf("IsNull %v %v, Bytes %v %v, Text %q", a.IsNull(4), a.IsNull(0), a.Bytes(0), a.Bytes(3), a.Text(2))
	}
}

func TestBytesOfARowCannotGrowIntoTheNext(t *testing.T) {
	c := openTest(t, ":memory:")
	b := mustFetch(t, mustOpen(t, c, Limits{}, "VALUES ('one'), ('two')"))
	_ = append(b.Columns[0].Bytes(0), "XXX"...)
	if got := b.Columns[0].Text(1); got != "two" {
		t.Errorf("the row behind one that was appended to: %q, want %q", got, "two")
	}
}

func TestBatchEndsWithItsBytes(t *testing.T) {
	c := openNumbers(t, 5)
	cur := mustOpen(t, c, Limits{Bytes: 2500}, "SELECT id, zeroblob(1000) FROM t")
	if diff := cmp.Diff([][]int64{{1, 2, 3}, {4, 5}}, rest(t, cur)); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestMemoryIsUsedAgain(t *testing.T) {
	c := openNumbers(t, 10_000)
	cur := mustOpen(t, c, Limits{Rows: 10}, "SELECT id, name, 2.5 FROM t")
	mustFetch(t, cur)
	mustFetch(t, cur)
	if allocs := testing.AllocsPerRun(500, func() { mustFetch(t, cur) }); allocs > 0 {
		t.Errorf("%v allocations for a batch, want none", allocs)
	}
}

func TestMemoryOfALargeValueIsNotKept(t *testing.T) {
	c := openTest(t, ":memory:")
	cur := mustOpen(t, c, Limits{Rows: 1, Bytes: 1000}, "VALUES (zeroblob(100000)), ('small')")
	mustFetch(t, cur)
	if got := cap(mustFetch(t, cur).Columns[0].Data); got > 2000 {
		t.Errorf("a batch of one small text holds %d bytes, want at most twice the limit of 1000", got)
	}
}

func TestEmptyResultEndsAtOnce(t *testing.T) {
	c := openNumbers(t, 0)
	wantEnd(t, mustOpen(t, c, Limits{}, "SELECT id FROM t"), io.EOF)
	wantEnd(t, mustOpen(t, c, Limits{}, "INSERT INTO t VALUES (1, 'one')"), io.EOF)
}

func TestCloseEndsTheTransaction(t *testing.T) {
	c := openNumbers(t, 10)
	cur := mustOpen(t, c, Limits{Rows: 2}, "SELECT id FROM t")
	mustFetch(t, cur)
	if err := c.Exec(background, "VACUUM"); !errors.Is(err, engine.Generic) {
		t.Fatalf("VACUUM under an open cursor: %v, want it refused", err)
	}
	for range 2 {
		if err := cur.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	wantEnd(t, cur, ErrClosed)
	mustExec(t, c, "VACUUM")
}

func TestEndReleasesTheTransaction(t *testing.T) {
	c := openNumbers(t, 3)
	cur := mustOpen(t, c, Limits{Rows: 10}, "SELECT id FROM t")
	mustFetch(t, cur)
	mustExec(t, c, "VACUUM")
	wantEnd(t, cur, io.EOF)
	if _, err := cur.stmt.Step(background); !errors.Is(err, engine.ErrFinalized) {
		t.Errorf("the statement of a cursor at its end: %v, want %v", err, engine.ErrFinalized)
	}
}

func TestCloseAtTheEndLeavesABorrowedStatement(t *testing.T) {
	c := openNumbers(t, 3)
	s, err := c.Prepare("SELECT id FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Finalize()
	cur := New(s, Limits{})
	rest(t, cur)
	if _, err := s.Step(background); err != nil {
		t.Fatal(err)
	}
	if err := cur.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.ColumnInt64(0); got != 1 {
		t.Errorf("the row of an execution that is not the cursor's, after its Close: %d, want 1", got)
	}
}

func TestLoopClosesTheCursor(t *testing.T) {
	c := openNumbers(t, 10)
	cur := mustOpen(t, c, Limits{Rows: 4}, "SELECT id FROM t")
	var sizes []int
	for b, err := range cur.Batches(background) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, b.Len())
		if len(sizes) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]int{4, 4}, sizes); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	wantEnd(t, cur, ErrClosed)
	var errs []error
	for b, err := range cur.Batches(background) {
		errs = append(errs, err)
		if b != nil {
			t.Errorf("a closed cursor gave %v", b)
		}
	}
	if len(errs) != 1 || !errors.Is(errs[0], ErrClosed) {
		t.Errorf("a loop over a closed cursor: %v, want one %v", errs, ErrClosed)
	}
}

func TestContextEndsTheCursor(t *testing.T) {
	c := openTest(t, ":memory:")
	cur := mustOpen(t, c, Limits{Rows: 5}, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
	ctx, cancel := context.WithCancel(background)
	if _, err := cur.Fetch(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if b, err := cur.Fetch(ctx); b != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("fetch with an ended context: %v, error %v; want %v", b, err, context.Canceled)
	}
	wantEnd(t, cur, context.Canceled)
}

func TestRowsBeforeAnErrorComeFirst(t *testing.T) {
	c := openTest(t, ":memory:")
	cur := mustOpen(t, c, Limits{}, "SELECT iif(column1 < 3, column1, abs(-9223372036854775808)) FROM (VALUES (1), (2), (3), (4))")
	if diff := cmp.Diff([]int64{1, 2}, mustFetch(t, cur).Columns[0].Ints); diff != "" {
		t.Errorf("rows before the error (-want +got):\n%s", diff)
	}
	var e *engine.Error
	_, err := cur.Fetch(background)
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "integer overflow") {
		t.Errorf("error %v, want one of an integer overflow", err)
	}
	wantEnd(t, cur, err)
}

func TestOpenRefuses(t *testing.T) {
	c := openNumbers(t, 1)
	for sql, want := range map[string]error{
		"": engine.ErrEmpty, "SELECT 1; SELECT 2": engine.ErrTrailing, "SELECT * FROM nothing": engine.Generic,
		"SELECT id FROM t WHERE id = ?": engine.Range,
	} {
		if cur, err := Open(c, Limits{}, sql); cur != nil || !errors.Is(err, want) {
			t.Errorf("open %q: error %v, want %v", sql, err, want)
		}
	}
}

func TestCursorOverABorrowedStatement(t *testing.T) {
	c := openNumbers(t, 5)
	s, err := c.Prepare("SELECT id FROM t WHERE id > ?")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Finalize()
	for after, want := range map[int64][][]int64{0: {{1, 2}, {3, 4}, {5}}, 3: {{4, 5}}, 9: nil} {
		if err := s.BindInt64(1, after); err != nil {
			t.Fatal(err)
		}
		cur := New(s, Limits{Rows: 2})
		if diff := cmp.Diff(want, rest(t, cur)); diff != "" {
			t.Errorf("rows after %d (-want +got):\n%s", after, diff)
		}
	}
	cur := New(s, Limits{Rows: 1})
	if err := s.BindInt64(1, 0); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, cur)
	if err := cur.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.BindInt64(1, 1); err != nil {
		t.Errorf("bind after the cursor was closed: %v, want the statement reset", err)
	}
}

func TestStatementFinalizedUnderTheCursor(t *testing.T) {
	c := openNumbers(t, 5)
	s, err := c.Prepare("SELECT id FROM t")
	if err != nil {
		t.Fatal(err)
	}
	cur := New(s, Limits{Rows: 2})
	mustFetch(t, cur)
	if err := s.Finalize(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, cur, engine.ErrFinalized)
	unread := New(s, Limits{})
	if err := errors.Join(cur.Close(), unread.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestConnectionClosedUnderTheCursor(t *testing.T) {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	fetched := mustOpen(t, c, Limits{Rows: 1}, "VALUES (1), (2)")
	closed := mustOpen(t, c, Limits{Rows: 1}, "VALUES (1), (2)")
	mustFetch(t, fetched)
	mustFetch(t, closed)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, fetched, engine.ErrClosed)
	if err := closed.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestColumnsThatChangeBeforeTheFirstFetch(t *testing.T) {
	c := openNumbers(t, 1)
	cur := mustOpen(t, c, Limits{}, "SELECT * FROM t")
	mustExec(t, c, "ALTER TABLE t ADD COLUMN more DEFAULT 7")
	b := mustFetch(t, cur)
	if got := b.Column("more"); len(b.Columns) != 3 || got == nil || got.Value(0) != int64(7) {
		t.Errorf("%d columns, the new one is %+v; want 3 with it", len(b.Columns), got)
	}
}

func TestCommitLeavesTheCursorOpen(t *testing.T) {
	c := openNumbers(t, 4)
	mustExec(t, c, "BEGIN")
	cur := mustOpen(t, c, Limits{Rows: 2}, "SELECT id FROM t WHERE id < 5")
	mustFetch(t, cur)
	mustExec(t, c, "INSERT INTO t VALUES (100, 'new'); COMMIT")
	if diff := cmp.Diff([][]int64{{3, 4}}, rest(t, cur)); diff != "" {
		t.Errorf("after COMMIT (-want +got):\n%s", diff)
	}
}

func TestRollbackLeavesTheCursorOpen(t *testing.T) {
	c := openNumbers(t, 4)
	mustExec(t, c, "BEGIN; UPDATE t SET name = 'changed'; INSERT INTO t VALUES (100, 'new')")
	cur := mustOpen(t, c, Limits{Rows: 2}, "SELECT id, name FROM t")
	mustFetch(t, cur)
	mustExec(t, c, "ROLLBACK")
	b := mustFetch(t, cur)
	got := fmt.Sprintln(b.Columns[0].Ints, b.Columns[1].Text(0), b.Columns[1].Text(1))
	if want := "[3 4] name 3 name 4\n"; got != want {
		t.Errorf("after ROLLBACK: %s, want %s", got, want)
	}
	wantEnd(t, cur, io.EOF)
}

func TestRollbackOfTheSchemaEndsTheCursor(t *testing.T) {
	c := openNumbers(t, 4)
	mustExec(t, c, "BEGIN; CREATE TABLE u(a)")
	cur := mustOpen(t, c, Limits{Rows: 2}, "SELECT id FROM t")
	mustFetch(t, cur)
	mustExec(t, c, "ROLLBACK")
	wantEnd(t, cur, engine.AbortRollback)
}

func TestCursorSeesOneStateOfTheDatabase(t *testing.T) {
	c := openNumbers(t, 4)
	other := openTest(t, c.Filename(""))
	cur := mustOpen(t, c, Limits{Rows: 2}, "SELECT id, name FROM t")
	mustFetch(t, cur)
	mustExec(t, other, "UPDATE t SET name = 'changed'; INSERT INTO t VALUES (5, 'new')")
	b := mustFetch(t, cur)
	if got := fmt.Sprintln(b.Columns[0].Ints, b.Columns[1].Text(1)); got != "[3 4] name 4\n" {
		t.Errorf("after another connection's commit: %s, want [3 4] name 4", got)
	}
	wantEnd(t, cur, io.EOF)
}

func TestTwoCursorsAtOnce(t *testing.T) {
	c := openNumbers(t, 6)
	a := mustOpen(t, c, Limits{Rows: 3}, "SELECT id FROM t")
	b := mustOpen(t, c, Limits{Rows: 2}, "SELECT id FROM t ORDER BY id DESC")
	batch := mustFetch(t, a)
	mustFetch(t, b)
	if diff := cmp.Diff([]int64{1, 2, 3}, batch.Columns[0].Ints); diff != "" {
		t.Errorf("a batch after the other cursor's fetch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]int64{{4, 3}, {2, 1}}, rest(t, b)); diff != "" {
		t.Errorf("the second cursor (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]int64{{4, 5, 6}}, rest(t, a)); diff != "" {
		t.Errorf("the first cursor (-want +got):\n%s", diff)
	}
}
