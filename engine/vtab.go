package engine

import (
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// A virtual table is a table whose rows are made by Go code. There are two ways to have one:
//
//   - [Conn.CreateTableFunc] makes a function that is called in the place of a table, SELECT * FROM f(1, 'x'), of a Go
//     iterator. That is all it takes to have a slice, a channel or the answer of a server in a query.
//   - [Conn.CreateModule] gives all that SQLite has: constraints that the table itself looks up, writes, transactions.

// ModuleKind says how the tables of a module come to be.
//
// https://sqlite.org/vtab.html#eponymous_virtual_tables
type ModuleKind uint8

// The kinds. The zero value is an OrdinaryModule.
const (
	// OrdinaryModule makes tables by CREATE VIRTUAL TABLE alone.
	OrdinaryModule ModuleKind = iota

	// EponymousModule has a table with the name of the module, which is there without having been created, in addition
	// to those of CREATE VIRTUAL TABLE.
	EponymousModule

	// EponymousOnlyModule has that one table and no others. It is what a table-valued function is.
	EponymousOnlyModule
)

// ModuleFlags says what SQLite may expect of the tables of a module, and who may use them.
//
// https://sqlite.org/c3ref/c_vtab_constraint_support.html
type ModuleFlags uint8

// The flags, which are joined with |.
const (
	// ModuleDirectOnly keeps the tables out of triggers and views: a database file from a stranger cannot use them.
	ModuleDirectOnly ModuleFlags = 1 << iota

	// ModuleInnocuous says that the tables do no harm and tell nothing, also when a stranger's schema uses them with
	// [DBConfigTrustedSchema] off.
	ModuleInnocuous

	// ModuleConstraints says that Insert and Update change nothing when they fail with [Constraint]. SQLite handles OR
	// IGNORE, OR FAIL and OR ROLLBACK then as with its own tables; OR REPLACE is for Insert and Update to do. Without
	// it, such an error is always one as with OR ABORT.
	ModuleConstraints

	// ModuleAllSchemas says that the tables may read any database of the connection, so that a statement which uses
	// them holds read locks on all of them.
	ModuleAllSchemas
)

// Module makes virtual tables of type T. What T can do beside being read is what it implements: [WritableTable],
// [TransactionTable], [SavepointTable], [RenamableTable], [DestroyableTable], [OverloadTable], [IntegrityTable].
//
// https://sqlite.org/vtab.html
type Module[T Table] struct {
	Kind  ModuleKind
	Flags ModuleFlags

	// Connect makes the Go side of a table that exists, and says what its columns are, by a schema such as "CREATE
	// TABLE x(id INTEGER PRIMARY KEY, name TEXT, arg HIDDEN)". The name in it does not matter. A column that is
	// declared HIDDEN is not part of SELECT *; the hidden ones are also the arguments of a table that is used like a
	// function. Connect is called when a statement first needs the table on this connection, and again after the
	// schema has changed.
	Connect func(*TableArgs) (t T, schema string, err error)

	// Create is called in place of Connect by CREATE VIRTUAL TABLE, to make what the table keeps elsewhere. nil means
	// Connect. It is for an OrdinaryModule alone.
	Create func(*TableArgs) (t T, schema string, err error)

	// ShadowName reports whether "NAME_suffix" is a table in which a table NAME of the module keeps its content, so
	// that [DBConfigDefensive] protects it. nil means that there are none.
	//
	// https://sqlite.org/vtab.html#xshadowname
	ShadowName func(suffix string) bool
}

// AnyModule is a [Module] of tables of any type.
//
// https://sqlite.org/vtab.html
type AnyModule interface{ spec() *moduleSpec }

// TableArgs is what a table is made of: the names in its CREATE VIRTUAL TABLE, and what stands in the parentheses behind
// the module's name. For a table that nobody created, Table is the name of the module.
//
// https://sqlite.org/vtab.html#the_xcreate_method
type TableArgs struct {
	Module   string
	Database string   // "main", "temp" or the name that a database was attached under
	Table    string   // the name of the table
	Args     []string // the texts between the commas, quotes and all, without the blanks around them
}

// moduleSpec is a Module without its type parameter.
type moduleSpec struct {
	kind            ModuleKind
	flags           ModuleFlags
	connect, create connectFunc
	shadowName      func(string) bool
	table           reflect.Type
}

type connectFunc func(*TableArgs) (Table, string, error)

func (m Module[T]) spec() *moduleSpec {
	return &moduleSpec{
		kind:       m.Kind,
		flags:      m.Flags,
		connect:    untyped(m.Connect),
		create:     untyped(m.Create),
		shadowName: m.ShadowName,
		table:      reflect.TypeFor[T](),
	}
}

func untyped[T Table](connect func(*TableArgs) (T, string, error)) connectFunc {
	if connect == nil {
		return nil
	}
	return func(args *TableArgs) (Table, string, error) {
		t, schema, err := connect(args)
		if err != nil {
			return nil, "", err
		}
		return t, schema, nil
	}
}

func (m *moduleSpec) check(op string) error {
	switch {
	case m.connect == nil:
		return newError(op, "", Misuse, "the module has no Connect")
	case m.kind > EponymousOnlyModule:
		return newError(op, "", Misuse, "no such kind of module: "+strconv.Itoa(int(m.kind)))
	case m.create != nil && m.kind != OrdinaryModule:
		return newError(op, "", Misuse, "Create is for an OrdinaryModule alone")
	case m.flags&^(ModuleDirectOnly|ModuleInnocuous|ModuleConstraints|ModuleAllSchemas) != 0:
		return newError(op, "", Misuse, "unknown flags 0x"+strconv.FormatUint(uint64(m.flags), 16))
	}
	return nil
}

// module is a module of one connection.
type module struct {
	*moduleSpec
	c   *Conn
	ptr uintptr // sqlite3_module*

	// shadow is called by SQLite, at its address: there is no user data in that call. It lives as long as the module.
	shadow func(*libc.TLS, uintptr) int32
}

// modules finds the module of a table that is being made.
var modules handles[module]

var moduleDestroy = cFunc(onModuleDestroy)

// CreateModule makes the virtual tables of m available to SQL on this connection, under a name that is compared without
// regard to case. A module of the same name is replaced; tables which are connected go on with the one that made them. A
// nil m removes the module. It ends with the connection.
//
// All methods of the tables and cursors run in the middle of a statement of the connection: a call of one of the
// connection's methods returns [ErrConcurrentUse] to them. A panic in them becomes a [*PanicError] of that statement, and
// an error that they return is found in the statement's error by [errors.Is] and [errors.As]. The code of the error is that
// of an [*Error] or a [ResultCode] in its chain, otherwise [Generic].
//
// https://sqlite.org/c3ref/create_module.html
func (c *Conn) CreateModule(name string, m AnyModule) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	op := "create module " + strconv.Quote(name)
	if name == "" {
		return newError(op, "", Misuse, "the name is empty")
	}
	if strings.IndexByte(name, 0) >= 0 {
		return newError(op, "", Misuse, "the name has a NUL byte inside")
	}
	var spec *moduleSpec
	if m != nil {
		spec = m.spec()
		if err := spec.check(op); err != nil {
			return err
		}
	}
	p := c.cString(name)
	if p == 0 {
		return c.lastError(op, "", sqlite3.SQLITE_NOMEM)
	}
	if rc := c.installModule(p, spec); rc != sqlite3.SQLITE_OK {
		return c.lastError(op, "", rc)
	}
	c.cache.Clear() // SQLite does not compile statements anew for a module, as it does for a function
	return nil
}

