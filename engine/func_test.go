package engine

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sqlite3 "modernc.org/sqlite/lib"
)

// scalar creates a function that takes any number of arguments.
func scalar(tb testing.TB, c *Conn, name string, fn ScalarFunc) {
	tb.Helper()
	if err := c.CreateFunction(name, -1, 0, fn); err != nil {
		tb.Fatalf("create function %q: %v", name, err)
	}
}

// wantValue runs a query for one value.
func wantValue(tb testing.TB, c *Conn, want any, sql string, args ...any) {
	tb.Helper()
	wantRows, got := [][]any{{want}}, values(tb, c, sql, args...)
	if reflect.DeepEqual(wantRows, got) {
		return // cmp is slow with long values
	}
	if diff := cmp.Diff(wantRows, got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", sql, diff)
	}
}

func TestFunctionTakesAndReturnsEveryValue(t *testing.T) {
	for _, encoding := range []string{"UTF-8", "UTF-16"} {
		t.Run(encoding, func(t *testing.T) {
			c := openMemory(t)
			mustExec(t, c, "PRAGMA encoding = '"+encoding+"'")
			scalar(t, c, "same", func(ctx *FuncContext, args []Value) error { return ctx.Result(args[0].Any()) })
			scalar(t, c, "copy", func(ctx *FuncContext, args []Value) error { return ctx.Result(args[0]) })
			scalar(t, c, "raw", func(ctx *FuncContext, args []Value) error { return ctx.Result(args[0].Raw()) })
			big := strings.Repeat("ä漢", 100_000)
			for _, v := range []any{
				nil, int64(0), int64(math.MinInt64), int64(math.MaxInt64), 0.5, math.Inf(-1), math.SmallestNonzeroFloat64,
				"", "text", "a\x00b", "\x00", big, []byte{}, []byte("a\x00b"), []byte(big), []byte{0xff, 0xfe, 0},
			} {
				wantValue(t, c, v, "SELECT same(?)", v)
				wantValue(t, c, v, "SELECT copy(?)", v)
				switch v := v.(type) {
				case nil:
					wantValue(t, c, nil, "SELECT raw(?)", v)
				case string:
					wantValue(t, c, []byte(v), "SELECT raw(?)", v)
				case []byte:
					wantValue(t, c, v, "SELECT raw(?)", v)
				}
			}
		})
	}
}

func TestFunctionKeepsInvalidUTF8(t *testing.T) {
	c := openMemory(t)
	scalar(t, c, "same", func(ctx *FuncContext, args []Value) error { return ctx.Result(args[0].Text()) })
	wantValue(t, c, "\xff\xc3(", "SELECT same(?)", "\xff\xc3(")
}

func TestFunctionResultsOfGoTypes(t *testing.T) {
	c := openMemory(t)
	for _, test := range []struct{ in, want any }{
		{int(-1), int64(-1)}, {int8(-1), int64(-1)}, {int16(-1), int64(-1)}, {int32(-1), int64(-1)},
		{uint(1), int64(1)}, {uint8(1), int64(1)}, {uint16(1), int64(1)}, {uint32(1), int64(1)}, {uint64(1), int64(1)},
		{true, int64(1)}, {false, int64(0)}, {float32(0.5), 0.5}, {math.NaN(), nil}, {[]byte(nil), nil},
		{time.Date(2024, 5, 6, 7, 8, 9, 120e6, time.FixedZone("", 3600)), "2024-05-06 06:08:09.12"},
	} {
		scalar(t, c, "result", func(ctx *FuncContext, args []Value) error { return ctx.Result(test.in) })
		wantValue(t, c, test.want, "SELECT result()")
	}
	for _, in := range []any{uint64(math.MaxUint64), struct{}{}} {
		scalar(t, c, "result", func(ctx *FuncContext, args []Value) error { return ctx.Result(in) })
		if err := c.Exec(background, "SELECT result()"); err == nil {
			t.Errorf("result %v of type %T gave no error", in, in)
		}
	}
}

func TestFunctionWithoutResultIsNull(t *testing.T) {
	c := openMemory(t)
	scalar(t, c, "silent", func(*FuncContext, []Value) error { return nil })
	wantValue(t, c, nil, "SELECT silent()")
}

