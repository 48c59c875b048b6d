package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDBConfigSwitchesAndTells(t *testing.T) {
	c := openMemory(t)
	for _, on := range []bool{true, false, true} {
		if got, err := c.DBConfig(DBConfigEnableFKey, on); got != on || err != nil {
			t.Errorf("DBConfig(EnableFKey, %v): %v, %v", on, got, err)
		}
		want := map[bool]int64{true: 1}[on]
		if got := values(t, c, "PRAGMA foreign_keys")[0][0]; got != want {
			t.Errorf("foreign_keys after DBConfig(%v): %v, want %d", on, got, want)
		}
	}
}

func TestDBConfigWritableSchemaAndDefensive(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	write := func() error { return c.Exec(background, "UPDATE sqlite_schema SET sql = 'CREATE TABLE t(b)'") }
	if err := write(); err == nil {
		t.Errorf("the schema was written by default")
	}
	if _, err := c.DBConfig(DBConfigWritableSchema, true); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("write of a writable schema: %v", err)
	}
	if _, err := c.DBConfig(DBConfigDefensive, true); err != nil {
		t.Fatal(err)
	}
	if err := write(); err == nil {
		t.Errorf("the schema was written under DBConfigDefensive")
	}
}

func TestDBConfigRefusesWhatIsNoSwitch(t *testing.T) {
	c := openMemory(t)
	for _, op := range []DBConfigOp{1000, 1001, 1023, 0, 5000} {
		if _, err := c.DBConfig(op, true); !errors.Is(err, Misuse) {
			t.Errorf("DBConfig(%d): %v, want %v", op, err, Misuse)
		}
	}
}

func TestNoCheckpointOnCloseAndPersistWALKeepTheFiles(t *testing.T) {
	for name, keep := range map[string]func(*Conn) error{
		"persistent WAL": func(c *Conn) error { return c.SetPersistWAL(true) },
		"no checkpoint":  func(c *Conn) error { _, err := c.DBConfig(DBConfigNoCheckpointOnClose, true); return err },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "wal.db")
			c := openTest(t, file, 0)
			mustExec(t, c, "PRAGMA journal_mode = WAL; CREATE TABLE t(a)")
			if err := keep(c); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(file + "-wal"); err != nil {
				t.Errorf("after the close: %v", err)
			}
			c = openTest(t, file, 0)
			mustExec(t, c, "SELECT * FROM t")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(file + "-wal"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("after an ordinary close: %v, want no -wal file", err)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	c := openMemory(t)
	before := c.Limit(LimitSQLLength, -1)
	if got := c.Limit(LimitSQLLength, 20); got != before {
		t.Errorf("Limit gives %d, want the earlier value %d", got, before)
	}
	if err := c.Exec(background, "SELECT 'more than twenty bytes'"); !errors.Is(err, TooBig) {
		t.Errorf("a long statement: %v, want %v", err, TooBig)
	}
	if got := c.Limit(LimitSQLLength, -7); got != 20 {
		t.Errorf("Limit gives %d, want 20", got)
	}
	if got := c.Limit(99, 1); got != -1 {
		t.Errorf("Limit of an unknown id: %d, want -1", got)
	}
}

func TestCheckpoint(t *testing.T) {
	c := openTest(t, filepath.Join(t.TempDir(), "checkpoint.db"), 0)
	type counts struct{ Log, Done int }
	for _, test := range []struct {
		sql    string
		schema string
		mode   CheckpointMode
		want   counts
	}{
		{"SELECT 1", "main", CheckpointPassive, counts{-1, -1}},
		{"PRAGMA journal_mode = WAL; CREATE TABLE t(a)", "main", CheckpointPassive, counts{2, 2}},
		{"INSERT INTO t VALUES (1)", "", CheckpointFull, counts{1, 1}},
		{"INSERT INTO t VALUES (2)", "main", CheckpointRestart, counts{1, 1}},
		{"INSERT INTO t VALUES (3)", "main", CheckpointTruncate, counts{0, 0}},
	} {
		mustExec(t, c, test.sql)
		log, done, err := c.Checkpoint(test.schema, test.mode)
		if err != nil {
			t.Errorf("checkpoint after %q: %v", test.sql, err)
		}
		if diff := cmp.Diff(test.want, counts{log, done}); diff != "" {
			t.Errorf("checkpoint after %q (-want +got):\n%s", test.sql, diff)
		}
	}
	if _, _, err := c.Checkpoint("nonesuch", CheckpointPassive); !errors.Is(err, Generic) {
		t.Errorf("checkpoint of an unknown database: %v, want %v", err, Generic)
	}
}

func TestLimitsAreAllKnown(t *testing.T) {
	c := openMemory(t)
	for id := LimitLength; id <= LimitTriggerSteps; id++ {
		if got := c.Limit(id, -1); got < 0 {
			t.Errorf("limit %d is unknown", id)
		}
	}
	if got := c.Limit(LimitTriggerSteps+1, -1); got != -1 {
		t.Errorf("there is a limit %d beyond the last one", LimitTriggerSteps+1)
	}
	c.Limit(LimitSchema, 3) // with sqlite_schema itself
	mustExec(t, c, "CREATE TABLE a(x); CREATE INDEX b ON a(x)")
	if err := c.Exec(background, "CREATE TABLE c(x)"); err == nil {
		t.Errorf("a fourth entry of a schema was allowed with a limit of 3")
	}
}

func TestCheckpointEndsWithItsContext(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "PRAGMA journal_mode = WAL; CREATE TABLE t(x)")
	reader := mustBegin(t, b, TxReadOnly)
	mustExec(t, a, "INSERT INTO t VALUES (1)")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	must(t, a.SetBusyHandler(nil))
	a.SetBusyTimeout(1 << 40)
	go cancel()
	_, _, err := a.CheckpointContext(ctx, "main", CheckpointTruncate)
	wantErr(t, "a checkpoint that waits", err, context.Canceled)
	frames, done, err := a.CheckpointContext(ctx, "main", CheckpointPassive)
	wantErr(t, "one under a context that has ended", err, context.Canceled)
	if frames != -1 || done != -1 {
		t.Errorf("counts of nothing: %d, %d; want -1, -1", frames, done)
	}
	must(t, reader.Rollback())
	if frames, done, err := a.CheckpointContext(background, "main", CheckpointTruncate); frames != 0 || done != 0 || err != nil {
		t.Errorf("checkpoint: %d, %d, %v; want 0, 0", frames, done, err)
	}
}
