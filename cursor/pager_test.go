package cursor

import (
	"errors"
	"io"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/google/go-cmp/cmp"
)

const pageQuery = "SELECT id, name FROM t WHERE id > ?1 ORDER BY id LIMIT ?2"

func mustPager(t *testing.T, c *engine.Conn, limits Limits, sql string, after any) *Pager {
	t.Helper()
	p, err := NewPager(c, limits, sql, after)
	if err != nil {
		t.Fatalf("pager of %q: %v", sql, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestPagerGoesOnBehindTheLastKey(t *testing.T) {
	c := openNumbers(t, 5)
	p := mustPager(t, c, Limits{Rows: 2}, pageQuery, 0)
	if diff := cmp.Diff([][]int64{{1, 2}, {3, 4}, {5}}, rest(t, p)); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if p.After() != int64(5) {
		t.Errorf("last key %v, want 5", p.After())
	}
	wantEnd(t, p, io.EOF)
	mustExec(t, c, "INSERT INTO t VALUES (6, 'six')")
	if diff := cmp.Diff([][]int64{{6}}, rest(t, p)); diff != "" {
		t.Errorf("after a row was added (-want +got):\n%s", diff)
	}
}

func TestPagerIsTakenUpAgain(t *testing.T) {
	c := openNumbers(t, 5)
	first := mustPager(t, c, Limits{Rows: 3}, pageQuery, 0)
	mustFetch(t, first)
	after := first.After()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, first, ErrClosed)
	again := mustPager(t, openTest(t, c.Filename("")), Limits{Rows: 3}, pageQuery, after)
	if diff := cmp.Diff([][]int64{{4, 5}}, rest(t, again)); diff != "" {
		t.Errorf("behind %v (-want +got):\n%s", after, diff)
	}
}

func TestPagerWithATextAsKey(t *testing.T) {
	c := openNumbers(t, 3)
	p := mustPager(t, c, Limits{Rows: 2}, "SELECT name, id FROM t WHERE name > ?1 ORDER BY name LIMIT ?2", "")
	mustFetch(t, p)
	if p.After() != "name 2" {
		t.Errorf("last key %v, want name 2", p.After())
	}
	if got := mustFetch(t, p).Column("id").Ints; !cmp.Equal(got, []int64{3}) {
		t.Errorf("the second batch: %v, want [3]", got)
	}
}

func TestPagerHoldsNoTransaction(t *testing.T) {
	c := openNumbers(t, 5)
	p := mustPager(t, c, Limits{Rows: 2}, pageQuery, 0)
	mustFetch(t, p)
	mustExec(t, c, "VACUUM")
	mustExec(t, c, "BEGIN; CREATE TABLE u(a); ROLLBACK")
	if diff := cmp.Diff([][]int64{{3, 4}, {5}}, rest(t, p)); diff != "" {
		t.Errorf("after a rollback (-want +got):\n%s", diff)
	}
}

func TestPagerStopsAtItsBytes(t *testing.T) {
	c := openNumbers(t, 5)
	p := mustPager(t, c, Limits{Bytes: 1500}, "SELECT id, zeroblob(1000) FROM t WHERE id > ?1 ORDER BY id LIMIT ?2", 0)
	if diff := cmp.Diff([][]int64{{1, 2}, {3, 4}, {5}}, rest(t, p)); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestPagerFetchesABatchAgainAfterAnError(t *testing.T) {
	c := openNumbers(t, 4)
	p := mustPager(t, c, Limits{Rows: 2}, pageQuery, 0)
	mustFetch(t, p)
	mustExec(t, c, "ALTER TABLE t RENAME TO away")
	if b, err := p.Fetch(background); b != nil || !errors.Is(err, engine.Generic) {
		t.Errorf("fetch without the table: %v, error %v; want %v", b, err, engine.Generic)
	}
	mustExec(t, c, "ALTER TABLE away RENAME TO t")
	if diff := cmp.Diff([][]int64{{3, 4}}, rest(t, p)); diff != "" {
		t.Errorf("with the table again (-want +got):\n%s", diff)
	}
}

func TestPagerWithColumnsThatChange(t *testing.T) {
	c := openNumbers(t, 2)
	p := mustPager(t, c, Limits{Rows: 1}, "SELECT * FROM t WHERE id > ?1 ORDER BY id LIMIT ?2", 0)
	mustFetch(t, p)
	mustExec(t, c, "ALTER TABLE t ADD COLUMN more DEFAULT 7")
	if got := mustFetch(t, p).Column("more"); got == nil || got.Value(0) != int64(7) {
		t.Errorf("the new column is %+v, want 7", got)
	}
}

func TestPagerRefusesOtherQueries(t *testing.T) {
	c := openNumbers(t, 1)
	for _, sql := range []string{"SELECT id FROM t", "SELECT id FROM t LIMIT ?", "SELECT ?3"} {
		if p, err := NewPager(c, Limits{}, sql, 0); p != nil || err == nil {
			t.Errorf("pager of %q: %v, error %v; want an error", sql, p, err)
		}
	}
	if _, err := NewPager(c, Limits{}, "SELECT", 0); !errors.Is(err, engine.Generic) {
		t.Errorf("pager of what is no statement: %v, want %v", err, engine.Generic)
	}
}
