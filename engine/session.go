package engine

import (
	"bytes"
	"context"
	"io"
	"strconv"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Session records what changes in the tables of a database, to give it out as a changeset or patchset, which
// [Conn.ApplyChangeset] applies to another one. It sees what its own connection does, and only tables with a PRIMARY KEY,
// unless [SessionOptions] say otherwise. It notes the row before its first change; what the row is in the end is read
// when the changeset is made. Changes that cancel each other out leave nothing.
//
// It belongs to its [Conn] and to the same goroutine, and should be closed when it is no longer needed: each write
// of the connection costs more until then.
//
// https://sqlite.org/sessionintro.html
type Session struct {
	resource
	op     string
	handle uintptr // how the table filter finds it; 0 without one
	filter func(table string) bool
	wanted bool // what the filter said last
}

// sessions finds the session of a table filter.
var sessions handles[Session]

var sessionFilter = cFunc(onSessionFilter)

// SessionOptions are what has to be known before a session sees a table.
//
// https://sqlite.org/session/c_session_objconfig_rowid.html
type SessionOptions struct {
	// RowIDs records tables without a PRIMARY KEY too, with the rowid in its place, as a first column. Such changes
	// can be applied to a table of the same kind.
	RowIDs bool

	// TrackSize makes [Session.ChangesetSize] work.
	TrackSize bool
}

// NewSession makes a session for the database named schema ("" is "main"). It records nothing before tables are
// attached to it.
//
// https://sqlite.org/session/sqlite3session_create.html
func (c *Conn) NewSession(schema string, options SessionOptions) (*Session, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	op := "session of " + schemaOr(schema)
	names, err := c.cStrings(op, schemaOr(schema))
	if err != nil {
		return nil, err
	}
	if !c.hasSchema(names[0]) && schema != "temp" {
		return nil, newError(op, "", NotFound, "no such database")
	}
	var rc int32
	c.withoutPreUpdateHook(func() {
		rc = sqlite3.Xsqlite3session_create(c.tls, c.db, names[0], c.slot(0))
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, c.lastError(op, "", rc)
	}
	s := &Session{resource: resource{c: c, ptr: c.slotPointer(0)}, op: op}
	c.own(s)
	// A DELETE of all rows that was compiled without a session would not tell it.
	c.expireStatements()
	s.configure(sqlite3.SQLITE_SESSION_OBJCONFIG_ROWID, options.RowIDs)
	s.configure(sqlite3.SQLITE_SESSION_OBJCONFIG_SIZE, options.TrackSize)
	return s, nil
}

func (s *Session) configure(option int32, on bool) {
	if on {
		arg := s.c.slot(0)
		*(*int32)(pointer(arg)) = 1
		sqlite3.Xsqlite3session_object_config(s.c.tls, s.ptr, option, arg)
	}
}

// Attach makes the session record the changes of a table from here on, which need not exist yet. "" stands for all
// tables, those that are made later too, as far as the filter wants them.
//
// https://sqlite.org/session/sqlite3session_attach.html
func (s *Session) Attach(table string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	var name uintptr
	if table != "" {
		names, err := s.c.cStrings(s.op, table)
		if err != nil {
			return err
		}
		name = names[0]
	}
	if rc := sqlite3.Xsqlite3session_attach(s.c.tls, s.ptr, name); rc != sqlite3.SQLITE_OK {
		return s.c.lastError(s.op, "", rc)
	}
	return nil
}

// SetTableFilter sets the function that decides, for a session which all tables are attached to, whether a table is
// recorded. It is asked once for each, before the first change. If it panics the error is that of the statement, and
// the table is not recorded. nil removes it.
//
// https://sqlite.org/session/sqlite3session_table_filter.html
func (s *Session) SetTableFilter(want func(table string) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	s.removeFilter()
	if want == nil {
		sqlite3.Xsqlite3session_table_filter(s.c.tls, s.ptr, 0, 0)
		return nil
	}
	s.filter = want
	s.handle = sessions.add(s)
	sqlite3.Xsqlite3session_table_filter(s.c.tls, s.ptr, sessionFilter, s.handle)
	return nil
}

func (s *Session) removeFilter() {
	if s.handle != 0 {
		sessions.remove(s.handle)
		s.handle, s.filter = 0, nil
	}
}

func onSessionFilter(_ *libc.TLS, handle, table uintptr) int32 {
	s := sessions.get(handle)
	if s == nil {
		return 0
	}
	s.wanted = false
	s.c.callGo(func() error {
		s.wanted = s.filter(libc.GoString(table))
		return nil
	})
	if s.wanted {
		return 1
	}
	return 0
}

// SetEnabled says whether the session records. A new one does. What happens meanwhile to a row that was recorded before
// still shows in the changeset.
//
// https://sqlite.org/session/sqlite3session_enable.html
func (s *Session) SetEnabled(on bool) error {
	return s.toggle(on, sqlite3.Xsqlite3session_enable)
}

// Enabled reports whether the session records.
//
// https://sqlite.org/session/sqlite3session_enable.html
func (s *Session) Enabled() bool { return s.ask(sqlite3.Xsqlite3session_enable) }

// SetIndirect says whether changes from here on are marked as indirect, as those of triggers and foreign key actions
// always are.
//
// https://sqlite.org/session/sqlite3session_indirect.html
func (s *Session) SetIndirect(on bool) error {
	return s.toggle(on, sqlite3.Xsqlite3session_indirect)
}

// Indirect reports whether changes are marked as indirect.
//
// https://sqlite.org/session/sqlite3session_indirect.html
func (s *Session) Indirect() bool { return s.ask(sqlite3.Xsqlite3session_indirect) }

func (s *Session) toggle(on bool, set func(*libc.TLS, uintptr, int32) int32) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	var v int32
	if on {
		v = 1
	}
	set(s.c.tls, s.ptr, v)
	return nil
}

func (s *Session) ask(set func(*libc.TLS, uintptr, int32) int32) bool {
	if s.enter() != nil {
		return false
	}
	defer s.c.leave()
	return set(s.c.tls, s.ptr, -1) != 0
}

// IsEmpty reports whether nothing was recorded. What was recorded and then undone is not nothing, although it leaves the
// changeset empty.
//
// https://sqlite.org/session/sqlite3session_isempty.html
func (s *Session) IsEmpty() bool {
	if s.enter() != nil {
		return true
	}
	defer s.c.leave()
	return sqlite3.Xsqlite3session_isempty(s.c.tls, s.ptr) != 0
}

// MemoryUsed returns how much memory the session takes, in bytes.
//
// https://sqlite.org/session/sqlite3session_memory_used.html
func (s *Session) MemoryUsed() int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.c.leave()
	return int64(sqlite3.Xsqlite3session_memory_used(s.c.tls, s.ptr))
}

