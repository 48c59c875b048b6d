package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/floedb/floe/engine"
)

// A past state is read again, for as long as it is in the write-ahead log.
func ExampleConn_OpenSnapshot() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "snapshot")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	conn, err := engine.Open(filepath.Join(dir, "a.db"), 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	exec := func(sql string) {
		if err := conn.Exec(ctx, sql); err != nil {
			log.Fatal(err)
		}
	}
	exec("PRAGMA journal_mode = WAL; CREATE TABLE price (euro); INSERT INTO price VALUES (10)")

	exec("BEGIN")
	before, err := conn.Snapshot(ctx, "main")
	if err != nil {
		log.Fatal(err)
	}
	exec("COMMIT; UPDATE price SET euro = 12")

	exec("BEGIN")
	if err := conn.OpenSnapshot(ctx, "main", before); err != nil {
		log.Fatal(err)
	}
	err = conn.QueryRow(ctx, "SELECT euro FROM price", nil, func(row *engine.Stmt) error {
		fmt.Println("it was", row.ColumnInt64(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE); UPDATE price SET euro = 13; BEGIN")
	err = conn.OpenSnapshot(ctx, "main", before)
	fmt.Println("gone:", errors.Is(err, engine.GenericSnapshot))
	exec("ROLLBACK")
	// Output:
	// it was 10
	// gone: true
}
