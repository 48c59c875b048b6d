// Command floe is the contestant that uses this tree's engine.
package main

import (
	"context"
	"io"

	"github.com/floedb/floe/bench/work"
	"github.com/floedb/floe/cursor"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/hooks"
)

func main() {
	work.Main("floe", func(path string) (work.Session, error) {
		c, err := engine.Open(path, 0)
		if err != nil {
			return nil, err
		}
		return &session{c: c, ctx: context.Background(), rows: make(map[string]*row)}, nil
	})
}

type session struct {
	c    *engine.Conn
	ctx  context.Context
	rows map[string]*row // by the kinds of its columns
}

func (s *session) Exec(sql string) error { return s.c.Exec(s.ctx, sql) }
func (s *session) Close() error          { return s.c.Close() }

func (s *session) Text(sql string) (text string, err error) {
	err = s.c.QueryRow(s.ctx, sql, nil, func(row *engine.Stmt) error { return row.Scan(&text) })
	return text, err
}

func (s *session) Insert(sql string, n int) error {
	stmt, err := s.c.PrepareCached(sql)
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	var name [20]byte
	for i := range n {
		row := work.RowAt(i, &name)
		if err := bind(stmt, row); err != nil {
			return err
		}
		if _, err := stmt.Step(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

func bind(stmt *engine.Stmt, row work.Row) error {
	if err := stmt.BindInt64(1, row.ID); err != nil {
		return err
	}
	if err := stmt.BindText(2, row.Name); err != nil {
		return err
	}
	if err := stmt.BindInt64(3, row.Count); err != nil {
		return err
	}
	return stmt.BindFloat(4, row.Score)
}

func (s *session) Blobs(sql string, n int, blob []byte) error {
	stmt, err := s.c.PrepareCached(sql)
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	for i := range n {
		if err := stmt.BindInt64(1, int64(i)); err != nil {
			return err
		}
		if err := stmt.BindBlobStatic(2, blob); err != nil {
			return err
		}
		if _, err := stmt.Step(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) Each(q work.Query) (uint64, error) {
	stmt, err := s.c.PrepareCached(q.SQL)
	if err != nil {
		return 0, err
	}
	defer stmt.Finalize()
	row := s.row(q.Kinds)
	var sum uint64
	for k := range q.Times {
		for i, v := range q.Arguments(k) {
			if err := stmt.BindInt64(i+1, v); err != nil {
				return 0, err
			}
		}
		part, err := s.run(stmt, row)
		if err != nil {
			return 0, err
		}
		sum += part
	}
	return sum, nil
}

func (s *session) run(stmt *engine.Stmt, row *row) (sum uint64, err error) {
	for {
		more, err := stmt.Step(s.ctx)
		if err != nil || !more {
			return sum, err
		}
		if err := stmt.Scan(row.dest...); err != nil {
			return 0, err
		}
		sum += row.sum()
	}
}

func (s *session) row(kinds string) *row {
	if s.rows[kinds] == nil {
		s.rows[kinds] = newRow(kinds)
	}
	return s.rows[kinds]
}

// row has a variable for each column.
type row struct {
	kinds  string
	ints   []int64
	floats []float64
	texts  []string
	blobs  []engine.RawBytes
	dest   []any
}

func newRow(kinds string) *row {
	n := len(kinds)
	r := &row{kinds: kinds, ints: make([]int64, n), floats: make([]float64, n),
		texts: make([]string, n), blobs: make([]engine.RawBytes, n)}
	for i, kind := range kinds {
		switch kind {
		case 'i':
			r.dest = append(r.dest, &r.ints[i])
		case 'f':
			r.dest = append(r.dest, &r.floats[i])
		case 't':
			r.dest = append(r.dest, &r.texts[i])
		case 'b':
			r.dest = append(r.dest, &r.blobs[i])
		}
	}
	return r
}

func (r *row) sum() (sum uint64) {
	for i, kind := range r.kinds {
		switch kind {
		case 'i':
			sum += work.SumInt(r.ints[i])
		case 'f':
			sum += work.SumFloat(r.floats[i])
		case 't':
			sum += work.SumText(r.texts[i])
		case 'b':
			sum += work.SumBlob(r.blobs[i])
		}
	}
	return sum
}

// Stream reads batches by column.
func (s *session) Stream(q work.Query) (sum uint64, err error) {
	rows, err := cursor.Open(s.c, cursor.Limits{}, q.SQL, q.Arguments(0)[0])
	if err != nil {
		return 0, err
	}
	for batch, err := range rows.Batches(s.ctx) {
		if err != nil {
			return 0, err
		}
		for i, kind := range q.Kinds {
			sum += sumColumn(&batch.Columns[i], kind)
		}
	}
	return sum, nil
}

func sumColumn(c *cursor.Column, kind rune) (sum uint64) {
	for row := range c.Types {
		switch kind {
		case 'i':
			sum += work.SumInt(c.Ints[row])
		case 'f':
			sum += work.SumFloat(c.Floats[row])
		default:
			sum += work.SumBlob(c.Bytes(row))
		}
	}
	return sum
}

func (s *session) OpenBlob(table, column string, rowid int64, write bool) (io.ReadWriteCloser, error) {
	return s.c.OpenBlob(s.ctx, "main", table, column, rowid, write)
}

func (s *session) SQLiteMemory() (sum int64, err error) {
	for _, counter := range []engine.StatusCounter{engine.StatusCacheUsed, engine.StatusSchemaUsed, engine.StatusStmtUsed} {
		n, _, err := s.c.Status(counter, false)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func (s *session) DefineIncrement() error {
	return s.c.CreateFunction("increment", 1, engine.Deterministic, func(ctx *engine.FuncContext, args []engine.Value) error {
		ctx.ResultInt64(args[0].Int64() + 1)
		return nil
	})
}

func (s *session) UpdateHook(on bool) (bool, error) {
	if !on {
		return true, s.c.SetUpdateHook(nil)
	}
	return true, s.c.SetUpdateHook(func(hooks.RowUpdate) error { return nil })
}

func (s *session) Authorizer(on bool) (bool, error) {
	if !on {
		return true, s.c.SetAuthorizer(nil)
	}
	return true, s.c.SetAuthorizer(func(hooks.Action) hooks.Verdict { return hooks.Allow })
}

func (s *session) Progress(on bool) (bool, error) {
	if !on {
		return true, s.c.SetProgressHandler(0, nil)
	}
	return true, s.c.SetProgressHandler(1000, func() error { return nil })
}
