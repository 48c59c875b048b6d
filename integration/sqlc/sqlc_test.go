// Package sqlc_test runs a small application over every mode of floe, with the
// queries of package library, which sqlc generated.
package sqlc_test

import (
	"database/sql"
	_ "embed"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/integration/internal/modes"
	"github.com/floedb/floe/integration/sqlc/library"
)

//go:embed schema.sql
var schema string

func open(t *testing.T, db *sql.DB) *library.Queries {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), schema); err != nil {
		t.Fatalf("schema: %v", err)
	}
	return library.New(db)
}

func addAuthor(t *testing.T, q *library.Queries) library.Author {
	t.Helper()
	born := time.Date(1914, 8, 9, 6, 30, 0, 123456789, time.UTC)
	want := library.Author{ID: 1, Name: "Tove Jansson", Born: &born}
	a, err := q.AddAuthor(t.Context(), library.AddAuthorParams{Name: want.Name, Born: want.Born})
	if diff := cmp.Diff(want, a); err != nil || diff != "" {
		t.Fatalf("new author: %v (-want +got):\n%s", err, diff)
	}
	return a
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		q, ctx := open(t, db), t.Context()
		a := addAuthor(t, q)
		subtitle := "A Novel"
		var want []library.BooksWithAuthorsRow
		for _, p := range []library.AddBookParams{
			{AuthorID: a.ID, Title: "Comet in Moominland", Cover: []byte{0, 1, 255}, Sold: math.MaxInt64},
			{AuthorID: a.ID, Title: "The Summer Book", Subtitle: &subtitle, Cover: []byte{}, Sold: math.MinInt64},
		} {
			b, err := q.AddBook(ctx, p)
			if err != nil {
				t.Fatalf("add book: %v", err)
			}
			if diff := cmp.Diff(p, library.AddBookParams{AuthorID: b.AuthorID, Title: b.Title, Subtitle: b.Subtitle, Cover: b.Cover, Sold: b.Sold}); diff != "" {
				t.Errorf("new book (-want +got):\n%s", diff)
			}
			want = append(want, library.BooksWithAuthorsRow{Book: b, Author: a})
		}
		got, err := q.BooksWithAuthors(ctx, []string{"nobody", a.Name})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("books: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestUpdateAndDeleteCountRows(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		q, ctx := open(t, db), t.Context()
		a := addAuthor(t, q)
		if n, err := q.SetLiving(ctx, library.SetLivingParams{Name: a.Name, Living: true}); err != nil || n != 1 {
			t.Errorf("update changed %d rows (%v), want 1", n, err)
		}
		want := library.Author{ID: a.ID, Name: a.Name, Living: true}
		got, err := q.Author(ctx, a.Name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("author: %v (-want +got):\n%s", err, diff)
		}
		if err := q.DeleteAuthor(ctx, a.ID); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := q.Author(ctx, a.Name); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("author after delete: %v, want %v", err, sql.ErrNoRows)
		}
	})
}

func TestUpsertReturnsTheNewValue(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		q := open(t, db)
		a := addAuthor(t, q)
		for _, want := range []int64{5, 10} {
			got, err := q.Sell(t.Context(), library.SellParams{AuthorID: a.ID, Title: "Moominpappa at Sea", Copies: 5})
			if err != nil || got != want {
				t.Errorf("sold %d (%v), want %d", got, err, want)
			}
		}
	})
}

func TestTransactionsCommitOrLeaveNothing(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		q, ctx := open(t, db), t.Context()
		inTx := func(name string, end func(*sql.Tx) error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatalf("begin: %v", err)
			}
			defer tx.Rollback()
			id, err := q.WithTx(tx).AddPlainAuthor(ctx, name)
			if err != nil {
				t.Fatalf("add author: %v", err)
			}
			if a, err := q.WithTx(tx).Author(ctx, name); err != nil || a.ID != id {
				t.Errorf("in the transaction the author has id %d (%v), want %d", a.ID, err, id)
			}
			if err := end(tx); err != nil {
				t.Errorf("end of the transaction: %v", err)
			}
		}
		inTx("kept", (*sql.Tx).Commit)
		inTx("dropped", (*sql.Tx).Rollback)
		names, err := q.AuthorNames(ctx)
		if diff := cmp.Diff([]string{"kept"}, names); err != nil || diff != "" {
			t.Errorf("authors: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestViolatedConstraintsAreSeenAsSuch(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		q, ctx := open(t, db), t.Context()
		a := addAuthor(t, q)
		if _, err := q.AddAuthor(ctx, library.AddAuthorParams{Name: a.Name}); !errors.Is(err, engine.ConstraintUnique) {
			t.Errorf("second author of that name: %v, want %v", err, engine.ConstraintUnique)
		}
		if _, err := q.AddBook(ctx, library.AddBookParams{AuthorID: 99}); !errors.Is(err, engine.ConstraintForeignKey) {
			t.Errorf("book of no author: %v, want %v", err, engine.ConstraintForeignKey)
		}
	})
}
