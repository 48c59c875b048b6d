package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

// A database as bytes, to send or embed it, and the bytes as a database beside another one.
func ExampleConn_Serialize() {
	ctx := context.Background()
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE TABLE cities (name); INSERT INTO cities VALUES ('Tromsø')"); err != nil {
		log.Fatal(err)
	}
	image, err := conn.Serialize(ctx, "main")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes: %.15s\n", len(image), image)

	if err := conn.Attach(ctx, ":memory:", "reference"); err != nil {
		log.Fatal(err)
	}
	if err := conn.Deserialize("reference", image, engine.DeserializeOptions{ReadOnly: true}); err != nil {
		log.Fatal(err)
	}
	err = conn.QueryRow(ctx, "SELECT name FROM reference.cities", nil, func(row *engine.Stmt) error {
		fmt.Println(row.ColumnText(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 8192 bytes: SQLite format 3
	// Tromsø
}
