package engine

import (
	"strconv"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	vtabUpdate       = cFunc(onVtabUpdate)
	vtabBegin        = cFunc(onVtabBegin)
	vtabSync         = cFunc(onVtabSync)
	vtabCommit       = cFunc(onVtabCommit)
	vtabRollback     = cFunc(onVtabRollback)
	vtabSavepoint    = cFunc(onVtabSavepoint)
	vtabRelease      = cFunc(onVtabRelease)
	vtabRollbackTo   = cFunc(onVtabRollbackTo)
	vtabRename       = cFunc(onVtabRename)
	vtabDestroy      = cFunc(onVtabDestroy)
	vtabFindFunction = cFunc(onVtabFindFunction)
	vtabIntegrity    = cFunc(onVtabIntegrity)
)

func onVtabUpdate(_ *libc.TLS, p uintptr, argc int32, argv, rowID uintptr) int32 {
	t := vtableAt(p)
	if t == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	t.args = lendValues(t.c, t.args, argc, argv)
	rc := t.update(t.args, rowID)
	clear(t.args)
	return rc
}

// update tells an INSERT, an UPDATE and a DELETE apart.
//
// https://sqlite.org/vtab.html#the_xupdate_method
func (t *vtable) update(args []Value, rowID uintptr) (rc int32) {
	returned := false
	defer t.guard(&returned, &rc)
	on := OnConflict(sqlite3.Xsqlite3_vtab_on_conflict(t.c.tls, t.c.db))
	w := t.table.(WritableTable)
	var err error
	switch {
	case len(args) == 1:
		err = w.Delete(args[0])
	case args[0].IsNull():
		var id int64
		id, err = w.Insert(args[1], args[2:], on)
		*(*int64)(pointer(rowID)) = id
	default:
		err = w.Update(args[0], args[1], args[2:], on)
	}
	returned = true
	return t.fail(err)
}

func onVtabBegin(_ *libc.TLS, p uintptr) int32 {
	return callTable(p, true, func(t *vtable) error {
		t.savepoints = 0
		table := t.table.(TransactionTable)
		if err := table.Begin(); err != nil {
			return err
		}
		err := t.savepoint(0)
		if err != nil {
			table.Rollback() // SQLite takes it that there is no transaction
		}
		return err
	})
}

func onVtabSync(_ *libc.TLS, p uintptr) int32 {
	return callTable(p, true, func(t *vtable) error { return t.table.(TransactionTable).Sync() })
}

// onVtabCommit is past the point where SQLite hears of errors. A panic is one of the running statement all the same.
func onVtabCommit(_ *libc.TLS, p uintptr) int32 {
	return finishTransaction(p, TransactionTable.Commit)
}

func onVtabRollback(_ *libc.TLS, p uintptr) int32 {
	return finishTransaction(p, TransactionTable.Rollback)
}

func finishTransaction(p uintptr, finish func(TransactionTable)) int32 {
	if t := vtableAt(p); t != nil {
		t.c.callGo(func() error {
			finish(t.table.(TransactionTable))
			return nil
		})
	}
	return sqlite3.SQLITE_OK
}

// SQLite's numbers of savepoints are not what a table expects. A table whose transaction begins within savepoints is told
// of the last one alone, and may be rolled back to an earlier one later; and -1 is the begin of the transaction, if that
// was made by a SAVEPOINT. So the begin is number 0 here, SQLite's numbers are one higher, and the missing ones are made up.

func onVtabSavepoint(_ *libc.TLS, p uintptr, n int32) int32 {
	return callTable(p, false, func(t *vtable) error { return t.savepoint(int(n) + 1) })
}

func onVtabRelease(_ *libc.TLS, p uintptr, n int32) int32 {
	return callTable(p, false, func(t *vtable) error { return t.release(int(n) + 1) })
}

func onVtabRollbackTo(_ *libc.TLS, p uintptr, n int32) int32 {
	return callTable(p, false, func(t *vtable) error { return t.rollbackTo(int(n) + 1) })
}

// savepoint makes savepoint n, and those that are missing below it.
func (t *vtable) savepoint(n int) error {
	table, ok := t.table.(SavepointTable)
	if !ok {
		return nil
	}
	if err := t.release(n); err != nil {
		return err
	}
	for t.savepoints <= n {
		if err := table.Savepoint(t.savepoints); err != nil {
			return err
		}
		t.savepoints++
	}
	return nil
}

func (t *vtable) release(n int) error {
	if n >= t.savepoints {
		return nil
	}
	t.savepoints = n
	return t.table.(SavepointTable).Release(n)
}

