package hrana

import (
	"errors"
	"fmt"
	"strings"

	"github.com/floedb/floe/internal/printable"
)

// Sentinels for errors.Is.
var (
	// ErrNotExecuted is wrapped by the error of a request that is known not to have run: it can be sent again. An error
	// of the network without it leaves open whether the server ran the request.
	ErrNotExecuted = errors.New("the request was not executed")
	// ErrUnreachable is wrapped when no connection to the server could be made. [ErrNotExecuted] is wrapped as well.
	ErrUnreachable = errors.New("the server cannot be reached")
	// ErrStreamClosed is wrapped by every error about a stream that can no longer be used, whoever closed it and for
	// whatever reason. A transaction that was open on it is rolled back.
	ErrStreamClosed = errors.New("the stream is closed")
	// ErrStreamExpired is wrapped when the server no longer knows the stream: it was idle for too long, or the server
	// restarted. [ErrStreamClosed] and [ErrNotExecuted] are wrapped as well.
	ErrStreamExpired = errors.New("the server no longer knows the stream")
	// ErrConcurrentUse is wrapped when a stream is used while another call or a cursor is using it.
	ErrConcurrentUse = errors.New("the stream is in use by another call or an open cursor")
	// ErrClientClosed is wrapped by what is called after [Client.Close].
	ErrClientClosed = errors.New("the client is closed")
	// ErrUnsupported is wrapped when the server, or the version of the protocol it speaks, lacks something.
	ErrUnsupported = errors.New("not supported by the server")
	// ErrUnauthorized is wrapped when the server refused the auth token.
	ErrUnauthorized = errors.New("the server refused the auth token")
	// ErrMalformed is wrapped by errors about bytes that are not the message they should be.
	ErrMalformed = errors.New("malformed message")
	// ErrTooLarge is wrapped when an answer is larger than [WithMaxMessageSize] allows.
	ErrTooLarge = errors.New("message too large")
	// ErrNotEncodable is wrapped when a value cannot be sent: text that is not UTF-8, an infinity in JSON.
	ErrNotEncodable = errors.New("value cannot be sent")
)

// Error is an error that the server answered. The request reached SQLite or was refused before; it is over either
// way, and what it did, if anything, is what SQLite leaves behind when a statement fails.
type Error struct {
	Message string
	// Code tells the kind of error, as far as the server does. libSQL's server has the primary result codes of SQLite,
	// such as SQLITE_CONSTRAINT and SQLITE_BUSY, and SQL_PARSE_ERROR, SQL_INPUT_ERROR, SQL_NO_STATEMENT,
	// SQL_MANY_STATEMENTS, ARGS_INVALID, ARGS_BOTH_POSITIONAL_AND_NAMED, TRANSACTION_TIMEOUT, TRANSACTION_BUSY,
	// BLOCKED, RESPONSE_TOO_LARGE, PROXY_ERROR, SQL_STORE_TOO_MANY and SQL_STORE_TOO_LARGE of its own.
	Code string
}

// Error gives the message and the code, without what cannot be printed; of a message of more than 64 KB the beginning.
func (e *Error) Error() string {
	message := printable.Text(e.Message, 64<<10)
	if e.Code == "" {
		return message
	}
	return message + " (" + printable.Line(e.Code, errorExcerpt) + ")"
}

// HTTPError is an answer that is none of the protocol's: the error of a server's front end or of a proxy on the way.
type HTTPError struct {
	Status      int    // of HTTP; can be 200 for an answer of the wrong kind
	ContentType string // without parameters
	Message     string // beginning of the body as one line, or the message in it where it is an error of the server's
	Code        string // code of the server's error, where there is one
}

// Error gives the status and the message.
func (e *HTTPError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP status %d", e.Status)
	if e.Status/100 == 2 {
		fmt.Fprintf(&b, " with content type %q", e.ContentType)
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	return b.String()
}

// Is has a status of 401 or 403 be [ErrUnauthorized].
func (e *HTTPError) Is(target error) bool {
	return target == ErrUnauthorized && (e.Status == 401 || e.Status == 403)
}

// marked is an error with sentinels that its message does not need to spell out.
type marked struct {
	error
	marks []error
}

func mark(err error, marks ...error) error { return &marked{err, marks} }

func (m *marked) Unwrap() []error { return append([]error{m.error}, m.marks...) }
