package engine

import (
	"errors"
	"testing"
)

// vtabWork uses all of a virtual table. It returns the first error.
func vtabWork(c *Conn, m *memTable) error {
	module := memModule(m)
	for _, step := range []func() error{
		func() error { return c.CreateModule("mem", module) },
		func() error {
			return c.CreateTableFunc("range", TableFunc{Columns: []string{"n", "t"}, Args: []string{"low", "high"}, Rows: rangeFunc})
		},
		func() error { return c.OverloadFunction("describe", 1) },
		func() error { return c.Exec(background, "CREATE VIRTUAL TABLE m USING mem") },
		func() error { return c.Exec(background, "INSERT INTO m SELECT * FROM range(1, 5)") },
		func() error { return c.Exec(background, "BEGIN; UPDATE m SET c0 = c0 + 1; SAVEPOINT a; DELETE FROM m") },
		func() error { return c.Exec(background, "ROLLBACK TO a; COMMIT") },
		func() error {
			return c.Exec(background, "SELECT describe(c1) FROM m WHERE c1 IN ('x', 'row 3') AND c0 IN (1, 4)")
		},
		func() error {
			return c.Exec(background, "SELECT * FROM m a, m b WHERE a.c0 = b.rowid AND a.c1 IS NOT ? ORDER BY 1", Pointer{m})
		},
		func() error { return c.Exec(background, "PRAGMA integrity_check") },
		func() error { return c.Exec(background, "ALTER TABLE m RENAME TO n; DROP TABLE n") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Whichever allocation fails, the statement fails with NoMem, the connection goes on, and nothing is left behind.
func TestVirtualTablesOutliveWantOfMemory(t *testing.T) {
	round := func(at int, sticky bool) (failed bool) {
		c, err := Open(":memory:", 0)
		if err != nil {
			t.Fatal(err)
		}
		m := &memTable{columns: 2}
		armMemoryFaults(at, sticky)
		err = vtabWork(c, m)
		disarmMemoryFaults()
		if err != nil && !errors.Is(err, NoMem) && !errors.Is(err, Generic) && !errors.Is(err, Abort) {
			t.Errorf("allocation %d: error %v, want %v", at, err, NoMem)
		}
		if !c.AutoCommit() {
			mustExec(t, c, "ROLLBACK")
		}
		if err := c.Exec(background, "DROP TABLE IF EXISTS m; DROP TABLE IF EXISTS n"); err != nil {
			t.Errorf("allocation %d: drop: %v", at, err)
		}
		if err := vtabWork(c, &memTable{columns: 2}); err != nil {
			t.Errorf("allocation %d: afterwards: %v", at, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("allocation %d: close: %v", at, err)
		}
		if m.open != 0 {
			t.Errorf("allocation %d: %d cursors are open", at, m.open)
		}
		return err != nil
	}
	round(1<<30, false)
	handles, memory := vtabHandles(), memoryUsed()
	stride := 1
	if testing.Short() {
		stride = 7
	}
	for _, sticky := range []bool{false, true} {
		for at := 1; ; at += stride {
			// One allocation that fails may do no harm; the last ones of a sticky fault do.
			if failed := round(at, sticky); !failed && (sticky || at > 2000) {
				break
			}
			if t.Failed() {
				return
			}
			if h, m := vtabHandles(), memoryUsed(); h != handles || m != memory {
				t.Fatalf("allocation %d: %d handles and %d bytes are left, want %d and %d", at, h, m, handles, memory)
			}
		}
	}
}
