package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

func open(t *testing.T, target Target) Session {
	t.Helper()
	s, err := target.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// mode is a way to reach a new database.
type mode struct {
	name string
	open func(t *testing.T) Session
}

var modes = []mode{
	{"local", func(t *testing.T) Session { return open(t, Target{Name: filepath.Join(t.TempDir(), "app.db")}) }},
	{"memory", func(t *testing.T) Session { return open(t, Target{Name: ":memory:"}) }},
	{"uri", func(t *testing.T) Session {
		return open(t, Target{Name: "file:" + filepath.Join(t.TempDir(), "app.db") + "?_pragma=cache_size(100)"})
	}},
	{"http", func(t *testing.T) Session { return open(t, Target{Name: sqldtest.Start(t).URL}) }},
	{"websocket", func(t *testing.T) Session {
		return open(t, Target{Name: strings.Replace(sqldtest.Start(t).URL, "http:", "ws:", 1)})
	}},
	{"replica", func(t *testing.T) Session {
		srv := sqldtest.Start(t)
		srv.Exec(t, "CREATE TABLE made_there(a)")
		return open(t, Target{Name: filepath.Join(t.TempDir(), "app.db"), Primary: srv.URL})
	}},
	{"replica by name", func(t *testing.T) Session {
		srv := sqldtest.Start(t)
		srv.Exec(t, "CREATE TABLE made_there(a)")
		return open(t, Target{Name: "file:" + filepath.Join(t.TempDir(), "app.db") + "?primary=" + srv.URL})
	}},
}

func inEachMode(t *testing.T, test func(t *testing.T, s Session)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { test(t, m.open(t)) })
	}
}

// collect keeps the rows of a result.
type collect struct {
	columns []string
	rows    [][]any
}

func (c *collect) Begin(columns []string) error { c.columns = columns; return nil }
func (c *collect) Row(values []any) error {
	c.rows = append(c.rows, append([]any(nil), values...))
	return nil
}

func do(t *testing.T, s Session, sql string, args ...any) (Result, *collect) {
	t.Helper()
	var c collect
	res, err := s.Run(t.Context(), sql, args, &c)
	if err != nil || res.Warning != nil {
		t.Fatalf("%s: %v, warning %v", sql, err, res.Warning)
	}
	return res, &c
}

func TestValuesComeAsTheyAreStored(t *testing.T) {
	inEachMode(t, func(t *testing.T, s Session) {
		do(t, s, "CREATE TABLE v(a DATETIME, b BOOLEAN, c, d BLOB, e)")
		args := []any{"2024-01-02 03:04:05", int64(1), 9007199254740993.5, []byte{}, nil}
		res, got := do(t, s, "INSERT INTO v VALUES (?, ?, ?, ?, ?) RETURNING *", args...)
		want := &collect{columns: []string{"a", "b", "c", "d", "e"}, rows: [][]any{args}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(collect{})); diff != "" {
			t.Errorf("RETURNING (-want +got):\n%s", diff)
		}
		if !res.Writes || res.Changes != 1 {
			t.Errorf("the insert gave %+v, want a write of 1 row", res)
		}
		res, got = do(t, s, "SELECT * FROM v")
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(collect{})); diff != "" {
			t.Errorf("SELECT (-want +got):\n%s", diff)
		}
		if res.Writes || res.Changes != 0 || res.Columns != 5 {
			t.Errorf("the query gave %+v, want 5 columns and no write", res)
		}
	})
}

