package modes

import (
	"database/sql"
	"path"
	"testing"

	"github.com/floedb/floe"
)

func TestForeignKeysAreOnInEveryMode(t *testing.T) {
	RunDB(t, func(t *testing.T, db *sql.DB) {
		var on bool
		if err := db.QueryRow("PRAGMA foreign_keys").Scan(&on); err != nil || !on {
			t.Fatalf("foreign_keys is %v (%v), want true", on, err)
		}
	})
}

func TestEveryModeIsWhatItIsCalled(t *testing.T) {
	type kind struct{ file, server bool }
	want := map[string]kind{"local": {file: true}, "remote": {server: true}, "replica": {file: true, server: true}}
	RunDB(t, func(t *testing.T, db *sql.DB) {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(t.Context(), "CREATE TABLE t (x)"); err != nil {
			t.Fatalf("create: %v", err)
		}
		mode := path.Base(t.Name())
		err = conn.Raw(func(c any) error {
			d := c.(*floe.DriverConn)
			if got := (kind{d.Engine() != nil, d.Stream() != nil}); got != want[mode] {
				t.Errorf("%s is %+v, want %+v", mode, got, want[mode])
			}
			return nil
		})
		if err != nil {
			t.Errorf("raw connection: %v", err)
		}
	})
}
