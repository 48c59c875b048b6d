package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

func ExampleConn_Begin() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	melt := func(id int64) error {
		tx, err := conn.Begin(ctx, engine.TxImmediate)
		if err != nil {
			return err
		}
		defer tx.Rollback() // nothing after the commit
		if err := conn.Exec(ctx, "DELETE FROM floe WHERE id = ?", id); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
	fmt.Println(melt(1), conn.AutoCommit())
	// Output: <nil> true
}

func ExampleConn_WithTx() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	tooMuch := errors.New("too much")
	err := conn.WithTx(ctx, engine.TxImmediate, func() error {
		if err := conn.Exec(ctx, "DELETE FROM floe"); err != nil {
			return err
		}
		return tooMuch
	})
	fmt.Println(err)
	for row := range conn.Rows(ctx, "SELECT count(*) FROM floe") {
		fmt.Println(row.ColumnInt64(0), "floes are left")
	}
	// Output:
	// too much
	// 3 floes are left
}

func ExampleConn_WithTx_readOnly() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	err := conn.WithTx(ctx, engine.TxReadOnly, func() error {
		return conn.Exec(ctx, "DELETE FROM floe")
	})
	fmt.Println(errors.Is(err, engine.ReadOnly))
	// Output: true
}

func ExampleTx_Commit() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	tx, err := conn.Begin(ctx, engine.TxDeferred)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	err = conn.Exec(ctx, "INSERT OR ROLLBACK INTO floe(name) VALUES ('Alma')")
	fmt.Println(errors.Is(err, engine.ConstraintUnique))
	fmt.Println(errors.Is(tx.Commit(ctx), engine.ErrTxRolledBack))
	// Output:
	// true
	// true
}

func ExampleConn_Savepoint() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	for _, id := range []int64{1, 2, 3} {
		if err := conn.Savepoint(fmt.Sprint("floe ", id)); err != nil {
			log.Fatal(err)
		}
		if err := conn.Exec(ctx, "DELETE FROM floe WHERE id = ?", id); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(conn.RollbackTo("floe 2"))
	fmt.Println(conn.Savepoints())
	fmt.Println(conn.Release(ctx, "floe 1"))
	for row := range conn.Rows(ctx, "SELECT name FROM floe") {
		fmt.Println(row.ColumnText(0))
	}
	// Output:
	// <nil>
	// [floe 2 floe 1]
	// <nil>
	// Berta
	// Cora
}

func ExampleConn_WithSavepoint() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	add := func(name string) error {
		return conn.WithSavepoint(ctx, "add", func() error {
			return conn.Exec(ctx, "INSERT INTO floe(name) VALUES (?)", name)
		})
	}
	err := conn.WithTx(ctx, engine.TxImmediate, func() error {
		for _, name := range []string{"Dora", "Alma", "Emma"} {
			if err := add(name); errors.Is(err, engine.Constraint) {
				fmt.Println(name, "is there already")
			}
		}
		return nil
	})
	fmt.Println(err, conn.TotalChanges()-3, "more")
	// Output:
	// Alma is there already
	// <nil> 2 more
}
