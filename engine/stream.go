package engine

import (
	"cmp"
	"errors"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// stream carries a changeset between Go and the streaming functions of SQLite's.
//
// https://sqlite.org/session/sqlite3changegroup_add_strm.html
type stream struct {
	c      *Conn // which the call is made on, nil if there is none
	r      io.Reader
	w      io.Writer
	err    error // why it ended early
	handle uintptr
	buf    []byte // what w is given: it may keep it, which it must not do with SQLite's memory
}

// streams finds the stream of a callback.
var streams handles[stream]

var (
	streamInput  = cFunc(onStreamInput)
	streamOutput = cFunc(onStreamOutput)
)

// streamChunk is how much SQLite asks for and gives at a time, in bytes. Its own size is 1,024.
const streamChunk = 64 << 10

// configureStreams is for all of the program: SQLite has but one size.
var configureStreams = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	p := tls.Alloc(8)
	defer tls.Free(8)
	*(*int32)(pointer(p)) = streamChunk
	sqlite3.Xsqlite3session_config(tls, sqlite3.SQLITE_SESSION_CONFIG_STRMSIZE, p)
})

// newInput makes a stream of what r has, but of well-formed changesets alone.
func newInput(c *Conn, r io.Reader) *stream { return newFilteredInput(c, r, nil) }

func newFilteredInput(c *Conn, r io.Reader, keep func(*changesetParser) (bool, error)) *stream {
	s := &stream{c: c, r: &checkedReader{parser: newChangesetParser(r), keep: keep}}
	return s.register()
}

func newOutput(c *Conn, w io.Writer) *stream {
	s := &stream{c: c, w: w}
	return s.register()
}

func (s *stream) register() *stream {
	configureStreams()
	s.handle = streams.add(s)
	return s
}

// close has to be deferred: the call may end by a panic.
func (s *stream) close() { streams.remove(s.handle) }

func onStreamInput(_ *libc.TLS, handle, data, size uintptr) int32 {
	s := streams.get(handle)
	if s == nil {
		return sqlite3.SQLITE_MISUSE
	}
	n := (*int32)(pointer(size))
	room := int(*n)
	*n = 0
	return s.run(func() error {
		read, err := s.r.Read(bytesAt(data, room))
		*n = int32(read)
		if err == io.EOF {
			return nil
		}
		return err
	})
}

func onStreamOutput(_ *libc.TLS, handle, data uintptr, size int32) int32 {
	s := streams.get(handle)
	if s == nil {
		return sqlite3.SQLITE_MISUSE
	}
	return s.run(func() error {
		s.buf = append(s.buf[:0], bytesAt(data, int(size))...)
		n, err := s.w.Write(s.buf)
		if err == nil && n < len(s.buf) {
			err = io.ErrShortWrite
		}
		return err
	})
}

// run runs Go code between SQLite's frames.
func (s *stream) run(f func() error) (rc int32) {
	returned := false
	defer func() {
		if !returned {
			s.err = s.ended(recover())
			rc = sqlite3.SQLITE_IOERR
		}
	}()
	err := f()
	returned = true
	if err != nil {
		s.err = err
		return sqlite3.SQLITE_IOERR
	}
	return sqlite3.SQLITE_OK
}

// ended is the error of Go code that did not return. Outside of a connection there is nothing to be lost.
func (s *stream) ended(recovered any) error {
	if s.c != nil {
		return s.c.ended(recovered)
	}
	if recovered == nil {
		return errGoexit
	}
	return &PanicError{Value: recovered, Stack: debug.Stack()}
}

// streamError is the error of a call that may have ended for what happened in its streams, nil if it did not.
func streamError(op string, all ...*stream) error {
	for _, s := range all {
		if s == nil || s.err == nil {
			continue
		}
		var own *Error
		if errors.As(s.err, &own) {
			return s.err
		}
		what := "the changeset could not be written"
		if s.r != nil {
			what = "the changeset could not be read"
		}
		e := newError(op, "", IOErr, what)
		e.cause = s.err
		return e
	}
	return nil
}

// checkedReader gives on the elements of a changeset that are well-formed, those that keep wants if it is not nil.
type checkedReader struct {
	parser *changesetParser
	keep   func(*changesetParser) (bool, error)
	rest   []byte
}

func (r *checkedReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if err := r.parser.next(); err != nil {
			return 0, err
		}
		if r.keep != nil {
			keep, err := r.keep(r.parser)
			if err != nil {
				return 0, err
			}
			if !keep {
				continue
			}
		}
		r.rest = r.parser.raw.Bytes()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// offline is an object of SQLite's that belongs to no connection. One goroutine at a time may use it.
type offline struct {
	state atomic.Uint32 // as that of a connection
	tls   *libc.TLS
	ptr   uintptr
}

func (o *offline) open(op string, create func(tls *libc.TLS, pp uintptr) int32) error {
	if err := initialize(); err != nil {
		return err
	}
	tls := libc.NewTLS()
	pp := tls.Alloc(8)
	rc := create(tls, pp)
	ptr := *(*uintptr)(pointer(pp))
	tls.Free(8)
	if rc != sqlite3.SQLITE_OK {
		defer tls.Close()
		return offlineError(tls, op, rc)
	}
	o.tls, o.ptr = tls, ptr
	o.state.Store(stateFree)
	return nil
}

func (o *offline) enter() error {
	if o.state.CompareAndSwap(stateFree, stateEntered) {
		return nil
	}
	if o.state.Load() == stateClosed {
		return ErrHandleClosed
	}
	return ErrConcurrentUse
}

// leave opens it for the next call, unless it was freed in this one.
func (o *offline) leave() { o.state.CompareAndSwap(stateEntered, stateFree) }

// free ends it.
func (o *offline) free(free func(tls *libc.TLS, ptr uintptr)) {
	free(o.tls, o.ptr)
	o.tls.Close()
	o.tls, o.ptr = nil, 0
	o.state.Store(stateClosed)
}

// call runs f and returns its error, or that of the streams.
func (o *offline) call(op string, f func() int32, all ...*stream) error {
	rc := f()
	return cmp.Or(streamError(op, all...), offlineError(o.tls, op, rc))
}

func offlineError(tls *libc.TLS, op string, rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	return newError(op, "", ResultCode(rc), libc.GoString(sqlite3.Xsqlite3_errstr(tls, rc)))
}
