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
	"sync"
	"testing"
)

// notes are in a file that many goroutines of a program write to.
type notes struct{ writer, reader *sql.DB }

func openNotes(path string) (*notes, error) {
	writer, err := sql.Open("floe", "file:"+path+"?_journal_mode=wal&_synchronous=normal&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1) // the writers of this program wait for each other here, not for SQLite's lock
	_, err = writer.Exec("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT)")
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader, err := sql.Open("floe", "file:"+path+"?_query_only=1")
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	return &notes{writer, reader}, nil
}

func (n *notes) add(ctx context.Context, text string) error {
	tx, err := n.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "INSERT INTO note(text) VALUES (?)", text); err != nil {
		return err
	}
	return tx.Commit()
}

func (n *notes) count(ctx context.Context) (count int, err error) {
	err = n.reader.QueryRowContext(ctx, "SELECT count(*) FROM note").Scan(&count)
	return count, err
}

func (n *notes) close() error { return errors.Join(n.reader.Close(), n.writer.Close()) }

// Many goroutines write to one file: one connection writes, any number read.
func Example_manyWriters() {
	dir, remove := tempDir()
	defer remove()
	n, err := openNotes(filepath.Join(dir, "app.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer n.close()

	ctx := context.Background()
	failures := make(chan error, 40*25*2)
	var writers sync.WaitGroup
	for w := range 40 {
		writers.Go(func() {
			for i := range 25 {
				if err := n.add(ctx, fmt.Sprint(w, i)); err != nil {
					failures <- err
				}
				if _, err := n.count(ctx); err != nil {
					failures <- err
				}
			}
		})
	}
	writers.Wait()
	count, err := n.count(ctx)
	fmt.Println(count, len(failures), err)
	// Output: 1000 0 <nil>
}

// The code in docs/local.md that claims to be an example is one, line by line.
func TestTheGuideToLocalFilesShowsTheExample(t *testing.T) {
	guide, err := os.ReadFile("docs/local.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_local_test.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for line := range strings.Lines(string(example)) {
		lines[strings.TrimSpace(line)] = true
	}
	blocks := strings.Split(string(guide), "<!-- example -->\n```go\n")[1:]
	if len(blocks) != 1 {
		t.Fatalf("the guide has %d examples, want 1", len(blocks))
	}
	code, _, _ := strings.Cut(blocks[0], "```")
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); !lines[line] {
			t.Errorf("line of the guide that is in no example: %s", line)
		}
	}
}
