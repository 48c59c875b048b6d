// Package ent_test runs a small application over every mode of floe, with package
// library, which ent generated.
package ent_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/integration/ent/library"
	"github.com/floedb/floe/integration/ent/library/author"
	"github.com/floedb/floe/integration/ent/library/book"
	"github.com/floedb/floe/integration/internal/modes"
)

func open(t *testing.T, db *sql.DB) *library.Client {
	t.Helper()
	client := library.NewClient(library.Driver(entsql.OpenDB(dialect.SQLite, db)))
	for range 2 { // the second time there is nothing to do
		if err := client.Schema.Create(t.Context()); err != nil {
			t.Fatalf("schema: %v", err)
		}
	}
	return client
}

func TestASecondMigrationLeavesTheSchemaAlone(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c := open(t, db)
		const schema = "SELECT group_concat(name || ' ' || rootpage || ' ' || coalesce(sql, ''), char(10)) FROM sqlite_schema"
		var before, after string
		if err := db.QueryRow(schema).Scan(&before); err != nil {
			t.Fatal(err)
		}
		if err := c.Schema.Create(t.Context()); err != nil {
			t.Fatalf("schema: %v", err)
		}
		if err := db.QueryRow(schema).Scan(&after); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("schema (-before +after):\n%s", diff)
		}
	})
}

func addAuthor(t *testing.T, c *library.Client) *library.Author {
	t.Helper()
	a, err := c.Author.Create().SetName("Tove Jansson").SetBorn(time.Date(1914, 8, 9, 6, 30, 0, 123456789, time.UTC)).
		SetCreated(time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)).SetKind(author.KindPoet).Save(t.Context())
	if err != nil {
		t.Fatalf("add author: %v", err)
	}
	return a
}

func diffOf[T any](want, got T) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(library.Author{}, library.Book{}, library.AuthorEdges{}, library.BookEdges{}))
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db), t.Context()
		want := addAuthor(t, c)
		books, err := c.Book.CreateBulk(
			c.Book.Create().SetAuthor(want).SetTitle("Comet in Moominland").SetCover([]byte{0, 1, 255}).SetSold(math.MaxInt64).SetPrice(0.1),
			c.Book.Create().SetAuthor(want).SetTitle("The Summer Book").SetSubtitle("A Novel").SetSold(math.MinInt64).SetTags([]string{"a"}),
		).Save(ctx)
		if err != nil {
			t.Fatalf("add books: %v", err)
		}
		for _, b := range books {
			b.Edges = library.BookEdges{}
		}
		want.Edges.Books = books
		got, err := c.Author.Query().Where(author.HasBooksWith(book.SoldGT(0))).
			WithBooks(func(q *library.BookQuery) { q.Order(book.ByTitle()) }).Only(ctx)
		if diff := diffOf(want, got); err != nil || diff != "" {
			t.Errorf("author: %v (-want +got):\n%s", err, diff)
		}
		want.Edges.Books = nil
		b, err := c.Book.Query().Where(book.HasAuthorWith(author.Name(want.Name)), book.SubtitleNotNil()).WithAuthor().Only(ctx)
		if err != nil {
			t.Fatalf("book with its author: %v", err)
		}
		if diff := diffOf(want, b.Edges.Author); diff != "" {
			t.Errorf("author of the book (-want +got):\n%s", diff)
		}
	})
}

func TestUpdateAndDeleteCountRows(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db), t.Context()
		a := addAuthor(t, c)
		got, err := a.Update().SetLiving(true).ClearBorn().Save(ctx)
		if err != nil || !got.Living || got.Born != nil {
			t.Errorf("author is %v (%v), want a living one without a birthday", got, err)
		}
		if n, err := c.Author.Update().Where(author.Living(true)).SetLiving(false).Save(ctx); err != nil || n != 1 {
			t.Errorf("update changed %d rows (%v), want 1", n, err)
		}
		if n, err := c.Author.Delete().Where(author.CreatedLT(time.Now())).Exec(ctx); err != nil || n != 1 {
			t.Errorf("delete changed %d rows (%v), want 1", n, err)
		}
		if _, err := c.Author.Get(ctx, a.ID); !library.IsNotFound(err) {
			t.Errorf("author after delete: %v, want one that is not found", err)
		}
	})
}

