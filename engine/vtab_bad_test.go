package engine

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// badTable does in each method what the test says.
type badTable struct {
	best  func(*IndexInfo) error
	hook  func(method string)
	nilCu bool
}

func (t *badTable) at(method string) {
	if t.hook != nil {
		t.hook(method)
	}
}

func (t *badTable) BestIndex(info *IndexInfo) error {
	t.at("BestIndex")
	if t.best != nil {
		return t.best(info)
	}
	return nil
}

func (t *badTable) Open() (Cursor, error) {
	t.at("Open")
	if t.nilCu {
		return nil, nil
	}
	return &badCursor{t: t}, nil
}
func (t *badTable) Insert(Value, []Value, OnConflict) (int64, error) { t.at("Insert"); return 1, nil }
func (t *badTable) Update(Value, Value, []Value, OnConflict) error   { t.at("Update"); return nil }
func (t *badTable) Delete(Value) error                               { t.at("Delete"); return nil }
func (t *badTable) Begin() error                                     { t.at("Begin"); return nil }
func (t *badTable) Sync() error                                      { t.at("Sync"); return nil }
func (t *badTable) Commit()                                          { t.at("Commit") }
func (t *badTable) Rollback()                                        { t.at("Rollback") }
func (t *badTable) Savepoint(int) error                              { t.at("Savepoint"); return nil }
func (t *badTable) Release(int) error                                { t.at("Release"); return nil }
func (t *badTable) RollbackTo(int) error                             { t.at("RollbackTo"); return nil }
func (t *badTable) Rename(string) error                              { t.at("Rename"); return nil }
func (t *badTable) Destroy() error                                   { t.at("Destroy"); return nil }
func (t *badTable) Close() error                                     { t.at("Close"); return nil }
func (t *badTable) Integrity(bool) (string, error)                   { t.at("Integrity"); return "", nil }
func (t *badTable) FindFunction(n string, _ int) (ScalarFunc, IndexOp) {
	t.at("FindFunction")
	return nil, 0
}

type badCursor struct {
	t *badTable
	n int
}

func (cu *badCursor) Filter(any, []Value) error { cu.t.at("Filter"); cu.n = 0; return nil }
func (cu *badCursor) Next() error               { cu.t.at("Next"); cu.n++; return nil }
func (cu *badCursor) EOF() bool                 { cu.t.at("EOF"); return cu.n >= 2 }
func (cu *badCursor) RowID() (int64, error)     { cu.t.at("RowID"); return int64(cu.n), nil }
func (cu *badCursor) Close() error              { cu.t.at("CloseCursor"); return nil }
func (cu *badCursor) Column(ctx *FuncContext, i int) error {
	cu.t.at("Column")
	ctx.SetAuxData(0, "no statement to keep it with")
	if v := ctx.AuxData(0); v != nil {
		return fmt.Errorf("aux data %v", v)
	}
	ctx.ResultInt64(int64(i))
	return nil
}

func openBad(tb testing.TB, t *badTable) *Conn {
	tb.Helper()
	c := openMemory(tb)
	m := Module[*badTable]{Connect: func(*TableArgs) (*badTable, string, error) {
		t.at("Connect")
		return t, "CREATE TABLE x(a, b)", nil
	}, Create: func(*TableArgs) (*badTable, string, error) {
		t.at("Create")
		return t, "CREATE TABLE x(a, b)", nil
	}, ShadowName: func(string) bool { t.at("ShadowName"); return true }}
	if err := c.CreateModule("bad", m); err != nil {
		tb.Fatal(err)
	}
	return c
}

var badStatements = []struct{ method, sql string }{
	{"Create", "CREATE VIRTUAL TABLE n USING bad"}, {"BestIndex", "SELECT * FROM m"},
	{"Open", "SELECT * FROM m"}, {"Filter", "SELECT * FROM m"}, {"EOF", "SELECT * FROM m"}, {"Column", "SELECT * FROM m"},
	{"Next", "SELECT * FROM m"}, {"RowID", "SELECT rowid FROM m"}, {"Insert", "INSERT INTO m VALUES (1, 2)"},
	{"Update", "UPDATE m SET a = 2"}, {"Delete", "DELETE FROM m"}, {"Begin", "DELETE FROM m"}, {"Sync", "DELETE FROM m"},
	{"Commit", "DELETE FROM m"}, {"Rollback", "BEGIN; DELETE FROM m; ROLLBACK"},
	{"Savepoint", "BEGIN; DELETE FROM m; SAVEPOINT a"}, {"Release", "BEGIN; DELETE FROM m; SAVEPOINT a; RELEASE a"},
	{"RollbackTo", "BEGIN; DELETE FROM m; SAVEPOINT a; ROLLBACK TO a"}, {"Rename", "ALTER TABLE m RENAME TO n"},
	{"Integrity", "PRAGMA integrity_check"}, {"FindFunction", "SELECT like(a, b) FROM m"},
	{"Destroy", "DROP TABLE m"},
}

func TestPanicsOfVirtualTablesBecomeErrors(t *testing.T) {
	for _, test := range badStatements {
		bad := &badTable{}
		c := openBad(t, bad)
		mustExec(t, c, "CREATE VIRTUAL TABLE m USING bad; SELECT * FROM m")
		cause := errors.New("cause")
		bad.hook = func(method string) {
			if method == test.method {
				panic(cause)
			}
		}
		err := c.Exec(background, test.sql)
		var panicked *PanicError
		if !errors.As(err, &panicked) || !errors.Is(err, cause) {
			t.Errorf("%s: error %v, want a panic", test.method, err)
		}
		bad.hook = nil
		if !c.AutoCommit() {
			mustExec(t, c, "ROLLBACK")
		}
		mustExec(t, c, "SELECT count(*) FROM m")
	}
}

