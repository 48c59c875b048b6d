package floe_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// errorModes are data source names of databases with the tables that the tests of errors use, by mode.
func errorModes(t *testing.T) map[string]string {
	t.Helper()
	srv := sqldtest.Start(t)
	modes := map[string]string{
		"file":    filepath.Join(t.TempDir(), "local.db") + "?_foreign_keys=on",
		"http":    "http://" + srv.Addr,
		"ws":      "ws://" + srv.Addr,
		"replica": "file:" + newPath(t) + "?primary=" + srv.URL,
	}
	for _, mode := range []string{"file", "http"} {
		db := openDSN(t, modes[mode])
		for _, q := range []string{
			"CREATE TABLE p(id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL DEFAULT 1, c CHECK (c > 0))",
			"CREATE TABLE k(id TEXT PRIMARY KEY, r REFERENCES p(id)) WITHOUT ROWID",
			"CREATE TABLE plain(x)",
			"CREATE TABLE s(x INT) STRICT",
			"CREATE TRIGGER no BEFORE INSERT ON plain WHEN new.x = 'no' BEGIN SELECT RAISE(ABORT, 'not this one'); END",
			"INSERT INTO p VALUES (1, 1, 1, 1)", "INSERT INTO k VALUES ('a', NULL)", "INSERT INTO plain(rowid, x) VALUES (1, 1)",
		} {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %s: %v", mode, q, err)
			}
		}
		db.Close()
	}
	return modes
}

