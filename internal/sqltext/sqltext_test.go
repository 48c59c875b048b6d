package sqltext

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
)

func TestSplitGivesStatementsWithWhatTheyBeginWith(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want []Statement
	}{
		{"", nil},
		{" -- nothing\n; /* at */ ;; /* all", nil},
		{"select 1", []Statement{{SQL: "select 1", Keyword: "SELECT", Reads: true}}},
		{" /* a */ Select 1 /* b */ ; -- c", []Statement{{SQL: "Select 1", Offset: 9, Keyword: "SELECT", Reads: true}}},
		{"SELECT ';', \";\", `;`, [;] -- ;\n, 1;VALUES(2)", []Statement{
			{SQL: "SELECT ';', \";\", `;`, [;] -- ;\n, 1", Keyword: "SELECT", Reads: true},
			{SQL: "VALUES(2)", Offset: 35, Keyword: "VALUES", Reads: true},
		}},
		{"SELECT 'it''s;', x';'; (SELECT 1)", []Statement{
			{SQL: "SELECT 'it''s;', x';'", Keyword: "SELECT", Reads: true},
			{SQL: "(SELECT 1)", Offset: 23},
		}},
		{"begin; savepoint a; rollback to a; release a; rollback", []Statement{
			{SQL: "begin", Keyword: "BEGIN", Tx: TxBegin},
			{SQL: "savepoint a", Offset: 7, Keyword: "SAVEPOINT", Tx: TxSavepoint},
			{SQL: "rollback to a", Offset: 20, Keyword: "ROLLBACK"},
			{SQL: "release a", Offset: 35, Keyword: "RELEASE", Tx: TxRelease},
			{SQL: "rollback", Offset: 46, Keyword: "ROLLBACK", Tx: TxEnd},
		}},
		{"ROLLBACK TRANSACTION b TO SAVEPOINT a; END TRANSACTION; COMMIT", []Statement{
			{SQL: "ROLLBACK TRANSACTION b TO SAVEPOINT a", Keyword: "ROLLBACK"},
			{SQL: "END TRANSACTION", Offset: 39, Keyword: "END", Tx: TxEnd},
			{SQL: "COMMIT", Offset: 56, Keyword: "COMMIT", Tx: TxEnd},
		}},
		{"\ufeffEXPLAIN COMMIT", []Statement{{SQL: "EXPLAIN COMMIT", Offset: 3, Keyword: "EXPLAIN", Reads: true}}},
	} {
		if diff := cmp.Diff(c.want, Split(c.sql)); diff != "" {
			t.Errorf("Split(%q): (-want +got)\n%s", c.sql, diff)
		}
	}
}

// A name of a table after WITH may be REPLACE, which is no reserved word; the statement then seems to write.
func TestWhetherAStatementReadsIsKnown(t *testing.T) {
	for sql, want := range map[string]bool{
		"select 1": true, "VALUES (1)": true, "EXPLAIN DELETE FROM t": true,
		"WITH a(x) AS (DELETE), select_(y) AS (SELECT 1) SELECT 1": true,
		"with recursive a as materialized (values(1)) values(2)":   true,
		"WITH a AS (SELECT 1) INSERT INTO t SELECT 1":              false,
		"WITH a AS (SELECT 1) REPLACE INTO t SELECT 1":             false,
		"WITH a AS (SELECT 1) UPDATE t SET x = 1":                  false,
		"WITH a AS (SELECT 1) DELETE FROM t":                       false,
		"DELETE FROM t RETURNING 1":                                false,
		"PRAGMA user_version":                                      false,
		"(SELECT 1)":                                               false,
		"BEGIN":                                                    false,
	} {
		if got := Split(sql)[0].Reads; got != want {
			t.Errorf("%s: Reads is %v, want %v", sql, got, want)
		}
	}
}

func TestNumberedNamesTheSameParameters(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT ?, :a, ?3, ':a', :a, @a /* ? */, ? -- ?": "SELECT ?1, ?2, ?3, ':a', ?2, ?4 /* ? */, ?5",
		"SELECT $a::b(c), ?":                             "SELECT ?1, ?2",
		"SELECT 1":                                       "SELECT 1",
	} {
		if got := Split(sql)[0].Numbered(); got != want {
			t.Errorf("Numbered(%q) = %q, want %q", sql, got, want)
		}
	}
}

func TestATriggerIsOneStatement(t *testing.T) {
	const body = " TRIGGER IF NOT EXISTS tr AFTER INSERT ON a BEGIN " +
		"UPDATE a SET x = CASE WHEN x THEN 1 END; ; /* END; */ DELETE FROM a WHERE x = 'END;'; END"
	for _, head := range []string{"CREATE", "CREATE TEMP", "create temporary", "EXPLAIN CREATE", "explain query plan create", "EXPLAIN QUERY PLAN CREATE TEMP"} {
		got := Split(head + body + "; SELECT 1")
		if len(got) != 2 || got[0].SQL != head+body || got[1].SQL != "SELECT 1" {
			t.Errorf("Split gave %+v, want the trigger that begins with %q, and SELECT 1", got, head)
		}
	}
}

