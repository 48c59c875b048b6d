// Package files finds and opens the files that stand beside a database. Their
// names can be foreseen, so that whoever may write to the directory can put
// something else in their place.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// mostLinks bounds the symbolic links that lead to a file. SQLite follows as many.
const mostLinks = 200

// Real gives the absolute path of the file that path leads to, through symbolic
// links in any part of it: the name that SQLite opens, and beside which it keeps
// its log. The file need not exist, and neither need what a link points to. Links
// that lead in a circle are a [syscall.ELOOP]. A hard link is a name like any
// other: nothing tells it from the file's first one.
func Real(path string) (string, error) {
	at, err := absolute(path)
	for range mostLinks {
		if err != nil {
			return "", err
		}
		// A part that is a link may be followed by "..", so nothing here may clean a
		// path that is not resolved.
		whole, evalErr := filepath.EvalSymlinks(at)
		if evalErr == nil {
			return whole, nil
		}
		if !errors.Is(evalErr, fs.ErrNotExist) {
			return "", unresolved(path, evalErr)
		}
		dir, base := split(at)
		if dir, evalErr = filepath.EvalSymlinks(dir); errors.Is(evalErr, fs.ErrNotExist) {
			return at, nil // whoever opens the file will say that its directory is missing
		} else if evalErr != nil {
			return "", unresolved(path, evalErr)
		}
		target, linkErr := os.Readlink(filepath.Join(dir, base))
		switch {
		case linkErr != nil:
			return filepath.Join(dir, base), nil // a file that is yet to be made
		case filepath.IsAbs(target):
			at = target
		default:
			at = dir + string(os.PathSeparator) + target
		}
	}
	return "", unresolved(path, syscall.ELOOP)
}

func absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if filepath.VolumeName(path) != "" {
		return filepath.Abs(path) // such as C:x on Windows
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return dir + string(os.PathSeparator) + path, nil
}

// split cuts a path before its last part.
func split(path string) (dir, base string) {
	i := len(path)
	for i > 0 && !os.IsPathSeparator(path[i-1]) {
		i--
	}
	return path[:i], path[i:]
}

// unresolved says why a path leads to no file.
func unresolved(path string, err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) && !errors.Is(err, syscall.ELOOP) {
		// What EvalSymlinks says of too many links is a text of its own.
		err = fmt.Errorf("%w (%w)", syscall.ELOOP, err)
	}
	if errors.Is(err, syscall.ELOOP) {
		return fmt.Errorf("%s: the symbolic links lead in a circle, or there are too many: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
