// Package engine is the SQLite core of floe: connections and prepared statements, straight on the transpiled
// SQLite library, without cgo and without database/sql.
//
//	conn, err := engine.Open("app.db", 0)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	for row, err := range conn.Rows(ctx, "SELECT id, name FROM users WHERE age > ?", 40) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(row.ColumnInt64(0), row.ColumnText(1))
//	}
//
// # Connections
//
// [Open] makes a [Conn]. A [Pool] keeps several to one database, for programs with many goroutines. A new connection
// has SQLite's settings, but for a busy timeout of [DefaultBusyTimeout]: a rollback journal and no foreign keys. Most
// programs want [Conn.SetJournalMode] with [JournalWAL], and [Conn.SetForeignKeys]. Of these the journal mode stays in
// the file; the other belongs to the connection.
//
// # Running SQL
//
// [Conn.Exec] runs a statement or a script, [Conn.Rows] and [Conn.Query] give the rows of a statement to a loop or a
// function, and [Conn.QueryRow] gives the first one. Arguments go to parameters by position, or by name with [Named].
// They are checked: one too few is an error, and so is one too many. [Stmt.Bind] says which Go types they can have,
// [Stmt.Scan] which ones a value can be read into.
//
// Each of these takes its statement from a cache, in which it is compiled once for a connection. [Conn.Prepare]
// gives a [Stmt] to keep, and [Conn.PrepareCached] says what the cache does. [Conn.ExecBatch] and its like run many
// statements, and tell which of them went wrong.
//
// # Transactions
//
// A statement outside of a transaction is one by itself. [Conn.WithTx] runs a function in one, which is rolled back if
// the function fails, and [Conn.WithSavepoint] makes a part of it that can fail alone. [Conn.Begin] returns a
// transaction as a handle. A transaction that is going to write should begin with [TxImmediate]: one that begins by
// reading can find that another connection has written in between, which no waiting helps.
//
// # Executions
//
// Under all of this is [Stmt.Step]. The first one begins an execution of a statement. It ends when Step reports that
// there are no more rows, when Step fails, or with [Stmt.Reset]. Step leaves the statement reset when it ends an
// execution, so that parameters can be bound and the statement can be stepped again at once; bindings stay until they
// are bound anew or cleared. An execution which is neither at its end nor reset keeps its read transaction open.
//
// # Ownership
//
// A Conn owns what comes from it: [Conn.Close] finalises the statements that are still open, and closes blobs, backups
// and sessions. A Stmt owns its bindings, and the row that it stands on until the next [Stmt.Step], [Stmt.Reset] or
// [Stmt.Finalize]. A Conn that is not closed leaks memory and file locks, as the garbage collector does not see
// SQLite's side of it.
//
// What the methods return belongs to the caller, and what they are given is copied. The exceptions lend SQLite's own
// memory, or borrow that of the caller: [Stmt.ColumnRaw], [Value.Raw], [RawBytes] and [RawValue] on one side,
// [Stmt.BindBlobStatic] on the other. What a callback is given is lent to it, and gone when it returns.
//
// # Goroutines
//
// A Conn, with all that comes from it, belongs to one goroutine at a time. It may be handed on to another one, but a
// second call at the same moment is refused with [ErrConcurrentUse]; methods without an error result return zero
// values then. [Conn.Interrupt] is the one method for every goroutine. Different connections do not disturb each
// other. A [Pool], a [Snapshot], and the functions of the package are for all goroutines.
//
// # Contexts
//
// A context given to Step, or to a method that steps, covers the execution: the work, and the wait for the locks of
// others. When it ends, the running Step is interrupted, and its error matches the context's error as well as
// [Interrupt] under [errors.Is]. A context that has already ended runs nothing. The interrupt reaches that execution
// alone: other statements of the same connection, at the same time or later, never see it. An INSERT, UPDATE or
// DELETE that is interrupted inside a transaction makes SQLite roll the whole transaction back.
// A context that can never end, such as [context.Background], costs nothing.
//
// # Errors
//
// What SQLite refuses is an [*Error]. It carries the primary and the extended [ResultCode], and matches both:
//
//	if errors.Is(err, engine.Constraint) {       // any constraint
//	if errors.Is(err, engine.ConstraintUnique) { // this kind alone
//
// What these comments call an error with Busy, or just Busy, is an *Error that matches [Busy]. Wrong use of the package
// itself gives one with [Misuse], or one of the variables whose names begin with Err, such as [ErrClosed],
// [ErrTrailing] or [ErrNoRows].
//
// # Callbacks
//
// SQL can call Go: functions ([Conn.CreateFunction] and its like), virtual tables ([Conn.CreateTableFunc],
// [Conn.CreateModule]), hooks ([Conn.SetUpdateHook] and its like; package hooks has their types, and rules for
// [Conn.SetAuthorizer]). A callback runs in the middle of a statement, on the goroutine that steps it. It may use other
// connections, and gets ErrConcurrentUse from its own.
//
// The error of a callback is found in that of the statement, by [errors.Is] and [errors.As]. So is a panic, as a
// [*PanicError]: it does not get past SQLite, and the connection can be used on. [runtime.Goexit], which t.FailNow of a
// test calls, cannot be stopped like that. It costs the connection, whose methods return ErrClosed afterwards.
//
// # Text
//
// SQLite text is a sequence of bytes. It goes in and comes out unchanged: with NUL bytes inside, and when it
// is not valid UTF-8.
//
// # Limits
//
// A text, a blob or a row has at most 1 GB, a statement 32766 parameters; [Conn.Limit] lowers what SQL from others may
// use. There is no loading of shared libraries, which needs cgo: an extension is a Go package, see
// [Conn.LoadExtension].
//
// https://sqlite.org/cintro.html
package engine
