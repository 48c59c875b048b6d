package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// Each of these must leave SQLite's memory, this package's own part of it included, as large as it was.
func TestNothingLeaks(t *testing.T) {
	cycles := 100_000
	if testing.Short() {
		cycles = 1000
	}
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(a UNIQUE, b, c)")
	cancelled, cancel := context.WithCancel(background)
	cancel()
	registered := conns.count()
	text, blob := strings.Repeat("text", 1000), make([]byte, 3000)
	for _, test := range []struct {
		name   string
		cycles int
		run    func(i int) error
	}{
		{"prepare, bind, step, finalize", cycles, func(int) error {
			s, err := c.Prepare("SELECT ?, ?, ?")
			if err != nil {
				return err
			}
			defer s.Finalize()
			for _, err := range []error{s.BindText(1, text), s.BindBlob(2, blob), s.BindBlobStatic(3, blob)} {
				if err != nil {
					return err
				}
			}
			_, err = s.Step(background)
			return err
		}},
		{"write and read", cycles / 10, func(i int) error {
			return c.Exec(background, "INSERT OR REPLACE INTO t VALUES (?, ?, ?)", i%5, text, blob)
		}},
		{"errors of prepare", cycles / 10, func(int) error { return expect(Generic, c.Exec(background, "SELEC "+text)) }},
		{"trailing statements", cycles / 10, func(int) error {
			_, err := c.Prepare("SELECT 1; SELECT 2")
			return expect(ErrTrailing, err)
		}},
		{"errors of step", cycles / 10, func(int) error {
			return expect(Constraint, c.Exec(background, "INSERT INTO t VALUES (1, 2, 3), (1, 2, 3)"))
		}},
		{"ended contexts", cycles / 10, func(int) error { return expect(context.Canceled, c.Exec(cancelled, "SELECT 1")) }},
		{"long texts", cycles / 1000, func(int) error { return c.Exec(background, "SELECT '"+strings.Repeat(text, 100)+"'") }},
		{"names", cycles / 10, func(int) error { _, err := c.ReadOnly("main"); c.Filename("main"); return err }},
		{"switches", cycles / 10, func(int) error { _, err := c.DBConfig(DBConfigDefensive, false); return err }},
		{"open and close with statements open", cycles / 100, func(int) error { return openAndClose(":memory:") }},
		{"opens that do not succeed", cycles / 100, func(int) error {
			return expect(CantOpen, openAndClose(filepath.Join(t.TempDir(), "no", "a.db")))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := func(n int) {
				for i := range n {
					if err := test.run(i); err != nil {
						t.Fatalf("cycle %d: %v", i, err)
					}
				}
			}
			run(10) // caches of SQLite's fill up
			before := memoryUsed()
			run(test.cycles)
			if grown := memoryUsed() - before; grown > int64(test.cycles) {
				t.Errorf("%d cycles: %d bytes more are in use", test.cycles, grown)
			}
		})
	}
	if n := conns.count(); n > registered {
		t.Errorf("%d connections are registered for callbacks, %d were before", n, registered)
	}
}

func expect(want, err error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("not the error that was expected"), err)
}

func openAndClose(name string) error {
	c, err := Open(name, 0)
	if err != nil {
		return err
	}
	if _, err := c.Prepare("SELECT 1"); err != nil {
		return err
	}
	s, err := c.Prepare("SELECT ?")
	if err != nil {
		return err
	}
	if err := s.BindText(1, strings.Repeat("x", 1000)); err != nil {
		return err
	}
	if _, err := s.Step(background); err != nil {
		return err
	}
	return c.Close()
}
