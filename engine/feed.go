package engine

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unsafe"

	"github.com/floedb/floe/hooks"
	sqlite3 "modernc.org/sqlite/lib"
)

// feedWriter is the side of a change feed that watches a connection.
//
// SQLite's pre-update hook tells each change before it is made, and nothing tells when one is taken back: a statement
// that fails in the middle, or ROLLBACK TO, leave no trace in any hook. Virtual tables have to know all of that to
// follow, and so the writer takes part in each transaction as a virtual table does; see participant. Its log is cut
// where SQLite cuts its own.
type feedWriter struct {
	c    *Conn
	feed *hooks.Feed
	keep hooks.FeedOptions

	log    []hooks.Change // of the open transaction, in order
	levels []int32        // of each change: how many savepoints were open in its database
	marks  []int          // by savepoint level, outermost first: the length of the log when it was opened
	lost   error          // why the log is not complete: the transaction cannot be fed, nor committed

	place *hooks.Reservation // of the transaction that is being committed
	part  *participant
	row   func() error // notes the change that the pre-update hook is telling

	wanted struct { // the answer for the table that was asked about last
		database, table string
		yes             bool
	}
}

// SetFeed attaches the connection to a change feed: the feed hands out each transaction that the connection commits
// from now on, after it was committed. It takes the place of an earlier one; nil removes it. Inside a callback it is
// [ErrConcurrentUse], and while a transaction that writes is open an error with [Misuse].
//
// A transaction has exactly the changes of rows that it made and did not take back, in the order in which they were
// made: those of statements that failed, and those behind a savepoint that was rolled back to, are not in it. A
// transaction without changes is not fed. A row that is changed twice is there twice. What triggers, foreign key
// actions and REPLACE do is there too. A DELETE without a WHERE is told row by row. Who applies the changes to a copy
// of the tables in this order, without triggers and foreign key actions of its own, gets the same rows.
//
// Not fed are changes of SQLite's own tables and of virtual tables, whose shadow tables are fed; changes of the schema,
// see [hooks.Transaction]; what VACUUM does, which can change the rowids of a table without an INTEGER PRIMARY KEY; and
// what does not go through SQL or an open blob, such as a backup into the connection. Other connections to the
// database feed what they are attached to.
//
// If the feed cannot take a transaction it is not committed. The commit may wait for the feed, see [hooks.Overflow]:
// the wait ends with the context of the statement, and by [Conn.Interrupt]. When several connections to one database
// share a feed, its order is that of their commits.
//
// https://sqlite.org/c3ref/preupdate_blobwrite.html
func (c *Conn) SetFeed(feed *hooks.Feed) error {
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	if feed == nil && c.hooks.feed == nil {
		return nil
	}
	if sqlite3.Xsqlite3_txn_state(c.tls, c.db, 0) == sqlite3.SQLITE_TXN_WRITE {
		return newError("set feed", "", Misuse, "a transaction that writes is open")
	}
	if feed == nil {
		c.removeFeed()
		c.installPreUpdateHook()
		c.installHooks()
		return nil
	}
	part, err := c.newParticipant()
	if err != nil {
		return err
	}
	c.removeFeed()
	w := &feedWriter{c: c, feed: feed, keep: feed.Options(), part: part}
	w.row = w.onRow
	c.hooks.feed = w
	c.installPreUpdateHook()
	c.installHooks()
	return nil
}

// removeFeed needs that no transaction is open, or that SQLite does not come back to it.
func (c *Conn) removeFeed() {
	w := c.hooks.feed
	if w == nil {
		return
	}
	w.rolledBack()
	c.freeParticipant(w.part)
	c.hooks.feed = nil
}

// feedRow notes the change that the pre-update hook is telling. It does so also when a callback has failed before: the
// change may be committed all the same.
func (c *Conn) feedRow() {
	w := c.hooks.feed
	if w == nil || w.lost != nil {
		return
	}
	if earlier := c.takeFailure(); !c.callGo(w.row) {
		w.lost = c.failure
		c.failure = cmp.Or(earlier, c.failure)
	} else {
		c.failure = earlier
	}
}

