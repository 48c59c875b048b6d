package engine

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wantRows checks the column x of table t.
func wantRows(tb testing.TB, c *Conn, want ...any) {
	tb.Helper()
	got := []any{}
	for _, row := range values(tb, c, "SELECT x FROM t ORDER BY x") {
		got = append(got, row[0])
	}
	if diff := cmp.Diff(append([]any{}, want...), got); diff != "" {
		tb.Errorf("rows (-want +got):\n%s", diff)
	}
}

func openBatch(tb testing.TB) *Conn {
	c := openMemory(tb)
	mustExec(tb, c, "CREATE TABLE t(x INTEGER UNIQUE NOT NULL)")
	return c
}

func TestBatchErrorTellsWhichStatement(t *testing.T) {
	c := openBatch(t)
	for _, test := range []struct {
		script string
		index  int
		at     string // what the statement begins with
		want   error
		offset string // where the error is, "" if SQLite does not know
	}{
		{"INSERT INTO t VALUES (NULL)", 0, "INSERT", ConstraintNotNull, ""},
		{"INSERT INTO t VALUES (NULL)", 0, "INSERT", ConstraintNotNull, ""}, // now out of the cache
		{";; /* a */ SELECT nonesuch; SELECT 1", 0, "SELECT n", Generic, "nonesuch"},
		{"SELECT 1;; -- a\n SELECT nonesuch", 1, "SELECT n", Generic, "nonesuch"},
		{"SELECT 1; SELECT 2; SELECT 3; ; INSERT INTO t VALUES (NULL); SELECT 4", 3, "INSERT", ConstraintNotNull, ""},
		{"SELECT 1; SELECT ?5", 1, "SELECT ?", Range, ""},
		{"SELECT ?5", 0, "SELECT ?", Range, ""},
		{"SELECT 1; rubbish", 1, "rubbish", Generic, "rubbish"},
		{"SELECT 1;\x00", 0, "SELECT", Misuse, ""},
	} {
		for name, run := range map[string]func(context.Context, string) error{
			"ExecBatch": c.ExecBatch, "ExecTransactionalBatch": c.ExecTransactionalBatch,
		} {
			err := run(background, test.script)
			var batch *BatchError
			var cause *Error
			if !errors.As(err, &batch) || !errors.As(err, &cause) || !errors.Is(err, test.want) {
				t.Errorf("%s(%q): %v, want %v in a BatchError", name, test.script, err, test.want)
				continue
			}
			if offset := strings.Index(test.script, test.at); batch.Index != test.index || batch.Offset != offset {
				t.Errorf("%s(%q): statement %d at %d, want %d at %d", name, test.script, batch.Index, batch.Offset, test.index, offset)
			}
			want := -1
			if test.offset != "" {
				want = strings.Index(test.script, test.offset)
			}
			if cause.Offset != want {
				t.Errorf("%s(%q): the error is at %d, want %d", name, test.script, cause.Offset, want)
			}
			if !c.AutoCommit() {
				t.Fatalf("%s(%q) left a transaction open", name, test.script)
			}
		}
	}
}

func TestBatchKeepsWhatWasDoneBeforeAnError(t *testing.T) {
	c := openBatch(t)
	if err := c.ExecBatch(background, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"); !errors.Is(err, ConstraintUnique) {
		t.Errorf("batch: %v, want %v", err, ConstraintUnique)
	}
	wantRows(t, c, int64(1))
	err := c.ExecCommands(background, []Command{
		{"INSERT INTO t VALUES (?)", []any{2}},
		{"INSERT INTO t VALUES (:x)", []any{Named("x", 3)}},
		{"INSERT INTO t VALUES (?)", nil},
	})
	var batch *BatchError
	if !errors.As(err, &batch) || batch.Index != 2 || !errors.Is(err, Range) {
		t.Errorf("commands: %v, want %v for statement 2", err, Range)
	}
	wantRows(t, c, int64(1), int64(2), int64(3))
}

// panicker is a value that cannot be had.
type panicker struct{}

func (panicker) Value() (driver.Value, error) { panic("no value") }

