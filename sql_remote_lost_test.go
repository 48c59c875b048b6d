package floe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqldtest"
)

// A server takes a transaction away from who holds the lock for five seconds while another one wants it.
func TestATransactionThatTheServerTookAwayIsLostAtItsFirstError(t *testing.T) {
	if testing.Short() {
		t.Skip("the server waits for five seconds")
	}
	uses := []lostUse{
		{"exec", func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO t VALUES('late')")
			return err
		}, ErrTransactionLost},
		{"script", func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO t VALUES('late'); INSERT INTO t VALUES('late')")
			return err
		}, ErrTransactionLost},
		{"query", func(ctx context.Context, tx *sql.Tx) error {
			var x string
			return tx.QueryRowContext(ctx, "SELECT x FROM t").Scan(&x)
		}, ErrTransactionLost},
		{"query of several", func(ctx context.Context, tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, "SELECT x FROM t; SELECT x FROM t")
			if err == nil {
				err = errors.Join(rows.Err(), rows.Close())
			}
			return err
		}, ErrTransactionLost},
		{"prepared", func(ctx context.Context, tx *sql.Tx) error {
			stmt, err := tx.PrepareContext(ctx, "INSERT INTO t VALUES(?)")
			if err != nil {
				return err
			}
			defer stmt.Close()
			_, err = stmt.ExecContext(ctx, "late")
			return err
		}, ErrTransactionLost},
		{"commit", func(_ context.Context, tx *sql.Tx) error { return tx.Commit() }, ErrTransactionLost},
		{"rollback", func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() }, nil},
	}
	srv := sqldtest.Start(t, sqldtest.WithNamespaces())
	var wg sync.WaitGroup
	var cases []*lostCase
	for _, mode := range []string{"http", "ws", "replica"} {
		for i := range uses {
			c := beginToLose(t, srv, mode, fmt.Sprintf("%s-%d", mode, i))
			c.use = &uses[i]
			cases = append(cases, c)
			wg.Go(func() { c.tookAway = c.srv.TryExec("INSERT INTO t VALUES('kept')") }) // waits until it has the lock
		}
	}
	wg.Wait()
	for _, c := range cases {
		t.Run(c.mode+", "+c.use.name, func(t *testing.T) { c.check(t) })
	}
}

// lostUse is what finds out that a transaction was lost.
type lostUse struct {
	name string
	run  func(ctx context.Context, tx *sql.Tx) error
	want error
}

type lostCase struct {
	mode     string
	use      *lostUse
	srv      *sqldtest.Server
	db       *sql.DB
	tx       *sql.Tx
	tookAway error
}