func TestParametersAreNumberedAsBySQLite(t *testing.T) {
	for _, sql := range append(compiled, manyParams()) {
		if err := compare(t, sql); err != nil {
			t.Errorf("SQLite refuses %.200s: %v", sql, err)
		}
	}
}

// compiled are texts that SQLite compiles.
var compiled = []string{
	"SELECT ?, ?, ?",
	"SELECT ?3, ?, ?1, ?, ?03",
	"SELECT ?, ?1, ?01",
	"SELECT :a, @a, $a, :a, ?, :b, #a",
	"SELECT ?2, :a, ?, :b, ?7, :a",
	"SELECT $a::b(c), $a::b, $a(x), $::a, $a::(b)",
	"SELECT ':a', \"?\", `?`, [?] /* ? */, ? -- ?\n, ?2 FROM (SELECT 1 AS \"?\")",
	"SELECT x'00', 1e5, 0x1F, 1.5, .5, 1., 'a''?''b', a$b FROM (SELECT 1 AS a$b)",
	"SELECT 1 /* open",
	"SELECT 1 -- open",
	"SELECT 2*/**/3, 4--5\n-6, 7->8, 9>>1||':a' COLLATE nocase",
	"SELECT ?;; ; SELECT :a; -- end",
	"\ufeff SELECT 1;\ufeff SELECT ?",
	"SELECT 1\f;\r\n\tSELECT 2;",
	"CREATE TABLE a(x); SELECT ?",
	"CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; DELETE FROM t; END; SELECT ?",
	"EXPLAIN SELECT ?; EXPLAIN QUERY PLAN SELECT :b",
	"SELECT ?32766",
	"SELECT 'é', é, :é FROM (SELECT 1 AS é)",
}

func manyParams() string {
	var b strings.Builder
	b.WriteString("SELECT ?")
	for i := range 100 {
		fmt.Fprintf(&b, ", :p%d, ?, :p%d", i, i/2)
	}
	return b.String()
}

// compare splits a text with both tokenizers, up to where SQLite refuses it, and gives its error then.
func compare(t *testing.T, sql string) error {
	t.Helper()
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(t.Context(), "CREATE TABLE t(x)"); err != nil {
		t.Fatal(err)
	}
	for rest := sql; rest != ""; {
		got, n := First(rest)
		tail, err := compareFirst(t, c, rest, got, n)
		if err != nil {
			return err
		}
		rest = tail
	}
	return nil
}

func compareFirst(t *testing.T, c *engine.Conn, sql string, got Statement, n int) (tail string, err error) {
	t.Helper()
	s, tail, err := c.PrepareTail(sql)
	if err != nil {
		return "", err
	}
	if s == nil {
		// A piece of blanks, over which First passes.
		return tail, nil
	}
	defer s.Finalize()
	if len(sql)-n != len(tail) {
		t.Fatalf("%q: the first statement is over at %d, SQLite has %d", sql, n, len(sql)-len(tail))
	}
	var want []string
	for i := range s.BindCount() {
		want = append(want, s.BindName(i+1))
	}
	if diff := cmp.Diff(want, got.Params); diff != "" {
		t.Fatalf("parameters of %q: (-SQLite +got)\n%s", sql, diff)
	}
	return tail, nil
}

func FuzzFirstAgreesWithSQLite(f *testing.F) {
	for _, sql := range compiled {
		f.Add(sql)
	}
	f.Add("CREATE TRIGGER x BEGIN ; END; SELECT $a::b(c) '")
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.ContainsRune(sql, 0) || len(sql) > 1000 {
			return // SQLite takes a NUL for the end of the text
		}
		_ = compare(t, sql)
		checkPieces(t, sql)
	})
}

// checkPieces checks that the statements lie in the text one after the other.
func checkPieces(t *testing.T, sql string) {
	t.Helper()
	end := 0
	for _, st := range Split(sql) {
		if st.SQL == "" || st.Offset < end || sql[st.Offset:st.Offset+len(st.SQL)] != st.SQL {
			t.Fatalf("Split(%q): statement %q at %d, after one that ends at %d", sql, st.SQL, st.Offset, end)
		}
		end = st.Offset + len(st.SQL)
		if again := Split(st.SQL); len(again) != 1 || again[0].SQL != st.SQL {
			t.Fatalf("Split(%q): %q splits into %+v", sql, st.SQL, again)
		}
	}
}

func BenchmarkFirst(b *testing.B) {
	for _, sql := range []string{
		"SELECT id, name FROM users WHERE id = ?",
		"INSERT INTO t(a, b, c) VALUES " + strings.Repeat("(?, ?, ?), ", 999) + "(?, ?, ?)",
	} {
		b.Run(fmt.Sprint(len(sql)), func(b *testing.B) {
			b.SetBytes(int64(len(sql)))
			for b.Loop() {
				First(sql)
			}
		})
	}
}
