package replicator

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func TestTrySyncGivesUpAtItsSecondTry(t *testing.T) {
	var requests atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		requests.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	r, err := Open(Config{Path: filepath.Join(t.TempDir(), "r.db"), Remote: Remote{URL: srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err = r.TrySync(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want %v", err, ErrUnreachable)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the server was asked %d times, want 2", n)
	}
}
