package hooks

import "strings"

// Names in policies are compared as SQLite does, without regard to the case of ASCII letters.

// All allows what every one of the rules allows. The first one that denies decides; an action that is not denied is
// ignored if one of them ignores it.
func All(rules ...Authorizer) Authorizer {
	return func(a Action) Verdict {
		verdict := Allow
		for _, rule := range rules {
			switch rule(a) {
			case Allow:
			case Ignore:
				verdict = Ignore
			default:
				return Deny
			}
		}
		return verdict
	}
}

// Any allows what at least one of the rules allows. An action that none allows is ignored if one of them ignores
// it, and denied otherwise.
func Any(rules ...Authorizer) Authorizer {
	return func(a Action) Verdict {
		verdict := Deny
		for _, rule := range rules {
			switch rule(a) {
			case Allow:
				return Allow
			case Ignore:
				verdict = Ignore
			}
		}
		return verdict
	}
}

// ReadOnly denies all that could change a database, its schema or the settings of the connection. Of the PRAGMAs it
// allows those that only show something, in the form that shows it. Transactions and savepoints are allowed.
func ReadOnly() Authorizer {
	return func(a Action) Verdict {
		switch a.Code {
		case ActionSelect, ActionRead, ActionFunction, ActionRecursive, ActionTransaction, ActionSavepoint:
			return Allow
		case ActionPragma:
			return allowIf(onlyShows(a.Pragma(), a.PragmaArgument()))
		}
		return Deny
	}
}

// showingPragmas are the PRAGMAs that show something, and whether they are given an argument for it. Without an
// argument the others of them show a setting.
var showingPragmas = map[string]bool{
	"collation_list": true, "compile_options": true, "database_list": true, "foreign_key_check": true,
	"foreign_key_list": true, "function_list": true, "index_info": true, "index_list": true, "index_xinfo": true,
	"integrity_check": true, "module_list": true, "pragma_list": true, "quick_check": true, "table_info": true,
	"table_list": true, "table_xinfo": true,

	"application_id": false, "auto_vacuum": false, "busy_timeout": false, "cache_size": false, "data_version": false,
	"encoding": false, "foreign_keys": false, "freelist_count": false, "journal_mode": false, "journal_size_limit": false,
	"locking_mode": false, "max_page_count": false, "mmap_size": false, "page_count": false, "page_size": false,
	"query_only": false, "recursive_triggers": false, "schema_version": false, "secure_delete": false,
	"synchronous": false, "temp_store": false, "user_version": false, "wal_autocheckpoint": false,
}

func onlyShows(pragma, argument string) bool {
	takesArgument, known := showingPragmas[lower(pragma)]
	return known && (takesArgument || argument == "")
}

// NoAttach denies ATTACH and DETACH. It also denies VACUUM INTO, which attaches its file, and VACUUM.
//
// https://sqlite.org/lang_attach.html
func NoAttach() Authorizer {
	return func(a Action) Verdict { return allowIf(a.Code != ActionAttach && a.Code != ActionDetach) }
}

// Pragmas denies all PRAGMAs but those named, which are allowed with and without an argument.
//
// https://sqlite.org/pragma.html
func Pragmas(allowed ...string) Authorizer {
	names := nameSet(allowed)
	return func(a Action) Verdict { return allowIf(a.Code != ActionPragma || names.has(a.Pragma())) }
}

// Functions denies all SQL functions but those named. The operators LIKE, GLOB, REGEXP, MATCH, -> and ->> are
// functions too, named "like", "glob", "regexp", "match", "->" and "->>".
//
// https://sqlite.org/lang_corefunc.html
func Functions(allowed ...string) Authorizer {
	names := nameSet(allowed)
	return func(a Action) Verdict { return allowIf(a.Code != ActionFunction || names.has(a.Function())) }
}

