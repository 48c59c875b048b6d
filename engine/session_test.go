package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const sessionSchema = "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE TABLE u(x TEXT, y, z, PRIMARY KEY(y, x));"

func mustSession(tb testing.TB, c *Conn, tables ...string) *Session {
	tb.Helper()
	s, err := c.NewSession("", SessionOptions{TrackSize: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	for _, table := range tables {
		if err := s.Attach(table); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

// record returns the changeset, or the patchset, of a script on a database that another one prepared.
func record(tb testing.TB, prepare, script string, patchset bool) []byte {
	tb.Helper()
	c := openMemory(tb)
	mustExec(tb, c, sessionSchema+prepare)
	s := mustSession(tb, c, "")
	mustExec(tb, c, script)
	give := s.Changeset
	if patchset {
		give = s.Patchset
	}
	changes, err := give(background)
	if err != nil {
		tb.Fatal(err)
	}
	return changes
}

func readAll(tb testing.TB, raw []byte) []*Change {
	tb.Helper()
	var all []*Change
	for change, err := range ReadChangeset(iotest.OneByteReader(bytes.NewReader(raw))) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, change)
	}
	return all
}

const rows = "INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', x'0102'), (3, 'three', NULL); INSERT INTO u VALUES ('p', 1, 2);"

const edits = `UPDATE t SET a = 'ONE' WHERE id = 1; DELETE FROM t WHERE id = 2;
	INSERT INTO t VALUES (4, 'four', -7); UPDATE u SET z = NULL`

func TestChangesetTellsEachChange(t *testing.T) {
	no := Undefined{}
	tKey, uKey := []bool{true, false, false}, []bool{true, true, false}
	want := []*Change{
		{Table: "t", Op: hooks.Update, PrimaryKey: tKey, Old: []any{int64(1), "one", no}, New: []any{no, "ONE", no}},
		{Table: "t", Op: hooks.Delete, PrimaryKey: tKey, Old: []any{int64(2), "two", []byte{1, 2}}},
		{Table: "t", Op: hooks.Insert, PrimaryKey: tKey, New: []any{int64(4), "four", int64(-7)}},
		{Table: "u", Op: hooks.Update, PrimaryKey: uKey, Old: []any{"p", int64(1), int64(2)}, New: []any{no, no, nil}},
	}
	compare := func(raw []byte, want []*Change) {
		t.Helper()
		sorted := cmpopts.SortSlices(func(a, b *Change) bool {
			if a.Table != b.Table {
				return a.Table < b.Table
			}
			return changeKey(a) < changeKey(b)
		})
		if diff := cmp.Diff(want, readAll(t, raw), sorted, cmpopts.IgnoreUnexported(Change{})); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	}
	compare(record(t, rows, edits, false), want)
	for _, change := range want {
		change.Patchset = true
	}
	want[0].Old = []any{int64(1), no, no}
	want[1].Old = []any{int64(2), no, no}
	want[3].Old = []any{"p", int64(1), no}
	compare(record(t, rows, edits, true), want)
}

func changeKey(c *Change) int64 {
	if c.Table != "t" {
		return 0
	}
	if c.Op == hooks.Insert {
		return c.New[0].(int64)
	}
	return c.Old[0].(int64)
}

func TestChangesOfAnyValueSurviveEncoding(t *testing.T) {
	for _, patchset := range []bool{false, true} {
		raw := record(t, rows, edits+"; INSERT INTO t VALUES (9, zeroblob(70000), '"+strings.Repeat("x", 300)+"')", patchset)
		var again []byte
		for _, change := range readAll(t, raw) {
			var err error
			if again, err = appendChange(again, change); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(readAll(t, raw), readAll(t, again), cmp.AllowUnexported(Change{})); diff != "" {
			t.Errorf("patchset %v: changes (-want +got):\n%s", patchset, diff)
		}
	}
}

func TestApplyChangesetMakesTheSameRows(t *testing.T) {
	for _, patchset := range []bool{false, true} {
		raw := record(t, rows, edits, patchset)
		c := openMemory(t)
		mustExec(t, c, sessionSchema+rows)
		rebase, err := c.ApplyChangeset(background, iotest.OneByteReader(bytes.NewReader(raw)), ApplyOptions{})
		if err != nil || len(rebase) != 0 {
			t.Fatalf("apply: %v, rebase %d bytes", err, len(rebase))
		}
		want := [][]any{{int64(1), "ONE", 1.5}, {int64(3), "three", nil}, {int64(4), "four", int64(-7)}}
		if diff := cmp.Diff(want, values(t, c, "SELECT * FROM t")); diff != "" {
			t.Errorf("patchset %v: t (-want +got):\n%s", patchset, diff)
		}
		if diff := cmp.Diff([][]any{{"p", int64(1), nil}}, values(t, c, "SELECT * FROM u")); diff != "" {
			t.Errorf("patchset %v: u (-want +got):\n%s", patchset, diff)
		}
	}
}

func TestInvertedChangesetUndoes(t *testing.T) {
	raw := record(t, rows, edits, false)
	var inverted bytes.Buffer
	if err := InvertChangeset(&inverted, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	for name, undo := range map[string]func(*Conn) error{
		"inverted": func(c *Conn) error {
			_, err := c.ApplyChangeset(background, &inverted, ApplyOptions{})
			return err
		},
		"flag": func(c *Conn) error {
			_, err := c.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{Flags: ApplyInvert})
			return err
		},
	} {
		c := openMemory(t)
		mustExec(t, c, sessionSchema+rows)
		before := values(t, c, "SELECT * FROM t")
		mustExec(t, c, edits)
		if err := undo(c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, values(t, c, "SELECT * FROM t")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := InvertChangeset(io.Discard, bytes.NewReader(record(t, rows, edits, true))); !errors.Is(err, Corrupt) {
		t.Errorf("invert a patchset: %v, want %v", err, Corrupt)
	}
}

func TestConcatAndChangegroup(t *testing.T) {
	first := record(t, rows, "UPDATE t SET a = 'x' WHERE id = 1; INSERT INTO t VALUES (5, 5, 5)", false)
	second := record(t, rows+"INSERT INTO t VALUES (5, 5, 5)", "DELETE FROM t WHERE id = 5; DELETE FROM t WHERE id = 3", false)
	var joined bytes.Buffer
	if err := ConcatChangesets(&joined, bytes.NewReader(first), bytes.NewReader(second)); err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, change := range readAll(t, joined.Bytes()) {
		ops = append(ops, change.Op.String())
	}
	if diff := cmp.Diff([]string{"UPDATE", "DELETE"}, ops, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("operations (-want +got): an insert and its delete are nothing together\n%s", diff)
	}

	g, err := NewChangegroup()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, raw := range [][]byte{first, second} {
		for _, change := range readAll(t, raw) {
			if err := g.AddChange(change); err != nil {
				t.Fatal(err)
			}
		}
	}
	var grouped bytes.Buffer
	if n, err := g.WriteTo(&grouped); err != nil || n != int64(grouped.Len()) {
		t.Fatalf("write: %d, %v", n, err)
	}
	if diff := cmp.Diff(readAll(t, joined.Bytes()), readAll(t, grouped.Bytes()), cmp.AllowUnexported(Change{})); diff != "" {
		t.Errorf("one by one (-want +got):\n%s", diff)
	}
	err = ConcatChangesets(io.Discard, bytes.NewReader(first), bytes.NewReader(record(t, rows, edits, true)))
	if !errors.Is(err, Generic) {
		t.Errorf("a changeset and a patchset: %v, want %v", err, Generic)
	}
}

func TestChangegroupWithASchemaTakesAddedColumns(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema)
	take := func(sql string) []byte {
		s := mustSession(t, c, "t")
		defer s.Close()
		mustExec(t, c, sql)
		raw, err := s.Changeset(background)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	before := take("INSERT INTO t VALUES (1, 2, 3)")
	mustExec(t, c, "ALTER TABLE t ADD COLUMN c DEFAULT 'd'")
	after := take("INSERT INTO t VALUES (2, 2, 3, 4)")
	if err := ConcatChangesets(io.Discard, bytes.NewReader(before), bytes.NewReader(after)); !errors.Is(err, Schema) {
		t.Errorf("without a schema: %v, want %v", err, Schema)
	}
	g, err := NewChangegroup()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.SetSchema(c, ""); err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{before, after} {
		if err := g.Add(bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := g.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	for _, change := range readAll(t, out.Bytes()) {
		if len(change.New) != 4 {
			t.Errorf("%d columns, want 4", len(change.New))
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	checkCalls(t, "after the connection of the schema was closed", ErrClosed, map[string]func() error{
		"Add":     func() error { return g.Add(bytes.NewReader(before)) },
		"WriteTo": func() error { _, err := g.WriteTo(io.Discard); return err },
	})
	noErr(t, g.Close())
}

func TestApplyConflicts(t *testing.T) {
	type seen struct {
		Kind               ConflictKind
		Table              string
		Op                 hooks.Op
		Old, New, Existing any
	}
	mine := rows + "UPDATE t SET a = 'mine' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 'mine', 0);"
	for _, test := range []struct {
		name   string
		action ConflictAction
		code   error
		want   [][]any
	}{
		{"omit", ConflictOmit, nil, [][]any{{int64(1), "mine"}, {int64(3), "three"}, {int64(4), "mine"}}},
		{"abort", ConflictAbort, Abort, [][]any{{int64(1), "mine"}, {int64(3), "three"}, {int64(4), "mine"}}},
	} {
		c := openMemory(t)
		mustExec(t, c, sessionSchema+mine)
		var got []seen
		_, err := c.ApplyChangeset(background, bytes.NewReader(record(t, rows, edits, false)), ApplyOptions{
			Conflict: func(k *Conflict) (ConflictAction, error) {
				got = append(got, seen{k.Kind, k.Table, k.Op, k.Old(1).Any(), k.New(1).Any(), k.Existing(1).Any()})
				if k.Old(-1).Any() != nil || k.New(3).Any() != nil || len(k.PrimaryKey) != 3 {
					t.Error("a column that the table does not have has a value")
				}
				return test.action, nil
			}})
		if !errors.Is(err, test.code) {
			t.Errorf("%s: %v, want %v", test.name, err, test.code)
		}
		if diff := cmp.Diff(test.want, values(t, c, "SELECT id, a FROM t")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if test.code != nil {
			continue
		}
		want := []seen{
			{ConflictData, "t", hooks.Update, "one", "ONE", "mine"},
			{ConflictNotFound, "t", hooks.Delete, "two", nil, nil},
			{ConflictConflict, "t", hooks.Insert, nil, "four", "mine"},
		}
		order := cmpopts.SortSlices(func(a, b seen) bool { return a.Kind < b.Kind })
		if diff := cmp.Diff(want, got, order); diff != "" {
			t.Errorf("conflicts (-want +got):\n%s", diff)
		}
	}
}

func TestApplyReplacesWhereItMay(t *testing.T) {
	mine := rows + "UPDATE t SET a = 'mine' WHERE id = 1; INSERT INTO t VALUES (4, 'mine', 0);"
	c := openMemory(t)
	mustExec(t, c, sessionSchema+mine)
	replace := ApplyOptions{Conflict: func(*Conflict) (ConflictAction, error) { return ConflictReplace, nil }}
	raw := record(t, rows, edits, false)
	rebase, err := c.ApplyChangeset(background, bytes.NewReader(raw), replace)
	if err != nil || len(rebase) == 0 {
		t.Fatalf("apply: %v, rebase of %d bytes", err, len(rebase))
	}
	want := [][]any{{int64(1), "ONE"}, {int64(3), "three"}, {int64(4), "four"}}
	if diff := cmp.Diff(want, values(t, c, "SELECT id, a FROM t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	// The row to delete is not there now.
	if _, err := c.ApplyChangeset(background, bytes.NewReader(raw), replace); !errors.Is(err, Misuse) {
		t.Errorf("replace where that cannot be: %v, want %v", err, Misuse)
	}
}

func TestApplyForeignKeyConflict(t *testing.T) {
	schema := "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p);"
	src := openMemory(t)
	mustExec(t, src, schema+"INSERT INTO p VALUES (1)")
	s := mustSession(t, src, "")
	mustExec(t, src, "INSERT INTO c VALUES (1, 1), (2, 1)")
	raw, err := s.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	dst := openMemory(t)
	mustExec(t, dst, "PRAGMA foreign_keys = ON;"+schema)
	violated := 0
	_, err = dst.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{Conflict: func(k *Conflict) (ConflictAction, error) {
		if k.Kind != ConflictForeignKey || k.Old(0).Any() != nil || k.New(0).Any() != nil {
			t.Errorf("conflict %v", k.Kind)
		}
		violated = k.ForeignKeyConflicts()
		return ConflictAbort, nil
	}})
	if !errors.Is(err, Constraint) && !errors.Is(err, Abort) || violated < 1 {
		t.Errorf("apply: %v with %d violations, want some", err, violated)
	}
	if got := values(t, dst, "SELECT count(*) FROM c")[0][0]; got != int64(0) {
		t.Errorf("%v rows after a rollback, want 0", got)
	}
}

func TestApplyCallbacksThatFailRollBack(t *testing.T) {
	raw := record(t, rows, edits, false)
	broken := errors.New("broken")
	mine := rows + "UPDATE t SET a = 'mine' WHERE id = 1;"
	for name, options := range map[string]ApplyOptions{
		"conflict fails":  {Conflict: func(*Conflict) (ConflictAction, error) { return ConflictOmit, broken }},
		"conflict panics": {Conflict: func(*Conflict) (ConflictAction, error) { panic(broken) }},
		"table fails":     {Table: func(table string) (bool, error) { return table == "t", errorFor(table == "u", broken) }},
		"table panics":    {Table: func(string) (bool, error) { panic(broken) }},
		"filter fails":    {Filter: func(c *Change) (bool, error) { return true, errorFor(c.Table == "u", broken) }},
		"filter panics":   {Filter: func(*Change) (bool, error) { panic(broken) }},
	} {
		c := openMemory(t)
		mustExec(t, c, sessionSchema+mine)
		before := values(t, c, "SELECT * FROM t")
		_, err := c.ApplyChangeset(background, bytes.NewReader(raw), options)
		var panicked *PanicError
		if !errors.Is(err, broken) || errors.As(err, &panicked) != strings.HasSuffix(name, "panics") {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, values(t, c, "SELECT * FROM t")); diff != "" || !c.AutoCommit() {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func errorFor(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

func TestApplyFilters(t *testing.T) {
	raw := record(t, rows, edits, false)
	c := openMemory(t)
	mustExec(t, c, sessionSchema+rows)
	var asked []string
	_, err := c.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{
		Table:  func(table string) (bool, error) { asked = append(asked, table); return table == "t", nil },
		Filter: func(change *Change) (bool, error) { return change.Op == hooks.Insert, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"t", "u"}, asked, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	want := [][]any{{"one"}, {"two"}, {"three"}, {"four"}}
	if diff := cmp.Diff(want, values(t, c, "SELECT a FROM t ORDER BY id")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := values(t, c, "SELECT z FROM u")[0][0]; got != int64(2) {
		t.Errorf("a table that was filtered out was changed: %v", got)
	}
}

func TestRebase(t *testing.T) {
	for _, patchset := range []bool{false, true} {
		remote := record(t, rows, "UPDATE t SET a = 'remote' WHERE id = 1; DELETE FROM t WHERE id = 2", patchset)
		c := openMemory(t)
		mustExec(t, c, sessionSchema+rows)
		s := mustSession(t, c, "")
		mustExec(t, c, "UPDATE t SET a = 'local' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (9, 9, 9)")
		local, err := s.Changeset(background)
		if err != nil {
			t.Fatal(err)
		}
		rebase, err := c.ApplyChangeset(background, bytes.NewReader(remote), ApplyOptions{
			Conflict: func(k *Conflict) (ConflictAction, error) { return ConflictOmit, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewRebaser()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.Configure(rebase); err != nil {
			t.Fatalf("patchset %v: configure: %v", patchset, err)
		}
		var rebased bytes.Buffer
		if err := r.Rebase(&rebased, bytes.NewReader(local)); err != nil {
			t.Fatal(err)
		}
		// The other side has the remote changes, and takes the rebased local ones without a conflict.
		other := openMemory(t)
		mustExec(t, other, sessionSchema+rows)
		for _, raw := range [][]byte{remote, rebased.Bytes()} {
			if _, err := other.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{}); err != nil && !patchset {
				t.Fatalf("apply: %v", err)
			}
		}
		if got := values(t, other, "SELECT a FROM t WHERE id = 9"); !patchset && len(got) != 1 {
			t.Errorf("rows: %v", got)
		}
	}
}

// SQLite divides by zero if a rebaser is used that could not be configured.
func TestRebaserThatCouldNotBeConfiguredIsRefused(t *testing.T) {
	r, err := NewRebaser()
	noErr(t, err)
	defer r.Close()
	mixed := []byte{'T', 1, 1, 't', 0, byte(hooks.Insert), 0, byte(Null), 'T', 2, 1, 0, 't', 0, byte(hooks.Insert), 0, byte(Null), byte(Null)}
	for _, err := range []error{
		r.Configure(mixed), r.Configure(nil), r.Rebase(io.Discard, bytes.NewReader(record(t, rows, edits, false))),
	} {
		if !errors.Is(err, Schema) {
			t.Errorf("%v, want %v", err, Schema)
		}
	}
}

func TestSessionToggles(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema)
	s := mustSession(t, c, "t")
	if !s.IsEmpty() || !s.Enabled() || s.Indirect() {
		t.Error("a new session is not empty, enabled and direct")
	}
	noErr(t, s.SetEnabled(false))
	mustExec(t, c, "INSERT INTO t VALUES (1, 1, 1)")
	if !s.IsEmpty() || s.Enabled() {
		t.Error("a disabled session records")
	}
	noErr(t, errors.Join(s.SetEnabled(true), s.SetIndirect(true)))
	mustExec(t, c, "INSERT INTO t VALUES (2, 2, 2); INSERT INTO u VALUES (1, 1, 1)")
	if s.IsEmpty() || !s.Indirect() || s.MemoryUsed() == 0 || s.ChangesetSize() == 0 {
		t.Errorf("empty %v, indirect %v, %d bytes used, %d of a changeset", s.IsEmpty(), s.Indirect(), s.MemoryUsed(), s.ChangesetSize())
	}
	raw, err := s.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	if all := readAll(t, raw); len(all) != 1 || !all[0].Indirect || all[0].New[0] != int64(2) {
		t.Errorf("changes: %+v, want the indirect insert alone", all)
	}
}

func noErr(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestSessionSeesADeleteOfEverythingThatWasCompiledBefore(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema+rows)
	s := mustPrepare(t, c, "DELETE FROM t")
	session := mustSession(t, c, "t")
	mustDone(t, s)
	raw, err := session.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, raw)); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
}

func TestSessionTableFilter(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema)
	s := mustSession(t, c, "")
	noErr(t, s.SetTableFilter(func(table string) bool { return table == "t" }))
	mustExec(t, c, "INSERT INTO t VALUES (1, 1, 1); INSERT INTO u VALUES (1, 1, 1)")
	raw, err := s.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	if all := readAll(t, raw); len(all) != 1 || all[0].Table != "t" {
		t.Errorf("changes: %v", all)
	}
	broken := errors.New("broken")
	noErr(t, s.SetTableFilter(func(string) bool { panic(broken) }))
	mustExec(t, c, "CREATE TABLE w(id PRIMARY KEY)")
	if err := c.Exec(background, "INSERT INTO w VALUES (1)"); !errors.Is(err, broken) {
		t.Errorf("a filter that panics: %v, want %v", err, broken)
	}
	noErr(t, s.SetTableFilter(nil))
	mustExec(t, c, "INSERT INTO t VALUES (2, 1, 1)")
	if n := sessions.count(); n != 0 {
		t.Errorf("%d filters are registered", n)
	}
}

func TestSessionDiff(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema+rows+"ATTACH ':memory:' AS other; CREATE TABLE other.t(id INTEGER PRIMARY KEY, a, b);"+
		"INSERT INTO other.t VALUES (1, 'one', 1.5), (2, 'zwei', 0), (8, 8, 8)")
	s := mustSession(t, c)
	noErr(t, s.Diff(background, "other", "t"))
	raw, err := s.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "CREATE TABLE keep AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM other.t")
	if _, err := c.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values(t, c, "SELECT * FROM keep"), values(t, c, "SELECT * FROM t")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	mustExec(t, c, "CREATE TABLE other.u(x, y PRIMARY KEY, z)")
	for _, bad := range []struct{ schema, table, want string }{
		{"nope", "t", ""}, {"other", "u", "table schemas do not match"}, {"other", "a\x00b", "NUL"},
	} {
		if err := s.Diff(background, bad.schema, bad.table); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("diff with %s.%s: %v, want %q", bad.schema, bad.table, err, bad.want)
		}
	}
}

func TestSessionOfRowIDs(t *testing.T) {
	src, dst := openMemory(t), openMemory(t)
	for _, c := range []*Conn{src, dst} {
		mustExec(t, c, "CREATE TABLE k(a, b)")
	}
	s, err := src.NewSession("main", SessionOptions{RowIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	noErr(t, s.Attach(""))
	mustExec(t, src, "INSERT INTO k VALUES (1, 2), (3, 4)")
	raw, err := s.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dst.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(values(t, src, "SELECT rowid, * FROM k"), values(t, dst, "SELECT rowid, * FROM k")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestSessionBesideAPreUpdateHook(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema)
	told := 0
	noErr(t, c.SetPreUpdateHook(func(*PreUpdate) error { told++; return nil }))
	s := mustSession(t, c, "")
	second := mustSession(t, c, "")
	mustExec(t, c, "INSERT INTO t VALUES (1, 1, 1)")
	noErr(t, s.Close())
	mustExec(t, c, "INSERT INTO t VALUES (2, 1, 1)")
	raw, err := second.Changeset(background)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, raw)); n != 2 || told != 2 {
		t.Errorf("%d changes recorded and %d told, want 2 and 2", n, told)
	}
}

func TestStreamErrorsAreFound(t *testing.T) {
	raw := record(t, rows, edits, false)
	broken := errors.New("broken")
	bad := func() io.Reader { return io.MultiReader(bytes.NewReader(raw[:10]), iotest.ErrReader(broken)) }
	c := openMemory(t)
	mustExec(t, c, sessionSchema+rows)
	s := mustSession(t, c, "")
	mustExec(t, c, "INSERT INTO t VALUES (50, 1, 1)")
	g, err := NewChangegroup()
	noErr(t, err)
	defer g.Close()
	r, err := NewRebaser()
	noErr(t, err)
	defer r.Close()
	_, applyErr := c.ApplyChangeset(background, bad(), ApplyOptions{})
	noErr(t, g.Add(bytes.NewReader(raw)))
	_, groupErr := g.WriteTo(brokenWriter{broken})
	for name, err := range map[string]error{
		"apply": applyErr, "invert": InvertChangeset(io.Discard, bad()), "concat": ConcatChangesets(io.Discard, bad()),
		"rebase": r.Rebase(io.Discard, bad()), "add": g.Add(bad()), "write group": groupErr,
		"write changeset": s.WriteChangeset(background, brokenWriter{broken}),
		"write patchset":  s.WritePatchset(background, brokenWriter{broken}),
		"write inverted":  InvertChangeset(brokenWriter{broken}, bytes.NewReader(raw)),
		"write rebased":   r.Rebase(brokenWriter{broken}, bytes.NewReader(raw)),
	} {
		if !errors.Is(err, broken) || !errors.Is(err, IOErr) {
			t.Errorf("%s: %v, want %v in an %v", name, err, broken, IOErr)
		}
	}
	if err := InvertChangeset(io.Discard, panicReader{}); !errors.As(err, new(*PanicError)) {
		t.Errorf("a reader that panics: %v", err)
	}
	if err := s.WriteChangeset(background, iotest.TruncateWriter(io.Discard, 1)); err != nil {
		t.Error(err)
	}
	if n := streams.count(); n != 0 {
		t.Errorf("%d streams are registered", n)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("reader") }

func TestMalformedChangesets(t *testing.T) {
	raw := record(t, rows, edits, false)
	for name, bad := range map[string][]byte{
		"text": []byte("hello"), "cut": raw[:len(raw)-3], "no table": {18, 0, 5}, "no columns": {'T', 0, 0, 0},
		"many columns": {'T', 0x82, 0xff, 0xff, 0x7f}, "no name": {'T', 1, 1, 'a'},
		"huge text":        {'T', 1, 1, 'a', 0, 18, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"long text":        {'T', 1, 1, 'a', 0, 18, 0, 3, 0x87, 0xff, 0xff, 0xff, 0x7f, 'x'},
		"unknown type":     {'T', 1, 1, 'a', 0, 18, 0, 6},
		"unknown op":       {'T', 1, 1, 'a', 0, 19, 0, 5},
		"long name":        append([]byte{'T', 1, 1}, bytes.Repeat([]byte("x"), maxTableName+2)...),
		"ends in a number": {'T', 1, 1, 'a', 0, 18, 0, 1, 0},
	} {
		c := openMemory(t)
		mustExec(t, c, sessionSchema+rows)
		var readErr error
		for _, err := range ReadChangeset(bytes.NewReader(bad)) {
			readErr = err
		}
		_, applyErr := c.ApplyChangeset(background, bytes.NewReader(bad), ApplyOptions{})
		for call, err := range map[string]error{
			"read": readErr, "apply": applyErr, "invert": InvertChangeset(io.Discard, bytes.NewReader(bad)),
			"concat": ConcatChangesets(io.Discard, bytes.NewReader(raw), bytes.NewReader(bad)),
		} {
			if !errors.Is(err, Corrupt) {
				t.Errorf("%s: %s: %v, want %v", name, call, err, Corrupt)
			}
		}
	}
}

func TestChangeThatCannotBe(t *testing.T) {
	g, err := NewChangegroup()
	noErr(t, err)
	defer g.Close()
	key := []bool{true}
	for name, test := range map[string]struct {
		change Change
		want   error
	}{
		"no operation": {Change{Table: "t", PrimaryKey: key}, Misuse},
		"no columns":   {Change{Table: "t", Op: hooks.Insert}, Misuse},
		"no values":    {Change{Table: "t", Op: hooks.Insert, PrimaryKey: key}, Misuse},
		"no old":       {Change{Table: "t", Op: hooks.Delete, PrimaryKey: key, New: []any{nil}}, Misuse},
		"name":         {Change{Table: "a\x00b", Op: hooks.Insert, PrimaryKey: key, New: []any{nil}}, Misuse},
		"type":         {Change{Table: "t", Op: hooks.Insert, PrimaryKey: key, New: []any{struct{}{}}}, Mismatch},
	} {
		if err := g.AddChange(&test.change); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	noErr(t, g.AddChange(&Change{Table: "t", Op: hooks.Insert, PrimaryKey: key, New: []any{int64(1)}}))
}

func TestSessionMisuse(t *testing.T) {
	c := openMemory(t)
	for _, schema := range []string{"nope", "a\x00b"} {
		if _, err := c.NewSession(schema, SessionOptions{}); !errors.Is(err, NotFound) {
			t.Errorf("session of %q: %v, want %v", schema, err, NotFound)
		}
	}
	if _, err := c.ApplyChangeset(background, strings.NewReader(""), ApplyOptions{Flags: 1 << 20}); !errors.Is(err, Misuse) {
		t.Errorf("unknown flags: %v, want %v", err, Misuse)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := c.ApplyChangeset(ctx, strings.NewReader(""), ApplyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	s, err := c.NewSession("", SessionOptions{})
	noErr(t, err)
	checkRefusals(t, c, ErrHandleClosed, s.Close, map[string]func() error{
		"Attach":         func() error { return s.Attach("t") },
		"SetEnabled":     func() error { return s.SetEnabled(true) },
		"SetTableFilter": func() error { return s.SetTableFilter(func(string) bool { return true }) },
		"Changeset":      func() error { _, err := s.Changeset(background); return err },
		"Patchset":       func() error { _, err := s.Patchset(background); return err },
		"Diff":           func() error { return s.Diff(background, "main", "t") },
	})
	if s.Enabled() || s.Indirect() || !s.IsEmpty() || s.MemoryUsed() != 0 || s.ChangesetSize() != 0 {
		t.Error("a closed session tells of something")
	}
	var none *Session
	noErr(t, none.Close())
}

func TestOfflineMisuse(t *testing.T) {
	g, err := NewChangegroup()
	noErr(t, err)
	r, err := NewRebaser()
	noErr(t, err)
	calls := map[string]func() error{
		"Add":       func() error { return g.Add(strings.NewReader("")) },
		"SetSchema": func() error { return g.SetSchema(openMemory(t), "") },
		"WriteTo":   func() error { _, err := g.WriteTo(io.Discard); return err },
		"Configure": func() error { return r.Configure(nil) },
		"Rebase":    func() error { return r.Rebase(io.Discard, strings.NewReader("")) },
	}
	noErr(t, errors.Join(g.offline.enter(), r.enter()))
	checkCalls(t, "at the same time", ErrConcurrentUse, calls)
	if err := g.Close(); !errors.Is(err, ErrConcurrentUse) {
		t.Errorf("close at the same time: %v", err)
	}
	g.offline.leave()
	r.leave()
	noErr(t, errors.Join(g.Close(), g.Close(), r.Close(), r.Close()))
	checkCalls(t, "after close", ErrHandleClosed, calls)
	var noGroup *Changegroup
	var noRebaser *Rebaser
	noErr(t, errors.Join(noGroup.Close(), noRebaser.Close()))
}

func TestConnCloseEndsOpenSessions(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema)
	s, err := c.NewSession("", SessionOptions{})
	noErr(t, err)
	noErr(t, errors.Join(s.Attach(""), s.SetTableFilter(func(string) bool { return true })))
	mustExec(t, c, "INSERT INTO t VALUES (1, 1, 1)")
	noErr(t, c.Close())
	noErr(t, s.Close())
	if n := sessions.count(); n != 0 {
		t.Errorf("%d filters are registered", n)
	}
}

func TestSessionsDoNotLeak(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, sessionSchema+rows)
	raw := record(t, rows, edits, false)
	mustNotLeak(t, 200, func() error {
		s, err := c.NewSession("", SessionOptions{})
		if err != nil {
			return err
		}
		defer s.Close()
		noErr(t, errors.Join(s.Attach(""), s.SetTableFilter(func(string) bool { return true })))
		mustExec(t, c, "UPDATE t SET a = random()")
		if _, err := s.Changeset(background); err != nil {
			return err
		}
		_, err = c.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{
			Conflict: func(k *Conflict) (ConflictAction, error) { return ConflictOmit, nil }})
		if err != nil {
			return err
		}
		if _, err := c.ApplyChangeset(background, bytes.NewReader(raw[:20]), ApplyOptions{}); !errors.Is(err, Corrupt) {
			return expect(Corrupt, err)
		}
		var joined bytes.Buffer
		if err := ConcatChangesets(&joined, bytes.NewReader(raw), bytes.NewReader(raw)); err != nil {
			return err
		}
		return InvertChangeset(io.Discard, bytes.NewReader(raw))
	})
	if n := appliers.count() + streams.count(); n != 0 {
		t.Errorf("%d are still registered", n)
	}
}

// FuzzChangeset feeds bytes to everything that reads changesets. Nothing may crash, and what can be read can be written
// and read again.
func FuzzChangeset(f *testing.F) {
	for _, patchset := range []bool{false, true} {
		f.Add(record(f, rows, edits, patchset), patchset)
	}
	f.Add([]byte{'T', 1, 1, 't', 0, 18, 0, 5}, true)
	f.Fuzz(func(t *testing.T, raw []byte, replace bool) {
		checkReading(t, raw)
		c := openMemory(t)
		mustExec(t, c, sessionSchema+rows)
		action := ConflictOmit
		if replace {
			action = ConflictReplace
		}
		rebase, err := c.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{
			Conflict: func(k *Conflict) (ConflictAction, error) {
				for i := range k.PrimaryKey {
					_, _, _ = k.Old(i).Any(), k.New(i).Any(), k.Existing(i).Any()
				}
				if k.Kind == ConflictData || k.Kind == ConflictConflict {
					return action, nil
				}
				return ConflictOmit, nil
			}})
		if err == nil {
			r, err := NewRebaser()
			noErr(t, err)
			defer r.Close()
			if r.Configure(rebase) == nil {
				r.Rebase(io.Discard, bytes.NewReader(raw))
			}
		}
		InvertChangeset(io.Discard, bytes.NewReader(raw))
		ConcatChangesets(io.Discard, bytes.NewReader(raw), bytes.NewReader(raw))
		countRows(t, c)
	})
}

func checkReading(t *testing.T, raw []byte) {
	var again []byte
	var all []*Change
	for change, err := range ReadChangeset(bytes.NewReader(raw)) {
		if err != nil {
			if !errors.Is(err, Corrupt) {
				t.Fatalf("read: %v, want %v", err, Corrupt)
			}
			break
		}
		all = append(all, change)
		if again, err = appendChange(again, change); err != nil {
			t.Fatalf("encode %+v: %v", change, err)
		}
	}
	if diff := cmp.Diff(all, readAll(t, again), cmp.AllowUnexported(Change{}), cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("changes (-want +got):\n%s", diff)
	}
}
