// Command capture makes the files of testdata: it runs a real libSQL server
// and the sqlite3 shell, and keeps what they answer and write.
//
//	go run ./tools/capture -sqld PATH -out testdata
//
// The SQL is the same every time. Log ids, session tokens and times are not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	sqld := flag.String("sqld", "sqld", "the libSQL server to run")
	shell := flag.String("sqlite3", "sqlite3", "the sqlite3 shell to run")
	out := flag.String("out", "testdata", "the folder to write to")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := capture(ctx, *sqld, *shell, *out); err != nil {
		fmt.Fprintln(os.Stderr, "capture:", err)
		os.Exit(1)
	}
}

func capture(ctx context.Context, sqld, shell, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	for _, dir := range []string{"wire", "wal", "archive"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return err
		}
	}
	if err := captureLog(ctx, sqld, filepath.Join(out, "wire")); err != nil {
		return fmt.Errorf("capture log: %w", err)
	}
	if err := captureNamespace(ctx, sqld, filepath.Join(out, "wire")); err != nil {
		return fmt.Errorf("capture namespace error: %w", err)
	}
	if err := captureSnapshot(ctx, sqld, filepath.Join(out, "wire")); err != nil {
		return fmt.Errorf("capture snapshot: %w", err)
	}
	if err := captureWAL(ctx, shell, filepath.Join(out, "wal")); err != nil {
		return fmt.Errorf("capture wal: %w", err)
	}
	return nil
}
