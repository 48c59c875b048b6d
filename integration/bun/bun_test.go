// Package bun_test runs a small application written with github.com/uptrace/bun
// over every mode of floe.
package bun_test

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/integration/internal/modes"
)

type author struct {
	bun.BaseModel `bun:"table:authors"`

	ID     int64     `bun:",pk,autoincrement"`
	Name   string    `bun:",notnull,unique"`
	Born   time.Time `bun:",nullzero"`
	Died   *time.Time
	Living bool    `bun:",notnull"`
	Books  []*book `bun:"rel:has-many,join:id=author_id"`
}

type book struct {
	bun.BaseModel `bun:"table:books"`

	ID       int64  `bun:",pk,autoincrement"`
	AuthorID int64  `bun:",notnull,unique:title_of_author"`
	Title    string `bun:",notnull,unique:title_of_author"`
	Subtitle *string
	Cover    []byte
	Sold     int64    `bun:",notnull"`
	Tags     []string // JSON
	Author   *author  `bun:"rel:belongs-to,join:author_id=id"`
}

// library is the application's way to its database.
type library struct{ db *bun.DB }

func open(t *testing.T, sqldb *sql.DB) *library {
	t.Helper()
	l := &library{bun.NewDB(sqldb, sqlitedialect.New())}
	for _, model := range []any{(*author)(nil), (*book)(nil)} {
		if _, err := l.db.NewCreateTable().Model(model).WithForeignKeys().IfNotExists().Exec(t.Context()); err != nil {
			t.Fatalf("create table of %T: %v", model, err)
		}
	}
	return l
}

func (l *library) add(ctx context.Context, models any) error {
	_, err := l.db.NewInsert().Model(models).Exec(ctx)
	return err
}

// author reads an author with the books, in the order of their titles.
func (l *library) author(ctx context.Context, name string) (*author, error) {
	a := &author{}
	err := l.db.NewSelect().Model(a).Where("name = ?", name).
		Relation("Books", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("title") }).Scan(ctx)
	return a, err
}

// sell counts copies of a book that may not be there yet.
func (l *library) sell(ctx context.Context, authorID int64, title string, copies int64) (*book, error) {
	b := &book{AuthorID: authorID, Title: title, Sold: copies}
	_, err := l.db.NewInsert().Model(b).On("CONFLICT (author_id, title) DO UPDATE").
		Set("sold = book.sold + EXCLUDED.sold").Returning("*").Exec(ctx)
	return b, err
}

func addAuthor(t *testing.T, l *library) *author {
	t.Helper()
	// bun writes times in UTC, to the microsecond.
	a := &author{Name: "Tove Jansson", Born: time.Date(1914, 8, 9, 6, 30, 0, 123456000, time.UTC)}
	if err := l.add(t.Context(), a); err != nil {
		t.Fatalf("add author: %v", err)
	}
	if a.ID == 0 {
		t.Fatal("the new author has no id")
	}
	return a
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l, ctx := open(t, db), t.Context()
		want := addAuthor(t, l)
		subtitle := "A Novel; it's \"short\"?"
		want.Books = []*book{
			{AuthorID: want.ID, Title: "Comet in Moominland", Cover: []byte{0, 1, 255}, Sold: math.MaxInt64, Tags: []string{"a"}},
			{AuthorID: want.ID, Title: "The Summer Book", Subtitle: &subtitle, Cover: []byte{}, Sold: math.MinInt64},
		}
		if err := l.add(ctx, &want.Books); err != nil {
			t.Fatalf("add books: %v", err)
		}
		got, err := l.author(ctx, want.Name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("author: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestABookIsReadWithItsAuthor(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l, ctx := open(t, db), t.Context()
		want := addAuthor(t, l)
		if err := l.add(ctx, &book{AuthorID: want.ID, Title: "The Summer Book"}); err != nil {
			t.Fatalf("add book: %v", err)
		}
		got := &book{}
		if err := l.db.NewSelect().Model(got).Relation("Author").Where("author.name = ?", want.Name).Scan(ctx); err != nil {
			t.Fatalf("read: %v", err)
		}
		if diff := cmp.Diff(want, got.Author); diff != "" {
			t.Errorf("author of the book (-want +got):\n%s", diff)
		}
	})
}

