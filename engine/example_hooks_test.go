package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hooks"
)

// exampleConn opens a database in memory and runs a script.
func exampleConn(script string) *engine.Conn {
	conn, err := engine.Open(":memory:", 0)
	if err != nil {
		log.Fatal(err)
	}
	run(conn, script)
	return conn
}

func run(conn *engine.Conn, script string) {
	check(conn.Exec(context.Background(), script))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleConn_SetUpdateHook() {
	conn := exampleConn("CREATE TABLE floes (name)")
	defer conn.Close()
	check(conn.SetUpdateHook(func(u hooks.RowUpdate) error {
		fmt.Println(u.Op, u.Database, u.Table, u.RowID)
		return nil
	}))
	run(conn, "INSERT INTO floes VALUES ('Alma'), ('Berta'); DELETE FROM floes WHERE name = 'Alma'")
	// Output:
	// INSERT main floes 1
	// INSERT main floes 2
	// DELETE main floes 1
}

// Several listeners share the one slot of a hook.
func ExampleConn_SetUpdateHook_listeners() {
	conn := exampleConn("CREATE TABLE floes (name)")
	defer conn.Close()
	var updates hooks.List[hooks.RowUpdate]
	check(conn.SetUpdateHook(updates.Call))
	remove := updates.Add(func(u hooks.RowUpdate) error { fmt.Println("first:", u.RowID); return nil })
	updates.Add(func(u hooks.RowUpdate) error { fmt.Println("second:", u.RowID); return nil })
	run(conn, "INSERT INTO floes VALUES ('Alma')")
	remove()
	run(conn, "INSERT INTO floes VALUES ('Berta')")
	// Output:
	// first: 1
	// second: 1
	// second: 2
}

func ExampleConn_SetPreUpdateHook() {
	conn := exampleConn("CREATE TABLE floes (name PRIMARY KEY, area) WITHOUT ROWID; INSERT INTO floes VALUES ('Alma', 12)")
	defer conn.Close()
	check(conn.SetPreUpdateHook(func(p *engine.PreUpdate) error {
		before, err := p.Old(1)
		if err != nil {
			return err
		}
		after, err := p.New(1)
		if err != nil {
			return err
		}
		fmt.Printf("%v: the area was %d and will be %d\n", p.Op, before.Int64(), after.Int64())
		return nil
	}))
	run(conn, "UPDATE floes SET area = 11")
	// Output:
	// UPDATE: the area was 12 and will be 11
}

func ExampleConn_SetCommitHook() {
	conn := exampleConn("CREATE TABLE floes (name)")
	defer conn.Close()
	errNight := errors.New("nothing is committed at night")
	check(conn.SetCommitHook(func() error { return errNight }))
	check(conn.SetRollbackHook(func() error { fmt.Println("rolled back"); return nil }))
	err := conn.Exec(context.Background(), "INSERT INTO floes VALUES ('Alma')")
	fmt.Println(errors.Is(err, engine.ConstraintCommitHook), errors.Is(err, errNight))
	// Output:
	// rolled back
	// true true
}

// A tenant sees its own rows through a view, and nothing else.
func ExampleConn_SetAuthorizer() {
	conn := exampleConn(`
		CREATE TABLE notes (tenant, body);
		INSERT INTO notes VALUES ('alma', 'mine'), ('berta', 'not mine');
		CREATE TEMP VIEW my_notes AS SELECT body FROM main.notes WHERE tenant = 'alma'`)
	defer conn.Close()
	check(conn.SetAuthorizer(hooks.All(
		hooks.TablePolicy{Read: []string{"temp.my_notes"}, Through: []string{"my_notes"}}.Authorizer(),
		hooks.Pragmas(),
		hooks.Functions("count", "upper"),
	)))
	for _, sql := range []string{"SELECT upper(body) FROM my_notes", "SELECT body FROM notes"} {
		err := conn.Query(context.Background(), sql, nil, func(row *engine.Stmt) error {
			fmt.Println(row.ColumnText(0))
			return nil
		})
		var denied *hooks.DeniedError
		if errors.As(err, &denied) {
			fmt.Println("denied:", denied.Action.Code, denied.Action.Table(), denied.Action.Column())
		}
	}
	// Output:
	// MINE
	// denied: READ notes body
}

func ExampleConn_SetProgressHandler() {
	conn := exampleConn("")
	defer conn.Close()
	errBudget := errors.New("the query is too expensive")
	budget := 100
	check(conn.SetProgressHandler(1000, func() error {
		if budget--; budget < 0 {
			return errBudget
		}
		return nil
	}))
	err := conn.Exec(context.Background(),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
	fmt.Println(errors.Is(err, engine.Interrupt), errors.Is(err, errBudget))
	// Output:
	// true true
}

func ExampleConn_SetBusyHandler() {
	conn := exampleConn("")
	defer conn.Close()
	// Tries again for a second, more and more slowly.
	check(conn.SetBusyHandler(func(e hooks.BusyEvent) (pause time.Duration, again bool) {
		return time.Millisecond << min(e.Attempt, 6), e.Waited < time.Second
	}))
	run(conn, "CREATE TABLE floes (name)")
	// Output:
}

func ExampleConn_SetTrace() {
	conn := exampleConn("CREATE TABLE floes (name)")
	defer conn.Close()
	check(conn.SetTrace(engine.TraceProfile, func(e *engine.TraceEvent) error {
		fmt.Println(e.ExpandedSQL(), e.Duration > 0)
		return nil
	}))
	check(conn.Exec(context.Background(), "INSERT INTO floes VALUES (?)", "Alma"))
	// Output:
	// INSERT INTO floes VALUES ('Alma') true
}

func ExampleConn_SetWALHook() {
	conn := exampleConn("") // in memory there is no log, so the hook is not called
	defer conn.Close()
	check(conn.SetWALHook(func(w hooks.WALCommit) error {
		if w.Pages > 100_000 {
			log.Printf("the log of %s has %d pages", w.Database, w.Pages)
		}
		return nil
	}))
	check(conn.SetAutoCheckpoint(500))
	run(conn, "CREATE TABLE floes (name)")
	// Output:
}

func ExampleConn_SetFeed() {
	conn := exampleConn("CREATE TABLE floes (name UNIQUE, area)")
	defer conn.Close()
	feed := hooks.NewFeed(hooks.FeedOptions{Values: true})
	check(conn.SetFeed(feed))
	consumer := feed.Consumer()
	defer consumer.Close()

	run(conn, "INSERT INTO floes VALUES ('Alma', 12), ('Berta', 2)")
	run(conn, `BEGIN;
		UPDATE floes SET area = 11 WHERE name = 'Alma';
		SAVEPOINT s; DELETE FROM floes; ROLLBACK TO s;
		COMMIT`)
	feed.Close()

	for tx, err := range consumer.Changes(context.Background()) {
		check(err)
		for _, c := range tx.Changes {
			fmt.Println(tx.Seq, strings.ToLower(c.Op.String()), c.Table, c.NewRowID, c.Old, c.New)
		}
	}
	// Output:
	// 1 insert floes 1 [] [Alma 12]
	// 1 insert floes 2 [] [Berta 2]
	// 2 update floes 1 [Alma 12] [Alma 11]
}