func TestTransactionsAreFollowed(t *testing.T) {
	inEachMode(t, func(t *testing.T, s Session) {
		do(t, s, "CREATE TABLE t(a UNIQUE)")
		for _, step := range []struct {
			sql  string
			inTx bool
			rows int64
		}{
			{"BEGIN", true, 0}, {"INSERT INTO t VALUES (1)", true, 1}, {"ROLLBACK", false, 0},
			{"SAVEPOINT a", true, 0}, {"INSERT INTO t VALUES (1)", true, 1}, {"RELEASE a", false, 1},
			{"BEGIN IMMEDIATE", true, 1}, {"INSERT INTO t VALUES (2)", true, 2}, {"COMMIT", false, 2},
		} {
			do(t, s, step.sql)
			if s.InTx() != step.inTx {
				t.Errorf("after %s: in a transaction: %v, want %v", step.sql, s.InTx(), step.inTx)
			}
			if _, got := do(t, s, "SELECT count(*) FROM t"); got.rows[0][0] != step.rows {
				t.Errorf("after %s: %v rows, want %d", step.sql, got.rows[0][0], step.rows)
			}
		}
		do(t, s, "BEGIN")
		for _, wrong := range []string{"SELEKT 1", "SELECT nope", "INSERT INTO t VALUES (1)"} {
			if _, err := s.Run(t.Context(), wrong, nil, Discard); err == nil || !s.InTx() {
				t.Errorf("%s: error %v, in a transaction: %v; want an error that leaves it open", wrong, err, s.InTx())
			}
		}
		do(t, s, "INSERT OR ROLLBACK INTO t VALUES (9)")
		if _, err := s.Run(t.Context(), "INSERT OR ROLLBACK INTO t VALUES (9)", nil, Discard); err == nil || s.InTx() {
			t.Errorf("a conflict that rolls back: error %v, in a transaction: %v", err, s.InTx())
		}
	})
}

func TestBatchesStopAtTheFirstError(t *testing.T) {
	inEachMode(t, func(t *testing.T, s Session) {
		do(t, s, "CREATE TABLE t(a UNIQUE)")
		done, err := s.RunBatch(t.Context(), []string{
			"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (3)",
		})
		if done != 2 || err == nil || !strings.Contains(err.Error(), "UNIQUE") {
			t.Errorf("%d done with error %v, want 2 and that a value is not unique", done, err)
		}
		if _, got := do(t, s, "SELECT count(*) FROM t"); got.rows[0][0] != int64(2) {
			t.Errorf("%v rows, want 2", got.rows[0][0])
		}
		if done, err := s.RunBatch(t.Context(), []string{"INSERT INTO t VALUES (3)"}); done != 1 || err != nil {
			t.Errorf("%d done, error %v, want 1", done, err)
		}
	})
}

func TestAnErrorOfTheReaderEndsTheStatement(t *testing.T) {
	enough := errors.New("enough")
	inEachMode(t, func(t *testing.T, s Session) {
		n := 0
		_, err := s.Run(t.Context(), "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 100000) SELECT i FROM c", nil,
			RowFunc(func([]any) error {
				if n++; n == 3 {
					return enough
				}
				return nil
			}))
		if !errors.Is(err, enough) || n != 3 {
			t.Errorf("%d rows, error %v; want 3 and the reader's", n, err)
		}
		if _, got := do(t, s, "SELECT 1"); got.rows[0][0] != int64(1) {
			t.Errorf("the next statement gave %v", got.rows)
		}
	})
}

func TestAReplicaReadsWhatItWrote(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(a)")
	path := filepath.Join(t.TempDir(), "app.db")
	s := open(t, Target{Name: path, Primary: srv.URL})
	for range 5 {
		do(t, s, "INSERT INTO t VALUES (1)")
	}
	if n, ok := s.Replica().FrameNo(); !ok || n != srv.FrameNo(t) {
		t.Errorf("the replica is at frame %d, its primary at %d", n, srv.FrameNo(t))
	}
	if _, got := do(t, s, "SELECT last_insert_rowid(), changes()"); !cmp.Equal(got.rows, [][]any{{int64(5), int64(1)}}) {
		t.Errorf("last rowid and changes are %v, want 5 and 1", got.rows)
	}
	plain := open(t, Target{Name: path})
	if _, err := plain.Run(t.Context(), "DELETE FROM t", nil, Discard); !errors.Is(err, floe.ErrIsReplica) {
		t.Errorf("a write without a primary: %v, want %v", err, floe.ErrIsReplica)
	}
	other := open(t, Target{Name: filepath.Join(t.TempDir(), "other.db")})
	do(t, other, "ATTACH "+engine.QuoteText(path)+" AS r")
	_, err := other.Run(t.Context(), "DELETE FROM r.t", nil, Discard)
	if !errors.Is(err, floe.ErrIsReplica) || !errors.Is(err, engine.ReadOnly) || !strings.Contains(err.Error(), floe.ErrIsReplica.Error()) {
		t.Errorf("a write to a replica that is attached: %v, want %v", err, floe.ErrIsReplica)
	}
	srv.Stop()
	err = s.ReadTx(t.Context(), func() error {
		_, err := s.Run(t.Context(), "SELECT * FROM t", nil, Discard)
		return err
	})
	if err != nil || s.InTx() {
		t.Errorf("a transaction that reads, without the primary: error %v, open behind it: %v", err, s.InTx())
	}
	if _, err := s.Run(t.Context(), "DELETE FROM t", nil, Discard); err == nil {
		t.Error("a write was taken though the primary is gone")
	}
	if _, got := do(t, s, "SELECT count(*) FROM t"); got.rows[0][0] != int64(5) {
		t.Errorf("%v rows without the primary, want 5", got.rows[0][0])
	}
}

