package replicator

import (
	"errors"
	"fmt"

	"github.com/floedb/floe/frames"
)

// Errors that a caller may want to tell apart with [errors.Is]. Each comes
// wrapped in the circumstances; none of them has changed the local file.
var (
	// ErrAuth says that the server refused the auth token.
	ErrAuth = errors.New("the server refused the auth token")
	// ErrNamespaceNotFound says that the server has no such namespace.
	ErrNamespaceNotFound = errors.New("the server has no such namespace")
	// ErrNotLibSQL says that what answers at the URL does not speak libSQL's
	// replication protocol.
	ErrNotLibSQL = errors.New("not a libSQL server")
	// ErrRefused says that the server answered with a gRPC status that no further try
	// changes, such as that it lacks the method, or that a database of this kind is
	// not replicated. See [StatusError].
	ErrRefused = errors.New("the server refuses the request")
	// ErrUnreachable says that the server could not be reached, or broke off,
	// and went on doing so through every retry.
	ErrUnreachable = errors.New("the server cannot be reached")
	// ErrNoServer says that the replica was opened without a server, and so
	// takes frames only through ApplyFile and ApplyFrames.
	ErrNoServer = errors.New("the replica was opened without a server")
	// ErrNotReplica says that a database file exists without a position file:
	// it is somebody's own database, not a replica.
	ErrNotReplica = errors.New("not a replica: the database has no position file")
	// ErrPositionFile says that the position file is damaged. The way out is to
	// delete it and the database, and to sync anew.
	ErrPositionFile = errors.New("the position file is damaged")
	// ErrAhead says that the replica is at a later frame than its primary has:
	// the primary lost commits, or is another one.
	ErrAhead = errors.New("the replica is ahead of the primary")
	// ErrDiverged says that the local file, or the primary's log, is not what it
	// was when the replica's position was recorded.
	// Its own changes are lost when the way out is taken: to delete the database
	// and its position file, and to sync anew.
	ErrDiverged = errors.New("the replica and the primary's log have diverged")
	// ErrPageSize says that the local database does not have libSQL's page size
	// of 4,096 bytes.
	ErrPageSize = errors.New("the page size is not 4096")
	// ErrWrongLog says that frames offered belong to another database's log.
	ErrWrongLog = errors.New("the frames belong to another log")
	// ErrGap says that frames offered begin after the next one needed.
	ErrGap = errors.New("frames are missing before the first one offered")
	// ErrCorrupt says that frames received are damaged: a checksum, an order or
	// a length does not hold.
	ErrCorrupt = errors.New("damaged frames")
	// ErrFrozen says that the replica was frozen into a database of its own.
	ErrFrozen = errors.New("the replica is frozen")
	// ErrLocked says that another process, or another handle in this one, is at work
	// on the replica, and that waiting for it has not helped. See [LockedError].
	ErrLocked = errors.New("the replica is in use")
	// ErrNoData says that the replica has never received a frame.
	ErrNoData = errors.New("the replica holds no data yet")
	// ErrClosed says that the handle was closed.
	ErrClosed = errors.New("the replica is closed")
)

// LockedError says who holds a replica. It is an [ErrLocked].
type LockedError struct {
	Path   string // the lock file
	Holder string // what the holder wrote there: "process 4711 on host edge-3"
}

// Error names the lock file and the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("%v by %s (lock file %s)", ErrLocked, e.Holder, e.Path)
}

// Unwrap returns [ErrLocked].
func (e *LockedError) Unwrap() error { return ErrLocked }

// FrozenError says from which log and at which frame a database was frozen. It
// is an [ErrFrozen].
type FrozenError struct {
	Path string // the database file
	Origin
}

// Error names the database and where it came from.
func (e *FrozenError) Error() string {
	return fmt.Sprintf("%v: %s was frozen from log %s at frame %d and is a database of its own", ErrFrozen, e.Path, e.LogID, e.FrameNo)
}

// Unwrap returns [ErrFrozen].
func (e *FrozenError) Unwrap() error { return ErrFrozen }

// StatusError is a gRPC status that the server answered with.
//
// See https://grpc.github.io/grpc/core/md_doc_statuscodes.html for the codes.
type StatusError struct {
	Method  string // the method called, such as "BatchLogEntries"
	Code    int    // the gRPC status code, never 0
	Message string // the server's words
}

// Error gives the method, the code and the server's words.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: server status %d: %s", e.Method, e.Code, e.Message)
}

// gRPC status codes that floe acts on.
const (
	statusInvalidArgument    = 3
	statusNotFound           = 5
	statusAlreadyExists      = 6
	statusPermissionDenied   = 7
	statusFailedPrecondition = 9
	statusOutOfRange         = 11
	statusUnimplemented      = 12
	statusInternal           = 13
	statusUnavailable        = 14
	statusDataLoss           = 15
	statusUnauthenticated    = 16
)

// lasting tells whether a status says that trying again cannot help. The others
// speak of load, of time, or of the server's inside: sqld answers with Internal when
// it is about to end, and while it compacts its log.
func lasting(code int) bool {
	switch code {
	case statusInvalidArgument, statusNotFound, statusAlreadyExists, statusPermissionDenied, statusFailedPrecondition,
		statusOutOfRange, statusUnimplemented, statusDataLoss, statusUnauthenticated:
		return true
	}
	return false
}

// Conditions that the state machine answers itself; no caller ever sees them.
var (
	errNoHello         = errors.New("the server wants a new hello")
	errNeedSnapshot    = errors.New("the log no longer holds the frame: a snapshot is needed")
	errSnapshotPending = errors.New("the snapshot is not ready yet")
	errOtherLayout     = errors.New("the new database divides its pages, or writes its texts, in another way than the old one")
	errLogChanged      = errors.New("the primary's log is another one now")
	errYield           = errors.New("the session is wanted by another call")
)

// permanent tells whether trying again cannot help.
func permanent(err error) bool {
	for _, target := range []error{
		ErrAuth, ErrNamespaceNotFound, ErrNotLibSQL, ErrRefused, ErrNoServer, ErrNotReplica, ErrPositionFile,
		ErrAhead, ErrDiverged, ErrPageSize, ErrWrongLog, ErrGap, ErrFrozen, ErrLocked, ErrClosed,
		errNeedSnapshot, errNoHello, errLogChanged, errYield, errReadOnly,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Origin tells from which log, and at which frame of it, a frozen database came.
type Origin struct {
	LogID   frames.LogID
	FrameNo uint64
}
