package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// walCase is a script for the shell. At its end the database and the write-ahead
// log are copied as they are; then the shell closes the database, which
// checkpoints it, and it is copied once more.
type walCase struct {
	name     string
	pageSize int
	script   string
}

var walCases = []walCase{
	{"clean-512", 512, fill(60)},
	{"clean-4096", 4096, fill(60)},
	{"clean-65536", 65536, fill(6)},
	// After the restart the new frames overwrite the first ones; the rest of
	// the file is left over.
	{"stale-tail", 4096, fill(60) + "PRAGMA wal_checkpoint(RESTART);\nUPDATE t SET b = 'restarted' WHERE id = 1;\n"},
	// A transaction too large for the cache spills into the log before it ends.
	{"uncommitted-tail", 4096, fill(60) + "PRAGMA cache_size = 2;\nBEGIN;\nUPDATE t SET b = b || 'never committed';\n"},
	{"shrunk", 4096, fill(60) + "DELETE FROM t WHERE id > 3;\nVACUUM;\n"},
}

func fill(rows int) string {
	return fmt.Sprintf(`PRAGMA journal_mode = WAL;
PRAGMA wal_autocheckpoint = 0;
CREATE TABLE t(id INTEGER PRIMARY KEY, b TEXT);
INSERT INTO t SELECT value, hex(zeroblob(200)) FROM generate_series(1, %d);
INSERT INTO t VALUES(1000, 'a transaction of one row');
`, rows)
}

// captureWAL records databases and write-ahead logs made by SQLite itself.
func captureWAL(ctx context.Context, shell, out string) error {
	for _, c := range walCases {
		if err := c.run(ctx, shell, out); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (c walCase) run(ctx context.Context, shell, out string) error {
	dir, err := os.MkdirTemp("", "floe-capture-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := fmt.Sprintf("PRAGMA page_size = %d;\n", c.pageSize) + c.script +
		".shell cp db kept.db\n.shell cp db-wal kept.wal\n"
	cmd := exec.CommandContext(ctx, shell, "-batch", "-bail", "db")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(script)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, msg)
	}
	// Closing the last connection checkpoints: db is now what recovery makes.
	for from, to := range map[string]string{"kept.db": ".db.gz", "kept.wal": ".wal.gz", "db": ".recovered.db.gz"} {
		data, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			return err
		}
		if err := save(out, c.name+to, data); err != nil {
			return err
		}
	}
	return nil
}
