package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// rolledBack are statements at whose error SQLite rolls the whole transaction back.
var rolledBack = map[string]struct {
	prepare, run string
	want         error
}{
	"INSERT OR ROLLBACK":   {"", "INSERT OR ROLLBACK INTO t VALUES (1)", engine.ConstraintUnique},
	"UPDATE OR ROLLBACK":   {"", "UPDATE OR ROLLBACK t SET a = 1", engine.ConstraintUnique},
	"ON CONFLICT ROLLBACK": {"CREATE TABLE r (a NOT NULL ON CONFLICT ROLLBACK)", "INSERT INTO r VALUES (NULL)", engine.ConstraintNotNull},
	"RAISE(ROLLBACK)": {
		"CREATE TRIGGER r AFTER DELETE ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END", "DELETE FROM t", engine.ConstraintTrigger,
	},
	"a full disk":             {"PRAGMA max_page_count = 10", "INSERT INTO t VALUES (zeroblob(99999))", engine.Full},
	"within a script":         {"", "SELECT 1; INSERT OR ROLLBACK INTO t VALUES (1); INSERT INTO t VALUES (8)", engine.ConstraintUnique},
	"within a savepoint":      {"", "SAVEPOINT a; INSERT OR ROLLBACK INTO t VALUES (1)", engine.ConstraintUnique},
	"behind its own BEGIN":    {"", "COMMIT; BEGIN; INSERT INTO t VALUES (7); INSERT OR ROLLBACK INTO t VALUES (1)", engine.ConstraintUnique},
	"with an argument":        {"", "INSERT OR ROLLBACK INTO t VALUES (?1 - 4)", engine.ConstraintUnique},
	"an interrupted INSERT":   {"", interruptedInsert, context.Canceled},
	"PRIMARY KEY ON CONFLICT": {"CREATE TABLE p (a PRIMARY KEY ON CONFLICT ROLLBACK); INSERT INTO p VALUES (1)", "INSERT INTO p VALUES (1)", engine.ConstraintPrimaryKey},
}

func TestNothingRunsBehindATransactionThatSQLiteRolledBack(t *testing.T) {
	for name, end := range rolledBack {
		t.Run(name, func(t *testing.T) {
			for next, run := range uses {
				ctx, cancel := context.WithCancel(limit(t))
				defer cancel()
				db := openInterrupting(t, filepath.Join(t.TempDir(), "a.db")+"?_synchronous=off", cancel)
				db.SetMaxOpenConns(1)
				mustExec(t, db, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1);"+end.prepare)
				tx, err := db.Begin()
				if err != nil {
					t.Fatal(err)
				}
				mustExec(t, tx, "INSERT INTO t VALUES (2)")
				stmt, err := tx.Prepare("INSERT INTO t VALUES (3) RETURNING a")
				if err != nil {
					t.Fatal(err)
				}
				if err := loseTransaction(ctx, tx, name, end.run); !errors.Is(err, end.want) || errors.Is(err, floe.ErrTransactionLost) {
					t.Errorf("%s: error %v, want %v alone", end.run, err, end.want)
				}
				for range 2 {
					if err := run(tx, stmt); !errors.Is(err, floe.ErrTransactionLost) {
						t.Errorf("%s: error %v, want ErrTransactionLost", next, err)
					}
					if next == "commit" {
						break
					}
				}
				if err := tx.Rollback(); err != nil && err != sql.ErrTxDone {
					t.Errorf("%s: rollback: %v", next, err)
				}
				want := int64(1)
				if name == "behind its own BEGIN" {
					want = 2 // what was before it is committed
				}
				if n := one[int64](t, db, "SELECT count(*) FROM t"); n != want {
					t.Errorf("%s: %d rows, want %d", next, n, want)
				}
				mustExec(t, db, "INSERT INTO t VALUES (3)")
				wantIdle(t, db)
			}
		})
	}
}