func TestUpsertReturnsTheRow(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db), t.Context()
		a := addAuthor(t, c)
		var ids [2]int
		for i := range ids {
			id, err := c.Book.Create().SetAuthor(a).SetTitle("Moominpappa at Sea").SetSold(5).
				OnConflictColumns(book.FieldAuthorID, book.FieldTitle).
				Update(func(u *library.BookUpsert) { u.AddSold(5) }).ID(ctx)
			if err != nil {
				t.Fatalf("upsert: %v", err)
			}
			ids[i] = id
		}
		if ids[0] != ids[1] {
			t.Errorf("the book has id %d, and %d when it was there", ids[0], ids[1])
		}
		if b, err := c.Book.Get(ctx, ids[0]); err != nil || b.Sold != 10 {
			t.Errorf("book is %v (%v), want 10 sold", b, err)
		}
	})
}

func TestTransactionsCommitOrLeaveNothing(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db), t.Context()
		inTx := func(name string, end func(*library.Tx) error) {
			tx, err := c.Tx(ctx)
			if err != nil {
				t.Fatalf("begin: %v", err)
			}
			defer tx.Rollback()
			if err := tx.Author.Create().SetName(name).Exec(ctx); err != nil {
				t.Fatalf("add author: %v", err)
			}
			if there, err := tx.Author.Query().Where(author.Name(name)).Exist(ctx); err != nil || !there {
				t.Errorf("the transaction sees its own row: %v (%v), want true", there, err)
			}
			if err := end(tx); err != nil {
				t.Errorf("end of the transaction: %v", err)
			}
		}
		inTx("kept", (*library.Tx).Commit)
		inTx("dropped", (*library.Tx).Rollback)
		names, err := c.Author.Query().Select(author.FieldName).Strings(ctx)
		if diff := cmp.Diff([]string{"kept"}, names); err != nil || diff != "" {
			t.Errorf("authors: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestViolatedConstraintsAreSeenAsSuch(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db), t.Context()
		a := addAuthor(t, c)
		for what, v := range map[string]struct {
			add  func(context.Context) error
			want error
		}{
			"second author of that name": {c.Author.Create().SetName(a.Name).Exec, engine.ConstraintUnique},
			"book of no author":          {c.Book.Create().SetAuthorID(99).SetTitle("x").Exec, engine.ConstraintForeignKey},
		} {
			if err := v.add(ctx); !library.IsConstraintError(err) || !errors.Is(err, v.want) {
				t.Errorf("%s: %v, want %v and an error of a constraint", what, err, v.want)
			}
		}
	})
}

func TestAggregatesScan(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		c, ctx := open(t, db), t.Context()
		a := addAuthor(t, c)
		bulk := make([]*library.BookCreate, 100)
		for i := range bulk {
			bulk[i] = c.Book.Create().SetAuthor(a).SetTitle(fmt.Sprint(i)).SetSold(int64(i))
		}
		if err := c.Book.CreateBulk(bulk...).Exec(ctx); err != nil {
			t.Fatalf("add books: %v", err)
		}
		type row struct {
			AuthorID int `json:"author_id"`
			Count    int
			Max      int
			Mean     float64
		}
		var got []row
		err := c.Book.Query().GroupBy(book.FieldAuthorID).Aggregate(library.Count(), library.Max(book.FieldSold),
			library.As(library.Mean(book.FieldSold), "mean")).Scan(ctx, &got)
		if diff := cmp.Diff([]row{{AuthorID: a.ID, Count: 100, Max: 99, Mean: 49.5}}, got); err != nil || diff != "" {
			t.Errorf("aggregates: %v (-want +got):\n%s", err, diff)
		}
	})
}
