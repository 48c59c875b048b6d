package replicator

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/floedb/floe/internal/files"
)

// lockSuffix, appended to the database's path, names the lock file. The file
// stays when the lock is let go, but for one beside what is no replica.
const lockSuffix = "-floe-lock"

// beatEvery is how often the holder of a lock shows that its work goes on, by the
// time of the lock file's last change.
const beatEvery = 500 * time.Millisecond

// errReadOnly says that this user may not change the replica.
var errReadOnly = errors.New("the replica can only be read here: open lock file")

// errWouldBlock is what a platform's tryLock gives when somebody has the lock.
var errWouldBlock = errors.New("lock held")

// fileLock is a replica's lock, for the length of one call.
type fileLock struct {
	f *os.File

	mu       sync.Mutex
	released bool
	timer    *time.Timer
}

// lock takes the replica at path for this handle, or says who has it. The
// operating system lets the lock go when the process ends, however it ends.
func lock(path string) (*fileLock, error) {
	for range lockTries {
		if l, err := lockOnce(path); l != nil || err != nil {
			return l, err
		}
	}
	return nil, fmt.Errorf("lock %s: another file has the name each time that it is opened", path+lockSuffix)
}

// lockTries is how often a lock file may be removed between its opening and its
// locking. There are file systems that never tell twice that a file is the same.
const lockTries = 100

// lockOnce is lock; it returns nothing where the file was removed meanwhile.
func lockOnce(path string) (*fileLock, error) {
	name := path + lockSuffix
	f, err := files.Open(name, os.O_RDWR|os.O_CREATE, path)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("%w: %w", errReadOnly, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := tryLock(f, true); err != nil {
		defer f.Close()
		if errors.Is(err, errWouldBlock) {
			return nil, &LockedError{Path: name, Holder: holder(f)}
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if !sameFile(f, name) {
		return nil, f.Close() // removed by its last holder, between open and lock
	}
	if err := signLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("sign lock file %s: %w", name, err)
	}
	return &fileLock{f: f}, nil
}

// beat has the lock file changed now and then, as long as progress gives another
// number each time: those who wait for the lock tell a holder at work from one
// that was stopped.
func (l *fileLock) beat(progress func() int64) {
	last := progress()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(beatEvery, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.released {
			return
		}
		if now := progress(); now != last {
			last = now
			if os.Chtimes(l.f.Name(), time.Time{}, time.Now()) != nil {
				touch(l.f)
			}
		}
		l.timer.Reset(beatEvery)
	})
}

// touch changes the time of a lock file that is another user's: only its owner may
// set that.
func touch(f *os.File) {
	sign, err := readSign(f)
	if err == nil {
		_, _ = f.WriteAt([]byte(sign), 0)
	}
}

// release lets the lock go, and removes its file where remove says so.
func (l *fileLock) release(remove bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = true
	if l.timer != nil {
		l.timer.Stop()
	}
	name := l.f.Name()
	// Removed before it is let go, or it might be another's by then; a system that
	// does not remove an open file keeps another's file as well.
	remove = remove && sameFile(l.f, name)
	removed := remove && os.Remove(name) == nil
	unlock(l.f)
	l.f.Close()
	if remove && !removed {
		_ = os.Remove(name)
	}
}

// sameFile reports whether name still is the file that f has open.
func sameFile(f *os.File, name string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	theirs, err := os.Lstat(name)
	return err == nil && os.SameFile(ours, theirs)
}

// signLock writes who holds the lock, for the error of whoever is kept out, unless
// it is there already: the lock is taken often, and the disk may be a flash card.
func signLock(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	sign := fmt.Sprintf("process %d on host %s\n", os.Getpid(), host)
	if have, err := readSign(f); err == nil && have == sign {
		return nil
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(sign), 0)
	return err
}

func readSign(f *os.File) (string, error) {
	b := make([]byte, 512)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(b[:n]), err
}

func holder(f *os.File) string {
	sign, err := readSign(f)
	if who := strings.TrimSpace(sign); err == nil && who != "" {
		return who
	}
	return "an unknown process"
}

// LockHolder tells who holds the replica at path for writing at this moment:
// "process 4711 on host edge-3", or "" when nobody does or when the lock file may
// not be read. The file is only read. A process holds a replica while it works on
// it, which for a Watch is all the time that it streams.
func LockHolder(path string) (string, error) {
	path, err := files.Real(path)
	if err != nil {
		return "", err
	}
	return lockHolder(path)
}

func lockHolder(path string) (string, error) {
	f, err := files.Open(path+lockSuffix, os.O_RDONLY, "")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open lock file: %w", err)
	}
	defer f.Close()
	// A shared lock, let go at once, is refused where somebody holds the replica. It
	// keeps nobody else who asks from asking.
	switch err := tryLock(f, false); {
	case errors.Is(err, errWouldBlock):
		return holder(f), nil
	case err != nil:
		return "", fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	unlock(f)
	return "", nil
}
