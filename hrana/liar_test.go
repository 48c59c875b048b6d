package hrana_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/liar"
)

// The servers of these tests are fakes: libSQL's does not lie. What they say is in liar_http_test.go and
// liar_socket_test.go.

const lieToken = "secret.token-of_the.liar"

// lieWay is a way to talk to a server.
type lieWay struct {
	name     string
	socket   bool
	encoding hrana.Encoding
}

var lieWays = []lieWay{
	{"http json", false, hrana.JSON}, {"http protobuf", false, hrana.Protobuf},
	{"ws json", true, hrana.JSON}, {"ws protobuf", true, hrana.Protobuf},
}

// lieCase is one lie and what becomes of a request that is told it.
type lieCase struct {
	name  string
	lie   liar.HranaLie
	only  func(lieWay) bool // nil: every way
	call  string            // "execute", "batch", "cursor" or, "", all of them
	lasts bool              // the lie goes on for as long as the context does
	// fine says that the answer may be taken as well as refused.
	fine bool
	want error // errors.Is; nil: any error that is not the context's
}

func overHTTP(w lieWay) bool   { return !w.socket }
func overSocket(w lieWay) bool { return w.socket }
func inJSON(w lieWay) bool     { return w.encoding == hrana.JSON }
func inProtobuf(w lieWay) bool { return w.encoding == hrana.Protobuf }

// calls are the ways to run a statement.
var calls = map[string]func(ctx context.Context, s *hrana.Stream) error{
	"execute": func(ctx context.Context, s *hrana.Stream) error {
		_, err := s.Execute(ctx, hrana.Stmt{SQL: "SELECT a, b FROM t"})
		return err
	},
	"batch": func(ctx context.Context, s *hrana.Stream) error {
		res, err := s.Batch(ctx, hrana.Batch{Steps: []hrana.BatchStep{{Stmt: hrana.Stmt{SQL: "SELECT a, b FROM t"}}, {Stmt: hrana.Stmt{SQL: "SELECT 2"}}}})
		if err == nil {
			err = res.Err()
		}
		return err
	},
	"cursor": func(ctx context.Context, s *hrana.Stream) error {
		cur, err := s.Cursor(ctx, hrana.Batch{Steps: []hrana.BatchStep{{Stmt: hrana.Stmt{SQL: "SELECT a, b FROM t"}}, {Stmt: hrana.Stmt{SQL: "SELECT 2"}}}})
		if err != nil {
			return err
		}
		defer cur.Close()
		for cur.NextStep() {
			for cur.NextRow() {
				_, _ = cur.Cols(), cur.Row()
			}
			if err := cur.StepErr(); err != nil {
				return err
			}
		}
		return cur.Err()
	},
}

// tellLies tells each lie in every way to every call.
func tellLies(t *testing.T, cases []lieCase) {
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, way := range lieWays {
				if c.only != nil && !c.only(way) {
					continue
				}
				for call := range calls {
					if c.call == "" || c.call == call {
						tellLie(t, &c, way, call)
					}
				}
			}
		})
	}
}

func tellLie(t *testing.T, c *lieCase, way lieWay, call string) {
	t.Helper()
	what := way.name + ", " + call
	srv := liar.StartHrana(t)
	url := srv.URL
	if way.socket {
		url = srv.WS
	}
	client, err := hrana.Open(url, hrana.WithEncoding(way.encoding), hrana.WithAuthToken(lieToken),
		hrana.WithMaxMessageSize(8<<20), hrana.WithDialTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	srv.Lie(c.lie)
	limit := time.Minute // a net
	if c.lasts {
		limit = 150 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	peak := liar.HeapPeak(func() { err = runCall(ctx, client, call) })
	checkLieError(t, what, err, c)
	if peak > 256<<20 { // the tests beside this one take some of it
		t.Errorf("%s: it took %d MB of memory", what, peak>>20)
	}
	srv.Lie(liar.HranaLie{})
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := runCall(ctx, client, call); err != nil {
		t.Errorf("%s: an honest answer after the lie: %v", what, err)
	}
}

// runCall opens a stream and runs a call on it.
func runCall(ctx context.Context, client *hrana.Client, call string) error {
	s, err := client.OpenStream(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	return calls[call](ctx, s)
}

func checkLieError(t *testing.T, what string, err error, c *lieCase) {
	t.Helper()
	ended := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	switch {
	case err == nil && !c.fine:
		t.Errorf("%s: the lie is believed", what)
	case err != nil && c.want != nil && !errors.Is(err, c.want):
		t.Errorf("%s: error %v, want %v", what, err, c.want)
	case ended && !c.lasts:
		t.Errorf("%s: it ended with its time: %v", what, err)
	}
	if err == nil {
		return
	}
	text := err.Error()
	bad := strings.IndexFunc(text, func(r rune) bool { return unicode.In(r, unicode.C) && r != '\n' && r != '\t' })
	if strings.Contains(text, lieToken) || !utf8.ValidString(text) || bad >= 0 || len(text) > 70_000 {
		t.Errorf("%s: an error of %d bytes holds the token or what cannot be printed: %.300q", what, len(text), text)
	}
}

// The truth that the lies begin with is believed.
func TestHonestFakeServerIsBelieved(t *testing.T) {
	tellLies(t, []lieCase{{name: "truth", fine: true}})
	srv := liar.StartHrana(t)
	for _, url := range []string{srv.URL, srv.WS} {
		client, err := hrana.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		s, err := client.OpenStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Execute(t.Context(), hrana.Stmt{SQL: "SELECT 1"})
		if got := fmt.Sprint(res.Rows); err != nil || got != fmt.Sprint(liar.Result().Rows) {
			t.Errorf("%s: rows %s, %v", url, got, err)
		}
	}
}