func (w *feedWriter) onRow() error {
	event := &w.c.hooks.preUpdate.event
	if !w.wants(event.Database, event.Table) {
		return nil
	}
	if err := w.join(); err != nil {
		return err
	}
	return w.note(event)
}

func (w *feedWriter) wants(database, table string) bool {
	asked := &w.wanted
	if asked.database == database && asked.table == table {
		return asked.yes
	}
	yes := !isInternalTable(table) && (w.keep.Tables == nil || w.keep.Tables(database, table))
	asked.database, asked.table, asked.yes = database, table, yes
	return yes
}

// isInternalTable reports whether a name is one that SQLite keeps for itself.
func isInternalTable(name string) bool {
	const prefix = "sqlite_"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

func (w *feedWriter) note(event *PreUpdate) error {
	change := hooks.Change{
		Op:           event.Op,
		Database:     event.Database,
		Table:        event.Table,
		OldRowID:     event.OldRowID,
		NewRowID:     event.NewRowID,
		WithoutRowID: event.WithoutRowID,
		Depth:        event.Depth(),
	}
	column := event.BlobColumn()
	if column >= 0 {
		change.Op = hooks.Update // SQLite calls it a DELETE, as it has no new values
	}
	if w.keep.Values {
		if err := w.addValues(&change, event, column); err != nil {
			return err
		}
	}
	w.log = append(w.log, change)
	w.levels = append(w.levels, w.c.openSavepoints())
	return nil
}

// openSavepoints returns how many savepoints are open in the database of the change that the pre-update hook is
// telling. Virtual tables are told about a savepoint before it is open, and may write before it is: a roll back to it
// does not undo that.
func (c *Conn) openSavepoints() int32 {
	cursor := (*sqlite3.TVdbeCursor)(pointer(c.preUpdateState().FpCsr))
	database := unsafe.Slice((*sqlite3.TDb)(pointer(c.handle().FaDb)), c.handle().FnDb)[cursor.FiDb]
	tree := (*sqlite3.TBtree)(pointer(database.FpBt))
	shared := (*sqlite3.TBtShared)(pointer(tree.FpBt))
	return (*sqlite3.TPager)(pointer(shared.FpPager)).FnSavepoint
}

func (w *feedWriter) addValues(change *hooks.Change, event *PreUpdate, blobColumn int) (err error) {
	if event.Op != hooks.Insert {
		if change.Old, err = rowValues(event.Count(), event.Old); err != nil {
			return err
		}
	}
	if blobColumn >= 0 {
		change.New, err = w.c.writtenRow(change.Old, blobColumn)
		return err
	}
	if event.Op != hooks.Delete {
		change.New, err = rowValues(event.Count(), event.New)
	}
	return err
}

// rowValues copies the values of a row. A column that cannot be had is a generated one that is not stored.
func rowValues(n int, value func(int) (Value, error)) ([]any, error) {
	row := make([]any, n)
	for i := range row {
		v, err := value(i)
		if err != nil && !errors.Is(err, Range) {
			return nil, err
		}
		row[i] = v.Any()
	}
	return row, nil
}

// blobWrite is what is being written through an open blob, which the pre-update hook does not tell. It is set for the
// time of a write; data is nil otherwise.
type blobWrite struct {
	offset int
	data   []byte
}

// writtenRow returns a row as it will be after the write through an open blob that is going on, given what it was.
func (c *Conn) writtenRow(old []any, column int) ([]any, error) {
	row := slices.Clone(old)
	switch v := row[column].(type) {
	case []byte:
		if c.blobWrite.data != nil {
			row[column] = c.blobWrite.over(v)
			return row, nil
		}
	case string:
		if c.blobWrite.data != nil && c.handle().Fenc == sqlite3.SQLITE_UTF8 {
			row[column] = string(c.blobWrite.over([]byte(v)))
			return row, nil
		}
	}
	return nil, newError("feed", "", Generic, "the value that is written through an open blob is not known")
}

// over returns a copy of old with the write in it, which SQLite has checked to be inside.
func (b blobWrite) over(old []byte) []byte {
	written := slices.Clone(old)
	copy(written[min(b.offset, len(written)):], b.data)
	return written
}

// reserveFeed takes the place of a transaction in the feed when it is about to be committed, and reports whether it
// may be.
func (c *Conn) reserveFeed() bool {
	w := c.hooks.feed
	if w == nil {
		return true
	}
	if err := w.reserve(); err != nil {
		c.callbackFailed(err)
		return false
	}
	return true
}

func (w *feedWriter) reserve() error {
	if w.lost != nil {
		return w.lost
	}
	if len(w.log) == 0 && !w.c.schemaChanging() {
		return nil
	}
	// A transaction whose first change was made by a virtual table at the last moment has not been joined yet.
	if err := w.join(); err != nil {
		return err
	}
	w.giveUpPlace()
	place, err := w.feed.Reserve(len(w.log), w.c.busy.done, w.c.isInterrupted)
	if err != nil {
		return err
	}
	w.place = place
	return nil
}

func (c *Conn) isInterrupted() bool { return sqlite3.Xsqlite3_is_interrupted(c.tls, c.db) != 0 }

// dbflagSchemaChange is SQLite's DBFLAG_SchemaChange: the open transaction has changed a schema.
const dbflagSchemaChange = sqlite3.DBFLAG_SchemaChange

func (c *Conn) schemaChanging() bool { return c.handle().FmDbFlags&dbflagSchemaChange != 0 }

// committed is called when the transaction has been committed.
func (w *feedWriter) committed() {
	if w.place != nil {
		w.place.Commit(w.log, w.c.schemaChanging())
		w.place = nil
		w.log = nil // it is the feed's now
	}
	w.forget()
}

// rolledBack is called when the transaction has been rolled back.
func (w *feedWriter) rolledBack() {
	w.giveUpPlace()
	w.forget()
}

func (w *feedWriter) giveUpPlace() {
	if w.place != nil {
		w.place.Abort()
		w.place = nil
	}
}

// forget makes the writer ready for the next transaction.
func (w *feedWriter) forget() {
	clear(w.log) // the values
	w.log, w.levels, w.marks = w.log[:0], w.levels[:0], w.marks[:0]
	w.lost = nil
}

// savepointOpened is called when a savepoint, or a statement that can be undone by itself, begins. Levels count from 0.
//
// A level that is open stays as it is. With several statements open that were not begun and ended like brackets, SQLite
// gives a level to two of them, and undoes the changes of both for one.
func (w *feedWriter) savepointOpened(level int) {
	for len(w.marks) <= level {
		w.marks = append(w.marks, len(w.log))
	}
}

// followFeed is called when a statement has failed. The transaction may be open still, and may have got its first
// changes from a virtual table at a time when it could not be joined.
func (c *Conn) followFeed() {
	w := c.hooks.feed
	if w == nil || len(w.log) == 0 {
		return
	}
	if err := w.join(); err != nil {
		w.lost = err
	}
}

// savepointReleased is called when a savepoint, and with it those inside, became a part of what is around it.
func (w *feedWriter) savepointReleased(level int) { w.closeSavepoints(level) }

func (w *feedWriter) closeSavepoints(level int) {
	if level = max(level, 0); level < len(w.marks) {
		w.marks = w.marks[:level]
	}
}

// savepointRolledBack is called when all since a savepoint was undone. The savepoint stays open. Level -1 is the begin
// of a transaction that was itself opened by SAVEPOINT.
func (w *feedWriter) savepointRolledBack(level int) {
	switch {
	case level < 0:
		w.undo(0, level)
	case level < len(w.marks):
		w.undo(w.marks[level], level)
	}
	w.closeSavepoints(level + 1)
}

// undo takes those changes out that were made since the log had the given length, and with the savepoint open.
func (w *feedWriter) undo(length, level int) {
	kept := length
	for i := length; i < len(w.log); i++ {
		if int(w.levels[i]) <= level {
			w.log[kept], w.levels[kept] = w.log[i], w.levels[i]
			kept++
		}
	}
	clear(w.log[kept:])
	w.log, w.levels = w.log[:kept], w.levels[:kept]
}
