package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is a panic in a Go callback. It does not get past SQLite: it is the cause of the error of the
// statement that called the callback. The connection can be used on.
type PanicError struct {
	Value any    // what the callback panicked with
	Stack []byte // where, as by debug.Stack
}

// Error returns what the callback panicked with.
func (e *PanicError) Error() string { return fmt.Sprintf("callback panicked: %v", e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// errGoexit stands for a callback that ended its goroutine with runtime.Goexit, as t.FailNow does. There is no value
// to recover then.
var errGoexit = errors.New("callback called runtime.Goexit")

// conns finds the connection of a callback.
var conns handles[Conn]

// callbackFailed notes why a callback failed. The first failure counts: it is the cause of the error of the statement
// which is being run, whatever SQLite makes of it. The connection has to be entered.
func (c *Conn) callbackFailed(err error) {
	if c.failure == nil {
		c.failure = err
	}
}

// takeFailure returns what callbackFailed noted since the last call, nil if that is nothing.
func (c *Conn) takeFailure() error {
	err := c.failure
	c.failure = nil
	return err
}

// ended is the error of a callback that did not return, given what recover returned. runtime.Goexit cannot be stopped:
// it takes SQLite's frames down with the goroutine, and the connection is lost.
func (c *Conn) ended(recovered any) error {
	if recovered == nil {
		c.lose()
		return errGoexit
	}
	return &PanicError{Value: recovered, Stack: debug.Stack()}
}

// callGo runs a callback of a user's between SQLite's frames. No panic gets past it: it is noted as by callbackFailed,
// and so is the error that the callback returns.
func (c *Conn) callGo(callback func() error) (ok bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		ok = false
		c.callbackFailed(c.ended(recover()))
	}()
	err := callback()
	returned = true
	if err != nil {
		c.callbackFailed(err)
		return false
	}
	return true
}
