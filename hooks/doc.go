// Package hooks has what SQLite tells about itself while it works, as plain Go: the types of the callbacks that a
// connection of package engine takes, and what is built on them. There is no SQLite in it.
//
// # Callbacks
//
// [RowUpdate], [BusyEvent] and [WALCommit] are what the callbacks of the same names are told, [Action] is what an
// [Authorizer] decides on. A connection has one slot for each callback, as SQLite does; a [List] puts several
// listeners into one.
//
// A callback runs in the middle of a statement, on the goroutine that steps it. It must not use the connection
// that called it, which refuses all calls meanwhile. Its error, or its panic, is the cause of the error of the
// statement.
//
// # Authorizers
//
// [ReadOnly], [TablePolicy], [DenyColumns], [HideColumns], [NoAttach], [Pragmas] and [Functions] are ready-made
// rules, [All] and [Any] join them with each other and with rules of your own.
//
// # Changes
//
// A [Feed] hands out what the connections attached to it have committed, one [Transaction] after the other, to any
// number of consumers that each go at their own pace.
package hooks
