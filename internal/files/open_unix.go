//go:build unix

package files

import (
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep open from following a link, and from waiting for the other end of
// a pipe. They change nothing about a regular file.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// follow gives f the mode of a file, and for root its owner.
func follow(f *os.File, model fs.FileInfo) error {
	have, err := f.Stat()
	if err != nil {
		return err
	}
	ours, theirs := have.Sys().(*syscall.Stat_t), model.Sys().(*syscall.Stat_t)
	if os.Geteuid() == 0 && (ours.Uid != theirs.Uid || ours.Gid != theirs.Gid) {
		// Like SQLite, not insisting: a file system without owners refuses it.
		_ = f.Chown(int(theirs.Uid), int(theirs.Gid))
	}
	if have.Mode().Perm() == model.Mode().Perm() {
		return nil
	}
	return f.Chmod(model.Mode().Perm())
}
