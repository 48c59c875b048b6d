package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func mustSerialize(tb testing.TB, c *Conn, schema string) []byte {
	tb.Helper()
	image, err := c.Serialize(background, schema)
	if err != nil {
		tb.Fatalf("serialize %q: %v", schema, err)
	}
	return image
}

func mustDeserialize(tb testing.TB, c *Conn, schema string, image []byte) {
	tb.Helper()
	if err := c.Deserialize(schema, image, DeserializeOptions{}); err != nil {
		tb.Fatalf("deserialize %q: %v", schema, err)
	}
}

func TestSerializeGivesTheBytesOfTheFile(t *testing.T) {
	c, name := openPaged(t, 20)
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustSerialize(t, c, ""); string(got) != string(want) {
		t.Errorf("serialized %d bytes that are not the %d of the file", len(got), len(want))
	}
}

func TestSerializeRoundTrip(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		src, _ := openPaged(t, 20)
		mustExec(t, src, "PRAGMA journal_mode = "+mode+"; INSERT INTO t VALUES (100, 'in the log')")
		dst := openMemory(t)
		mustDeserialize(t, dst, "main", mustSerialize(t, src, "main"))
		if n := countRows(t, dst); n != 21 {
			t.Errorf("%s: %d rows, want 21", mode, n)
		}
		mustExec(t, dst, "INSERT INTO t SELECT a + 1000, b FROM t")
		if n := countRows(t, dst); n != 42 {
			t.Errorf("%s: %d rows after a write, want 42", mode, n)
		}
		again := openMemory(t)
		mustDeserialize(t, again, "main", mustSerialize(t, dst, "main"))
		if n := countRows(t, again); n != 42 {
			t.Errorf("%s: %d rows the second time, want 42", mode, n)
		}
	}
}

func TestSerializeSeesTheRunningTransaction(t *testing.T) {
	src := openMemory(t)
	mustExec(t, src, "CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1)")
	dst := openMemory(t)
	mustDeserialize(t, dst, "", mustSerialize(t, src, ""))
	if n := countRows(t, dst); n != 1 {
		t.Errorf("%d rows, want the one that is not committed yet", n)
	}
}

func TestSerializeOfNothing(t *testing.T) {
	c := openMemory(t)
	for _, schema := range []string{"main", "temp"} {
		if got := mustSerialize(t, c, schema); got == nil || len(got) != 0 {
			t.Errorf("%s: %v, want an empty slice", schema, got)
		}
	}
	mustExec(t, c, "CREATE TEMP TABLE t(a)")
	if got := mustSerialize(t, c, "temp"); len(got) == 0 {
		t.Error("the temporary database has no bytes")
	}
	if _, err := c.Serialize(background, "nope"); !errors.Is(err, NotFound) {
		t.Errorf("no such database: %v, want %v", err, NotFound)
	}
}

func TestSerializeEndsWithItsContext(t *testing.T) {
	a, b := openPair(t)
	mustExec(t, a, "CREATE TABLE t(a); BEGIN EXCLUSIVE")
	b.SetBusyTimeout(time.Hour)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	if _, err := b.Serialize(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("serialize: %v, want the end of the context", err)
	}
}

// A page that cannot be read must not become zeros in the image.
func TestSerializeReportsWhatCannotBeRead(t *testing.T) {
	c, name := openPaged(t, 20)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 8192); err != nil {
		t.Fatal(err)
	}
	cut := openTest(t, name, OpenReadWrite)
	image, err := cut.Serialize(background, "")
	if err == nil && len(image) > 8192 {
		t.Errorf("a file of 8192 bytes gave %d without an error", len(image))
	}
}

func TestDeserializeReplacesAnAttachedDatabase(t *testing.T) {
	src, c := openMemory(t), openMemory(t)
	mustExec(t, src, "CREATE TABLE t(a); INSERT INTO t VALUES (7)")
	mustExec(t, c, "ATTACH ':memory:' AS other; CREATE TABLE other.old(a)")
	if err := c.Exec(background, "SELECT * FROM other.old"); err != nil { // now in the cache
		t.Fatal(err)
	}
	mustDeserialize(t, c, "other", mustSerialize(t, src, ""))
	if got := values(t, c, "SELECT a FROM other.t")[0][0]; got != int64(7) {
		t.Errorf("read %v, want 7", got)
	}
	if err := c.Exec(background, "SELECT * FROM other.old"); !errors.Is(err, Generic) {
		t.Errorf("a table of the database that was replaced: %v, want %v", err, Generic)
	}
}

