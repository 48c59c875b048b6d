package replicator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/floedb/floe/internal/liar"
	"github.com/floedb/floe/internal/sqldtest"
)

// A real primary does not lie: those of this file are fakes. What they say is in liar_frames_test.go and
// liar_answers_test.go.

// lieTest is one lie and what becomes of those who are told it.
type lieTest struct {
	name string
	lie  liar.PrimaryLie
	// want are the errors of which a sync gives one; errAny stands for any that no wait ended, nil for success.
	want []error
	// lasts says that the lie goes on for as long as the context does.
	lasts bool
	// after are the errors of which an honest sync after it gives one; success where there is none.
	after []error
	// later leaves a first sync out: there is no lie in what it is told.
	later bool
	// nonsense says that pages may be taken whose content no checksum can vouch for.
	nonsense bool
}

// errAny stands for any error but that of a context.
var errAny = errors.New("any error")

const lieToken = "secret.token-of_the.liar"

// lieLogs are the logs of an honest primary that the lies begin with: one that is fetched by one request, and one of
// several chunks. The second half of each is still to come for a replica that exists.
func lieLogs(t *testing.T) map[string]liar.Log {
	t.Helper()
	sql := func(rows, size int) []string {
		texts := []string{"CREATE TABLE a(id INTEGER PRIMARY KEY, v, pad)", "CREATE TABLE b(id INTEGER PRIMARY KEY, v, pad)"}
		for i := range 8 {
			texts = append(texts, fmt.Sprintf(`INSERT INTO a(v, pad) SELECT value, hex(zeroblob(%d)) FROM (
				WITH RECURSIVE c(value) AS (SELECT %d UNION ALL SELECT value + 1 FROM c LIMIT %d) SELECT value FROM c);
				INSERT INTO b(v, pad) SELECT v, pad FROM a WHERE id > (SELECT count(*) FROM b)`, size, i, rows))
		}
		return texts
	}
	return map[string]liar.Log{"one request": liar.Write(t, 1, sql(4, 500)...), "several": liar.Write(t, 2, sql(100, 500)...)}
}

// lieScene is a replica and the primary that lies to it.
type lieScene struct {
	t      *testing.T
	what   string
	p      *liar.Primary
	log    liar.Log
	path   string
	states [][]byte // the images of the log after each of its transactions

	patience time.Duration // with a server that keeps silent
}

func newLieScene(t *testing.T, what string, log liar.Log) *lieScene {
	s := &lieScene{t: t, what: what, log: log, p: liar.StartPrimary(t, log), patience: 300 * time.Millisecond, path: filepath.Join(t.TempDir(), "replica.db")}
	for _, n := range log.Commits() {
		s.states = append(s.states, log.Image(n))
	}
	return s
}

func (s *lieScene) open() *Replicator {
	s.t.Helper()
	return open(s.t, Config{Path: s.path, Remote: Remote{URL: s.p.URL, AuthToken: lieToken}, Retries: NoRetries})
}

// half is the log that a later sync goes on from.
func (s *lieScene) half() liar.Log { return s.log.Cut(len(s.log.Commits()) / 2) }

// started gives a replica that has the half of the log, opened anew where that is wanted.
func (s *lieScene) started(anew bool) *Replicator {
	s.t.Helper()
	s.p.Set(s.half())
	r := s.open()
	s.sync(r)
	s.p.Set(s.log)
	if anew {
		if err := r.Close(); err != nil {
			s.t.Fatal(err)
		}
		r = s.open()
	}
	return r
}

func (s *lieScene) sync(r *Replicator) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	r.cfg.Retries = DefaultRetries
	start := time.Now()
	if _, err := r.Sync(ctx); err != nil {
		s.t.Fatalf("%s: honest sync: after %v: %v", s.what, time.Since(start), err)
	}
}

