package engine

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// Without memory each feature fails with an error that says so, crashes nothing, leaks nothing, and works again
// afterwards.
func TestFeaturesWithoutMemory(t *testing.T) {
	raw := record(t, rows, edits, false)
	image := mustSerialize(t, openBlobs(t, pattern(9000)), "")
	for name, feature := range map[string]func(c *Conn) error{
		"blob": func(c *Conn) error {
			b, err := c.OpenBlob(background, "", "t", "a", 1, true)
			if err != nil {
				return err
			}
			_, err = b.Write([]byte("x"))
			return errors.Join(err, b.Reopen(2), b.Close())
		},
		"backup": func(c *Conn) error {
			dst, err := Open(":memory:", 0)
			if err != nil {
				return err
			}
			return errors.Join(c.BackupTo(background, dst, BackupOptions{PagesPerStep: 1}), dst.Close())
		},
		"serialize": func(c *Conn) error { _, err := c.Serialize(background, ""); return err },
		"deserialize": func(c *Conn) error {
			if err := c.Exec(background, "ATTACH ':memory:' AS x"); err != nil {
				return err
			}
			err := c.Deserialize("x", image, DeserializeOptions{SizeLimit: 1 << 20})
			return errors.Join(err, c.Detach(background, "x"))
		},
		"session": func(c *Conn) error {
			s, err := c.NewSession("", SessionOptions{})
			if err != nil {
				return err
			}
			err = errors.Join(s.Attach(""), c.Exec(background, "UPDATE t SET b = random()"))
			_, changesetErr := s.Changeset(background)
			return errors.Join(err, changesetErr, s.Diff(background, "other", "t"), s.Close())
		},
		"apply": func(c *Conn) error {
			_, err := c.ApplyChangeset(background, bytes.NewReader(raw), ApplyOptions{
				Conflict: func(k *Conflict) (ConflictAction, error) { return ConflictOmit, nil }})
			return err
		},
		"changegroup": func(c *Conn) error {
			g, err := NewChangegroup()
			if err != nil {
				return err
			}
			_, writeErr := g.WriteTo(io.Discard)
			return errors.Join(g.SetSchema(c, ""), g.Add(bytes.NewReader(raw)), writeErr, g.Close())
		},
		"rebaser": func(*Conn) error {
			r, err := NewRebaser()
			if err != nil {
				return err
			}
			return errors.Join(r.Configure(raw), r.Rebase(io.Discard, bytes.NewReader(raw)), r.Close())
		},
		"invert": func(*Conn) error { return InvertChangeset(io.Discard, bytes.NewReader(raw)) },
	} {
		t.Run(name, func(t *testing.T) { everyAllocation(t, feature) })
	}
}

// everyAllocation runs a feature so often that each of its allocations fails once, alone and with all that follow.
func everyAllocation(t *testing.T, feature func(*Conn) error) {
	if err := feature(openFeatures(t)); err != nil {
		t.Fatalf("with memory: %v", err)
	}
	for _, sticky := range []bool{false, true} {
		for at, more := 1, true; more; at += faultStride() {
			before := memoryUsed()
			c := openFeatures(t)
			armMemoryFaults(at, sticky)
			err := feature(c)
			more = disarmMemoryFaults() >= at
			// SQLite's diff can make an error of syntax of it.
			if err != nil && !errors.Is(err, NoMem) && !errors.Is(err, IOErrNoMem) && !errors.Is(err, Generic) {
				t.Fatalf("allocation %d, sticky %v: %v, want %v", at, sticky, err, NoMem)
			}
			if err := c.Exec(background, "SELECT count(*) FROM t"); err != nil {
				t.Fatalf("allocation %d, sticky %v: afterwards: %v", at, sticky, err)
			}
			if err := c.Close(); err != nil {
				t.Fatalf("allocation %d, sticky %v: close: %v", at, sticky, err)
			}
			if after := memoryUsed(); after > before {
				t.Fatalf("allocation %d, sticky %v: %d bytes leaked", at, sticky, after-before)
			}
		}
	}
}

func openFeatures(t *testing.T) *Conn {
	t.Helper()
	c, err := Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, sessionSchema+rows+"ATTACH ':memory:' AS other; CREATE TABLE other.t(id INTEGER PRIMARY KEY, a, b)")
	return c
}
