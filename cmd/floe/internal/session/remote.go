package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// remote is a session on a server. Its client and stream are made when they are needed, and again when they were lost.
type remote struct {
	open   func() (*hrana.Client, error)
	client *hrana.Client // nil when there is none
	stream *hrana.Stream // nil when there is none
	inTx   bool
	index  hrana.Index // the latest replication index of what was run
}

// goodbye is how long the closing of a stream may take.
const goodbye = 2 * time.Second

// openRemote makes a session of a URL. Nothing is sent before the first statement.
func openRemote(url string, opts ...hrana.Option) (*remote, error) {
	r := &remote{open: func() (*hrana.Client, error) { return hrana.Open(url, opts...) }}
	return r, r.connect()
}

// openLasting makes a session for a person, who thinks for longer than a server keeps a stream over HTTP that is idle:
// over WebSocket, if the server has that.
func openLasting(ctx context.Context, url string, opts ...hrana.Option) (*remote, error) {
	r, err := openRemote(socketURL(url), opts...)
	if err != nil {
		return nil, err
	}
	r.stream, err = r.client.OpenStream(ctx)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil, errors.Is(err, hrana.ErrUnreachable), errors.Is(err, hrana.ErrUnauthorized):
		return nil, errors.Join(plainError(err), r.Close())
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	return openRemote(url, opts...)
}

// socketURL is the same server by a URL for WebSocket.
func socketURL(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	rest, query, _ := strings.Cut(rest, "?")
	switch scheme = strings.ToLower(scheme); {
	case scheme == "http", scheme == "libsql" && query == "tls=0":
		scheme = "ws"
	case scheme == "https", scheme == "libsql":
		scheme = "wss"
	}
	return scheme + "://" + rest
}

func (r *remote) connect() (err error) {
	if r.client == nil {
		r.client, err = r.open()
	}
	return err
}

func (r *remote) Run(ctx context.Context, sql string, args []any, rows Rows) (res Result, err error) {
	values, err := hranaValues(args)
	if err != nil {
		return Result{}, err
	}
	st, _ := sqltext.First(sql)
	stmt := hrana.Stmt{SQL: sql, Args: values}
	err = r.onStream(ctx, func(s *hrana.Stream) error {
		if mayBeLong(st) {
			res, err = r.streamRows(ctx, s, stmt, rows)
		} else {
			res, err = r.execute(ctx, s, stmt, rows)
		}
		return err
	})
	res.Writes = changesRows(st)
	if !res.Writes {
		res.Changes = 0
	}
	return res, r.followTx(ctx, st.Tx != sqltext.TxNone, plainError(err))
}

// plainError leaves out which request it was that the server answered with an error of SQL, and begins others with what
// is wrong.
func plainError(err error) error {
	var answer *hrana.Error
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.Is(err, hrana.ErrUnreachable):
		return fmt.Errorf("%w: %w", floe.ErrUnreachable, err)
	case errors.Is(err, hrana.ErrUnauthorized):
		return fmt.Errorf("%w: %w", floe.ErrAuth, err)
	}
	return err
}

// mayBeLong tells whether a statement may give more rows than are held at once.
func mayBeLong(st sqltext.Statement) bool {
	return st.Reads || changesRows(st) && slices.ContainsFunc(slices.Collect(sqltext.Tokens(st.SQL)), isReturning)
}

func isReturning(token string) bool { return strings.EqualFold(token, "RETURNING") }

// changesRows tells whether a statement inserts, updates or deletes.
func changesRows(st sqltext.Statement) bool {
	switch st.Keyword {
	case "INSERT", "REPLACE", "UPDATE", "DELETE":
		return true
	}
	return st.Keyword == "WITH" && !st.Reads
}

// execute runs a statement and takes its rows as a whole.
func (r *remote) execute(ctx context.Context, s *hrana.Stream, stmt hrana.Stmt, rows Rows) (Result, error) {
	res, err := s.Execute(ctx, stmt)
	if err != nil {
		return Result{}, err
	}
	r.index = r.index.Later(res.ReplicationIndex)
	if err := rows.Begin(columnNames(res.Cols)); err != nil {
		return Result{}, err
	}
	for _, row := range res.Rows {
		if err := rows.Row(goValues(make([]any, len(row)), row)); err != nil {
			return Result{}, err
		}
	}
	return Result{Columns: len(res.Cols), Changes: int64(res.RowsAffected)}, nil
}

// streamRows runs a statement and takes its rows as they come. A server of libSQL's ends a stream over HTTP, and the
// transaction on it, when it cannot parse what a cursor is opened for: so it is asked first.
func (r *remote) streamRows(ctx context.Context, s *hrana.Stream, stmt hrana.Stmt, rows Rows) (Result, error) {
	if _, err := s.Describe(ctx, stmt.SQL); err != nil {
		return Result{}, err
	}
	return r.runCursor(ctx, s, hrana.Batch{Steps: []hrana.BatchStep{{Stmt: stmt}}}, rows)
}

func columnNames(cols []hrana.Col) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return names
}

