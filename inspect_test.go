package floe_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

func TestInspectTellsWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	db, err := floe.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(conn.Exec(t.Context(), "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(50000))"), conn.Close(), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"whole": {b, nil}, "empty": {nil, nil}, "text": {[]byte("some text"), engine.NotADB}, "header": {b[:99], engine.NotADB}, "cut": {b[:9000], engine.Corrupt},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if st, err := floe.Inspect(path); !errors.Is(err, c.want) || st.Role != floe.RoleLocal {
			t.Errorf("%s: %v, error %v; want %v, error %v", name, st.Role, err, floe.RoleLocal, c.want)
		}
	}
	if st, err := floe.Inspect(dir); !errors.Is(err, engine.CantOpen) {
		t.Errorf("a directory: %v, error %v; want %v", st.Role, err, engine.CantOpen)
	}
	if st, err := floe.Inspect(filepath.Join(dir, "none.db")); err != nil || st.Role != floe.RoleNone {
		t.Errorf("no file: %v, error %v; want %v", st.Role, err, floe.RoleNone)
	}
}
