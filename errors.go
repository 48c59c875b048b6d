package floe

import (
	"errors"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/replicator"
)

// Errors that a caller may want to tell apart with [errors.Is]. They come wrapped
// in the circumstances.
var (
	// ErrAuth says that the server refused the auth token.
	ErrAuth = replicator.ErrAuth
	// ErrNamespaceNotFound says that the server has no such namespace.
	ErrNamespaceNotFound = replicator.ErrNamespaceNotFound
	// ErrNotLibSQL says that what answers at the URL is not a libSQL server.
	ErrNotLibSQL = replicator.ErrNotLibSQL
	// ErrRefused says that the server answered a replica with a gRPC status that no further try changes; see [StatusError].
	ErrRefused = replicator.ErrRefused
	// ErrUnreachable says that the server could not be reached, by a replica through every retry.
	ErrUnreachable = replicator.ErrUnreachable
	// ErrNoServer says that the replica was opened without a server.
	ErrNoServer = replicator.ErrNoServer
	// ErrNotReplica says that the file is a database of its own, not a replica.
	ErrNotReplica = replicator.ErrNotReplica
	// ErrPositionFile says that the replica's position file is damaged.
	ErrPositionFile = replicator.ErrPositionFile
	// ErrAhead says that the replica is at a later frame than its primary has.
	ErrAhead = replicator.ErrAhead
	// ErrDiverged says that the local file is not what the primary's log made it.
	ErrDiverged = replicator.ErrDiverged
	// ErrPageSize says that the database's pages are not of 4,096 bytes.
	ErrPageSize = replicator.ErrPageSize
	// ErrWrongLog says that frames offered belong to another database.
	ErrWrongLog = replicator.ErrWrongLog
	// ErrGap says that frames offered begin after the next one needed.
	ErrGap = replicator.ErrGap
	// ErrCorrupt says that frames received or offered are damaged.
	ErrCorrupt = replicator.ErrCorrupt
	// ErrLocked says that another process, or handle, holds the replica.
	ErrLocked = replicator.ErrLocked
	// ErrFrozen says that the replica was frozen, and is a local database now; see [FrozenError]. Open it with [Open], or,
	// by the same data source name as before, with openFrozen=true.
	ErrFrozen = replicator.ErrFrozen
	// ErrClosed says that the handle was closed.
	ErrClosed = replicator.ErrClosed
	// ErrNoData says that the replica has not received anything yet.
	ErrNoData = replicator.ErrNoData
	// ErrIsReplica says that a replica was to be opened as a local database.
	ErrIsReplica = errors.New("the database is a replica: only its primary may write to it")
	// ErrReadersOpen says that a freeze waited in vain for readers to end.
	ErrReadersOpen = errors.New("connections of the replica are still open")
	// ErrTransactionLost says that a server has given up the transaction, or was lost with it, or that SQLite has rolled
	// it back at the error of a statement. Nothing of it is kept, so it can be run again from its beginning, on another
	// connection where one to a server was taken by [sql.DB.Conn].
	ErrTransactionLost = errors.New("the transaction is lost")
	// ErrCommitUnknown says that the connection to a server broke during a COMMIT. The transaction was committed as a
	// whole or not at all, and only the data tell which.
	ErrCommitUnknown = errors.New("it is not known whether the transaction was committed")
)

// Types shared with the packages below.
type (
	// LogID names a primary's log: a UUID.
	LogID = frames.LogID
	// Frame is one encoded frame of a log.
	Frame = frames.Frame
	// Position tells how far a replica has come in its primary's log.
	Position = replicator.Position
	// Result tells what a call has done.
	Result = replicator.Result
	// Progress tells how far a sync has come.
	Progress = replicator.Progress
	// Stats counts what a replica has done since it was opened.
	Stats = replicator.Stats
	// Origin tells where a frozen database came from.
	Origin = replicator.Origin
	// FrozenError is an [ErrFrozen] that tells where the database came from.
	FrozenError = replicator.FrozenError
	// LockedError is an [ErrLocked] that tells who holds the replica.
	LockedError = replicator.LockedError
	// StatusError is a gRPC status that a server answered with.
	StatusError = replicator.StatusError
)