// TablePolicy says which tables and views may be used. Names are "table" for the tables of that name in all
// databases of the connection, or "database.table". What is not listed is not there for the statement: it may
// neither be read nor be written. The schema, which is the table "sqlite_master", has to be listed to be read.
//
// SQLite does not tell the database of a table of which no column is read, as in "SELECT count(*) FROM t". It may be
// read, then, if a table of that name may be.
//
// https://sqlite.org/c3ref/set_authorizer.html
type TablePolicy struct {
	Read  []string // may be read
	Write []string // may be read, inserted into, updated and deleted from

	// Through lists views and triggers that are trusted: what their SQL does is allowed. A view that gives a tenant
	// its own rows is listed here and under Read, and its tables are listed nowhere.
	Through []string
}

// Authorizer returns the rule. It denies changes of the schema, and ATTACH, which would let other tables in. It
// leaves functions, PRAGMAs, transactions and savepoints to other rules.
func (p TablePolicy) Authorizer() Authorizer {
	read, write := tableSet(p.Read), tableSet(p.Write)
	through := nameSet(p.Through)
	return func(a Action) Verdict {
		switch a.Code {
		case ActionSelect, ActionRecursive, ActionFunction, ActionPragma, ActionTransaction, ActionSavepoint:
			return Allow
		case ActionRead:
			return allowIf(read.has(a) || write.has(a) || a.Accessor != "" && through.has(a.Accessor))
		case ActionInsert, ActionUpdate, ActionDelete:
			return allowIf(write.has(a) || a.Accessor != "" && through.has(a.Accessor))
		}
		return Deny
	}
}

// DenyColumns makes it an error to read or update one of the columns, which are named "table.column" or
// "database.table.column". An INSERT can still set them, and a DELETE removes their row.
func DenyColumns(columns ...string) Authorizer { return columnRule(Deny, columns) }

// HideColumns makes the columns, which are named as for [DenyColumns], read as NULL, and an UPDATE leave them as they
// are.
func HideColumns(columns ...string) Authorizer { return columnRule(Ignore, columns) }

func columnRule(verdict Verdict, columns []string) Authorizer {
	tables := make(map[string][]columnName)
	for _, name := range columns {
		c := parseColumn(lower(name))
		tables[c.table] = append(tables[c.table], c)
	}
	return func(a Action) Verdict {
		if a.Code != ActionRead && a.Code != ActionUpdate {
			return Allow
		}
		for _, c := range tables[lower(a.Table())] {
			if c.column == lower(a.Column()) && (c.database == "" || c.database == lower(a.Database)) {
				return verdict
			}
		}
		return Allow
	}
}

type columnName struct{ database, table, column string }

// parseColumn takes a name apart from its end: the database may be missing.
func parseColumn(name string) columnName {
	table, column := cutLast(name)
	database, table := cutLast(table)
	return columnName{database, table, column}
}

// cutLast cuts at the last dot; without one, all is behind it.
func cutLast(name string) (before, after string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

func allowIf(ok bool) Verdict {
	if ok {
		return Allow
	}
	return Deny
}

type names map[string]struct{}

func nameSet(list []string) names {
	set := make(names, len(list))
	for _, name := range list {
		set[lower(name)] = struct{}{}
	}
	return set
}

func (n names) has(name string) bool {
	_, ok := n[lower(name)]
	return ok
}

// tables has, for each table, the databases in which it is meant; "" is any.
type tables map[string][]string

func tableSet(list []string) tables {
	set := make(tables, len(list))
	for _, name := range list {
		database, table := cutLast(lower(name))
		set[table] = append(set[table], database)
	}
	return set
}

// has reports whether the table of an action is in the set. The database of an action is "" if it is not known.
func (t tables) has(a Action) bool {
	for _, database := range t[lower(a.Table())] {
		if database == "" || a.Database == "" || database == lower(a.Database) {
			return true
		}
	}
	return false
}

// lower makes the ASCII letters of a name small, which are the ones whose case SQLite disregards.
func lower(name string) string {
	for i := range len(name) {
		if isUpper(name[i]) {
			return lowered(name)
		}
	}
	return name
}

func lowered(name string) string {
	b := []byte(name)
	for i := range b {
		if isUpper(b[i]) {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func isUpper(b byte) bool { return 'A' <= b && b <= 'Z' }
