package engine

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

func TestAttachRuleDecidesWhatIsWrittenTo(t *testing.T) {
	c := openMemory(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"read", "write", "panic"} {
		mustExec(t, c, "ATTACH "+QuoteText(at(name))+" AS x; CREATE TABLE x.t(a); DETACH x")
	}
	boom := errors.New("not this one")
	var asked []string
	if err := c.SetAttachRule(func(path string) error {
		asked = append(asked, filepath.Base(path))
		switch filepath.Base(path) {
		case "read":
			return boom
		case "panic":
			panic("boom")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "ATTACH "+QuoteText(at("write"))+" AS w; ATTACH "+QuoteText(at("read"))+" AS r; ATTACH ':memory:' AS m; ATTACH '' AS n")
	mustExec(t, c, "INSERT INTO w.t VALUES (1); CREATE TABLE m.t(a); CREATE TABLE n.t(a); CREATE TABLE main.t AS SELECT * FROM r.t")
	if want := []string{"write", "read"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
	if err := c.Exec(t.Context(), "INSERT INTO r.t VALUES (1)"); !errors.Is(err, ReadOnly) || !errors.Is(err, boom) {
		t.Errorf("write to what the rule refuses: %v, want %v because of %v", err, ReadOnly, boom)
	}
	// Behind DETACH the rule's error is no cause of another's.
	mustExec(t, c, "DETACH r; ATTACH 'file:"+at("write")+"?mode=ro' AS ro")
	if err := c.Exec(t.Context(), "INSERT INTO ro.t VALUES (1)"); !errors.Is(err, ReadOnly) || errors.Is(err, boom) {
		t.Errorf("write to what is open for reading: %v, want %v alone", err, ReadOnly)
	}
	mustExec(t, c, "ATTACH "+QuoteText(at("panic"))+" AS p")
	if err := c.Exec(t.Context(), "INSERT INTO p.t VALUES (1)"); !errors.Is(err, ReadOnly) {
		t.Errorf("write to what the rule panicked about: %v, want %v", err, ReadOnly)
	}
	if err := c.SetAttachRule(nil); err != nil {
		t.Fatal(err)
	}
	mustExec(t, c, "DETACH p; ATTACH "+QuoteText(at("read"))+" AS r; INSERT INTO r.t VALUES (1)")
}