func TestUpdateAndDeleteCountAndReturnRows(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l, ctx := open(t, db), t.Context()
		a := addAuthor(t, l)
		died := time.Date(2001, 6, 27, 0, 0, 0, 0, time.UTC)
		a.Died, a.Born, a.Living = &died, time.Time{}, true
		res, err := l.db.NewUpdate().Model(a).WherePK().Exec(ctx)
		if err != nil {
			t.Fatalf("update: %v", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			t.Errorf("update changed %d rows (%v), want 1", n, err)
		}
		var deleted []author
		if err := l.db.NewDelete().Model((*author)(nil)).Where("living").Returning("*").Scan(ctx, &deleted); err != nil {
			t.Fatalf("delete: %v", err)
		}
		if diff := cmp.Diff([]author{*a}, deleted); diff != "" {
			t.Errorf("deleted (-want +got):\n%s", diff)
		}
		if _, err := l.author(ctx, a.Name); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("author after delete: %v, want %v", err, sql.ErrNoRows)
		}
	})
}

func TestUpsertReturnsTheNewValue(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l := open(t, db)
		a := addAuthor(t, l)
		for _, want := range []int64{5, 10} {
			if got, err := l.sell(t.Context(), a.ID, "Moominpappa at Sea", 5); err != nil || got.Sold != want {
				t.Errorf("sold %d (%v), want %d", got.Sold, err, want)
			}
		}
	})
}

func TestTransactionsCommitOrLeaveNothing(t *testing.T) {
	errNo := errors.New("no")
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l, ctx := open(t, db), t.Context()
		inTx := func(name string, end error) {
			err := l.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.NewInsert().Model(&author{Name: name}).Exec(ctx); err != nil {
					return err
				}
				there, err := tx.NewSelect().Model((*author)(nil)).Where("name = ?", name).Exists(ctx)
				if err != nil || !there {
					t.Errorf("the transaction sees its own row: %v (%v), want true", there, err)
				}
				// bun makes a transaction in a transaction a savepoint.
				err = tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
					if _, err := tx.NewDelete().Model((*author)(nil)).Where("TRUE").Exec(ctx); err != nil {
						return err
					}
					return errNo
				})
				if !errors.Is(err, errNo) {
					t.Errorf("savepoint: %v, want %v", err, errNo)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Errorf("transaction: %v, want %v", err, end)
			}
		}
		inTx("kept", nil)
		inTx("dropped", errNo)
		var names []string
		err := l.db.NewSelect().Model((*author)(nil)).Column("name").Scan(ctx, &names)
		if diff := cmp.Diff([]string{"kept"}, names); err != nil || diff != "" {
			t.Errorf("authors: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestViolatedConstraintsAreSeenAsSuch(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l, ctx := open(t, db), t.Context()
		a := addAuthor(t, l)
		if err := l.add(ctx, &author{Name: a.Name}); !errors.Is(err, engine.ConstraintUnique) {
			t.Errorf("second author of that name: %v, want %v", err, engine.ConstraintUnique)
		}
		if err := l.add(ctx, &book{AuthorID: 99, Title: "x"}); !errors.Is(err, engine.ConstraintForeignKey) {
			t.Errorf("book of no author: %v, want %v", err, engine.ConstraintForeignKey)
		}
	})
}

func TestMigrationsGoUpAndDown(t *testing.T) {
	files := fstest.MapFS{
		"20240101000000_shelves.tx.up.sql":   {Data: []byte("CREATE TABLE shelves (id INTEGER PRIMARY KEY);\n--bun:split\nCREATE INDEX i ON shelves (id);")},
		"20240101000000_shelves.tx.down.sql": {Data: []byte("DROP TABLE shelves")},
	}
	migrations := migrate.NewMigrations()
	if err := migrations.Discover(files); err != nil {
		t.Fatalf("discover: %v", err)
	}
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		l, ctx := open(t, db), t.Context()
		m := migrate.NewMigrator(l.db, migrations)
		if err := m.Init(ctx); err != nil {
			t.Fatalf("init: %v", err)
		}
		step := func(what string, run func(context.Context, ...migrate.MigrationOption) (*migrate.MigrationGroup, error), want int64) {
			t.Helper()
			if _, err := run(ctx); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			applied, err := m.AppliedMigrations(ctx)
			if err != nil || int64(len(applied)) != want {
				t.Errorf("after %s %d migrations are applied (%v), want %d", what, len(applied), err, want)
			}
			n, err := l.db.NewSelect().Table("sqlite_schema").Where("name = ?", "shelves").Count(ctx)
			if err != nil || n != want {
				t.Errorf("after %s there are %d tables of shelves (%v), want %d", what, n, err, want)
			}
		}
		step("up", m.Migrate, 1)
		step("down", m.Rollback, 0)
	})
}