func TestDeserializeKeepsPreparedStatementsUsable(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1)")
	image := mustSerialize(t, c, "")
	s := mustPrepare(t, c, "SELECT a FROM t")
	mustExec(t, c, "UPDATE t SET a = 2")
	mustRow(t, s)
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	mustDeserialize(t, c, "", image)
	mustRow(t, s)
	if got := s.ColumnInt64(0); got != 1 {
		t.Errorf("read %d, want what the image has: 1", got)
	}
}

func TestDeserializeRefusesADatabaseInUse(t *testing.T) {
	image := mustSerialize(t, openBlobs(t, []byte("x")), "")
	for name, use := range map[string]func(*Conn) error{
		"transaction": func(c *Conn) error { return c.Exec(background, "BEGIN") },
		"statement": func(c *Conn) error {
			_, err := mustPrepare(t, c, "SELECT * FROM t").Step(background)
			return err
		},
		"blob": func(c *Conn) error { mustOpenBlob(t, c, 1, false); return nil },
		"backup": func(c *Conn) error {
			b := mustBackup(t, openMemory(t), c)
			_, err := b.Step(background, 1)
			return err
		},
	} {
		c := openBlobs(t, []byte("x"), []byte("y"))
		if err := use(c); err != nil {
			t.Fatal(err)
		}
		if err := c.Deserialize("", image, DeserializeOptions{}); !errors.Is(err, Busy) {
			t.Errorf("with a %s: %v, want %v", name, err, Busy)
		}
	}
}

func TestDeserializeOfGarbageFailsAtTheFirstStatement(t *testing.T) {
	good := mustSerialize(t, openBlobs(t, []byte("x")), "")
	half := append([]byte(nil), good[:len(good)/2]...)
	torn := append([]byte(nil), good...)
	for i := 100; i < len(torn); i += 7 {
		torn[i] ^= 0xff
	}
	for name, image := range map[string][]byte{
		"short": []byte("x"), "text": []byte(strings.Repeat("no database ", 500)), "half": half, "torn": torn,
		"header alone": good[:100], "size of a page of 0": append(append([]byte(nil), good[:16]...), make([]byte, 4080)...),
	} {
		c := openMemory(t)
		if err := c.Deserialize("", image, DeserializeOptions{}); err != nil {
			t.Errorf("%s: deserialize: %v", name, err)
			continue
		}
		err := c.Exec(background, "SELECT * FROM t")
		if !errors.Is(err, NotADB) && !errors.Is(err, Corrupt) {
			t.Errorf("%s: first statement: %v, want %v or %v", name, err, NotADB, Corrupt)
		}
	}
}

func TestDeserializeOfNothingIsAnEmptyDatabase(t *testing.T) {
	for _, image := range [][]byte{nil, {}} {
		c := openBlobs(t, []byte("x"))
		mustDeserialize(t, c, "", image)
		mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1)")
		if n := countRows(t, c); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	}
}

