package floe_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

const (
	// ledgerRows makes a transaction over both tables one of more than 8 MB, the
	// most that floe gathers in memory.
	ledgerRows = 1300
	ledgerEach = 1000 // what each row of a has at first
)

// ledger fills two tables of which one pays the other. What was paid is in a
// third, so every committed state, and no other, satisfies ledgerHolds.
func ledger(t *testing.T, srv *sqldtest.Server, generation int) {
	t.Helper()
	rows := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT i", ledgerRows)
	srv.Transaction(t,
		"CREATE TABLE paid(generation, amount)",
		"CREATE TABLE a(id INTEGER PRIMARY KEY, v INT, pad BLOB)",
		"CREATE TABLE b(id INTEGER PRIMARY KEY, v INT, pad BLOB)",
		fmt.Sprintf("INSERT INTO a(id, v) %s, %d FROM n", rows, ledgerEach),
		fmt.Sprintf("INSERT INTO b(id, v) %s, 0 FROM n", rows),
		fmt.Sprintf("INSERT INTO paid VALUES (%d, 0)", generation),
	)
}

func paySome(srv *sqldtest.Server, id int) error {
	return srv.TryTransaction(
		fmt.Sprintf("UPDATE a SET v = v - 1 WHERE id = %d", id),
		fmt.Sprintf("UPDATE b SET v = v + 1 WHERE id = %d", ledgerRows-id),
		"UPDATE paid SET amount = amount + 1",
	)
}

// payAll is a transaction of more than 10 MB.
func payAll(srv *sqldtest.Server) error {
	return srv.TryTransaction(
		"UPDATE a SET v = v - 1, pad = randomblob(4000)",
		"UPDATE b SET v = v + 1, pad = randomblob(4000)",
		fmt.Sprintf("UPDATE paid SET amount = amount + %d", ledgerRows),
	)
}

// shrinkAll gives back what payAll took.
func shrinkAll(srv *sqldtest.Server) error {
	return srv.TryTransaction("UPDATE a SET pad = NULL", "UPDATE b SET pad = NULL")
}

const ledgerQuery = "SELECT (SELECT sum(v) FROM a), (SELECT sum(v) FROM b), amount, generation FROM paid"

// ledgerHolds tells what is wrong with an answer to ledgerQuery.
func ledgerHolds(answer string) error {
	var a, b, paid, generation int
	if _, err := fmt.Sscanf(strings.ReplaceAll(answer, "|", " "), "%d %d %d %d", &a, &b, &paid, &generation); err != nil {
		return fmt.Errorf("answer %q: %w", answer, err)
	}
	if b != paid || a != ledgerRows*ledgerEach-paid || generation < 1 {
		return fmt.Errorf("a state that was never committed: a has %d, b has %d, %d were paid (generation %d)", a, b, paid, generation)
	}
	return nil
}

// readLedger reads once.
func readLedger(ctx context.Context, c *engine.Conn) error {
	rows, err := readAll(ctx, c, ledgerQuery)
	if err != nil {
		return err
	}
	return ledgerHolds(flat(rows))
}

// readerCrew reads a replica in all the ways there are until it is told to end.
type readerCrew struct {
	t    *testing.T
	path string
	stop chan struct{}
	wg   sync.WaitGroup
	mu   sync.Mutex
	did  map[string]int
}

func startReaders(t *testing.T, r *floe.Replica) *readerCrew {
	t.Helper()
	crew := &readerCrew{t: t, path: r.Path(), stop: make(chan struct{}), did: make(map[string]int)}
	for range 2 {
		crew.loop("one connection", crew.keptConn(r))
	}
	crew.loop("new connections", func() error {
		c, err := r.Conn(context.Background())
		if err != nil {
			return err
		}
		defer c.Close()
		return readLedger(context.Background(), c.Conn)
	})
	crew.otherProcess()
	if bin, err := findShell(); err == nil {
		crew.loop("sqlite3 shell", func() error {
			out, err := tryShell(bin, r.Path(), ledgerQuery)
			if err != nil {
				return err
			}
			return ledgerHolds(out)
		})
	} else {
		t.Log("no sqlite3 shell on this machine: not read with it")
	}
	return crew
}