// installModule gives m to SQLite, which frees it again also where it refuses it.
func (c *Conn) installModule(name uintptr, spec *moduleSpec) int32 {
	if spec == nil {
		return sqlite3.Xsqlite3_create_module_v2(c.tls, c.db, name, 0, 0, 0)
	}
	m := &module{moduleSpec: spec, c: c}
	m.ptr = sqlite3.Xsqlite3_malloc64(c.tls, sqlite3.Tsqlite3_uint64(unsafe.Sizeof(sqlite3.Tsqlite3_module{})))
	if m.ptr == 0 {
		return sqlite3.SQLITE_NOMEM
	}
	*(*sqlite3.Tsqlite3_module)(pointer(m.ptr)) = m.methods()
	return sqlite3.Xsqlite3_create_module_v2(c.tls, c.db, name, m.ptr, modules.add(m), moduleDestroy)
}

func onModuleDestroy(tls *libc.TLS, handle uintptr) {
	if m := modules.remove(handle); m != nil {
		sqlite3.Xsqlite3_free(tls, m.ptr)
	}
}

// methods is what SQLite calls. It judges by a method's absence what a table cannot do.
func (m *module) methods() sqlite3.Tsqlite3_module {
	v := sqlite3.Tsqlite3_module{
		FiVersion:    4,
		FxConnect:    vtabConnect,
		FxBestIndex:  vtabBestIndex,
		FxDisconnect: vtabDisconnect,
		FxDestroy:    vtabDestroy,
		FxOpen:       vtabOpen,
		FxClose:      vtabClose,
		FxFilter:     vtabFilter,
		FxNext:       vtabNext,
		FxEof:        vtabEOF,
		FxColumn:     vtabColumn,
		FxRowid:      vtabRowID,
	}
	switch m.kind {
	case OrdinaryModule:
		v.FxCreate = vtabCreate
	case EponymousModule: // SQLite knows it by the two being the same
		v.FxCreate = vtabConnect
	}
	m.addWrites(&v)
	m.addOthers(&v)
	return v
}

func (m *module) addWrites(v *sqlite3.Tsqlite3_module) {
	if implements[WritableTable](m.table) {
		v.FxUpdate = vtabUpdate
	}
	if implements[TransactionTable](m.table) {
		v.FxBegin, v.FxSync, v.FxCommit, v.FxRollback = vtabBegin, vtabSync, vtabCommit, vtabRollback
	}
	if implements[SavepointTable](m.table) {
		v.FxSavepoint, v.FxRelease, v.FxRollbackTo = vtabSavepoint, vtabRelease, vtabRollbackTo
	}
}

func (m *module) addOthers(v *sqlite3.Tsqlite3_module) {
	if implements[RenamableTable](m.table) {
		v.FxRename = vtabRename
	}
	if implements[OverloadTable](m.table) {
		v.FxFindFunction = vtabFindFunction
	}
	if implements[IntegrityTable](m.table) {
		v.FxIntegrity = vtabIntegrity
	}
	if m.shadowName != nil {
		m.shadow = m.onShadowName
		v.FxShadowName = cFunc(m.shadow)
	}
}

func implements[I any](t reflect.Type) bool { return t.Implements(reflect.TypeFor[I]()) }

func (m *module) onShadowName(_ *libc.TLS, suffix uintptr) (shadow int32) {
	m.c.callGo(func() error {
		shadow = libc.BoolInt32(m.shadowName(libc.GoString(suffix)))
		return nil
	})
	return shadow
}
