package engine

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// The benchmarks named C call the library's C functions in a loop, as a program without this package would. The
// others do the same work through the package, so that the two beside each other show what it costs.

// benchRows is the size of the table. The figures are per row.
const (
	benchRows = 200_000
	passRows  = 20_000 // of the benchmarks that go through all of it: a short pass is less often disturbed
)

const benchSchema = `CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER, r REAL);
CREATE INDEX t_n ON t(n);`

const (
	benchInsert = "INSERT INTO t VALUES (?, ?, ?, ?)"
	benchSelect = "SELECT id, name, n, r FROM t"
	benchPoint  = "SELECT name, n, r FROM t WHERE id = ?"
	benchRange  = "SELECT id, name FROM t WHERE id BETWEEN ? AND ?"
)

func benchName(i int) string { return fmt.Sprintf("the name of row %06d", i) }

func benchKey(i int) int64 { return int64(i) * 2654435761 % 1_000_003 }

func openBench(b *testing.B) *Conn {
	b.Helper()
	c := openTest(b, filepath.Join(b.TempDir(), "bench.db"), 0)
	mustExec(b, c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"+benchSchema)
	return c
}

func openFilled(b *testing.B, rows int) *Conn {
	b.Helper()
	c := openBench(b)
	mustExec(b, c, "BEGIN")
	fill(b, c, rows)
	mustExec(b, c, "COMMIT")
	return c
}

func fill(b *testing.B, c *Conn, rows int) {
	b.Helper()
	s := mustPrepare(b, c, benchInsert)
	for i := range rows {
		insertRow(b, s, i, benchName(i))
	}
}

func insertRow(b *testing.B, s *Stmt, i int, name string) {
	for _, err := range []error{
		s.BindInt64(1, int64(i)), s.BindText(2, name), s.BindInt64(3, int64(i)*7), s.BindFloat(4, float64(i)/3),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	if _, err := s.Step(background); err != nil {
		b.Fatal(err)
	}
}

func benchNames() []string {
	names := make([]string, passRows)
	for i := range names {
		names[i] = benchName(i)
	}
	return names
}

// passes runs pass over and over, and reports the time for a row in the fastest one beside the average: the average
// has in it what else the machine does.
func passes(b *testing.B, rows int, pass func()) {
	b.Helper()
	b.ReportAllocs()
	best := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		pass()
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(best.Nanoseconds())/float64(rows), "best-ns/row")
}

func BenchmarkInsert(b *testing.B) {
	names := benchNames()
	c := openBench(b)
	s := mustPrepare(b, c, benchInsert)
	passes(b, passRows, func() {
		mustExec(b, c, "BEGIN")
		for i, name := range names {
			insertRow(b, s, i, name)
		}
		mustExec(b, c, "ROLLBACK")
	})
}

func BenchmarkInsertC(b *testing.B) {
	names := benchNames()
	c := openBench(b)
	s := mustPrepare(b, c, benchInsert)
	passes(b, passRows, func() {
		mustExec(b, c, "BEGIN")
		name := c.cString("a name, as large as those are here")
		for i, text := range names {
			copy(bytesAt(name, len(text)), text)
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 1, int64(i))
			sqlite3.Xsqlite3_bind_text(c.tls, s.ptr, 2, name, int32(len(text)), sqlite3.SQLITE_TRANSIENT)
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 3, int64(i)*7)
			sqlite3.Xsqlite3_bind_double(c.tls, s.ptr, 4, float64(i)/3)
			if rc := sqlite3.Xsqlite3_step(c.tls, s.ptr); rc != sqlite3.SQLITE_DONE {
				b.Fatal(ResultCode(rc))
			}
			sqlite3.Xsqlite3_reset(c.tls, s.ptr)
		}
		mustExec(b, c, "ROLLBACK")
	})
}

// benchSum keeps what is read from being optimised away.
var benchSum int

func BenchmarkRead(b *testing.B) {
	s := mustPrepare(b, openFilled(b, passRows), benchSelect)
	passes(b, passRows, func() {
		for {
			row, err := s.Step(background)
			if err != nil {
				b.Fatal(err)
			}
			if !row {
				break
			}
			id, name, n, r := s.ColumnInt64(0), s.ColumnText(1), s.ColumnInt64(2), s.ColumnFloat(3)
			benchSum += int(id) + len(name) + int(n) + int(r)
		}
	})
}

