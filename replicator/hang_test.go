package replicator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/sqldtest"
)

// hangTime bounds what must end by itself: less than the minute that a silent server
// is given, so that nothing ends in time because of that.
const hangTime = 40 * time.Second

// hangs are the ways in which a server that is a fake keeps a client waiting. A real
// one stalls where it likes; what it stalls with is written as is.
var hangs = map[string]func(c net.Conn){
	"silent":           func(net.Conn) {},
	"stalled headers":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\ncontent-type: appl") },
	"stalled answer":   stall("200 OK", "application/grpc-web", "\x00\x00\x00"),
	"stalled error":    stall("500 Internal Server Error", "text/plain", "some of it"),
	"stalled refusal":  stall("401 Unauthorized", "text/plain", "some of it"),
	"stalled status":   stall("200 OK\r\ngrpc-status: 14\r\ngrpc-message: later", "application/grpc-web", ""),
	"dripping headers": drip("HTTP/1.1 200 OK\r\nx-much: "),
	"dripping answer":  drip("HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web\r\ncontent-length: 9999\r\n\r\n\x00\x00\x00\x20\x00"),
	"dripping error":   drip("HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 9999\r\n\r\n"),
}

func stall(status, kind, body string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: 9999\r\n\r\n%s", status, kind, body)
	}
}

func drip(begin string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, begin)
		for err == nil {
			time.Sleep(20 * time.Millisecond) // it is the server that is slow
			_, err = io.WriteString(c, "a")
		}
	}
}

// hangServer passes on what is asked of a real server, until hang is set: then it
// hangs instead, at methods with that name, or at all.
type hangServer struct {
	*httptest.Server
	at   atomic.Pointer[string] // nil: it does not hang
	hung chan struct{}          // has an element for each request that hangs, up to some

	mu     sync.Mutex
	hangup []net.Conn
}

