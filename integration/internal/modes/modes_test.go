package modes

import (
	"database/sql"
	"testing"
)

func TestForeignKeysAreOnInEveryMode(t *testing.T) {
	RunDB(t, func(t *testing.T, db *sql.DB) {
		var on bool
		if err := db.QueryRow("PRAGMA foreign_keys").Scan(&on); err != nil || !on {
			t.Fatalf("foreign_keys is %v (%v), want true", on, err)
		}
	})
}
