package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrNotRegular says that a name stands for a symbolic link, a directory, a pipe
// or a device where a file is expected.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the file called name as [os.OpenFile] does, but follows no symbolic
// link there, and waits for no pipe: what is no regular file is [ErrNotRegular]. A
// file that it makes gets the mode of the file called like and, for root, its
// owner, as SQLite does it for a database's log. Where there is no such file, or
// like is "", it gets mode 0666 as the umask allows.
func Open(name string, flag int, like string) (*os.File, error) {
	if flag&os.O_CREATE == 0 {
		return open(name, flag, 0)
	}
	for {
		// A file that exists stays as it is, so it matters who makes it.
		if flag&os.O_EXCL == 0 {
			f, err := open(name, flag&^os.O_CREATE, 0)
			if !errors.Is(err, fs.ErrNotExist) {
				return f, err
			}
		}
		f, err := create(name, flag|os.O_EXCL, like)
		if !errors.Is(err, fs.ErrExist) || flag&os.O_EXCL != 0 {
			return f, err
		}
	}
}

// create makes a file that does not exist.
func create(name string, flag int, like string) (*os.File, error) {
	model, perm := fs.FileInfo(nil), fs.FileMode(0o666)
	if like != "" {
		if info, err := os.Stat(like); err == nil {
			model, perm = info, info.Mode().Perm()
		}
	}
	f, err := open(name, flag, perm)
	if err != nil || model == nil {
		return f, err
	}
	if err := follow(f, model); err != nil {
		return nil, errors.Join(fmt.Errorf("mode of %s: %w", name, err), f.Close(), os.Remove(name))
	}
	return f, nil
}

// open opens a file and refuses what is none.
func open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, flag|openFlags, perm)
	if err != nil {
		if why := checkName(name); why != nil {
			err = why // each system has its own word for a link that is not followed
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkName refuses a name that stands for something else than a file.
func checkName(name string) error {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return notRegular(name, info)
	}
	return nil
}

func notRegular(name string, info fs.FileInfo) error {
	kind := "a device"
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		kind = "a symbolic link, which is not followed here"
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	}
	return fmt.Errorf("%s: %w: it is %s", name, ErrNotRegular, kind)
}
