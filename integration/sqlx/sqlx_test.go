// Package sqlx_test runs a small application written with
// github.com/jmoiron/sqlx over every mode of floe.
package sqlx_test

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/integration/internal/modes"
)

// sqlx knows drivers by name, and how they mark parameters.
func init() { sqlx.BindDriver("floe", sqlx.QUESTION) }

const schema = `
CREATE TABLE authors (
	id      INTEGER PRIMARY KEY,
	name    TEXT NOT NULL UNIQUE,
	born    DATETIME,
	living  BOOLEAN NOT NULL
);
CREATE TABLE books (
	id        INTEGER PRIMARY KEY,
	author_id INTEGER NOT NULL REFERENCES authors(id),
	title     TEXT NOT NULL,
	subtitle  TEXT,
	cover     BLOB,
	sold      INTEGER NOT NULL DEFAULT 0,
	UNIQUE (author_id, title)
);`

type author struct {
	ID     int64        `db:"id"`
	Name   string       `db:"name"`
	Born   sql.NullTime `db:"born"`
	Living bool         `db:"living"`
}

type book struct {
	ID       int64   `db:"id"`
	AuthorID int64   `db:"author_id"`
	Title    string  `db:"title"`
	Subtitle *string `db:"subtitle"`
	Cover    []byte  `db:"cover"`
	Sold     int64   `db:"sold"`
}

// store is the application's way to its database.
type store struct{ db *sqlx.DB }

func open(t *testing.T, dsn string) *store {
	t.Helper()
	db, err := sqlx.Connect("floe", dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if _, err := db.Exec(schema); err != nil {
		t.Fatalf("schema: %v", err)
	}
	return &store{db}
}

func (s *store) addAuthor(ctx context.Context, a *author) error {
	stmt, err := s.db.PrepareNamedContext(ctx,
		"INSERT INTO authors (name, born, living) VALUES (:name, :born, :living) RETURNING id")
	if err != nil {
		return err
	}
	defer stmt.Close()
	return stmt.GetContext(ctx, &a.ID, a)
}

func (s *store) addBooks(ctx context.Context, books []book) error {
	_, err := s.db.NamedExecContext(ctx, `INSERT INTO books (author_id, title, subtitle, cover, sold)
		VALUES (:author_id, :title, :subtitle, :cover, :sold)`, books)
	return err
}

// sell counts copies of a book that may not be there yet.
func (s *store) sell(ctx context.Context, authorID int64, title string, copies int64) (sold int64, err error) {
	err = s.db.GetContext(ctx, &sold, `INSERT INTO books (author_id, title, sold) VALUES (?, ?, ?)
		ON CONFLICT (author_id, title) DO UPDATE SET sold = sold + excluded.sold RETURNING sold`, authorID, title, copies)
	return sold, err
}

func (s *store) author(ctx context.Context, name string) (a author, err error) {
	err = s.db.GetContext(ctx, &a, "SELECT * FROM authors WHERE name = ?", name)
	return a, err
}

func (s *store) booksOf(ctx context.Context, names ...string) (books []book, err error) {
	query, args, err := sqlx.In(`SELECT books.* FROM books JOIN authors ON authors.id = author_id
		WHERE authors.name IN (?) ORDER BY title`, names)
	if err != nil {
		return nil, err
	}
	err = s.db.SelectContext(ctx, &books, s.db.Rebind(query), args...)
	return books, err
}

var tove = author{Name: "Tove Jansson", Born: sql.NullTime{Time: time.Date(1914, 8, 9, 6, 30, 0, 123456789, time.UTC), Valid: true}}

func addJansson(t *testing.T, s *store) author {
	t.Helper()
	a := tove
	if err := s.addAuthor(t.Context(), &a); err != nil {
		t.Fatalf("add author: %v", err)
	}
	return a
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		jansson := addJansson(t, s)
		subtitle := "A Novel"
		want := []book{
			{ID: 1, AuthorID: jansson.ID, Title: "Comet in Moominland", Cover: []byte{0, 1, 255}, Sold: math.MaxInt64},
			{ID: 2, AuthorID: jansson.ID, Title: "The Summer Book", Subtitle: &subtitle, Cover: []byte{}, Sold: math.MinInt64},
		}
		if err := s.addBooks(ctx, want); err != nil {
			t.Fatalf("add books: %v", err)
		}
		if got, err := s.author(ctx, jansson.Name); err != nil || !cmp.Equal(jansson, got) {
			t.Errorf("author is %+v (%v), want %+v", got, err, jansson)
		}
		got, err := s.booksOf(ctx, "nobody", jansson.Name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("books: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestRowsScanIntoStructsAndMaps(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		jansson := addJansson(t, s)
		rows, err := s.db.QueryxContext(t.Context(), "SELECT id, name, born, living, NULL AS died FROM authors")
		if err != nil {
			t.Fatalf("query: %v", err)
		}
		defer rows.Close()
		got := map[string]any{}
		for rows.Next() {
			if err := rows.MapScan(got); err != nil {
				t.Fatalf("scan: %v", err)
			}
		}
		want := map[string]any{"id": jansson.ID, "name": jansson.Name, "born": jansson.Born.Time, "living": false, "died": nil}
		if diff := cmp.Diff(want, got); rows.Err() != nil || diff != "" {
			t.Errorf("row: %v (-want +got):\n%s", rows.Err(), diff)
		}
	})
}

func TestUpdateAndDeleteCountRows(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		addJansson(t, s)
		res, err := s.db.NamedExecContext(ctx, "UPDATE authors SET living = :on, born = NULL WHERE name = :name",
			map[string]any{"on": true, "name": tove.Name})
		if err != nil {
			t.Fatalf("update: %v", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			t.Errorf("update changed %d rows (%v), want 1", n, err)
		}
		if got, err := s.author(ctx, tove.Name); err != nil || !got.Living || got.Born.Valid {
			t.Errorf("author is %+v (%v), want a living one without a birthday", got, err)
		}
		res = s.db.MustExecContext(ctx, "DELETE FROM authors")
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			t.Errorf("delete changed %d rows (%v), want 1", n, err)
		}
		if _, err := s.author(ctx, tove.Name); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("author after delete: %v, want %v", err, sql.ErrNoRows)
		}
	})
}

