package engine

import (
	"database/sql/driver"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// BindArgs is [Stmt.BindAll] for the arguments that database/sql gives to a driver, in less time. Those with a name are
// as by [Named]. A []byte that is lent is not copied, as by [Stmt.BindBlobStatic], and must not be changed before the
// execution ends.
//
// https://sqlite.org/c3ref/bind_blob.html
func (s *Stmt) BindArgs(args []driver.NamedValue, lent bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	stored := s.storeArgs(args, lent)
	s.c.leave()
	if stored {
		return nil
	}
	list := make([]any, len(args))
	for i, arg := range args {
		list[i] = arg.Value
		if arg.Name != "" {
			list[i] = Named(arg.Name, arg.Value)
		}
	}
	return s.bindAll(list)
}

// storeArgs reports whether all parameters have their values. Otherwise some may have.
func (s *Stmt) storeArgs(args []driver.NamedValue, lent bool) bool {
	if int((*sqlite3.TVdbe)(pointer(s.ptr)).FnVar) != len(args) {
		return false
	}
	for i := range args {
		if args[i].Name != "" || !s.storeArg(i+1, args[i].Value, lent) {
			return false
		}
	}
	return true
}

// storeArg stores the usual kinds of values.
func (s *Stmt) storeArg(i int, v driver.Value, lent bool) bool {
	switch v := v.(type) {
	case int64:
		return s.storeInt(i, v) && s.takeBackLent(i)
	case string:
		return v != "" && s.storeLentText(i, v)
	case float64:
		return s.storeFloat(i, v) && s.takeBackLent(i)
	case []byte:
		return lent && len(v) > 0 && s.storeLentBlob(i, v)
	case nil:
		return s.storeNull(i) && s.takeBackLent(i)
	}
	return false
}

func (s *Stmt) storeLentText(i int, v string) bool {
	lent := unsafe.Slice(unsafe.StringData(v), len(v))
	if !s.storeText(i, uintptr(unsafe.Pointer(unsafe.SliceData(lent))), len(lent)) {
		return false
	}
	s.lend(i, lent)
	return true
}

func (s *Stmt) storeLentBlob(i int, v []byte) bool {
	if !s.storeBlob(i, uintptr(unsafe.Pointer(unsafe.SliceData(v))), len(v)) {
		return false
	}
	s.lend(i, v)
	return true
}

// takeBackLent forgets what parameter i pointed to.
func (s *Stmt) takeBackLent(i int) bool {
	if i <= len(s.static) {
		s.static[i-1] = nil
	}
	return true
}