func startHang(t *testing.T, srv *sqldtest.Server, how func(net.Conn)) *hangServer {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.FlushInterval = -1
	h := &hangServer{hung: make(chan struct{}, 64)}
	end := make(chan struct{})
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := h.at.Load()
		if at == nil || !strings.HasSuffix(r.URL.Path, *at) {
			pass.ServeHTTP(w, r)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		h.mu.Lock()
		h.hangup = append(h.hangup, c)
		h.mu.Unlock()
		select {
		case h.hung <- struct{}{}:
		default:
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, c)
		}()
		go how(c)
		select {
		case <-gone:
		case <-end:
		}
	}))
	t.Cleanup(func() {
		close(end)
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

func (h *hangServer) hang(at string) { h.at.Store(&at) }

// heal has the server answer again, and breaks the connections that hang.
func (h *hangServer) heal() {
	h.at.Store(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.hangup {
		c.Close()
	}
}

// soon fails the test where call does not end within hangTime.
func soon(t *testing.T, what string, call func() error) error {
	t.Helper()
	c := begun(call)
	select {
	case err := <-c:
		return err
	case <-time.After(hangTime):
		t.Fatalf("%s does not end", what)
		return nil
	}
}

// hangRig is a replica at work with a server that hangs.
type hangRig struct {
	r       *Replicator
	archive string         // of what the replica has and what is new
	frames  []frames.Frame // what is new behind that
	id      frames.LogID
}

// callAll calls every method that must not wait for a server that hangs, or only
// as long as its context lasts.
func (g hangRig) callAll(t *testing.T) {
	t.Helper()
	r := g.r
	short := func(call func(context.Context) error) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := call(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("it gives %w, want success, where there is nothing to wait for, or %w", err, context.DeadlineExceeded)
			}
			return nil
		}
	}
	for what, call := range map[string]func() error{
		"position":     func() error { r.Position(); r.Stats(); return nil },
		"flush":        func() error { _, err := r.Flush(t.Context()); return err },
		"apply file":   func() error { _, err := r.ApplyFile(t.Context(), g.archive); return err },
		"apply frames": func() error { _, err := r.ApplyFrames(t.Context(), g.id, g.frames); return err },
		"primary":      short(func(ctx context.Context) error { _, err := r.Primary(ctx); return err }),
		"verify":       short(func(ctx context.Context) error { _, err := r.Verify(ctx); return err }),
		"sync":         short(func(ctx context.Context) error { _, err := r.Sync(ctx); return err }),
		"try sync":     short(func(ctx context.Context) error { _, err := r.TrySync(ctx); return err }),
		"sync until":   short(func(ctx context.Context) error { _, err := r.SyncUntil(ctx, 1<<40); return err }),
		"watch":        short(r.Watch),
		"await change": short(func(ctx context.Context) error { _, err := r.AwaitChange(ctx, r.Position()); return err }),
		"pull":         short(func(ctx context.Context) error { _, err := Pull(ctx, r.cfg, 0, io.Discard); return err }),
	} {
		if err := soon(t, what, call); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// hangRigs makes n replicas of srv and what can be applied to them.
func hangRigs(t *testing.T, srv *sqldtest.Server) (rig func(t *testing.T, remote string) hangRig) {
	t.Helper()
	fill(t, srv, 3, 0)
	old := openTest(t, srv)
	mustSync(t, old)
	from := old.Position()
	fill(t, srv, 3, 0)
	var buf bytes.Buffer
	if _, err := Pull(t.Context(), old.cfg, 0, &buf); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(archive, buf.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	var fresh []frames.Frame
	for n := range srv.FrameNo(t) - from.FrameNo {
		s, err := old.client.log(t.Context(), from.FrameNo+1+n)
		if err != nil {
			t.Fatal(err)
		}
		f := make(frames.Frame, frames.Size)
		if _, err := s.next(f); err != nil {
			t.Fatal(err)
		}
		s.Close()
		fresh = append(fresh, f)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, remote string) hangRig {
		t.Helper()
		path := filepath.Join(t.TempDir(), "replica.db")
		for _, suffix := range []string{"", positionSuffix} {
			b, err := os.ReadFile(old.cfg.Path + suffix)
			if err == nil {
				err = os.WriteFile(path+suffix, b, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		r := open(t, Config{Path: path, Remote: Remote{URL: remote}, Retries: -1})
		return hangRig{r: r, archive: archive, frames: fresh, id: from.LogID}
	}
}

// tryHang has a call under way that hangs, calls everything else, and ends with last.
func tryHang(t *testing.T, g hangRig, call func(context.Context) error, hung func(), last func(*Replicator) error, want error) {
	t.Helper()
	hanging := begun(func() error { return call(t.Context()) })
	hung()
	g.callAll(t)
	select {
	case err := <-hanging:
		t.Errorf("the call that waits for the server has ended: %v", err)
	default:
	}
	if err := soon(t, "the last call", func() error { return last(g.r) }); err != nil {
		t.Errorf("the last call: %v", err)
	}
	if err := soon(t, "the call that waited for the server", func() error { return <-hanging }); !errors.Is(err, want) {
		t.Errorf("the call that waited for the server gives %v, want %v", err, want)
	}
	if got := queryText(t, g.r.cfg.Path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	if at, err := PositionOf(g.r.cfg.Path); err == nil && at.FrameNo != g.frames[len(g.frames)-1].FrameNo() {
		t.Errorf("the replica is at %v, want what was applied, up to frame %d", at, g.frames[len(g.frames)-1].FrameNo())
	}
}

func freeze(r *Replicator) error { _, err := r.Seal(context.Background()); return err }

func TestNothingWaitsBehindACallWhoseServerHangs(t *testing.T) {
	srv := sqldtest.Start(t)
	rig := hangRigs(t, srv)
	for name, how := range hangs {
		if name == "stalled refusal" {
			continue // it ends the call by itself: see the next test
		}
		for _, at := range []string{"Hello", "LogEntries"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				t.Parallel()
				h := startHang(t, srv, how)
				h.hang(at)
				g := rig(t, h.URL)
				call, last, want := func(ctx context.Context) error { _, err := g.r.Sync(ctx); return err }, freeze, ErrFrozen
				if at == "LogEntries" { // which is BatchLogEntries too
					call, last, want = g.r.Watch, (*Replicator).Close, ErrClosed
				}
				tryHang(t, g, call, func() { <-h.hung }, last, want)
			})
		}
	}
}

func TestAnErrorWhoseBodyStallsIsGiven(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	for name, want := range map[string]error{"stalled refusal": ErrAuth, "stalled error": ErrUnreachable, "stalled status": nil, "dripping error": ErrUnreachable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHang(t, srv, hangs[name])
			h.hang("Hello")
			r := open(t, Config{Path: filepath.Join(t.TempDir(), "replica.db"), Remote: Remote{URL: h.URL}, Retries: NoRetries})
			err := soon(t, "sync", func() error { _, err := r.Sync(context.Background()); return err })
			if err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("sync gives %v, want %v", err, want)
			}
			h.heal()
			if err := soon(t, "sync", func() error { _, err := r.Sync(context.Background()); return err }); err != nil {
				t.Error("sync from a server that answers again:", err)
			}
		})
	}
}

func TestASecondTokenIsTriedThoughTheFirstRefusalStalls(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	h := startHang(t, srv, hangs["stalled refusal"])
	h.hang("Hello")
	asked := 0
	r := open(t, Config{Path: filepath.Join(t.TempDir(), "replica.db"), Remote: Remote{URL: h.URL, TokenSource: func(context.Context) (string, error) {
		if asked++; asked > 1 {
			h.heal()
		}
		return fmt.Sprint("token", asked), nil
	}}})
	if err := soon(t, "sync", func() error { _, err := r.Sync(context.Background()); return err }); err != nil || asked != 2 {
		t.Errorf("sync gives %v after %d tokens, want success with the second one", err, asked)
	}
}

// TestAServerThatDripsIsLeft: each byte of what is small comes in time, but not all.
func TestAServerThatDripsIsLeft(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 3, 0)
	for _, name := range []string{"dripping headers", "dripping answer"} {
		for _, at := range []string{"Hello", "LogEntries"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				t.Parallel()
				h := startHang(t, srv, hangs[name])
				h.hang(at)
				r := open(t, Config{Path: filepath.Join(t.TempDir(), "replica.db"), Remote: Remote{URL: h.URL}, Retries: NoRetries})
				r.client.patience = 200 * time.Millisecond
				if err := soon(t, "sync", func() error { _, err := r.Sync(context.Background()); return err }); !errors.Is(err, errSilent) {
					t.Errorf("sync gives %v, want %v", err, errSilent)
				}
			})
		}
	}
}