// ChangesetSize returns an upper bound for the size of the changeset, in bytes. It is 0 for a session that was not made
// with TrackSize.
//
// https://sqlite.org/session/sqlite3session_changeset_size.html
func (s *Session) ChangesetSize() int64 {
	if s.enter() != nil {
		return 0
	}
	defer s.c.leave()
	return int64(sqlite3.Xsqlite3session_changeset_size(s.c.tls, s.ptr))
}

// Changeset returns what was recorded, with the old and the new values. The session goes on recording: a later
// changeset has everything again.
//
// https://sqlite.org/session/sqlite3session_changeset.html
func (s *Session) Changeset(ctx context.Context) ([]byte, error) {
	return collect(func(w io.Writer) error { return s.WriteChangeset(ctx, w) })
}

// Patchset returns what was recorded, without the old values: it is smaller than a changeset, but cannot be inverted, and
// sees less conflicts.
//
// https://sqlite.org/session/sqlite3session_patchset.html
func (s *Session) Patchset(ctx context.Context) ([]byte, error) {
	return collect(func(w io.Writer) error { return s.WritePatchset(ctx, w) })
}

func collect(write func(io.Writer) error) ([]byte, error) {
	b := bytes.NewBuffer([]byte{})
	if err := write(b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteChangeset is [Session.Changeset] to a writer. w must not use the connection; an error of it is found with
// [errors.Is] in the one that is returned.
//
// https://sqlite.org/session/sqlite3changegroup_add_strm.html
func (s *Session) WriteChangeset(ctx context.Context, w io.Writer) error {
	return s.write(ctx, w, sqlite3.Xsqlite3session_changeset_strm)
}

// WritePatchset is [Session.Patchset] to a writer, as by [Session.WriteChangeset].
//
// https://sqlite.org/session/sqlite3changegroup_add_strm.html
func (s *Session) WritePatchset(ctx context.Context, w io.Writer) error {
	return s.write(ctx, w, sqlite3.Xsqlite3session_patchset_strm)
}

func (s *Session) write(
	ctx context.Context, w io.Writer, give func(tls *libc.TLS, session, output, handle uintptr) int32,
) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	out := newOutput(s.c, w)
	defer out.close()
	return s.c.streaming(ctx, s.op, func() int32 {
		return give(s.c.tls, s.ptr, streamOutput, out.handle)
	}, out)
}

// streaming makes a call that carries streams, under a context.
func (c *Conn) streaming(ctx context.Context, op string, call func() int32, all ...*stream) error {
	_, err := c.under(ctx, op, call)
	if streamErr := streamError(op, all...); streamErr != nil {
		return streamErr
	}
	return err
}

// Diff records what would have to be done to a table of the same definition in the database named from, to make it like
// the one of the session: as if it had been done while the session was recording. The table is attached to the session.
//
// https://sqlite.org/session/sqlite3session_diff.html
func (s *Session) Diff(ctx context.Context, from, table string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.c.leave()
	op := "diff " + strconv.Quote(table)
	names, err := s.c.cStrings(op, schemaOr(from), table)
	if err != nil {
		return err
	}
	message := s.c.slot(0)
	rc, err := s.c.under(ctx, op, func() int32 {
		return sqlite3.Xsqlite3session_diff(s.c.tls, s.ptr, names[0], names[1], message)
	})
	if text := s.c.slotPointer(0); text != 0 {
		if e, ok := err.(*Error); ok && e.cause == nil {
			err = newError(op, "", ResultCode(rc), libc.GoString(text))
		}
		sqlite3.Xsqlite3_free(s.c.tls, text)
	}
	return err
}

// Close ends the recording and frees what was recorded. Closing a closed session does nothing and returns nil, and so
// does closing a nil one.
//
// https://sqlite.org/session/sqlite3session_delete.html
func (s *Session) Close() error {
	if s == nil {
		return nil
	}
	open, err := s.enterClose()
	if !open {
		return err
	}
	defer s.c.leave()
	s.c.disown(s)
	s.discard()
	return nil
}

func (s *Session) discard() {
	s.c.withoutPreUpdateHook(func() { sqlite3.Xsqlite3session_delete(s.c.tls, s.ptr) })
	s.ptr = 0
	s.removeFilter()
}
