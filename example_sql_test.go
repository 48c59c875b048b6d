package floe_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hooks"
)

// tempDir is a directory for an example.
func tempDir() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "floe")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// A local file, through database/sql.
func ExampleDriver() {
	dir, remove := tempDir()
	defer remove()

	db, err := sql.Open("floe", filepath.Join(dir, "app.db")+"?_journal_mode=wal&_foreign_keys=on&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec("CREATE TABLE visit (name TEXT, at TIMESTAMP, paid BOOLEAN)")
	if err != nil {
		log.Fatal(err)
	}
	at := time.Date(2024, 2, 29, 13, 14, 15, 0, time.UTC)
	_, err = db.Exec("INSERT INTO visit VALUES (?, ?, ?), (:name, :at, NULL)", "Ada", at, true,
		sql.Named("name", "Grace"), sql.Named("at", at.Add(time.Hour)))
	if err != nil {
		log.Fatal(err)
	}

	rows, err := db.Query("SELECT name, at, paid FROM visit ORDER BY at")
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var at time.Time
		var paid sql.NullBool
		if err := rows.Scan(&name, &at, &paid); err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, at.Format(time.DateTime), paid.Valid, paid.Bool)
	}
	if err := rows.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Ada 2024-02-29 13:14:15 true true
	// Grace 2024-02-29 14:14:15 false false
}

// A function of SQL that every connection of the pool has.
func ExampleWithOnConnect() {
	shout := func(ctx *engine.FuncContext, args []engine.Value) error {
		ctx.ResultText(strings.ToUpper(args[0].Text()) + "!")
		return nil
	}
	connector, err := floe.NewConnector(":memory:", floe.WithOnConnect(func(ctx context.Context, c *engine.Conn) error {
		return c.CreateFunction("shout", 1, engine.Deterministic, shout)
	}))
	if err != nil {
		log.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	var s string
	if err := db.QueryRow("SELECT shout(?)", "hello").Scan(&s); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s)
	// Output: HELLO!
}

// The connection behind database/sql has hooks, and whatever else package engine has.
func ExampleDriverConn_Engine() {
	ctx := context.Background()
	db, err := sql.Open("floe", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	err = conn.Raw(func(c any) error {
		return c.(*floe.DriverConn).Engine().SetUpdateHook(func(u hooks.RowUpdate) error {
			fmt.Println(u.Op, u.Table, u.RowID)
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = conn.ExecContext(ctx, "CREATE TABLE t (a); INSERT INTO t VALUES (1); DELETE FROM t WHERE a = 1")
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// INSERT t 1
	// DELETE t 1
}
