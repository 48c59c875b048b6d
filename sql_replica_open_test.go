package floe_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
	"github.com/floedb/floe/replicator"
)

func TestOpenFrozenGoesOnWithTheLocalDatabase(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	srv.Exec(t, "CREATE TABLE child(p REFERENCES t)")
	path := newPath(t)
	dsn := "file:" + path + "?primary=" + url.QueryEscape(srv.URL)
	running := openByName(t, dsn+"&openFrozen=true")
	defer running.Close()
	conn := mustConn(t, running)
	defer conn.Close()
	wantExec(t, conn, "INSERT INTO t(a) VALUES ('there')")
	wantRow(t, conn, int64(3), "SELECT count(*) FROM t")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}

	mustFreeze(t, openAt(t, path, srv))
	wantExec(t, running, "INSERT INTO t(a) VALUES ('here')") // the pool was open all along
	wantRow(t, running, int64(4), "SELECT count(*) FROM t")
	if n := srv.Query(t, "SELECT count(*) FROM t")[0][0]; n != int64(3) {
		t.Errorf("the primary has %v rows, want 3", n)
	}

	_, err := floe.NewConnector(dsn)
	wantErrorIs(t, err, floe.ErrFrozen)
	if err == nil || !strings.Contains(err.Error(), "openFrozen=true") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	srv.Kill()
	for name, open := range map[string]func() *sql.DB{
		"parameter": func() *sql.DB { return openByName(t, dsn+"&openFrozen=true") },
		"option":    func() *sql.DB { return openByName(t, dsn, floe.WithOpenFrozen(true)) },
	} {
		db := open()
		defer db.Close()
		wantRow(t, db, int64(1), "PRAGMA foreign_keys")
		wantRow(t, db, int64(0), "PRAGMA trusted_schema")
		if err := execOn(limit(t), db, "INSERT INTO child VALUES (-1)"); err == nil {
			t.Errorf("%s: an orphan went in", name)
		}
		wantExec(t, db, "INSERT INTO t(a) VALUES (?)", name)
		wantRow(t, db, int64(1), "SELECT count(*) FROM t WHERE a = ?", name)
	}
	set := openByName(t, dsn+"&openFrozen=true&_foreign_keys=off&_trusted_schema=on")
	defer set.Close()
	wantRow(t, set, int64(0), "PRAGMA foreign_keys")
	wantRow(t, set, int64(1), "PRAGMA trusted_schema")

	_, err = floe.NewConnector(dsn + "&openFrozen=perhaps")
	if err == nil {
		t.Error("openFrozen=perhaps was taken")
	}
}

func TestOpenFrozenGoesOnBehindTheFreezeOfItsOwnReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2)
	r := openNew(t, srv)
	db := sql.OpenDB(r.Connector(floe.WithOpenFrozen(true)))
	defer db.Close()
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
	mustFreeze(t, r)
	wantExec(t, db, "INSERT INTO t(a) VALUES ('here')")
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
}

// TestOpenFrozenLeavesOtherFilesRefused: a database that never was a replica is
// somebody's own.
func TestOpenFrozenLeavesOtherFilesRefused(t *testing.T) {
	path := newPath(t)
	local := openByName(t, path)
	defer local.Close()
	wantExec(t, local, "CREATE TABLE t(a)")
	_, err := floe.NewConnector("file:" + path + "?openFrozen=true&primary=http://127.0.0.1:1")
	wantErrorIs(t, err, floe.ErrNotReplica)
}

// TestQueriesOfANeverSyncedReplicaFailFast: the first one tries as often as a sync
// does, those behind it do not.
func TestQueriesOfANeverSyncedReplicaFailFast(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	g := newGate(t, srv)
	g.closed.Store(true)
	db, _ := openReplicaDB(t, g.URL)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := db.PingContext(limit(t))
			wantErrorIs(t, err, floe.ErrNoData, floe.ErrUnreachable)
		})
	}
	all.Wait()
	// Those that came while the first one tried take its failure; a straggler tries twice.
	if n := g.attempts.Load(); n > replicator.DefaultRetries+1+2*19 {
		t.Errorf("20 queries at once asked the primary %d times", n)
	}
	before := g.attempts.Load()
	for range 10 {
		wantErrorIs(t, db.PingContext(limit(t)), floe.ErrNoData, floe.ErrUnreachable)
	}
	if n := g.attempts.Load() - before; n > 2*10 {
		t.Errorf("10 further queries asked the primary %d times, want at most twice each", n)
	}
	g.closed.Store(false)
	eventually(t, "a query once the primary is there", func() bool { return db.PingContext(limit(t)) == nil })
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
}

// TestContextThatEndsDuringTheFirstSyncIsNotRemembered: the next caller may have
// more time.
func TestContextThatEndsDuringTheFirstSyncIsNotRemembered(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	g := newGate(t, srv)
	g.stop()
	db, _ := openReplicaDB(t, g.URL)
	ctx, cancel := context.WithTimeout(limit(t), 20*time.Millisecond)
	defer cancel()
	wantErrorIs(t, db.PingContext(ctx), context.DeadlineExceeded)
	g.release()
	wantRow(t, db, int64(1), "SELECT count(*) FROM t")
}
