package floe_test

import (
	"database/sql"
	"encoding/json"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// GORM knows the errors of SQLite by their JSON.
func TestErrorsInJSONHaveTheirExtendedCode(t *testing.T) {
	for mode, dsn := range map[string]string{"local": t.TempDir() + "/x.db", "remote": sqldtest.Start(t).URL} {
		db, err := sql.Open("floe", dsn)
		if err != nil {
			t.Fatalf("%s: open: %v", mode, err)
		}
		defer db.Close()
		if _, err := db.Exec("CREATE TABLE t (x UNIQUE)"); err != nil {
			t.Fatalf("%s: create: %v", mode, err)
		}
		_, err = db.Exec("INSERT INTO t VALUES (1), (1)")
		text, jsonErr := json.Marshal(err)
		var got struct{ Code, ExtendedCode int }
		if jsonErr == nil {
			jsonErr = json.Unmarshal(text, &got)
		}
		if jsonErr != nil || got.Code != 19 || got.ExtendedCode != 2067 {
			t.Errorf("%s: %v is %s in JSON (%v), want code 19 and extended code 2067", mode, err, text, jsonErr)
		}
	}
}
