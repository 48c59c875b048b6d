package replicator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/floedb/floe/internal/files"
)

// Primary asks the server where it is. It takes no lock, touches no file, and
// does not wait for a sync that is under way.
func (r *Replicator) Primary(ctx context.Context) (Position, error) {
	var p Position
	_, err := r.do(ctx, func(ctx context.Context) error {
		if r.client == nil {
			return ErrNoServer
		}
		h, err := r.client.greet(ctx, r.cfg.Retries, r.client.doubleRead(r.cfg.DoubleRead))
		p = Position{LogID: h.LogID, FrameNo: h.Current, HasFrame: h.HasCurrent}
		return err
	})
	return p, err
}

// AwaitChange waits until the position is another one than from, and returns it.
// Several changes in a row may be seen as one.
func (r *Replicator) AwaitChange(ctx context.Context, from Position) (Position, error) {
	ctx, stop := r.join(ctx)
	defer stop()
	for {
		r.mu.Lock()
		at, moved := r.at, r.moved
		r.mu.Unlock()
		if at != from {
			return at, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return at, context.Cause(ctx)
		}
	}
}

// LockHolder tells who holds the replica at path for writing: "process 4711 on
// host edge-3", or "" when nobody does. To find out it takes the lock for an
// instant where it is free; a process that wants it at that very moment is
// refused.
func LockHolder(path string) (string, error) {
	path, err := files.Real(path)
	if err != nil {
		return "", err
	}
	f, err := files.Open(path+lockSuffix, os.O_RDWR, "")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open lock file: %w", err)
	}
	defer f.Close()
	switch err := tryLock(f); {
	case errors.Is(err, errWouldBlock):
		return holder(f), nil
	case err != nil:
		return "", fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return "", nil
}