func TestFunctionResultTooBig(t *testing.T) {
	c := openMemory(t)
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, 1000)
	results := map[string]func(*FuncContext){
		"text":     func(ctx *FuncContext) { ctx.ResultText(strings.Repeat("x", 1001)) },
		"blob":     func(ctx *FuncContext) { ctx.ResultBlob(make([]byte, 1001)) },
		"zeroblob": func(ctx *FuncContext) { ctx.ResultZeroBlob(1001) },
		"beyond":   func(ctx *FuncContext) { ctx.ResultZeroBlob(int64(ctx.MaxLength()) + 1) },
		"negative": func(ctx *FuncContext) { ctx.ResultZeroBlob(-1) },
	}
	for name, result := range results {
		scalar(t, c, "big", func(ctx *FuncContext, _ []Value) error { result(ctx); return nil })
		if err := c.Exec(background, "SELECT big()"); !errors.Is(err, TooBig) {
			t.Errorf("%s: %v, want %v", name, err, TooBig)
		}
	}
}

func TestFunctionError(t *testing.T) {
	custom := errors.New("custom failure")
	for _, test := range []struct {
		name string
		err  error
		code ResultCode
		msg  string
	}{
		{"plain", custom, Generic, "custom failure"},
		{"empty text", errors.New(""), Generic, ""},
		{"result code", ConstraintCheck, ConstraintCheck, "SQLITE_CONSTRAINT_CHECK"},
		{"wrapped code", fmt.Errorf("row 3: %w", Busy), Busy, "row 3: SQLITE_BUSY"},
		{"engine error", newError("x", "", TooBig, "why"), TooBig, newError("x", "", TooBig, "why").Error()},
		{"success is none", Done, Generic, "SQLITE_DONE"},
		{"schema would run it again", Schema, Generic, "SQLITE_SCHEMA"},
		{"negative code", ResultCode(-5), Generic, ResultCode(-5).Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := openMemory(t)
			scalar(t, c, "fails", func(*FuncContext, []Value) error { return test.err })
			err := c.Exec(background, "SELECT fails()")
			var e *Error
			if !errors.As(err, &e) || e.Extended != test.code || e.Msg != test.msg {
				t.Errorf("error %#v, want code %v and message %q", err, test.code, test.msg)
			}
			if !errors.Is(err, test.err) {
				t.Errorf("the error %v is not the function's", err)
			}
			if errors.Is(err, Interrupt) {
				t.Errorf("the error %v is %v", err, Interrupt)
			}
			if err := c.Exec(background, "SELECT 1"); err != nil {
				t.Errorf("the next statement: %v", err)
			}
		})
	}
}

type loudError struct{}

func (loudError) Error() string { panic("no text") }

func TestFunctionErrorWhoseTextPanics(t *testing.T) {
	c := openMemory(t)
	scalar(t, c, "fails", func(*FuncContext, []Value) error { return loudError{} })
	var e *Error
	if err := c.Exec(background, "SELECT fails()"); !errors.As(err, &e) || e.Msg != "error of type engine.loudError panicked" {
		t.Errorf("message %q", e.Msg)
	}
}

func TestFunctionPanicIsAnError(t *testing.T) {
	c := openMemory(t)
	custom := errors.New("custom failure")
	scalar(t, c, "panics", func(*FuncContext, []Value) error { panic(custom) })
	scalar(t, c, "divides", func(ctx *FuncContext, args []Value) error {
		return ctx.Result(1 / args[0].Int64())
	})
	err := c.Exec(background, "SELECT panics()")
	var p *PanicError
	if !errors.As(err, &p) || !errors.Is(err, custom) || len(p.Stack) == 0 {
		t.Errorf("error %v, want a PanicError with the value and a stack", err)
	}
	err = c.Exec(background, "SELECT divides(0)")
	var r runtime.Error
	if !errors.As(err, &r) {
		t.Errorf("error %v, want a runtime error", err)
	}
	wantValue(t, c, int64(1), "SELECT divides(1)")
}

