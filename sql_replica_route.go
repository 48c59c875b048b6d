package floe

import (
	"context"
	"strings"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqltext"
)

// route says where a connection of a replica runs an SQL text. Of the statements
// of a script, the one with the highest route decides for all: what comes later
// may read what came before.
type route uint8

const (
	toReplica route = iota // it reads, or sets what concerns reading
	toWriter               // it reads what a write left on its connection, such as changes()
	toBoth                 // it sets what concerns writing, and can be read
	toPrimary              // all else
	unknown                // it does not compile on the replica, which may be behind: to the primary, for now
	toEach                 // a script with settings among what writes: each of its statements goes its way
)

// maxRoutes bounds how many texts a connection remembers the route of, and
// maxRoutedText their length in bytes.
const (
	maxRoutes     = 1024
	maxRoutedText = 16 << 10
)

// route says where a text runs at this moment.
func (c *replicaConn) route(ctx context.Context, query string) route {
	switch c.place {
	case onReplica:
		return toReplica
	case onPrimary:
		return routeInTransaction(c.primary.server.texts.get(query).stmts)
	}
	if !c.local.conn.AutoCommit() {
		return toReplica // of a transaction that SQL began under PRAGMA query_only
	}
	r, known := c.routes[query]
	if !known {
		r = c.findRoute(query)
	}
	if r == unknown && c.source.r.own.behind.Load() && c.await(ctx) == nil {
		r = c.findRoute(query) // what it needs may have been made through this replica
	}
	if r == toReplica || r == toWriter && !c.wrote || r == toPrimary && c.onlyReads(ctx) {
		return toReplica
	}
	return r
}

// routeInTransaction is route while a transaction is open on the primary: only what
// sets how the connection itself works still runs here.
func routeInTransaction(stmts []sqltext.Statement) route {
	settings := 0
	for i := range stmts {
		if stmts[i].Keyword == "PRAGMA" {
			if name, _, _ := splitPragma(stmts[i].SQL); ownPragmas[name] {
				settings++
			}
		}
	}
	switch settings {
	case 0:
		return toPrimary
	case len(stmts):
		return toReplica
	}
	return toEach
}

func (c *replicaConn) findRoute(query string) route {
	r := routeOf(c.local.conn, query)
	if r == unknown || len(query) > maxRoutedText {
		return r
	}
	if len(c.routes) >= maxRoutes {
		clear(c.routes)
	}
	c.routes[query] = r
	return r
}

// onlyReads tells whether PRAGMA query_only is on. Then nothing goes to the
// primary, and SQLite refuses what writes.
func (c *replicaConn) onlyReads(ctx context.Context) bool {
	on, err := c.local.conn.PragmaInt(ctx, "", "query_only")
	return err == nil && on != 0
}

// routeOf finds out where a text runs.
func routeOf(c *engine.Conn, text string) route {
	stmts := sqltext.Split(text)
	highest, settings := toReplica, false
	for _, st := range stmts {
		r := routeOfStatement(c, st)
		highest = max(highest, r)
		settings = settings || st.Keyword == "PRAGMA" && r < toPrimary
	}
	if settings && highest > toReplica && len(stmts) > 1 {
		return toEach
	}
	return highest
}

func routeOfStatement(c *engine.Conn, st sqltext.Statement) route {
	switch st.Keyword {
	case "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", // SQLite says that they only read
		"INSERT", "REPLACE", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "ANALYZE", "REINDEX":
		return toPrimary
	case "ATTACH", "DETACH":
		return toReplica
	case "VACUUM":
		return routeOfVacuum(st.SQL)
	case "PRAGMA":
		return routeOfPragma(st.SQL)
	}
	return routeBySQLite(c, st.SQL)
}

