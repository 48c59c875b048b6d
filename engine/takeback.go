package engine

import (
	"context"
	"errors"
	"sync/atomic"
)

// takeBackTries bounds how often takeBack starts again: a progress handler may interrupt it each time.
const takeBackTries = 10

// takeBack runs SQL that takes changes back. An interrupt is pending as long as any statement is in the middle of an
// execution, and SQLite would interrupt this one with it, which leaves the transaction open: so it is put aside meanwhile.
func (c *Conn) takeBack(sql string) (err error) {
	interrupted := false
	for range takeBackTries {
		if err := c.enter(); err != nil {
			return err
		}
		interrupted = c.swapInterrupt(0) || interrupted
		c.leave()
		if err = c.Exec(context.Background(), sql); !errors.Is(err, Interrupt) {
			break
		}
	}
	if interrupted && c.enter() == nil {
		if c.handle().FnVdbeActive > 0 {
			c.swapInterrupt(1)
		}
		c.leave()
	}
	return err
}

// swapInterrupt sets SQLite's flag and reports whether it was set.
func (c *Conn) swapInterrupt(flag int32) bool {
	return atomic.SwapInt32(&c.handle().Fu1.FisInterrupted, flag) != 0
}
