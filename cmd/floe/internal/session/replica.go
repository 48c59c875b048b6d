package session

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/floedb/floe"
	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/sqltext"
)

// replica is a session on a replica: what only reads runs on its file, everything else, and transactions as a whole, on
// its primary. After a write it waits until the file has it.
type replica struct {
	replica *floe.Replica
	local   *local
	primary *remote
	seen    hrana.Index // what the file has of what was written
}

// openReplica opens a resolved target, with the connection as the name that was given has it.
func openReplica(ctx context.Context, t, given Target) (*replica, error) {
	primary, err := openPrimary(ctx, t)
	if err != nil {
		return nil, err
	}
	connector, closeAll, err := replicaConnector(ctx, t, given)
	if err != nil {
		return nil, errors.Join(err, primary.Close())
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, errors.Join(err, closeAll(), primary.Close())
	}
	return &replica{
		replica: connector.Replica(),
		local: &local{conn: conn.(*floe.DriverConn).Engine(), close: func() error {
			return errors.Join(conn.Close(), closeAll())
		}},
		primary: primary,
	}, nil
}

// replicaConnector makes connections to the file of a replica.
func replicaConnector(ctx context.Context, t, given Target) (c *floe.Connector, closeAll func() error, err error) {
	if given.Primary == "" {
		if c, err = floe.NewConnector(given.Name, given.options()...); err != nil {
			return nil, nil, err
		}
		return c, c.Close, nil
	}
	r, err := floe.OpenReplica(ctx, t.Name, t.Primary, t.options()...)
	if err != nil {
		return nil, nil, err
	}
	c = r.Connector()
	return c, func() error { return errors.Join(c.Close(), r.Close()) }, nil
}

// openPrimary makes a session on the primary, which a replica can do without until something is to be written.
func openPrimary(ctx context.Context, t Target) (*remote, error) {
	url := overWire(t.Primary)
	s, err := t.openServer(ctx, url)
	if err != nil && errors.Is(err, hrana.ErrUnreachable) {
		return openRemote(url, t.serverOptions()...)
	}
	return s, err
}

// overWire is the URL of a server without the parameters that are not hrana's.
func overWire(name string) string {
	t, err := Target{Name: name}.Resolve()
	if err != nil {
		return name
	}
	return t.Name
}

func (r *replica) Run(ctx context.Context, sql string, args []any, rows Rows) (Result, error) {
	st, _ := sqltext.First(sql)
	if setsForeignKeys.MatchString(sql) {
		// It is read here and counts there.
		if _, err := r.local.Run(ctx, sql, args, Discard); err != nil {
			return Result{}, err
		}
	} else if r.readsHere(st) {
		return r.local.Run(ctx, sql, args, rows)
	}
	res, err := r.primary.Run(ctx, sql, args, rows)
	if err != nil {
		return res, err
	}
	res.Warning = r.catchUp(ctx)
	return res, nil
}

var setsForeignKeys = regexp.MustCompile(`(?i)^\s*PRAGMA\s+foreign_keys\s*[=(]`)

// readsHere tells whether the file can answer a statement. What it cannot compile may be about a table that it does not
// have yet.
func (r *replica) readsHere(st sqltext.Statement) bool {
	if r.local.InTx() {
		return true
	}
	if r.primary.InTx() || st.Tx != sqltext.TxNone || asksForWrites(st) {
		return false
	}
	s, err := r.local.conn.PrepareCached(st.SQL)
	if err != nil {
		return false
	}
	defer s.Finalize()
	return s.ReadOnly()
}

// asksForWrites tells whether a statement uses a function about what its connection wrote.
func asksForWrites(st sqltext.Statement) bool {
	for token := range sqltext.Tokens(st.SQL) {
		switch strings.ToLower(token) {
		case "changes", "total_changes", "last_insert_rowid":
			return true
		}
	}
	return false
}

// catchUp brings the file to what was written, once it is committed. The error says why that could not be.
func (r *replica) catchUp(ctx context.Context) error {
	index := r.primary.index
	if r.primary.InTx() || !index.Known || r.seen.Later(index) == r.seen {
		return nil
	}
	if _, err := r.replica.SyncUntil(ctx, index.FrameNo); err != nil {
		return fmt.Errorf("it was written, but the replica does not have it yet: %w", err)
	}
	r.seen = index
	return nil
}

func (r *replica) RunBatch(ctx context.Context, statements []string) (done int, err error) {
	done, err = r.primary.RunBatch(ctx, statements)
	if done > 0 && !r.primary.InTx() {
		// A batch does not say which frame holds it; what is read after it does.
		_, askErr := r.primary.Run(ctx, "SELECT 1", nil, Discard)
		err = errors.Join(err, askErr, r.catchUp(ctx))
	}
	return done, err
}

// ReadTx reads the file, unless a transaction is open on the primary.
func (r *replica) ReadTx(ctx context.Context, do func() error) error {
	if r.primary.InTx() {
		return do()
	}
	return readTx(ctx, r.local, do)
}

func (r *replica) InTx() bool             { return r.primary.InTx() }
func (r *replica) Replica() *floe.Replica { return r.replica }
func (r *replica) Close() error           { return errors.Join(r.primary.Close(), r.local.Close()) }