// uses are what can be done with a transaction.
var uses = map[string]func(tx *sql.Tx, stmt *sql.Stmt) error{
	"exec":           func(tx *sql.Tx, _ *sql.Stmt) error { _, err := tx.Exec("INSERT INTO t VALUES (3)"); return err },
	"exec with args": func(tx *sql.Tx, _ *sql.Stmt) error { _, err := tx.Exec("INSERT INTO t VALUES (?)", 3); return err },
	"script": func(tx *sql.Tx, _ *sql.Stmt) error {
		_, err := tx.Exec("INSERT INTO t VALUES (3); SELECT 1")
		return err
	},
	"script with args": func(tx *sql.Tx, _ *sql.Stmt) error {
		_, err := tx.Exec("INSERT INTO t VALUES (?); SELECT 1", 3)
		return err
	},
	"query": func(tx *sql.Tx, _ *sql.Stmt) error {
		return tx.QueryRow("INSERT INTO t VALUES (3) RETURNING a").Scan(new(int))
	},
	"prepare":        func(tx *sql.Tx, _ *sql.Stmt) error { _, err := tx.Prepare("SELECT * FROM t"); return err },
	"prepared exec":  func(_ *sql.Tx, stmt *sql.Stmt) error { _, err := stmt.Exec(); return err },
	"prepared query": func(_ *sql.Tx, stmt *sql.Stmt) error { return stmt.QueryRow().Scan(new(int)) },
	"commit":         func(tx *sql.Tx, _ *sql.Stmt) error { return tx.Commit() },
}

// interruptedInsert writes rows until the context ends, which it ends itself.
const interruptedInsert = "WITH RECURSIVE c(x) AS (SELECT 5 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT iif(x = 99, interrupt_now(), x) FROM c"

