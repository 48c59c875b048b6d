package hrana

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// closeTimeout bounds what the end of a client waits for a server.
const closeTimeout = 2 * time.Second

// tasks are the goroutines of a client, for which its end waits.
type tasks struct {
	mu     sync.Mutex
	ending bool
	wg     sync.WaitGroup
}

// run starts a goroutine. One that is started while the client ends sees so itself.
func (t *tasks) run(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending {
		go f()
		return
	}
	t.wg.Go(f)
}

// wait returns when all are over.
func (t *tasks) wait() {
	t.mu.Lock()
	t.ending = true
	t.mu.Unlock()
	t.wg.Wait()
}

// waitingStream is a stream over HTTP that waits for its next request.
type waitingStream struct {
	dialect *dialect
	base    *url.URL
	baton   string
}

// batons are the streams of a client that wait for their next request.
type batons struct {
	mu    sync.Mutex
	known map[*httpStream]waitingStream
}

// put takes down where a stream goes on.
func (b *batons) put(s *httpStream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[*httpStream]waitingStream{}
	}
	b.known[s] = waitingStream{s.dialect, s.base, s.baton}
}

// take is for a stream whose baton is about to be used up, or is of no use any more.
func (b *batons) take(s *httpStream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, s)
}

func (b *batons) takeAll() map[*httpStream]waitingStream {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.known
	b.known = nil
	return all
}

// maxClosing bounds how many streams are closed at once.
const maxClosing = 8

// closeStreams ends what the client's streams have left at the server, which otherwise would keep their transactions, and
// the locks of these, for some seconds.
func (t *httpTransport) closeStreams() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	turn := make(chan struct{}, maxClosing)
	var wg sync.WaitGroup
	for _, s := range t.batons.takeAll() {
		turn <- struct{}{}
		wg.Go(func() {
			t.closeStream(ctx, s)
			<-turn
		})
	}
	wg.Wait()
}

func (t *httpTransport) closeStream(ctx context.Context, s waitingStream) {
	enc := s.dialect.encoding
	body, err := enc.AppendPipelineRequest(nil, &PipelineRequest{Baton: s.baton, Requests: []Request{{Kind: ReqCloseStream}}})
	if err != nil {
		return
	}
	c := &call{method: http.MethodPost, url: s.base.JoinPath(s.dialect.path, "pipeline"), body: body, expects: enc}
	token, err := t.tokenFor(ctx, c.url, t.tokens.Get)
	if err != nil {
		return
	}
	if a, _, err := t.sendOnce(ctx, c, token); err == nil {
		a.close()
	}
}

// reason is an error for the log: without what a server wrote, which may quote values.
func reason(err error) slog.Attr {
	var status *HTTPError
	var answered *Error
	text := err.Error()
	switch {
	case errors.As(err, &status):
		text = "HTTP status " + strconv.Itoa(status.Status)
	case errors.As(err, &answered):
		text = "error " + answered.Code
	}
	return slog.String("reason", text)
}
