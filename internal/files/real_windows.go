package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// resolve makes a path absolute, which on Windows takes ".." for the part before it
// out of the text, as SQLite does, and follows its links.
func resolve(path string) (string, error) {
	at, err := filepath.Abs(path)
	for range mostLinks {
		if err != nil {
			return "", err
		}
		whole, evalErr := filepath.EvalSymlinks(at)
		if evalErr == nil {
			return whole, nil
		}
		if !errors.Is(evalErr, fs.ErrNotExist) {
			return "", tooMany(evalErr)
		}
		dir, evalErr := filepath.EvalSymlinks(filepath.Dir(at))
		if errors.Is(evalErr, fs.ErrNotExist) {
			return at, nil // whoever opens the file will say that its directory is missing
		} else if evalErr != nil {
			return "", tooMany(evalErr)
		}
		at = filepath.Join(dir, filepath.Base(at))
		target, linkErr := os.Readlink(at)
		switch {
		case linkErr != nil:
			return at, nil // a file that is yet to be made
		case filepath.IsAbs(target):
			at = target
		default:
			at = filepath.Join(dir, target)
		}
	}
	return "", syscall.ELOOP
}

// tooMany gives what EvalSymlinks says of too many links, a text of its own, its name.
func tooMany(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return err
	}
	return fmt.Errorf("%w (%w)", syscall.ELOOP, err)
}