// All or nothing, also within a transaction, and of that around it nothing is lost.
func TestTransactionalBatchIsAllOrNothing(t *testing.T) {
	cancelled, cancel := context.WithCancel(background)
	cancel()
	insert := func(x any) Command { return Command{"INSERT INTO t VALUES (?)", []any{x}} }
	for _, test := range []struct {
		name string
		run  func(*Conn) error
		want error // nil for success
	}{
		{"success", func(c *Conn) error {
			return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1);INSERT INTO t VALUES (2)")
		}, nil},
		{"commands", func(c *Conn) error { return c.ExecTransactionalCommands(background, []Command{insert(1), insert(2)}) }, nil},
		{"savepoints", func(c *Conn) error {
			return c.ExecTransactionalBatch(background, `INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (7);
				ROLLBACK TO s; ROLLBACK TRANSACTION TO s; RELEASE s; INSERT INTO t VALUES (2)`)
		}, nil},
		{"constraint", func(c *Conn) error {
			return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)")
		}, ConstraintUnique},
		{"commands, constraint", func(c *Conn) error { return c.ExecTransactionalCommands(background, []Command{insert(1), insert(1)}) }, ConstraintUnique},
		{"syntax", func(c *Conn) error { return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); rubbish") }, Generic},
		{"commit", func(c *Conn) error { return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); commit") }, Misuse},
		{"end", func(c *Conn) error {
			return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); END; SELECT 1")
		}, Misuse},
		{"rollback", func(c *Conn) error {
			return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); /* a */ ROLLBACK")
		}, Misuse},
		{"rollback transaction", func(c *Conn) error {
			return c.ExecTransactionalCommands(background, []Command{insert(1), {"ROLLBACK TRANSACTION", nil}})
		}, Misuse},
		{"begin", func(c *Conn) error { return c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); BEGIN") }, Misuse},
		{"ended context", func(c *Conn) error { return c.ExecTransactionalBatch(cancelled, "INSERT INTO t VALUES (1)") }, context.Canceled},
		{"context that ends", func(c *Conn) error {
			ctx, cancel := context.WithCancel(background)
			return c.ExecTransactionalCommands(ctx, []Command{insert(1), insert(canceller{cancel}), insert(3)})
		}, context.Canceled},
		{"panic", func(c *Conn) (err error) {
			defer func() {
				if v := recover(); v == "no value" {
					err = errPanicked
				}
			}()
			return c.ExecTransactionalCommands(background, []Command{insert(1), insert(panicker{})})
		}, errPanicked},
	} {
		for name, around := range map[string]string{"alone": "SELECT 1", "in a transaction": "BEGIN; INSERT INTO t VALUES (100)"} {
			t.Run(test.name+" "+name, func(t *testing.T) {
				c := openBatch(t)
				mustExec(t, c, around)
				if err := test.run(c); !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				var want []any
				if test.want == nil {
					want = append(want, int64(1), int64(2))
				}
				if !c.AutoCommit() {
					mustExec(t, c, "COMMIT")
				}
				if name != "alone" {
					want = append(want, int64(100))
				}
				wantRows(t, c, want...)
				if n := c.CacheStats().InUse; n != 0 {
					t.Errorf("%d statements are still in use", n)
				}
			})
		}
	}
}

var errPanicked = errors.New("panicked")

// canceller is a value that ends a context when it is asked for.
type canceller struct{ cancel func() }

func (c canceller) Value() (driver.Value, error) { c.cancel(); return int64(2), nil }

func TestTransactionalBatchReportsACommitThatDoesNotSucceed(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `PRAGMA foreign_keys = ON; CREATE TABLE p(id INTEGER PRIMARY KEY);
		CREATE TABLE t(x REFERENCES p DEFERRABLE INITIALLY DEFERRED)`)
	if err := c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1)"); !errors.Is(err, ConstraintForeignKey) {
		t.Errorf("batch: %v, want %v", err, ConstraintForeignKey)
	}
	if !c.AutoCommit() {
		t.Error("a transaction is still open")
	}
	wantRows(t, c)
}

// A statement that makes SQLite roll everything back leaves nothing that could be rolled back again.
func TestTransactionalBatchSurvivesARollbackOfSQLites(t *testing.T) {
	c := openBatch(t)
	mustExec(t, c, "BEGIN; INSERT INTO t VALUES (100)")
	err := c.ExecTransactionalBatch(background, "INSERT INTO t VALUES (1); INSERT OR ROLLBACK INTO t VALUES (1)")
	if !errors.Is(err, ConstraintUnique) || strings.Contains(err.Error(), "roll back") {
		t.Errorf("batch: %v, want %v alone", err, ConstraintUnique)
	}
	if !c.AutoCommit() {
		t.Error("a transaction is still open")
	}
	wantRows(t, c)
}

// The time is that of one copy: with one for each statement this would copy a hundred gigabytes.
func TestLongScriptsAreCopiedOnce(t *testing.T) {
	n := 40_000
	if testing.Short() {
		n = 4_000
	}
	c := openBatch(t)
	const insert = "INSERT INTO t VALUES ((SELECT 1 + coalesce(max(x), 0) FROM t)); -- and a comment that makes it longer\n"
	before := memoryUsed()
	mustExec(t, c, "BEGIN; "+strings.Repeat(insert, n)+" COMMIT")
	if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(n) {
		t.Errorf("%v rows, want %d", got, n)
	}
	mustExec(t, c, "DROP TABLE t; VACUUM")
	if grown := memoryUsed() - before; grown > 256<<10 {
		t.Errorf("%d bytes more are in use after a script of %d", grown, n*len(insert))
	}
}

func TestClosingInTheMiddleOfAScriptLeaksNothing(t *testing.T) {
	before := memoryUsed()
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.copyScript(strings.Repeat("SELECT 1;", 10_000))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	text.free()
	if grown := memoryUsed() - before; grown > 1000 {
		t.Errorf("%d bytes more are in use", grown)
	}
}
