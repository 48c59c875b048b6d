package floe_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// inMemory opens a database in memory in each way that there is.
var inMemory = map[string]func(t *testing.T) *sql.DB{
	":memory:":           func(t *testing.T) *sql.DB { return openSQL(t, ":memory:") },
	"no name":            func(t *testing.T) *sql.DB { return openSQL(t, "") },
	"file::memory:":      func(t *testing.T) *sql.DB { return openSQL(t, "file::memory:") },
	"file:":              func(t *testing.T) *sql.DB { return openSQL(t, "file:?_foreign_keys=1") },
	"mode=memory":        func(t *testing.T) *sql.DB { return onlyOne(openSQL(t, "file:x?mode=memory")) },
	"cache=shared":       func(t *testing.T) *sql.DB { return openSQL(t, "file:"+t.Name()+"?mode=memory&cache=shared") },
	"vfs=memdb":          func(t *testing.T) *sql.DB { return openSQL(t, "file:/"+t.Name()+"?vfs=memdb") },
	"vfs=memdb, unnamed": func(t *testing.T) *sql.DB { return onlyOne(openSQL(t, "file:x?vfs=memdb")) },
	"floe.Open": func(t *testing.T) *sql.DB {
		native, err := floe.Open(limit(t), ":memory:")
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(native.Connector())
		t.Cleanup(func() { db.Close(); native.Close() })
		return db
	},
}

func onlyOne(db *sql.DB) *sql.DB {
	db.SetMaxOpenConns(1)
	return db
}

func eachInMemory(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	for name, open := range inMemory {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func TestADatabaseInMemoryIsVacuumedIntoAFile(t *testing.T) {
	eachInMemory(t, func(t *testing.T, db *sql.DB) {
		mustExec(t, db, "CREATE TABLE t (a); INSERT INTO t VALUES (7)")
		path := filepath.Join(t.TempDir(), "v.db")
		mustExec(t, db, "VACUUM INTO "+engine.QuoteText(path))
		if got := queryFile(t, path, "SELECT a FROM t"); got != "7" {
			t.Errorf("the file holds %q, want 7", got)
		}
		uri := filepath.Join(t.TempDir(), "u.db")
		mustExec(t, db, "VACUUM main INTO ?", "file:"+uri)
		if got := queryFile(t, uri, "SELECT a FROM t"); got != "7" {
			t.Errorf("the file of a URI holds %q, want 7", got)
		}
	})
}

func TestADatabaseInMemoryAttachesFiles(t *testing.T) {
	eachInMemory(t, func(t *testing.T, db *sql.DB) {
		db.SetMaxOpenConns(1)
		dir := t.TempDir()
		old, made := filepath.Join(dir, "old.db"), filepath.Join(dir, "made.db")
		mustExec(t, openSQL(t, old), "CREATE TABLE o (a); INSERT INTO o VALUES (1)")
		mustExec(t, db, "ATTACH ? AS old", old)
		if n := one[int](t, db, "SELECT a FROM o"); n != 1 {
			t.Errorf("the file that was attached holds %d, want 1", n)
		}
		mustExec(t, db, "INSERT INTO old.o VALUES (2)")
		mustExec(t, db, "ATTACH '"+made+"' AS made; CREATE TABLE made.n (a); INSERT INTO made.n SELECT a FROM o")
		mustExec(t, db, "DETACH old; DETACH made")
		for path, want := range map[string]string{old: "1\n2", made: "1\n2"} {
			table := "o"
			if path == made {
				table = "n"
			}
			if got := queryFile(t, path, "SELECT a FROM "+table); got != want {
				t.Errorf("%s holds %q, want %q", filepath.Base(path), got, want)
			}
		}
		mustExec(t, db, "ATTACH ? AS ro", "file:"+old+"?mode=ro")
		if _, err := db.Exec("DELETE FROM ro.o"); err == nil {
			t.Error("a file that was attached for reading was written")
		}
	})
}

func TestTwoDatabasesInMemoryAttachOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared.db")
	a, b := onlyOne(openSQL(t, ":memory:")), onlyOne(openSQL(t, ":memory:"))
	mustExec(t, a, "ATTACH ? AS f", path)
	mustExec(t, b, "ATTACH ? AS f", path)
	mustExec(t, a, "CREATE TABLE f.t (a); CREATE TABLE own (a)")
	mustExec(t, b, "INSERT INTO f.t VALUES (3)")
	if n := one[int](t, a, "SELECT a FROM t"); n != 3 {
		t.Errorf("the other database wrote %d, want 3", n)
	}
	if n := one[int](t, b, "SELECT count(*) FROM main.sqlite_schema"); n != 0 {
		t.Errorf("the main database has %d tables of the other one, want none", n)
	}
	if got := queryFile(t, path, "SELECT a FROM t"); got != "3" {
		t.Errorf("the file holds %q, want 3", got)
	}
}

// What has no file by its name has none beside a database in memory either.
func TestADatabaseInMemoryAttachesOthersInMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, open := range inMemory {
		t.Run(name, func(t *testing.T) {
			a, b := open(t), openSQL(t, ":memory:")
			a.SetMaxOpenConns(1)
			b.SetMaxOpenConns(1)
			for i, name := range []string{":memory:", "", "file:x?mode=memory", "file::memory:"} {
				for _, db := range []*sql.DB{a, b} {
					mustExec(t, db, fmt.Sprintf("ATTACH '%s' AS d%d; CREATE TABLE d%d.t%d (a)", name, i, i, i))
				}
			}
			shared := "file:" + strings.ReplaceAll(t.Name(), "/", "-")
			for i, name := range []string{shared + "?mode=memory&cache=shared", "file:/" + shared[5:] + "?vfs=memdb"} {
				mustExec(t, a, fmt.Sprintf("ATTACH '%s' AS s%d; CREATE TABLE s%d.s%d (a); INSERT INTO s%d VALUES (5)", name, i, i, i, i))
				mustExec(t, b, fmt.Sprintf("ATTACH '%s' AS s%d", name, i))
				if n := one[int](t, b, fmt.Sprintf("SELECT a FROM s%d", i)); n != 5 {
					t.Errorf("%s holds %d for another connection, want 5", name, n)
				}
			}
			mustExec(t, a, "CREATE TEMP TABLE w (a); INSERT INTO w VALUES (1); VACUUM")
		})
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("files %v, %v, want none", files, err)
	}
}