func openDSN(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("floe", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// The table of docs/errors.md: what is the same in a file, on a server and through a replica.
func TestErrorsAreTheSameInEveryMode(t *testing.T) {
	big := make([]byte, 11<<20)
	tests := []struct {
		query string
		args  []any
		want  []error
	}{
		{"INSERT INTO p(id) VALUES (1)", nil, []error{engine.Constraint, engine.ConstraintUnique}},
		{"INSERT INTO p(u) VALUES (1)", nil, []error{engine.Constraint, engine.ConstraintUnique}},
		{"INSERT INTO k(id) VALUES ('a')", nil, []error{engine.Constraint, engine.ConstraintUnique}},
		{"INSERT INTO plain(rowid) VALUES (1)", nil, []error{engine.Constraint, engine.ConstraintUnique}},
		{"INSERT INTO p(n) VALUES (NULL)", nil, []error{engine.Constraint, engine.ConstraintNotNull}},
		{"INSERT INTO p(c) VALUES (0)", nil, []error{engine.Constraint, engine.ConstraintCheck}},
		{"INSERT INTO k VALUES ('b', 9)", nil, []error{engine.Constraint, engine.ConstraintForeignKey}},
		{"INSERT INTO s VALUES ('text')", nil, []error{engine.Constraint, engine.ConstraintDataType}},
		{"INSERT INTO plain VALUES ('no')", nil, []error{engine.Constraint, engine.ConstraintTrigger}},
		{"INSERT INTO p(id) VALUES ('text')", nil, []error{engine.Mismatch}},
		{"INSERT INTO plain VALUES (?), (?)", []any{1}, []error{engine.Range}},
		{"INSERT INTO plain VALUES (?)", []any{1, 2}, []error{engine.Range}},
		{"INSERT INTO plain VALUES (:a)", []any{sql.Named("b", 1)}, []error{engine.Range}},
		{"INSERT INTO plain VALUES (:a), (@a)", []any{sql.Named("a", 1), sql.Named("a", 1)}, []error{engine.Range}},
		{"INSERT INTO plain VALUES (?); INSERT INTO plain VALUES (?)", []any{1}, []error{engine.Range}},
		{"DELETE FROM plain WHERE x = 7; DELETE FROM plain WHERE x = ?", []any{7, 8}, []error{engine.Range}},
		{"INSERT INTO plain VALUES (zeroblob(2000000000))", nil, []error{engine.TooBig}},
		{"SELEC 1", nil, []error{engine.Generic}},
		{"SELECT * FROM nix", nil, []error{engine.Generic}},
		{"SELECT nix FROM p", nil, []error{engine.Generic}},
		{"INSERT INTO nix VALUES (1)", nil, []error{engine.Generic}},
		{"INSERT INTO plain SELECT abs(-9223372036854775808)", nil, []error{engine.Generic}},
		{"CREATE TABLE p(x)", nil, []error{engine.Generic}},
		{"COMMIT", nil, []error{engine.Generic}},
	}
	for mode, dsn := range errorModes(t) {
		t.Run(mode, func(t *testing.T) {
			db := openDSN(t, dsn)
			db.SetMaxOpenConns(1)
			for _, c := range tests {
				for call, err := range map[string]error{
					"Exec": execOnce(db, c.query, c.args), "Query": queryAll(db, c.query, c.args), "Prepare": prepared(db, c.query, c.args),
				} {
					var e *engine.Error
					if !errors.As(err, &e) {
						t.Errorf("%s of %s: %v, want an *engine.Error", call, c.query, err)
					}
					for _, want := range c.want {
						if !errors.Is(err, want) {
							t.Errorf("%s of %s: %v, want %v", call, c.query, err, want)
						}
					}
				}
			}
			tx, err := db.BeginTx(limit(t), &sql.TxOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("INSERT INTO plain VALUES (1)"); !errors.Is(err, engine.ReadOnly) {
				t.Errorf("a write in a read-only transaction: %v, want %v", err, engine.ReadOnly)
			}
			tx.Rollback()
			tx, err = db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec("INSERT OR ROLLBACK INTO p(id) VALUES (1)"); !errors.Is(err, engine.ConstraintUnique) {
				t.Errorf("a statement that ends its transaction: %v, want %v", err, engine.ConstraintUnique)
			}
			if _, err := tx.Exec("INSERT INTO plain VALUES (1)"); !errors.Is(err, floe.ErrTransactionLost) {
				t.Errorf("a statement behind it: %v, want %v", err, floe.ErrTransactionLost)
			}
			tx.Rollback()
			if mode != "file" { // where 1 GB is the limit
				if _, err := db.Exec("INSERT INTO plain VALUES (?)", big); !errors.Is(err, engine.TooBig) {
					t.Errorf("an argument that the server does not take: %v, want %v", err, engine.TooBig)
				}
			}
		})
	}
}

func execOnce(db *sql.DB, query string, args []any) error {
	_, err := db.Exec(query, args...)
	return err
}

func queryAll(db *sql.DB, query string, args []any) error {
	rows, err := db.Query(query, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

func prepared(db *sql.DB, query string, args []any) error {
	stmt, err := db.Prepare(query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	_, err = stmt.Exec(args...)
	return err
}

// A context that ends is in every error, with the cause that it was given.
func TestTheErrorOfAContextIsTheSameInEveryMode(t *testing.T) {
	cause := errors.New("the user has left")
	const slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 3000000) SELECT sum(x) AS x FROM c"
	for mode, dsn := range errorModes(t) {
		t.Run(mode, func(t *testing.T) {
			db := openDSN(t, dsn)
			if err := db.PingContext(limit(t)); err != nil {
				t.Fatal(err)
			}
			for name, query := range map[string]string{"read": slow, "write": "INSERT INTO plain " + slow} {
				ctx, cancel := context.WithTimeoutCause(context.Background(), 20e6, cause)
				_, err := db.ExecContext(ctx, query)
				cancel()
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
					t.Errorf("%s: %v, want DeadlineExceeded and the cause", name, err)
				}
			}
		})
	}
}

// Errors of the way to a database: a server that is not there or refuses the token, a name that no file can have.
func TestErrorsOfTheWayToADatabase(t *testing.T) {
	srv, several := sqldtest.Start(t, sqldtest.WithJWT()), sqldtest.Start(t, sqldtest.WithNamespaces())
	dir := t.TempDir()
	for name, c := range map[string]struct {
		dsn  string
		want error
	}{
		"directory":             {dir, engine.CantOpen},
		"directory by URI":      {"file:" + dir, engine.CantOpen},
		"directory, read only":  {"file:" + dir + "?mode=ro", engine.CantOpen},
		"no such directory":     {filepath.Join(dir, "no", "x.db"), engine.CantOpen},
		"no file":               {"file:" + filepath.Join(dir, "x.db") + "?mode=rw", engine.CantOpen},
		"http, nobody there":    {"http://127.0.0.1:1", floe.ErrUnreachable},
		"ws, nobody there":      {"ws://127.0.0.1:1", floe.ErrUnreachable},
		"replica, nobody there": {"file:" + filepath.Join(dir, "r1.db") + "?primary=http://127.0.0.1:1", floe.ErrUnreachable},
		"http, bad token":       {"http://" + srv.Addr + "?authToken=bad", floe.ErrAuth},
		"ws, bad token":         {"ws://" + srv.Addr + "?authToken=bad", floe.ErrAuth},
		"http, no namespace":    {several.URL + "?namespace=nix", floe.ErrNamespaceNotFound},
		"replica, no namespace": {"file:" + filepath.Join(dir, "r3.db") + "?primary=" + several.URL + "&namespace=nix", floe.ErrNamespaceNotFound},
		"replica, bad token":    {"file:" + filepath.Join(dir, "r2.db") + "?primary=" + srv.URL + "&authToken=bad", floe.ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sql.Open("floe", filepath.ToSlash(c.dsn))
			if err == nil {
				defer db.Close()
				_, err = db.ExecContext(limit(t), "CREATE TABLE t(x)")
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// What is used after its end says so.
func TestErrorsAfterTheEnd(t *testing.T) {
	for mode, dsn := range errorModes(t) {
		c, err := floe.NewConnector(dsn)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(c)
		tx, err := db.Begin()
		if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if _, err := tx.Exec("SELECT 1"); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("%s: a transaction that is over: %v, want ErrTxDone", mode, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("%s: close: %v", mode, err)
		}
		if mode == "file" {
			continue // whose connector can be used on
		}
		again := sql.OpenDB(c)
		if _, err := again.Exec("DELETE FROM plain"); !errors.Is(err, floe.ErrClosed) {
			t.Errorf("%s: a connector that was closed: %v, want ErrClosed", mode, err)
		}
	}
}

// GORM knows the errors of SQLite by their JSON.
func TestErrorsInJSONHaveTheirExtendedCode(t *testing.T) {
	for mode, dsn := range errorModes(t) {
		db := openDSN(t, dsn)
		_, err := db.Exec("INSERT INTO p(u) VALUES (1)")
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