func TestFunctionCannotUseItsConnection(t *testing.T) {
	c := openMemory(t)
	var got []error
	scalar(t, c, "inner", func(*FuncContext, []Value) error {
		_, err := c.Prepare("SELECT 1")
		got = []error{c.Exec(background, "SELECT 1"), err, c.Close(), c.CreateFunction("x", 0, 0, nil)}
		return nil
	})
	mustExec(t, c, "SELECT inner()")
	want := []error{ErrConcurrentUse, ErrConcurrentUse, ErrConcurrentUse, ErrConcurrentUse}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("errors %v, want %v", got, want)
	}
}

func TestFunctionCanUseAnotherConnection(t *testing.T) {
	a, b := openMemory(t), openMemory(t)
	mustExec(t, b, "CREATE TABLE t AS SELECT 7 AS x")
	scalar(t, a, "other", func(ctx *FuncContext, _ []Value) error {
		return b.Query(background, "SELECT x FROM t", nil, func(s *Stmt) error {
			ctx.ResultInt64(s.ColumnInt64(0))
			return nil
		})
	})
	wantValue(t, a, int64(7), "SELECT other()")
}

func TestFunctionNamesAndNumbersOfArguments(t *testing.T) {
	c := openMemory(t)
	fn := func(ctx *FuncContext, args []Value) error { return ctx.Result(len(args)) }
	for _, test := range []struct {
		name  string
		nArg  int
		flags FunctionFlags
	}{
		{"", 0, 0}, {"a\x00b", 0, 0}, {"f", -2, 0}, {"f", 40_000, 0}, {"f", math.MaxInt, 0}, {"f", 0, 1 << 30}, {"f", 0, 1},
		{strings.Repeat("x", 256), 0, 0},
	} {
		if err := c.CreateFunction(test.name, test.nArg, test.flags, fn); !errors.Is(err, Misuse) {
			t.Errorf("create function %q/%d, flags %#x: %v, want %v", test.name, test.nArg, test.flags, err, Misuse)
		}
	}
	if err := c.CreateFunction("two", 2, Deterministic|Innocuous, fn); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "SELECT two(1)"); !errors.Is(err, Generic) {
		t.Errorf("a call with one argument: %v", err)
	}
	wantValue(t, c, int64(2), "SELECT TWO(1, 2)")
	scalar(t, c, "n", fn)
	wantValue(t, c, int64(100), "SELECT n("+strings.Repeat("1,", 99)+"1)")
}

func TestFunctionTakesThePlaceOfBuiltIn(t *testing.T) {
	c := openMemory(t)
	if err := c.CreateFunction("abs", 1, 0, func(ctx *FuncContext, _ []Value) error { return ctx.Result("mine") }); err != nil {
		t.Fatal(err)
	}
	wantValue(t, c, "mine", "SELECT abs(-1)")
	if err := c.CreateFunction("abs", 1, 0, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(background, "SELECT abs(-1)"); !errors.Is(err, Generic) {
		t.Errorf("a function that was removed: %v, want %v", err, Generic)
	}
	if err := c.CreateFunction("never_made", 1, 0, nil); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
}

func TestFunctionIsNotReplacedDuringExecution(t *testing.T) {
	c := openMemory(t)
	fn := func(ctx *FuncContext, _ []Value) error { return ctx.Result(1) }
	scalar(t, c, "f", fn)
	s := mustPrepare(t, c, "SELECT f() UNION ALL SELECT f()")
	mustRow(t, s)
	if err := c.CreateFunction("f", -1, 0, fn); !errors.Is(err, Busy) {
		t.Errorf("replace: %v, want %v", err, Busy)
	}
	mustRow(t, s)
	mustDone(t, s)
}

func TestFunctionFlagsAreKept(t *testing.T) {
	c := openMemory(t)
	fn := func(ctx *FuncContext, args []Value) error { return ctx.Result(args[0]) }
	for name, flags := range map[string]FunctionFlags{"plain": 0, "det": Deterministic, "direct": DirectOnly, "innocent": Innocuous} {
		if err := c.CreateFunction(name, 1, flags, fn); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, c, "CREATE TABLE t(a)")
	mustExec(t, c, "CREATE INDEX i ON t(det(a))")
	if err := c.Exec(background, "CREATE INDEX j ON t(plain(a))"); !errors.Is(err, Generic) {
		t.Errorf("an index on a function that is not deterministic: %v", err)
	}
	mustExec(t, c, "CREATE VIEW v AS SELECT direct(1)")
	if err := c.Exec(background, "SELECT * FROM v"); !errors.Is(err, Generic) {
		t.Errorf("a direct-only function in a view: %v", err)
	}
	if _, err := c.DBConfig(DBConfigTrustedSchema, false); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "CREATE VIEW w AS SELECT innocent(1); SELECT * FROM w; CREATE VIEW x AS SELECT plain(1)")
	if err := c.Exec(background, "SELECT * FROM x"); !errors.Is(err, Generic) {
		t.Errorf("an unmarked function in a view of a schema that is not trusted: %v", err)
	}
}

