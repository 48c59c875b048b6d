package engine

import (
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// As with the columns of a row (see cell), a value is bound where SQLite keeps it, if it only needs to be stored. The
// functions sqlite3_bind_* see to the rest: what is in the way, what does not fit, and what makes a statement compile
// anew.

// param returns parameter i if a value can be stored there as it is, otherwise nil.
func (s *Stmt) param(i int) *sqlite3.TMem {
	v := (*sqlite3.TVdbe)(pointer(s.ptr))
	if v.FeVdbeState != sqlite3.VDBE_READY_STATE || v.Fexpmask != 0 || uint(i-1) >= uint(v.FnVar) {
		return nil
	}
	m := (*sqlite3.TMem)(pointer(v.FaVar + uintptr(i-1)*sizeofValue))
	if m.Fflags&(sqlite3.MEM_Dyn|sqlite3.MEM_Agg) != 0 || m.FszMalloc != 0 {
		return nil
	}
	return m
}

func (s *Stmt) storeNull(i int) bool {
	m := s.param(i)
	if m == nil {
		return false
	}
	m.Fflags = heldNull
	return true
}

func (s *Stmt) storeInt(i int, v int64) bool {
	m := s.param(i)
	if m == nil {
		return false
	}
	*(*int64)(unsafe.Pointer(&m.Fu)) = v
	m.Fflags = heldInt
	return true
}

// storeFloat does not store NaN, which becomes NULL.
func (s *Stmt) storeFloat(i int, v float64) bool {
	m := s.param(i)
	if m == nil || v != v {
		return false
	}
	*(*float64)(unsafe.Pointer(&m.Fu)) = v
	m.Fflags = heldFloat
	return true
}

// storeText stores n bytes at p, which have to stay there. The database has to have UTF-8 texts of that length.
func (s *Stmt) storeText(i int, p uintptr, n int) bool {
	db := s.c.handle()
	if db.Fenc != sqlite3.SQLITE_UTF8 || n > int(db.FaLimit[sqlite3.SQLITE_LIMIT_LENGTH]) {
		return false
	}
	m := s.param(i)
	if m == nil {
		return false
	}
	m.Fz, m.Fn, m.Fenc, m.FxDel = p, int32(n), sqlite3.SQLITE_UTF8, 0
	m.Fflags = heldText | sqlite3.MEM_Static
	return true
}

// storeBlob stores n bytes at p, which have to stay there.
func (s *Stmt) storeBlob(i int, p uintptr, n int) bool {
	db := s.c.handle()
	if n > int(db.FaLimit[sqlite3.SQLITE_LIMIT_LENGTH]) {
		return false
	}
	m := s.param(i)
	if m == nil {
		return false
	}
	// The encoding is that of the text which the blob may be cast to.
	m.Fz, m.Fn, m.Fenc, m.FxDel = p, int32(n), db.Fenc, 0
	m.Fflags = heldBlob | sqlite3.MEM_Static
	return true
}
