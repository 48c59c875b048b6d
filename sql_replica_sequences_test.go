package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/internal/sqldtest"
)

// sequence runs one random sequence of statements on a connection to a replica and
// on one to a local file.
type sequence struct {
	t       *testing.T
	rand    *rand.Rand
	srv     *sqldtest.Server
	replica *floe.Replica
	db      *sql.DB // over the replica
	table   string
	next    int64 // value for the next row

	here, model side
	history     []string
}

// side is a connection, with the transaction of database/sql that is open on it.
type side struct {
	conn *sql.Conn
	tx   *sql.Tx
}

func (s *side) runner() runner {
	if s.tx != nil {
		return s.tx
	}
	return s.conn
}

// TestReplicaReadsWhatSequencesOfStatementsHaveCommitted: whatever a connection does
// with transactions and savepoints, one by one or in scripts, and whatever fails on
// the way, what it commits is what the same statements commit to a local file, and
// is read back at once by every other connection to the replica.
func TestReplicaReadsWhatSequencesOfStatementsHaveCommitted(t *testing.T) {
	srv := sqldtest.Start(t)
	db, r := openReplicaDB(t, srv.URL)
	local := openLocalDB(t)
	for seed := range uint64(30) {
		s := &sequence{
			t: t, rand: rand.New(rand.NewPCG(seed, 0)), srv: srv, replica: r, db: db, table: fmt.Sprintf("t%d", seed), next: 10,
			here: side{conn: mustConn(t, db)}, model: side{conn: mustConn(t, local)},
		}
		s.run()
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(s.history, "\n"))
		}
	}
}

func openLocalDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("floe", newPath(t)+"?_journal_mode=wal&_synchronous=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustConn(t *testing.T, db *sql.DB) *sql.Conn {
	t.Helper()
	c, err := db.Conn(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *sequence) run() {
	s.both("CREATE TABLE " + s.table + "(v INTEGER PRIMARY KEY)")
	s.both("CREATE TRIGGER " + s.table + "_fail BEFORE INSERT ON " + s.table +
		" WHEN new.v < 0 BEGIN SELECT RAISE(FAIL, 'negative'); END")
	s.both("INSERT INTO " + s.table + " VALUES (0)")
	for range 14 {
		if s.step(); s.t.Failed() {
			break
		}
	}
	for _, c := range []*side{&s.here, &s.model} {
		if c.tx != nil {
			_ = c.tx.Rollback()
		}
		_ = c.conn.Close()
	}
	wantExec(s.t, s.db, "DROP TABLE "+s.table)
}

// statement gives a statement by chance. In a transaction of database/sql it is none
// that begins or ends one.
func (s *sequence) statement() string {
	s.next++
	t, v := s.table, s.next
	n := s.rand.IntN(20)
	if s.here.tx != nil && n >= 10 && n < 15 {
		n = 0
	}
	switch {
	case n < 5:
		return fmt.Sprintf("INSERT INTO %s VALUES (%d)", t, v)
	case n < 6:
		return fmt.Sprintf("INSERT INTO %s VALUES (%d), (0)", t, v)
	case n < 7:
		return fmt.Sprintf("INSERT OR FAIL INTO %s VALUES (%d), (0)", t, v)
	case n < 8:
		return fmt.Sprintf("INSERT OR ROLLBACK INTO %s VALUES (%d), (0)", t, v)
	case n < 9:
		return fmt.Sprintf("INSERT INTO %s VALUES (%d), (-1)", t, v)
	case n < 10:
		return fmt.Sprintf("UPDATE %s SET v = v + 100000 WHERE v BETWEEN 1 AND 99999", t)
	case n < 12:
		return "BEGIN"
	case n < 14:
		return "COMMIT"
	case n < 15:
		return "ROLLBACK"
	case n < 17:
		return "SAVEPOINT " + s.savepoint()
	case n < 19:
		return "RELEASE " + s.savepoint()
	}
	return "ROLLBACK TO " + s.savepoint()
}

func (s *sequence) savepoint() string { return string("abA"[s.rand.IntN(3)]) }

// step runs a text by one of the ways there are, on both sides, and compares.
func (s *sequence) step() {
	switch n := s.rand.IntN(12); {
	case n == 0:
		s.transaction()
	case n < 5:
		var script []string
		for range 2 + s.rand.IntN(4) {
			script = append(script, s.statement())
		}
		s.both(strings.Join(script, "; "))
	default:
		s.both(s.statement())
	}
	if !s.t.Failed() {
		s.compare()
	}
}

// transaction begins a transaction of database/sql, or ends the one that is open.
func (s *sequence) transaction() {
	var errs [2]error
	commit := s.rand.IntN(3) > 0
	for i, c := range []*side{&s.here, &s.model} {
		switch {
		case c.tx == nil:
			c.tx, errs[i] = c.conn.BeginTx(limit(s.t), nil)
		case commit:
			errs[i] = c.tx.Commit()
			c.tx = nil
		default:
			errs[i] = c.tx.Rollback()
			c.tx = nil
		}
	}
	s.sameOutcome("transaction of database/sql", errs)
}

func (s *sequence) both(text string) {
	way := s.rand.IntN(3)
	var errs [2]error
	for i, c := range []*side{&s.here, &s.model} {
		errs[i] = runBy(limit(s.t), c.runner(), way, text)
	}
	s.sameOutcome(fmt.Sprintf("%s: %s", []string{"exec", "query", "prepare"}[way], text), errs)
	if s.here.tx != nil && errs[0] != nil {
		// A program gives it up. What the two sides make of statements that come
		// behind an error which has ended it is another test's.
		for _, c := range []*side{&s.here, &s.model} {
			_ = c.tx.Rollback()
			c.tx = nil
		}
	}
}

func runBy(ctx context.Context, r runner, way int, text string) error {
	switch way {
	case 1:
		rows, err := r.QueryContext(ctx, text)
		if err != nil {
			return err
		}
		return rows.Close()
	case 2:
		k, err := r.(interface {
			PrepareContext(context.Context, string) (*sql.Stmt, error)
		}).PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		_, err = k.ExecContext(ctx)
		return errors.Join(err, k.Close())
	}
	_, err := r.ExecContext(ctx, text)
	return err
}

func (s *sequence) sameOutcome(what string, errs [2]error) {
	s.history = append(s.history, fmt.Sprintf("%s -- %v", what, errs[0]))
	if (errs[0] == nil) != (errs[1] == nil) {
		s.t.Errorf("%s: on the replica %v, on a file %v", what, errs[0], errs[1])
	}
}

// compare compares what both connections see, and, while the local one is in
// autocommit mode, what another reader of the replica sees with what is committed.
func (s *sequence) compare() {
	query := fmt.Sprintf("SELECT count(*) || ' ' || coalesce(sum(v), 0) FROM %s", s.table)
	want := s.read(s.model.runner(), query)
	if got := s.read(s.here.runner(), query); got != want {
		s.t.Errorf("the connection to the replica sees %q, that to a file %q", got, want)
	}
	fresh := s.srv.Query(s.t, query)[0][0]
	if got := s.read(s.db, query); got != fresh {
		s.t.Errorf("another connection to the replica sees %q, the primary has %q", got, fresh)
	}
	if s.autocommit() && fresh != want {
		s.t.Errorf("the primary has %q, a file %q", fresh, want)
	}
	if n, ok := s.replica.MaxWriteFrameNo(); !ok || n != s.srv.FrameNo(s.t) {
		s.t.Errorf("wrote up to frame %d (%v), want %d", n, ok, s.srv.FrameNo(s.t))
	}
}

func (s *sequence) read(r runner, query string) (row string) {
	if err := r.QueryRowContext(limit(s.t), query).Scan(&row); err != nil {
		s.t.Errorf("%s: %v", query, err)
	}
	return row
}

func (s *sequence) autocommit() (on bool) {
	if s.model.tx != nil {
		return false
	}
	err := s.model.conn.Raw(func(c any) error {
		on = c.(*floe.DriverConn).Engine().AutoCommit()
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
	return on
}
