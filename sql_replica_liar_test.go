package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/liar"
)

// A server whose answer to a write names a frame that its log does not have is a fake: libSQL's names the frame of the
// write. A read may wait for it no longer than its context, and the replica must go on once the truth is told.
func TestAFarReplicationIndexSpoilsNothingForGood(t *testing.T) {
	for _, far := range []uint64{1 << 20, 1 << 63, math.MaxUint64} {
		primary := liar.StartPrimary(t, liar.Write(t, 1, "CREATE TABLE t(a, b)", "INSERT INTO t VALUES (42, 'x')"))
		server := liar.StartHrana(t)
		both := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/wal_log.") {
				primary.ServeHTTP(w, r)
				return
			}
			server.ServeHTTP(w, r)
		}))
		defer both.Close()
		r, err := floe.OpenReplica(t.Context(), newPath(t), both.URL)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(r.Connector())
		read := func(limit time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			var a int
			return db.QueryRowContext(ctx, "SELECT a FROM t").Scan(&a)
		}
		write := func() error { _, err := db.ExecContext(limit(t), "UPDATE t SET a = 1"); return err }
		if err := errors.Join(read(time.Minute), write(), read(time.Minute)); err != nil {
			t.Fatal(err)
		}
		index := func(r *hrana.StmtResult) { r.ReplicationIndex = hrana.FrameIndex(far) }
		server.Lie(liar.HranaLie{Response: func(r *hrana.StreamResult) {
			if r.Response.Result != nil {
				index(r.Response.Result)
			}
			if r.Response.Batch != nil {
				r.Response.Batch.ReplicationIndex = hrana.FrameIndex(far)
				for _, s := range r.Response.Batch.Steps {
					index(s.Result)
				}
			}
		}})
		if err := errors.Join(write(), read(time.Minute)); err != nil {
			t.Errorf("index %d: told the lie: %v", far, err)
		}
		server.Lie(liar.HranaLie{})
		if err := errors.Join(write(), read(time.Minute)); err != nil {
			t.Errorf("index %d: told the truth again: %v", far, err)
		}
		db.Close()
		closeReplica(t, r)
	}
}
