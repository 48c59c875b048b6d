package engine_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/floedb/floe/engine"
)

func ExamplePool() {
	ctx := context.Background()
	pool, err := engine.NewPool("file:/floes?vfs=memdb", 0, 4, func(conn *engine.Conn) error {
		return conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS floe(id INTEGER PRIMARY KEY, seen INT)")
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	see := func(conn *engine.Conn) error {
		return conn.Exec(ctx, "INSERT INTO floe VALUES (1, 1) ON CONFLICT DO UPDATE SET seen = seen + 1")
	}
	var watchers sync.WaitGroup
	for range 10 {
		watchers.Go(func() {
			if err := pool.Write(ctx, see); err != nil {
				log.Print(err)
			}
		})
	}
	watchers.Wait()
	err = pool.Do(ctx, func(conn *engine.Conn) error {
		return conn.QueryRow(ctx, "SELECT seen FROM floe", nil, func(row *engine.Stmt) error {
			fmt.Println("seen", row.ColumnInt64(0), "times")
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: seen 10 times
}

func ExamplePool_Get() {
	ctx := context.Background()
	pool, err := engine.NewPool("file:/get?vfs=memdb", 0, 1, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Get(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("in use:", pool.Stats().InUse)
	fmt.Println(pool.Put(conn))
	fmt.Println(pool.Put(conn))
	// Output:
	// in use: 1
	// <nil>
	// engine: connection is not one that the pool has handed out
}

func ExampleConn_Reset() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	if err := conn.Exec(ctx, "BEGIN; DELETE FROM floe"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.Reset(), conn.AutoCommit())
	for row := range conn.Rows(ctx, "SELECT count(*) FROM floe") {
		fmt.Println(row.ColumnInt64(0))
	}
	// Output:
	// <nil> true
	// 3
}
