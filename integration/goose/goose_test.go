// Package goose_test migrates a small database with github.com/pressly/goose/v3
// over every mode of floe.
package goose_test

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/integration/internal/modes"
)

//go:embed migrations
var files embed.FS

// goMigration is number 3, between those that are files.
func goMigration() *goose.Migration {
	up := func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO authors (id, name) VALUES (?, ?)", 1, "Tove Jansson")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO books (author_id, title) SELECT id, ? FROM authors", "The Summer Book")
		return err
	}
	down := func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM books; DELETE FROM authors")
		return err
	}
	return goose.NewGoMigration(3, &goose.GoFunc{RunTx: up}, &goose.GoFunc{RunTx: down})
}

func provider(t *testing.T, db *sql.DB, migrations fs.FS, opts ...goose.ProviderOption) *goose.Provider {
	t.Helper()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, migrations, opts...)
	if err != nil {
		t.Fatalf("provider: %v", err)
	}
	return p
}

func libraryProvider(t *testing.T, db *sql.DB) *goose.Provider {
	t.Helper()
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		t.Fatalf("migrations: %v", err)
	}
	return provider(t, db, migrations, goose.WithGoMigrations(goMigration()))
}

// names are those of the tables, indexes and triggers.
func names(t *testing.T, db *sql.DB) (found []string) {
	t.Helper()
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%' ORDER BY name")
	if err != nil {
		t.Fatalf("schema: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatalf("schema: %v", err)
		}
		found = append(found, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("schema: %v", err)
	}
	return found
}

func states(t *testing.T, p *goose.Provider) (applied []bool) {
	t.Helper()
	status, err := p.Status(t.Context())
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	for _, s := range status {
		if s.State == goose.StateApplied && s.AppliedAt.IsZero() {
			t.Errorf("migration %d has no time at which it was applied", s.Source.Version)
		}
		applied = append(applied, s.State == goose.StateApplied)
	}
	return applied
}

func TestMigrationsGoUpAndDown(t *testing.T) {
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		p, ctx := libraryProvider(t, db), t.Context()
		if results, err := p.Up(ctx); err != nil || len(results) != 4 {
			t.Fatalf("up ran %d migrations (%v), want 4", len(results), err)
		}
		if diff := cmp.Diff([]bool{true, true, true, true}, states(t, p)); diff != "" {
			t.Errorf("applied after up (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"authors", "books", "books_of_author", "no_empty_titles"}, names(t, db)); diff != "" {
			t.Errorf("schema after up (-want +got):\n%s", diff)
		}
		var title string
		err := db.QueryRow("SELECT title FROM books JOIN authors ON authors.id = author_id WHERE living").Scan(&title)
		if err != nil || title != "The Summer Book" {
			t.Errorf("book of the Go migration is %q (%v), want %q", title, err, "The Summer Book")
		}

		if results, err := p.DownTo(ctx, 1); err != nil || len(results) != 3 {
			t.Fatalf("down ran %d migrations (%v), want 3", len(results), err)
		}
		if diff := cmp.Diff([]bool{true, false, false, false}, states(t, p)); diff != "" {
			t.Errorf("applied after down (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"authors", "books"}, names(t, db)); diff != "" {
			t.Errorf("schema after down (-want +got):\n%s", diff)
		}
		if _, err := p.Down(ctx); err != nil {
			t.Fatalf("down: %v", err)
		}
		if version, err := p.GetDBVersion(ctx); err != nil || version != 0 {
			t.Errorf("version is %d (%v), want 0", version, err)
		}
	})
}

func TestAMigrationThatFailsLeavesNothing(t *testing.T) {
	files := fstest.MapFS{
		"1_pairs.sql": {Data: []byte("-- +goose Up\nCREATE TABLE pairs (x UNIQUE);\nINSERT INTO pairs VALUES (1);\nINSERT INTO pairs VALUES (1);")},
	}
	modes.RunDB(t, func(t *testing.T, db *sql.DB) {
		p := provider(t, db, files)
		var partial *goose.PartialError
		_, err := p.Up(t.Context())
		if !errors.As(err, &partial) || !errors.Is(err, engine.ConstraintUnique) {
			t.Errorf("up: %v, want a %T and %v", err, partial, engine.ConstraintUnique)
		}
		if got := names(t, db); got != nil {
			t.Errorf("a migration that failed left %q", got)
		}
		if diff := cmp.Diff([]bool{false}, states(t, p)); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
	})
}
