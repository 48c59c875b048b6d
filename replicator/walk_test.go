package replicator

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/sqldtest"
)

// pullFile pulls into a new file and returns its name.
func pullFile(t *testing.T, srv *sqldtest.Server, since uint64) (string, PullInfo) {
	t.Helper()
	var buf bytes.Buffer
	info, err := Pull(t.Context(), Config{Remote: Remote{URL: srv.URL}}, since, &buf)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "pulled")
	if err := os.WriteFile(name, buf.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return name, info
}

// checkArchive fails unless the archive at name is whole and is what info says.
func checkArchive(t *testing.T, name string, info PullInfo) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := frames.VerifyArchive(f)
	if err != nil {
		t.Fatal(err)
	}
	want := frames.ArchiveInfo{
		LogID: info.LogID, Segments: info.Segments, Snapshots: info.Snapshots, Frames: info.Frames,
		First: info.First, Last: info.Last, SizeAfter: info.SizeAfter, Digest: got.Digest,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the archive is not what Pull told of it (-told +is):\n%s", diff)
	}
}

func TestPulledArchivesMakeTheReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 30, 3<<20)
	first, info := pullFile(t, srv, 0)
	checkArchive(t, first, info)
	if want := srv.FrameNo(t); info.Last != want || info.Frames != want+1 {
		t.Errorf("pulled %d frames up to %d, want %d up to %d", info.Frames, info.Last, want+1, want)
	}
	r := openTest(t, nil)
	if _, err := r.ApplyFile(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	checkEqual(t, r.cfg.Path, srv)
	fill(t, srv, 5, 0)
	second, info := pullFile(t, srv, info.Last+1)
	checkArchive(t, second, info)
	if _, err := r.ApplyFile(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	checkEqual(t, r.cfg.Path, srv)
}

func TestPullTakesSnapshotsWhereTheLogIsGone(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	for range 3 {
		fill(t, srv, 60, 2<<20)
	}
	name, info := pullFile(t, srv, 0)
	checkArchive(t, name, info)
	if info.Snapshots == 0 {
		t.Errorf("no snapshot among %d segments", info.Segments)
	}
	r := openTest(t, nil)
	if _, err := r.ApplyFile(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	checkEqual(t, r.cfg.Path, srv)
}

func TestPullSaysThatThereIsNothing(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1, 0)
	_, err := Pull(t.Context(), Config{Remote: Remote{URL: srv.URL}}, srv.FrameNo(t)+1, &bytes.Buffer{})
	if !errors.Is(err, ErrNoFrames) {
		t.Errorf("error %v, want %v", err, ErrNoFrames)
	}
}

// refusing is a writer that fails after n bytes.
type refusing struct{ n int }

var errRefused = errors.New("no space")

func (r *refusing) Write(p []byte) (int, error) {
	if r.n -= len(p); r.n < 0 {
		return 0, errRefused
	}
	return len(p), nil
}

func TestPullEndsWithTheWritersError(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	for range 3 {
		fill(t, srv, 60, 2<<20)
	}
	_, err := Pull(t.Context(), Config{Remote: Remote{URL: srv.URL}}, 0, &refusing{n: 100_000})
	if !errors.Is(err, errRefused) || errors.Is(err, ErrUnreachable) {
		t.Errorf("error %v, want %v alone", err, errRefused)
	}
}

func mustVerify(t *testing.T, r *Replicator) VerifyResult {
	t.Helper()
	v, err := r.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyFindsTheReplicaIdentical(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 30, 3<<20)
	srv.Exec(t, "CREATE TABLE r(x) RANDOM ROWID", "INSERT INTO r VALUES (1)", "DELETE FROM t WHERE id % 2")
	r := openTest(t, srv)
	mustSync(t, r)
	at := r.Position()
	fill(t, srv, 5, 0) // the primary may go on
	v := mustVerify(t, r)
	if !v.Identical() || v.Position != at || v.Pages == 0 {
		t.Errorf("%+v, want an identical replica at %v", v, at)
	}
}

func TestVerifyFindsTheReplicaIdenticalThroughSnapshots(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	for range 3 {
		fill(t, srv, 60, 2<<20)
	}
	r := openTest(t, srv)
	mustSync(t, r)
	if v := mustVerify(t, r); !v.Identical() {
		t.Errorf("%+v, want an identical replica", v)
	}
}

func TestVerifyFindsAChangedPage(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 30, 1<<20)
	r := openTest(t, srv)
	mustSync(t, r)
	spoil(t, r.cfg.Path, "t")
	v := mustVerify(t, r)
	if v.Identical() || v.Differing != 1 || v.Kind != "leaf page of t" {
		t.Errorf("%+v, want one differing page, a leaf page of t", v)
	}
}

// spoil changes a byte of a value in one leaf page of a table, as another
// program might.
func spoil(t *testing.T, path, table string) {
	t.Helper()
	conn, err := engine.Open(path, engine.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := context.Background()
	var no int64
	find := "SELECT max(pageno) FROM dbstat WHERE name = ?1 AND pagetype = 'leaf'"
	err = conn.Query(ctx, find, []any{table}, func(s *engine.Stmt) error {
		no = s.ColumnInt64(0)
		return nil
	})
	if err == nil {
		err = conn.Exec(ctx, "UPDATE sqlite_dbpage SET data = CAST(substr(data, 1, 4095) || x'21' AS BLOB) WHERE pgno = ?1", no)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerifySaysThatAReplicaMustSyncFirst(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	fill(t, srv, 10, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	for range 3 {
		fill(t, srv, 60, 2<<20)
	}
	if v, err := r.Verify(t.Context()); !errors.Is(err, ErrNotComparable) {
		t.Errorf("verify gives %+v, %v; want %v", v, err, ErrNotComparable)
	}
	mustSync(t, r)
	if v := mustVerify(t, r); !v.Identical() {
		t.Errorf("%+v, want an identical replica", v)
	}
}

func TestVerifyRefusesAnotherLog(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	srv.Wipe(t)
	fill(t, srv, 3, 0)
	if _, err := r.Verify(t.Context()); !errors.Is(err, ErrWrongLog) {
		t.Errorf("error %v, want %v", err, ErrWrongLog)
	}
}

func TestPrimaryIsAskedWhileAnotherHoldsTheReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	r := openTest(t, srv)
	mustSync(t, r)
	fill(t, srv, 3, 0)
	l, err := lock(r.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release(false)
	other := open(t, r.cfg)
	got, err := other.Primary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Position{LogID: r.Position().LogID, FrameNo: srv.FrameNo(t), HasFrame: true}
	if got != want {
		t.Errorf("primary at %v, want %v", got, want)
	}
	holder, err := LockHolder(r.cfg.Path)
	if err != nil || holder == "" {
		t.Errorf("the holder is %q, %v; want this process", holder, err)
	}
}
