//go:build unix

package floe_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestReadsGoOnBesideAProcessThatWasStopped(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 1)
	path := newPath(t)
	cmd := watcher(t, path, srv)
	db, r := openReplicaDBAt(t, path, srv.URL)
	if err := insertAndCount(limit(t), db, "before", 1); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wantExec(t, db, "INSERT INTO t(a) VALUES ('meanwhile')")
	wantRow(t, db, int64(2), "SELECT count(*) FROM t") // without the last write
	_, err := r.Sync(limit(t))
	var locked *floe.LockedError
	if !errors.As(err, &locked) || !strings.Contains(locked.Holder, fmt.Sprint("process ", cmd.Process.Pid)) {
		t.Errorf("a sync beside a stopped process gives %v, want a LockedError that names process %d", err, cmd.Process.Pid)
	}
	wantRow(t, db, int64(2), "SELECT count(*) FROM t")
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	mustSync(t, r)
	wantRow(t, db, int64(3), "SELECT count(*) FROM t")
	if err := insertAndCount(limit(t), db, "after", 5); err != nil {
		t.Error(err)
	}
}
