package floe_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe"
)

// A local file.
func Example_localFile() {
	ctx, path := context.Background(), tempFile("app.db")
	defer os.RemoveAll(filepath.Dir(path))

	db, err := sql.Open("floe", "file:"+path+"?_journal_mode=wal&_foreign_keys=1")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, joined DATETIME);
		INSERT INTO users(name, joined) VALUES (?, ?)`, "Ann", time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	var joined time.Time
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT joined FROM users WHERE name = :name", sql.Named("name", "Ann")).Scan(&joined)
	}

	fmt.Println(joined.Format(time.DateOnly), err)
	// Output: 2026-05-01 <nil>
}

// A database on a libSQL server, over HTTP or WebSocket.
func Example_remoteServer() {
	ctx, token := context.Background(), os.Getenv("FLOE_AUTH_TOKEN")
	err := func() error {
		db, err := sql.Open("floe", "libsql://db.example.com?authToken="+token) // or wss://, or http://127.0.0.1:8080
		if err != nil {
			return err
		}
		defer db.Close()
		rows, err := db.QueryContext(ctx, "SELECT id, name FROM users") // streams, however many there are
		if err != nil {
			return err
		}
		defer rows.Close()
		return printUsers(rows)
	}()
	if errors.Is(err, floe.ErrUnreachable) {
		log.Print("try again later")
	}
}

// A replica: reads are local, writes go to the primary, and a read sees the
// writes before it.
func Example_writeThrough() {
	ctx, token := context.Background(), os.Getenv("FLOE_AUTH_TOKEN")
	err := func() error {
		db, err := sql.Open("floe", "file:app.db?primary=libsql://db.example.com&syncInterval=1m&authToken="+token)
		if err != nil {
			return err
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, "INSERT INTO users(name) VALUES (?)", "Bob"); err != nil {
			return err // floe.ErrUnreachable without a network: reads go on
		}
		var n int
		return db.QueryRowContext(ctx, "SELECT count(*) FROM users").Scan(&n) // local, and counts Bob
	}()
	if err != nil {
		log.Print(err)
	}
}

func printUsers(rows *sql.Rows) error {
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		fmt.Println(id, name)
	}
	return rows.Err()
}

func tempFile(name string) string {
	dir, err := os.MkdirTemp("", "floe")
	if err != nil {
		log.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// The code of the README that claims to be an example is one, line by line.
func TestReadmeShowsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("modes_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := make(map[string]bool)
	for line := range strings.Lines(string(examples)) {
		compiled[strings.TrimSpace(line)] = true
	}
	blocks := strings.Split(string(readme), "<!-- example -->\n```go\n")[1:]
	if len(blocks) != 3 {
		t.Fatalf("the README has %d examples, want one of each mode", len(blocks))
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(code) {
			if line = strings.TrimSpace(line); !compiled[line] {
				t.Errorf("line of the README that is in no example: %s", line)
			}
		}
	}
}
