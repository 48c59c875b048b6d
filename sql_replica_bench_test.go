package floe_test

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

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

// BenchmarkReplicaRead compares reads of a replica with those of a plain file. They
// take turns, so that what else the machine does hits both; the figure to look at
// is how often a read of the file fits into one of the replica.
func BenchmarkReplicaRead(b *testing.B) {
	_, replica, local := benchReplica(b)
	b.Run("point", func(b *testing.B) {
		benchRatio(b, 20, replica, local, func(db *sql.DB, i int) error {
			var a string
			return db.QueryRow("SELECT a FROM t WHERE id = ?", 1+i%10000).Scan(&a)
		})
	})
	b.Run("prepared", func(b *testing.B) {
		stmts := make(map[*sql.DB]*sql.Stmt)
		for _, db := range []*sql.DB{replica, local} {
			s, err := db.Prepare("SELECT a FROM t WHERE id = ?")
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			stmts[db] = s
		}
		benchRatio(b, 20, replica, local, func(db *sql.DB, i int) error {
			var a string
			return stmts[db].QueryRow(1 + i%10000).Scan(&a)
		})
	})
	b.Run("scan", func(b *testing.B) {
		benchRatio(b, 1, replica, local, func(db *sql.DB, _ int) error { return scanAll(db) })
	})
}

// benchRatio lets two databases do the same in turns of several reads. The median
// of all turns is that of the machine when it is quiet.
func benchRatio(b *testing.B, turn int, replica, local *sql.DB, read func(db *sql.DB, i int) error) {
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for k, db := range []*sql.DB{replica, local} {
			began := time.Now()
			for n := range turn {
				if err := read(db, i*turn+n); err != nil {
					b.Fatal(err)
				}
			}
			took[k] = append(took[k], time.Since(began)/time.Duration(turn))
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	ours, theirs := took[0][len(took[0])/2], took[1][len(took[1])/2]
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
	b.ReportMetric(float64(ours), "replica-ns")
	b.ReportMetric(float64(theirs), "local-ns")
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