func (t *vtable) rollbackTo(n int) error {
	if n >= t.savepoints {
		return nil // nothing was done since
	}
	t.savepoints = n + 1
	return t.table.(SavepointTable).RollbackTo(n)
}

func onVtabRename(_ *libc.TLS, p, name uintptr) int32 {
	return callTable(p, true, func(t *vtable) error { return t.table.(RenamableTable).Rename(libc.GoString(name)) })
}

// callTable calls Go code of a table's. withText says whether SQLite reads the text of an error:
// one that it left behind would turn up in a later statement.
func callTable(p uintptr, withText bool, call func(*vtable) error) int32 {
	t := vtableAt(p)
	if t == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	err := guarded(t.c, func() error { return call(t) })
	if withText || err == nil {
		return t.fail(err)
	}
	code, _ := t.c.raise(err)
	return int32(code)
}

// guarded runs Go code of a user's between SQLite's frames, and makes a panic an error.
func guarded(c *Conn, call func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = c.ended(recover())
		}
	}()
	err = call()
	returned = true
	return err
}

// onVtabDestroy is called in place of onVtabDisconnect by DROP TABLE. If it fails, the table is still there.
func onVtabDestroy(_ *libc.TLS, p uintptr) int32 {
	t := vtableAt(p)
	if t == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	if table, ok := t.table.(DestroyableTable); ok {
		if rc := callTable(p, false, func(*vtable) error { return table.Destroy() }); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	t.free()
	return sqlite3.SQLITE_OK
}

// overload is what a table is asked for a function by.
type overload struct {
	name string
	nArg int32
}

// overloaded is what it answered: the number of a function, or 0.
type overloaded struct {
	handle uintptr
	op     IndexOp
}

func onVtabFindFunction(_ *libc.TLS, p uintptr, nArg int32, name, callback, userData uintptr) int32 {
	t := vtableAt(p)
	if t == nil {
		return 0
	}
	o := t.findFunction(overload{name: strings.ToLower(libc.GoString(name)), nArg: nArg})
	if o.handle == 0 {
		return 0
	}
	*(*uintptr)(pointer(callback)) = functionCallback
	*(*uintptr)(pointer(userData)) = o.handle
	if o.op >= IndexFunction {
		return int32(o.op)
	}
	return 1
}

// findFunction asks a table once for each function, as SQLite does not say when it is through with one.
func (t *vtable) findFunction(key overload) overloaded {
	if o, ok := t.overloads[key]; ok {
		return o
	}
	var o overloaded
	ok := t.c.callGo(func() error {
		fn, op := t.table.(OverloadTable).FindFunction(key.name, int(key.nArg))
		if fn != nil {
			o = overloaded{op: op, handle: functions.add(&function{scalar: fn, ctx: FuncContext{c: t.c}})}
		}
		return nil
	})
	if ok {
		if t.overloads == nil {
			t.overloads = make(map[overload]overloaded)
		}
		t.overloads[key] = o
	}
	return o
}

func (t *vtable) freeOverloads() {
	for _, o := range t.overloads {
		functions.remove(o.handle)
	}
	t.overloads = nil
}

// OverloadFunction makes a function of that name and number of arguments exist, so that tables of [OverloadTable] can
// have it for their columns. A call that none of them takes fails. A function that exists is left as it is.
//
// https://sqlite.org/c3ref/overload_function.html
func (c *Conn) OverloadFunction(name string, nArg int) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	op := "overload function " + strconv.Quote(name)
	if err := checkFunction(op, name, nArg, 0); err != nil {
		return err
	}
	p := c.cString(name)
	if p == 0 {
		return c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	if rc := sqlite3.Xsqlite3_overload_function(c.tls, c.db, p, int32(nArg)); rc != sqlite3.SQLITE_OK {
		return c.lastError(op, "", rc)
	}
	return nil
}

func onVtabIntegrity(tls *libc.TLS, p, schema, table uintptr, quick int32, problem uintptr) int32 {
	t := vtableAt(p)
	if t == nil {
		return sqlite3.SQLITE_INTERNAL
	}
	var text string
	err := guarded(t.c, func() (err error) {
		text, err = t.table.(IntegrityTable).Integrity(quick != 0)
		return err
	})
	if err != nil {
		code, _ := t.c.raise(err)
		return int32(code)
	}
	if text != "" {
		*(*uintptr)(pointer(problem)) = mallocString(tls, text)
	}
	return sqlite3.SQLITE_OK
}
