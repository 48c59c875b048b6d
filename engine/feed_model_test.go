package engine

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
)

// The tests here keep a copy of the tables by nothing but the feed, and compare it with the database at each commit.

const modelSchema = `
CREATE TABLE r(id INTEGER PRIMARY KEY, a, b UNIQUE, x REAL, g AS (a || 'v'), h AS (a || 's') STORED);
CREATE TABLE p(a, b UNIQUE);
CREATE TABLE q(a, b UNIQUE);
CREATE TABLE w(k, v, u UNIQUE, n INT NOT NULL DEFAULT 3, PRIMARY KEY(n, k)) WITHOUT ROWID;
CREATE TABLE w2(k, v, u UNIQUE, n INT NOT NULL DEFAULT 3, PRIMARY KEY(n, k)) WITHOUT ROWID;
CREATE TABLE parent(id INTEGER PRIMARY KEY, v);
CREATE TABLE child(id INTEGER PRIMARY KEY, pid REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE late(id INTEGER PRIMARY KEY, pid REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE log(n);
CREATE TABLE serial(id INTEGER PRIMARY KEY AUTOINCREMENT, v);
CREATE TEMP TABLE t(a, b UNIQUE);
CREATE TABLE aux.r(id INTEGER PRIMARY KEY, b UNIQUE);
CREATE VIRTUAL TABLE f USING fts5(body);
CREATE VIRTUAL TABLE late_f USING fts5(body, content='', columnsize=0);
CREATE TRIGGER r_insert AFTER INSERT ON r BEGIN
	INSERT INTO log(n) VALUES (new.a);
	SELECT CASE new.a WHEN 5 THEN RAISE(ABORT, 'abort') WHEN 6 THEN RAISE(FAIL, 'fail') WHEN 7 THEN RAISE(IGNORE)
		WHEN 8 THEN RAISE(ROLLBACK, 'rollback') END;
END;
CREATE TRIGGER r_delete BEFORE DELETE ON r WHEN old.a = 2 BEGIN
	UPDATE OR IGNORE p SET b = b + 1; INSERT OR REPLACE INTO q VALUES (old.a, old.id);
END;
CREATE TRIGGER p_update AFTER UPDATE ON p BEGIN INSERT INTO log(n) VALUES (new.b); END;
`

// modelTables are the tables that are compared, and whether they have rowids.
var modelTables = map[string]bool{
	"main.r": true, "main.p": true, "main.q": true, "main.w": false, "main.w2": false, "main.parent": true,
	"main.child": true, "main.late": true, "main.log": true, "main.serial": true, "temp.t": true, "aux.r": true,
	"main.f_content": true, "main.f_data": true, "main.f_idx": false, "main.f_docsize": true, "main.late_f_data": true,
}

