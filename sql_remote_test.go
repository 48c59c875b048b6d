package floe

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqldtest"
)

// remoteSchemes are the two variants of the protocol, and how a server is addressed by each.
var testSchemes = []string{"http", "ws"}

func eachScheme(t *testing.T, test func(t *testing.T, scheme string)) {
	for _, scheme := range testSchemes {
		t.Run(scheme, func(t *testing.T) { test(t, scheme) })
	}
}

// openRemote opens the database of a server, and checks at the end of the test that no connection was leaked.
func openRemote(t testing.TB, srv *sqldtest.Server, scheme string, opts ...Option) *sql.DB {
	t.Helper()
	c, err := NewConnector(scheme+"://"+srv.Addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use at the end, want 0", n)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func remoteContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustExecDB(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any) sql.Result {
	t.Helper()
	res, err := db.ExecContext(remoteContext(t), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

// readAll gives all rows of a query as values of any.
func readAll(t testing.TB, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) [][]any {
	t.Helper()
	rows, err := db.QueryContext(remoteContext(t), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	return scanRows(t, rows)
}

func scanRows(t testing.TB, rows *sql.Rows) (all [][]any) {
	t.Helper()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row := make([]any, len(cols))
		dest := make([]any, len(cols))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// setLarge has the results of a text be read by a cursor, or not.
func setLarge(db *sql.DB, query string, large bool) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_ = conn.Raw(func(dc any) error {
		dc.(*DriverConn).b.(*remoteConn).server.texts.get(query).large.Store(large)
		return nil
	})
}

func TestRemoteValuesGoBothWays(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		db := openRemote(t, srv, scheme)
		mustExecDB(t, db, "CREATE TABLE IF NOT EXISTS v(i INTEGER, f REAL, t TEXT, b BLOB, n, yes BOOLEAN, at DATETIME)")
		mustExecDB(t, db, "DELETE FROM v")
		at := time.Date(2026, 5, 4, 3, 2, 1, 123456789, time.UTC)
		args := []any{int64(9007199254740993), 0.1, "é\x00'\"", []byte{0, 255}, nil, true, at}
		res := mustExecDB(t, db, "INSERT INTO v VALUES(?, ?, ?, ?, ?, ?, ?)", args...)
		if n, _ := res.RowsAffected(); n != 1 {
			t.Errorf("RowsAffected %d, want 1", n)
		}
		if id, _ := res.LastInsertId(); id != 1 {
			t.Errorf("LastInsertId %d, want 1", id)
		}
		for _, large := range []bool{false, true} { // whole, and by a cursor
			setLarge(db, "SELECT * FROM v", large)
			got := readAll(t, db, "SELECT * FROM v")
			want := [][]any{{int64(9007199254740993), 0.1, "é\x00'\"", []byte{0, 255}, nil, true, at}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
	})
}

func TestRemoteStatementErrorsAreThoseOfALocalDatabase(t *testing.T) {
	srv := sqldtest.Start(t)
	eachScheme(t, func(t *testing.T, scheme string) {
		db := openRemote(t, srv, scheme)
		mustExecDB(t, db, "DROP TABLE IF EXISTS c; CREATE TABLE c(x UNIQUE, y NOT NULL DEFAULT 1 CHECK(y > 0), z REFERENCES c(x))")
		mustExecDB(t, db, "INSERT INTO c VALUES(1, 1, 1)")
		for query, want := range map[string]engine.ResultCode{
			"INSERT INTO c VALUES(1, 1, 1)":    engine.ConstraintUnique,
			"INSERT INTO c VALUES(2, NULL, 1)": engine.ConstraintNotNull,
			"INSERT INTO c VALUES(2, 0, 1)":    engine.ConstraintCheck,
			"INSERT INTO c VALUES(2, 1, 7)":    engine.ConstraintForeignKey,
			"SELECT * FROM missing":            engine.Generic,
			"SELEC 1":                          engine.Generic,
		} {
			_, err := db.Exec(query)
			_, queryErr := db.Query(query)
			for _, err := range []error{err, queryErr} {
				var e *engine.Error
				if !errors.As(err, &e) || !errors.Is(err, want) || !errors.Is(err, want.Primary()) {
					t.Errorf("%s: %v, want an error that is %v", query, err, want)
				}
			}
		}
	})
}

func TestTokensComeFromASource(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT())
	srv.Exec(t, "CREATE TABLE t(x)", "INSERT INTO t VALUES(1)")
	// The first token that the source gives is refused, so it is asked again.
	source := func(calls *int) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			*calls++
			if *calls == 1 {
				return "stale", nil
			}
			return srv.Token(), nil
		}
	}
	eachScheme(t, func(t *testing.T, scheme string) {
		calls := 0
		db := openRemote(t, srv, scheme, WithTokenSource(source(&calls)))
		if got := readAll(t, db, "SELECT x FROM t"); len(got) != 1 {
			t.Errorf("%d rows, want 1", len(got))
		}
		if calls != 2 {
			t.Errorf("the source was called %d times, want 2", calls)
		}
	})
	calls := 0
	r, err := OpenReplica(remoteContext(t), t.TempDir()+"/r.db", srv.URL, WithTokenSource(source(&calls)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Sync(remoteContext(t)); err != nil || calls != 2 {
		t.Errorf("Sync: %v with %d calls of the source, want none and 2", err, calls)
	}
}

func TestRemoteErrorsAreThoseOfThisPackage(t *testing.T) {
	locked := sqldtest.Start(t, sqldtest.WithJWT())
	named := sqldtest.Start(t, sqldtest.WithNamespaces())
	gone := sqldtest.Start(t)
	gone.Stop()
	eachScheme(t, func(t *testing.T, scheme string) {
		for name, c := range map[string]struct {
			addr string
			opts []Option
			want []error
		}{
			"unreachable":  {gone.Addr, nil, []error{ErrUnreachable, hrana.ErrUnreachable, hrana.ErrNotExecuted}},
			"no token":     {locked.Addr, nil, []error{ErrAuth, hrana.ErrUnauthorized}},
			"bad token":    {locked.Addr, []Option{WithAuthToken("stale")}, []error{ErrAuth, hrana.ErrUnauthorized}},
			"no namespace": {named.Addr, []Option{WithNamespace("missing")}, []error{ErrNamespaceNotFound}},
		} {
			t.Run(name, func(t *testing.T) {
				if name == "no namespace" && scheme == "ws" {
					t.Skip("over WebSocket the server does not say why it closes the connection")
				}
				db := openRemote(t, &sqldtest.Server{Addr: c.addr}, scheme, c.opts...)
				_, execErr := db.Exec("CREATE TABLE t(x)")
				_, queryErr := db.Query("SELECT 1")
				_, beginErr := db.Begin()
				for what, err := range map[string]error{"exec": execErr, "query": queryErr, "begin": beginErr, "ping": db.Ping()} {
					for _, want := range c.want {
						if !errors.Is(err, want) {
							t.Errorf("%s: %v, want %v", what, err, want)
						}
					}
				}
			})
		}
	})
}

func TestRemoteDataSourceNamesCarryTokenAndNamespace(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT(), sqldtest.WithNamespaces())
	srv.CreateNamespace(t, "other")
	srv.In("other").Exec(t, "CREATE TABLE here(x)")
	for _, scheme := range []string{"http", "ws", "libsql"} {
		dsn := scheme + "://" + srv.Addr + "?namespace=other&authToken=" + srv.In("other").Token()
		if scheme == "libsql" {
			dsn += "&tls=0"
		}
		db, err := sql.Open(DriverName, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if got := readAll(t, db, "SELECT * FROM here"); got != nil {
			t.Errorf("%s: the table holds %v, want nothing", scheme, got)
		}
	}
}
