package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

func ExampleConn_Status() {
	conn := openFloes()
	defer conn.Close()
	cached, _, err := conn.Status(engine.StatusCacheUsed, false)
	fmt.Println(cached > 0, err)
	// Output: true <nil>
}

func ExampleConn_TxnState() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	err := conn.WithTx(ctx, engine.TxDeferred, func() error {
		for _, sql := range []string{"SELECT 1", "SELECT * FROM floe", "DELETE FROM floe"} {
			if err := conn.Exec(ctx, sql); err != nil {
				return err
			}
			state, err := conn.TxnState("main")
			if err != nil {
				return err
			}
			fmt.Println(sql, state == engine.TxnRead, state == engine.TxnWrite)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// SELECT 1 false false
	// SELECT * FROM floe true false
	// DELETE FROM floe false true
}

func ExampleConn_SizeLimit() {
	conn, err := engine.Open("file:/limited?vfs=memdb", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.SizeLimit("", 100_000); err != nil {
		log.Fatal(err)
	}
	err = conn.Exec(context.Background(), "CREATE TABLE floe(ice); INSERT INTO floe VALUES (zeroblob(200000))")
	fmt.Println(errors.Is(err, engine.Full))
	// Output: true
}

func ExampleReleaseMemory() {
	conn := openFloes()
	defer conn.Close()
	if err := conn.ReleaseMemory(); err != nil { // of one connection
		log.Fatal(err)
	}
	fmt.Println(engine.ReleaseMemory(1<<20) >= 0) // of all
	// Output: true
}

func ExampleIsKeyword() {
	fmt.Println(engine.IsKeyword("order"), engine.IsKeyword("floe"))
	// Output: true false
}

func ExampleConn_CheckpointContext() {
	conn := openFloes()
	defer conn.Close()
	fmt.Println(conn.CheckpointContext(context.Background(), "main", engine.CheckpointTruncate))
	// Output: -1 -1 <nil>
}