// modelStatements has statements with %d for small numbers.
var modelStatements = []string{
	"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "COMMIT", "ROLLBACK",
	"SAVEPOINT a", "SAVEPOINT b", "SAVEPOINT c", "RELEASE a", "RELEASE b", "RELEASE c",
	"ROLLBACK TO a", "ROLLBACK TO b", "ROLLBACK TO c",
	"INSERT INTO r(a, b, x) VALUES (%d, %d, %d)",
	"INSERT INTO r(a, b, x) VALUES (%d, %d, 1), (%d, %d, 2.5), (%d, %d, 'text')",
	"INSERT OR FAIL INTO r(a, b) VALUES (%d, %d), (%d, %d), (%d, %d)",
	"INSERT OR REPLACE INTO r(id, a, b) VALUES (%d, %d, %d), (%d, %d, %d)",
	"INSERT OR IGNORE INTO r(id, a, b) VALUES (%d, %d, %d), (%d, %d, %d)",
	"INSERT OR ROLLBACK INTO r(a, b) VALUES (1, %d), (1, %d)",
	"INSERT INTO r(id, a, b) VALUES (%d, 1, %d) ON CONFLICT DO UPDATE SET b = excluded.b + 1, x = %d",
	"UPDATE r SET id = id + %d WHERE id > %d", "UPDATE OR REPLACE r SET b = b + 1 WHERE a > %d",
	"UPDATE OR FAIL r SET b = b - 1", "UPDATE r SET b = %d", "DELETE FROM r WHERE a = %d", "DELETE FROM r",
	"INSERT INTO p VALUES (%d, %d)", "INSERT INTO p SELECT b, a FROM r", "INSERT INTO q SELECT * FROM p",
	"INSERT OR REPLACE INTO q SELECT * FROM p", "REPLACE INTO p VALUES (%d, %d), (%d, %d), (%d, %d)",
	"UPDATE p SET b = b + 1 WHERE a = %d", "UPDATE p SET rowid = rowid + 1", "UPDATE OR REPLACE p SET b = %d",
	"DELETE FROM p", "DELETE FROM q", "DELETE FROM p WHERE b > %d", "DELETE FROM log",
	"INSERT INTO w(k, v, u) VALUES (%d, %d, %d), (%d, %d, %d)", "REPLACE INTO w(k, v, u) VALUES (%d, %d, %d)",
	"UPDATE w SET k = k + 1 WHERE v = %d", "UPDATE OR REPLACE w SET u = %d", "UPDATE w SET v = v || 'x', n = %d",
	"DELETE FROM w", "DELETE FROM w WHERE k = %d", "INSERT INTO w2 SELECT * FROM w", "DELETE FROM w2",
	"REPLACE INTO w2 SELECT * FROM w", "INSERT INTO w(k, u) VALUES (%d, %d) ON CONFLICT DO UPDATE SET v = %d",
	"INSERT INTO parent VALUES (%d, 1)", "INSERT INTO child VALUES (%d, %d), (%d, %d)", "DELETE FROM parent",
	"UPDATE OR IGNORE parent SET id = id + %d", "DELETE FROM parent WHERE id = %d", "INSERT INTO late VALUES (%d, %d)",
	"REPLACE INTO parent VALUES (%d, 2)", "DELETE FROM late", "INSERT INTO serial(v) VALUES (%d), (%d)",
	"DELETE FROM serial WHERE v = %d", "INSERT INTO t VALUES (%d, %d), (%d, %d)", "DELETE FROM t",
	"INSERT INTO aux.r VALUES (%d, %d)", "UPDATE aux.r SET b = b + 1", "DELETE FROM aux.r",
	"INSERT INTO f(rowid, body) VALUES (%d, 'word %d'), (%d, 'word')", "DELETE FROM f WHERE rowid = %d",
	"UPDATE f SET body = 'other %d'", "INSERT INTO f(f) VALUES ('optimize')",
	"INSERT INTO late_f(rowid, body) VALUES (%d, 'word %d')",
	"INSERT INTO p VALUES (%d, %d), (1, randomblob(-1 / (%d > 3)) + abs(-9223372036854775807 - (%d > 3)))",
	"PRAGMA recursive_triggers = %d", "PRAGMA foreign_keys = 1", "ALTER TABLE log ADD COLUMN c%d DEFAULT 1.5", "ANALYZE",
	"CREATE TABLE IF NOT EXISTS extra(a)", "DROP TABLE IF EXISTS extra", "INSERT INTO r(a, b) VALUES (1, zeroblob(%d))",
}

// modelRun is a database that is written to, and the copy that follows it.
type modelRun struct {
	t        *testing.T
	c        *Conn
	consumer *hooks.Consumer
	copy     map[string]map[string][]any // by table, and in it by key
	open     []*Stmt
	cached   map[string]*Stmt
	history  []string
	feeds    uint64
}

// modelJournals are the ways to keep what a rollback needs; "" is a database in memory.
var modelJournals = []string{"", "wal", "delete", "memory"}

