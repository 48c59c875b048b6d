// Package files finds and opens the files that stand beside a database. Their
// names can be foreseen, so that whoever may write to the directory can put
// something else in their place.
package files

import (
	"errors"
	"fmt"
	"io/fs"
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
	at, err := resolve(path)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return "", fmt.Errorf("%s: the symbolic links lead in a circle, or there are too many: %w", path, err)
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, reason(err))
	}
	return at, nil
}

// reason leaves out the part of a path that an error is about.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