func TestNamesResolve(t *testing.T) {
	for _, c := range []struct {
		name string
		want Target
		file string
	}{
		{"app.db", Target{Name: "app.db"}, "app.db"},
		{":memory:", Target{Name: ":memory:"}, ""},
		{"file:/a%20b.db?mode=ro", Target{Name: "file:/a%20b.db?mode=ro"}, "/a b.db"},
		{"libsql://h?authToken=tok&tls=0&namespace=n", Target{Name: "libsql://h?tls=0", Token: "tok", Namespace: "n"}, ""},
		{"file:r.db?primary=libsql://h&authToken=tok", Target{Name: "r.db", Primary: "libsql://h", Token: "tok"}, "r.db"},
	} {
		got, err := Target{Name: c.name}.Resolve()
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", c.name, err, diff)
		}
		if got.File() != c.file {
			t.Errorf("%s: file %q, want %q", c.name, got.File(), c.file)
		}
	}
	if _, err := (Target{Name: "file:r.db?primray=libsql://h"}).Resolve(); err == nil || !strings.Contains(err.Error(), "primary") {
		t.Errorf("an unknown parameter: %v, want the name that it may be", err)
	}
}

func TestASessionOutlivesItsStream(t *testing.T) {
	for _, scheme := range []string{"http:", "ws:"} {
		t.Run(scheme, func(t *testing.T) {
			srv := sqldtest.Start(t)
			s := open(t, Target{Name: strings.Replace(srv.URL, "http:", scheme, 1), Lasting: true})
			do(t, s, "CREATE TABLE t(a)")
			srv.Restart(t)
			// The connection that is gone may be found out by the statement itself.
			if _, err := s.Run(t.Context(), "SELECT count(*) FROM t", nil, Discard); err != nil {
				do(t, s, "SELECT count(*) FROM t")
			}
			do(t, s, "BEGIN")
			do(t, s, "INSERT INTO t VALUES (1)")
			srv.Restart(t)
			if _, err := s.Run(t.Context(), "INSERT INTO t VALUES (2)", nil, Discard); !errors.Is(err, floe.ErrTransactionLost) || s.InTx() {
				t.Errorf("error %v, in a transaction: %v; want that it is lost", err, s.InTx())
			}
			if _, got := do(t, s, "SELECT count(*) FROM t"); got.rows[0][0] != int64(0) {
				t.Errorf("%v rows, want none", got.rows[0][0])
			}
		})
	}
}

const endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT max(i) FROM c"

func TestAnInterruptedSessionGoesOn(t *testing.T) {
	inEachMode(t, func(t *testing.T, s Session) {
		do(t, s, "CREATE TABLE t(a)")
		for _, begin := range []string{"SELECT 1", "BEGIN"} {
			do(t, s, begin)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err := s.Run(ctx, endless, nil, Discard)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %s: error %v, want %v", begin, err, context.DeadlineExceeded)
			}
			if _, got := do(t, s, "SELECT count(*) FROM t"); got.rows[0][0] != int64(0) {
				t.Errorf("the next statement gave %v", got.rows)
			}
		}
	})
}

func TestALastingSessionDoesWithoutWebSocket(t *testing.T) {
	srv := sqldtest.Start(t)
	backend, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(backend)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no upgrades here", http.StatusNotFound)
			return
		}
		// The server may answer before it has read all, which a proxy must not take for the end.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	s := open(t, Target{Name: proxy.URL, Lasting: true})
	if _, got := do(t, s, "SELECT 7"); got.rows[0][0] != int64(7) {
		t.Errorf("the server answers %v, want 7", got.rows)
	}
}