func newModelRun(t *testing.T, journal string) *modelRun {
	name := ":memory:"
	if journal != "" {
		name = filepath.Join(t.TempDir(), "model.db")
	}
	c := openTest(t, name, 0)
	if journal != "" {
		// The cache is too small for a transaction.
		mustExec(t, c, "PRAGMA journal_mode = "+journal+"; PRAGMA synchronous = off; PRAGMA cache_size = 5")
	}
	mustExec(t, c, "ATTACH ':memory:' AS aux")
	mustExec(t, c, modelSchema)
	m := &modelRun{t: t, c: c, copy: make(map[string]map[string][]any), cached: make(map[string]*Stmt)}
	for table := range modelTables {
		m.copy[table] = m.read(table)
	}
	// Statements from before the feed have to be seen by it too.
	for _, sql := range modelStatements {
		if !strings.Contains(sql, "%") && strings.HasPrefix(sql, "DELETE") {
			m.cached[sql] = mustPrepare(t, c, sql)
		}
	}
	feed := hooks.NewFeed(hooks.FeedOptions{Values: true, Overflow: hooks.FailCommit})
	m.consumer = feed.Consumer()
	if err := c.SetFeed(feed); err != nil {
		t.Fatal(err)
	}
	return m
}

// read returns the rows of a table by their key.
func (m *modelRun) read(table string) map[string][]any {
	sql := "SELECT 0, * FROM " + table
	if modelTables[table] {
		sql = "SELECT rowid, * FROM " + table
	}
	rows := make(map[string][]any)
	for _, row := range values(m.t, m.c, sql) {
		rows[m.key(table, row[0].(int64), row[1:])] = m.stored(table, row[1:])
	}
	return rows
}

// stored clears what the feed does not have, and the columns that are added to a table on the way.
func (m *modelRun) stored(table string, row []any) []any {
	switch {
	case row == nil:
	case table == "main.r":
		row[4] = nil
	case table == "main.log":
		return row[:1]
	}
	return row
}

func (m *modelRun) key(table string, rowid int64, row []any) string {
	switch {
	case modelTables[table]:
		return fmt.Sprint(rowid)
	case table == "main.f_idx":
		return fmt.Sprintf("%#v %#v", row[0], row[1])
	}
	return fmt.Sprintf("%#v %#v", row[3], row[0])
}

// do runs one operation, whose numbers come from next, and looks at what was committed.
func (m *modelRun) do(next func() int) {
	switch next() % 24 {
	case 0:
		m.finish(next)
	case 1:
		m.leaveOpen(next)
	case 2:
		m.writeBlob(next)
	default:
		m.run(m.statement(next))
	}
	m.compare()
}

func (m *modelRun) statement(next func() int) string {
	sql := modelStatements[next()%len(modelStatements)]
	numbers := make([]any, strings.Count(sql, "%d"))
	for i := range numbers {
		numbers[i] = next() % 9
	}
	return fmt.Sprintf(sql, numbers...)
}

func (m *modelRun) run(sql string) {
	s := m.cached[sql]
	if s == nil {
		err := m.c.Exec(background, sql)
		m.history = append(m.history, fmt.Sprint(sql, " -- ", err))
		return
	}
	var err error
	for more := true; more && err == nil; {
		more, err = s.Step(background)
	}
	m.history = append(m.history, fmt.Sprint("cached ", sql, " -- ", err))
}

// leaveOpen begins a statement with rows and does not end it, so that it is not committed by itself.
func (m *modelRun) leaveOpen(next func() int) {
	sql := fmt.Sprintf("INSERT INTO p VALUES (%d, %d), (%d, %d) RETURNING b", next()%9, next()%9, next()%9, next()%9)
	s, err := m.c.Prepare(sql)
	if err == nil {
		if _, err = s.Step(background); err == nil {
			m.open = append(m.open, s)
		}
	}
	m.history = append(m.history, fmt.Sprint("leave open ", sql, " -- ", err))
}

// writeBlob writes into a text or a blob, if it finds one.
func (m *modelRun) writeBlob(next func() int) {
	blob, err := m.c.OpenBlob(background, "main", "f_content", "c0", int64(next()%9), true)
	if err == nil {
		_, err = blob.WriteAt([]byte("xy"), int64(next()%3))
		err = errors.Join(err, blob.Close())
	}
	m.history = append(m.history, fmt.Sprint("write blob -- ", err))
}

