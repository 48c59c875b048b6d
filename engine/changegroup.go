package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// InvertChangeset writes the changeset that undoes the one that r has. A patchset cannot be inverted: the error is one
// with [Corrupt].
//
// https://sqlite.org/session/sqlite3changeset_invert.html
func InvertChangeset(w io.Writer, r io.Reader) error {
	const op = "invert changeset"
	return once(op, func(tls *libc.TLS, in, out *stream) int32 {
		return sqlite3.Xsqlite3changeset_invert_strm(tls, streamInput, in.handle, streamOutput, out.handle)
	}, w, r)
}

// ConcatChangesets writes the changeset that does what those in the readers do, one after the other, with one change at
// most for each row. All of them must be changesets, or all patchsets, otherwise the error is one with [Generic]; tables of
// the same name must have the same columns, otherwise it is [Schema].
//
// https://sqlite.org/session/sqlite3changeset_concat.html
func ConcatChangesets(w io.Writer, readers ...io.Reader) (err error) {
	g, err := NewChangegroup()
	if err != nil {
		return err
	}
	defer func() {
		if e := g.Close(); err == nil {
			err = e
		}
	}()
	for i, r := range readers {
		if err := g.Add(r); err != nil {
			return fmt.Errorf("changeset %d: %w", i, err)
		}
	}
	_, err = g.WriteTo(w)
	return err
}

// once makes a call from one stream to another that needs no object of SQLite's.
func once(op string, call func(tls *libc.TLS, in, out *stream) int32, w io.Writer, r io.Reader) error {
	if err := initialize(); err != nil {
		return err
	}
	tls := libc.NewTLS()
	defer tls.Close()
	in, out := newInput(nil, r), newOutput(nil, w)
	defer in.close()
	defer out.close()
	rc := call(tls, in, out)
	if err := streamError(op, in, out); err != nil {
		return err
	}
	return offlineError(tls, op, rc)
}

// Changegroup combines changesets, or patchsets, to one. One goroutine at a time may use it, and it must be closed.
//
// https://sqlite.org/session/changegroup.html
type Changegroup struct {
	offline
	schema atomic.Pointer[Conn] // whose guard is that of the group too; nil without one
}

// NewChangegroup makes an empty group.
//
// https://sqlite.org/session/sqlite3changegroup_new.html
func NewChangegroup() (*Changegroup, error) {
	g := &Changegroup{}
	if err := g.open("changegroup", sqlite3.Xsqlite3changegroup_new); err != nil {
		return nil, err
	}
	return g, nil
}

// enter claims the group for one call. With a schema it claims its connection instead, which SQLite keeps statements on.
func (g *Changegroup) enter() (leave func(), err error) {
	if g.schema.Load() == nil {
		if err := g.offline.enter(); err != nil {
			return nil, err
		}
		if g.schema.Load() == nil {
			return g.offline.leave, nil
		}
		g.offline.leave()
	}
	c := g.schema.Load()
	if err := c.enter(); err != nil {
		return nil, fmt.Errorf("changegroup: schema: %w", err)
	}
	if g.ptr == 0 {
		c.leave()
		return nil, ErrHandleClosed
	}
	return c.leave, nil
}

