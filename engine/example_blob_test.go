package engine_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/floedb/floe/engine"
)

// A large value is written and read piece by piece, without ever being in memory as a whole.
func ExampleConn_OpenBlob() {
	ctx := context.Background()
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	source := strings.NewReader("a long story")
	err = conn.Exec(ctx, "CREATE TABLE stories (body BLOB); INSERT INTO stories VALUES (zeroblob(12))")
	if err != nil {
		log.Fatal(err)
	}

	body, err := conn.OpenBlob(ctx, "main", "stories", "body", conn.LastInsertRowID(), true)
	if err != nil {
		log.Fatal(err)
	}
	defer body.Close()
	n, err := io.Copy(body, source)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes written of", body.Size())

	part := make([]byte, 5)
	if _, err := body.ReadAt(part, 7); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", part)
	// Output:
	// 12 bytes written of 12
	// story
}