// told syncs with a primary that lies.
func (s *lieScene) told(r *Replicator, c *lieTest) {
	s.t.Helper()
	s.p.Lie(c.lie)
	r.cfg.Retries = 0
	patience := r.client.patience
	r.client.patience = s.patience // lies that are not told to the end are many
	defer func() { r.client.patience = patience }()
	limit := time.Minute // a net: what does not last ends by itself
	if c.lasts {
		limit = 200 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	var err error
	peak := liar.HeapPeak(func() { _, err = r.Sync(ctx) })
	s.checkError(err, c)
	if peak > 128<<20 { // the tests beside this one take some of it
		s.t.Errorf("%s: the sync took %d MB of memory", s.what, peak>>20)
	}
	s.checkFiles()
	if !c.nonsense {
		s.checkState()
	}
}

func (s *lieScene) checkError(err error, c *lieTest) {
	s.t.Helper()
	want := c.want
	if c.lasts {
		want = append(slices.Clone(want), context.DeadlineExceeded)
	}
	if !isOneOf(err, want) {
		s.t.Errorf("%s: sync gives %v, want one of %v", s.what, err, want)
	}
	for _, wrong := range []error{ErrNotReplica, ErrPositionFile, ErrPageSize} {
		if errors.Is(err, wrong) && !slices.Contains(want, wrong) {
			s.t.Errorf("%s: a lie was taken for another error: %v", s.what, err)
		}
	}
	if err == nil {
		return
	}
	checkErrorText(s.t, s.what, err.Error())
	var status *StatusError
	if errors.As(err, &status) {
		checkErrorText(s.t, s.what, status.Message)
	}
}

// checkErrorText fails where a text shows the token, or is none for a terminal or a log.
func checkErrorText(t *testing.T, what, text string) {
	t.Helper()
	bad := strings.IndexFunc(text, func(r rune) bool { return unicode.In(r, unicode.C) })
	if strings.Contains(text, lieToken) || !utf8.ValidString(text) || bad >= 0 || len(text) > 4000 {
		t.Errorf("%s: an error of %d bytes holds the token or what cannot be printed: %.300q", what, len(text), text)
	}
}

// isOneOf reports whether err is one of those wanted; nil is success, which no list is as well.
func isOneOf(err error, want []error) bool {
	if err == nil {
		return len(want) == 0 || slices.Contains(want, nil)
	}
	for _, w := range want {
		isAny := w == errAny && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
		if isAny || errors.Is(err, w) {
			return true
		}
	}
	return false
}

// checkFiles fails where a lie about sizes made files large, holes counted.
func (s *lieScene) checkFiles() {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > 1<<30 {
			s.t.Errorf("%s: %s has %d bytes", s.what, e.Name(), info.Size())
		}
	}
}

// checkState fails unless the file, where there is one, is a state that the honest log has.
func (s *lieScene) checkState() {
	s.t.Helper()
	if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	if got := queryText(s.t, s.path, "PRAGMA integrity_check"); got != "ok" {
		s.t.Fatalf("%s: integrity_check: %s", s.what, got)
	}
	img := image(s.t, s.path)
	if isFresh(s.path) {
		return
	}
	at := func(state []byte) bool { return sqldtest.DiffPages(img, state) == "" }
	if !slices.ContainsFunc(s.states, at) {
		s.t.Fatalf("%s: the replica is in no state of the primary's; position %s", s.what, positionText(s.path))
	}
}

// recovers ends the lie and has the same handle, or a new one, sync.
func (s *lieScene) recovers(r *Replicator, c *lieTest) {
	s.t.Helper()
	s.p.Lie(liar.PrimaryLie{})
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	r.cfg.Retries = DefaultRetries
	start := time.Now()
	_, err := r.Sync(ctx)
	if !isOneOf(err, c.after) {
		s.t.Fatalf("%s: an honest sync after the lie: after %v (patience %v): %v, want one of %v", s.what, time.Since(start), r.client.patience, err, c.after)
	}
	if err != nil {
		return
	}
	if c.nonsense {
		s.checkVerify(r)
		return
	}
	if diff := sqldtest.DiffPages(image(s.t, s.path), s.log.Image(len(s.log.Frames))); diff != "" {
		s.t.Fatalf("%s: replica and primary differ: %s", s.what, diff)
	}
	s.checkState()
}

