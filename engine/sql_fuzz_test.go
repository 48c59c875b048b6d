package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// FuzzSQL runs any text with any arguments in every way there is. It must end with a result or an error, and leave the
// connection usable, outside a transaction that it did not ask for, with all statements given back.
func FuzzSQL(f *testing.F) {
	for _, sql := range []string{
		"SELECT ?, :a, @b, $c, ?7", "SELECT 1; ; SELECT :x -- end", "PRAGMA user_version = 5; PRAGMA busy_timeout(1)",
		"INSERT INTO t VALUES (?, ?, ?) RETURNING *", "BEGIN; DELETE FROM t; ROLLBACK TO x; COMMIT", "SAVEPOINT a; RELEASE a",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
		"INSERT OR ROLLBACK INTO t VALUES (1, 2, 3)", "EXPLAIN QUERY PLAN SELECT * FROM t WHERE b LIKE ?",
		"CREATE VIRTUAL TABLE v USING fts5(x); INSERT INTO v VALUES (?); SELECT * FROM v('a')", "/* open", "SELECT '\x00'",
		"SELECT group_concat(value) FROM json_each(?)", "ALTER TABLE t ADD COLUMN d; SELECT * FROM t", "VACUUM", "ATTACH 'x' AS y",
	} {
		f.Add(sql, "text", "name", int64(1), 0.5, []byte{1}, uint8(3))
	}
	f.Fuzz(func(t *testing.T, sql, text, name string, i int64, float float64, blob []byte, n uint8) {
		c := openFuzz(t)
		all := []any{i, text, blob, float, nil, Named(name, text), Named("a", i)}
		args := all[:int(n)%(len(all)+1)]
		for _, run := range []func(context.Context) error{
			func(ctx context.Context) error { return c.Exec(ctx, sql) },
			func(ctx context.Context) error { return c.Exec(ctx, sql, args...) },
			func(ctx context.Context) error { return c.ExecBatch(ctx, sql) },
			func(ctx context.Context) error { return c.Query(ctx, sql, args, readRow) },
			func(ctx context.Context) error { return c.QueryRow(ctx, sql, args, readRow) },
			func(ctx context.Context) error { return runRows(ctx, c, sql, args) },
			func(ctx context.Context) error { return runPrepared(ctx, c, sql, args) },
		} {
			wantUsable(t, c, runFuzz(run))
			if !c.AutoCommit() {
				wantUsable(t, c, c.Exec(background, "ROLLBACK"))
			}
		}
		for _, run := range []func(context.Context) error{
			func(ctx context.Context) error { return c.ExecTransactionalBatch(ctx, sql) },
			func(ctx context.Context) error {
				return c.ExecTransactionalCommands(ctx, []Command{{sql, args}, {sql, args}})
			},
		} {
			wantUsable(t, c, runFuzz(run))
			if !c.AutoCommit() {
				t.Fatal("a transactional batch left its transaction open")
			}
		}
	})
}

// openFuzz opens a database in memory that can neither grow large nor reach a file.
func openFuzz(t *testing.T) *Conn {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a UNIQUE, b TEXT, c); INSERT INTO t VALUES (1, 'x', 2), (2, 'y', NULL)")
	if _, err := c.DBConfig(DBConfigDefensive, true); err != nil {
		t.Fatal(err)
	}
	for limit, value := range map[LimitID]int{
		LimitLength: 64 << 10, LimitSQLLength: 4 << 10, LimitExprDepth: 50, LimitCompoundSelect: 20, LimitVDBEOp: 20_000,
		LimitAttached: 0, LimitVariableNumber: 50, LimitTriggerDepth: 10, LimitWorkerThreads: 0,
	} {
		c.Limit(limit, value)
	}
	return c
}

// runFuzz gives a run little time. What PRAGMAs do to the whole process is taken back.
func runFuzz(run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	err := run(ctx)
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_hard_heap_limit64(tls, 0)
	sqlite3.Xsqlite3_soft_heap_limit64(tls, 0)
	return err
}

func readRow(s *Stmt) error {
	for i := range s.ColumnCount() {
		_, _ = s.ColumnValue(i), s.ColumnRaw(i)
	}
	return nil
}

func runRows(ctx context.Context, c *Conn, sql string, args []any) error {
	for row, err := range c.Rows(ctx, sql, args...) {
		if err != nil {
			return err
		}
		if err := readRow(row); err != nil || row.ColumnInt64(0) == 1 {
			return err
		}
	}
	return nil
}

func runPrepared(ctx context.Context, c *Conn, sql string, args []any) error {
	s, err := c.PrepareCached(sql)
	if err != nil {
		return err
	}
	defer s.Finalize()
	if err := s.BindAll(args...); err != nil {
		return err
	}
	if _, err := s.ExpandedSQL(); err != nil {
		return err
	}
	s.Columns()
	if err := s.SetExplain(ExplainProgram); err != nil {
		return err
	}
	return s.Query(ctx, nil, readRow)
}

// wantUsable checks the connection after a run that returned err.
func wantUsable(t *testing.T, c *Conn, err error) {
	t.Helper()
	var e *Error
	if err != nil && !errors.As(err, &e) && !errors.Is(err, ErrTrailing) && !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrNoRows) {
		t.Fatalf("the error is of no known kind: %v", err)
	}
	if n := c.CacheStats().InUse; n != 0 {
		t.Fatalf("%d statements are still in use after error %v", n, err)
	}
	if err := c.Exec(background, "SELECT 1"); err != nil {
		t.Fatalf("the connection is not usable: %v", err)
	}
}
