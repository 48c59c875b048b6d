package shell

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe"
)

// rowidNames has tables whose columns have the names of the rowid.
const rowidNames = `
CREATE TABLE g1(a, rowid INT AS (a*2)); INSERT INTO g1(oid,a) VALUES (5,1),(9,2);
CREATE TABLE g2(a, oid INT AS (a*2) STORED, _rowid_ AS (a+1)); INSERT INTO g2(rowid,a) VALUES (-5,1),(90,2);
CREATE TABLE g3(a INTEGER PRIMARY KEY, oid INT AS (a*2) STORED, _rowid_ AS (a+1), ROWID TEXT); INSERT INTO g3(a,rowid) VALUES (-5,1),(90,2);
CREATE TABLE g4(a, oid, "_RowID_" AS (a+1), rowid TEXT); CREATE INDEX g4i ON g4(a, oid, rowid); INSERT INTO g4(a,rowid) VALUES ('b',1),('a',2);
CREATE TABLE g5(a PRIMARY KEY, rowid AS (a)) WITHOUT ROWID; INSERT INTO g5 VALUES ('x'),('b');
CREATE TABLE g6(a INT, rowid TEXT AS (a || 'x') STORED, b ANY) STRICT; INSERT INTO g6(_rowid_,a,b) VALUES (3,1,x'00'),(2,2,'z');
CREATE TABLE g7(a INT PRIMARY KEY, rowid INTEGER AS (a)); INSERT INTO g7(oid,a) VALUES (3,1),(2,2);
CREATE TABLE g8(oid INTEGER PRIMARY KEY, rowid AS (oid)); INSERT INTO g8(oid) VALUES (3),(2);
`

const rowidQuery = `.mode list
.headers off
SELECT oid, a, rowid FROM g1; SELECT rowid, a, oid, _rowid_ FROM g2; SELECT * FROM g3; SELECT a, rowid FROM g4 NOT INDEXED;
SELECT * FROM g5; SELECT _rowid_, * FROM g6; SELECT oid, * FROM g7; SELECT _rowid_, * FROM g8;
`

func TestDumpKeepsTheRowidsOfTablesWithColumnsOfThatName(t *testing.T) {
	source := newFile(t)
	must(t, source, rowidNames)
	want, dump := must(t, source, rowidQuery), must(t, source, ".dump\n")
	if !strings.Contains(want, "5|1|2\n9|2|4\n-5|1|2|2\n") {
		t.Fatalf("the source has %q", want)
	}
	eachMode(t, func(t *testing.T, name string) {
		must(t, name, dump)
		if diff := cmp.Diff(want, must(t, name, rowidQuery)); diff != "" {
			t.Errorf("what the dump made (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(dump, must(t, name, ".dump\n")); diff != "" {
			t.Errorf("dump of what the dump made (-want +got):\n%s", diff)
		}
	})
	theirs := newFile(t)
	sqlite3(t, theirs, dump)
	if diff := cmp.Diff(want, must(t, theirs, rowidQuery)); diff != "" {
		t.Errorf("what sqlite3 made (-want +got):\n%s", diff)
	}
}

// sortedDump is the dump of the sqlite3 shell, whatever the order of its lines.
func sortedDump(t *testing.T, name string) []string {
	t.Helper()
	lines := strings.Split(sqlite3(t, name, ".dump\n"), "\n")
	slices.Sort(lines)
	return lines
}

// The sqlite3 shell has FTS3 and FTS4, which the engine here has not; nobody here has vec0.
func TestDumpOfVirtualTablesWhoseModuleIsNotHere(t *testing.T) {
	source := newFile(t)
	if !strings.Contains(sqlite3(t, source, "PRAGMA compile_options;"), "ENABLE_FTS3") {
		t.Skip("this sqlite3 has no FTS4")
	}
	sqlite3(t, source, `
CREATE TABLE plain(id INTEGER PRIMARY KEY AUTOINCREMENT, a);
INSERT INTO plain VALUES (7, 'x');
CREATE VIRTUAL TABLE docs USING fts4(title, body, tokenize=porter);
INSERT INTO docs(docid,title,body) VALUES (3,'running','the dogs run'), (9,'it''s','a ''quote''');
CREATE VIRTUAL TABLE "old ""one'
line" USING fts3(x);
INSERT INTO "old ""one'
line" VALUES ('hello world');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
INSERT INTO boxes VALUES (1, 0.5, 2.5), (7, 1, 2);
CREATE VIEW found AS SELECT * FROM docs WHERE docs MATCH 'dog';
CREATE VIEW broken AS SELECT * FROM nowhere;
CREATE TRIGGER tr AFTER INSERT ON plain BEGIN INSERT INTO docs(title) VALUES (new.a); END;
CREATE TABLE v_rowids(rowid INTEGER PRIMARY KEY, id);
INSERT INTO v_rowids VALUES (4, 'x');
PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema VALUES ('table','v','v',0,'CREATE VIRTUAL TABLE v USING vec0(e float[3])');
`)
	want := sortedDump(t, source)
	dump := must(t, source, ".dump\n")
	theirs, ours := newFile(t), newFile(t)
	sqlite3(t, theirs, dump)
	must(t, ours, dump)
	for by, name := range map[string]string{"sqlite3": theirs, "floe": ours} {
		if diff := cmp.Diff(want, sortedDump(t, name)); diff != "" {
			t.Errorf("what %s made (-want +got):\n%s", by, diff)
		}
		got := sqlite3(t, name, "SELECT docid FROM docs WHERE docs MATCH 'dog'; SELECT title FROM found; SELECT count(*) FROM boxes WHERE x0 < 0.7; PRAGMA integrity_check; INSERT INTO plain(a) VALUES ('new dog'); SELECT max(docid) FROM docs;")
		if want := "3\nrunning\n1\nok\n10\n"; got != want {
			t.Errorf("what %s made answers %q, want %q", by, got, want)
		}
	}
	one := newFile(t)
	sqlite3(t, one, must(t, source, ".dump docs\n"))
	if got := sqlite3(t, one, "SELECT docid FROM docs WHERE docs MATCH 'dog'; SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'docs%' AND sql IS NOT NULL;"); got != "3\n0\n" {
		t.Errorf("the dump of a table by itself makes one that answers %q", got)
	}
}

func TestDumpOfADatabaseThatCountedOnce(t *testing.T) {
	source := newFile(t)
	must(t, source, "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO a VALUES (3); DROP TABLE a; CREATE TABLE b(\"AUTOINCREMENT\");")
	eachMode(t, func(t *testing.T, name string) {
		must(t, name, must(t, source, ".dump\n"))
		if got := must(t, name, ".tables\n"); got != "b\n" {
			t.Errorf("tables %q, want b", got)
		}
	})
}

func TestDumpOfAnEmptyDatabase(t *testing.T) {
	eachMode(t, func(t *testing.T, name string) {
		if got, want := must(t, name, ".dump\n"), "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n"; got != want && !floe.IsURL(name) {
			t.Errorf("dump %q, want %q", got, want)
		}
	})
}