// finish ends one of the statements that were left open.
func (m *modelRun) finish(next func() int) {
	if len(m.open) == 0 {
		return
	}
	i := next() % len(m.open)
	err := m.open[i].Finalize()
	m.open = append(m.open[:i], m.open[i+1:]...)
	m.history = append(m.history, fmt.Sprint("finalize ", i, " -- ", err))
}

// compare follows the feed, and compares the copy with the database.
func (m *modelRun) compare() {
	m.t.Helper()
	for {
		tx, err := m.consumer.TryNext()
		if err != nil {
			m.fail("feed: %v", err)
		}
		if tx == nil {
			break
		}
		m.apply(tx)
	}
	committed := m.copy
	if !m.c.AutoCommit() || len(m.open) > 0 {
		// What is not committed yet is in the log alone.
		m.copy = make(map[string]map[string][]any, len(committed))
		for table, rows := range committed {
			m.copy[table] = maps.Clone(rows)
		}
		for i, change := range m.c.hooks.feed.log {
			if err := m.applyChange(change); err != nil {
				m.fail("open transaction, change %d, %+v: %v", i, change, err)
			}
		}
	}
	for table := range modelTables {
		if diff := cmp.Diff(m.read(table), m.copy[table]); diff != "" {
			m.fail("%s (-database +copy):\n%s", table, diff)
		}
	}
	m.copy = committed
}

func (m *modelRun) apply(tx *hooks.Transaction) {
	m.t.Helper()
	if m.feeds++; tx.Seq != m.feeds {
		m.fail("transaction %d of the feed has the number %d", m.feeds, tx.Seq)
	}
	for i, change := range tx.Changes {
		if err := m.applyChange(change); err != nil {
			m.fail("transaction %d, change %d, %+v: %v", tx.Seq, i, change, err)
		}
	}
}

func (m *modelRun) applyChange(c hooks.Change) error {
	table := c.Database + "." + c.Table
	hasRowID, known := modelTables[table]
	if !known {
		return nil
	}
	if hasRowID == c.WithoutRowID {
		return fmt.Errorf("without rowid is %v", c.WithoutRowID)
	}
	c.Old, c.New = m.stored(table, c.Old), m.stored(table, c.New)
	rows := m.copy[table]
	if c.Op != hooks.Insert {
		key := m.key(table, c.OldRowID, c.Old)
		if diff := cmp.Diff(rows[key], c.Old); diff != "" {
			return errors.New("the old row is not that of the copy (-copy +old): " + diff)
		}
		delete(rows, key)
	}
	if c.Op != hooks.Delete {
		key := m.key(table, c.NewRowID, c.New)
		if row, ok := rows[key]; ok {
			return fmt.Errorf("there is a row already: %v", row)
		}
		rows[key] = c.New
	}
	return nil
}

func (m *modelRun) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(m.history, "\n"))
}

// end finishes what is open.
func (m *modelRun) end() {
	for len(m.open) > 0 {
		m.finish(func() int { return 0 })
		m.compare()
	}
	if !m.c.AutoCommit() {
		m.run("ROLLBACK")
	}
	m.compare()
}

func TestFeedIsWhatIsCommitted(t *testing.T) {
	runs := 100
	if testing.Short() {
		runs = 12
	}
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			m := newModelRun(t, modelJournals[seed%uint64(len(modelJournals))])
			for range 150 {
				m.do(func() int { return random.IntN(1 << 20) })
			}
			m.end()
		})
	}
}

func FuzzFeedIsWhatIsCommitted(f *testing.F) {
	f.Add([]byte("\x02\x00\x02\x0e123\x02\x05\x02\x0f123456\x02\x0b\x02\x02"))
	f.Add([]byte("\x02\x05\x02\x1c11\x01abcd\x02\x06\x02\x1d\x00\x00\x02\x0b\x02\x08"))
	f.Fuzz(func(t *testing.T, operations []byte) {
		operations = operations[:min(len(operations), 600)]
		m := newModelRun(t, "")
		for len(operations) > 0 {
			m.do(func() int {
				if len(operations) == 0 {
					return 0
				}
				b := operations[0]
				operations = operations[1:]
				return int(b)
			})
		}
		m.end()
	})
}