func TestUpsertReturnsTheNewValue(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		jansson := addJansson(t, s)
		for _, want := range []int64{5, 10} {
			if got, err := s.sell(t.Context(), jansson.ID, "Moominpappa at Sea", 5); err != nil || got != want {
				t.Errorf("sold %d (%v), want %d", got, err, want)
			}
		}
	})
}

func TestTransactionsCommitOrLeaveNothing(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		s, ctx := open(t, dsn), t.Context()
		inTx := func(name string, end func(*sqlx.Tx) error) {
			tx := s.db.MustBeginTx(ctx, nil)
			defer tx.Rollback()
			tx.MustExecContext(ctx, "INSERT INTO authors (name, living) VALUES (?, ?)", name, true)
			var seen string
			if err := tx.GetContext(ctx, &seen, "SELECT name FROM authors WHERE name = ?", name); err != nil {
				t.Errorf("the transaction reads its own row: %v", err)
			}
			if err := end(tx); err != nil {
				t.Errorf("end of the transaction: %v", err)
			}
		}
		inTx("kept", (*sqlx.Tx).Commit)
		inTx("dropped", (*sqlx.Tx).Rollback)
		var names []string
		err := s.db.SelectContext(ctx, &names, "SELECT name FROM authors")
		if diff := cmp.Diff([]string{"kept"}, names); err != nil || diff != "" {
			t.Errorf("authors: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestViolatedConstraintsAreSeenAsSuch(t *testing.T) {
	modes.Run(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		addJansson(t, s)
		if err := s.addAuthor(t.Context(), &author{Name: tove.Name}); !errors.Is(err, engine.ConstraintUnique) {
			t.Errorf("second author of that name: %v, want %v", err, engine.ConstraintUnique)
		}
		orphan := []book{{AuthorID: 99, Title: "x"}}
		if err := s.addBooks(t.Context(), orphan); !errors.Is(err, engine.ConstraintForeignKey) {
			t.Errorf("book of no author: %v, want %v", err, engine.ConstraintForeignKey)
		}
	})
}
