package hrana

import (
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

func BenchmarkExecute(b *testing.B) {
	srv := sqldtest.Start(b)
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			s := openStream(b, v.open(b, srv.Addr))
			ctx := testContext(b)
			for b.Loop() {
				if _, err := s.Execute(ctx, Stmt{SQL: "SELECT ?", Args: []Value{Integer(1)}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCursor reads 100,000 rows of three columns.
func BenchmarkCursor(b *testing.B) {
	srv := sqldtest.Start(b)
	sql := `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 100000)
		SELECT x, 'name of row', x * 0.5 FROM c`
	for _, v := range variants {
		if v.name == "http v2" || v.name == "ws v2" {
			continue
		}
		b.Run(v.name, func(b *testing.B) {
			s := openStream(b, v.open(b, srv.Addr))
			ctx := testContext(b)
			b.ReportAllocs()
			for b.Loop() {
				cur, err := s.Cursor(ctx, Batch{Steps: []BatchStep{{Stmt: Stmt{SQL: sql}}}})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for range cur.Rows() {
					n++
				}
				if err := cur.Close(); err != nil || n != 100000 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkParseRow is the decoding of one row, without a server.
func BenchmarkParseRow(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			row := []Value{Integer(1), Text("name of row"), Float(0.5)}
			data, err := enc.AppendCursorEntry(nil, &CursorEntry{Kind: EntryRow, Row: row})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var e CursorEntry
			for b.Loop() {
				if err := enc.ParseCursorEntry(data, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
