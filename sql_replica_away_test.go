package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// gate stands before a server and decides what becomes of replication; SQL goes
// through.
type gate struct {
	*httptest.Server
	closed   atomic.Bool                   // connections of replication are broken off
	hold     atomic.Pointer[chan struct{}] // they get no answer until it is closed
	greets   atomic.Bool                   // but for Hello, which does
	attempts atomic.Int64                  // requests of replication
}

func newGate(t *testing.T, srv *sqldtest.Server) *gate {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/wal_log.") && !g.pass(r) {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		g.release()
		g.Close()
	})
	return g
}

func (g *gate) pass(r *http.Request) bool {
	g.attempts.Add(1)
	held := g.hold.Load()
	if held != nil && !(g.greets.Load() && strings.HasSuffix(r.URL.Path, "/Hello")) {
		select {
		case <-*held:
		case <-r.Context().Done():
			return false
		}
	}
	return !g.closed.Load()
}

func (g *gate) stop() {
	held := make(chan struct{})
	g.hold.Store(&held)
}

func (g *gate) release() {
	if held := g.hold.Swap(nil); held != nil {
		close(*held)
	}
}

// eventuallyRow reads until the row is there.
func eventuallyRow[T comparable](t *testing.T, r runner, want T, query string) {
	t.Helper()
	eventually(t, query, func() bool {
		var got T
		if err := r.QueryRowContext(limit(t), query).Scan(&got); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return got == want
	})
}

func TestReplicaReadsWithoutItsPrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	db, _ := openReplicaDB(t, srv.URL)
	wantExec(t, db, "CREATE TABLE t(a)")
	wantExec(t, db, "INSERT INTO t VALUES (1)")
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	srv.Kill()
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	for _, query := range []string{"INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (2) RETURNING a", "BEGIN", "SELECT * FROM later"} {
		_, err := db.ExecContext(limit(t), query)
		wantErrorIs(t, err, floe.ErrUnreachable)
		rows, err := db.QueryContext(limit(t), query)
		if err == nil {
			rows.Close()
		}
		wantErrorIs(t, err, floe.ErrUnreachable)
	}
	_, err := db.BeginTx(limit(t), nil)
	wantErrorIs(t, err, floe.ErrUnreachable)
	tx, err := db.BeginTx(limit(t), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal("begin read-only:", err)
	}
	wantRow(t, tx, int64(1), "SELECT count(*) FROM t")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}

	srv.Restart(t)
	wantExec(t, db, "INSERT INTO t VALUES (2)")
	eventuallyRow(t, db, int64(2), "SELECT count(*) FROM t")
	wantExec(t, db, "INSERT INTO t VALUES (3)")
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
}