// checkVerify fails where a replica that took nonsense is said to be what the primary has.
func (s *lieScene) checkVerify(r *Replicator) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	v, err := r.Verify(ctx)
	if err != nil {
		return // it cannot be read at all
	}
	if same := sqldtest.DiffPages(image(s.t, s.path), s.log.Image(len(s.log.Frames))) == ""; same != v.Identical() {
		s.t.Errorf("%s: verify gives %+v, the pages are the same: %v", s.what, v, same)
	}
}

// run tells a lie to a new replica ("first"), to one that goes on ("later"), or to one that was opened anew
// ("reopened"), by a primary whose log may be compacted.
func (s *lieScene) run(when string, compacted bool, c *lieTest) {
	s.t.Helper()
	var r *Replicator
	if when == "first" {
		r = s.open()
	} else {
		r = s.started(when == "reopened")
	}
	if compacted {
		commits := s.log.Commits()
		s.p.Compact(uint64(commits[len(commits)-2]))
	}
	s.told(r, c)
	s.recovers(r, c)
}

// runLies tells every lie to a new replica, to one that goes on, and to one that was opened anew.
func runLies(t *testing.T, logs map[string]liar.Log, compacted bool, tests []lieTest) {
	for _, c := range tests {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for size, log := range logs {
				for _, when := range []string{"first", "later", "reopened"} {
					if when == "first" && c.later || when == "later" && size == "several" || testing.Short() && size == "several" {
						continue
					}
					newLieScene(t, when+" sync, "+size, log).run(when, compacted, &c)
				}
			}
		})
	}
}

// An honest primary of this file is followed: what the lies begin with is the truth.
func TestHonestFakePrimaryIsFollowed(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		runLies(t, lieLogs(t), compacted, []lieTest{{name: fmt.Sprint("compacted ", compacted)}})
	}
}

// A watcher hears every lie about frames on its live stream, and gets over it when the truth comes.
func TestWatchGetsOverLies(t *testing.T) {
	log := lieLogs(t)["one request"]
	for _, c := range frameLies() {
		if slices.Contains(c.want, ErrDiverged) {
			continue // which ends a watch
		}
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newLieScene(t, "watch", log)
			s.p.Set(s.half())
			r := s.open()
			s.sync(r)
			r.cfg.Retries = 0
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- r.Watch(ctx) }()
			for !r.isLive() {
				if _, err := r.AwaitChange(waitAWhile(ctx), r.Position()); ctx.Err() != nil {
					t.Fatal("the watch does not begin:", err)
				}
			}
			s.p.Lie(c.lie)
			s.p.Set(s.log)
			for s.p.Asked("Hello")+s.p.Asked("LogEntries")+s.p.Asked("BatchLogEntries") < 2 && ctx.Err() == nil && len(ended) == 0 && r.Position().FrameNo < s.log.Last() {
				time.Sleep(time.Millisecond)
			}
			s.checkState()
			s.p.Lie(liar.PrimaryLie{})
			for r.Position().FrameNo != s.log.Last() && len(ended) == 0 {
				if _, err := r.AwaitChange(ctx, r.Position()); err != nil {
					t.Fatal("the watch does not get over it:", err)
				}
			}
			s.checkState()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the watch ended with %v", err)
			}
			s.recovers(r, &c)
		})
	}
}

// waitAWhile is a context for one look at what comes by no event.
func waitAWhile(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (r *Replicator) isLive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.live
}

// repeated is n copies of b, one after the other.
func repeated(b []byte, n int) []byte { return bytes.Repeat(b, n) }