func TestAFileAttachesAURI(t *testing.T) {
	dir := t.TempDir()
	native, err := floe.Open(limit(t), filepath.Join(dir, "n.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer native.Close()
	pool := sql.OpenDB(native.Connector())
	defer pool.Close()
	for name, db := range map[string]*sql.DB{"sql.Open": openSQL(t, filepath.Join(dir, "a.db")), "floe.Open": pool} {
		db.SetMaxOpenConns(1)
		mustExec(t, db, "ATTACH 'file:x?mode=memory' AS m; CREATE TABLE m.t (a)")
		if file := one[string](t, db, "SELECT file FROM pragma_database_list WHERE name = 'm'"); file != "" {
			t.Errorf("%s: the database in memory has the file %s", name, file)
		}
	}
}

// A name for tests is often that of the program, with the file left out.
func TestADatabaseInMemoryKeepsItsJournalMode(t *testing.T) {
	for _, dsn := range []string{":memory:", "file:x?mode=memory", "file:journal?mode=memory&cache=shared", "file:/journal?vfs=memdb"} {
		sep := "?"
		if strings.Contains(dsn, "?") {
			sep = "&"
		}
		db := openSQL(t, dsn+sep+"_journal_mode=WAL&_pragma=main.journal_mode(wal)")
		if got := one[string](t, db, "PRAGMA journal_mode"); got == "wal" {
			t.Errorf("%s: the journal mode is %s", dsn, got)
		}
	}
}

func TestAJournalModeThatSQLiteDoesNotTakeIsAnError(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its VFSes are others")
	}
	name := "file:" + filepath.Join(t.TempDir(), "a.db") + "?vfs=unix-none&" // which has no shared memory for a WAL
	for _, param := range []string{"_journal_mode=wal", "_pragma=journal_mode(WAL)", "_pragma=main.journal_mode('wal')"} {
		if err := openSQL(t, name+param).Ping(); !errors.Is(err, engine.Misuse) || !strings.Contains(err.Error(), `the mode is "delete"`) {
			t.Errorf("%s: error %v, want one that says what the mode is", param, err)
		}
	}
	if err := openSQL(t, name+"_journal_mode=truncate").Ping(); err != nil {
		t.Error(err)
	}
}

// A name for readers is often that of the writers, with what keeps it from writing.
func TestAFileThatIsOnlyReadKeepsItsJournalMode(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		name := "file:" + filepath.Join(t.TempDir(), "a.db")
		db := openSQL(t, name+"?_journal_mode="+mode)
		mustExec(t, db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
		db.Close() // the log is in the file then
		for _, param := range []string{"?immutable=1", "?mode=ro&immutable=1"} {
			db := openSQL(t, name+param+"&_journal_mode=wal&_pragma=main.journal_mode(WAL)")
			if n := one[int](t, db, "SELECT count(*) FROM t"); n != 1 {
				t.Errorf("%s, file in mode %s: %d rows, want 1", param, mode, n)
			}
		}
		if got := one[string](t, openSQL(t, name), "PRAGMA journal_mode"); got != mode {
			t.Errorf("journal mode %s, want %s", got, mode)
		}
	}
}

func TestWritersOfASharedCacheWaitForEachOther(t *testing.T) {
	db := openSQL(t, "file:"+t.Name()+"?mode=memory&cache=shared&_txlock=immediate&_busy_timeout=3600000")
	mustExec(t, db, "CREATE TABLE t (a)")
	const writers, rows = 16, 10
	errs := make(chan error, writers)
	for range writers {
		go func() {
			errs <- func() error {
				for range rows {
					tx, err := db.Begin()
					if err != nil {
						return err
					}
					if _, err := tx.Exec("INSERT INTO t SELECT count(*) FROM t"); err != nil {
						return errors.Join(err, tx.Rollback())
					}
					if err := tx.Commit(); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := one[int](t, db, "SELECT count(DISTINCT a) FROM t"); n != writers*rows {
		t.Errorf("%d rows, want %d", n, writers*rows)
	}
}

func TestAReplicaIsInTheJournalModeThatItIs(t *testing.T) {
	srv := sqldtest.Start(t)
	name := "file:" + newPath(t) + "?primary=" + srv.URL
	db := openSQL(t, name+"&_journal_mode=wal&_foreign_keys=1")
	mustExec(t, db, "CREATE TABLE t (a)")
	if n := one[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
	if err := openSQL(t, name+"&_journal_mode=delete").Ping(); err == nil {
		t.Error("a replica was taken out of WAL mode")
	}
}
