package floe_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
)

// The benchmarks are of database/sql on a local file. One round of those of many rows is benchRows rows.
const benchRows = 100_000

func benchDB(b *testing.B, rows int) *sql.DB {
	b.Helper()
	db, err := sql.Open("floe", "file:"+filepath.Join(b.TempDir(), "b.db")+"?_journal_mode=WAL&_synchronous=NORMAL")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	if _, err := db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, score REAL, data BLOB)"); err != nil {
		b.Fatal(err)
	}
	benchInsert(b, db, rows)
	return db
}

func benchInsert(b *testing.B, db *sql.DB, rows int) {
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	stmt, err := tx.Prepare("INSERT INTO t (name, score, data) VALUES (?, ?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	data := []byte("0123456789abcdef")
	for i := range rows {
		if _, err := stmt.Exec("name of a row", float64(i)/3, data); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSQLInsert(b *testing.B) {
	db := benchDB(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		benchInsert(b, db, benchRows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func benchRead(b *testing.B, db *sql.DB) {
	rows, err := db.Query("SELECT id, name, score, data FROM t")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var id int64
	var name string
	var score float64
	var data []byte
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&id, &name, &score, &data); err != nil {
			b.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil || n != benchRows {
		b.Fatal(n, err)
	}
}

func BenchmarkSQLRead(b *testing.B) {
	db := benchDB(b, benchRows)
	b.ReportAllocs()
	for b.Loop() {
		benchRead(b, db)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func BenchmarkSQLPoint(b *testing.B) {
	db := benchDB(b, benchRows)
	const query = "SELECT name FROM t WHERE id = ?"
	stmt, err := db.Prepare(query)
	if err != nil {
		b.Fatal(err)
	}
	point := func(b *testing.B, row func(id int) *sql.Row) {
		b.ReportAllocs()
		var name string
		for i := 0; b.Loop(); i++ {
			if err := row(1 + i*7919%benchRows).Scan(&name); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("query", func(b *testing.B) {
		point(b, func(id int) *sql.Row { return db.QueryRow(query, id) })
	})
	b.Run("prepared", func(b *testing.B) {
		point(b, func(id int) *sql.Row { return stmt.QueryRow(id) })
	})
	b.Run("context", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		point(b, func(id int) *sql.Row { return db.QueryRowContext(ctx, query, id) })
	})
}

func BenchmarkSQLReaders(b *testing.B) {
	db := benchDB(b, benchRows)
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetParallelism(n)
			b.RunParallel(func(pb *testing.PB) {
				var name string
				for i := 0; pb.Next(); i++ {
					if err := db.QueryRow("SELECT name FROM t WHERE id = ?", 1+i*7919%benchRows).Scan(&name); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