// routeBySQLite compiles a statement, and asks what it does. It stays in the
// cache of the connection, from which it is taken to be run.
func routeBySQLite(c *engine.Conn, sql string) route {
	s, err := c.PrepareCached(sql)
	if err != nil {
		return unknown
	}
	defer s.Finalize()
	switch {
	case s.Explain() != engine.ExplainNone:
		return toReplica
	case !s.ReadOnly():
		return toPrimary
	case readsCounters(sql):
		return toWriter
	}
	return toReplica
}

// routeOfVacuum has VACUUM INTO copy the replica into another file: the primary's
// files are none of the caller's.
func routeOfVacuum(sql string) route {
	for token := range sqltext.Tokens(sql) {
		if strings.EqualFold(token, "INTO") {
			return toReplica
		}
	}
	return toPrimary
}

// readsCounters looks for calls of the functions that tell what the last write of
// a connection did.
func readsCounters(sql string) bool {
	before := ""
	for token := range sqltext.Tokens(sql) {
		if token == "(" {
			switch strings.ToLower(before) {
			case "last_insert_rowid", "changes", "total_changes":
				return true
			}
		}
		before = token
	}
	return false
}

// readingPragmas are those which read also when they have an argument, and those
// that set how a connection reads, or nothing at all on one that only reads.
// See https://sqlite.org/pragma.html.
var readingPragmas = map[string]bool{
	"foreign_key_check": true, "foreign_key_list": true, "index_info": true, "index_list": true, "index_xinfo": true,
	"integrity_check": true, "quick_check": true, "table_info": true, "table_list": true, "table_xinfo": true,

	"analysis_limit": true, "automatic_index": true, "busy_timeout": true, "cache_size": true, "cache_spill": true,
	"case_sensitive_like": true, "cell_size_check": true, "full_column_names": true, "hard_heap_limit": true,
	"mmap_size": true, "query_only": true, "read_uncommitted": true, "reverse_unordered_selects": true,
	"short_column_names": true, "shrink_memory": true, "soft_heap_limit": true, "temp_store": true, "threads": true,
	"trusted_schema": true,

	"checkpoint_fullfsync": true, "fullfsync": true, "journal_size_limit": true, "optimize": true, "synchronous": true,
	"wal_autocheckpoint": true,
}

// ownPragmas are those of them that concern a connection's own resources, and no
// result.
var ownPragmas = map[string]bool{
	"analysis_limit": true, "busy_timeout": true, "cache_size": true, "cache_spill": true, "checkpoint_fullfsync": true,
	"fullfsync": true, "hard_heap_limit": true, "journal_size_limit": true, "mmap_size": true, "shrink_memory": true,
	"soft_heap_limit": true, "synchronous": true, "temp_store": true, "threads": true, "wal_autocheckpoint": true,
}

// actingPragmas write without an argument.
var actingPragmas = map[string]bool{"incremental_vacuum": true, "wal_checkpoint": true}

// routeOfPragma goes by the text: a PRAGMA can take effect when it is compiled.
func routeOfPragma(sql string) route {
	name, value, hasValue := splitPragma(sql)
	switch {
	case actingPragmas[name]:
		return toPrimary
	case !hasValue || readingPragmas[name]:
		return toReplica
	case name == "journal_mode" && strings.EqualFold(value, "wal"):
		return toReplica // it is
	case name == "foreign_keys":
		return toBoth
	}
	return toPrimary
}

// splitPragma takes a PRAGMA apart: PRAGMA [schema.]name, PRAGMA name = value,
// PRAGMA name(value). The name is in lower case.
func splitPragma(sql string) (name, value string, hasValue bool) {
	for token := range sqltext.Tokens(sql) {
		switch {
		case token == "=" || token == "(":
			hasValue = true
		case token == "." || token == ")":
		case hasValue:
			value += token // a number can have a sign
		default:
			name = token // the last one before the value
		}
	}
	return unquote(strings.ToLower(name)), unquote(value), hasValue
}

func unquote(token string) string { return strings.Trim(token, "'\"`[]") }
