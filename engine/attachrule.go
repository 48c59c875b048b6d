package engine

import (
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// attachRule decides which attached databases may be written to.
type attachRule struct {
	ask     func(path string) error
	known   int32         // databases of the connection that it was asked about, or need not be
	refused []refusedFile // of those that are attached
}

// refusedFile is an attached database that is for reading only, and why.
type refusedFile struct {
	btree uintptr // SQLite's Btree
	why   error
}

// SetAttachRule sets the function that is asked about the file of each database that SQL attaches for writing, by the
// absolute path that SQLite has for it, without symbolic links. If it returns an error, or panics, the database is for
// reading only: each write to it is [ReadOnly], with that error as its cause, as long as no other database of the
// connection is for reading only. It is not asked about databases in memory, and about those that are attached already.
// It takes the place of an earlier function; nil removes it. Inside a callback it is [ErrConcurrentUse].
//
// An authorizer is no place for this: it sees a path only where the SQL text has it as a literal.
//
// https://sqlite.org/lang_attach.html
func (c *Conn) SetAttachRule(rule func(path string) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	c.attach.ask, c.attach.known = rule, c.handle().FnDb
	return nil
}

// databases are those of the connection: main, temp, and what is attached.
func (c *Conn) databases() []sqlite3.TDb {
	db := c.handle()
	return unsafe.Slice((*sqlite3.TDb)(pointer(db.FaDb)), db.FnDb)
}

// followAttached is called behind each statement: what it has attached is at the end of SQLite's list.
func (c *Conn) followAttached() {
	all := c.databases()
	if n := int32(len(all)); n != c.attach.known {
		c.forgetDetached(all)
		for _, db := range all[min(c.attach.known, n):] {
			c.askAttachRule(db)
		}
		c.attach.known = n
	}
}

// askAttachRule makes a database one for reading only where the rule says so. SQLite does the same with a file that it
// could not open for writing.
func (c *Conn) askAttachRule(db sqlite3.TDb) {
	path := libc.GoString(sqlite3.Xsqlite3_db_filename(c.tls, c.db, db.FzDbSName))
	if path == "" || db.FpBt == 0 || sqlite3.Xsqlite3_db_readonly(c.tls, c.db, db.FzDbSName) != 0 {
		return
	}
	before := c.takeFailure()
	c.callGo(func() error { return c.attach.ask(path) })
	why := c.takeFailure()
	c.failure = before
	if why == nil {
		return
	}
	shared := (*sqlite3.TBtShared)(pointer((*sqlite3.TBtree)(pointer(db.FpBt)).FpBt))
	shared.FbtsFlags |= sqlite3.BTS_READ_ONLY
	c.attach.refused = append(c.attach.refused, refusedFile{db.FpBt, why})
}

func (c *Conn) forgetDetached(all []sqlite3.TDb) {
	kept := c.attach.refused[:0]
	for _, r := range c.attach.refused {
		for _, db := range all {
			if db.FpBt == r.btree {
				kept = append(kept, r)
			}
		}
	}
	c.attach.refused = kept
}

// whyReadOnly is why a write was refused that SQLite says went to a database for reading only; nil where it may have
// been another one than those that the rule has refused.
func (c *Conn) whyReadOnly() error {
	if len(c.attach.refused) == 0 {
		return nil
	}
	readOnly := 0
	for _, db := range c.databases() {
		if db.FpBt != 0 && sqlite3.Xsqlite3_db_readonly(c.tls, c.db, db.FzDbSName) == 1 {
			readOnly++
		}
	}
	if readOnly != len(c.attach.refused) {
		return nil
	}
	return c.attach.refused[0].why
}
