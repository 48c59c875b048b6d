package engine

import (
	"errors"
	"testing"
)

// An interrupt that is pending for a statement in the middle of an execution keeps nothing from being taken back.
func TestChangesAreTakenBackUnderAPendingInterrupt(t *testing.T) {
	stop := errors.New("stop")
	for name, test := range map[string]struct {
		run   func(c *Conn, interrupt func()) error
		want  error
		reset bool // the statement is not only to be interrupted
	}{
		"Rollback": {func(c *Conn, interrupt func()) error {
			tx, err := c.Begin(background, TxImmediate)
			if err != nil {
				return err
			}
			interrupt()
			return tx.Rollback()
		}, nil, false},
		"WithTx": {func(c *Conn, interrupt func()) error {
			return c.WithTx(background, TxImmediate, func() error { interrupt(); return stop })
		}, stop, false},
		"WithSavepoint": {func(c *Conn, interrupt func()) error {
			return c.WithSavepoint(background, "s", func() error { interrupt(); return stop })
		}, stop, false},
		"WithSavepoint within": {func(c *Conn, interrupt func()) error {
			return c.WithTx(background, TxImmediate, func() error {
				err := c.WithSavepoint(background, "s", func() error { interrupt(); return stop })
				if got := c.Savepoints(); len(got) != 0 {
					t.Errorf("savepoints %q are open", got)
				}
				return err
			})
		}, stop, false},
		"RollbackTo": {func(c *Conn, interrupt func()) error {
			return c.WithTx(background, TxImmediate, func() error {
				if err := c.Savepoint("s"); err != nil {
					return err
				}
				interrupt()
				if err := c.RollbackTo("s"); err != nil {
					return err
				}
				return stop
			})
		}, stop, false},
		"Reset": {func(c *Conn, interrupt func()) error {
			mustExec(t, c, "BEGIN")
			interrupt()
			return c.Reset()
		}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := openMemory(t)
			mustExec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)")
			s := mustPrepare(t, c, "VALUES (1), (2), (3)")
			err := test.run(c, func() {
				mustExec(t, c, "DELETE FROM t")
				mustRow(t, s)
				c.Interrupt()
			})
			if !errors.Is(err, test.want) || errors.Is(err, Interrupt) {
				t.Errorf("the error is %v, want %v", err, test.want)
			}
			if !c.AutoCommit() {
				t.Error("the transaction is open")
			}
			if _, err := s.Step(background); !test.reset && !errors.Is(err, Interrupt) {
				t.Errorf("the statement that was running: %v, want %v", err, Interrupt)
			}
			if got := values(t, c, "SELECT count(*) FROM t")[0][0]; got != int64(3) {
				t.Errorf("t has %v rows, want 3", got)
			}
		})
	}
}