func TestGoexitOfVirtualTablesCostsTheConnectionAlone(t *testing.T) {
	for _, method := range []string{"Create", "BestIndex", "Open", "Filter", "Next", "Column", "CloseCursor"} {
		bad := &badTable{}
		c := openBad(t, bad)
		mustExec(t, c, "CREATE VIRTUAL TABLE m USING bad")
		bad.hook = func(m string) {
			if m == method {
				runtime.Goexit()
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.Exec(background, "SELECT * FROM m")
			_ = c.Exec(background, "CREATE VIRTUAL TABLE n USING bad")
			t.Errorf("%s: the goroutine goes on", method)
		}()
		<-done
		if err := c.Exec(background, "SELECT 1"); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: error %v, want %v", method, err, ErrClosed)
		}
	}
}

func TestWrongAnswersOfVirtualTablesAreErrors(t *testing.T) {
	for name, test := range map[string]struct {
		best func(*IndexInfo) error
		want error
	}{
		"negative argument":      {func(i *IndexInfo) error { i.Constraints[0].ArgvIndex = -1; return nil }, Misuse},
		"argument beyond":        {func(i *IndexInfo) error { i.Constraints[0].ArgvIndex = 3; return nil }, Misuse},
		"gap before an argument": {func(i *IndexInfo) error { i.Constraints[0].ArgvIndex = 2; return nil }, Generic},
		"argument used twice": {func(i *IndexInfo) error {
			i.Constraints[0].ArgvIndex, i.Constraints[1].ArgvIndex = 1, 1
			return nil
		}, Generic},
		"constraint taken away":   {func(i *IndexInfo) error { i.Constraints = i.Constraints[:1]; return nil }, Misuse},
		"all at once of no IN":    {func(i *IndexInfo) error { i.Constraints[0].AllAtOnce = true; return nil }, Misuse},
		"negative rows":           {func(i *IndexInfo) error { i.EstimatedRows = -1; return nil }, Misuse},
		"negative cost":           {func(i *IndexInfo) error { i.EstimatedCost = -1; return nil }, Misuse},
		"plan without comparison": {func(i *IndexInfo) error { i.Plan = []int{1}; return nil }, Misuse},
		"no plan":                 {func(i *IndexInfo) error { return ErrNoPlan }, Generic},
		"index out of range":      {func(i *IndexInfo) error { i.Constraints[5].Omit = true; return nil }, Generic},
	} {
		bad := &badTable{}
		c := openBad(t, bad)
		mustExec(t, c, "CREATE VIRTUAL TABLE m USING bad")
		bad.best = test.best
		if err := c.Exec(background, "SELECT * FROM m WHERE a = 1 AND b = 2"); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
}

func TestWrongModulesAreErrors(t *testing.T) {
	c := openMemory(t)
	connect := func(schema string, table Table) Module[Table] {
		return Module[Table]{Kind: EponymousModule, Connect: func(*TableArgs) (Table, string, error) { return table, schema, nil }}
	}
	for name, test := range map[string]struct {
		m    AnyModule
		want error
	}{ // in any order
		"no connect":    {Module[*badTable]{}, Misuse},
		"unknown kind":  {Module[*badTable]{Kind: 7, Connect: memBad}, Misuse},
		"unknown flags": {Module[*badTable]{Flags: 128, Connect: memBad}, Misuse},
		"create":        {Module[*badTable]{Kind: EponymousModule, Connect: memBad, Create: memBad}, Misuse},
		"no table":      {connect("CREATE TABLE x(a)", nil), Misuse},
		"no schema":     {connect("", &badTable{}), Generic},
		"bad schema":    {connect("CREATE TABLE x(a", &badTable{}), Generic},
		"NUL":           {connect("CREATE TABLE x(a)\x00", &badTable{}), Misuse},
		"no cursor":     {connect("CREATE TABLE x(a)", &badTable{nilCu: true}), Misuse},
	} {
		err := c.CreateModule("x", test.m)
		if err == nil {
			err = c.Exec(background, "SELECT * FROM x")
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
	for _, name := range []string{"", "a\x00b"} {
		if err := c.CreateModule(name, nil); !errors.Is(err, Misuse) {
			t.Errorf("name %q: error %v, want %v", name, err, Misuse)
		}
	}
}

func memBad(*TableArgs) (*badTable, string, error) { return &badTable{}, "CREATE TABLE x(a)", nil }

func TestVirtualTableCannotUseItsConnection(t *testing.T) {
	bad := &badTable{}
	c := openBad(t, bad)
	mustExec(t, c, "CREATE VIRTUAL TABLE m USING bad")
	called := map[string]bool{}
	bad.hook = func(method string) {
		if called[method] = true; c.state.Load() == stateClosed {
			return
		}
		if err := c.Exec(background, "SELECT 1"); err != ErrConcurrentUse {
			t.Errorf("%s: error %v, want %v", method, err, ErrConcurrentUse)
		}
	}
	for _, test := range badStatements {
		mustExec(t, c, test.sql)
		if !called[test.method] {
			t.Errorf("%q did not call %s", test.sql, test.method)
		}
		if !c.AutoCommit() {
			mustExec(t, c, "ROLLBACK")
		}
		if strings.HasPrefix(test.sql, "ALTER") {
			mustExec(t, c, "DROP TABLE n; ")
		}
		mustExec(t, c, "DROP TABLE IF EXISTS n; CREATE VIRTUAL TABLE IF NOT EXISTS m USING bad")
	}
}
