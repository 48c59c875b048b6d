package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

func mustOpen() *engine.Conn {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

func mustRun(conn *engine.Conn, sql string, args ...any) {
	if err := conn.Exec(context.Background(), sql, args...); err != nil {
		log.Fatal(err)
	}
}

// printRows prints each row of a query in a line.
func printRows(conn *engine.Conn, sql string, args ...any) {
	for row, err := range conn.Rows(context.Background(), sql, args...) {
		if err != nil {
			log.Fatal(err)
		}
		for i := range row.ColumnCount() {
			if i > 0 {
				fmt.Print(" | ")
			}
			fmt.Print(row.ColumnText(i))
		}
		fmt.Println()
	}
}

// Go values as JSON in a column, in SQLite's binary form, and SQL that looks into them.
func ExampleJSON() {
	ctx := context.Background()
	conn := mustOpen()
	defer conn.Close()

	type Order struct {
		Customer string   `json:"customer"`
		Items    []string `json:"items"`
	}
	mustRun(conn, "CREATE TABLE orders (id INTEGER PRIMARY KEY, doc BLOB)")
	mustRun(conn, "INSERT INTO orders (doc) VALUES (jsonb(?))", engine.JSON(Order{"Ada", []string{"gears", "cards"}}))
	mustRun(conn, "INSERT INTO orders (doc) VALUES (jsonb(?))", engine.JSON(Order{"Emmy", []string{"rings"}}))

	printRows(conn, "SELECT doc ->> 'customer', json_array_length(doc, '$.items') FROM orders")
	printRows(conn, "SELECT orders.id, each.value FROM orders, json_each(orders.doc, '$.items') AS each")
	mustRun(conn, "UPDATE orders SET doc = jsonb_set(doc, '$.items[#]', 'fields') WHERE doc ->> 'customer' = 'Emmy'")

	err := conn.Query(ctx, "SELECT id, json(doc) FROM orders", nil, func(row *engine.Stmt) error {
		var id int
		var order Order
		if err := row.Scan(&id, engine.JSON(&order)); err != nil {
			return err
		}
		fmt.Println(id, order)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// Ada | 2
	// Emmy | 1
	// 1 | gears
	// 1 | cards
	// 2 | rings
	// 1 {Ada [gears cards]}
	// 2 {Emmy [rings fields]}
}
