package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrepareTakesExactlyOneStatement(t *testing.T) {
	c := openMemory(t)
	for _, test := range []struct {
		sql  string
		want error
	}{
		{"SELECT 1", nil},
		{"SELECT 1;", nil},
		{" ;; /* a */ SELECT 1 ; -- b\n /* c */ ;\t", nil},
		{"SELECT 1; /* open", nil},
		{"", ErrEmpty},
		{" ; -- a\n /* b */", ErrEmpty},
		{"SELECT 1; SELECT 2", ErrTrailing},
		{"SELECT 1; rubbish", ErrTrailing},
		{"SELECT 1; -", ErrTrailing},
		{"rubbish", Generic},
		{"SELECT 1\x00", Misuse},
		{"SELECT * FROM nonesuch", Generic},
	} {
		s, err := c.Prepare(test.sql)
		if !errors.Is(err, test.want) || (s == nil) != (test.want != nil) {
			t.Errorf("prepare %q: statement %v, error %v; want %v", test.sql, s != nil, err, test.want)
		}
	}
}

func TestPrepareTailRunsThroughAScript(t *testing.T) {
	c := openMemory(t)
	script := " SELECT 1; -- a\n; SELECT 'ž;' ;/* b */"
	var pieces []string
	for rest := script; rest != ""; {
		s, tail, err := c.PrepareTail(rest)
		if err != nil {
			t.Fatal(err)
		}
		if s != nil {
			pieces = append(pieces, s.SQL())
		}
		rest = tail
	}
	if diff := cmp.Diff([]string{" SELECT 1;", " -- a\n; SELECT 'ž;' ;"}, pieces); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

func TestPrepareTakesLongStatements(t *testing.T) {
	c := openMemory(t)
	for _, n := range []int{100, 1000, 300_000, 200} {
		want := strings.Repeat("x", n)
		if got := values(t, c, "SELECT '"+want+"'")[0][0]; got != want {
			t.Errorf("a literal of %d bytes came back as another", n)
		}
		if c.text.cap > 2*retainedText {
			t.Errorf("the connection keeps a buffer of %d bytes", c.text.cap)
		}
	}
}

func TestStepStartsAnewAfterTheEnd(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?")
	for i := range int64(3) {
		if err := s.BindInt64(1, i); err != nil {
			t.Fatalf("bind before execution %d: %v", i, err)
		}
		mustRow(t, s)
		if got := s.ColumnInt64(0); got != i {
			t.Errorf("execution %d: value %d", i, got)
		}
		mustDone(t, s)
	}
}

func TestFailedStepLeavesTheStatementReset(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1)")
	s := mustPrepare(t, c, "INSERT INTO t VALUES (?)")
	for i, want := range []error{ConstraintUnique, nil, ConstraintUnique} {
		if err := s.BindInt64(1, int64(i%2)+1); err != nil {
			t.Fatalf("bind: %v", err)
		}
		if _, err := s.Step(background); !errors.Is(err, want) {
			t.Errorf("insert %d: %v, want %v", i, err, want)
		}
	}
}

func TestResetEndsTheReadTransaction(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)")
	s := mustPrepare(t, b, "SELECT x FROM t")
	mustRow(t, s)
	a.SetBusyTimeout(0)
	mustExec(t, a, "DELETE FROM t")
	if _, _, err := a.Checkpoint("main", CheckpointTruncate); !errors.Is(err, Busy) {
		t.Errorf("checkpoint past a reader: %v, want %v", err, Busy)
	}
	if err := s.Reset(); err != nil {
		t.Errorf("reset: %v", err)
	}
	if frames, done, err := a.Checkpoint("main", CheckpointTruncate); frames != 0 || done != 0 || err != nil {
		t.Errorf("checkpoint after the reset: %d, %d, %v; want 0, 0", frames, done, err)
	}
}

func TestFinalizedStatementRefuses(t *testing.T) {
	c := openMemory(t)
	s := mustPrepare(t, c, "SELECT ?")
	for range 2 {
		if err := s.Finalize(); err != nil {
			t.Errorf("finalize: %v", err)
		}
	}
	var none *Stmt
	if err := none.Finalize(); err != nil {
		t.Errorf("finalize of nil: %v", err)
	}
	for name, s := range map[string]*Stmt{"finalised": s, "nil": none, "zero": {}} {
		_, stepErr := s.Step(background)
		for call, err := range map[string]error{
			"Step": stepErr, "Reset": s.Reset(), "ClearBindings": s.ClearBindings(), "BindInt64": s.BindInt64(1, 1),
			"BindText": s.BindText(1, ""), "BindBlob": s.BindBlob(1, nil), "Bind": s.Bind(1, nil),
		} {
			if !errors.Is(err, ErrFinalized) {
				t.Errorf("%s of a %s statement: %v, want %v", call, name, err, ErrFinalized)
			}
		}
		if s.ColumnCount() != 0 || s.ColumnName(0) != "" || s.ColumnDeclType(0) != "" || s.ColumnValue(0) != nil ||
			s.BindCount() != 0 || s.BindName(1) != "" || s.BindIndex(":a") != 0 || s.ReadOnly() {
			t.Errorf("a method of a %s statement gave something else than its zero value", name)
		}
	}
	mustExec(t, c, "SELECT 1")
}

func TestFinalizeKeepsTheOthersOpen(t *testing.T) {
	c := openMemory(t)
	var stmts []*Stmt
	for range 4 {
		stmts = append(stmts, mustPrepare(t, c, "SELECT 1"))
	}
	for _, i := range []int{1, 3, 0} {
		if err := stmts[i].Finalize(); err != nil {
			t.Fatal(err)
		}
	}
	if c.stmts != stmts[2] || stmts[2].next != nil || stmts[2].prev != nil {
		t.Errorf("the connection's list of statements is not the one that is left")
	}
	mustRow(t, stmts[2])
}

func TestColumnsAreDescribed(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(id INTEGER PRIMARY KEY, name VARCHAR(10), x)")
	s := mustPrepare(t, c, "SELECT id, name AS \"jméno\", x, 1+1 FROM t")
	type column struct{ Name, Decl string }
	got := make([]column, s.ColumnCount())
	for i := range got {
		got[i] = column{s.ColumnName(i), s.ColumnDeclType(i)}
	}
	want := []column{{"id", "INTEGER"}, {"jméno", "VARCHAR(10)"}, {"x", ""}, {"1+1", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	for _, i := range []int{-1, 4, 1 << 30} {
		if s.ColumnName(i) != "" || s.ColumnDeclType(i) != "" {
			t.Errorf("column %d has a name or a type", i)
		}
	}
}

func TestColumnCountFollowsTheSchema(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	s := mustPrepare(t, c, "SELECT * FROM t")
	mustExec(t, c, "ALTER TABLE t ADD COLUMN b DEFAULT 2")
	mustRow(t, s)
	if got := s.ColumnCount(); got != 2 || s.ColumnInt64(1) != 2 {
		t.Errorf("%d columns, the second is %d; want 2 and 2", got, s.ColumnInt64(1))
	}
}

func TestReadOnlyTellsWhatAStatementDoes(t *testing.T) {
	c := openMemory(t)
	for sql, want := range map[string]bool{"SELECT 1": true, "CREATE TABLE t(a)": false, "BEGIN": true, "BEGIN IMMEDIATE": false} {
		if got := mustPrepare(t, c, sql).ReadOnly(); got != want {
			t.Errorf("ReadOnly of %q: %v, want %v", sql, got, want)
		}
	}
}
