package engine

import (
	"github.com/floedb/floe/hooks"
	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// authorizerHook is asked while SQL is compiled.
type authorizerHook struct {
	rule    hooks.Authorizer
	call    func() error
	action  hooks.Action
	verdict hooks.Verdict

	names [64]string // what arguments were, by a hash of them
}

var authorizerCallback = cFunc(onAuthorize)

// SetAuthorizer sets the function that decides what SQL may do. It is asked while a statement is compiled; a statement
// that is already compiled is compiled again, with the function that is set then, when its next execution begins. It
// takes the place of an earlier one; nil removes it. Inside a callback it is [ErrConcurrentUse].
//
// What it denies makes compiling an error with [Auth], whose cause is a [*hooks.DeniedError], or what the function
// panicked with. Package hooks has ready-made rules.
//
// https://sqlite.org/c3ref/set_authorizer.html
func (c *Conn) SetAuthorizer(rule hooks.Authorizer) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	a := &c.hooks.authorize
	a.rule = rule
	if rule == nil {
		a.call = nil
		c.expireStatements() // which the removal does not do
		sqlite3.Xsqlite3_set_authorizer(c.tls, c.db, 0, 0)
		return nil
	}
	a.call = a.ask
	sqlite3.Xsqlite3_set_authorizer(c.tls, c.db, authorizerCallback, c.busy.handle)
	return nil
}

// ask notes the verdict. To deny is to fail: the error says what was denied, which SQLite's own does not.
func (a *authorizerHook) ask() error {
	a.verdict = a.rule(a.action)
	if a.verdict == hooks.Allow || a.verdict == hooks.Ignore {
		return nil
	}
	return &hooks.DeniedError{Action: a.action}
}

// expireStatements makes each statement be compiled again when its next execution begins, which setting the
// authorizer does.
func (c *Conn) expireStatements() {
	db := c.handle()
	sqlite3.Xsqlite3_set_authorizer(c.tls, c.db, db.FxAuth, db.FpAuthArg)
}

func onAuthorize(_ *libc.TLS, handle uintptr, code int32, first, second, database, accessor uintptr) int32 {
	c := conns.get(handle)
	if c == nil || c.hooks.authorize.call == nil {
		return sqlite3.SQLITE_DENY
	}
	a := &c.hooks.authorize
	a.action = hooks.Action{
		Code:     hooks.ActionCode(code),
		Database: a.name(database),
		Accessor: a.name(accessor),
		First:    a.name(first),
		Second:   a.name(second),
	}
	if a.action.Code == hooks.ActionAlterTable {
		a.action.Database = a.action.First
	}
	if c.failure != nil || !c.callGo(a.call) {
		return sqlite3.SQLITE_DENY
	}
	return int32(a.verdict)
}

// name makes a Go string of a C string, without new memory if it is one of those that were seen not long ago.
func (a *authorizerHook) name(p uintptr) string {
	if p == 0 {
		return ""
	}
	slot := &a.names[hashCString(p)%uint32(len(a.names))]
	if !equalsCString(p, *slot) {
		*slot = libc.GoString(p)
	}
	return *slot
}

// hashCString is FNV-1a, of no more bytes than most names have.
func hashCString(p uintptr) uint32 {
	const most = 32
	h := uint32(2166136261)
	for i := range uintptr(most) {
		b := *(*byte)(pointer(p + i))
		if b == 0 {
			break
		}
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}
