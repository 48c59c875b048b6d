package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/floedb/floe/hooks"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// ConflictKind says why a change could not be applied.
//
// https://sqlite.org/session/c_changeset_conflict.html
type ConflictKind int32

// The kinds of a conflict.
const (
	ConflictData       ConflictKind = sqlite3.SQLITE_CHANGESET_DATA        // the row to update or delete has other values
	ConflictNotFound   ConflictKind = sqlite3.SQLITE_CHANGESET_NOTFOUND    // the row to update or delete is not there
	ConflictConflict   ConflictKind = sqlite3.SQLITE_CHANGESET_CONFLICT    // a row with the primary key to insert is there
	ConflictConstraint ConflictKind = sqlite3.SQLITE_CHANGESET_CONSTRAINT  // the change violates a constraint
	ConflictForeignKey ConflictKind = sqlite3.SQLITE_CHANGESET_FOREIGN_KEY // all changes together violate foreign keys
)

// String returns the name of the kind.
func (k ConflictKind) String() string {
	switch k {
	case ConflictData:
		return "DATA"
	case ConflictNotFound:
		return "NOTFOUND"
	case ConflictConflict:
		return "CONFLICT"
	case ConflictConstraint:
		return "CONSTRAINT"
	case ConflictForeignKey:
		return "FOREIGN_KEY"
	}
	return fmt.Sprintf("ConflictKind(%d)", int32(k))
}

// ConflictAction says what to do about a conflict.
//
// https://sqlite.org/session/c_changeset_abort.html
type ConflictAction int32

// The actions.
const (
	ConflictOmit    ConflictAction = sqlite3.SQLITE_CHANGESET_OMIT    // leave this change out
	ConflictReplace ConflictAction = sqlite3.SQLITE_CHANGESET_REPLACE // overwrite: for ConflictData and ConflictConflict alone
	ConflictAbort   ConflictAction = sqlite3.SQLITE_CHANGESET_ABORT   // roll everything back
)

// Conflict is a change that could not be applied. It is lent to the function that decides about it, and must not be used
// after that.
//
// https://sqlite.org/session/sqlite3changeset_apply.html
type Conflict struct {
	Kind ConflictKind

	// Of a ConflictForeignKey, which is about all changes together, these are not known.
	Table      string
	Op         hooks.Op
	Indirect   bool
	PrimaryKey []bool // by column

	c    *Conn
	iter uintptr // sqlite3_changeset_iter*; 0 when it is over
}

// Old returns the value of a column before the change, as the changeset has it. It is NULL where there is none: for an
// INSERT, and for a column that an UPDATE leaves as it is.
//
// https://sqlite.org/session/sqlite3changeset_old.html
func (k *Conflict) Old(column int) Value {
	if k.Op == hooks.Insert {
		return Value{}
	}
	return k.value(column, sqlite3.Xsqlite3changeset_old)
}

// New returns the value of a column after the change. It is NULL where there is none: for a DELETE, and for a column that
// an UPDATE leaves as it is.
//
// https://sqlite.org/session/sqlite3changeset_new.html
func (k *Conflict) New(column int) Value {
	if k.Op == hooks.Delete {
		return Value{}
	}
	return k.value(column, sqlite3.Xsqlite3changeset_new)
}

// Existing returns the value of a column in the row of the database that the change conflicts with, for a ConflictData
// or ConflictConflict. For others it is NULL.
//
// https://sqlite.org/session/sqlite3changeset_conflict.html
func (k *Conflict) Existing(column int) Value {
	if k.Kind != ConflictData && k.Kind != ConflictConflict {
		return Value{}
	}
	return k.value(column, sqlite3.Xsqlite3changeset_conflict)
}

func (k *Conflict) value(column int, get func(tls *libc.TLS, iter uintptr, column int32, value uintptr) int32) Value {
	if k.iter == 0 || column < 0 || column >= len(k.PrimaryKey) {
		return Value{}
	}
	tls := k.c.tls
	out := tls.Alloc(8)
	defer tls.Free(8)
	if get(tls, k.iter, int32(column), out) != sqlite3.SQLITE_OK {
		return Value{}
	}
	return Value{tls: tls, ptr: *(*uintptr)(pointer(out))}
}

// ForeignKeyConflicts returns how many foreign keys are violated, for a ConflictForeignKey. SQLite counts no further
// than 1 there.
//
// https://sqlite.org/session/sqlite3changeset_fk_conflicts.html
func (k *Conflict) ForeignKeyConflicts() int {
	if k.iter == 0 || k.Kind != ConflictForeignKey {
		return 0
	}
	tls := k.c.tls
	out := tls.Alloc(8)
	defer tls.Free(8)
	*(*int64)(pointer(out)) = 0
	sqlite3.Xsqlite3changeset_fk_conflicts(tls, k.iter, out)
	return int(*(*int32)(pointer(out)))
}

// ApplyFlags change how a changeset is applied. The values are SQLite's.
//
// https://sqlite.org/session/c_changesetapply_fknoaction.html
type ApplyFlags int32