func goValues(dst []any, row []hrana.Value) []any {
	for i, v := range row {
		dst[i] = v.Any()
	}
	return dst
}

// onStream has do use the stream. A stream that the server no longer knows, outside of a transaction, is replaced once:
// what was asked of it did not run.
func (r *remote) onStream(ctx context.Context, do func(*hrana.Stream) error) error {
	fresh := r.stream == nil
	for {
		if err := r.openStream(ctx); err != nil {
			return err
		}
		err := do(r.stream)
		if ctx.Err() != nil && err != nil {
			return errors.Join(err, r.drop())
		}
		if r.stream.Err() == nil {
			return err
		}
		r.stream = nil
		if fresh || r.inTx || !errors.Is(err, hrana.ErrNotExecuted) {
			return err
		}
		fresh = true
	}
}

func (r *remote) openStream(ctx context.Context) error {
	if r.stream != nil {
		return nil
	}
	err := r.connect()
	if err == nil {
		r.stream, err = r.client.OpenStream(ctx)
	}
	return err
}

// drop lets go of the stream and its connection. On a stream that was interrupted, the next statement would wait for
// the server to end the one before.
func (r *remote) drop() error {
	client := r.client
	r.client, r.stream = nil, nil
	return client.Close()
}

func (r *remote) runCursor(ctx context.Context, s *hrana.Stream, batch hrana.Batch, rows Rows) (res Result, err error) {
	cur, err := s.Cursor(ctx, batch)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		r.index = r.index.Later(cur.ReplicationIndex())
		err = errors.Join(err, cur.Close())
	}()
	for cur.NextStep() {
		if res, err = oneStep(cur, rows); err != nil {
			return res, err
		}
	}
	return res, cur.Err()
}

func oneStep(cur *hrana.Cursor, rows Rows) (Result, error) {
	names := columnNames(cur.Cols())
	begun := false
	row := make([]any, len(names))
	for cur.NextRow() {
		if !begun {
			if err := rows.Begin(names); err != nil {
				return Result{}, err
			}
			begun = true
		}
		if err := rows.Row(goValues(row, cur.Row())); err != nil {
			return Result{}, err
		}
	}
	res := Result{Columns: len(names), Changes: int64(cur.StepResult().RowsAffected)}
	if err := cur.StepErr(); err != nil {
		return res, err
	}
	if !begun && cur.Err() == nil {
		return res, rows.Begin(names)
	}
	return res, nil
}

// followTx learns whether a transaction is open, if a statement may have begun or ended one. It gives err more words
// when the transaction went with the stream.
func (r *remote) followTx(ctx context.Context, mayChange bool, err error) error {
	switch {
	case r.stream == nil && r.inTx:
		r.inTx = false
		return fmt.Errorf("%w: %w", floe.ErrTransactionLost, err)
	case r.stream == nil || !mayChange && (err == nil || !r.inTx):
		return err
	}
	autocommit, askErr := r.stream.Autocommit(ctx)
	if askErr != nil {
		if r.stream.Err() != nil {
			r.stream, r.inTx = nil, false
		}
		return errors.Join(err, fmt.Errorf("ask whether a transaction is open: %w", askErr))
	}
	r.inTx = !autocommit
	return err
}

// RunBatch sends all statements at once.
func (r *remote) RunBatch(ctx context.Context, statements []string) (done int, err error) {
	var b hrana.Batch
	for i, sql := range statements {
		step := hrana.BatchStep{Stmt: hrana.Stmt{SQL: sql, NoRows: true}}
		if i > 0 {
			step.Condition = hrana.OK(i - 1)
		}
		b.Steps = append(b.Steps, step)
	}
	var res *hrana.BatchResult
	err = r.onStream(ctx, func(s *hrana.Stream) error {
		res, err = s.Batch(ctx, b)
		return err
	})
	if err == nil {
		r.index = r.index.Later(res.ReplicationIndex)
		err = res.Err()
		done = slices.IndexFunc(res.Steps, func(s hrana.StepResult) bool { return s.Result == nil })
		if done < 0 {
			done = len(statements)
		}
	}
	return done, r.followTx(ctx, false, plainError(err))
}

func (r *remote) ReadTx(ctx context.Context, do func() error) error { return readTx(ctx, r, do) }

func (r *remote) InTx() bool             { return r.inTx }
func (r *remote) Replica() *floe.Replica { return nil }

func (r *remote) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if r.stream != nil {
		// The server drops a stream that was not closed.
		_ = r.stream.Close(ctx)
	}
	if r.client == nil {
		return nil
	}
	return r.client.Close()
}

func hranaValues(args []any) ([]hrana.Value, error) {
	values := make([]hrana.Value, len(args))
	for i, v := range args {
		switch v := v.(type) {
		case nil:
			values[i] = hrana.Null()
		case int64:
			values[i] = hrana.Integer(v)
		case float64:
			values[i] = hrana.Float(v)
		case string:
			values[i] = hrana.Text(v)
		case []byte:
			values[i] = hrana.Blob(v)
		default:
			return nil, fmt.Errorf("argument %d: %T is no value of SQLite", i+1, v)
		}
	}
	return values, nil
}