// SetSchema makes the group look up the definitions of tables in the database named schema ("" is "main") of a
// connection, so that changesets can be combined which were made before and after columns were added. It has to be called
// before the first Add, once: otherwise the error is one with [Misuse]. From there on the group belongs to the connection,
// as a statement does: each call enters it, and it is closed with it.
//
// https://sqlite.org/session/sqlite3changegroup_schema.html
func (g *Changegroup) SetSchema(c *Conn, schema string) error {
	const op = "changegroup: schema"
	if g.schema.Load() != nil {
		return newError(op, "", Misuse, "the group has one")
	}
	if err := g.offline.enter(); err != nil {
		return err
	}
	defer g.offline.leave()
	if err := c.enter(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer c.leave()
	names, err := c.cStrings(op, schemaOr(schema))
	if err != nil {
		return err
	}
	if !c.hasSchema(names[0]) {
		return newError(op, "", NotFound, "no such database")
	}
	if rc := sqlite3.Xsqlite3changegroup_schema(g.tls, g.ptr, c.db, names[0]); rc != sqlite3.SQLITE_OK {
		return offlineError(g.tls, op, rc)
	}
	g.schema.Store(c)
	c.own(g)
	return nil
}

// Add adds the changes of a changeset, as if they came after those that the group has. After an error the group may have
// some of them.
//
// https://sqlite.org/session/sqlite3changegroup_add.html
func (g *Changegroup) Add(r io.Reader) error {
	leave, err := g.enter()
	if err != nil {
		return err
	}
	defer leave()
	in := newInput(g.schema.Load(), r)
	defer in.close()
	return g.call("changegroup: add", func() int32 {
		return sqlite3.Xsqlite3changegroup_add_strm(g.tls, g.ptr, streamInput, in.handle)
	}, in)
}

// AddChange adds one change, which may come from [ReadChangeset] or be made by hand. One that cannot be a change is an
// error with [Misuse] or [Mismatch].
//
// https://sqlite.org/session/sqlite3changegroup_add_change.html
func (g *Changegroup) AddChange(change *Change) error {
	encoded, err := appendChange(nil, change)
	if err != nil {
		return err
	}
	return g.Add(bytes.NewReader(encoded))
}

// WriteTo writes the combined changeset. The group stays as it is.
//
// https://sqlite.org/session/sqlite3changegroup_output.html
func (g *Changegroup) WriteTo(w io.Writer) (int64, error) {
	leave, err := g.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	counted := &countingWriter{w: w}
	out := newOutput(g.schema.Load(), counted)
	defer out.close()
	err = g.call("changegroup: write", func() int32 {
		return sqlite3.Xsqlite3changegroup_output_strm(g.tls, g.ptr, streamOutput, out.handle)
	}, out)
	return counted.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Close frees the group. Closing a closed one does nothing and returns nil, and so does closing a nil one.
//
// https://sqlite.org/session/sqlite3changegroup_delete.html
func (g *Changegroup) Close() error {
	if g == nil {
		return nil
	}
	leave, err := g.enter()
	switch {
	case errors.Is(err, ErrClosed) || err == ErrHandleClosed:
		return nil
	case err != nil:
		return err
	}
	defer leave()
	if c := g.schema.Load(); c != nil {
		c.disown(g)
	}
	g.discard()
	return nil
}

func (g *Changegroup) discard() { g.free(sqlite3.Xsqlite3changegroup_delete) }

// Rebaser adjusts changesets that were made on top of local changes, after remote ones were applied which conflicted with
// these: so that the next one can apply them without the same conflicts. One goroutine at a time may use it, and it must
// be closed.
//
// https://sqlite.org/session/rebaser.html
type Rebaser struct {
	offline
	broken error // why it cannot be used: SQLite left it half configured, and would divide by zero
}

// NewRebaser makes a rebaser that knows of no conflicts yet.
//
// https://sqlite.org/session/sqlite3rebaser_create.html
func NewRebaser() (*Rebaser, error) {
	r := &Rebaser{}
	if err := r.open("rebaser", sqlite3.Xsqlite3rebaser_create); err != nil {
		return nil, err
	}
	return r, nil
}

// Configure adds what [Conn.ApplyChangeset] returned about the conflicts of a remote changeset. Those of several
// changesets are added in the order in which they were applied. After an error the rebaser has to be given up: every
// call returns that error.
//
// https://sqlite.org/session/sqlite3rebaser_configure.html
func (r *Rebaser) Configure(rebase []byte) error {
	const op = "rebaser: configure"
	if err := checkChangeset(op, rebase); err != nil {
		return err
	}
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	if r.broken != nil {
		return r.broken
	}
	p := sqlite3.Xsqlite3_malloc64(r.tls, sqlite3.Tsqlite3_uint64(max(len(rebase), 1)))
	if p == 0 {
		return offlineError(r.tls, op, sqlite3.SQLITE_NOMEM)
	}
	defer sqlite3.Xsqlite3_free(r.tls, p)
	copy(bytesAt(p, len(rebase)), rebase)
	r.broken = offlineError(r.tls, op, sqlite3.Xsqlite3rebaser_configure(r.tls, r.ptr, int32(len(rebase)), p))
	return r.broken
}

// checkChangeset is an error for bytes that are no changeset.
func checkChangeset(op string, raw []byte) error {
	if len(raw) > math.MaxInt32 {
		return newError(op, "", TooBig, fmt.Sprintf("%d bytes", len(raw)))
	}
	p := newChangesetParser(bytes.NewReader(raw))
	for {
		switch err := p.next(); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return fmt.Errorf("%s: %w", op, err)
		}
	}
}

// Rebase writes the changeset that in has as it has to be after the conflicts that the rebaser knows of.
//
// https://sqlite.org/session/sqlite3rebaser_rebase.html
func (r *Rebaser) Rebase(w io.Writer, in io.Reader) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.leave()
	if r.broken != nil {
		return r.broken
	}
	input, output := newInput(nil, in), newOutput(nil, w)
	defer input.close()
	defer output.close()
	return r.call("rebaser: rebase", func() int32 {
		return sqlite3.Xsqlite3rebaser_rebase_strm(r.tls, r.ptr, streamInput, input.handle, streamOutput, output.handle)
	}, input, output)
}

// Close frees the rebaser. Closing a closed one does nothing and returns nil, and so does closing a nil one.
//
// https://sqlite.org/session/sqlite3rebaser_delete.html
func (r *Rebaser) Close() error {
	if r == nil {
		return nil
	}
	if err := r.enter(); err != nil {
		if err == ErrHandleClosed {
			return nil
		}
		return err
	}
	defer r.leave()
	r.free(sqlite3.Xsqlite3rebaser_delete)
	return nil
}
