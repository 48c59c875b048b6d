package floe_test

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// benchReplica opens a replica of a server with a table of rows, and a plain
// local file with the same table.
func benchReplica(b *testing.B) (srv *sqldtest.Server, replica, local *sql.DB) {
	b.Helper()
	srv = sqldtest.Start(b)
	const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 10000) INSERT INTO t SELECT i, 'row ' || i FROM n`
	srv.Exec(b, "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)", rows)
	dir := b.TempDir()
	replica = benchOpen(b, "file:"+filepath.Join(dir, "replica.db")+"?primary="+url.QueryEscape(srv.URL))
	local = benchOpen(b, "file:"+filepath.Join(dir, "local.db")+"?_journal_mode=WAL")
	for _, query := range []string{"CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)", rows} {
		if _, err := local.Exec(query); err != nil {
			b.Fatal(err)
		}
	}
	return srv, replica, local
}

func benchOpen(b *testing.B, dsn string) *sql.DB {
	b.Helper()
	db, err := sql.Open(floe.DriverName, dsn)
	if err == nil {
		err = db.Ping()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// BenchmarkReplicaRead compares reads of a replica with those of a plain file.
func BenchmarkReplicaRead(b *testing.B) {
	_, replica, local := benchReplica(b)
	for _, mode := range []struct {
		name string
		db   *sql.DB
	}{{"local", local}, {"replica", replica}} {
		b.Run("point/"+mode.name, func(b *testing.B) {
			var a string
			for i := 0; b.Loop(); i++ {
				if err := mode.db.QueryRow("SELECT a FROM t WHERE id = ?", 1+i%10000).Scan(&a); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("prepared/"+mode.name, func(b *testing.B) {
			s, err := mode.db.Prepare("SELECT a FROM t WHERE id = ?")
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var a string
			for i := 0; b.Loop(); i++ {
				if err := s.QueryRow(1 + i%10000).Scan(&a); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("scan/"+mode.name, func(b *testing.B) {
			for b.Loop() {
				if err := scanAll(mode.db); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func scanAll(db *sql.DB) error {
	rows, err := db.Query("SELECT id, a FROM t")
	if err != nil {
		return err
	}
	defer rows.Close()
	var (
		id int64
		a  string
	)
	for rows.Next() {
		if err := rows.Scan(&id, &a); err != nil {
			return err
		}
	}
	return rows.Err()
}

// BenchmarkReplicaWrite compares a write, and a write with the read of it, with
// the same write to the primary alone.
func BenchmarkReplicaWrite(b *testing.B) {
	srv, replica, _ := benchReplica(b)
	remote := benchOpen(b, srv.URL)
	ctx := context.Background()
	write := func(b *testing.B, db *sql.DB, i int) {
		if _, err := db.ExecContext(ctx, "UPDATE t SET a = ? WHERE id = 1", i); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("primary", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			write(b, remote, i)
		}
	})
	b.Run("replica", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			write(b, replica, i)
		}
	})
	b.Run("replica and read", func(b *testing.B) {
		var got int
		for i := 0; b.Loop(); i++ {
			write(b, replica, i)
			if err := replica.QueryRowContext(ctx, "SELECT a FROM t WHERE id = 1").Scan(&got); err != nil || got != i {
				b.Fatalf("got %d, %v, wrote %d", got, err, i)
			}
		}
	})
}