func BenchmarkReadScan(b *testing.B) {
	s := mustPrepare(b, openFilled(b, passRows), benchSelect)
	passes(b, passRows, func() {
		for {
			row, err := s.Step(background)
			if err != nil {
				b.Fatal(err)
			}
			if !row {
				break
			}
			var (
				id, n int64
				name  string
				r     float64
			)
			if err := s.Scan(&id, &name, &n, &r); err != nil {
				b.Fatal(err)
			}
			benchSum += int(id) + len(name) + int(n) + int(r)
		}
	})
}

func BenchmarkReadScanRaw(b *testing.B) {
	s := mustPrepare(b, openFilled(b, passRows), benchSelect)
	passes(b, passRows, func() {
		for {
			row, err := s.Step(background)
			if err != nil {
				b.Fatal(err)
			}
			if !row {
				break
			}
			var (
				id, n int64
				name  RawBytes
				r     float64
			)
			if err := s.Scan(&id, &name, &n, &r); err != nil {
				b.Fatal(err)
			}
			benchSum += int(id) + len(name) + int(n) + int(r)
		}
	})
}

func BenchmarkReadC(b *testing.B) {
	c := openFilled(b, passRows)
	s := mustPrepare(b, c, benchSelect)
	passes(b, passRows, func() {
		for sqlite3.Xsqlite3_step(c.tls, s.ptr) == sqlite3.SQLITE_ROW {
			id := sqlite3.Xsqlite3_column_int64(c.tls, s.ptr, 0)
			p := sqlite3.Xsqlite3_column_text(c.tls, s.ptr, 1)
			name := string(bytesAt(p, int(sqlite3.Xsqlite3_column_bytes(c.tls, s.ptr, 1))))
			n := sqlite3.Xsqlite3_column_int64(c.tls, s.ptr, 2)
			r := sqlite3.Xsqlite3_column_double(c.tls, s.ptr, 3)
			benchSum += int(id) + len(name) + int(n) + int(r)
		}
		sqlite3.Xsqlite3_reset(c.tls, s.ptr)
	})
}

// BenchmarkReadStepC is the part of reading that is SQLite's own: the steps without the columns.
func BenchmarkReadStepC(b *testing.B) {
	c := openFilled(b, passRows)
	s := mustPrepare(b, c, benchSelect)
	passes(b, passRows, func() {
		for sqlite3.Xsqlite3_step(c.tls, s.ptr) == sqlite3.SQLITE_ROW {
			benchSum++
		}
		sqlite3.Xsqlite3_reset(c.tls, s.ptr)
	})
}

func BenchmarkPoint(b *testing.B) {
	s := mustPrepare(b, openFilled(b, benchRows), benchPoint)
	passes(b, 1000, func() {
		for i := range 1000 {
			pointQuery(b, s, benchKey(i)%benchRows)
		}
	})
}

func pointQuery(b *testing.B, s *Stmt, key int64) {
	if err := s.BindInt64(1, key); err != nil {
		b.Fatal(err)
	}
	if row, err := s.Step(background); !row || err != nil {
		b.Fatal(key, row, err)
	}
	var (
		name string
		n    int64
		r    float64
	)
	if err := s.Scan(&name, &n, &r); err != nil {
		b.Fatal(err)
	}
	if row, err := s.Step(background); row || err != nil {
		b.Fatal(key, row, err)
	}
}

func BenchmarkPointC(b *testing.B) {
	c := openFilled(b, benchRows)
	s := mustPrepare(b, c, benchPoint)
	passes(b, 1000, func() {
		for i := range 1000 {
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 1, benchKey(i)%benchRows)
			for sqlite3.Xsqlite3_step(c.tls, s.ptr) == sqlite3.SQLITE_ROW {
				p := sqlite3.Xsqlite3_column_text(c.tls, s.ptr, 0)
				name := string(bytesAt(p, int(sqlite3.Xsqlite3_column_bytes(c.tls, s.ptr, 0))))
				n := sqlite3.Xsqlite3_column_int64(c.tls, s.ptr, 1)
				r := sqlite3.Xsqlite3_column_double(c.tls, s.ptr, 2)
				benchSum += len(name) + int(n) + int(r)
			}
			sqlite3.Xsqlite3_reset(c.tls, s.ptr)
		}
	})
}

