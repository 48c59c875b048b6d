package faultproxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// letterServer sends the alphabet on each connection and closes it.
func letterServer(t *testing.T) string {
	return tcpServer(t, func(c net.Conn) { io.WriteString(c, letters) })
}

func tcpServer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// dial connects to a proxy. A minute is the bound of a test that would hang, not something to measure.
func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConnectionEndsAsItsFaultSays(t *testing.T) {
	target := letterServer(t)
	for _, tc := range faultCases {
		if tc.end == errCut {
			continue // what arrives before a reset is up to the kernel: see below
		}
		t.Run(tc.name, func(t *testing.T) {
			p := Start(t, target, Once(tc.faults...))
			got, err := io.ReadAll(dial(t, p))
			if string(got) != tc.want || err != nil {
				t.Errorf("client read %q with error %v, want %q and a clean end", got, err, tc.want)
			}
			if diff := cmp.Diff(counted(tc.kinds), p.Counts()); diff != "" {
				t.Errorf("counts differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutConnectionIsAnErrorAtTheClient(t *testing.T) {
	// The server waits to be asked, as a reset that comes at once can already be an error of the dial.
	asked := tcpServer(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
			io.WriteString(c, letters)
		}
	})
	p := Start(t, asked, Once(Fault{Kind: Cut, Offset: 3}))
	ask := func() (string, error) {
		c := dial(t, p)
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		return string(got), err
	}
	got, err := ask()
	if err == nil || !strings.HasPrefix("abc", got) {
		t.Errorf("client read %q with error %v, want at most %q and an error", got, err, "abc")
	}
	got, err = ask()
	if got != letters || err != nil {
		t.Errorf("the next connection read %q with error %v, want all letters", got, err)
	}
	if got := p.Streams(); got != 2 {
		t.Errorf("%d streams, want 2", got)
	}
}

func TestFaultsTowardTheServer(t *testing.T) {
	echo := tcpServer(t, func(c net.Conn) { io.Copy(c, c) })
	p := Start(t, echo, Once(Fault{Kind: Flip, Dir: ToServer, Offset: 0, Mask: 0x20}))
	c := dial(t, p)
	if _, err := io.WriteString(c, "abc"); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "Abc" || err != nil {
		t.Errorf("echo is %q with error %v, want %q", got, err, "Abc")
	}
}

func TestReorderDoesNotStallADialogue(t *testing.T) {
	echo := tcpServer(t, func(c net.Conn) { io.Copy(c, c) })
	p := Start(t, echo, Once(Fault{Kind: Reorder, Offset: 1, Length: 2}))
	c := dial(t, p)
	got := make([]byte, 3)
	for range 2 {
		if _, err := io.WriteString(c, "abc"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "abc" {
			t.Fatalf("echo is %q with error %v, want %q", got, err, "abc")
		}
	}
	if n := p.Injected(); n != 0 {
		t.Errorf("%d faults counted, want none: the second block never came in time", n)
	}
}

func TestSetDownBreaksOldAndNewConnections(t *testing.T) {
	echo := tcpServer(t, func(c net.Conn) { io.Copy(c, c) })
	p := Start(t, echo, None)
	old := dial(t, p)
	roundTrip := func(c net.Conn) error {
		if _, err := io.WriteString(c, "x"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	if err := roundTrip(old); err != nil {
		t.Fatal(err)
	}
	p.SetDown(true)
	if err := roundTrip(old); err == nil {
		t.Error("a connection from before works while the network is down")
	}
	if c, err := net.Dial("tcp", p.Addr); err == nil {
		defer c.Close()
		if err := roundTrip(c); err == nil {
			t.Error("a new connection works while the network is down")
		}
	}
	p.SetDown(false)
	if err := roundTrip(dial(t, p)); err != nil {
		t.Errorf("after the network came back: %v", err)
	}
}

func httpTarget(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func sendLetters(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-method", r.Method)
	io.WriteString(w, letters)
}

func get(t *testing.T, url string) (string, error) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if got := res.Header.Get("x-method"); got != "GET" {
		t.Errorf("the head says method %q, want GET: faults must leave it alone", got)
	}
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestHTTPFaultsChangeTheBodyOnly(t *testing.T) {
	target := httpTarget(t, sendLetters)
	for _, tc := range faultCases {
		t.Run(tc.name, func(t *testing.T) {
			p := StartHTTP(t, target, Once(tc.faults...), nil)
			got, err := get(t, p.URL)
			if got != tc.want {
				t.Errorf("body is %q, want %q", got, tc.want)
			}
			if cut := errors.Is(err, io.ErrUnexpectedEOF); cut != (tc.end == errCut) {
				t.Errorf("body ends with %v, fault is %v", err, tc.end)
			}
			if diff := cmp.Diff(counted(tc.kinds), p.Counts()); diff != "" {
				t.Errorf("counts differ (-want +got):\n%s", diff)
			}
			if got, err := get(t, p.URL); got != letters || err != nil {
				t.Errorf("the next body is %q with error %v, want all letters", got, err)
			}
		})
	}
}

func TestHTTPPlanNumbersTheMatchingRequests(t *testing.T) {
	target := httpTarget(t, sendLetters)
	hurtSecond := func(n int) []Fault {
		if n == 1 {
			return []Fault{{Kind: Truncate, Offset: 1}}
		}
		return nil
	}
	p := StartHTTP(t, target, hurtSecond, func(r *http.Request) bool { return r.URL.Path == "/hurt" })
	var got []string
	for _, path := range []string{"/", "/hurt", "/", "/hurt", "/hurt"} {
		body, err := get(t, p.URL+path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, body)
	}
	if diff := cmp.Diff([]string{letters, letters, letters, "a", letters}, got); diff != "" {
		t.Errorf("bodies differ (-want +got):\n%s", diff)
	}
}

func TestHTTPForwardsTheRequestAsItWas(t *testing.T) {
	target := httpTarget(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, strings.Join([]string{r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("x-a"), string(body)}, " "))
	})
	p := StartHTTP(t, target, None, nil)
	req, err := http.NewRequest(http.MethodPost, p.URL+"/p?q=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "other.localhost"
	req.Header.Set("x-a", "b")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if want := "POST /p?q=1 other.localhost b body"; string(got) != want || err != nil || res.StatusCode != http.StatusTeapot {
		t.Errorf("server saw %q, client got status %d and error %v; want %q and %d", got, res.StatusCode, err, want, http.StatusTeapot)
	}
}

func TestHTTPStreamPassesBytesAsTheyCome(t *testing.T) {
	next := make(chan struct{})
	target := httpTarget(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first")
		http.NewResponseController(w).Flush()
		select {
		case <-next:
		case <-r.Context().Done():
		}
		io.WriteString(w, "second")
	})
	p := StartHTTP(t, target, None, nil)
	res, err := http.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "first" {
		t.Fatalf("read %q with error %v while the server waits, want %q", got, err, "first")
	}
	close(next)
	if rest, err := io.ReadAll(res.Body); string(rest) != "second" || err != nil {
		t.Errorf("rest is %q with error %v, want %q", rest, err, "second")
	}
}

func TestHTTPServerThatIsGoneBreaksTheConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p := StartHTTP(t, l.Addr().String(), None, nil)
	if body, err := get(t, p.URL); err == nil {
		t.Errorf("answer %q from a server that is gone, want an error", body)
	}
}