// The flags. Others are an error.
const (
	ApplyNoSavepoint  ApplyFlags = sqlite3.SQLITE_CHANGESETAPPLY_NOSAVEPOINT  // what was applied before an error stays
	ApplyInvert       ApplyFlags = sqlite3.SQLITE_CHANGESETAPPLY_INVERT       // undo the changes; not for a patchset
	ApplyIgnoreNoOp   ApplyFlags = sqlite3.SQLITE_CHANGESETAPPLY_IGNORENOOP   // what has been done already is no conflict
	ApplyFKNoAction   ApplyFlags = sqlite3.SQLITE_CHANGESETAPPLY_FKNOACTION   // foreign keys as if they were NO ACTION
	ApplyNoUpdateLoop ApplyFlags = sqlite3.SQLITE_CHANGESETAPPLY_NOUPDATELOOP // no second try of updates that hinder each other
	knownApplyFlags              = ApplyNoSavepoint | ApplyInvert | ApplyIgnoreNoOp | ApplyFKNoAction | ApplyNoUpdateLoop
)

// ApplyOptions says how [Conn.ApplyChangeset] goes about it. The zero value applies everything, and rolls it back at the
// first conflict.
//
// https://sqlite.org/session/sqlite3changeset_apply.html
type ApplyOptions struct {
	// Conflict decides about each conflict; without it each one is ConflictAbort. ConflictReplace for a kind that it is not
	// meant for is an error with [Misuse]. An error, or a panic, rolls everything back and is the cause of the error.
	Conflict func(*Conflict) (ConflictAction, error)

	// Table decides whether the changes of a table are applied. It is asked for each table in the changeset.
	Table func(table string) (bool, error)

	// Filter decides about a single change.
	Filter func(*Change) (bool, error)

	Flags ApplyFlags
}

// ApplyChangeset applies a changeset or patchset to the main database. Either all of it is applied, but for what
// is filtered out or omitted, or nothing. The conflicts are resolved by the options.
//
// Tables that the database does not have are left out without an error, as are those with less columns or with another
// primary key.
//
// The first result are the decisions that the conflicts were resolved with, for [Rebaser.Configure]; it is empty if
// there were none.
//
// The changes are read from r as they come; r must not use the connection, and neither must the functions of the
// options. A changeset that is malformed is an error with [Corrupt]. The context covers the wait for locks and the work.
//
// https://sqlite.org/session/sqlite3changeset_apply.html
func (c *Conn) ApplyChangeset(ctx context.Context, r io.Reader, options ApplyOptions) (rebase []byte, err error) {
	if unknown := options.Flags &^ knownApplyFlags; unknown != 0 {
		return nil, newError("apply changeset", "", Misuse, fmt.Sprintf("unknown flags %#x", int32(unknown)))
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	a := &applier{c: c, options: options}
	handle := appliers.add(a)
	defer appliers.remove(handle)
	in := newFilteredInput(c, r, options.keep())
	defer in.close()
	data, size := c.slot(0), c.slot(1)
	err = c.streaming(ctx, "apply changeset", func() int32 {
		return sqlite3.Xsqlite3changeset_apply_v2_strm(c.tls, c.db, streamInput, in.handle, 0, conflictCallback, handle,
			data, size, int32(options.Flags))
	}, in)
	p := c.slotPointer(0)
	defer sqlite3.Xsqlite3_free(c.tls, p)
	if err != nil {
		return nil, err
	}
	return append([]byte{}, bytesAt(p, int(c.slotInt32(1)))...), nil
}

// keep returns the function that decides which elements of a changeset SQLite is given, nil if that is all of them.
func (o ApplyOptions) keep() func(*changesetParser) (bool, error) {
	if o.Table == nil && o.Filter == nil {
		return nil
	}
	wanted := true
	return func(p *changesetParser) (_ bool, err error) {
		if p.op == 0 {
			wanted = true
			if o.Table != nil {
				wanted, err = o.Table(p.table)
			}
			return wanted, err
		}
		if !wanted || o.Filter == nil {
			return wanted, nil
		}
		return o.Filter(p.change())
	}
}

// applier is a changeset that is being applied.
type applier struct {
	c       *Conn
	options ApplyOptions
}

// appliers finds the applier of a callback.
var appliers handles[applier]

var conflictCallback = cFunc(onConflict)

func onConflict(tls *libc.TLS, handle uintptr, kind int32, iter uintptr) int32 {
	a := appliers.get(handle)
	if a == nil || a.options.Conflict == nil || a.c.failure != nil {
		return int32(ConflictAbort)
	}
	k := newConflict(a.c, ConflictKind(kind), iter)
	action := ConflictAbort
	a.c.callGo(func() (err error) {
		defer func() { k.iter = 0 }()
		action, err = a.options.Conflict(k)
		return err
	})
	if a.c.failure != nil {
		return int32(ConflictAbort)
	}
	return int32(action)
}

func newConflict(c *Conn, kind ConflictKind, iter uintptr) *Conflict {
	k := &Conflict{Kind: kind, c: c, iter: iter}
	if kind == ConflictForeignKey {
		return k
	}
	tls := c.tls
	out := tls.Alloc(32)
	defer tls.Free(32)
	clear(bytesAt(out, 32))
	table, columns, op, indirect := out, out+8, out+16, out+24
	sqlite3.Xsqlite3changeset_op(tls, iter, table, columns, op, indirect)
	k.Table = libc.GoString(*(*uintptr)(pointer(table)))
	k.Op = hooks.Op(*(*int32)(pointer(op)))
	k.Indirect = *(*int32)(pointer(indirect)) != 0
	sqlite3.Xsqlite3changeset_pk(tls, iter, table, columns)
	k.PrimaryKey = make([]bool, *(*int32)(pointer(columns)))
	for i, pk := range bytesAt(*(*uintptr)(pointer(table)), len(k.PrimaryKey)) {
		k.PrimaryKey[i] = pk != 0
	}
	return k
}
