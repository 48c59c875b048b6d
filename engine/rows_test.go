package engine

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const threeRows = "VALUES (1), (2), (3)"

// wantNothingInUse checks that all statements were given back, and that s is one of them.
func wantNothingInUse(t *testing.T, c *Conn, s *Stmt) {
	t.Helper()
	if n := c.CacheStats().InUse; n != 0 {
		t.Errorf("%d statements are still in use", n)
	}
	if _, err := s.Step(background); !errors.Is(err, ErrFinalized) {
		t.Errorf("step after the loop: %v, want %v", err, ErrFinalized)
	}
}

func TestRowsGivesTheStatementBackHoweverTheLoopEnds(t *testing.T) {
	c := openMemory(t)
	var last *Stmt
	loop := func(ctx context.Context, body func(i int64) bool) (err error) {
		for row, err := range c.Rows(ctx, threeRows) {
			if err != nil {
				if row != nil {
					t.Errorf("a row together with the error %v", err)
				}
				return err
			}
			last = row
			if !body(row.ColumnInt64(0)) {
				break
			}
		}
		return nil
	}
	t.Run("end", func(t *testing.T) {
		sum := int64(0)
		if err := loop(background, func(i int64) bool { sum += i; return true }); err != nil || sum != 6 {
			t.Errorf("sum %d, error %v; want 6", sum, err)
		}
		wantNothingInUse(t, c, last)
	})
	t.Run("break", func(t *testing.T) {
		if err := loop(background, func(int64) bool { return false }); err != nil {
			t.Error(err)
		}
		wantNothingInUse(t, c, last)
	})
	t.Run("panic", func(t *testing.T) {
		func() {
			defer func() {
				if v := recover(); v != "out" {
					t.Errorf("recovered %v", v)
				}
			}()
			_ = loop(background, func(int64) bool { panic("out") })
		}()
		wantNothingInUse(t, c, last)
	})
	t.Run("end of the goroutine", func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = loop(background, func(int64) bool { runtime.Goexit(); return true })
		}()
		<-done
		wantNothingInUse(t, c, last)
	})
	t.Run("end of the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(background)
		if err := loop(ctx, func(int64) bool { cancel(); return true }); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		wantNothingInUse(t, c, last)
	})
	t.Run("again", func(t *testing.T) {
		rows := c.Rows(background, threeRows)
		for range 2 {
			n := 0
			for range rows {
				n++
			}
			if n != 3 {
				t.Errorf("%d rows, want 3", n)
			}
		}
	})
	t.Run("nested", func(t *testing.T) {
		var got []int64
		for outer := range c.Rows(background, threeRows) {
			for inner := range c.Rows(background, threeRows) {
				got = append(got, outer.ColumnInt64(0)*10+inner.ColumnInt64(0))
			}
		}
		if diff := cmp.Diff([]int64{11, 12, 13, 21, 22, 23, 31, 32, 33}, got); diff != "" {
			t.Errorf("pairs (-want +got):\n%s", diff)
		}
	})
}

func TestRowsReportsWhatDoesNotRun(t *testing.T) {
	c := openMemory(t)
	for sql, want := range map[string]error{
		"rubbish": Generic, "": ErrEmpty, "SELECT 1; SELECT 2": ErrTrailing, "SELECT ?": Range, "SELECT abs(-9223372036854775808)": Generic,
	} {
		n := 0
		for row, err := range c.Rows(background, sql) {
			if n++; row != nil || !errors.Is(err, want) {
				t.Errorf("%q: row %v, error %v; want %v", sql, row != nil, err, want)
			}
		}
		if n != 1 {
			t.Errorf("%q: %d rounds, want one with the error", sql, n)
		}
	}
}

func TestRowsOfAStatementLeaveItReset(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT value FROM json_each(?)")
	for _, want := range [][]int64{{1, 2, 3}, {4}} {
		list := map[int]string{3: "[1,2,3]", 1: "[4]"}[len(want)]
		var got []int64
		for row, err := range s.Rows(background, list) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, row.ColumnInt64(0))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of %s (-want +got):\n%s", list, diff)
		}
	}
	for range s.Rows(background, "[1,2]") {
		break
	}
	if s.Busy() {
		t.Error("after a break the statement is still being executed")
	}
	n := 0
	for range s.Rows(background) {
		n++
	}
	if n != 2 {
		t.Errorf("%d rows with the bindings of before, want 2", n)
	}
	for _, err := range s.Rows(background, 1, 2) {
		if !errors.Is(err, Range) {
			t.Errorf("two arguments for one parameter: %v, want %v", err, Range)
		}
	}
}

func TestStatementExecBeginsAnew(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(x)")
	s := mustPrepare(t, c, "INSERT INTO t VALUES (:x) RETURNING x")
	if err := s.Exec(background, Named("x", 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(background); err != nil {
		t.Fatal(err)
	}
	mustRow(t, s)
	if err := s.Exec(background, 3); err != nil {
		t.Errorf("exec during an execution: %v", err)
	}
	wantRows(t, c, int64(1), int64(1), int64(1), int64(3))
	if err := s.Exec(background, 1, 2); !errors.Is(err, Range) {
		t.Errorf("two arguments for one parameter: %v, want %v", err, Range)
	}
	if s.Busy() {
		t.Error("the statement is still being executed")
	}
}

func TestQueryRowTakesTheFirstRow(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT value FROM json_each(?)")
	own := errors.New("own")
	for name, query := range map[string]func(args []any, row func(*Stmt) error) error{
		"Conn": func(args []any, row func(*Stmt) error) error {
			return c.QueryRow(background, "SELECT value FROM json_each(?)", args, row)
		},
		"Stmt": func(args []any, row func(*Stmt) error) error { return s.QueryRow(background, args, row) },
	} {
		got, calls := int64(0), 0
		read := func(s *Stmt) error { got = s.ColumnInt64(0); calls++; return nil }
		if err := query([]any{"[5,6]"}, read); err != nil || got != 5 || calls != 1 {
			t.Errorf("%s: value %d in %d calls, error %v; want 5 in one", name, got, calls, err)
		}
		if err := query([]any{"[]"}, read); !errors.Is(err, ErrNoRows) {
			t.Errorf("%s without a row: %v, want %v", name, err, ErrNoRows)
		}
		if err := query([]any{"[1]"}, func(*Stmt) error { return own }); err != own {
			t.Errorf("%s: %v, want the error of the function", name, err)
		}
		if err := query([]any{"rubbish"}, read); !errors.Is(err, Generic) {
			t.Errorf("%s that fails: %v, want %v", name, err, Generic)
		}
	}
	if s.Busy() || c.CacheStats().InUse != 0 {
		t.Errorf("busy %v, %d in use; want neither", s.Busy(), c.CacheStats().InUse)
	}
}
