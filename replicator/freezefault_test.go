package replicator

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// failingFS fails to open or to remove one file.
type failingFS struct {
	osFS
	open, remove string // suffixes of names
}

var errNoDisk = errors.New("the disk is gone")

func (d failingFS) OpenFile(name string, flag int, like string) (file, error) {
	if d.open != "" && strings.HasSuffix(name, d.open) {
		return nil, errNoDisk
	}
	return d.osFS.OpenFile(name, flag, like)
}

func (d failingFS) Remove(name string) error {
	if d.remove != "" && strings.HasSuffix(name, d.remove) {
		return errNoDisk
	}
	return d.osFS.Remove(name)
}

// freezeFailing begins to freeze a replica with an index that only libSQL can
// maintain, on a file system that fails.
func freezeFailing(t *testing.T, fsys failingFS) (*sqldtest.Server, *Replicator) {
	t.Helper()
	srv := sqldtest.Start(t)
	fill(t, srv, 20, 0)
	srv.Exec(t, "CREATE TABLE v(x F32_BLOB(3))", "CREATE INDEX vi ON v(libsql_vector_idx(x))",
		"INSERT INTO v VALUES (vector('[1,2,3]')), (vector('[4,5,6]'))")
	r := openTest(t, srv, func(c *Config) { c.fs = fsys })
	mustSync(t, r)
	if o, err := r.Seal(t.Context()); !errors.Is(err, errNoDisk) {
		t.Fatalf("freeze gives %+v, %v; want %v", o, err, errNoDisk)
	}
	return srv, r
}

func TestFailedFreezeLeavesTheReplicaAsItWas(t *testing.T) {
	srv, r := freezeFailing(t, failingFS{open: originSuffix + ".tmp"})
	fill(t, srv, 20, 0)
	mustSync(t, r)
	// The index's DDL is adapted, which Verify knows of.
	if v, err := r.Verify(t.Context()); err != nil || v.Differing != 0 || v.Pages != v.PrimaryPages {
		t.Fatalf("replica and primary differ: %+v, %v", v, err)
	}
}

func TestFreezeThatFailsAfterItsOriginIsFinished(t *testing.T) {
	_, r := freezeFailing(t, failingFS{remove: positionSuffix})
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrFrozen) {
		t.Errorf("sync gives %v, want %v", err, ErrFrozen)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := FinishSeal(r.cfg.Path); err != nil {
		t.Fatal(err)
	}
	if role, err := RoleOf(r.cfg.Path); role != RoleFrozen || err != nil {
		t.Errorf("role %v, %v; want %v", role, err, RoleFrozen)
	}
	if _, err := os.Stat(r.cfg.Path + positionSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("position file: %v, want %v", err, fs.ErrNotExist)
	}
	if got := queryText(t, r.cfg.Path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
}

func TestFinishSealDropsTheIndexesThatOnlyLibSQLMaintains(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE v(x F32_BLOB(3))", "CREATE INDEX vi ON v(libsql_vector_idx(x))", "INSERT INTO v VALUES (vector('[1,2,3]'))")
	r := openTest(t, srv)
	mustSync(t, r)
	at := r.Position()
	// A crash right after the origin was written leaves all else undone.
	inSession(t, r, func(s *session) error {
		return s.writeOrigin(Origin{LogID: at.LogID, FrameNo: at.FrameNo}, nil)
	})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := FinishSeal(r.cfg.Path); err != nil {
		t.Fatal(err)
	}
	if got := queryText(t, r.cfg.Path, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql LIKE '%vector%'"); got != "0" {
		t.Errorf("%s vector indexes are left, want 0", got)
	}
	if got := queryText(t, r.cfg.Path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
}