func BenchmarkRange10(b *testing.B) {
	s := mustPrepare(b, openFilled(b, benchRows), benchRange)
	passes(b, 1000, func() {
		for i := range 1000 {
			key := benchKey(i) % (benchRows - 10)
			if err := s.BindInt64(1, key); err != nil {
				b.Fatal(err)
			}
			if err := s.BindInt64(2, key+9); err != nil {
				b.Fatal(err)
			}
			for {
				row, err := s.Step(background)
				if err != nil {
					b.Fatal(err)
				}
				if !row {
					break
				}
				var (
					id   int64
					name string
				)
				if err := s.Scan(&id, &name); err != nil {
					b.Fatal(err)
				}
				benchSum += int(id) + len(name)
			}
		}
	})
}

func BenchmarkRange10C(b *testing.B) {
	c := openFilled(b, benchRows)
	s := mustPrepare(b, c, benchRange)
	passes(b, 1000, func() {
		for i := range 1000 {
			key := benchKey(i) % (benchRows - 10)
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 1, key)
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 2, key+9)
			for sqlite3.Xsqlite3_step(c.tls, s.ptr) == sqlite3.SQLITE_ROW {
				id := sqlite3.Xsqlite3_column_int64(c.tls, s.ptr, 0)
				p := sqlite3.Xsqlite3_column_text(c.tls, s.ptr, 1)
				benchSum += int(id) + len(string(bytesAt(p, int(sqlite3.Xsqlite3_column_bytes(c.tls, s.ptr, 1)))))
			}
			sqlite3.Xsqlite3_reset(c.tls, s.ptr)
		}
	})
}

func BenchmarkBlob1M(b *testing.B) {
	c := openBench(b)
	mustExec(b, c, "CREATE TABLE b(id INTEGER PRIMARY KEY, data BLOB); INSERT INTO b VALUES (1, NULL)")
	write, read := mustPrepare(b, c, "UPDATE b SET data = ?"), mustPrepare(b, c, "SELECT data FROM b")
	data, back := make([]byte, 1<<20), RawBytes(nil)
	b.SetBytes(2 << 20)
	for b.Loop() {
		if err := write.BindBlobStatic(1, data); err != nil {
			b.Fatal(err)
		}
		mustDone(b, write)
		mustRow(b, read)
		if err := read.Scan(&back); err != nil || len(back) != len(data) {
			b.Fatal(len(back), err)
		}
		mustDone(b, read)
	}
}

// BenchmarkReaders8 makes point queries on 8 connections at once. Its figure is the time from one to the next.
func BenchmarkReaders8(b *testing.B) {
	c := openFilled(b, benchRows)
	b.ReportAllocs()
	forReaders(b, c, 8, 1000, func(s *Stmt, i int) { pointQuery(b, s, benchKey(i)%benchRows) })
}

// BenchmarkReaders1 is one connection that does what those of BenchmarkReaders8 do together.
func BenchmarkReaders1(b *testing.B) {
	c := openFilled(b, benchRows)
	forReaders(b, c, 1, 8000, func(s *Stmt, i int) { pointQuery(b, s, benchKey(i)%benchRows) })
}

func BenchmarkReaders8C(b *testing.B) {
	c := openFilled(b, benchRows)
	forReaders(b, c, 8, 1000, func(s *Stmt, i int) {
		tls := s.c.tls
		sqlite3.Xsqlite3_bind_int64(tls, s.ptr, 1, benchKey(i)%benchRows)
		sqlite3.Xsqlite3_step(tls, s.ptr)
		p := sqlite3.Xsqlite3_column_text(tls, s.ptr, 0)
		name := libc.GoString(p)
		if len(name)+int(sqlite3.Xsqlite3_column_int64(tls, s.ptr, 1)) == 0 {
			b.Error("no row")
		}
		sqlite3.Xsqlite3_reset(tls, s.ptr)
	})
}

func forReaders(b *testing.B, c *Conn, readers, queries int, query func(*Stmt, int)) {
	stmts := make([]*Stmt, readers)
	for i := range stmts {
		stmts[i] = mustPrepare(b, openTest(b, c.Filename(""), OpenReadOnly), benchPoint)
	}
	passes(b, readers*queries, func() {
		var wg sync.WaitGroup
		for _, s := range stmts {
			wg.Go(func() {
				for i := range queries {
					query(s, i)
				}
			})
		}
		wg.Wait()
	})
}

