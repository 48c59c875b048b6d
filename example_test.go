package floe_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
)

// A replica that keeps itself in step in the background, and is read meanwhile.
func ExampleOpenReplica() {
	ctx := context.Background()
	r, err := floe.OpenReplica(ctx, "app.db", "libsql://db.example.com",
		floe.WithAuthToken(os.Getenv("FLOE_AUTH_TOKEN")),
		floe.WithSyncInterval(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	conn, err := r.Conn(ctx)
	if errors.Is(err, floe.ErrNoData) {
		log.Print("nothing has been synced yet")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	err = conn.Query(ctx, "SELECT count(*) FROM users", nil, func(row *engine.Stmt) error {
		fmt.Println(row.ColumnInt64(0), "users")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

// Following a primary live, until Ctrl-C.
func ExampleReplica_Watch() {
	ctx, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	r, err := floe.OpenReplica(ctx, "app.db", "libsql://db.example.com")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	if err := r.Watch(ctx); !errors.Is(err, context.DeadlineExceeded) {
		log.Fatal(err) // such as floe.ErrAuth, which no retry mends
	}
}

// A replica that takes its frames from a file, as a device in the field does
// that never reaches its server.
func ExampleReplica_ApplyFile() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "floe")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	r, err := floe.OpenReplica(ctx, filepath.Join(dir, "app.db"), "")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	res, err := r.ApplyFile(ctx, "testdata/archive/users.floe")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Frames, "frames, now at", res.Position.FrameNo)
	// Output: 3 frames, now at 2
}

// Freezing a replica: from then on it is a database of its own.
func ExampleReplica_Freeze() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "floe")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r, err := floe.OpenReplica(ctx, filepath.Join(dir, "app.db"), "")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.ApplyFile(ctx, "testdata/archive/users.floe"); err != nil {
		log.Fatal(err)
	}

	db, err := r.Freeze(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "INSERT INTO users(name) VALUES (?)", "Margaret"); err != nil {
		log.Fatal(err)
	}
	err = conn.Query(ctx, "SELECT id, name FROM users", nil, func(row *engine.Stmt) error {
		fmt.Println(row.ColumnInt64(0), row.ColumnText(1))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	_, err = r.Sync(ctx)
	fmt.Println(errors.Is(err, floe.ErrFrozen))
	// Output:
	// 1 Ada
	// 2 Grace
	// 3 Linus
	// 4 Margaret
	// true
}

// A local database.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "floe")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := floe.Open(ctx, filepath.Join(dir, "local.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE TABLE notes(text); INSERT INTO notes VALUES ('hello')"); err != nil {
		log.Fatal(err)
	}
	err = conn.Query(ctx, "SELECT text FROM notes", nil, func(row *engine.Stmt) error {
		fmt.Println(row.ColumnText(0))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: hello
}