// keptConn gives a read on one connection that stays open.
func (c *readerCrew) keptConn(r *floe.Replica) func() error {
	conn, err := r.Conn(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	// The first of all connections to a file reads its WAL, which those of the same moment wait for.
	if err := readLedger(context.Background(), conn.Conn); err != nil {
		c.t.Fatal(err)
	}
	conn.SetBusyTimeout(0) // from here on it never has to wait: for no sync either
	return func() error { return readLedger(context.Background(), conn.Conn) }
}

// loop reads until the crew is told to end.
func (c *readerCrew) loop(name string, read func() error) {
	c.wg.Go(func() {
		for {
			if err := read(); err != nil {
				c.t.Errorf("%s: %v", name, err)
				return
			}
			c.mu.Lock()
			c.did[name]++
			c.mu.Unlock()
			select {
			case <-c.stop:
				return
			case <-time.After(5 * time.Millisecond): // leaves the processors to what is tested
			}
		}
	})
}

// otherProcess reads in a copy of this test's binary until its input ends.
func (c *readerCrew) otherProcess() {
	cmd := child(c.t, "read", c.path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.wg.Go(func() {
		out, err := cmd.CombinedOutput()
		n := 0
		if _, scanErr := fmt.Sscan(string(out), &n); err != nil || scanErr != nil {
			c.t.Errorf("reader in another process: %v: %s", err, out)
		}
		c.mu.Lock()
		c.did["another process"] += n
		c.mu.Unlock()
	})
	c.wg.Go(func() {
		<-c.stop
		stdin.Close()
	})
}

// readUntilToldToEnd is the reader in another process.
func readUntilToldToEnd(args []string) error {
	ctx := context.Background()
	db, err := floe.OpenReadOnly(ctx, args[0])
	if err != nil {
		return err
	}
	var ended atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, bufio.NewReader(os.Stdin))
		ended.Store(true)
	}()
	n := 0
	for ; n == 0 || !ended.Load(); n++ {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(readLedger(ctx, c.Conn), c.Close()); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Println(n)
	return nil
}

// end tells the readers to end and fails unless each has read.
func (c *readerCrew) end() {
	c.t.Helper()
	close(c.stop)
	c.wg.Wait()
	for name, n := range c.did {
		if n == 0 {
			c.t.Errorf("%s: nothing was read", name)
		}
	}
	if len(c.did) < 3 {
		c.t.Errorf("only %v have read", c.did)
	}
}

func rounds() int {
	if testing.Short() {
		return 2
	}
	return 3
}

func TestReadersSeeOnlyCommittedStates(t *testing.T) {
	srv := sqldtest.Start(t)
	ledger(t, srv, 1)
	r := openNew(t, srv)
	mustSync(t, r)
	crew := startReaders(t, r)
	for round := range rounds() {
		for id := range 10 {
			if err := paySome(srv, round*10+id+1); err != nil {
				t.Fatal(err)
			}
			mustSync(t, r)
		}
		if err := errors.Join(payAll(srv), paySome(srv, 1), shrinkAll(srv)); err != nil {
			t.Fatal(err)
		}
		mustSync(t, r)
	}
	crew.end()
	wantEqual(t, r.Path(), srv)
}

func TestReadersOfAWatchSeeOnlyCommittedStates(t *testing.T) {
	srv := sqldtest.Start(t)
	ledger(t, srv, 1)
	r := openNew(t, srv)
	watch(t, r)
	crew := startReaders(t, r)
	for id := range 20 * rounds() {
		if err := paySome(srv, id+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := payAll(srv); err != nil {
		t.Fatal(err)
	}
	awaitPrimary(t, r)
	crew.end()
	wantEqual(t, r.Path(), srv)
}

func TestAReadTransactionKeepsItsSnapshot(t *testing.T) {
	srv := sqldtest.Start(t)
	ledger(t, srv, 1)
	r := openNew(t, srv)
	mustSync(t, r)
	c, err := r.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	read := func() string {
		t.Helper()
		rows, err := readAll(limit(t), c.Conn, ledgerQuery)
		if err != nil {
			t.Fatal(err)
		}
		return flat(rows)
	}
	if err := c.Exec(limit(t), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	before := read()
	for id := range rounds() {
		if err := errors.Join(paySome(srv, id+1), payAll(srv)); err != nil {
			t.Fatal(err)
		}
		mustSync(t, r)
		if got := read(); got != before {
			t.Fatalf("the snapshot changed from %q to %q", before, got)
		}
	}
	srv.Wipe(t)
	ledger(t, srv, 2)
	mustSync(t, r)
	if got := read(); got != before {
		t.Fatalf("with the primary replaced the snapshot changed from %q to %q", before, got)
	}
	if err := c.Exec(limit(t), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if got, want := read(), query(t, r, ledgerQuery); got != want || got == before {
		t.Errorf("after the transaction %q is read, want %q", got, want)
	}
	wantEqual(t, r.Path(), srv)
}

func TestReadersOfAReplacedPrimarySeeTheOldOrTheNewDatabase(t *testing.T) {
	srv := sqldtest.Start(t)
	ledger(t, srv, 1)
	if err := payAll(srv); err != nil {
		t.Fatal(err)
	}
	r := openNew(t, srv)
	mustSync(t, r)
	crew := startReaders(t, r)
	for generation := 2; generation < 2+rounds(); generation++ {
		srv.Wipe(t)
		// Tables at other places, and more and fewer pages than before.
		srv.Exec(t, "CREATE TABLE other(x)", fmt.Sprintf("INSERT INTO other VALUES (zeroblob(%d))", generation%2*3<<20))
		ledger(t, srv, generation)
		for id := range 5 {
			if err := paySome(srv, id+1); err != nil {
				t.Fatal(err)
			}
		}
		if generation%2 == 0 {
			if err := payAll(srv); err != nil {
				t.Fatal(err)
			}
		}
		mustSync(t, r)
		wantQuery(t, r, "SELECT generation FROM paid", fmt.Sprint(generation))
	}
	crew.end()
	wantEqual(t, r.Path(), srv)
}
