//go:build unix

package floe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// lookAt is what a user does who may only read a replica: it must be readable, and
// say so where it is to be written to.
func lookAt(args []string) error {
	path, url := args[0], args[1]
	if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
		return errors.Join(errors.New("the database is writable"), f.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	st, err := floe.Inspect(path)
	if err != nil || st.Role != floe.RoleReplica || !st.Position.HasFrame {
		return fmt.Errorf("inspect: %+v, %w", st, err)
	}
	db, err := floe.OpenReadOnly(ctx, path)
	if err != nil {
		return err
	}
	if err := count(ctx, db); err != nil {
		return err
	}
	r, err := floe.OpenReplica(ctx, path, url)
	if err != nil {
		return err
	}
	if err := count(ctx, r); err != nil {
		return err
	}
	if v, err := r.Verify(ctx); err != nil || !v.Identical() {
		return fmt.Errorf("verify: %+v, %w", v, err)
	}
	for what, call := range map[string]func() error{
		"sync":       func() error { _, err := r.Sync(ctx); return err },
		"sync until": func() error { _, err := r.SyncUntil(ctx, 1<<40); return err },
		"watch":      func() error { return r.Watch(ctx) },
	} {
		if err := call(); !errors.Is(err, os.ErrPermission) || errors.Is(err, floe.ErrUnreachable) {
			return fmt.Errorf("%s gives %w, want %w", what, err, os.ErrPermission)
		}
	}
	return errors.Join(db.Close(), r.Close())
}

func count(ctx context.Context, db conner) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	rows, err := readAll(ctx, c.Conn, "SELECT count(*) FROM t")
	if err != nil || flat(rows) != "5" {
		return fmt.Errorf("read %s, %w; want 5", flat(rows), err)
	}
	return nil
}

func TestAReplicaIsReadByThoseWhoMayNotWrite(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	cmd := watcher(t, path, srv)
	eventually(t, "all frames", func() bool {
		st, err := floe.Inspect(path)
		return err == nil && st.Position.FrameNo == srv.FrameNo(t)
	})
	asOther(t, path, srv) // while it is kept in step
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the watcher's end", func() bool { return !heldBy(t, path, cmd) })
	asOther(t, path, srv) // with the log that it left
}

// asOther looks at a copy of a replica that is read-only, as another user where
// this one is root, whom modes do not bind.
func asOther(t *testing.T, path string, srv *sqldtest.Server) {
	t.Helper()
	dir, err := os.MkdirTemp("", "floe-readonly")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(dir, 0o755)
		os.RemoveAll(dir)
	})
	files, _ := filepath.Glob(path + "*")
	for _, from := range files {
		to := filepath.Join(dir, filepath.Base(from))
		copyFile(t, from, to)
		if err := os.Chmod(to, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(dir, filepath.Base(path))
	if os.Getuid() != 0 {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		if err := lookAt([]string{copied, srv.URL}); err != nil {
			t.Error(err)
		}
		return
	}
	// Another user must be able to run this test's binary, which is in a directory of
	// this user's own.
	bin := filepath.Join(dir, "test")
	copyBinary(t, bin)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "look", copied, srv.URL)
	if i := slices.Index(cmd.Args, os.Args[0]); i > 0 { // behind an emulator
		cmd.Args[i] = bin
	} else {
		cmd.Path = bin
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("no process of another user can be started here:", err)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func copyBinary(t *testing.T, to string) {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func init() { children["look"] = lookAt }