func TestFunctionSubtypes(t *testing.T) {
	c := openMemory(t)
	const json = 'J'
	if err := c.CreateFunction("as_json", 1, ResultSubtype, func(ctx *FuncContext, args []Value) error {
		ctx.ResultValue(args[0])
		ctx.ResultSubtype(json)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateFunction("subtype", 1, Subtype, func(ctx *FuncContext, args []Value) error {
		return ctx.Result(args[0].Subtype())
	}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, c, `[[1]]`, "SELECT json_array(as_json('[1]'))")
	wantValue(t, c, int64(json), "SELECT subtype(json('1'))")
	wantValue(t, c, int64(0), "SELECT subtype('1')")
}

func TestValueTellsWhereItComesFrom(t *testing.T) {
	c := openMemory(t)
	scalar(t, c, "about", func(ctx *FuncContext, args []Value) error {
		v := args[0]
		return ctx.Result(fmt.Sprint(v.FromBind(), v.NoChange(), v.Type(), v.NumericType(), v.Bool()))
	})
	wantValue(t, c, "true false TEXT INTEGER true", "SELECT about(?)", "12")
	wantValue(t, c, "false false TEXT REAL true", "SELECT about('1.5')")
	wantValue(t, c, "false false TEXT TEXT false", "SELECT about('x')")
}

func TestKeptArgumentsAndContextDoNothing(t *testing.T) {
	c := openMemory(t)
	var kept []Value
	var ctx *FuncContext
	scalar(t, c, "keep", func(x *FuncContext, args []Value) error {
		kept, ctx = args, x
		return nil
	})
	mustExec(t, c, "SELECT keep('text', 1)")
	for i, v := range kept {
		if v.Any() != nil || v.Raw() != nil || v.Text() != "" || v.Int64() != 0 || v.Float() != 0 || v.Subtype() != 0 ||
			v.NumericType() != Null || v.FromBind() || v.NoChange() {
			t.Errorf("argument %d is %v after the call", i, v.Any())
		}
	}
	ctx.ResultText("x")
	ctx.ResultBlob(nil)
	ctx.ResultNull()
	ctx.ResultFloat(1)
	ctx.ResultZeroBlob(1)
	ctx.ResultValue(Value{})
	ctx.ResultSubtype(1)
	ctx.SetAuxData(0, 1)
	if err := ctx.Result(1); err != nil {
		t.Error(err)
	}
	if n := ctx.MaxLength(); n != 0 {
		t.Errorf("max length %d after the call", n)
	}
	if v := ctx.AuxData(0); v != nil {
		t.Errorf("aux data %v after the call", v)
	}
}

// What a function answers where SQLite does not ask for it must not reach a statement that succeeds.
func TestSwallowedErrorOfFunctionFailsNothing(t *testing.T) {
	c := openMemory(t)
	boom := errors.New("boom")
	for name, flags := range map[string]FunctionFlags{"fails": 0, "detfails": Deterministic} {
		if err := c.CreateFunction(name, -1, flags, func(*FuncContext, []Value) error { return boom }); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, c, `CREATE TABLE t(a, b); CREATE INDEX i ON t(a);
		INSERT INTO t SELECT value, value % 7 FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n
			WHERE value < 500) SELECT * FROM n); ANALYZE`)
	for _, sql := range []string{
		"SELECT iif(0, fails(), 1)",
		"SELECT CASE WHEN 1 THEN 1 ELSE detfails(1) END",
		"SELECT coalesce(1, detfails(1))",
		"SELECT 1 WHERE 0 AND fails()",
	} {
		if err := c.Exec(background, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if err := c.Exec(background, "SELECT count(*) FROM t WHERE a > detfails(3)"); !errors.Is(err, boom) {
		t.Errorf("the planner's call: %v, want %v", err, boom)
	}
	if err := c.Exec(background, "SELEC"); errors.Is(err, boom) {
		t.Errorf("a later error has the function's as its cause: %v", err)
	}
	mustExec(t, c, "SELECT 1")
}

func TestErrorOfFunctionInTrigger(t *testing.T) {
	c := openMemory(t)
	boom := errors.New("boom")
	scalar(t, c, "fails", func(*FuncContext, []Value) error { return boom })
	mustExec(t, c, `CREATE TABLE t(a UNIQUE); CREATE TABLE log(a);
		CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (fails()); END`)
	for _, sql := range []string{
		"INSERT INTO t VALUES (1)", "INSERT OR IGNORE INTO t VALUES (1)", "INSERT OR REPLACE INTO t VALUES (1)",
		"INSERT OR FAIL INTO t VALUES (1)", "INSERT OR ROLLBACK INTO t VALUES (1)",
		"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
	} {
		if err := c.Exec(background, sql); !errors.Is(err, boom) {
			t.Errorf("%s: %v, want %v", sql, err, boom)
		}
	}
	mustExec(t, c, "DROP TRIGGER tr; INSERT INTO t VALUES (1)")
	err := c.Exec(background, "INSERT INTO t VALUES (1)")
	if !errors.Is(err, ConstraintUnique) || errors.Is(err, boom) {
		t.Errorf("a later error: %v", err)
	}
}

// FTS5 reads its content with statements of its own, and reports their errors by the code alone.
func TestErrorOfFunctionBelowVirtualTable(t *testing.T) {
	c := openMemory(t)
	boom := fmt.Errorf("boom: %w", TooBig)
	fail := false
	scalar(t, c, "content", func(ctx *FuncContext, args []Value) error {
		if fail {
			return boom
		}
		return ctx.Result(args[0])
	})
	mustExec(t, c, `CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE VIEW v AS SELECT id, content(a) AS a FROM t;
		CREATE VIRTUAL TABLE f USING fts5(a, content=v, content_rowid=id);
		INSERT INTO t VALUES (1, 'ice'); INSERT INTO f(rowid, a) VALUES (1, 'ice')`)
	wantValue(t, c, "ice", "SELECT a FROM f WHERE f MATCH 'ice'")
	fail = true
	if err := c.Exec(background, "SELECT a FROM f WHERE f MATCH 'ice'"); !errors.Is(err, boom) {
		t.Errorf("error %v, want %v", err, boom)
	}
}

func TestAuxDataLivesWithConstantArguments(t *testing.T) {
	c := openMemory(t)
	before := auxData.count()
	made := 0
	scalar(t, c, "cached", func(ctx *FuncContext, args []Value) error {
		v, ok := ctx.AuxData(0).(string)
		if !ok {
			made++
			v = "made of " + args[0].Text()
			ctx.SetAuxData(0, v)
		}
		return ctx.Result(v)
	})
	const rows = "WITH n(i) AS (VALUES (1), (2), (3)) "
	for range 2 {
		wantValue(t, c, "made of 1/made of 1/made of 1", rows+"SELECT group_concat(cached(1, i), '/') FROM n")
	}
	if made != 2 {
		t.Errorf("made %d times for a constant in two executions, want 2", made)
	}
	made = 0
	wantValue(t, c, "made of 1/made of 2/made of 3", rows+"SELECT group_concat(cached(i, 1), '/') FROM n")
	if made != 3 {
		t.Errorf("made %d times for three different arguments, want 3", made)
	}
	if n := auxData.count() - before; n != 0 {
		t.Errorf("%d values are left", n)
	}
}

func TestGoexitInFunctionCrashesNothing(t *testing.T) {
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	exits := func(*FuncContext, []Value) error { runtime.Goexit(); return nil }
	if err := c.CreateFunction("exits", 0, 0, exits); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.Errorf("Goexit was stopped: %v", c.Exec(background, "SELECT exits()"))
	}()
	<-done
	if err := c.Exec(background, "SELECT 1"); !errors.Is(err, ErrClosed) {
		t.Errorf("the lost connection: %v, want %v", err, ErrClosed)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close the lost connection: %v", err)
	}
	wantValue(t, openMemory(t), int64(1), "SELECT 1")
}

// wrapper is an error whose methods panic on a nil pointer.
type wrapper struct{ err error }

func (w *wrapper) Error() string { return w.err.Error() }
func (w *wrapper) Unwrap() error { return w.err }

func TestNilPointerAsErrorIsAnError(t *testing.T) {
	bad := &badTable{best: func(*IndexInfo) error { return (*wrapper)(nil) }}
	c := openBad(t, bad)
	mustExec(t, c, "CREATE VIRTUAL TABLE m USING bad")
	for name, err := range map[string]error{"wrapper": (*wrapper)(nil), "engine": (*Error)(nil)} {
		if err := c.CreateFunction(name, 0, 0, func(*FuncContext, []Value) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"SELECT wrapper()", "SELECT engine()", "SELECT * FROM m"} {
		if err := c.Exec(background, sql); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("%s: error %v, want that of an error that panicked", sql, err)
		}
	}
	mustExec(t, c, "SELECT 1")
}

// leaver is an aggregate that ends its goroutine when it is closed.
type leaver struct{}

func (leaver) Step(*FuncContext, []Value) error { return nil }
func (leaver) Value(*FuncContext) error         { return nil }
func (leaver) Close() error                     { runtime.Goexit(); return nil }

func TestGoexitInCloseOfAnAggregateCostsTheConnectionAlone(t *testing.T) {
	for _, sql := range []string{"SELECT leave(1)", "SELECT leave(1) WHERE 0"} {
		c, err := Open(":memory:", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CreateAggregate("leave", 1, 0, func() Aggregate { return leaver{} }); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			t.Errorf("%s: Goexit was stopped: %v", sql, c.Exec(background, sql))
		}()
		<-done
		if err := c.Exec(background, "SELECT 1"); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: the lost connection: %v, want %v", sql, err, ErrClosed)
		}
	}
}

func TestFunctionsAreFreed(t *testing.T) {
	before := [...]int{functions.count(), groups.count(), auxData.count(), collationTable.count(), conns.count()}
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	fn := func(ctx *FuncContext, _ []Value) error { ctx.SetAuxData(0, 1); return nil }
	compare := func(a, b []byte) int { return len(a) - len(b) }
	for range 3 {
		for _, err := range []error{
			c.CreateFunction("f", 1, 0, fn), c.CreateFunction(strings.Repeat("x", 300), 1, 0, fn),
			c.CreateAggregate("g", 1, 0, func() Aggregate { return new(sumWindow) }),
			c.CreateWindow("h", 1, 0, func() Window { return new(sumWindow) }),
			c.CreateCollation("len", compare), c.SetCollationNeeded(func(string) Compare { return compare }),
		} {
			if err != nil && !errors.Is(err, Misuse) {
				t.Fatal(err)
			}
		}
		mustExec(t, c, "SELECT f(1), g(1), h(1) FROM (SELECT 'x' AS a) ORDER BY a COLLATE len, a COLLATE other")
	}
	if n := functions.count() - before[0]; n != 3 {
		t.Errorf("%d functions are registered, want 3", n)
	}
	if err := c.CreateWindow("h", 1, 0, nil); err != nil {
		t.Fatal(err)
	}
	if n := functions.count() - before[0]; n != 2 {
		t.Errorf("%d functions are registered after one was removed, want 2", n)
	}
	s, err := c.Prepare("SELECT f(1) UNION ALL SELECT f(1)")
	if err != nil {
		t.Fatal(err)
	}
	mustRow(t, s)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	after := [...]int{functions.count(), groups.count(), auxData.count(), collationTable.count(), conns.count()}
	if before != after {
		t.Errorf("functions, groups, aux data, collations and connections: %v before, %v after", before, after)
	}
}
