package floe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hrana"
)

// remoteError makes an error of package hrana one that can be told by the errors of this package and of package engine,
// too.
func remoteError(err error) error {
	var server *hrana.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, hrana.ErrUnauthorized):
		return &alsoError{err, ErrAuth}
	case errors.Is(err, hrana.ErrUnreachable):
		return &alsoError{err, ErrUnreachable}
	case isMissingNamespace(err):
		return &alsoError{err, ErrNamespaceNotFound}
	case errors.Is(err, hrana.ErrClientClosed):
		return &alsoError{err, ErrClosed}
	case errors.As(err, &server) && isOfStatement(err):
		return &alsoError{err, engineError(server)}
	}
	return err
}

// alsoError is an error that another one stands for, too, without being told in its message.
type alsoError struct {
	error
	also error
}

// Unwrap gives both.
func (e *alsoError) Unwrap() []error { return []error{e.error, e.also} }

// MarshalJSON gives the fields of an [engine.Error], as one of a local database has them: GORM reads its code so.
func (e *alsoError) MarshalJSON() ([]byte, error) { return json.Marshal(e.also) }

// isMissingNamespace tells the answer of libSQL's server to a request for a database that it does not have.
func isMissingNamespace(err error) bool {
	var status *hrana.HTTPError
	return errors.As(err, &status) && status.Status == 404 && strings.Contains(status.Message, "Namespace")
}

// isOfStatement tells whether an error is that of a statement, which leaves the stream as it was.
func isOfStatement(err error) bool {
	var server *hrana.Error
	return errors.As(err, &server) && !errors.Is(err, hrana.ErrStreamClosed) && !errors.Is(err, hrana.ErrUnauthorized)
}

// engineError is what SQLite would have said itself. libSQL's server tells the primary code only, and the kind of a
// constraint in words.
func engineError(e *hrana.Error) *engine.Error {
	msg := strings.TrimPrefix(e.Message, "SQLite error: ")
	code := codeOf(e.Code)
	switch {
	case code == engine.Constraint:
		code = constraintIn(msg)
	case strings.HasSuffix(msg, "string or blob too big"): // where a value of the arguments is, libSQL's server blames them
		code = engine.TooBig
	}
	return &engine.Error{Code: code.Primary(), Extended: code, Msg: msg, Op: "server", Offset: -1}
}

// serverCodes are the codes of libSQL's server that are none of SQLite's, and what they come to. Errors in SQL have
// SQLite's most general code, as they have there.
var serverCodes = map[string]engine.ResultCode{
	"TRANSACTION_TIMEOUT":            engine.Busy, // the server took the transaction away
	"TRANSACTION_BUSY":               engine.Busy,
	"ARGS_INVALID":                   engine.Range,
	"ARGS_BOTH_POSITIONAL_AND_NAMED": engine.Range,
	"BLOCKED":                        engine.Auth, // the database is blocked
	codeTooLarge:                     engine.TooBig,
	"SQL_STORE_TOO_LARGE":            engine.TooBig,
	"SQL_STORE_TOO_MANY":             engine.Full,
	"PROXY_ERROR":                    engine.IOErr, // the server is a replica that has lost its primary
	"SQL_PARSE_ERROR":                engine.Generic,
	"SQL_INPUT_ERROR":                engine.Generic,
	"SQL_NO_STATEMENT":               engine.Generic,
	"SQL_MANY_STATEMENTS":            engine.Generic,
	"SQLITE_UNKNOWN":                 engine.Generic, // how it calls SQLITE_ERROR
}

// codeTooLarge is that of a result which the server does not send as a whole.
const codeTooLarge = "RESPONSE_TOO_LARGE"

func codeOf(name string) engine.ResultCode {
	if code, ok := serverCodes[name]; ok {
		return code
	}
	if code, ok := engine.CodeByName(name); ok {
		return code
	}
	return engine.Generic
}

// constraintIn finds the extended code in SQLite's message. A primary key that is violated is a UNIQUE constraint in the
// message. What RAISE says is up to the trigger, and so is every message that SQLite does not have itself.
func constraintIn(msg string) engine.ResultCode {
	for _, c := range []struct {
		begin string
		code  engine.ResultCode
	}{
		{"UNIQUE constraint failed", engine.ConstraintUnique},
		{"NOT NULL constraint failed", engine.ConstraintNotNull},
		{"CHECK constraint failed", engine.ConstraintCheck},
		{"FOREIGN KEY constraint failed", engine.ConstraintForeignKey},
		{"cannot store ", engine.ConstraintDataType}, // in a STRICT table
		{"rtree constraint failed", engine.Constraint},
		{"constraint failed", engine.Constraint},
	} {
		if strings.HasPrefix(msg, c.begin) {
			return c.code
		}
	}
	return engine.ConstraintTrigger
}

// numbered tells which one of several statements an error is from.
func numbered(err error, i, n int) error {
	if err == nil || n == 1 {
		return err
	}
	return fmt.Errorf("statement %d of %d: %w", i+1, n, err)
}

// isTooLarge tells the error of a result that the server does not send as a whole.
func isTooLarge(err error) bool {
	var server *hrana.Error
	return errors.As(err, &server) && server.Code == codeTooLarge
}

// canRunAgain tells whether a request may be sent once more, on a new stream, after err: when it certainly did not run
// as the stream was gone, or, if it only reads, when the connection broke.
func canRunAgain(ctx context.Context, err error, reads bool) bool {
	switch {
	case err == nil || ctx.Err() != nil || isOfStatement(err):
		return false
	case errors.Is(err, hrana.ErrUnauthorized) || errors.Is(err, hrana.ErrTooLarge):
		return false
	case errors.Is(err, hrana.ErrNotExecuted):
		return errors.Is(err, hrana.ErrStreamClosed) && !errors.Is(err, hrana.ErrClientClosed)
	}
	return reads
}
