package engine

import (
	"io"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// vtable is a table on one connection. SQLite's side of it carries its number.
type vtable struct {
	c     *Conn
	table Table
	ptr   uintptr // *vtableMemory
	plans plans
	args  []Value // of the running update

	savepoints int // how many there are in the running transaction
	overloads  map[overload]overloaded
}

// vcursor is a cursor of a table.
type vcursor struct {
	t      *vtable
	cursor Cursor
	eof    bool
	ctx    FuncContext
	args   []Value // of the running Filter
}

// vtableMemory is SQLite's side of a table, and behind that what is our own.
type vtableMemory struct {
	base   sqlite3.Tsqlite3_vtab
	handle uintptr
}

// vcursorMemory is SQLite's side of a cursor, and behind that what is our own.
type vcursorMemory struct {
	base   sqlite3.Tsqlite3_vtab_cursor
	handle uintptr
}

// vtables and vcursors find the Go side of what SQLite has.
var (
	vtables  handles[vtable]
	vcursors handles[vcursor]
)

var (
	vtabCreate     = cFunc(onVtabCreate)
	vtabConnect    = cFunc(onVtabConnect)
	vtabBestIndex  = cFunc(onVtabBestIndex)
	vtabDisconnect = cFunc(onVtabDisconnect)
	vtabOpen       = cFunc(onVtabOpen)
	vtabClose      = cFunc(onVtabClose)
	vtabFilter     = cFunc(onVtabFilter)
	vtabNext       = cFunc(onVtabNext)
	vtabEOF        = cFunc(onVtabEOF)
	vtabColumn     = cFunc(onVtabColumn)
	vtabRowID      = cFunc(onVtabRowID)
)

func vtableAt(p uintptr) *vtable   { return vtables.get((*vtableMemory)(pointer(p)).handle) }
func vcursorAt(p uintptr) *vcursor { return vcursors.get((*vcursorMemory)(pointer(p)).handle) }

// mallocString copies text into memory of SQLite's, with a NUL behind it. The result is 0 if there is none.
func mallocString(tls *libc.TLS, text string) uintptr {
	p := sqlite3.Xsqlite3_malloc64(tls, sqlite3.Tsqlite3_uint64(len(text)+1))
	if p != 0 {
		b := bytesAt(p, len(text)+1)
		copy(b, text)
		b[len(text)] = 0
	}
	return p
}

// raise notes err as the error that SQLite will be told of, as FuncContext.fail does, and returns its code and text.
func (c *Conn) raise(err error) (ResultCode, string) {
	code, msg := raisedCode(err), untilNUL(errorText(err))
	c.raised = raised{err: err, code: code, msg: msg}
	return code, msg
}

// closeQuietly ends what has a Close method. Goexit in it costs the connection, as in any other callback.
func (c *Conn) closeQuietly(v any) {
	closer, ok := v.(io.Closer)
	if !ok {
		return
	}
	returned := false
	defer func() {
		if !returned {
			_ = c.ended(recover())
		}
	}()
	_ = closer.Close()
	returned = true
}

// guard ends a call of Go code that did not return. It has to be deferred by itself: it recovers.
func (t *vtable) guard(returned *bool, rc *int32) {
	if !*returned {
		*rc = t.fail(t.c.ended(recover()))
	}
}

// fail gives an error to SQLite in a call after which SQLite reads the text that the table has for it.
func (t *vtable) fail(err error) int32 {
	if err == nil {
		return sqlite3.SQLITE_OK
	}
	code, msg := t.c.raise(err)
	m := (*vtableMemory)(pointer(t.ptr))
	sqlite3.Xsqlite3_free(t.c.tls, m.base.FzErrMsg)
	m.base.FzErrMsg = mallocString(t.c.tls, msg)
	return int32(code)
}

func onVtabCreate(_ *libc.TLS, _, handle uintptr, argc int32, argv, table, errText uintptr) int32 {
	m := modules.get(handle)
	if m == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	if m.create == nil {
		return m.makeTable(m.connect, argc, argv, table, errText)
	}
	return m.makeTable(m.create, argc, argv, table, errText)
}

func onVtabConnect(_ *libc.TLS, _, handle uintptr, argc int32, argv, table, errText uintptr) int32 {
	m := modules.get(handle)
	if m == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	return m.makeTable(m.connect, argc, argv, table, errText)
}

func (m *module) makeTable(connect connectFunc, argc int32, argv, table, errText uintptr) int32 {
	t, schema, err := m.connectTable(connect, argc, argv)
	if err == nil {
		if err = m.declare(schema); err != nil {
			m.c.closeQuietly(t)
		}
	}
	if err == nil {
		if p := m.c.newVtable(t); p != 0 {
			*(*uintptr)(pointer(table)) = p
			return sqlite3.SQLITE_OK
		}
		m.c.closeQuietly(t)
		return sqlite3.SQLITE_NOMEM
	}
	code, msg := m.c.raise(err)
	*(*uintptr)(pointer(errText)) = mallocString(m.c.tls, msg)
	return int32(code)
}

// connectTable calls the module's Go code.
func (m *module) connectTable(connect connectFunc, argc int32, argv uintptr) (t Table, schema string, err error) {
	texts := structsAt[uintptr](argv, argc)
	args := &TableArgs{
		Module:   libc.GoString(texts[0]),
		Database: libc.GoString(texts[1]),
		Table:    libc.GoString(texts[2]),
	}
	for _, p := range texts[3:] {
		args.Args = append(args.Args, libc.GoString(p))
	}
	returned := false
	defer func() {
		if !returned {
			err = m.c.ended(recover())
		}
	}()
	t, schema, err = connect(args)
	returned = true
	if err == nil && t == nil {
		err = newError("connect", "", Misuse, "the module returned no table")
	}
	return t, schema, err
}

// declare tells SQLite of the table's columns, and of the flags of its module.
func (m *module) declare(schema string) error {
	if len(untilNUL(schema)) < len(schema) {
		return newError("declare table", schema, Misuse, "the schema has a NUL byte inside")
	}
	text := mallocString(m.c.tls, schema)
	if text == 0 {
		return NoMem
	}
	defer sqlite3.Xsqlite3_free(m.c.tls, text)
	if rc := sqlite3.Xsqlite3_declare_vtab(m.c.tls, m.c.db, text); rc != sqlite3.SQLITE_OK {
		return m.c.lastError("declare table", schema, rc)
	}
	m.configure(ModuleConstraints, sqlite3.SQLITE_VTAB_CONSTRAINT_SUPPORT)
	m.configure(ModuleDirectOnly, sqlite3.SQLITE_VTAB_DIRECTONLY)
	m.configure(ModuleInnocuous, sqlite3.SQLITE_VTAB_INNOCUOUS)
	m.configure(ModuleAllSchemas, sqlite3.SQLITE_VTAB_USES_ALL_SCHEMAS)
	return nil
}

func (m *module) configure(flag ModuleFlags, option int32) {
	if m.flags&flag == 0 {
		return
	}
	on := libc.NewVaList(int32(1))
	defer libc.Xfree(m.c.tls, on)
	sqlite3.Xsqlite3_vtab_config(m.c.tls, m.c.db, option, on)
}

// newVtable makes SQLite's side of a table; 0 if there is no memory.
func (c *Conn) newVtable(table Table) uintptr {
	p := sqlite3.Xsqlite3_malloc64(c.tls, sqlite3.Tsqlite3_uint64(unsafe.Sizeof(vtableMemory{})))
	if p != 0 {
		handle := vtables.add(&vtable{c: c, table: table, ptr: p})
		*(*vtableMemory)(pointer(p)) = vtableMemory{handle: handle}
	}
	return p
}

func onVtabDisconnect(tls *libc.TLS, p uintptr) int32 {
	if t := vtableAt(p); t != nil {
		t.free()
	}
	return sqlite3.SQLITE_OK
}

// free ends a table, on both sides.
func (t *vtable) free() {
	m := (*vtableMemory)(pointer(t.ptr))
	vtables.remove(m.handle)
	t.freeOverloads()
	t.c.closeQuietly(t.table)
	sqlite3.Xsqlite3_free(t.c.tls, m.base.FzErrMsg)
	sqlite3.Xsqlite3_free(t.c.tls, t.ptr)
	t.ptr = 0
}

func onVtabBestIndex(_ *libc.TLS, p, info uintptr) int32 {
	t := vtableAt(p)
	if t == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	err := t.bestIndex(info)
	if isNoPlan(err) {
		return sqlite3.SQLITE_CONSTRAINT
	}
	if t.fail(err) == sqlite3.SQLITE_OK {
		return sqlite3.SQLITE_OK
	}
	// SQLite makes this code of all others, and Constraint would mean ErrNoPlan to it.
	t.c.raised.code = Generic
	return sqlite3.SQLITE_ERROR
}

func (t *vtable) bestIndex(ptr uintptr) (err error) {
	info := lendIndexInfo(t.c, ptr)
	returned := false
	defer func() {
		info.ptr = 0
		if !returned {
			err = t.c.ended(recover())
		}
	}()
	if err = t.table.BestIndex(info); err == nil {
		var plan int32
		if plan, err = t.plans.number(info.Plan); err == nil {
			err = info.answer(plan)
		}
	}
	returned = true
	return err
}

func onVtabOpen(_ *libc.TLS, p, cursor uintptr) int32 {
	t := vtableAt(p)
	if t == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	return t.open(cursor)
}

func (t *vtable) open(out uintptr) (rc int32) {
	returned := false
	defer t.guard(&returned, &rc)
	cursor, err := t.table.Open()
	returned = true
	if err == nil && cursor == nil {
		err = newError("open", "", Misuse, "the table returned no cursor")
	}
	if err != nil {
		return t.fail(err)
	}
	p := sqlite3.Xsqlite3_malloc64(t.c.tls, sqlite3.Tsqlite3_uint64(unsafe.Sizeof(vcursorMemory{})))
	if p == 0 {
		t.c.closeQuietly(cursor)
		return sqlite3.SQLITE_NOMEM
	}
	cu := &vcursor{t: t, cursor: cursor, eof: true}
	cu.ctx.c = t.c
	*(*vcursorMemory)(pointer(p)) = vcursorMemory{handle: vcursors.add(cu)}
	*(*uintptr)(pointer(out)) = p
	return sqlite3.SQLITE_OK
}

func onVtabClose(tls *libc.TLS, p uintptr) int32 {
	if cu := vcursors.remove((*vcursorMemory)(pointer(p)).handle); cu != nil {
		cu.t.c.closeQuietly(cu.cursor)
	}
	sqlite3.Xsqlite3_free(tls, p)
	return sqlite3.SQLITE_OK
}

func onVtabFilter(_ *libc.TLS, p uintptr, plan int32, _ uintptr, argc int32, argv uintptr) int32 {
	cu := vcursorAt(p)
	if cu == nil || uint(plan) >= uint(len(cu.t.plans.values)) {
		return sqlite3.SQLITE_INTERNAL
	}
	cu.args = lendValues(cu.t.c, cu.args, argc, argv)
	rc := cu.filter(cu.t.plans.values[plan])
	clear(cu.args)
	return rc
}

// lendValues makes SQLite's arguments Values, in the slice that the last ones were in.
func lendValues(c *Conn, values []Value, argc int32, argv uintptr) []Value {
	values = values[:0]
	for _, p := range structsAt[uintptr](argv, argc) {
		values = append(values, Value{tls: c.tls, ptr: p})
	}
	return values
}

func (cu *vcursor) filter(plan any) (rc int32) {
	returned := false
	defer cu.t.guard(&returned, &rc)
	cu.eof = true
	err := cu.cursor.Filter(plan, cu.args)
	if err == nil {
		cu.eof = cu.cursor.EOF()
	}
	returned = true
	return cu.t.fail(err)
}

func onVtabNext(_ *libc.TLS, p uintptr) int32 {
	cu := vcursorAt(p)
	if cu == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	return cu.next()
}

func (cu *vcursor) next() (rc int32) {
	returned := false
	defer cu.t.guard(&returned, &rc)
	err := cu.cursor.Next()
	cu.eof = err != nil || cu.cursor.EOF()
	returned = true
	return cu.t.fail(err)
}

func onVtabEOF(_ *libc.TLS, p uintptr) int32 {
	cu := vcursorAt(p)
	return libc.BoolInt32(cu == nil || cu.eof)
}

func onVtabColumn(_ *libc.TLS, p, ctx uintptr, i int32) int32 {
	cu := vcursorAt(p)
	if cu == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	cu.ctx.ptr = ctx
	cu.column(int(i))
	cu.ctx.ptr = 0
	return sqlite3.SQLITE_OK
}

// column sets its error as a function does, as the result.
func (cu *vcursor) column(i int) {
	returned := false
	defer func() {
		if !returned {
			cu.ctx.fail(cu.t.c.ended(recover()))
		}
	}()
	err := cu.cursor.Column(&cu.ctx, i)
	returned = true
	if err != nil {
		cu.ctx.fail(err)
	}
}

func onVtabRowID(_ *libc.TLS, p, out uintptr) int32 {
	cu := vcursorAt(p)
	if cu == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	return cu.rowID(out)
}

func (cu *vcursor) rowID(out uintptr) (rc int32) {
	returned := false
	defer cu.t.guard(&returned, &rc)
	id, err := cu.cursor.RowID()
	returned = true
	*(*int64)(pointer(out)) = id
	return cu.t.fail(err)
}

// NoChange reports, in Column of a [Cursor], whether the value is for an UPDATE that does not set the column. If Column
// sets no result then, Update of [WritableTable] sees a value with [Value.NoChange] in its place. It saves making a value
// that is dear.
//
// https://sqlite.org/c3ref/vtab_nochange.html
func (ctx *FuncContext) NoChange() bool {
	return ctx.ptr != 0 && sqlite3.Xsqlite3_vtab_nochange(ctx.c.tls, ctx.ptr) != 0
}
