package floe_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// linkedPaths makes names that lead to real, which need not exist, through symbolic
// links of every kind.
func linkedPaths(t *testing.T, real string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	link := func(name, target string) string {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := os.Symlink(target, at); err != nil {
			t.Skip("this system makes no symbolic links:", err)
		}
		return at
	}
	paths := map[string]string{"link": link("link.db", real)}
	paths["chain of links"] = link("chain.db", "link.db")
	paths["directory that is a link"] = filepath.Join(link("data", filepath.Dir(real)), filepath.Base(real))
	paths["missing directory that is left again"] = filepath.Dir(real) + "/missing/../" + filepath.Base(real)
	paths["directory that is none"] = real + "/."
	paths["link behind a directory that is one"] = link("both.db", filepath.Join("data", filepath.Base(real)))
	return paths
}

func TestReplicaBehindLinksIsNotWrittenTo(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	synced(t, path, srv)
	for what, name := range linkedPaths(t, path) {
		_, err := floe.Open(limit(t), name)
		if wantErrorIs(t, err, floe.ErrIsReplica); t.Failed() {
			t.Fatal(what)
		}
		for _, dsn := range []string{name, "file:" + name, "file:" + name + "?_foreign_keys=on", name + "?cache=private", "file://" + name + "?mode=rw"} {
			err := openSQL(t, dsn).Ping()
			if wantErrorIs(t, err, floe.ErrIsReplica); t.Failed() {
				t.Fatal(what, dsn)
			}
		}
		ro, err := floe.OpenReadOnly(limit(t), name)
		if err != nil {
			t.Fatalf("%s: open for reading: %v", what, err)
		}
		wantQuery(t, ro, "SELECT count(*) FROM t", "5")
		if err := ro.Close(); err != nil {
			t.Error(err)
		}
	}
	r := openAt(t, path, srv)
	fill(t, srv, 1)
	mustSync(t, r)
	wantEqual(t, path, srv)
}

func TestReplicaIsWhereLinksLead(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	for what := range linkedPaths(t, newPath(t)) {
		t.Run(what, func(t *testing.T) {
			path := newPath(t)
			name := linkedPaths(t, path)[what] // dangling at first
			r := openAt(t, name, srv)
			mustSync(t, r)
			wantEqual(t, path, srv)
			if r.Path() != name {
				t.Errorf("Path is %q, want %q", r.Path(), name)
			}
			if info, err := os.Lstat(name); what == "link" && (err != nil || info.Mode()&os.ModeSymlink == 0) {
				t.Errorf("the link is %v now (%v)", info, err)
			}
			ctx, stop := context.WithCancel(limit(t))
			watch := begin(func() error { return r.Watch(ctx) })
			for _, n := range []string{name, path} {
				eventually(t, "a replica with a holder, by Inspect of "+n, func() bool {
					st, err := floe.Inspect(n)
					return err == nil && st.Role == floe.RoleReplica && st.Position.HasFrame && st.Holder != ""
				})
			}
			stop()
			wantErrorIs(t, within(t, "watch", watch), context.Canceled)
			closeReplica(t, r)
			fill(t, srv, 1)
			again := openAt(t, path, srv) // by its own name
			mustSync(t, again)
			closeReplica(t, again)
			fill(t, srv, 1)
			r = openAt(t, name, srv)
			mustSync(t, r)
			wantEqual(t, path, srv)

			db := mustFreeze(t, r)
			if _, ok := db.Origin(); !ok {
				t.Error("the frozen database has no origin")
			}
			wantWritable(t, name)
			if st, err := floe.Inspect(name); err != nil || st.Role != floe.RoleFrozen {
				t.Errorf("Inspect = %+v, %v; want a frozen database", st, err)
			}
			for _, dir := range []string{filepath.Dir(name), filepath.Dir(path)} {
				for _, left := range []string{"-client_wal_index", "-floe-bootstrap", "-floe-lock"} {
					if beside, _ := filepath.Glob(filepath.Join(dir, "*"+left)); len(beside) > 0 {
						t.Errorf("%v is left", beside)
					}
				}
			}
		})
	}
}

func TestReplicaStaysWhereItsLinkLedAtFirst(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	path, other := newPath(t), newPath(t)
	name := linkedPaths(t, path)["link"]
	r := openAt(t, name, srv)
	mustSync(t, r)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, name); err != nil {
		t.Fatal(err)
	}
	fill(t, srv, 2)
	mustSync(t, r)
	c, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantEqual(t, path, srv)
	if exists(t, other) {
		t.Error("a replica that is open went over to where its link leads now")
	}
}

func TestLinksInACircleAreAnError(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.db")
	for from, to := range map[string]string{"a.db": "b.db", "b.db": "a.db"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Skip("this system makes no symbolic links:", err)
		}
	}
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	_, openErr := floe.Open(ctx, name)
	_, replicaErr := floe.OpenReplica(ctx, name, "http://127.0.0.1:1")
	_, readErr := floe.OpenReadOnly(ctx, name)
	_, inspectErr := floe.Inspect(name)
	sqlErr := openSQL(t, "file:"+name).Ping()
	for what, err := range map[string]error{
		"Open": openErr, "OpenReplica": replicaErr, "OpenReadOnly": readErr, "Inspect": inspectErr, "sql.Open": sqlErr,
	} {
		if !errors.Is(err, syscall.ELOOP) {
			t.Errorf("%s: error %v, want %v", what, err, syscall.ELOOP)
		}
	}
}

func TestFilesOfAReplicaHaveTheModeOfItsDatabase(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	path := newPath(t)
	synced(t, path, srv)
	for _, mode := range []os.FileMode{0o600, 0o660} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path + "-floe-lock"); err != nil {
			t.Fatal(err)
		}
		r := openAt(t, path, srv)
		fill(t, srv, 1)
		mustSync(t, r)
		wantMode(t, path+"-floe-lock", mode)
		wantMode(t, path+"-wal", mode) // SQLite's own
		closeReplica(t, r)
	}
	r := openAt(t, path, srv)
	mustFreeze(t, r)
	wantMode(t, path+"-floe-frozen", 0o660)
}

func wantMode(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Error(err)
	} else if info.Mode().Perm() != mode {
		t.Errorf("%s has mode %v, want %v", filepath.Base(name), info.Mode().Perm(), mode)
	}
}

func TestLinksBesideAReplicaAreNotFollowed(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	for _, suffix := range []string{"-floe-bootstrap", "-floe-lock", "-client_wal_index", "-floe-frozen", "-floe-frozen.tmp"} {
		t.Run(suffix, func(t *testing.T) {
			path := newPath(t)
			victim := filepath.Join(t.TempDir(), "victim")
			writeFile(t, victim, []byte("precious"))
			if err := os.Symlink(victim, path+suffix); err != nil {
				t.Skip("this system makes no symbolic links:", err)
			}
			r, err := floe.OpenReplica(limit(t), path, srv.URL)
			if err == nil {
				defer r.Close()
				_, err = r.Sync(limit(t))
			}
			if err == nil {
				_, err = r.Freeze(limit(t))
			}
			// What is built anew takes the link's place; what would be gone on with is
			// refused.
			if follows := suffix == "-floe-lock" || suffix == "-client_wal_index" || suffix == "-floe-frozen"; follows != (err != nil) {
				t.Errorf("sync and freeze: %v", err)
			}
			if b := readFile(t, victim); string(b) != "precious" {
				t.Errorf("the file behind the link holds %q", b)
			}
		})
	}
}
