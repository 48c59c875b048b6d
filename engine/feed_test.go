package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
)

func openFeed(t *testing.T, c *Conn, options hooks.FeedOptions) (*hooks.Feed, *hooks.Consumer) {
	t.Helper()
	feed := hooks.NewFeed(options)
	must(t, c.SetFeed(feed))
	return feed, feed.Consumer()
}

// taken returns what the consumer can have at once.
func taken(t *testing.T, consumer *hooks.Consumer) (txs []*hooks.Transaction) {
	t.Helper()
	for {
		tx, err := consumer.TryNext()
		must(t, err)
		if tx == nil {
			return txs
		}
		txs = append(txs, tx)
	}
}

func TestFeedHasCommittedTransactions(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE)")
	_, consumer := openFeed(t, c, hooks.FeedOptions{Values: true})
	mustExec(t, c, `INSERT INTO t VALUES (1, 'a');
		BEGIN; INSERT INTO t VALUES (2, 'rolled back'); ROLLBACK;
		BEGIN; SAVEPOINT s; INSERT INTO t VALUES (3, 'taken back'); ROLLBACK TO s; COMMIT;
		BEGIN; UPDATE t SET id = 4; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; REPLACE INTO t VALUES (5, 'a'); COMMIT;
		CREATE TABLE u(a)`)
	if err := c.Exec(background, "INSERT INTO t VALUES (6, 'b'), (7, 'a')"); !errors.Is(err, ConstraintUnique) {
		t.Fatalf("insert: %v, want %v", err, ConstraintUnique)
	}
	row := func(id int64) []any { return []any{id, "a"} }
	change := hooks.Change{Database: "main", Table: "t"}
	with := func(op hooks.Op, old, new int64, oldRow, newRow []any) hooks.Change {
		change.Op, change.OldRowID, change.NewRowID, change.Old, change.New = op, old, new, oldRow, newRow
		return change
	}
	want := []*hooks.Transaction{
		{Seq: 1, Changes: []hooks.Change{with(hooks.Insert, 1, 1, nil, row(1))}},
		{Seq: 2, Changes: []hooks.Change{
			with(hooks.Update, 1, 4, row(1), row(4)),
			with(hooks.Delete, 4, 4, row(4), nil),
			with(hooks.Insert, 5, 5, nil, row(5)),
		}},
		{Seq: 3, SchemaChanged: true},
	}
	if diff := cmp.Diff(want, taken(t, consumer)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

func TestFeedSelectsTables(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE b(x); CREATE TEMP TABLE a(x)")
	_, consumer := openFeed(t, c, hooks.FeedOptions{
		Tables: func(database, table string) bool { return database == "main" && table == "a" },
	})
	mustExec(t, c, "INSERT INTO b VALUES (1); INSERT INTO temp.a VALUES (1); INSERT INTO main.a VALUES (1); ANALYZE")
	want := []*hooks.Transaction{{Seq: 1, Changes: []hooks.Change{
		{Op: hooks.Insert, Database: "main", Table: "a", OldRowID: 1, NewRowID: 1},
	}}, {Seq: 2, SchemaChanged: true}}
	if diff := cmp.Diff(want, taken(t, consumer)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

func TestFeedTellsBlobWrites(t *testing.T) {
	for values, want := range map[bool]hooks.Change{
		false: {Op: hooks.Update, Database: "main", Table: "t", OldRowID: 1, NewRowID: 1},
		true: {Op: hooks.Update, Database: "main", Table: "t", OldRowID: 1, NewRowID: 1,
			Old: []any{"x", []byte{1, 2, 3, 4}}, New: []any{"x", []byte{1, 8, 9, 4}}},
	} {
		c := openMemory(t)
		mustExec(t, c, "CREATE TABLE t(a, b); INSERT INTO t VALUES ('x', x'01020304')")
		_, consumer := openFeed(t, c, hooks.FeedOptions{Values: values})
		writeBlob(t, c, 1, []byte{8, 9})
		got := taken(t, consumer)
		if len(got) != 1 || len(got[0].Changes) != 1 {
			t.Fatalf("values %v: the feed has %+v, want one change", values, got)
		}
		if diff := cmp.Diff(want, got[0].Changes[0]); diff != "" {
			t.Errorf("values %v (-want +got):\n%s", values, diff)
		}
	}
}

// writeBlob writes into column b of row 1 of t.
func writeBlob(t *testing.T, c *Conn, offset int64, data []byte) {
	t.Helper()
	blob, err := c.OpenBlob(background, "", "t", "b", 1, true)
	must(t, err)
	_, err = blob.WriteAt(data, offset)
	must(t, err)
	must(t, blob.Close())
}

// A feed that is full fails the commit, or makes it wait until the context ends.
func TestFeedThatIsFullHoldsTheCommit(t *testing.T) {
	for overflow, want := range map[hooks.Overflow]error{
		hooks.FailCommit: hooks.ErrFeedFull, hooks.Block: context.DeadlineExceeded,
	} {
		c := openMemory(t)
		mustExec(t, c, "CREATE TABLE t(a)")
		_, consumer := openFeed(t, c, hooks.FeedOptions{Capacity: 2, Overflow: overflow})
		mustExec(t, c, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
		ctx, cancel := context.WithTimeout(background, soon)
		err := c.Exec(ctx, "INSERT INTO t VALUES (3)")
		cancel()
		if !errors.Is(err, want) {
			t.Errorf("overflow %v: insert: %v, want %v", overflow, err, want)
		}
		if overflow == hooks.Block && !errors.Is(err, Interrupt) {
			t.Errorf("insert: %v, want %v", err, Interrupt)
		}
		if _, err := consumer.TryNext(); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c, "INSERT INTO t VALUES (4)")
		if diff := cmp.Diff([][]any{{int64(1)}, {int64(2)}, {int64(4)}}, values(t, c, "SELECT a FROM t")); diff != "" {
			t.Errorf("overflow %v: rows (-want +got):\n%s", overflow, diff)
		}
		if got := taken(t, consumer); len(got) != 2 || got[1].Seq != 3 {
			t.Errorf("overflow %v: the feed has %d more, want 2 up to number 3", overflow, len(got))
		}
	}
}

func TestFeedWaitEndsWithInterrupt(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	_, consumer := openFeed(t, c, hooks.FeedOptions{Capacity: 1})
	defer consumer.Close()
	mustExec(t, c, "INSERT INTO t VALUES (1)")
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
				c.Interrupt()
			}
		}
	})
	err := c.Exec(background, "INSERT INTO t VALUES (2)")
	close(ended)
	wg.Wait()
	if !errors.Is(err, Interrupt) {
		t.Errorf("insert: %v, want %v", err, Interrupt)
	}
}

