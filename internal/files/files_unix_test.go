//go:build unix

package files

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestOpenWaitsForNoPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o666); err != nil {
		t.Skip(err)
	}
	for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE} {
		if f, err := Open(name, flag, ""); !errors.Is(err, ErrNotRegular) {
			t.Errorf("Open(pipe, %#x) = %v, %v; want %v", flag, f, err, ErrNotRegular)
		}
	}
}

func TestOpenRespectsTheUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	f, err := Open(filepath.Join(t.TempDir(), "new"), os.O_RDWR|os.O_CREATE, "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v (%v), want 0640", info.Mode(), err)
	}
}
