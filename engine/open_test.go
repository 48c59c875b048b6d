package engine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenTakesNamesLiterallyWithoutURI(t *testing.T) {
	names := []string{"a b.db", "per%41cent.db", "hash#tag.db", "äöü-数据.db", "plus+and&.db", "it's.db"}
	if runtime.GOOS != "windows" {
		names = append(names, "what?mode=ro.db", `quo"te.db`, "file:a.db", "back\\slash.db", ":memory:.db")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := openTest(t, filepath.Join(dir, name), OpenReadWrite|OpenCreate)
			mustExec(t, c, "CREATE TABLE t(a)")
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) != 1 || entries[0].Name() != name {
				t.Errorf("files in the directory: %v, want only %q", entries, name)
			}
			if got := filepath.Base(c.Filename("main")); got != name {
				t.Errorf("Filename: base %q, want %q", got, name)
			}
		})
	}
}

func TestOpenTakesURIsWithFlagsZero(t *testing.T) {
	name := filepath.ToSlash(filepath.Join(t.TempDir(), "uri.db"))
	c := openTest(t, "file:"+name+"?mode=rwc", 0)
	mustExec(t, c, "CREATE TABLE t(a)")
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the file that the URI names: %v", err)
	}
	ro := openTest(t, "file:"+name+"?mode=ro", 0)
	if err := ro.Exec(background, "INSERT INTO t VALUES (1)"); !errors.Is(err, ReadOnly) {
		t.Errorf("insert with mode=ro: %v, want %v", err, ReadOnly)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name  string
		path  string
		flags OpenFlags
		want  ResultCode
	}{
		{"a NUL byte in the name", filepath.Join(dir, "a\x00b"), 0, CantOpen},
		{"a directory", dir, OpenReadWrite, CantOpen},
		{"a file that is not there", filepath.Join(dir, "missing.db"), OpenReadWrite, CantOpen},
		{"a file that is not there, read-only", filepath.Join(dir, "missing.db"), OpenReadOnly, CantOpen},
		{"a directory that is not there", filepath.Join(dir, "no", "a.db"), 0, CantOpen},
		{"two access modes", filepath.Join(dir, "a.db"), OpenReadOnly | OpenReadWrite, Misuse},
		{"unknown flags", filepath.Join(dir, "a.db"), OpenReadWrite | 0x8000, Misuse},
		{"an unknown VFS", "file:a.db?vfs=nonesuch", 0, Generic},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Open(test.path, test.flags)
			if c != nil {
				t.Errorf("a connection came back")
				c.Close()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Op == "" || e.Msg == "" {
				t.Errorf("error %#v, want an *Error with Op and Msg", err)
			}
		})
	}
}

func TestOpenOfANonDatabaseFailsWithTheFirstStatement(t *testing.T) {
	name := filepath.Join(t.TempDir(), "text.db")
	text := make([]byte, 4096)
	copy(text, "this is not a database, however much it is asked to be one")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := openTest(t, name, OpenReadWrite)
	if err := c.Exec(background, "SELECT * FROM sqlite_schema"); !errors.Is(err, NotADB) {
		t.Errorf("error %v, want %v", err, NotADB)
	}
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, after); diff != "" {
		t.Errorf("the file was changed (-before +after):\n%s", diff)
	}
}

func TestOpenReadOnly(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ro.db")
	mustExec(t, openTest(t, name, 0), "CREATE TABLE t(a); INSERT INTO t VALUES (7)")
	c := openTest(t, name, OpenReadOnly)
	if diff := cmp.Diff([][]any{{int64(7)}}, values(t, c, "SELECT a FROM t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if err := c.Exec(background, "DELETE FROM t"); !errors.Is(err, ReadOnly) {
		t.Errorf("delete: %v, want %v", err, ReadOnly)
	}
	if ro, err := c.ReadOnly("main"); !ro || err != nil {
		t.Errorf("ReadOnly: %v, %v; want true", ro, err)
	}
}

func TestOpenOfAReadOnlyFileFallsBackToReading(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("file permissions do not bind this user")
	}
	name := filepath.Join(t.TempDir(), "ro.db")
	mustExec(t, openTest(t, name, 0), "CREATE TABLE t(a)")
	if err := os.Chmod(name, 0o400); err != nil {
		t.Fatal(err)
	}
	c := openTest(t, name, OpenReadWrite)
	if err := c.Exec(background, "INSERT INTO t VALUES (1)"); !errors.Is(err, ReadOnly) {
		t.Errorf("insert: %v, want %v", err, ReadOnly)
	}
}

func TestOpenFlagMemoryNeedsNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	c := openTest(t, "label", OpenMemory)
	mustExec(t, c, "CREATE TABLE t(a)")
	if _, err := os.Stat("label"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat: %v, want no file", err)
	}
	if got := c.Filename("main"); got != "" {
		t.Errorf("Filename: %q, want none", got)
	}
}

// SQLite hands the VFS and the flags of a connection down to what it attaches, which would then be in memory, too.
func TestAConnectionInMemoryAttachesFiles(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name  string
		flags OpenFlags
	}{
		{":memory:", 0}, {"label", OpenMemory}, {"file:label", OpenURI | OpenMemory}, {"file:x?mode=memory", 0},
		{"file:/attaches?vfs=memdb", 0}, {"file:attaches?vfs=memdb", 0}, {"file:x?mode=memory&cache=shared", 0}, {"", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := openTest(t, test.name, test.flags)
			mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (7)")
			attached, copied := filepath.Join(dir, "attached.db"), filepath.Join(dir, "copied.db")
			defer os.Remove(attached)
			defer os.Remove(copied)
			must(t, c.Attach(background, attached, "other"))
			mustExec(t, c, "CREATE TABLE other.t AS SELECT * FROM main.t")
			must(t, c.Detach(background, "other"))
			must(t, c.VacuumInto(background, "", copied))
			for _, name := range []string{attached, copied} {
				if diff := cmp.Diff([][]any{{int64(7)}}, values(t, openTest(t, name, OpenReadOnly), "SELECT a FROM t")); diff != "" {
					t.Errorf("rows of %s (-want +got):\n%s", filepath.Base(name), diff)
				}
			}
			must(t, c.Attach(background, ":memory:", "another"))
			if name := c.Filename("another"); name != "" {
				t.Errorf("a database in memory has the file %s", name)
			}
			mustExec(t, c, "DETACH another; VACUUM")
		})
	}
}
