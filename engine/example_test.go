package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

func Example() {
	ctx := context.Background()
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	if err := conn.Exec(ctx, "CREATE TABLE floes (name TEXT UNIQUE, area REAL)"); err != nil {
		log.Fatal(err)
	}
	insert, err := conn.Prepare("INSERT INTO floes VALUES (?, ?)")
	if err != nil {
		log.Fatal(err)
	}
	for name, area := range map[string]float64{"Alma": 1.5, "Berta": 12} {
		if err := errors.Join(insert.BindText(1, name), insert.BindFloat(2, area)); err != nil {
			log.Fatal(err)
		}
		if _, err := insert.Step(ctx); err != nil {
			log.Fatal(err)
		}
	}

	err = conn.Query(ctx, "SELECT name, area FROM floes WHERE area > ? ORDER BY name", []any{1},
		func(row *engine.Stmt) error {
			fmt.Println(row.ColumnText(0), row.ColumnFloat(1))
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}

	err = conn.Exec(ctx, "INSERT INTO floes VALUES ('Alma', 2)")
	fmt.Println(errors.Is(err, engine.Constraint), errors.Is(err, engine.ConstraintUnique))
	// Output:
	// Alma 1.5
	// Berta 12
	// true true
}

func ExampleConn_PrepareTail() {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for script := "SELECT 1; -- a comment\n SELECT 2;"; script != ""; {
		stmt, tail, err := conn.PrepareTail(script)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", stmt.SQL())
		script = tail
	}
	// Output:
	// "SELECT 1;"
	// " -- a comment\n SELECT 2;"
}
