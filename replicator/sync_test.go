package replicator

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// openTest opens a replica of srv in a new directory.
func openTest(t *testing.T, srv *sqldtest.Server, change ...func(*Config)) *Replicator {
	t.Helper()
	cfg := Config{Path: filepath.Join(t.TempDir(), "replica.db")}
	if srv != nil {
		cfg.Remote = Remote{URL: srv.URL, Namespace: srv.Namespace}
	}
	for _, f := range change {
		f(&cfg)
	}
	return open(t, cfg)
}

func open(t *testing.T, cfg Config) *Replicator {
	t.Helper()
	r, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return r
}

func mustSync(t *testing.T, r *Replicator) Result {
	t.Helper()
	res, err := r.Sync(t.Context())
	if err != nil {
		t.Fatal("sync:", err)
	}
	return res
}

// image reads the whole database as one reader sees it.
func image(t testing.TB, path string) []byte {
	t.Helper()
	conn, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var img []byte
	err = conn.Exec(context.Background(), "PRAGMA writable_schema = ON")
	if err == nil {
		err = conn.Query(context.Background(), "SELECT data FROM sqlite_dbpage ORDER BY pgno", nil, func(s *engine.Stmt) error {
			img = s.ColumnBytes(0, img)
			return nil
		})
	}
	if err != nil {
		t.Fatal("read the replica's pages:", err)
	}
	return img
}

// checkEqual fails unless the replica is page-equal with the primary and whole.
func checkEqual(t testing.TB, path string, srv *sqldtest.Server) {
	t.Helper()
	if diff := sqldtest.DiffPages(image(t, path), srv.PrimaryImage(t)); diff != "" {
		t.Fatal("replica and primary differ:", diff)
	}
	if got := queryText(t, path, "PRAGMA integrity_check"); got != "ok" {
		t.Fatal("integrity_check:", got)
	}
}

func queryText(t testing.TB, path, sql string) string {
	t.Helper()
	conn, err := engine.Open(path, engine.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var out string
	err = conn.Query(context.Background(), sql, nil, func(s *engine.Stmt) error {
		out += s.ColumnText(0)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// fill makes n small transactions and one of bulk bytes.
func fill(t *testing.T, srv *sqldtest.Server, n, bulk int) {
	t.Helper()
	srv.Exec(t, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a TEXT, b BLOB)", "CREATE INDEX IF NOT EXISTS ta ON t(a)")
	for i := range n {
		srv.Exec(t, fmt.Sprintf("INSERT INTO t(a, b) VALUES ('k%d', randomblob(%d))", i*7919%1000, i%500))
	}
	if bulk > 0 {
		srv.Exec(t, bulkInsert(bulk))
	}
}

// bulkInsert makes one transaction of about n bytes.
func bulkInsert(n int) string {
	return fmt.Sprintf("INSERT INTO t(a, b) SELECT 'bulk' || value, randomblob(1000) FROM (WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c WHERE value < %d) SELECT value FROM c)", n/1000)
}

func TestFirstSyncIsPageEqual(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 50, 3<<20)
	r := openTest(t, srv)
	res := mustSync(t, r)
	if want := srv.FrameNo(t); res.Position.FrameNo != want || res.Frames != want+1 {
		t.Errorf("result %+v, want frame %d and %d frames", res, want, want+1)
	}
	checkEqual(t, r.cfg.Path, srv)
}

func TestLaterSyncsArePageEqual(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	for round := range 4 {
		fill(t, srv, 20, round*1<<20)
		srv.Exec(t, "CREATE TABLE IF NOT EXISTS extra"+fmt.Sprint(round)+"(x)", "DELETE FROM t WHERE id % 3 = 0")
		mustSync(t, r)
		checkEqual(t, r.cfg.Path, srv)
	}
	if res := mustSync(t, r); res.Frames != 0 {
		t.Errorf("a sync without news applied %d frames", res.Frames)
	}
}

func TestTransactionLargerThanMemoryIsApplied(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	fill(t, srv, 3, 30<<20)
	fill(t, srv, 3, 0)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestShrinkingDatabaseIsFollowed(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10, 4<<20)
	r := openTest(t, srv)
	mustSync(t, r)
	srv.Exec(t, "DELETE FROM t WHERE a LIKE 'bulk%'")
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
	fill(t, srv, 10, 1<<20)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestSnapshotsAreFollowed(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	fill(t, srv, 30, 1<<20)
	fill(t, srv, 100, 1<<20)
	r := openTest(t, srv)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
	for range 3 {
		fill(t, srv, 100, 2<<20)
		mustSync(t, r)
		checkEqual(t, r.cfg.Path, srv)
	}
}

func TestEmptyPrimaryGivesAnEmptyDatabase(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithNamespaces())
	srv.CreateNamespace(t, "empty")
	ns := srv.In("empty")
	r := openTest(t, ns)
	mustSync(t, r)
	fill(t, ns, 3, 0)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, ns)
}

func TestRestartedServerIsGreetedAgain(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	srv.Restart(t)
	fill(t, srv, 3, 0)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestReplacedPrimaryIsFollowedFromTheStart(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 2<<20)
	r := openTest(t, srv)
	mustSync(t, r)
	srv.Wipe(t)
	fill(t, srv, 20, 0)
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestReopenedReplicaGoesOn(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5, 0)
	path := filepath.Join(t.TempDir(), "replica.db")
	for range 3 {
		r, err := Open(Config{Path: path, Remote: Remote{URL: srv.URL}})
		if err != nil {
			t.Fatal(err)
		}
		mustSync(t, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		checkEqual(t, path, srv)
		fill(t, srv, 5, 0)
	}
}

func TestReplacedPrimaryIsFollowedThroughSnapshots(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	fill(t, srv, 3, 12<<20)
	r := openTest(t, srv)
	mustSync(t, r)
	srv.Wipe(t)
	for range 3 {
		fill(t, srv, 50, 3<<20)
	}
	mustSync(t, r)
	checkEqual(t, r.cfg.Path, srv)
}

func TestSchemaCookieIsThePrimarysWhileItIsTheSameOne(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 2, 0)
	r := openTest(t, srv)
	for round := range 3 {
		mustSync(t, r)
		ours, theirs := schemaCookie(image(t, r.cfg.Path)), schemaCookie(srv.PrimaryImage(t))
		if ours != theirs {
			t.Errorf("round %d: cookie %d, the primary's is %d", round, ours, theirs)
		}
		srv.Exec(t, fmt.Sprintf("CREATE TABLE round%d(x)", round))
	}
}

func TestSyncOfAReopenedReplicaWithoutNewsIsNotTriedTwice(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, Config{Path: r.cfg.Path, Remote: r.cfg.Remote, Retries: NoRetries})
	if res := mustSync(t, again); res.Frames != 0 {
		t.Errorf("%d frames were applied, want none", res.Frames)
	}
}
