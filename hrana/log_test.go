package hrana

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The answers of the server are those of a fake: it quotes what it was sent.
func TestTheLogTellsOfRetriesAndLossesAndOfNoValueAndNoToken(t *testing.T) {
	var log lockedBuffer
	answers := []int{429, 401, 500}
	srv := fakeServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(answers[0])
		answers = answers[1:]
		w.Write(append(body, r.Header.Get("Authorization")...))
	})
	tokens := []string{"first-token", "second-token"}
	c := fakeClient(t, srv.URL, WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		WithTokenSource(func(context.Context) (string, error) {
			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}))
	s := openStream(t, c)
	if _, err := s.Execute(testContext(t), Stmt{SQL: "INSERT INTO t VALUES(?)", Args: []Value{Text("a value")}}); err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"request sent again", "HTTP status 429", "auth token renewed", "stream lost", "HTTP status 500", "protocol agreed on"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	for _, secret := range []string{"a value", "-token", "INSERT"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, log.String())
		}
	}
}