func TestNothingWaitsBehindACallWhoseServerIsStopped(t *testing.T) {
	srv := sqldtest.Start(t)
	rig := hangRigs(t, srv)
	asked, live := rig(t, srv.URL), rig(t, srv.URL)
	if _, err := live.r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	watch := begun(func() error { return live.r.Watch(t.Context()) })
	for isLive := false; !isLive; {
		moved := live.r.movement()
		live.r.mu.Lock()
		isLive = live.r.live
		live.r.mu.Unlock()
		if !isLive {
			<-moved
		}
	}
	srv.Pause(t)
	tryHang(t, asked, func(ctx context.Context) error { _, err := asked.r.Sync(ctx); return err }, func() {
		for busy := false; !busy; {
			moved := asked.r.movement()
			asked.r.mu.Lock()
			busy = asked.r.busy != nil
			asked.r.mu.Unlock()
			if !busy {
				<-moved
			}
		}
	}, freeze, ErrFrozen)
	live.callAll(t)
	if err := soon(t, "freeze", func() error { return freeze(live.r) }); err != nil {
		t.Error("freeze under a live watch of a stopped server:", err)
	}
	if err := soon(t, "watch", func() error { return <-watch }); !errors.Is(err, ErrFrozen) {
		t.Errorf("the watch gives %v, want %v", err, ErrFrozen)
	}
}

func TestASyncThatGaveWayGoesOn(t *testing.T) {
	srv := sqldtest.Start(t)
	rig := hangRigs(t, srv)
	h := startHang(t, srv, hangs["silent"])
	h.hang("LogEntries")
	g := rig(t, h.URL)
	sync := begun(func() error { _, err := g.r.Sync(t.Context()); return err })
	<-h.hung
	fill(t, srv, 3, 0)
	if _, err := g.r.ApplyFile(t.Context(), g.archive); err != nil {
		t.Fatal("apply:", err)
	}
	<-h.hung // it has begun again
	h.heal()
	if err := soon(t, "sync", func() error { return <-sync }); err != nil {
		t.Fatal("sync:", err)
	}
	mustSync(t, g.r)
	checkEqual(t, g.r.cfg.Path, srv)
}
