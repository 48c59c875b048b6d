package shell

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// everything makes a database with one of everything that a dump has to keep.
const everything = `
CREATE TABLE "odd ""name'" ("a b", c DEFAULT (1+1)); -- and a comment
INSERT INTO "odd ""name'" VALUES (1, NULL), ('it''s', x''), (x'00ff27', '');
CREATE TABLE numbers(id INTEGER PRIMARY KEY, v);
INSERT INTO numbers(v) VALUES (9223372036854775807), (-9223372036854775808), (9007199254740993), (0.1), (1.0), (-0.0),
	(1e308), (5e-324), (9e999), (-9e999), (123456789012345.678), (2.2250738585072014e-308), (1e15), (1e-7), (0.30000000000000004);
CREATE TABLE texts(v);
INSERT INTO texts VALUES ('a' || char(0) || 'b'), (char(10)), (char(13,10)), ('\n' || char(10)), ('\n\(n0)' || char(10,13,0)),
	('ünï ☃ 𝄞'), (char(27) || '[31m'), (char(9)), ('--'), ('.quit'), (';'), ('''' || char(10) || ';'), (char(26)), ('1'), ('1.0'), (''),
	('first' || char(10) || '.second' || char(10) || ');');
CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO auto VALUES (5, 'five'), (900, 'gone');
DELETE FROM auto WHERE id = 900;
CREATE TABLE holes(v);
INSERT INTO holes(rowid, v) VALUES (-3, 'minus'), (7, 'seven'), (9000000000, 'far');
CREATE TABLE "rowid taken"(rowid TEXT, v);
INSERT INTO "rowid taken"(oid, rowid, v) VALUES (12, 'x', 1);
CREATE TABLE keyed(a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID;
INSERT INTO keyed VALUES ('z', 1), ('a', 2);
CREATE TABLE descending(id INTEGER PRIMARY KEY DESC, v);
INSERT INTO descending VALUES (3, 'c'), (NULL, 'n'), (1, 'a');
CREATE TABLE made(a INT, b INT AS (a * 2) STORED, c INT AS (a + b), d);
INSERT INTO made(a, d) VALUES (21, 'd');
CREATE TABLE strict(a INTEGER, b ANY) STRICT;
INSERT INTO strict VALUES (1, '007'), (2, 7);
CREATE TABLE parent(id INTEGER PRIMARY KEY);
CREATE TABLE child(p REFERENCES parent(id) ON DELETE CASCADE);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1);
CREATE INDEX numbers_v ON numbers(v) WHERE v > 0;
CREATE UNIQUE INDEX "odd index" ON texts(v COLLATE NOCASE, length(v));
CREATE VIEW joined AS SELECT n.v, t.v AS w FROM numbers n, texts t -- ends in a comment
;
CREATE TRIGGER counted AFTER INSERT ON parent BEGIN
	INSERT INTO child VALUES (new.id); -- with a semicolon;
	UPDATE numbers SET v = v + 1 WHERE id = 3;
END;
CREATE TRIGGER instead INSTEAD OF INSERT ON joined BEGIN SELECT 1; END;
CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize = 'porter');
INSERT INTO docs(rowid, title, body) VALUES (3, 'running', 'the dogs run'), (9, 'it''s', 'a ''quote''');
PRAGMA user_version = 42;
`

func TestDumpMakesTheSameDatabaseInEveryMode(t *testing.T) {
	source := newFile(t)
	must(t, source, everything+"CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);\nINSERT INTO boxes VALUES (1, 0.5, 2.5);\nANALYZE;\nPRAGMA application_id = -7;\n")
	all := must(t, source, ".dump\n")
	eachMode(t, func(t *testing.T, name string) {
		want := all
		if floe.IsURL(name) || strings.Contains(name, "primary=") {
			want, _, _ = strings.Cut(all, "PRAGMA application_id") // which servers refuse, with what follows
		}
		must(t, name, want)
		if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(must(t, name, ".dump\n"), "\n")); diff != "" {
			t.Errorf("dump of what the dump made (-want +got):\n%s", diff)
		}
		if got := must(t, name, ".mode list\n.headers off\nSELECT rowid FROM docs WHERE docs MATCH 'dog';\nPRAGMA foreign_key_check;\nPRAGMA integrity_check;\n"); got != "3\nok\n" {
			t.Errorf("the copy answers %q", got)
		}
	})
}

func TestDumpOfAServerMakesTheSameFile(t *testing.T) {
	srv := sqldtest.Start(t)
	must(t, srv.URL, everything)
	dump := must(t, srv.URL, ".dump\n")
	local := newFile(t)
	must(t, local, dump)
	if diff := cmp.Diff(strings.Split(dump, "\n"), strings.Split(must(t, local, ".dump\n"), "\n")); diff != "" {
		t.Errorf("dump of the file made by the server's dump (-want +got):\n%s", diff)
	}
}

func TestDumpOfVectorIndexesKeepsTheirTables(t *testing.T) {
	srv, other := sqldtest.Start(t), sqldtest.Start(t)
	must(t, srv.URL, "CREATE TABLE movies(id INTEGER PRIMARY KEY, e F32_BLOB(3));\nCREATE INDEX near ON movies(libsql_vector_idx(e));\n"+
		"INSERT INTO movies VALUES (1, vector('[1,2,3]')), (2, vector('[3,1,1]'));\n")
	dump := must(t, srv.URL, ".dump\n")
	must(t, other.URL, dump)
	const query = ".mode list\n.headers off\nSELECT id FROM vector_top_k('near', vector('[3,1,1]'), 1);\n"
	if got := must(t, other.URL, query); got != "2\n" {
		t.Errorf("the nearest is %q, want 2", got)
	}
	local := newFile(t)
	if _, _, err := run(t, local, dump); err == nil || !strings.Contains(err.Error(), "libsql_vector_idx") {
		t.Errorf("SQLite made a vector index: %v", err)
	}
	if got := must(t, local, ".mode list\n.headers off\nSELECT count(*) FROM movies;\n"); got != "2\n" {
		t.Errorf("%q rows are kept, want 2", got)
	}
}

// sqlite3 runs the shell of SQLite.
func sqlite3(t *testing.T, name, script string) string {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("there is no sqlite3 here")
	}
	cmd := exec.CommandContext(t.Context(), "sqlite3", "-bail", "-batch", name)
	cmd.Stdin = strings.NewReader(script)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil || errOut.Len() > 0 {
		t.Fatalf("sqlite3: %v: %s", err, errOut.String())
	}
	return out.String()
}

func TestDumpGoesThroughTheShellOfSQLiteAndBack(t *testing.T) {
	source, theirs, ours := newFile(t), newFile(t), newFile(t)
	must(t, source, everything)
	want := must(t, source, ".dump\n")
	sqlite3(t, theirs, want)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(must(t, theirs, ".dump\n"), "\n")); diff != "" {
		t.Errorf("dump of what sqlite3 made (-want +got):\n%s", diff)
	}
	// Their dump cuts a text at its first NUL, and has no negative zero.
	must(t, ours, sqlite3(t, theirs, "DELETE FROM texts WHERE instr(v, char(0));\nUPDATE numbers SET v = 0.0 WHERE v = 0;\n.dump --preserve-rowids\n"))
	must(t, theirs, "PRAGMA user_version = 0;")
	if diff := cmp.Diff(strings.Split(must(t, theirs, ".dump\n"), "\n"), strings.Split(must(t, ours, ".dump\n"), "\n")); diff != "" {
		t.Errorf("dump of what their dump made (-want +got):\n%s", diff)
	}
}
