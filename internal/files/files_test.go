package files

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// links makes the symbolic links of a table of link to target, in a directory whose
// own path has none.
func links(t *testing.T, table ...[2]string) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range table {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, l[0])), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(l[1], filepath.Join(dir, l[0])); err != nil {
			t.Skip("this system makes no symbolic links:", err)
		}
	}
	return dir
}

func TestRealGoesThroughAllLinks(t *testing.T) {
	dir := links(t,
		[2]string{"link.db", "data/app.db"},
		[2]string{"chain.db", "link.db"},
		[2]string{"data/back.db", "../chain.db"},
		[2]string{"dirs/data", "../data"},
		[2]string{"dangling.db", "data/new.db"},
		[2]string{"dangling2.db", "dirs/data/../data/new.db"}, // data/.. is the link's target's parent
		[2]string{"nowhere.db", "missing/new.db"},
	)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "app.db"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	absolute := filepath.Join(dir, "absolute.db")
	if err := os.Symlink(filepath.Join(dir, "data", "app.db"), absolute); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{"data/app.db", "data/app.db"},
		{"link.db", "data/app.db"},
		{"chain.db", "data/app.db"},
		{"data/back.db", "data/app.db"},
		{"absolute.db", "data/app.db"},
		{"dirs/data/app.db", "data/app.db"},
		{"dirs/data/../link.db", "data/app.db"}, // ".." of what the link leads to
		{"dangling.db", "data/new.db"},
		{"dangling2.db", "data/new.db"},
		{"dirs/data/yet.db", "data/yet.db"},
		{"nowhere.db", "missing/new.db"},
		{"missing/../data/app.db", "data/app.db"}, // for SQLite, if not for the system
		{"missing/../link.db", "data/app.db"},
		{"data/app.db/", "data/app.db"},
		{"data//./app.db/.", "data/app.db"},
		{"yet.db", "yet.db"},
	} {
		want := filepath.Join(dir, tt.want)
		got, err := Real(dir + string(os.PathSeparator) + filepath.FromSlash(tt.path))
		if err != nil || got != want {
			t.Errorf("Real(%s) = %q, %v; want %q", tt.path, got, err, want)
		}
	}
	t.Chdir(dir)
	if got, err := Real("link.db"); err != nil || got != filepath.Join(dir, "data", "app.db") {
		t.Errorf("Real of a relative path = %q, %v; want %q", got, err, filepath.Join(dir, "data", "app.db"))
	}
}

func TestRealRefusesLinksInACircle(t *testing.T) {
	dir := links(t, [2]string{"a.db", "b.db"}, [2]string{"b.db", "a.db"}, [2]string{"self", "self"})
	for _, path := range []string{"a.db", "self", "self/app.db"} {
		if got, err := Real(filepath.Join(dir, path)); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("Real(%s) = %q, %v; want %v", path, got, err, syscall.ELOOP)
		}
	}
}

func TestOpenFollowsNoLink(t *testing.T) {
	dir := links(t, [2]string{"link", "victim"}, [2]string{"dangling", "new"})
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "dangling", "."} {
		for _, flag := range []int{os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_TRUNC} {
			f, err := Open(filepath.Join(dir, name), flag, "")
			if !errors.Is(err, ErrNotRegular) {
				t.Errorf("Open(%s, %#x) = %v, %v; want %v", name, flag, f, err, ErrNotRegular)
			}
		}
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the file behind the link holds %q", b)
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		t.Error("the file behind the dangling link was made")
	}
}

func TestOpenMakesFilesLikeAnother(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	dir := t.TempDir()
	model := filepath.Join(dir, "app.db")
	if err := os.WriteFile(model, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, perm := range []os.FileMode{0o600, 0o660, 0o666, 0o640} {
		if err := os.Chmod(model, perm); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, perm.String())
		f, err := Open(name, os.O_RDWR|os.O_CREATE, model)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil || info.Mode().Perm() != perm {
			t.Errorf("beside a file of mode %v one of %v was made (%v)", perm, info.Mode(), err)
		}
		if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
			t.Fatal(err)
		}
		if f, err = Open(name, os.O_RDWR|os.O_CREATE, model); err != nil {
			t.Fatal(err)
		}
		if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("a file that exists has mode %v now (%v)", info.Mode(), err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
