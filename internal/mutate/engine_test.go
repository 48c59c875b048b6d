package mutate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/engine"
)

func TestMain(m *testing.M) {
	if err := engine.SetMemoryAccounting(true); err != nil {
		panic(err)
	}
	debug.SetPanicOnFault(true)
	os.Exit(m.Run())
}

const pageSize = 1024

// sample is a database with one of each thing.
const sample = `
	CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB, c REAL);
	CREATE INDEX ta ON t(a, c);
	CREATE UNIQUE INDEX tid ON t(id, a) WHERE id % 2;
	CREATE TABLE w(k TEXT, v, PRIMARY KEY(k, v)) WITHOUT ROWID;
	CREATE TABLE g(x INTEGER, y INTEGER AS (x * 2) STORED, z INTEGER CHECK (z <> 5)) STRICT;
	CREATE TABLE seq(id INTEGER PRIMARY KEY AUTOINCREMENT, x);
	CREATE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a;
	CREATE TRIGGER tr AFTER INSERT ON w BEGIN UPDATE seq SET x = x + 1; END;
	CREATE VIRTUAL TABLE f USING fts5(text);
	CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);
	INSERT INTO t(a, b, c) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
		SELECT 'text ' || (i % 7), zeroblob(i * 50 % 2700), i / 7.0 FROM n;
	INSERT INTO w SELECT a, id FROM t;
	INSERT INTO seq(x) SELECT id FROM t LIMIT 9;
	INSERT INTO f SELECT 'some words ' || a || ' and ' || id FROM t;
	INSERT INTO r SELECT id, id, id + 1 FROM t;
	DELETE FROM t WHERE id % 5 = 0; -- free pages
	ANALYZE`

// files gives the database file and its log, which holds some of the sample where it is one of WAL mode.
func files(t *testing.T, journal string) (db, log []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.db")
	conn, err := engine.Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	set := fmt.Sprintf("PRAGMA page_size = %d; PRAGMA journal_mode = %s; PRAGMA wal_autocheckpoint = 0;", pageSize, journal)
	if err := conn.Exec(t.Context(), set+sample); err != nil {
		t.Fatal(err)
	}
	if db, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	log, _ = os.ReadFile(path + "-wal")
	return db, log
}

func TestMutatedDatabases(t *testing.T) { mutated(t, 250, 1) }

func TestTortureMutatedDatabases(t *testing.T) {
	if os.Getenv("FLOE_TORTURE") != "1" {
		t.Skip("FLOE_TORTURE=1 runs it: 20,000 databases")
	}
	mutated(t, 20_000, uint64(time.Now().UnixNano()))
}

// mutated has the engine work on databases that are damaged. Each may be refused, with an error and in time.
func mutated(t *testing.T, cases int, seed uint64) {
	t.Logf("seed %d", seed)
	if testing.Short() {
		cases /= 4
	}
	plain, _ := files(t, "DELETE")
	short, log := files(t, "WAL")
	path := filepath.Join(t.TempDir(), "mutated.db")
	broken := 0
	for n := range cases {
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		db, wal := plain, []byte(nil)
		if n%4 == 3 {
			db, wal = short, log
		}
		switch {
		case wal == nil:
			db = Image(rnd, db, pageSize)
		default: // frames have 24 bytes before each page, the log 32
			wal = append(bytes.Clone(wal[:32]), Image(rnd, wal[32:], pageSize+24)...)
		}
		if err := one(t, path, db, wal); err != nil {
			broken++
			if hung(err) {
				t.Fatalf("seed %d, case %d: %v", seed, n, err)
			}
		}
		if used := engine.MemoryHighwater(true); used > 64<<20 {
			t.Errorf("seed %d, case %d: SQLite took %d MB", seed, n, used>>20)
		}
	}
	if broken == 0 || broken == cases {
		t.Errorf("%d of %d databases were refused: the damage is too little or too much", broken, cases)
	}
}

var errPanic = errors.New("panic")

// hung reports whether a case ended as none may.
func hung(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errPanic)
}

// one uses a database in every way, and gives the first error.
func one(t *testing.T, path string, db, wal []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	for suffix, b := range map[string][]byte{"": db, "-wal": wal, "-shm": nil, "-journal": nil} {
		if b == nil {
			err = os.RemoveAll(path + suffix)
		} else {
			err = os.WriteFile(path+suffix, b, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a net
	defer cancel()
	conn, err := engine.Open(path, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	var first error
	run := func(sql string) {
		if e := conn.Query(ctx, sql, nil, func(*engine.Stmt) error { return nil }); e != nil && (first == nil || hung(e)) {
			first = e
		}
	}
	run("PRAGMA synchronous = OFF")
	for _, sql := range append(dump(ctx, conn), uses...) {
		run(sql)
	}
	if first == nil && text(ctx, conn, "PRAGMA integrity_check") != "ok" {
		first = errors.New("not whole")
	}
	run("PRAGMA writable_schema = ON")
	for _, sql := range dump(ctx, conn) {
		run(sql)
	}
	return first
}

// uses are statements over every b-tree, that read, and then write.
var uses = []string{
	"PRAGMA quick_check(20)", "SELECT sum(length(b)), max(c) FROM t", "SELECT * FROM t INDEXED BY ta WHERE a > 'text 3'", "SELECT * FROM v",
	"SELECT * FROM f WHERE f MATCH 'words AND text'", "SELECT * FROM r WHERE x0 > 5 AND x1 < 30", "SELECT * FROM dbstat", "SELECT * FROM t ORDER BY b, a DESC",
	"PRAGMA foreign_key_check", "INSERT INTO t(a, b, c) VALUES ('new', zeroblob(3000), 1)", "UPDATE t SET a = a || 'x', b = NULL WHERE id % 3 = 0",
	"INSERT OR REPLACE INTO w VALUES ('text 1', 1), ('y', 2)", "DELETE FROM w WHERE v % 2", "INSERT INTO f VALUES ('more words')", "DELETE FROM r WHERE id % 4 = 1",
	"INSERT INTO f(f) VALUES ('integrity-check')", "SELECT rtreecheck('main', 'r')", "CREATE INDEX new ON t(c)", "DROP INDEX ta", "DELETE FROM t WHERE id < 20",
	"REINDEX", "PRAGMA incremental_vacuum", "VACUUM", "PRAGMA integrity_check",
}

// dump gives what reads everything that the schema says there is.
func dump(ctx context.Context, conn *engine.Conn) []string {
	sql := []string{"SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema"}
	_ = conn.Query(ctx, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') LIMIT 50", nil, func(s *engine.Stmt) error {
		sql = append(sql, `SELECT * FROM "`+strings.ReplaceAll(s.ColumnText(0), `"`, `""`)+`"`)
		return nil
	})
	return sql
}

func text(ctx context.Context, conn *engine.Conn, sql string) (out string) {
	_ = conn.Query(ctx, sql, nil, func(s *engine.Stmt) error { out += s.ColumnText(0); return nil })
	return out
}