// What a feed could not note is not committed, also if the error of the statement was taken for nothing.
func TestTransactionThatTheFeedMissedIsNotCommitted(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); CREATE TABLE u(a)")
	_, consumer := openFeed(t, c, hooks.FeedOptions{Tables: func(_, table string) bool {
		if table == "u" {
			panic(errHook)
		}
		return true
	}})
	mustExec(t, c, "BEGIN; INSERT INTO t VALUES (1)")
	if err := c.Exec(background, "INSERT INTO u VALUES (1)"); !errors.Is(err, errHook) {
		t.Errorf("insert: %v, want %v", err, errHook)
	}
	err := c.Exec(background, "INSERT INTO t VALUES (2); COMMIT")
	if !errors.Is(err, ConstraintCommitHook) || !errors.Is(err, errHook) {
		t.Errorf("commit: %v, want %v and %v", err, ConstraintCommitHook, errHook)
	}
	mustExec(t, c, "INSERT INTO t VALUES (3)")
	got := taken(t, consumer)
	if len(got) != 1 || len(got[0].Changes) != 1 || got[0].Changes[0].NewRowID != 1 {
		t.Errorf("the feed has %+v, want the last insert alone", got)
	}
}

// An update hook that fails leaves the statement's changes in the transaction, and they are fed with it.
func TestFeedHasWhatIsCommittedInSpiteOfAHookThatFails(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a)")
	_, consumer := openFeed(t, c, hooks.FeedOptions{})
	must(t, c.SetUpdateHook(func(hooks.RowUpdate) error { return errHook }))
	mustExec(t, c, "BEGIN")
	if err := c.Exec(background, "INSERT INTO t VALUES (1), (2), (3)"); !errors.Is(err, errHook) {
		t.Errorf("insert: %v, want %v", err, errHook)
	}
	mustExec(t, c, "COMMIT")
	if got := taken(t, consumer); len(got) != 1 || len(got[0].Changes) != 3 {
		t.Errorf("the feed has %+v, want one transaction with 3 changes", got)
	}
}

