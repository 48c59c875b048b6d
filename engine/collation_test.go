package engine

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func backwards(a, b []byte) int { return bytes.Compare(b, a) }

func TestCollationOrders(t *testing.T) {
	for _, encoding := range []string{"UTF-8", "UTF-16"} {
		c := openMemory(t)
		mustExec(t, c, "PRAGMA encoding = '"+encoding+"'")
		if err := c.CreateCollation("backwards", backwards); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c, `CREATE TABLE t(a TEXT COLLATE BACKWARDS PRIMARY KEY);
			INSERT INTO t VALUES ('a'), (''), ('ä'), ('b'), ('a' || char(0) || 'x')`)
		want := [][]any{{"ä"}, {"b"}, {"a\x00x"}, {"a"}, {""}}
		if diff := cmp.Diff(want, values(t, c, "SELECT a FROM t ORDER BY a")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", encoding, diff)
		}
		wantValue(t, c, "ok", "PRAGMA integrity_check")
	}
}

func TestCollationNames(t *testing.T) {
	c := openMemory(t)
	for _, name := range []string{"", "a\x00b"} {
		if err := c.CreateCollation(name, backwards); !errors.Is(err, Misuse) {
			t.Errorf("create collation %q: %v, want %v", name, err, Misuse)
		}
	}
	if err := c.CreateCollation("gone", backwards); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateCollation("gone", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "SELECT 'a' < 'b' COLLATE gone"); !errors.Is(err, Generic) {
		t.Errorf("a collation that was removed: %v", err)
	}
}

func TestCollationIsNotReplacedDuringExecution(t *testing.T) {
	c := openMemory(t)
	if err := c.CreateCollation("k", backwards); err != nil {
		t.Fatal(err)
	}
	before := collationTable.count()
	s := mustPrepare(t, c, "SELECT 1 UNION ALL SELECT 2")
	mustRow(t, s)
	if err := c.CreateCollation("k", bytes.Compare); !errors.Is(err, Busy) {
		t.Errorf("replace: %v, want %v", err, Busy)
	}
	if n := collationTable.count(); n != before {
		t.Errorf("%d collations are registered, want %d", n, before)
	}
}

func TestCollationNeededMakesIt(t *testing.T) {
	c := openMemory(t)
	var asked []string
	if err := c.SetCollationNeeded(func(name string) Compare {
		asked = append(asked, name)
		if strings.EqualFold(name, "made") {
			return backwards
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, c, int64(1), "SELECT 'b' < 'a' COLLATE made")
	wantValue(t, c, int64(1), "SELECT 'b' < 'a' COLLATE MADE")
	if err := c.Exec(background, "SELECT 'b' < 'a' COLLATE other"); !errors.Is(err, Generic) {
		t.Errorf("an unknown collation: %v", err)
	}
	if diff := cmp.Diff([]string{"made", "other"}, asked); diff != "" {
		t.Errorf("names asked for (-want +got):\n%s", diff)
	}
	if err := c.SetCollationNeeded(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "SELECT 'b' < 'a' COLLATE third"); !errors.Is(err, Generic) || len(asked) != 2 {
		t.Errorf("with nobody to ask: %v, asked for %q", err, asked)
	}
}

func TestPanicOfCollationNeededIsAnError(t *testing.T) {
	c := openMemory(t)
	if err := c.SetCollationNeeded(func(string) Compare { panic("no") }); err != nil {
		t.Fatal(err)
	}
	var p *PanicError
	if err := c.Exec(background, "SELECT 'b' < 'a' COLLATE made"); !errors.As(err, &p) {
		t.Errorf("error %v, want a PanicError", err)
	}
	mustExec(t, c, "SELECT 1")
}

// A comparison that panics gives no order. Nothing that was written in its place may stay.
func TestPanicOfCollationLeavesNoDamage(t *testing.T) {
	for _, where := range []string{"alone", "transaction"} {
		t.Run(where, func(t *testing.T) {
			c := openMemory(t)
			broken := false
			if err := c.CreateCollation("k", func(a, b []byte) int {
				if broken {
					panic("no order")
				}
				return bytes.Compare(a, b)
			}); err != nil {
				t.Fatal(err)
			}
			mustExec(t, c, `CREATE TABLE t(a COLLATE k); CREATE INDEX i ON t(a);
				INSERT INTO t VALUES ('b'), ('d'), ('f'), ('h')`)
			for _, sql := range []string{
				"INSERT INTO t VALUES ('a')", "INSERT INTO t VALUES ('z')", "UPDATE t SET a = 'zz' WHERE rowid = 1",
				"SELECT * FROM t ORDER BY +a", "SELECT * FROM t WHERE a = 'd'", "CREATE INDEX j ON t(a)",
			} {
				if where == "transaction" {
					mustExec(t, c, "BEGIN; INSERT INTO t VALUES ('c')")
				}
				broken = true
				err := c.Exec(background, sql)
				broken = false
				var p *PanicError
				if !errors.As(err, &p) || !errors.Is(err, Abort) {
					t.Errorf("%s: %v, want %v and a PanicError", sql, err, Abort)
				}
				wantValue(t, c, "ok", "PRAGMA integrity_check")
				if !c.AutoCommit() {
					mustExec(t, c, "ROLLBACK")
				}
				wantValue(t, c, "b,d,f,h", "SELECT group_concat(a) FROM t")
			}
		})
	}
}
