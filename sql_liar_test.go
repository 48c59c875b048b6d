package floe

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/liar"
)

// A real server does not lie: that of this file is a fake. Package hrana has a table of all its lies.
func TestDatabaseGetsOverLies(t *testing.T) {
	const token = "secret.token-of_the.liar"
	result := func(change func(*hrana.StmtResult)) liar.HranaLie {
		edit := func(r *hrana.StmtResult) {
			if r != nil {
				change(r)
			}
		}
		return liar.HranaLie{
			Response: func(r *hrana.StreamResult) {
				edit(r.Response.Result)
				if r.Response.Batch != nil {
					for _, s := range r.Response.Batch.Steps {
						edit(s.Result)
					}
				}
			},
			Entries: func(list []hrana.CursorEntry) []hrana.CursorEntry {
				r := liar.Result()
				change(r)
				out := []hrana.CursorEntry{{Kind: hrana.EntryStepBegin, Cols: r.Cols}}
				for _, row := range r.Rows {
					out = append(out, hrana.CursorEntry{Kind: hrana.EntryRow, Row: row})
				}
				return append(out, hrana.CursorEntry{Kind: hrana.EntryStepEnd, RowsAffected: r.RowsAffected}, list[len(list)-1])
			},
		}
	}
	failed := hrana.StreamResult{Error: &hrana.Error{Message: "who sent " + token + "?", Code: token}}
	for name, c := range map[string]struct {
		lie     liar.HranaLie
		refused bool // by a query
	}{
		"longer rows":   {result(func(r *hrana.StmtResult) { r.Rows[0] = append(r.Rows[0], hrana.Integer(1)) }), true},
		"shorter rows":  {result(func(r *hrana.StmtResult) { r.Rows[1] = r.Rows[1][:1] }), true},
		"empty rows":    {result(func(r *hrana.StmtResult) { r.Rows[0] = nil }), true},
		"no columns":    {result(func(r *hrana.StmtResult) { r.Cols = nil }), true},
		"many changes":  {result(func(r *hrana.StmtResult) { r.RowsAffected = math.MaxUint64 }), false},
		"far index":     {result(func(r *hrana.StmtResult) { r.ReplicationIndex = hrana.FrameIndex(math.MaxUint64) }), false},
		"other answers": {liar.HranaLie{Response: func(r *hrana.StreamResult) { r.Response = &hrana.Response{Kind: hrana.ReqStoreSQL} }}, false},
		"the token":     {liar.HranaLie{Response: func(r *hrana.StreamResult) { *r = failed }}, false},
		"no bytes":      {liar.HranaLie{Bytes: func(hrana.Encoding, []byte) []byte { return nil }}, true},
		"half":          {liar.HranaLie{Bytes: func(_ hrana.Encoding, b []byte) []byte { return b[:len(b)/2] }}, true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, scheme := range []string{"http", "ws"} {
				srv := liar.StartHrana(t)
				url := map[string]string{"http": srv.URL, "ws": srv.WS}[scheme]
				db, err := sql.Open("floe", url+"?authToken="+token)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a net
				defer cancel()
				if err := useLiar(ctx, db)["query"]; err != nil {
					t.Fatalf("%s: honest query: %v", scheme, err)
				}
				srv.Lie(c.lie)
				for call, err := range useLiar(ctx, db) {
					if call == "query" && c.refused && err == nil {
						t.Errorf("%s: a query believes the lie", scheme)
					}
					if errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), token) {
						t.Errorf("%s, %s: %v", scheme, call, err)
					}
				}
				srv.Lie(liar.HranaLie{})
				for call, err := range useLiar(ctx, db) {
					if err != nil {
						t.Errorf("%s, %s: an honest answer after the lie: %v", scheme, call, err)
					}
				}
			}
		})
	}
}

// useLiar does what programs do with a database, and gives the errors.
func useLiar(ctx context.Context, db *sql.DB) map[string]error {
	errs := map[string]error{}
	errs["query"] = func() error {
		rows, err := db.QueryContext(ctx, "SELECT a, b FROM t")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a, b any
			if err := rows.Scan(&a, &b); err != nil {
				return err
			}
		}
		return rows.Err()
	}()
	errs["exec"] = func() error {
		res, err := db.ExecContext(ctx, "UPDATE t SET a = ?", 1)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err == nil && n < 0 {
			return errors.New("a negative number of rows")
		}
		return nil
	}()
	errs["prepare"] = func() error {
		stmt, err := db.PrepareContext(ctx, "SELECT a, b FROM t WHERE a = ?")
		if err != nil {
			return err
		}
		defer stmt.Close()
		var a, b any
		return stmt.QueryRowContext(ctx, 1).Scan(&a, &b)
	}()
	errs["transaction"] = func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE t SET a = 1"); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}()
	return errs
}
