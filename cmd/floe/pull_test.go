package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

// pullFromNobody begins a pull from a server that accepts connections and says
// nothing, which a real one never does, and waits until its file is begun.
func pullFromNobody(t *testing.T, file string) *os.Process {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	cmd := command(t, "pull", file, "--from", "http://"+l.Addr().String())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	for !isThere(file + unfinished) {
		time.Sleep(time.Millisecond)
	}
	return cmd.Process
}

func isThere(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func TestInterruptedPullLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	file := filepath.Join(t.TempDir(), "all.frames")
	p := pullFromNobody(t, file)
	if err := p.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	state, err := p.Wait()
	if err != nil || state.ExitCode() != exitFailed {
		t.Errorf("status %v, %v; want %d", state, err, exitFailed)
	}
	for _, name := range []string{file, file + unfinished} {
		if isThere(name) {
			t.Errorf("%s is left", name)
		}
	}
}

func TestPullRemovesWhatAKilledOneLeft(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	file := filepath.Join(t.TempDir(), "all.frames")
	p := pullFromNobody(t, file)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil || !isThere(file+unfinished) {
		t.Fatalf("a killed pull leaves nothing (%v)", err)
	}
	floeDone(t, "pull", file, "--from", srv.URL)
	if isThere(file + unfinished) {
		t.Errorf("%s is left", file+unfinished)
	}
	floeDone(t, "apply", filepath.Join(t.TempDir(), "app.db"), file)
}

// What stands where a pull writes is replaced, or is where the file comes to be; a link
// that waits for the pull's own name leads nowhere.
func TestPullFollowsNoLinkButThatOfItsFile(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3)
	dir := t.TempDir()
	victim, real, file := filepath.Join(dir, "victim"), filepath.Join(dir, "real.frames"), filepath.Join(dir, "all.frames")
	if err := os.WriteFile(victim, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{real + unfinished: victim, file + unfinished: victim, file: "real.frames"} {
		if err := os.Symlink(target, name); err != nil {
			t.Skip("this system makes no symbolic links:", err)
		}
	}
	floeDone(t, "pull", file, "--from", srv.URL)
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("the file behind the link holds %q (%v)", b, err)
	}
	if info, err := os.Lstat(file); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link to the file is %v now (%v)", info, err)
	}
	floeDone(t, "apply", filepath.Join(dir, "app.db"), real)
}

func TestPullThatLostItsNameSaysSo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open keeps its name")
	}
	name := filepath.Join(t.TempDir(), "all.frames")
	_, err := writeWhole(name, func(f *os.File) error {
		if _, err := f.WriteString("first"); err != nil {
			return err
		}
		_, err := writeWhole(name, func(f *os.File) error { _, err := f.WriteString("second"); return err })
		return err
	})
	if err == nil {
		t.Error("a pull whose file was taken over succeeds")
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "second" || isThere(name+unfinished) {
		t.Errorf("the file holds %q (%v), want that of the other", b, err)
	}
}