func TestFeedCannotBeSetInATransaction(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1)")
	if err := c.SetFeed(hooks.NewFeed(hooks.FeedOptions{})); !errors.Is(err, Misuse) {
		t.Errorf("set feed: %v, want %v", err, Misuse)
	}
}

// SQLite keeps its list of virtual tables in pieces of five; the feed has to fit in wherever it comes.
func TestFeedJoinsAnyNumberOfVirtualTables(t *testing.T) {
	for n := range 12 {
		c := openMemory(t)
		mustExec(t, c, "CREATE TABLE t(a)")
		for i := range n {
			mustExec(t, c, fmt.Sprintf("CREATE VIRTUAL TABLE f%d USING fts5(b, content='', columnsize=0)", i))
		}
		_, consumer := openFeed(t, c, hooks.FeedOptions{Tables: func(_, table string) bool { return table == "t" }})
		for round := range uint64(3) {
			mustExec(t, c, "BEGIN")
			for i := range n {
				mustExec(t, c, fmt.Sprintf("INSERT INTO f%d(rowid, b) VALUES (%d, 'word')", i, round+1))
			}
			mustExec(t, c, "INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s")
			for i := range n {
				mustExec(t, c, fmt.Sprintf("INSERT INTO f%d(rowid, b) VALUES (%d, 'more')", i, round+100))
			}
			mustExec(t, c, "COMMIT")
			if got := taken(t, consumer); len(got) != 1 || len(got[0].Changes) != 1 {
				t.Fatalf("%d virtual tables, round %d: the feed has %+v, want one change", n, round, got)
			}
		}
		mustExec(t, c, "BEGIN; INSERT INTO t VALUES (1)")
		must(t, c.Close())
	}
}

// Connections that share a feed are fed in the order of their commits, as seen by consumers at work meanwhile.
func TestFeedOfSeveralConnectionsHasTheOrderOfTheCommits(t *testing.T) {
	const writers, rounds = 3, 60
	for _, mode := range []string{"wal", "delete"} {
		name := filepath.Join(t.TempDir(), "shared.db")
		mustExec(t, openTest(t, name, 0), "PRAGMA journal_mode = "+mode+"; CREATE TABLE t(n); INSERT INTO t VALUES (0)")
		feed := hooks.NewFeed(hooks.FeedOptions{Values: true, Capacity: 10})
		var writing, reading sync.WaitGroup
		for range 2 {
			consumer := feed.Consumer()
			reading.Go(func() {
				next := int64(1)
				for tx, err := range consumer.Changes(background) {
					if err != nil || tx.Seq != uint64(next) || tx.Changes[0].New[0] != next {
						t.Errorf("%s: transaction %+v, error %v, want the change to %d", mode, tx, err, next)
						consumer.Close()
						return
					}
					next++
				}
				if next != writers*rounds+1 {
					t.Errorf("%s: the feed ended before %d, want %d", mode, next, writers*rounds+1)
				}
			})
		}
		for range writers {
			c := openTest(t, name, 0)
			must(t, c.SetFeed(feed))
			writing.Go(func() {
				for range rounds {
					if err := c.Exec(background, "BEGIN IMMEDIATE; UPDATE t SET n = n + 1; COMMIT"); err != nil {
						t.Errorf("%s: update: %v", mode, err)
						return
					}
				}
			})
		}
		writing.Wait()
		feed.Close()
		reading.Wait()
	}
}

func TestFeedLeaksNothing(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a); CREATE VIRTUAL TABLE f USING fts5(a)")
	run := func() {
		_, consumer := openFeed(t, c, hooks.FeedOptions{Values: true})
		mustExec(t, c, "INSERT INTO t VALUES (1); BEGIN; INSERT INTO f VALUES ('x'); DELETE FROM t; ROLLBACK; DELETE FROM t")
		consumer.Close()
		must(t, c.SetFeed(nil))
	}
	run()
	before := memoryUsed()
	for range 200 {
		run()
	}
	if grown := memoryUsed() - before; grown > 4096 {
		t.Errorf("%d bytes more are in use", grown)
	}
}
