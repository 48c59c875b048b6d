package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/floedb/floe/engine"
)

// What was changed in one database is carried to another one, which has a change of its own.
func ExampleSession() {
	ctx := context.Background()
	const schema = `CREATE TABLE stock (item TEXT PRIMARY KEY, n INTEGER);
		INSERT INTO stock VALUES ('bolts', 100), ('nuts', 80)`
	open := func() *engine.Conn {
		conn, err := engine.Open(":memory:", 0)
		if err != nil {
			log.Fatal(err)
		}
		if err := conn.Exec(ctx, schema); err != nil {
			log.Fatal(err)
		}
		return conn
	}
	here, there := open(), open()
	defer here.Close()
	defer there.Close()

	session, err := here.NewSession("main", engine.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	if err := session.Attach(""); err != nil {
		log.Fatal(err)
	}
	if err := here.Exec(ctx, "UPDATE stock SET n = 90 WHERE item = 'bolts'; INSERT INTO stock VALUES ('pins', 7)"); err != nil {
		log.Fatal(err)
	}
	changes, err := session.Changeset(ctx)
	if err != nil {
		log.Fatal(err)
	}

	if err := there.Exec(ctx, "UPDATE stock SET n = 99 WHERE item = 'bolts'"); err != nil {
		log.Fatal(err)
	}
	_, err = there.ApplyChangeset(ctx, bytes.NewReader(changes), engine.ApplyOptions{
		Conflict: func(c *engine.Conflict) (engine.ConflictAction, error) {
			fmt.Printf("%v: %d should have been %d\n", c.Kind, c.Existing(1).Int64(), c.Old(1).Int64())
			return engine.ConflictReplace, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for row, err := range there.Rows(ctx, "SELECT item, n FROM stock ORDER BY item") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.ColumnText(0), row.ColumnInt64(1))
	}
	// Output:
	// DATA: 99 should have been 100
	// bolts 90
	// nuts 80
	// pins 7
}

func ExampleReadChangeset() {
	ctx := context.Background()
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (1, 'x', 'y')"); err != nil {
		log.Fatal(err)
	}
	session, err := conn.NewSession("main", engine.SessionOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	if err := session.Attach("t"); err != nil {
		log.Fatal(err)
	}
	if err := conn.Exec(ctx, "UPDATE t SET b = NULL"); err != nil {
		log.Fatal(err)
	}
	changeset, err := session.Changeset(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var undo bytes.Buffer
	if err := engine.InvertChangeset(&undo, bytes.NewReader(changeset)); err != nil {
		log.Fatal(err)
	}
	for _, reader := range []*bytes.Buffer{bytes.NewBuffer(changeset), &undo} {
		for change, err := range engine.ReadChangeset(reader) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(change.Op, change.Table, change.Old, change.New)
		}
	}
	// Output:
	// UPDATE t [1 {} y] [{} {} <nil>]
	// UPDATE t [1 {} <nil>] [{} {} y]
}