// openInterrupting opens a database whose function interrupt_now calls interrupt.
func openInterrupting(t *testing.T, dsn string, interrupt func()) *sql.DB {
	t.Helper()
	c, err := floe.NewConnector(dsn, floe.WithOnConnect(func(_ context.Context, c *engine.Conn) error {
		return c.CreateFunction("interrupt_now", 0, 0, func(*engine.FuncContext, []engine.Value) error {
			interrupt()
			return nil
		})
	}))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func loseTransaction(ctx context.Context, tx *sql.Tx, name, query string) error {
	var args []any
	if name == "with an argument" {
		args = []any{5}
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

func TestRowsAndWhatIsBehindThemEndWithTheTransaction(t *testing.T) {
	db := openFile(t)
	db.SetMaxOpenConns(1)
	mustExec(t, db, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1), (2)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, "CREATE TABLE u (a)") // SQLite lets rows go on if the schema stays as it is
	rows, err := tx.Query("SELECT a FROM t")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	script, err := tx.Query("SELECT 1; INSERT INTO t VALUES (3)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT OR ROLLBACK INTO t VALUES (1)"); !errors.Is(err, engine.ConstraintUnique) {
		t.Fatalf("error %v, want ConstraintUnique", err)
	}
	for rows.Next() {
	}
	if err := rows.Err(); !errors.Is(err, floe.ErrTransactionLost) {
		t.Errorf("rows: error %v, want ErrTransactionLost", err)
	}
	if err := script.Close(); !errors.Is(err, floe.ErrTransactionLost) {
		t.Errorf("close of the rows with a statement behind them: error %v, want ErrTransactionLost", err)
	}
	if err := tx.Commit(); !errors.Is(err, floe.ErrTransactionLost) {
		t.Errorf("commit: error %v, want ErrTransactionLost", err)
	}
	if n := one[int](t, db, "SELECT count(*) FROM t"); n != 2 {
		t.Errorf("%d rows, want the 2 from before", n)
	}
}

func TestATransactionGoesOnAfterAStatementFailed(t *testing.T) {
	db := openFile(t)
	mustExec(t, db, "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"INSERT INTO t VALUES (2), (1)", "INSERT OR FAIL INTO t VALUES (3), (1)", "SELEC 1", "SELECT * FROM missing",
		"SAVEPOINT a; INSERT INTO t VALUES (4), (4)", "ROLLBACK TO a; SELEC 1", "BEGIN",
	} {
		if _, err := tx.Exec(bad); err == nil {
			t.Errorf("%s succeeded", bad)
		}
	}
	mustExec(t, tx, "INSERT INTO t VALUES (5)")
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
	if got := one[string](t, db, "SELECT group_concat(a, ' ') FROM t"); got != "1 3 5" {
		t.Errorf("rows %s, want 1 3 5", got)
	}
}

// Migrations leave their transaction for what cannot be done in one.
func TestATransactionMayBeEndedAndBegunByStatements(t *testing.T) {
	type texts = []string
	for name, tt := range map[string]struct {
		texts    texts
		commit   bool // succeeds
		kept     string
		rollback string // what is kept if the end is Rollback
	}{
		"at one go":             {texts{"INSERT INTO t VALUES (1); COMMIT; PRAGMA foreign_keys=ON; BEGIN; INSERT INTO t VALUES (2)"}, true, "1 2", "1"},
		"one by one":            {texts{"INSERT INTO t VALUES (1)", "END", "PRAGMA foreign_keys=ON", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (2)"}, true, "1 2", "1"},
		"rolled back":           {texts{"INSERT INTO t VALUES (1); ROLLBACK", "BEGIN; INSERT INTO t VALUES (2)"}, true, "2", ""},
		"by a savepoint":        {texts{"COMMIT; SAVEPOINT a; INSERT INTO t VALUES (1)"}, true, "1", ""},
		"several times":         {texts{"COMMIT; BEGIN; COMMIT; BEGIN; INSERT INTO t VALUES (1); COMMIT; BEGIN", "INSERT INTO t VALUES (2)"}, true, "1 2", "1"},
		"and not begun again":   {texts{"INSERT INTO t VALUES (1); COMMIT", "INSERT INTO t VALUES (2)"}, false, "1 2", "1 2"},
		"after a failure":       {texts{"INSERT INTO t VALUES (1); COMMIT; SELEC", "BEGIN", "INSERT INTO t VALUES (2)"}, true, "1 2", "1"},
		"failing in autocommit": {texts{"COMMIT", "INSERT OR ROLLBACK INTO t VALUES (1), (1)", "BEGIN; INSERT INTO t VALUES (2)"}, true, "2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, commit := range []bool{true, false} {
				db := openFile(t)
				mustExec(t, db, "CREATE TABLE t (a UNIQUE)")
				conn, err := db.Conn(limit(t))
				if err != nil {
					t.Fatal(err)
				}
				tx, err := conn.BeginTx(limit(t), nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range tt.texts {
					if _, err := tx.Exec(text); errors.Is(err, floe.ErrTransactionLost) {
						t.Errorf("%s: %v", text, err)
					}
				}
				end, want := tx.Rollback, tt.rollback
				if commit {
					end, want = tx.Commit, tt.kept
				}
				if err := end(); (err == nil) != (tt.commit || !commit) {
					t.Errorf("end of the transaction: error %v", err)
				}
				var got string
				err = conn.QueryRowContext(limit(t), "SELECT coalesce(group_concat(a, ' '), '') FROM t").Scan(&got)
				if err != nil || got != want {
					t.Errorf("rows %q, %v, want %q", got, err, want)
				}
				if _, err := conn.ExecContext(limit(t), "BEGIN; COMMIT"); err != nil {
					t.Errorf("a transaction is still open: %v", err)
				}
				conn.Close()
			}
		})
	}
}

func TestATransactionThatOnlyReadsIsNotBegunAgain(t *testing.T) {
	db := openFile(t)
	mustExec(t, db, "CREATE TABLE t (a)")
	tx, err := db.BeginTx(limit(t), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tx.Exec("COMMIT; BEGIN; INSERT INTO t VALUES (1)")
	if err := tx.Commit(); !errors.Is(err, engine.ErrTxEnded) {
		t.Errorf("commit: error %v, want ErrTxEnded", err)
	}
	if diff := cmp.Diff(0, one[int](t, db, "SELECT count(*) FROM t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAMigrationThatEndsItsTransactionIsCommittedInEachMode(t *testing.T) {
	srv := sqldtest.Start(t)
	for name, dsn := range map[string]string{
		"file":    filepath.Join(t.TempDir(), "a.db"),
		"memory":  ":memory:",
		"HTTP":    srv.URL,
		"replica": "file:" + newPath(t) + "?primary=" + srv.URL,
	} {
		t.Run(name, func(t *testing.T) {
			db := openSQL(t, dsn)
			mustExec(t, db, "DROP TABLE IF EXISTS m; CREATE TABLE m (a)")
			tx, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			mustExec(t, tx, "INSERT INTO m VALUES (1); COMMIT; PRAGMA foreign_keys=ON; BEGIN; INSERT INTO m VALUES (2)")
			if err := tx.Commit(); err != nil {
				t.Errorf("commit: %v", err)
			}
			if got := one[string](t, db, "SELECT group_concat(a, ' ') FROM m"); got != "1 2" {
				t.Errorf("rows %s, want 1 2", got)
			}
		})
	}
}