// beginToLose begins a transaction in a namespace of its own, which locks it.
func beginToLose(t *testing.T, srv *sqldtest.Server, mode, namespace string) *lostCase {
	t.Helper()
	srv.CreateNamespace(t, namespace)
	c := &lostCase{mode: mode, srv: srv.In(namespace)}
	c.srv.Exec(t, "CREATE TABLE t(x)")
	dsn := mode + "://" + srv.Addr + "?"
	if mode == "replica" {
		dsn = "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "r.db")) + "?primary=" + srv.URL + "&"
	}
	connector, err := NewConnector(strings.TrimRight(dsn, "?&"), WithNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	c.db = sql.OpenDB(connector)
	t.Cleanup(func() { c.db.Close() })
	c.tx = mustBegin(t, c.db, nil)
	mustExecDB(t, c.tx, "INSERT INTO t VALUES('lost')")
	return c
}

func (c *lostCase) check(t *testing.T) {
	if c.tookAway != nil {
		t.Fatalf("the other writer: %v", c.tookAway)
	}
	err := c.use.run(remoteContext(t), c.tx)
	if !errors.Is(err, c.use.want) || errors.Is(err, ErrCommitUnknown) {
		t.Errorf("%v, want %v", err, c.use.want)
	}
	if c.use.name != "commit" && c.use.name != "rollback" {
		if _, err := c.tx.Exec("INSERT INTO t VALUES('late')"); !errors.Is(err, ErrTransactionLost) {
			t.Errorf("the next statement: %v, want ErrTransactionLost", err)
		}
		if err := c.tx.Rollback(); err != nil {
			t.Errorf("rollback: %v", err)
		}
	}
	mustExecDB(t, c.db, "INSERT INTO t VALUES('after')")
	if got, want := c.srv.Query(t, "SELECT x FROM t"), [][]any{{"kept"}, {"after"}}; !cmp.Equal(got, want) {
		t.Errorf("the table holds %v, want %v", got, want)
	}
}

// oldServer is a fake before a real server: a proxy that lets only version 2 of the protocol through, which has no
// is_autocommit and no cursors.
func oldServer(t *testing.T, srv *sqldtest.Server) string {
	t.Helper()
	to, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v2") {
			http.NotFound(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(body), "is_autocommit") {
			http.Error(w, "unknown condition", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(old.Close)
	return old.URL
}

func TestATransactionOnAnOldServerGoesOnAfterAStatementFailed(t *testing.T) {
	srv := sqldtest.Start(t)
	freshTable(t, srv)
	db, err := sql.Open(DriverName, oldServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx := mustBegin(t, db, nil)
	mustExecDB(t, tx, "INSERT INTO t(x) VALUES(1)")
	for _, bad := range []string{"INSERT INTO t(x) VALUES(1)", "SELEC 1", "SELECT * FROM missing", "SELECT 1; SELEC 2"} {
		if _, err := tx.Exec(bad); err == nil {
			t.Errorf("exec of %s succeeded", bad)
		}
		if got := readAll(t, tx, "SELECT x FROM t"); !cmp.Equal(got, [][]any{{int64(1)}}) {
			t.Errorf("after %s the transaction reads %v, want 1", bad, got)
		}
		if _, err := tx.Exec(bad); err == nil {
			t.Errorf("exec of %s succeeded", bad)
		}
		mustExecDB(t, tx, "DELETE FROM t WHERE x > 1; INSERT INTO t(x) VALUES(2)")
		if _, err := tx.Exec(bad); err == nil {
			t.Errorf("exec of %s succeeded", bad)
		}
		mustExecDB(t, tx, "DELETE FROM t WHERE x > 1")
	}
	if _, err := tx.Exec("SELEC 1"); err == nil {
		t.Error("exec of SELEC succeeded")
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
	if n := countRows(t, srv); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	for name, last := range map[string]func(*sql.Tx) error{
		"exec":   func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t(x) VALUES(3)"); return err },
		"script": func(tx *sql.Tx) error { _, err := tx.Exec("INSERT INTO t(x) VALUES(3); SELECT 1"); return err },
		"query":  func(tx *sql.Tx) error { _, err := tx.Query("INSERT INTO t(x) VALUES(3) RETURNING x"); return err },
		"commit": (*sql.Tx).Commit,
	} {
		tx := mustBegin(t, db, nil)
		if _, err := tx.Exec("INSERT OR ROLLBACK INTO t(x) VALUES(1)"); !errors.Is(err, engine.ConstraintUnique) {
			t.Errorf("insert: %v, want ConstraintUnique", err)
		}
		if err := last(tx); !errors.Is(err, ErrTransactionLost) || errors.Is(err, ErrCommitUnknown) {
			t.Errorf("%s after a rollback: %v, want ErrTransactionLost", name, err)
		}
		tx.Rollback()
	}
	if n := countRows(t, srv); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

func TestCodesOfAServerAreSQLites(t *testing.T) {
	for _, c := range []struct {
		code, msg string
		want      engine.ResultCode
	}{
		{"SQLITE_UNKNOWN", "SQLite error: no such table: nix", engine.Generic},
		{"SQLITE_INTERNAL", "", engine.Internal},
		{"SQLITE_PERM", "", engine.Perm},
		{"SQLITE_ABORT", "", engine.Abort},
		{"SQLITE_BUSY", "", engine.Busy},
		{"SQLITE_LOCKED", "", engine.Locked},
		{"SQLITE_NOMEM", "", engine.NoMem},
		{"SQLITE_READONLY", "", engine.ReadOnly},
		{"SQLITE_INTERRUPT", "", engine.Interrupt},
		{"SQLITE_IOERR", "", engine.IOErr},
		{"SQLITE_CORRUPT", "", engine.Corrupt},
		{"SQLITE_NOTFOUND", "", engine.NotFound},
		{"SQLITE_FULL", "", engine.Full},
		{"SQLITE_CANTOPEN", "", engine.CantOpen},
		{"SQLITE_PROTOCOL", "", engine.Protocol},
		{"SQLITE_SCHEMA", "", engine.Schema},
		{"SQLITE_TOOBIG", "SQLite error: string or blob too big", engine.TooBig},
		{"SQLITE_MISMATCH", "SQLite error: datatype mismatch", engine.Mismatch},
		{"SQLITE_MISUSE", "", engine.Misuse},
		{"SQLITE_NOLFS", "", engine.NoLFS},
		{"SQLITE_AUTH", "", engine.Auth},
		{"SQLITE_RANGE", "", engine.Range},
		{"SQLITE_NOTADB", "", engine.NotADB},
		{"SQLITE_CONSTRAINT_PRIMARYKEY", "", engine.ConstraintPrimaryKey},
		{"SQLITE_CONSTRAINT", "SQLite error: UNIQUE constraint failed: t.x", engine.ConstraintUnique},
		{"SQLITE_CONSTRAINT", "SQLite error: UNIQUE constraint failed: index 'i'", engine.ConstraintUnique},
		{"SQLITE_CONSTRAINT", "SQLite error: NOT NULL constraint failed: t.x", engine.ConstraintNotNull},
		{"SQLITE_CONSTRAINT", "SQLite error: CHECK constraint failed: x > 0", engine.ConstraintCheck},
		{"SQLITE_CONSTRAINT", "SQLite error: FOREIGN KEY constraint failed", engine.ConstraintForeignKey},
		{"SQLITE_CONSTRAINT", "SQLite error: cannot store TEXT value in INT column t.x", engine.ConstraintDataType},
		{"SQLITE_CONSTRAINT", "SQLite error: what a trigger says", engine.ConstraintTrigger},
		{"SQLITE_CONSTRAINT", "SQLite error: rtree constraint failed: r.(a<=b)", engine.Constraint},
		{"SQLITE_CONSTRAINT", "SQLite error: constraint failed", engine.Constraint},
		{"ARGS_INVALID", "Arguments do not match SQL parameters: value for parameter 1 not found", engine.Range},
		{"ARGS_INVALID", "Arguments do not match SQL parameters: string or blob too big", engine.TooBig},
		{"ARGS_BOTH_POSITIONAL_AND_NAMED", "", engine.Range},
		{"TRANSACTION_TIMEOUT", "", engine.Busy},
		{"TRANSACTION_BUSY", "", engine.Busy},
		{"BLOCKED", "", engine.Auth},
		{"RESPONSE_TOO_LARGE", "", engine.TooBig},
		{"SQL_STORE_TOO_LARGE", "", engine.TooBig},
		{"SQL_STORE_TOO_MANY", "", engine.Full},
		{"PROXY_ERROR", "", engine.IOErr},
		{"SQL_PARSE_ERROR", "", engine.Generic},
		{"SQL_INPUT_ERROR", "", engine.Generic},
		{"SQL_NO_STATEMENT", "", engine.Generic},
		{"SQL_MANY_STATEMENTS", "", engine.Generic},
		{"NEW_ONE", "", engine.Generic},
		{"", "", engine.Generic},
	} {
		err := remoteError(&hrana.Error{Message: c.msg, Code: c.code})
		var e *engine.Error
		if !errors.As(err, &e) || e.Extended != c.want || e.Code != c.want.Primary() || !errors.Is(err, c.want) {
			t.Errorf("%s %q is %+v, want %v", c.code, c.msg, e, c.want)
		}
	}
}