func TestDeserializeOptions(t *testing.T) {
	image := mustSerialize(t, openBlobs(t, []byte("x")), "")
	c := openMemory(t)
	if err := c.Deserialize("", image, DeserializeOptions{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "DELETE FROM t"); !errors.Is(err, ReadOnly) {
		t.Errorf("write to a database that is read-only: %v, want %v", err, ReadOnly)
	}
	if err := c.Deserialize("", image, DeserializeOptions{SizeLimit: 40_000}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.SizeLimit("", -1); got != 40_000 || err != nil {
		t.Errorf("size limit: %d, %v; want 40000", got, err)
	}
	if err := c.Exec(background, "INSERT INTO t(b) VALUES (zeroblob(100000))"); !errors.Is(err, Full) {
		t.Errorf("write beyond the limit: %v, want %v", err, Full)
	}
	if got, err := c.SizeLimit("", 1); got != int64(len(image)) || err != nil {
		t.Errorf("a limit below the size: %d, %v; want the size %d", got, err, len(image))
	}
	if _, err := c.SizeLimit("", 1<<40); err != nil {
		t.Errorf("raise the limit: %v", err)
	}
	mustExec(t, c, "INSERT INTO t(b) VALUES (zeroblob(100000))")
	if _, err := openMemory(t).SizeLimit("", 1); !errors.Is(err, NotFound) {
		t.Errorf("size limit of an ordinary database: %v, want %v", err, NotFound)
	}
}

func TestDeserializeMisuse(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TEMP TABLE x(a)")
	for schema, want := range map[string]error{"nope": NotFound, "a\x00b": NotFound, "temp": Generic} {
		if err := c.Deserialize(schema, nil, DeserializeOptions{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", schema, err, want)
		}
	}
	if _, err := c.SizeLimit("nope", 1); !errors.Is(err, NotFound) {
		t.Errorf("size limit: %v, want %v", err, NotFound)
	}
	calls := map[string]func() error{
		"Serialize":   func() error { _, err := c.Serialize(background, ""); return err },
		"Deserialize": func() error { return c.Deserialize("", nil, DeserializeOptions{}) },
		"SizeLimit":   func() error { _, err := c.SizeLimit("", 1); return err },
	}
	if err := c.enter(); err != nil {
		t.Fatal(err)
	}
	checkCalls(t, "at the same time", ErrConcurrentUse, calls)
	c.leave()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	checkCalls(t, "after close", ErrClosed, calls)
}

func TestSerializeDoesNotLeak(t *testing.T) {
	c := openBlobs(t, pattern(10_000))
	mustExec(t, c, "CREATE TEMP TABLE x(a)")
	mustNotLeak(t, 300, func() error {
		image, err := c.Serialize(background, "")
		if err != nil {
			return err
		}
		if err := c.Deserialize("nope", image, DeserializeOptions{}); !errors.Is(err, NotFound) {
			return expect(NotFound, err)
		}
		if err := c.Deserialize("temp", image, DeserializeOptions{}); !errors.Is(err, Generic) {
			return expect(Generic, err)
		}
		return c.Deserialize("main", image, DeserializeOptions{})
	})
}

func TestVacuumInto(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		c, _ := openPaged(t, 50)
		mustExec(t, c, "PRAGMA journal_mode = "+mode+"; DELETE FROM t WHERE a > 10")
		path := filepath.Join(t.TempDir(), `o'dd "name" ;.db`)
		if err := c.VacuumInto(background, "", path); err != nil {
			t.Fatal(err)
		}
		copied := openTest(t, path, OpenReadOnly)
		if n := countRows(t, copied); n != 10 {
			t.Errorf("%d rows, want 10", n)
		}
		if got := values(t, copied, "PRAGMA journal_mode")[0][0]; got != "delete" {
			t.Errorf("the copy of a database in %s mode is in %v mode", mode, got)
		}
		if err := c.VacuumInto(background, "main", path); !errors.Is(err, Generic) {
			t.Errorf("into a file that exists: %v, want %v", err, Generic)
		}
		cancelled, cancel := context.WithCancel(background)
		cancel()
		if err := c.VacuumInto(cancelled, "main", path+"2"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		for _, name := range []string{"", "a\x00b"} {
			if err := c.VacuumInto(background, "", name); !errors.Is(err, CantOpen) {
				t.Errorf("into %q: %v, want %v", name, err, CantOpen)
			}
		}
	}
}

func TestAttachAndDetachTakeAnyName(t *testing.T) {
	c := openMemory(t)
	path := filepath.Join(t.TempDir(), `it's "one"; --.db`)
	for _, schema := range []string{"other", `a "b" 'c'; DROP`, "ünï"} {
		if err := c.Attach(background, path, schema); err != nil {
			t.Fatalf("attach as %q: %v", schema, err)
		}
		mustExec(t, c, "CREATE TABLE IF NOT EXISTS "+QuoteName(schema)+".t(a)")
		if got := c.Filename(schema); filepath.Base(got) != filepath.Base(path) {
			t.Errorf("%q is %q, want %q", schema, got, path)
		}
		if err := c.Detach(background, schema); err != nil {
			t.Errorf("detach %q: %v", schema, err)
		}
	}
	for _, test := range []struct{ path, schema string }{{path, ""}, {path, "a\x00b"}, {"a\x00b", "x"}, {path, "main"}} {
		if err := c.Attach(background, test.path, test.schema); err == nil {
			t.Errorf("attach %q as %q: no error", test.path, test.schema)
		}
	}
	for _, schema := range []string{"nope", "main", "a\x00b"} {
		if err := c.Detach(background, schema); err == nil {
			t.Errorf("detach %q: no error", schema)
		}
	}
}

func TestQuoting(t *testing.T) {
	c := openMemory(t)
	for _, s := range []string{"", "plain", `"`, `'`, `a"b'c`, "--", "ünï", "\xff"} {
		row := values(t, c, "SELECT "+QuoteText(s)+" AS "+QuoteName(s))
		if row[0][0] != s {
			t.Errorf("text %q: read %q", s, row[0][0])
		}
		name := mustPrepare(t, c, "SELECT 1 AS "+QuoteName(s)).ColumnName(0)
		if name != s {
			t.Errorf("name %q: read %q", s, name)
		}
	}
}
