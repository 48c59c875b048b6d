package floe_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

func mustFreeze(t *testing.T, r *floe.Replica) *floe.DB {
	t.Helper()
	db, err := r.Freeze(limit(t))
	if err != nil {
		t.Fatal("freeze:", err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// wantWritable writes to the database with floe, the engine and plain SQLite.
func wantWritable(t *testing.T, path string) {
	t.Helper()
	db, err := floe.Open(limit(t), path)
	if err != nil {
		t.Fatal("open:", err)
	}
	defer db.Close()
	c, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec(limit(t), "CREATE TABLE mine(a); INSERT INTO mine VALUES ('floe')"), c.Close()); err != nil {
		t.Error("floe:", err)
	}
	ec, err := engine.Open(path, engine.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ec.Exec(limit(t), "INSERT INTO mine VALUES ('engine'); UPDATE t SET a = 'changed'"), ec.Close()); err != nil {
		t.Error("engine:", err)
	}
	want := "floe,engine"
	if bin, err := findShell(); err == nil {
		if _, err := tryShell(bin, path, "INSERT INTO mine VALUES ('shell'); DELETE FROM t"); err != nil {
			t.Error(err)
		}
		want += ",shell"
	}
	wantQuery(t, db, "SELECT group_concat(a) FROM mine", want)
	wantWhole(t, path)
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestFreezeGivesADatabaseOfItsOwn(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		name := map[bool]string{true: "server there", false: "server gone"}[reachable]
		t.Run(name, func(t *testing.T) {
			srv := sqldtest.Start(t)
			fill(t, srv, 10)
			r := openNew(t, srv)
			at := mustSync(t, r).Position
			img := srv.PrimaryImage(t)
			if !reachable {
				srv.Kill()
			}
			db := mustFreeze(t, r)
			if diff := sqldtest.DiffPages(image(t, r.Path()), img); diff != "" {
				t.Error("the frozen database and the primary differ:", diff)
			}
			want := floe.Origin{LogID: at.LogID, FrameNo: at.FrameNo}
			if o, ok := db.Origin(); !ok || o != want {
				t.Errorf("origin %+v (%v), want %+v", o, ok, want)
			}
			if exists(t, r.Path()+"-client_wal_index") {
				t.Error("the position file is still there")
			}
			for what, err := range callAll(t, r) {
				var frozen *floe.FrozenError
				if !errors.As(err, &frozen) || frozen.Origin != want {
					t.Errorf("%s gives %v, want %v with origin %+v", what, err, floe.ErrFrozen, want)
				}
			}
			wantWritable(t, r.Path())
		})
	}
}

func TestAFrozenPathIsNoReplicaAgain(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv)
	mustSync(t, r)
	if err := mustFreeze(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(r.Path())
	before := contents(t, dir)
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
	_, err = r.Freeze(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
	_, err = floe.OpenReplica(limit(t), r.Path(), srv.URL)
	wantErrorIs(t, err, floe.ErrFrozen)
	unchanged(t, dir, before)
}

func TestAHandleOpenedBeforeTheFreezeFindsOut(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv)
	mustSync(t, r)
	other := openAt(t, r.Path(), srv)
	if err := mustFreeze(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, filepath.Dir(r.Path()))
	_, err := other.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
	_, err = other.Freeze(limit(t))
	wantErrorIs(t, err, floe.ErrFrozen)
	unchanged(t, filepath.Dir(r.Path()), before)
}

func TestFreezeWaitsForReaders(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv)
	mustSync(t, r)
	c, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(limit(t), "BEGIN; SELECT count(*) FROM t"); err != nil {
		t.Fatal(err)
	}
	done := begin(func() error {
		db, err := r.Freeze(limit(t))
		if err == nil {
			err = db.Close()
		}
		return err
	})
	eventually(t, "new connections are refused", func() bool {
		late, err := r.Conn(limit(t))
		if err == nil {
			late.Close()
		}
		return errors.Is(err, floe.ErrFrozen)
	})
	if rows, err := readAll(limit(t), c.Conn, "SELECT count(*) FROM t"); err != nil || flat(rows) != "10" {
		t.Errorf("the open connection reads %q, %v; want 10", flat(rows), err)
	}
	select {
	case err := <-done:
		t.Fatal("Freeze came back with a reader open:", err)
	default:
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "Freeze", done); err != nil {
		t.Fatal(err)
	}
	wantWritable(t, r.Path())
}

func TestAFreezeThatFailsLeavesTheReplicaInUse(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv)
	mustSync(t, r)
	c, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = r.Freeze(ctx)
	wantErrorIs(t, err, floe.ErrReadersOpen)
	wantErrorIs(t, err, context.DeadlineExceeded)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, srv, 5)
	mustSync(t, r)
	wantQuery(t, r, "SELECT count(*) FROM t", "15")
	wantEqual(t, r.Path(), srv)
	mustFreeze(t, r)
	wantWritable(t, r.Path())
}

func TestFreezeEndsBackgroundWork(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv, floe.WithSyncInterval(time.Millisecond))
	watching, _ := watch(t, r)
	until := begin(func() error { _, err := r.SyncUntil(limit(t), 1<<40); return err })
	fill(t, srv, 5)
	mustFreeze(t, r)
	for what, done := range map[string]<-chan error{"Watch": watching, "SyncUntil": until} {
		if err := within(t, what, done); !errors.Is(err, floe.ErrFrozen) {
			t.Errorf("%s ends with %v, want %v", what, err, floe.ErrFrozen)
		}
	}
	fill(t, srv, 5)
	wantWritable(t, r.Path())
}

func TestFreezeOfWhatWasNeverSynced(t *testing.T) {
	srv := sqldtest.Start(t)
	r := openNew(t, srv)
	_, err := r.Freeze(limit(t))
	wantErrorIs(t, err, floe.ErrNoData)
	if left := contents(t, filepath.Dir(r.Path())); len(left) != 0 {
		t.Errorf("files were left: %v", left)
	}
	fill(t, srv, 3)
	mustSync(t, r)
	mustFreeze(t, r)
	wantWritable(t, r.Path())
}

func TestOpenFinishesAFreezeThatCrashed(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 10)
	r := openNew(t, srv)
	mustSync(t, r)
	position := readFile(t, r.Path()+"-client_wal_index")
	if err := mustFreeze(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	// As a crash leaves it that came after the origin file.
	for _, suffix := range []string{"-client_wal_index", "-floe-lock", "-floe-frozen.tmp"} {
		writeFile(t, r.Path()+suffix, position)
	}
	_, err := floe.OpenReplica(limit(t), r.Path(), srv.URL)
	wantErrorIs(t, err, floe.ErrFrozen)
	wantWritable(t, r.Path())
	for _, suffix := range []string{"-client_wal_index", "-floe-lock", "-floe-frozen.tmp"} {
		if exists(t, r.Path()+suffix) {
			t.Errorf("%s is still there", suffix)
		}
	}
}

func TestALocalDatabaseHasNoOrigin(t *testing.T) {
	db, err := floe.Open(limit(t), newPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if o, ok := db.Origin(); ok {
		t.Errorf("origin %+v, want none", o)
	}
}
