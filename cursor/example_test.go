package cursor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/floedb/floe/cursor"
	"github.com/floedb/floe/engine"
)

func openStations() *engine.Conn {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	err = conn.Exec(context.Background(), `CREATE TABLE station (id INTEGER PRIMARY KEY, name TEXT, depth REAL);
		INSERT INTO station VALUES (1, 'Alma', 12.5), (2, 'Berta', NULL), (3, 'Carla', 30.5), (4, 'Dora', 7.5)`)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

func ExampleCursor() {
	conn := openStations()
	defer conn.Close()

	cur, err := cursor.Open(conn, cursor.Limits{Rows: 3}, "SELECT name, depth FROM station WHERE id > ?", 0)
	if err != nil {
		log.Fatal(err)
	}
	for batch, err := range cur.Batches(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		names, depths := batch.Column("name"), batch.Column("depth")
		for row := range batch.Len() {
			if depths.IsNull(row) {
				fmt.Println(names.Text(row), "has not been sounded")
				continue
			}
			fmt.Println(names.Text(row), depths.Floats[row])
		}
		fmt.Println("batch of", batch.Len())
	}
	// Output:
	// Alma 12.5
	// Berta has not been sounded
	// Carla 30.5
	// batch of 3
	// Dora 7.5
	// batch of 1
}

func ExamplePager() {
	conn := openStations()
	defer conn.Close()

	pager, err := cursor.NewPager(conn, cursor.Limits{Rows: 3},
		"SELECT id, name FROM station WHERE id > ?1 ORDER BY id LIMIT ?2", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer pager.Close()
	for {
		batch, err := pager.Fetch(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Len(), "rows, the last is", pager.After())
	}
	// Output:
	// 3 rows, the last is 3
	// 1 rows, the last is 4
}
