package engine

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPragmaSetsAndReadsEachType(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `ATTACH ':memory:' AS 'the "other"'`)
	const other = `the "other"`
	for _, test := range []struct {
		schema, name string
		value        any
		want         string
	}{
		{"", "cache_size", -123, "-123"},
		{"main", "USER_version", int64(7), "7"},
		{other, "user_version", 9, "9"},
		{"", "recursive_triggers", true, "1"},
		{"", "recursive_triggers", false, "0"},
		{"", "temp_store", "memory", "2"},
		{"", "encoding", "UTF-16le", "UTF-16le"},
	} {
		must(t, c.SetPragma(background, test.schema, test.name, test.value))
		got, err := c.PragmaText(background, test.schema, test.name)
		if err != nil || got != test.want {
			t.Errorf("%s.%s = %v: %q, %v; want %q", test.schema, test.name, test.value, got, err, test.want)
		}
	}
	if got, err := c.PragmaInt(background, other, "user_version"); err != nil || got != 9 {
		t.Errorf("user_version of the attached database: %d, %v; want 9", got, err)
	}
}

func TestPragmaRefusesWhatIsNoPragma(t *testing.T) {
	c := openTx(t)
	for _, name := range []string{"", "user_version = 1; DROP TABLE t; --", "a b", "a\x00b", "'a'", "é"} {
		_, err := c.PragmaInt(background, "", name)
		wantErr(t, name, err, Misuse)
	}
	_, err := c.PragmaInt(background, "", "no_such_pragma")
	wantErr(t, "a PRAGMA that does not exist", err, ErrNoRows)
	wantErr(t, "set one that does not exist", c.SetPragma(background, "", "no_such_pragma", 1), NotFound)
	wantErr(t, "set a value of no type of its own", c.SetPragma(background, "", "user_version", 1.5), Misuse)
	_, err = c.PragmaInt(background, "nobody", "user_version")
	wantErr(t, "an unknown database", err, Generic)
	must(t, c.SetPragma(background, "", "temp_store", `2'; DROP TABLE t; --"`))
	wantRows(t, c, int64(1))
}

func TestJournalModeIsWhatWasSet(t *testing.T) {
	c := openTest(t, filepath.Join(t.TempDir(), "journal.db"), 0)
	for _, mode := range []JournalMode{JournalWAL, JournalTruncate, JournalPersist, JournalMemory, JournalOff, JournalDelete} {
		must(t, c.SetJournalMode(background, "", mode))
		if got, err := c.JournalMode(background, ""); err != nil || got != mode {
			t.Errorf("journal mode: %q, %v; want %q", got, err, mode)
		}
	}
	wantErr(t, "an unknown mode", c.SetJournalMode(background, "", "shadow"), Misuse)
	wantErr(t, "a log of a database in memory", openMemory(t).SetJournalMode(background, "", JournalWAL), Misuse)
}

func TestForeignKeysAreWhatWasSet(t *testing.T) {
	c := openTx(t)
	for _, on := range []bool{true, false} {
		must(t, c.SetForeignKeys(background, on))
		if got, err := c.ForeignKeys(background); err != nil || got != on {
			t.Errorf("foreign keys: %v, %v; want %v", got, err, on)
		}
	}
	tx := mustBegin(t, c, TxDeferred)
	wantErr(t, "in a transaction", c.SetForeignKeys(background, true), Misuse)
	must(t, tx.Rollback())
}

func TestUserVersionAndApplicationIDStayInTheFile(t *testing.T) {
	a, b := openPair(t)
	must(t, a.SetUserVersion(background, "", -5))
	must(t, a.SetApplicationID(background, "main", 0x666c6f65))
	version, err := b.UserVersion(background, "")
	must(t, err)
	id, err := b.ApplicationID(background, "")
	must(t, err)
	if version != -5 || id != 0x666c6f65 {
		t.Errorf("user version %d, application id %#x; want -5, 0x666c6f65", version, id)
	}
}

func TestIntegrityCheckReturnsWhatItFinds(t *testing.T) {
	c := openTx(t)
	for name, check := range map[string]func() ([]string, error){
		"integrity": func() ([]string, error) { return c.IntegrityCheck(background, "", 0) },
		"quick":     func() ([]string, error) { return c.QuickCheck(background, "main", 10) },
	} {
		if got, err := check(); err != nil || got != nil {
			t.Errorf("%s check of a good database: %q, %v; want nothing", name, got, err)
		}
	}
	mustExec(t, c, "PRAGMA writable_schema = 1; CREATE TABLE n(a); INSERT INTO n VALUES (NULL), (NULL), (NULL);"+
		"UPDATE sqlite_schema SET sql = 'CREATE TABLE n(a NOT NULL)' WHERE name = 'n'; PRAGMA writable_schema = RESET")
	got, err := c.QuickCheck(background, "main", 2)
	if err != nil || len(got) != 2 || !strings.Contains(got[0], "NULL value in n.a") {
		t.Errorf("check of a damaged database: %q, %v; want two findings about n.a", got, err)
	}
}

func TestForeignKeyCheckReturnsTheRows(t *testing.T) {
	c := openTx(t)
	mustExec(t, c, `CREATE TABLE "a child"(y REFERENCES t(x)); INSERT INTO "a child" VALUES (1), (2)`)
	want := []ForeignKeyViolation{{Table: "a child", RowID: 2, Parent: "t"}}
	for _, table := range []string{"", "a child"} {
		got, err := c.ForeignKeyCheck(background, "", table)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("check of %q: %v (-want +got):\n%s", table, err, diff)
		}
	}
	got, err := c.ForeignKeyCheck(background, "", "t")
	if err != nil || got != nil {
		t.Errorf("check of a table without foreign keys: %v, %v; want nothing", got, err)
	}
}

func TestTableColumnsAndIndexesAreDescribed(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, `ATTACH ':memory:' AS other;
		CREATE TABLE other."it's"(id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x' UNIQUE, twice AS (id * 2));
		CREATE INDEX other.partly ON "it's"(id) WHERE id > 5`)
	want := []ColumnInfo{
		{Name: "id", DeclType: "INTEGER", PrimaryKey: 1},
		{Name: "name", DeclType: "TEXT", NotNull: true, Default: "'x'"},
		{Name: "twice", Generated: true},
	}
	indexes := []TableIndex{{Name: "partly", Partial: true, Origin: "c"}, {Name: "sqlite_autoindex_it's_1", Unique: true, Origin: "u"}}
	for _, schema := range []string{"", "other"} {
		got, err := c.TableColumns(background, schema, "it's")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("columns: %v (-want +got):\n%s", err, diff)
		}
		gotIndexes, err := c.TableIndexes(background, schema, "it's")
		if diff := cmp.Diff(indexes, gotIndexes); err != nil || diff != "" {
			t.Errorf("indexes: %v (-want +got):\n%s", err, diff)
		}
	}
	_, err := c.TableColumns(background, "main", "it's")
	wantErr(t, "a table of another database", err, Generic)
}

func TestOptimizeGathersStatistics(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(x, y); CREATE INDEX i ON t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 999)"+
		"INSERT INTO t SELECT i, i FROM n; SELECT * FROM t WHERE x = 5")
	must(t, c.Optimize(background))
	if got := values(t, c, "SELECT count(*) FROM sqlite_stat1"); got[0][0] != int64(1) {
		t.Errorf("%v rows of statistics, want 1", got[0][0])
	}
}
