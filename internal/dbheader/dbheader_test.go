package dbheader

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/floedb/floe/engine"
)

// makeDatabase makes a database of more than one page and gives its path and bytes.
func makeDatabase(t *testing.T, pragma string) (string, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	c, err := engine.Open(path, engine.OpenReadWrite|engine.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{pragma, "CREATE TABLE t(a)", "INSERT INTO t VALUES (zeroblob(200000))"} {
		if err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, b
}

func TestReadTellsThePagesOfADatabase(t *testing.T) {
	for pragma, size := range map[string]int64{"PRAGMA page_size = 512": 512, "PRAGMA page_size = 65536": 65536, "PRAGMA journal_mode = wal": 4096} {
		path, b := makeDatabase(t, pragma)
		f, err := Read(path)
		if want := (File{Header: Header{PageSize: size, Pages: int64(len(b)) / size}, Bytes: int64(len(b))}); err != nil || f != want {
			t.Errorf("%s: %+v, error %v; want %+v", pragma, f, err, want)
		}
	}
}

func TestReadKnowsWhatSQLiteRefuses(t *testing.T) {
	path, good := makeDatabase(t, "PRAGMA page_size = 4096")
	for name, c := range map[string]struct {
		edit func(b []byte) []byte
		want error
	}{
		"untouched":         {func(b []byte) []byte { return b }, nil},
		"empty":             {func([]byte) []byte { return nil }, nil},
		"one byte":          {func(b []byte) []byte { return b[:1] }, nil},
		"two bytes":         {func(b []byte) []byte { return b[:2] }, engine.NotADB},
		"half a header":     {func(b []byte) []byte { return b[:23] }, engine.NotADB},
		"other magic":       {func(b []byte) []byte { b[3]++; return b }, engine.NotADB},
		"zeros":             {func(b []byte) []byte { clear(b); return b }, engine.NotADB},
		"page size 0":       {func(b []byte) []byte { b[16], b[17] = 0, 0; return b }, engine.NotADB},
		"page size 26471":   {func(b []byte) []byte { b[16], b[17] = 'g', 'g'; return b }, engine.NotADB},
		"all reserved":      {func(b []byte) []byte { b[16], b[17], b[20] = 2, 0, 255; return b }, engine.NotADB},
		"format version":    {func(b []byte) []byte { b[19] = 3; return b }, engine.NotADB},
		"payload fractions": {func(b []byte) []byte { b[22] = 33; return b }, engine.NotADB},
		"cut":               {func(b []byte) []byte { return b[:8192] }, engine.Corrupt},
		"cut in page 1":     {func(b []byte) []byte { return b[:100] }, engine.Corrupt},
		"pages to come":     {func(b []byte) []byte { binary.BigEndian.PutUint32(b[28:], 1<<31); return b }, engine.Corrupt},
		"pages unknown":     {func(b []byte) []byte { b[95]++; return b[:8192] }, nil},
	} {
		if err := os.WriteFile(path, c.edit(append([]byte{}, good...)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
		if err := query(t, path); (err == nil) != (c.want == nil) && name != "pages unknown" {
			t.Errorf("%s: SQLite says %v, want %v", name, err, c.want)
		}
	}
}

func query(t *testing.T, path string) error {
	t.Helper()
	c, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Exec(t.Context(), "SELECT count(*) FROM sqlite_schema")
}

// A log or a journal may hold the page that is damaged in the file.
func TestReadLeavesWhatIsPendingToSQLite(t *testing.T) {
	for _, suffix := range []string{"-wal", "-journal"} {
		path, b := makeDatabase(t, "PRAGMA page_size = 4096")
		if err := os.WriteFile(path, b[:5000], 0o600); err != nil {
			t.Fatal(err)
		}
		for content, want := range map[string]error{"": engine.Corrupt, "pages": nil} {
			if err := os.WriteFile(path+suffix, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if f, err := Read(path); !errors.Is(err, want) || f.Pending != (want == nil) {
				t.Errorf("with %q in the file %s: %+v, error %v; want error %v", content, suffix, f, err, want)
			}
		}
	}
}

func TestReadOfWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, engine.CantOpen) {
		t.Errorf("a directory: %v, want %v", err, engine.CantOpen)
	}
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want %v", err, fs.ErrNotExist)
	}
}
