//go:build unix

package files

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// resolve goes through a path as SQLite does, part by part: behind one that does not
// exist, where the system gives up, SQLite takes ".." for the part before it.
func resolve(path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		dir, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = dir + "/" + path
	}
	out, links := "", 0
	for todo := strings.Split(path, "/"); len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == ".." {
			out = out[:max(strings.LastIndexByte(out, '/'), 0)]
		}
		if part == "" || part == "." || part == ".." {
			continue
		}
		at := out + "/" + part
		info, err := os.Lstat(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			out = at
			continue
		}
		if links++; links > mostLinks {
			return "", syscall.ELOOP
		}
		target, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(target, "/") {
			out = ""
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return cmp.Or(out, "/"), nil
}
