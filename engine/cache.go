package engine

import (
	"context"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/floedb/floe/stmtcache"
)

// DefaultCacheSize is how many idle statements a new connection keeps; see [Conn.SetCacheSize].
const DefaultCacheSize = 64

// maxCachedSQL bounds the text of a statement in the cache, in bytes. Long texts are those with values written into
// them, which do not come again.
const maxCachedSQL = 16 << 10

// CacheStats counts what the statement cache of a connection did.
type CacheStats = stmtcache.Stats

// PrepareCached is [Conn.Prepare] with the statement cache of the connection: sql is compiled the first time, and
// later calls with the same text get the statement again, without a binding. [Stmt.Finalize] gives it back; from there
// on it is [ErrFinalized] until the cache hands it out again. So finalise it exactly once, and keep no copy of the
// pointer. A text whose statement is in use gets a second one.
//
// A change of the schema is no matter: SQLite compiles the statement anew when it is next stepped, as it does when a
// parameter that the plan depends on, such as that of a LIKE, gets another value. In the cache a statement
// holds neither a lock nor a transaction nor the memory of its bindings.
//
// Only what reads and writes rows and what begins or ends transactions is kept: SELECT, VALUES, WITH, INSERT, REPLACE,
// UPDATE, DELETE, BEGIN, COMMIT, END, ROLLBACK, SAVEPOINT, RELEASE, and EXPLAIN of those. All else is compiled each
// time, as a PRAGMA may take effect then, and a change of the schema comes once. So is a text of more than 16 KiB. An
// authorizer is asked when a statement is compiled, and again for those in the cache after [Conn.SetAuthorizer]; one
// whose answers change by themselves needs that call, or a cache of size 0.
//
// [Conn.Exec], [Conn.Query] and what else takes arguments with a text use the cache too.
//
// https://sqlite.org/c3ref/c_prepare_dont_log.html#sqlitepreparepersistent
func (c *Conn) PrepareCached(sql string) (*Stmt, error) {
	return c.prepareCached(context.Background(), sql)
}

// PrepareCachedContext is [Conn.PrepareCached] with a context that ends the wait for a locked schema, where the text has
// to be compiled. The executions of the statement have contexts of their own.
func (c *Conn) PrepareCachedContext(ctx context.Context, sql string) (*Stmt, error) {
	return c.prepareCached(ctx, sql)
}

func (c *Conn) prepareCached(ctx context.Context, sql string) (*Stmt, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	if s := c.takeCached(sql); s != nil {
		c.leave()
		return s, nil
	}
	flags := c.cacheFlags(sql)
	c.leave()
	s, err := c.prepareOne(ctx, sql, flags)
	if err == nil {
		s.adopt(sql)
	}
	return s, err
}

// SetCacheSize sets how many idle statements the connection keeps, and frees those which are too many. Zero or less
// turns the cache off; a new connection has [DefaultCacheSize]. Statements in use do not count.
func (c *Conn) SetCacheSize(n int) {
	if c.enter() != nil {
		return
	}
	defer c.leave()
	c.cache.Resize(n)
}

// CacheStats returns what the statement cache holds and what it did so far.
func (c *Conn) CacheStats() CacheStats {
	if c.enter() != nil {
		return CacheStats{}
	}
	defer c.leave()
	return c.cache.Stats()
}

// openCache is called once for a connection.
func (c *Conn) openCache() {
	c.cache = stmtcache.New(DefaultCacheSize, (*Stmt).park, (*Stmt).finalize)
}

// takeCached returns the idle statement with that text, ready to be used, or nil.
func (c *Conn) takeCached(sql string) *Stmt {
	item := c.cache.Get(sql)
	if item == nil {
		return nil
	}
	s := item.Stmt
	// BEGIN IMMEDIATE is compiled to lock the databases that there are. All statements expire with a DETACH, but
	// none with an ATTACH.
	if s.databases != c.handle().FnDb {
		s.finalize()
		return nil
	}
	s.ptr, s.parked = s.parked, 0
	return s
}

// cacheFlags returns how to compile sql: a statement that may stay is kept out of the small pool of fast memory that
// a connection has for what is short-lived. Those of transactions may be there, which are few and small: a ROLLBACK can
// be compiled then when there is no other memory left.
func (c *Conn) cacheFlags(sql string) uint32 {
	if c.caches(sql) && kindOf(sql) == kindRows {
		return sqlite3.SQLITE_PREPARE_PERSISTENT
	}
	return 0
}

// caches reports whether a statement with that text can be kept.
func (c *Conn) caches(sql string) bool {
	return c.cache.Limit() > 0 && len(sql) <= maxCachedSQL && kindOf(sql) != kindOther
}

// adopt makes a new statement one of the cache, if it can be: Finalize gives it back then.
func (s *Stmt) adopt(sql string) {
	if s.enter() != nil {
		return
	}
	defer s.c.leave()
	if s.c.caches(sql) {
		s.databases = s.c.handle().FnDb
		s.cached = s.c.cache.Add(sql, s)
	}
}

// park makes a statement that was reset as good as new, and unusable until takeCached. It returns false if it cannot be
// used again.
func (s *Stmt) park() bool {
	if s.altered {
		return false
	}
	sqlite3.Xsqlite3_clear_bindings(s.c.tls, s.ptr)
	clear(s.static)
	s.ptr, s.parked = 0, s.ptr
	return true
}

// kind is what a statement deals with.
type kind uint8

const (
	kindOther       kind = iota
	kindRows             // it reads or writes rows
	kindTransaction      // it begins or ends a transaction or savepoint
)

// kindOf tells by its first word what the statement that sql begins with does. Those which are not of the other kind do
// the same each time that they are run, and nothing when they are compiled.
func kindOf(sql string) kind {
	word, rest := cutWord(skipBlank(sql))
	if strings.EqualFold(word, "EXPLAIN") {
		word, rest = cutWord(skipBlank(rest))
		if strings.EqualFold(word, "QUERY") {
			_, rest = cutWord(skipBlank(rest)) // PLAN
			word, _ = cutWord(skipBlank(rest))
		}
	}
	if len(word) > len("SAVEPOINT") {
		return kindOther
	}
	switch strings.ToUpper(word) {
	case "SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE":
		return kindRows
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return kindTransaction
	}
	return kindOther
}

// cutWord cuts the letters off the beginning of sql.
func cutWord(sql string) (word, rest string) {
	n := 0
	for n < len(sql) && (sql[n]|0x20 >= 'a' && sql[n]|0x20 <= 'z') {
		n++
	}
	return sql[:n], sql[n:]
}
