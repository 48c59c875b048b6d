package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

// openFloes opens a database in memory with a few rows.
func openFloes() *engine.Conn {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	err = conn.Exec(context.Background(), `
		CREATE TABLE floe(id INTEGER PRIMARY KEY, name TEXT UNIQUE, area REAL);
		INSERT INTO floe(name, area) VALUES ('Alma', 1.5), ('Berta', 12), ('Cora', 3)`)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

func ExampleConn_PrepareCached() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	area := func(id int64) (float64, error) {
		stmt, err := conn.PrepareCached("SELECT area FROM floe WHERE id = ?")
		if err != nil {
			return 0, err
		}
		defer stmt.Finalize()
		if err := stmt.BindInt64(1, id); err != nil {
			return 0, err
		}
		_, err = stmt.Step(ctx)
		return stmt.ColumnFloat(0), err
	}
	for id := range int64(3) {
		fmt.Println(area(id + 1))
	}
	stats := conn.CacheStats()
	fmt.Println("compiled once, used again", stats.Hits, "times")
	// Output:
	// 1.5 <nil>
	// 12 <nil>
	// 3 <nil>
	// compiled once, used again 2 times
}

func ExampleConn_SetCacheSize() {
	conn := openFloes()
	defer conn.Close()
	conn.SetCacheSize(2)
	for i := range 5 {
		if err := conn.Exec(context.Background(), fmt.Sprintf("SELECT %d", i)); err != nil {
			log.Fatal(err)
		}
	}
	stats := conn.CacheStats()
	fmt.Println(stats.Idle, "kept,", stats.Evictions, "evicted")
	// Output:
	// 2 kept, 3 evicted
}

func ExampleNamed() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	err := conn.Exec(ctx, "INSERT INTO floe(name, area) VALUES (:name, @area)",
		engine.Named("area", 8), engine.Named("name", "Dora"))
	if err != nil {
		log.Fatal(err)
	}
	err = conn.Exec(ctx, "SELECT * FROM floe WHERE name = :name", engine.Named("nom", "Dora"))
	fmt.Println(err)
	// Output:
	// engine: bind: no parameter named "nom" (SQLITE_RANGE) in "SELECT * FROM floe WHERE name = :name"
}

func ExampleConn_Rows() {
	conn := openFloes()
	defer conn.Close()
	for row, err := range conn.Rows(context.Background(), "SELECT name, area FROM floe WHERE area > ?", 2) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.ColumnText(0), row.ColumnFloat(1))
	}
	// Output:
	// Berta 12
	// Cora 3
}

func ExampleConn_QueryRow() {
	conn := openFloes()
	defer conn.Close()
	var id int64
	find := func(name string) error {
		return conn.QueryRow(context.Background(), "SELECT id FROM floe WHERE name = ?", []any{name},
			func(row *engine.Stmt) error { return row.Scan(&id) })
	}
	fmt.Println(find("Berta"), id)
	fmt.Println(errors.Is(find("Zora"), engine.ErrNoRows))
	// Output:
	// <nil> 2
	// true
}

func ExampleStmt_Exec() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	insert, err := conn.Prepare("INSERT INTO floe(name, area) VALUES (?, ?)")
	if err != nil {
		log.Fatal(err)
	}
	defer insert.Finalize()
	for i, name := range []string{"Dora", "Ella"} {
		if err := insert.Exec(ctx, name, i); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(conn.LastInsertRowID())
	// Output:
	// 5
}

func ExampleStmt_Rows() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	larger, err := conn.Prepare("SELECT name FROM floe WHERE area > ?")
	if err != nil {
		log.Fatal(err)
	}
	defer larger.Finalize()
	for _, area := range []float64{2, 10} {
		for row, err := range larger.Rows(ctx, area) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("larger than", area, row.ColumnText(0))
		}
	}
	// Output:
	// larger than 2 Berta
	// larger than 2 Cora
	// larger than 10 Berta
}

func ExampleConn_ExecTransactionalBatch() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	err := conn.ExecTransactionalBatch(ctx, `
		UPDATE floe SET area = area - 1 WHERE name = 'Cora';
		INSERT INTO floe(name) VALUES ('Alma');`)
	var batch *engine.BatchError
	if errors.As(err, &batch) {
		fmt.Println("statement", batch.Index, errors.Is(err, engine.ConstraintUnique))
	}
	err = conn.QueryRow(ctx, "SELECT area FROM floe WHERE name = 'Cora'", nil, func(row *engine.Stmt) error {
		fmt.Println("area", row.ColumnFloat(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// statement 1 true
	// area 3
}

func ExampleConn_ExecTransactionalCommands() {
	conn := openFloes()
	defer conn.Close()
	err := conn.ExecTransactionalCommands(context.Background(), []engine.Command{
		{SQL: "UPDATE floe SET area = area - :x WHERE id = 1", Args: []any{engine.Named("x", 0.5)}},
		{SQL: "UPDATE floe SET area = area + ? WHERE id = ?", Args: []any{0.5, 2}},
	})
	fmt.Println(err)
	// Output:
	// <nil>
}

func ExampleStmt_Columns() {
	conn := openFloes()
	defer conn.Close()
	stmt, err := conn.Prepare("SELECT name AS n, area * 2 FROM floe")
	if err != nil {
		log.Fatal(err)
	}
	defer stmt.Finalize()
	for _, column := range stmt.Columns() {
		fmt.Printf("%+v\n", column)
	}
	// Output:
	// {Name:n DeclType:TEXT Database:main Table:floe Origin:name}
	// {Name:area * 2 DeclType: Database: Table: Origin:}
}

func ExampleStmt_ExpandedSQL() {
	conn := openFloes()
	defer conn.Close()
	stmt, err := conn.Prepare("SELECT * FROM floe WHERE name = :name AND area > ?")
	if err != nil {
		log.Fatal(err)
	}
	defer stmt.Finalize()
	if err := stmt.BindAll(engine.Named("name", "Alma"), 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println(stmt.ExpandedSQL())
	// Output:
	// SELECT * FROM floe WHERE name = 'Alma' AND area > 1 <nil>
}

func ExampleStmt_SetExplain() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	stmt, err := conn.Prepare("SELECT area FROM floe WHERE name = ?")
	if err != nil {
		log.Fatal(err)
	}
	defer stmt.Finalize()
	if err := stmt.SetExplain(engine.ExplainQueryPlan); err != nil {
		log.Fatal(err)
	}
	for row, err := range stmt.Rows(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.ColumnText(3))
	}
	// Output:
	// SEARCH floe USING INDEX sqlite_autoindex_floe_1 (name=?)
}

func ExampleStmt_Status() {
	conn := openFloes()
	defer conn.Close()
	stmt, err := conn.Prepare("SELECT count(*) FROM floe WHERE area > 2")
	if err != nil {
		log.Fatal(err)
	}
	defer stmt.Finalize()
	if err := stmt.Exec(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("rows scanned:", stmt.Status(engine.StmtStatusFullscanStep, false))
	// Output:
	// rows scanned: 2
}

func ExampleConn_TableColumn() {
	conn := openFloes()
	defer conn.Close()
	column, err := conn.TableColumn("main", "floe", "id")
	fmt.Printf("%+v %v\n", column, err)
	fmt.Println(conn.DatabaseNames())
	// Output:
	// {DeclType:INTEGER Collation:BINARY NotNull:false PrimaryKey:true AutoIncrement:false} <nil>
	// [main temp]
}
