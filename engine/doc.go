// Package engine is the SQLite core of floe: connections and prepared statements, straight on the transpiled
// SQLite library, without cgo and without database/sql.
//
// # Ownership
//
// A [Conn] owns its statements: [Conn.Close] finalises those that are still open. A [Stmt] owns its bindings,
// and the row that it stands on until the next [Stmt.Step], [Stmt.Reset] or [Stmt.Finalize]. What the methods
// return belongs to the caller, but for [Stmt.ColumnRaw], which lends SQLite's own memory; what they are given
// is copied, but for [Stmt.BindBlobStatic], which borrows the slice. A Conn that is not closed leaks memory
// and file locks, as the garbage collector does not see SQLite's side of it.
//
// # Goroutines
//
// A Conn, with all of its statements, belongs to one goroutine at a time. It may be handed on to another one,
// but a second call at the same moment is refused with [ErrConcurrentUse]; methods without an error result
// return zero values then. [Conn.Interrupt] is the one method for every goroutine. Different connections do
// not disturb each other.
//
// # Executions
//
// The first [Stmt.Step] begins an execution of a statement. It ends when Step reports that there are no more
// rows, when Step fails, or with Reset. Step leaves the statement reset when it ends an execution, so that
// parameters can be bound and the statement can be stepped again at once; bindings stay until they are bound
// anew or cleared. An execution which is neither at its end nor reset keeps its read transaction open.
//
// # Contexts
//
// A context given to Step covers the execution: the work, and the wait for the locks of others. When it ends,
// the running Step is interrupted, and its error matches the context's error as well as [Interrupt] under
// [errors.Is]. A context that has already ended runs nothing. The interrupt reaches that execution alone:
// other statements of the same connection, at the same time or later, never see it. An INSERT, UPDATE or
// DELETE that is interrupted inside a transaction makes SQLite roll the whole transaction back.
// A context that can never end, such as [context.Background], costs nothing.
//
// # Errors
//
// What SQLite refuses is an [*Error]. It carries the primary and the extended [ResultCode], and matches both:
//
//	if errors.Is(err, engine.Constraint) {      // any constraint
//	if errors.Is(err, engine.ConstraintUnique) { // this kind alone
//
// Wrong use of the package itself gives [ErrClosed], [ErrFinalized], [ErrConcurrentUse], [ErrTrailing] or
// [ErrEmpty].
//
// # Text
//
// SQLite text is a sequence of bytes. It goes in and comes out unchanged: with NUL bytes inside, and when it
// is not valid UTF-8.
//
// https://sqlite.org/cintro.html
package engine
