package replicator

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/floedb/floe/internal/sqldtest"
)

func TestZZStress(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 1<<20)
	first := openTest(t, srv)
	other := open(t, first.cfg)
	stop := time.Now().Add(15 * time.Second)
	var wg sync.WaitGroup
	run := func(name string, r *Replicator, f func(ctx context.Context) error) {
		wg.Go(func() {
			n, longest := 0, time.Duration(0)
			for time.Now().Before(stop) {
				ctx, c := context.WithTimeout(t.Context(), 20*time.Second)
				at := time.Now()
				err := f(ctx)
				if d := time.Since(at); d > longest {
					longest = d
				}
				c()
				n++
				if err != nil {
					fmt.Println(name, err)
				}
			}
			fmt.Println(name, n, longest)
		})
	}
	run("write", nil, func(context.Context) error {
		srv.Exec(t, fmt.Sprintf("INSERT INTO t(a, b) VALUES ('k', randomblob(%d))", rand.Intn(30000)))
		time.Sleep(time.Duration(rand.Intn(30)) * time.Millisecond)
		return nil
	})
	for i, r := range []*Replicator{first, other} {
		n := fmt.Sprint(i)
		run("sync"+n, r, func(ctx context.Context) error { _, err := r.Sync(ctx); return err })
		run("until"+n, r, func(ctx context.Context) error {
			f, _ := srv.TryFrameNo()
			_, err := r.SyncUntil(ctx, f)
			return err
		})
		run("watch"+n, r, func(ctx context.Context) error {
			ctx, c := context.WithTimeout(ctx, time.Duration(rand.Intn(1000))*time.Millisecond)
			defer c()
			err := r.Watch(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			time.Sleep(time.Duration(rand.Intn(300)) * time.Millisecond)
			return err
		})
		run("flush"+n, r, func(ctx context.Context) error { _, err := r.Flush(ctx); time.Sleep(time.Millisecond); return err })
		run("apply"+n, r, func(ctx context.Context) error {
			_, err := r.ApplyFile(ctx, "/nonexistent")
			time.Sleep(time.Duration(rand.Intn(200)) * time.Millisecond)
			if errors.Is(err, os.ErrNotExist) {
				err = nil
			}
			return err
		})
		run("await"+n, r, func(ctx context.Context) error { _, err := r.AwaitChange(ctx, r.Position()); return err })
		run("stats"+n, r, func(ctx context.Context) error { r.Stats(); time.Sleep(time.Millisecond); return nil })
	}
	wg.Wait()
	mustSync(t, first)
	checkEqual(t, first.cfg.Path, srv)
	w := begun(func() error { return first.Watch(t.Context()) })
	w2 := begun(func() error { return other.Watch(t.Context()) })
	s := begun(func() error { for { if _, err := first.Sync(t.Context()); err != nil { return err } } })
	at := time.Now()
	_, err := other.Seal(t.Context())
	fmt.Println("seal", err, time.Since(at))
	fmt.Println(ends(t, "w", w), ends(t, "w2", w2), ends(t, "s", s))
	first.Close()
	other.Close()
}
