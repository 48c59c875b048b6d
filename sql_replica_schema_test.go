package floe_test

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/uuid"
	"github.com/floedb/floe/internal/sqldtest"
)

// launches registers the function launch, which is for the program alone, and tells
// how often it was called.
type launches struct{ n atomic.Int64 }

func (l *launches) register(_ context.Context, c *engine.Conn) error {
	err := c.CreateFunction("launch", 0, 0, func(ctx *engine.FuncContext, _ []engine.Value) error {
		l.n.Add(1)
		ctx.ResultInt64(1)
		return nil
	})
	if err == nil {
		err = uuid.Register(c)
	}
	return err
}

// hostilePrimary has a view in place of a table that calls a function which only the
// program has.
func hostilePrimary(t *testing.T) *sqldtest.Server {
	t.Helper()
	srv := sqldtest.Start(t)
	srv.Exec(t, "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)", "CREATE VIEW notes AS SELECT launch() AS a FROM t",
		"CREATE VIEW ids AS SELECT length(uuid4()) AS n FROM t", "CREATE VIEW days AS SELECT date(a) AS d FROM t",
		"CREATE VIRTUAL TABLE words USING fts5(w)", "INSERT INTO words VALUES ('a word')",
		"CREATE VIEW found AS SELECT count(*) AS n FROM words WHERE words MATCH 'word'",
		"CREATE VIEW ranked AS SELECT snippet(words, 0, '<', '>', '', 9) || highlight(words, 0, '(', ')') AS s "+
			"FROM words WHERE words MATCH 'word' ORDER BY bm25(words)")
	return srv
}

func TestSchemaOfAPrimaryCannotCallFunctionsOfTheProgram(t *testing.T) {
	srv := hostilePrimary(t)
	r := openNew(t, srv)
	mustSync(t, r)
	for name, open := range map[string]func(*testing.T, floe.Option) *sql.DB{
		"data source name": func(t *testing.T, opt floe.Option) *sql.DB {
			return openByName(t, "file:"+newPath(t)+"?primary="+url.QueryEscape(srv.URL), opt)
		},
		"connector": func(t *testing.T, opt floe.Option) *sql.DB { return sql.OpenDB(r.Connector(opt)) },
		"mode=ro":   func(t *testing.T, opt floe.Option) *sql.DB { return openByName(t, "file:"+r.Path()+"?mode=ro", opt) },
		"OpenReadOnly": func(t *testing.T, opt floe.Option) *sql.DB {
			db, err := floe.OpenReadOnly(limit(t), r.Path())
			if err != nil {
				t.Fatal(err)
			}
			return sql.OpenDB(db.Connector(opt))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l launches
			db := open(t, floe.WithOnConnect(l.register))
			defer db.Close()
			var n int
			err := db.QueryRowContext(limit(t), "SELECT a FROM notes").Scan(&n)
			if err == nil || !strings.Contains(err.Error(), "unsafe use of launch()") || l.n.Load() != 0 {
				t.Errorf("the view gave %d, %v, and called the function %d times", n, err, l.n.Load())
			}
			wantRow(t, db, int64(1), "SELECT launch()")
			wantRow(t, db, int64(36), "SELECT n FROM ids")
			wantRow(t, db, int64(1), "SELECT n FROM found")
			wantRow(t, db, "a <word>a (word)", "SELECT s FROM ranked")
			wantRow(t, db, "a <word>", "SELECT snippet(words, 0, '<', '>', '', 9) FROM words('word') WHERE bm25(words) < 0")
			wantRow(t, db, "-4713-11-25", "SELECT d FROM days")
			wantRow(t, db, int64(0), "PRAGMA trusted_schema")
		})
	}
	trusting := openByName(t, "file:"+newPath(t)+"?_trusted_schema=on&primary="+url.QueryEscape(srv.URL), floe.WithOnConnect((&launches{}).register))
	defer trusting.Close()
	wantRow(t, trusting, int64(1), "SELECT a FROM notes")
}

func openByName(t *testing.T, dsn string, opts ...floe.Option) *sql.DB {
	t.Helper()
	c, err := floe.NewConnector(dsn, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(c)
}

func TestConnOfAReplicaDoesNotTrustTheSchemaUnlessToldTo(t *testing.T) {
	srv := hostilePrimary(t)
	r := openNew(t, srv)
	mustSync(t, r)
	closeReplica(t, r)
	trusting := openAt(t, r.Path(), srv, floe.WithTrustedSchema(true))
	again := sql.OpenDB(trusting.Connector(floe.WithOnConnect((&launches{}).register)))
	defer again.Close()
	wantRow(t, again, int64(1), "SELECT a FROM notes")
	readOnly, err := floe.OpenReadOnly(limit(t), r.Path())
	if err != nil {
		t.Fatal(err)
	}
	plain := openAt(t, r.Path(), srv)
	for _, c := range []struct {
		name string
		db   conner
		want int64
	}{{"Replica.Conn", plain, 0}, {"OpenReadOnly", readOnly, 0}, {"WithTrustedSchema", trusting, 1}} {
		conn, err := c.db.Conn(limit(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var l launches
		if err := l.register(limit(t), conn.Conn); err != nil {
			t.Fatal(err)
		}
		err = conn.Exec(limit(t), "SELECT a FROM notes")
		if l.n.Load() != c.want || (err == nil) != (c.want == 1) {
			t.Errorf("%s: the view called the function %d times (%v), want %d", c.name, l.n.Load(), err, c.want)
		}
	}
}
