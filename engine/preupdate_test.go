package engine

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// describe gives all that the hook is told, in one line.
func describe(t *testing.T, p *PreUpdate) string {
	row := func(get func(int) (Value, error)) (row []any) {
		for i := range p.Count() {
			v, err := get(i)
			if err != nil {
				t.Errorf("%v %s, column %d: %v", p.Op, p.Table, i, err)
			}
			row = append(row, v.Any())
		}
		return row
	}
	text := fmt.Sprintf("%v %s.%s %d %d %d", p.Op, p.Database, p.Table, p.OldRowID, p.NewRowID, p.Depth())
	if p.Op != hooks.Insert {
		text += fmt.Sprint(" old ", row(p.Old))
	}
	if p.Op != hooks.Delete {
		text += fmt.Sprint(" new ", row(p.New))
	}
	return text
}

func TestPreUpdateHookTellsOldAndNewValues(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `CREATE TABLE t(id INTEGER PRIMARY KEY, a, r REAL); CREATE TABLE w(v, k PRIMARY KEY) WITHOUT ROWID;
		CREATE TABLE log(n); CREATE TRIGGER g AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END`)
	// It was compiled without the hook, to empty the table at once.
	deleteAll := mustPrepare(t, c, "DELETE FROM w")
	var got []string
	must(t, c.SetPreUpdateHook(func(p *PreUpdate) error { got = append(got, describe(t, p)); return nil }))
	mustExec(t, c, `INSERT INTO t(a, r) VALUES ('x', 1); UPDATE t SET id = 7, a = x'00'; REPLACE INTO t VALUES (7, NULL, 2.5);
		DELETE FROM t; INSERT INTO w VALUES (1, 'k'); UPDATE w SET v = 2; UPDATE w SET k = 'l'`)
	mustDone(t, deleteAll)
	want := []string{
		"INSERT main.t 1 1 0 new [1 x 1]",
		"UPDATE main.t 1 7 0 old [1 x 1] new [7 [0] 1]",
		"DELETE main.t 7 7 0 old [7 [0] 1]",
		"INSERT main.t 7 7 0 new [7 <nil> 2.5]",
		"DELETE main.t 7 7 0 old [7 <nil> 2.5]",
		"INSERT main.log 1 1 1 new [7]",
		"INSERT main.w 0 0 0 new [1 k]",
		"UPDATE main.w 0 0 0 old [1 k] new [2 k]",
		"UPDATE main.w 0 0 0 old [2 k] new [2 l]",
		"DELETE main.w 0 0 0 old [2 l]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestPreUpdateValuesThatAreNotThereAreErrors(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a, b)")
	var kept *PreUpdate
	must(t, c.SetPreUpdateHook(func(p *PreUpdate) error {
		kept = p
		for i, want := range map[int]error{-1: Range, 2: Range, math.MaxInt32: Range} {
			if _, err := p.New(i); !errors.Is(err, want) {
				t.Errorf("new value %d: %v, want %v", i, err, want)
			}
		}
		if _, err := p.Old(0); !errors.Is(err, Misuse) {
			t.Errorf("old value of an insert: %v, want %v", err, Misuse)
		}
		if p.BlobColumn() != -1 {
			t.Errorf("blob column of an insert is %d, want -1", p.BlobColumn())
		}
		return nil
	}))
	mustExec(t, c, "INSERT INTO t VALUES (1, 2)")
	if _, err := kept.New(0); !errors.Is(err, Misuse) || kept.Count() != 0 {
		t.Errorf("after the hook: %v with %d columns, want %v with 0", err, kept.Count(), Misuse)
	}
}

// SQLite's sessions expect to be alone in the slot of the hook.
func TestPreUpdateHookLivesWithSessions(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a PRIMARY KEY)")
	rows := 0
	told := func(*PreUpdate) error { rows++; return nil }
	must(t, c.SetPreUpdateHook(told))
	first, second := newSession(t, c), newSession(t, c)
	mustExec(t, c, "INSERT INTO t VALUES (1)")
	for _, session := range []uintptr{first, second} {
		if sqlite3.Xsqlite3session_isempty(c.tls, session) != 0 {
			t.Error("a session has not seen the change")
		}
	}
	c.withoutPreUpdateHook(func() { sqlite3.Xsqlite3session_delete(c.tls, first) })
	mustExec(t, c, "INSERT INTO t VALUES (2)")
	must(t, c.SetPreUpdateHook(nil))
	mustExec(t, c, "INSERT INTO t VALUES (3)")
	must(t, c.SetPreUpdateHook(told))
	mustExec(t, c, "INSERT INTO t VALUES (4)")
	c.withoutPreUpdateHook(func() { sqlite3.Xsqlite3session_delete(c.tls, second) })
	mustExec(t, c, "INSERT INTO t VALUES (5)")
	if rows != 4 {
		t.Errorf("the hook was told %d rows, want 4", rows)
	}
}

func newSession(t *testing.T, c *Conn) (session uintptr) {
	t.Helper()
	name, err := libc.CString("main")
	must(t, err)
	defer libc.Xfree(c.tls, name)
	c.withoutPreUpdateHook(func() {
		if rc := sqlite3.Xsqlite3session_create(c.tls, c.db, name, c.slot(0)); rc != sqlite3.SQLITE_OK {
			t.Fatalf("create session: %v", ResultCode(rc))
		}
	})
	session = c.slotPointer(0)
	if rc := sqlite3.Xsqlite3session_attach(c.tls, session, 0); rc != sqlite3.SQLITE_OK {
		t.Fatalf("attach session: %v", ResultCode(rc))
	}
	return session
}
