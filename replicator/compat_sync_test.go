package replicator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/floedb/floe/internal/sqldtest"
)

// Each commit is applied by itself, so that the applier's connection knows the
// schema's pages as they were before.
func TestGrowingForeignSchemaIsAdaptedCommitByCommit(t *testing.T) {
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE first(x) RANDOM ROWID")
	r := openTest(t, srv)
	mustSync(t, r)
	for i := range 60 {
		filler := strings.Repeat("-", i*97%1500)
		srv.Exec(t, fmt.Sprintf("CREATE TABLE t%d(a /*%s*/, b) RANDOM ROWID", i, filler))
		mustSync(t, r)
		if i%3 == 2 {
			srv.Exec(t, fmt.Sprintf("DROP TABLE t%d", i-1))
			srv.Exec(t, fmt.Sprintf("INSERT INTO t%d VALUES (1, randomblob(9000))", i))
			mustSync(t, r)
		}
		want := fmt.Sprint(srv.Query(t, "SELECT count(*) FROM sqlite_schema")[0][0])
		if got := queryText(t, r.cfg.Path, "SELECT count(*) FROM sqlite_schema"); got != want {
			t.Fatalf("round %d: %s entries in the schema, the primary has %s", i, got, want)
		}
	}
	if got := queryText(t, r.cfg.Path, "PRAGMA integrity_check"); got != "ok" {
		t.Error("integrity_check:", got)
	}
}
