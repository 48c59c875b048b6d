package engine_test

import (
	"context"
	"fmt"
	"log"
)

func ExampleConn_SetPragma() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	if err := conn.SetPragma(ctx, "main", "cache_size", -2000); err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.PragmaInt(ctx, "main", "cache_size"))
	// Output: -2000 <nil>
}

func ExampleConn_UserVersion() {
	conn := openFloes()
	defer conn.Close()
	ctx := context.Background()
	if err := conn.SetUserVersion(ctx, "", 3); err != nil {
		log.Fatal(err)
	}
	fmt.Println(conn.UserVersion(ctx, ""))
	// Output: 3 <nil>
}

func ExampleConn_IntegrityCheck() {
	conn := openFloes()
	defer conn.Close()
	findings, err := conn.IntegrityCheck(context.Background(), "", 0)
	fmt.Println(len(findings), err)
	// Output: 0 <nil>
}

func ExampleConn_TableColumns() {
	conn := openFloes()
	defer conn.Close()
	columns, err := conn.TableColumns(context.Background(), "", "floe")
	if err != nil {
		log.Fatal(err)
	}
	for _, column := range columns {
		fmt.Println(column.Name, column.DeclType, column.PrimaryKey)
	}
	// Output:
	// id INTEGER 1
	// name TEXT 0
	// area REAL 0
}
