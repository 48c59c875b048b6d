package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/floedb/floe/engine"
)

// A backup of a database that is in use, in small steps, and the way back.
func ExampleConn_Backup() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "backup")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "copy.db")
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	err = conn.Exec(ctx, "CREATE TABLE notes (text); INSERT INTO notes VALUES ('keep me'), (zeroblob(20000))")
	if err != nil {
		log.Fatal(err)
	}

	err = conn.Backup(ctx, path, engine.BackupOptions{
		PagesPerStep: 4,
		Progress: func(remaining, total int) error {
			fmt.Printf("%d of %d pages to go\n", remaining, total)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	if err := conn.Exec(ctx, "DELETE FROM notes"); err != nil {
		log.Fatal(err)
	}
	if err := conn.Restore(ctx, path, engine.BackupOptions{}); err != nil {
		log.Fatal(err)
	}
	err = conn.QueryRow(ctx, "SELECT text FROM notes", nil, func(row *engine.Stmt) error {
		fmt.Println(row.ColumnText(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2 of 6 pages to go
	// 0 of 6 pages to go
	// keep me
}
