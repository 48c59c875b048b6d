package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/floedb/floe/engine"
)

// A database in a file, with the settings that most programs want.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "floe")
	check(err)
	defer os.RemoveAll(dir)

	conn, err := engine.Open(filepath.Join(dir, "app.db"), 0)
	check(err)
	defer conn.Close()
	check(conn.SetJournalMode(ctx, "main", engine.JournalWAL))
	check(conn.SetPragma(ctx, "", "synchronous", "normal"))
	check(conn.SetForeignKeys(ctx, true))

	check(conn.Exec(ctx, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)"))
	check(conn.Exec(ctx, "INSERT INTO users (name, age) VALUES (?, ?), (?, ?)", "Ann", 41, "Bob", 17))
	for row, err := range conn.Rows(ctx, "SELECT id, name FROM users WHERE age > ?", 40) {
		check(err)
		fmt.Println(row.ColumnInt64(0), row.ColumnText(1))
	}
	// Output: 1 Ann
}

// A row in variables of Go. A pointer takes a NULL.
func ExampleStmt_Scan() {
	conn := exampleConn("CREATE TABLE users (name TEXT, age INTEGER); INSERT INTO users VALUES ('Ann', 41), ('Bob', NULL)")
	defer conn.Close()
	for row, err := range conn.Rows(context.Background(), "SELECT name, age FROM users") {
		check(err)
		var name string
		var age *int
		check(row.Scan(&name, &age))
		if age == nil {
			fmt.Println(name)
			continue
		}
		fmt.Println(name, *age)
	}
	// Output:
	// Ann 41
	// Bob
}

func ExampleError() {
	conn := exampleConn("CREATE TABLE users (name TEXT UNIQUE); INSERT INTO users VALUES ('Ann')")
	defer conn.Close()
	err := conn.Exec(context.Background(), "INSERT INTO users VALUES (?)", "Ann")
	fmt.Println(errors.Is(err, engine.Constraint), errors.Is(err, engine.ConstraintUnique), errors.Is(err, engine.Busy))

	err = conn.Exec(context.Background(), "SELECT name FORM users")
	var refused *engine.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Msg, "at", refused.Offset)
	}
	// Output:
	// true true false
	// near "users": syntax error at 17
}

// A panic in a callback is an error of the statement, and the connection can be used on.
func ExamplePanicError() {
	conn := exampleConn("")
	defer conn.Close()
	check(conn.CreateFunction("boom", 0, 0, func(*engine.FuncContext, []engine.Value) error { panic("no ice") }))

	err := conn.Exec(context.Background(), "SELECT boom()")
	var panicked *engine.PanicError
	if errors.As(err, &panicked) {
		fmt.Println(panicked.Value)
	}
	fmt.Println(conn.Exec(context.Background(), "SELECT 1"))
	// Output:
	// no ice
	// <nil>
}

// A context ends the statement that it was given to.
func ExampleConn_Exec_context() {
	conn := exampleConn("")
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	check(conn.CreateFunction("stop", 0, 0, func(*engine.FuncContext, []engine.Value) error {
		cancel()
		return nil
	}))

	err := conn.Exec(ctx, `SELECT stop();
		WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`)
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, engine.Interrupt))
	// Output: true true
}