func TestReadsTakeTheLastStateWhileFramesDoNotCome(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	g := newGate(t, srv)
	db, r := openReplicaDB(t, g.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	g.closed.Store(true)
	began, before := time.Now(), g.attempts.Load()
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	reads := 0
	for time.Since(began) < 500*time.Millisecond {
		wantRow(t, db, int64(1), "SELECT count(*) FROM t")
		reads++
	}
	// Each try to catch up is two requests, and one follows another by a second.
	most := 2 * (int64(time.Since(began)/time.Second) + 2)
	if n := g.attempts.Load() - before; n > most {
		t.Errorf("%d reads asked the primary %d times, want at most %d", reads, n, most)
	}
	at, _ := r.FrameNo()
	if wrote, ok := r.MaxWriteFrameNo(); !ok || wrote != at+1 {
		t.Errorf("wrote frame %d (%v), the replica is at %d: want the one before", wrote, ok, at)
	}
	g.closed.Store(false)
	eventuallyRow(t, db, int64(2), "SELECT count(*) FROM t")
}

// TestWriteDuringACatchUpIsReadBack: the one under way knows nothing of it.
func TestWriteDuringACatchUpIsReadBack(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	g := newGate(t, srv)
	db, r := openReplicaDB(t, g.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	g.greets.Store(true)
	g.stop()
	before, attempts := mustFrameNo(t, r), g.attempts.Load()
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	eventually(t, "a catch-up under way", func() bool { return g.attempts.Load() >= attempts+2 })
	wantExec(t, db, "INSERT INTO t(a) VALUES ('y')")
	g.release()
	eventually(t, "the first catch-up", func() bool { return mustFrameNo(t, r) > before })
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
}

func mustFrameNo(t *testing.T, r *floe.Replica) uint64 {
	t.Helper()
	n, ok := r.FrameNo()
	if !ok {
		t.Fatal("the replica has no frame")
	}
	return n
}

func TestReadsDoNotWaitForASilentPrimary(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	g := newGate(t, srv)
	db, _ := openReplicaDB(t, g.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	g.stop()
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	for range 10 {
		wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	}
	g.release()
	eventuallyRow(t, db, int64(2), "SELECT count(*) FROM t")
}

func TestContextEndsTheWaitForOnesOwnWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	g := newGate(t, srv)
	db, _ := openReplicaDB(t, g.URL)
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
	g.stop()
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')")
	ctx, cancel := context.WithTimeout(limit(t), 10*time.Millisecond)
	defer cancel()
	var n int64
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n)
	wantErrorIs(t, err, context.DeadlineExceeded)
	_, err = db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	wantErrorIs(t, err, context.DeadlineExceeded)
	g.release()
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
}

func TestRestartOfThePrimaryInTheMiddle(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	db, _ := openReplicaDB(t, srv.URL)
	conn := oneConn(t, db)
	wantRow(t, conn, int64(1), "SELECT count(*) FROM t")
	tx, err := conn.BeginTx(limit(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantExec(t, tx, "INSERT INTO t(a) VALUES ('lost')")
	srv.Kill()
	srv.Restart(t)
	_, err = tx.ExecContext(limit(t), "INSERT INTO t(a) VALUES ('lost')")
	wantErrorIs(t, err, floe.ErrTransactionLost)
	if err := tx.Rollback(); err != nil {
		t.Error("rollback:", err)
	}
	wantRow(t, conn, int64(1), "SELECT count(*) FROM t")
	wantExec(t, conn, "INSERT INTO t(a) VALUES ('kept')")
	wantRow(t, conn, int64(2), "SELECT count(*) FROM t")

	wantExec(t, conn, "BEGIN")
	srv.Kill()
	srv.Restart(t)
	var n int64
	err = conn.QueryRowContext(limit(t), "SELECT count(*) FROM t").Scan(&n)
	wantErrorIs(t, err, floe.ErrTransactionLost)
	_, err = conn.ExecContext(limit(t), "ROLLBACK")
	wantErrorIs(t, err, floe.ErrTransactionLost)
	wantRow(t, conn, int64(2), "SELECT count(*) FROM t")
}

func TestPrimaryThatWasReplaced(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	db, r := openReplicaDB(t, srv.URL)
	count, err := db.PrepareContext(limit(t), "SELECT count(*) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer count.Close()
	conn := oneConn(t, db)
	wantExec(t, db, "INSERT INTO t(a) VALUES ('old')")
	wantRow(t, conn, int64(6), "SELECT count(*) FROM t")

	srv.Wipe(t)
	wantExec(t, db, "CREATE TABLE t(id INTEGER PRIMARY KEY, other)")
	wantRow(t, db, int64(0), "SELECT count(*) FROM t")
	if wrote, ok := r.MaxWriteFrameNo(); !ok || wrote != mustFrameNo(t, r) {
		t.Errorf("wrote frame %d (%v) of the new log, the replica is at %d: want one number", wrote, ok, mustFrameNo(t, r))
	}
	wantExec(t, db, "INSERT INTO t(other) VALUES (1)")
	wantRow(t, conn, int64(1), "SELECT sum(other) FROM t")
	var n int
	if err := count.QueryRowContext(limit(t)).Scan(&n); err != nil || n != 1 {
		t.Errorf("prepared before: got %d, %v, want 1", n, err)
	}
	wantEqual(t, r.Path(), srv)
}

func TestFreezeUnderAPool(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	db, r := openReplicaDB(t, srv.URL)
	count, err := db.PrepareContext(limit(t), "SELECT count(*) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer count.Close()
	rows, err := db.QueryContext(limit(t), "SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	short, cancel := context.WithTimeout(limit(t), 20*time.Millisecond)
	defer cancel()
	_, err = r.Freeze(short)
	wantErrorIs(t, err, floe.ErrReadersOpen)
	wantExec(t, db, "INSERT INTO t(a) VALUES ('x')") // it goes on as it was
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")

	frozen := begin(func() error {
		own, err := r.Freeze(limit(t))
		if err == nil {
			err = own.Close()
		}
		return err
	})
	eventually(t, "a freeze under way", func() bool {
		c, err := r.Conn(limit(t))
		if err == nil {
			c.Close()
		}
		return errors.Is(err, floe.ErrFrozen)
	})
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "freeze", frozen); err != nil {
		t.Fatal("freeze:", err)
	}
	for _, query := range []string{"SELECT count(*) FROM t", "INSERT INTO t(a) VALUES ('y')"} {
		_, err = db.ExecContext(limit(t), query)
		wantErrorIs(t, err, floe.ErrFrozen)
	}
	var n int
	wantErrorIs(t, count.QueryRowContext(limit(t)).Scan(&n), floe.ErrFrozen)
	if got := queryFile(t, r.Path(), "SELECT count(*) FROM t"); got != "3" {
		t.Errorf("the frozen database has %s rows, want 3", got)
	}
}
