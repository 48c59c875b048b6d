package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
	"github.com/floedb/floe/cmd/floe/internal/session"
	"github.com/floedb/floe/internal/sqldtest"
)

func TestScriptsWriteWhatTheirStatementsGive(t *testing.T) {
	eachMode(t, func(t *testing.T, name string) {
		got := must(t, name, `CREATE TABLE t(a, "b c");
-- a comment before a command
.headers on
INSERT INTO t VALUES (1, 'it''s'),
  (2.0, NULL); SELECT * FROM t; SELECT count(*) AS n
FROM t;
.mode csv
.nullvalue nil
SELECT a, "b c" FROM t;
.mode json
.nullvalue
SELECT * FROM t;
.headers off
.mode list
SELECT 'last', x'00ff'
`)
		want := `a    b c
---  ----
1    it's
2.0  NULL
n
-
2
a,b c
1,it's
2.0,nil
{"columns":["a","b c"],"rows":[[1,"it's"],[2.0,null]],"changes":0}
last|x'00ff'
`
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

func TestScriptsStopAtTheFirstErrorWithItsLine(t *testing.T) {
	included := writeFile(t, "included.sql", "SELECT 1;\nSELECT\n  nope;\n")
	eachMode(t, func(t *testing.T, name string) {
		for _, c := range []struct{ script, want string }{
			{"SELECT 1;\n\nSELECT nope;\nCREATE TABLE never(a);", "line 3: "},
			{"SELECT 1; SELECT\nnope;\nCREATE TABLE never(a);", "line 1: "},
			{"CREATE TABLE IF NOT EXISTS u(a UNIQUE);\nDELETE FROM u;\nINSERT INTO u VALUES (1);\nINSERT INTO u VALUES (2);\nINSERT INTO u VALUES (1);\nCREATE TABLE never(a);", "line 5: "},
			{".mode tabel\nCREATE TABLE never(a);", `line 1: unknown mode "tabel": did you mean table?`},
			{"SELECT 1;\n.read " + included + "\nCREATE TABLE never(a);", included + ":2: "},
			{"SELECT 'not ended;\n", "line 1: "},
		} {
			_, _, err := run(t, name, c.script)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("script %q: error %v, want %s...", c.script, err, c.want)
			}
		}
		if got := must(t, name, ".tables never\n"); got != "" {
			t.Errorf("a script went on behind its error: there is a table %s", got)
		}
	})
}

func TestBailOffGoesOnAndFailsAtTheEnd(t *testing.T) {
	out, errOut, err := run(t, newFile(t), ".bail off\nSELECT nope;\n.nope\nSELECT 5 AS five;\n")
	if err == nil || !strings.Contains(out, "five") || strings.Count(errOut, "error: line") != 2 {
		t.Errorf("error %v, output %q, standard error %q; want an error, the result, and two errors told", err, out, errOut)
	}
}

func TestSchemaCommands(t *testing.T) {
	eachMode(t, func(t *testing.T, name string) {
		must(t, name, `CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE orders(u REFERENCES users(id)); -- here
CREATE INDEX by_user ON orders(u);
CREATE VIEW both AS SELECT * FROM users, orders -- there
;
`)
		for command, want := range map[string]string{
			".tables\n":         "both\norders\nusers\n",
			".tables %rs\n":     "orders\nusers\n",
			".indexes\n":        "by_user\nsqlite_autoindex_users_1\n",
			".indices orders\n": "by_user\n",
			".schema orders\n":  "CREATE TABLE orders(u REFERENCES users(id));\nCREATE INDEX by_user ON orders(u);\n",
			".schema both\n":    "CREATE VIEW both AS SELECT * FROM users, orders -- there\n;\n",
			".schema nope\n":    "",
		} {
			got := must(t, name, command)
			if name := strings.TrimSpace(command); strings.HasPrefix(name, ".schema both") {
				got = strings.Replace(got, "orders;\n", "orders -- there\n;\n", 1) // a server leaves comments out
			}
			if got != want {
				t.Errorf("%s gives %q, want %q", strings.TrimSpace(command), got, want)
			}
		}
		if got := must(t, name, ".databases\n"); !strings.HasPrefix(got, "main: ") {
			t.Errorf(".databases gives %q", got)
		}
	})
}

func TestOutputGoesToFiles(t *testing.T) {
	dir := t.TempDir()
	all, one := filepath.Join(dir, "all.txt"), filepath.Join(dir, "one.txt")
	got := must(t, newFile(t), fmt.Sprintf(".headers off\n.mode list\n.output %s\nSELECT 1;\n.once '%s'\nSELECT 2;\nSELECT 3;\n.output\nSELECT 4;\n", all, one))
	for what, c := range map[string]struct{ got, want string }{
		"standard output": {got, "4\n"}, "the file of .output": {read(t, all), "1\n3\n"}, "the file of .once": {read(t, one), "2\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s has %q, want %q", what, c.got, c.want)
		}
	}
	if _, _, err := run(t, newFile(t), ".output "+filepath.Join(dir, "no", "such")+"\n"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file in a folder that is not there: %v", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTimerAndPlanAreShown(t *testing.T) {
	got := must(t, newFile(t), "CREATE TABLE t(a);\n.timer on\n.explain on\nSELECT a FROM t;\n")
	if !strings.Contains(got, "SCAN t\n") || !strings.Contains(got, "Run time: ") {
		t.Errorf("output %q has no plan or no time", got)
	}
}

func TestAPersonIsToldWhatChanged(t *testing.T) {
	for mode, want := range map[string]string{
		"table": "2 rows changed\n1 row changed\n",
		"json":  `{"columns":[],"rows":[],"changes":2}` + "\n" + `{"columns":[],"rows":[],"changes":1}` + "\n",
		"csv":   "",
	} {
		sh := typed(t, "")
		var out strings.Builder
		sh.out, sh.mode = newOutput(&out, true), mode
		for _, sql := range []string{"CREATE TABLE t(a)", "INSERT INTO t VALUES (1), (2)", "BEGIN", "DELETE FROM t WHERE a = 1", "COMMIT"} {
			if err := sh.statement(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != want {
			t.Errorf("mode %s: a person sees %q, want %q", mode, out.String(), want)
		}
	}
}

func TestUnknownCommandsNameTheNearest(t *testing.T) {
	for word, want := range map[string]string{
		".tabels": ".tables", ".shcema": ".schema", ".ext": ".exit", ".hlep": ".help", ".dmp": ".dump", ".headrs": ".headers",
	} {
		_, _, err := run(t, newFile(t), word+"\n")
		if err == nil || !strings.Contains(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: %v, want that it may be %s", word, err, want)
		}
	}
}

func TestEveryCommandHasHelpAndChecksItsArguments(t *testing.T) {
	for _, c := range commandTable() {
		got := must(t, newFile(t), ".help "+c.name+"\n")
		if c.summary == "" || !strings.Contains(got, c.summary) || !strings.HasPrefix(got, c.usage()) {
			t.Errorf("the help of .%s is %q", c.name, got)
		}
		_, _, err := run(t, newFile(t), "."+c.name+strings.Repeat(" x", c.max+1)+"\n")
		if err == nil || !strings.Contains(err.Error(), "usage: ."+c.name) {
			t.Errorf(".%s with %d arguments: %v", c.name, c.max+1, err)
		}
	}
	if got := must(t, newFile(t), ".help\n"); strings.Count(got, "\n") != len(commandTable()) {
		t.Errorf(".help lists %d of %d commands", strings.Count(got, "\n"), len(commandTable()))
	}
}

func TestQuitEndsAScript(t *testing.T) {
	included := writeFile(t, "quit.sql", ".quit\n")
	for _, quit := range []string{".quit", ".exit", ".q", ".read " + included} {
		if got := must(t, newFile(t), ".headers off\nSELECT 1;\n"+quit+"\nSELECT 2;\n"); strings.Contains(got, "2") {
			t.Errorf("a script went on behind %s: %q", quit, got)
		}
	}
}

func TestScriptsThatReadThemselvesEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "loop.sql")
	if err := os.WriteFile(path, []byte(".read "+path+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(t, newFile(t), ".read "+path+"\n"); err == nil || !strings.Contains(err.Error(), "read each other") {
		t.Errorf("error %v, want that they read each other", err)
	}
}

func TestReplicasSyncAndFreeze(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(a)")
	path := newFile(t)
	target := session.Target{Name: path, Primary: srv.URL}
	var out, errOut strings.Builder
	err := Run(t.Context(), Config{
		Target: target, In: strings.NewReader(`INSERT INTO t VALUES (1);
.mode list
.headers off
SELECT count(*) FROM t;
.sync
.status
.freeze --yes
INSERT INTO t VALUES (2);
SELECT count(*) FROM t;
.status
`), Out: &out, Err: &errOut,
		Status: func(_ context.Context, w io.Writer, at session.Target) error {
			_, err := fmt.Fprintf(w, "primary %q\n", at.Primary)
			return err
		},
	})
	if err != nil || errOut.Len() > 0 {
		t.Fatalf("%v, standard error %q", err, errOut.String())
	}
	want := []string{"1", fmt.Sprintf("primary %q", srv.URL), "the database is one of its own now", "2", `primary ""`}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[1], "at frame ") {
		t.Fatalf("output %q", lines)
	}
	if diff := cmp.Diff(want, append(lines[:1:1], lines[2:]...)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if st, err := floe.Inspect(path); err != nil || st.Role != floe.RoleFrozen {
		t.Errorf("the file is %v, error %v", st.Role, err)
	}
	if _, _, err := run(t, path, ".sync\n"); !errors.Is(err, errNoReplica) {
		t.Errorf(".sync of a local database: %v", err)
	}
	if _, _, err := run(t, path, ".freeze\n"); err == nil {
		t.Error("a database of its own was frozen")
	}
}

func TestAFreezeIsMeant(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(a)")
	path := newFile(t)
	must(t, "file:"+path+"?primary="+srv.URL, "SELECT 1 FROM t;")
	for script, want := range map[string]string{
		".f\n":           ".freeze has to be typed in full",
		".freez --yes\n": ".freeze has to be typed in full",
		".freeze\n":      "a script says .freeze --yes",
		".freeze --no\n": "there is --yes",
		".read " + writeFile(t, "freeze.sql", ".freeze\n") + "\n": "a script says .freeze --yes",
		"BEGIN;\n.freeze --yes\n":                                 "a transaction is open",
	} {
		if _, _, err := run(t, path, script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", script, err, want)
		}
	}
	if st, err := floe.Inspect(path); err != nil || st.Role != floe.RoleReplica {
		t.Errorf("the file is %v, error %v; want a replica", st.Role, err)
	}
}

func TestAScriptThatEndsInATransactionFails(t *testing.T) {
	eachMode(t, func(t *testing.T, name string) {
		for script, want := range map[string]error{
			"BEGIN; CREATE TABLE t(a);":                            errOpenTx,
			"SAVEPOINT a; CREATE TABLE t(a);\n.quit\n":             errOpenTx,
			"BEGIN; CREATE TABLE t(a); -- COMMIT;":                 errOpenTx,
			".bail off\nBEGIN; SELECT nope; CREATE TABLE t(a);\n":  errFailed,
			"BEGIN; ROLLBACK; SAVEPOINT a; RELEASE a; BEGIN; END;": nil,
		} {
			_, _, err := run(t, name, script)
			if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), "is rolled back") {
				t.Errorf("%q: error %v, want %v", script, err, want)
			}
		}
		_, _, err := run(t, name, "BEGIN;\nSELECT nope;\n")
		if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") || !strings.HasSuffix(err.Error(), "; the transaction that was open is rolled back") {
			t.Errorf("an error in a transaction: %v", err)
		}
		if got := must(t, name, ".tables\n"); got != "" {
			t.Errorf("there are tables %q", got)
		}
	})
}

func TestAnErrorThatEndsTheTransactionSaysSo(t *testing.T) {
	eachMode(t, func(t *testing.T, name string) {
		const lost, constraint = "the transaction is lost", "UNIQUE constraint failed: t.a"
		must(t, name, "CREATE TABLE t(a UNIQUE);\nINSERT INTO t VALUES (1);\n")
		for conflict, want := range map[string]bool{"ROLLBACK": true, "ABORT": false, "FAIL": false} {
			script := "BEGIN;\nINSERT INTO t VALUES (2);\nSELECT a FROM t;\nINSERT OR " + conflict + " INTO t VALUES (1) RETURNING a;\n"
			_, stderr, err := run(t, name, ".bail off\n"+script+"ROLLBACK;\n")
			if !errors.Is(err, errFailed) || strings.Contains(stderr, lost) != want || !strings.Contains(stderr, constraint) {
				t.Errorf("OR %s: error %v, said %q", conflict, err, stderr)
			}
			for _, script := range []string{script, strings.ReplaceAll(script, " RETURNING a", "")} {
				_, _, err = run(t, name, script)
				if errors.Is(err, floe.ErrTransactionLost) != want || !strings.Contains(err.Error(), constraint) {
					t.Errorf("%s in a script that ends: error %v", script, err)
				}
			}
		}
		if _, stderr, _ := run(t, name, ".bail off\nINSERT OR ROLLBACK INTO t VALUES (1);\n"); strings.Contains(stderr, lost) {
			t.Errorf("without a transaction it is said to be lost: %q", stderr)
		}
	})
}

func TestOutputDoesNotOverwriteTheDatabase(t *testing.T) {
	name := newFile(t)
	must(t, name, "CREATE TABLE t(a);")
	for _, command := range []string{".output ", ".once "} {
		if _, _, err := run(t, name, command+name+"\n"); err == nil || !strings.Contains(err.Error(), "is a file of the database") {
			t.Errorf("%s the database: %v", command, err)
		}
	}
	if got := must(t, name, ".tables\n"); got != "t\n" {
		t.Errorf("tables %q, want t", got)
	}
}