func BenchmarkQueries(b *testing.B) {
	c := openFilled(b, benchRows)
	mustExec(b, c, `CREATE TABLE u(id INTEGER PRIMARY KEY, t INTEGER, v INTEGER);
		INSERT INTO u SELECT id, (id * 7919) % 200000, id % 100 FROM t;
		CREATE TABLE w(id INTEGER PRIMARY KEY, label TEXT); INSERT INTO w SELECT id, name FROM t WHERE id < 100;`)
	for _, q := range []struct{ name, sql string }{
		{"aggregate", "SELECT count(*), sum(n), avg(r), max(name) FROM t"},
		{"group", "SELECT n % 100, count(*), sum(r) FROM t GROUP BY 1"},
		{"sort", "SELECT name FROM t ORDER BY r * 7 % 1000, name DESC"},
		{"like", "SELECT count(*) FROM t WHERE name LIKE '%of row%99%'"},
		{"join3", "SELECT count(*), sum(length(w.label)) FROM u JOIN t ON t.id = u.t JOIN w ON w.id = u.v"},
	} {
		b.Run(q.name, func(b *testing.B) {
			s := mustPrepare(b, c, q.sql)
			passes(b, benchRows, func() {
				for row := true; row; {
					var err error
					if row, err = s.Step(background); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkBind binds the values of a row without running the statement.
func BenchmarkBind(b *testing.B) {
	c := openBench(b)
	s := mustPrepare(b, c, benchInsert)
	name := benchName(1)
	passes(b, 1000, func() {
		for i := range 1000 {
			for _, err := range []error{
				s.BindInt64(1, int64(i)), s.BindText(2, name), s.BindInt64(3, int64(i)*7), s.BindFloat(4, float64(i)/3),
			} {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkBindC(b *testing.B) {
	c := openBench(b)
	s := mustPrepare(b, c, benchInsert)
	text := benchName(1)
	passes(b, 1000, func() {
		name := c.cString(text)
		for i := range 1000 {
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 1, int64(i))
			sqlite3.Xsqlite3_bind_text(c.tls, s.ptr, 2, name, int32(len(text)), sqlite3.SQLITE_TRANSIENT)
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 3, int64(i)*7)
			sqlite3.Xsqlite3_bind_double(c.tls, s.ptr, 4, float64(i)/3)
		}
	})
}

// BenchmarkExecution runs a statement that does next to nothing: the figure is what an execution costs in itself.
func BenchmarkExecution(b *testing.B) {
	s := mustPrepare(b, openMemory(b), "SELECT ?1")
	passes(b, 1000, func() {
		for i := range 1000 {
			if err := s.BindInt64(1, int64(i)); err != nil {
				b.Fatal(err)
			}
			if row, err := s.Step(background); !row || err != nil {
				b.Fatal(row, err)
			}
			benchSum += int(s.ColumnInt64(0))
			if row, err := s.Step(background); row || err != nil {
				b.Fatal(row, err)
			}
		}
	})
}

func BenchmarkExecutionC(b *testing.B) {
	c := openMemory(b)
	s := mustPrepare(b, c, "SELECT ?1")
	passes(b, 1000, func() {
		for i := range 1000 {
			sqlite3.Xsqlite3_bind_int64(c.tls, s.ptr, 1, int64(i))
			for sqlite3.Xsqlite3_step(c.tls, s.ptr) == sqlite3.SQLITE_ROW {
				benchSum += int(sqlite3.Xsqlite3_column_int64(c.tls, s.ptr, 0))
			}
			sqlite3.Xsqlite3_reset(c.tls, s.ptr)
		}
	})
}

// BenchmarkExecutionContext is BenchmarkExecution with a context that can end.
func BenchmarkExecutionContext(b *testing.B) {
	s := mustPrepare(b, openMemory(b), "SELECT ?1")
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	passes(b, 1000, func() {
		for i := range 1000 {
			if err := s.BindInt64(1, int64(i)); err != nil {
				b.Fatal(err)
			}
			if row, err := s.Step(ctx); !row || err != nil {
				b.Fatal(row, err)
			}
			benchSum += int(s.ColumnInt64(0))
			if row, err := s.Step(ctx); row || err != nil {
				b.Fatal(row, err)
			}
		}
	})
}
