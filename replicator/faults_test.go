package replicator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/faultproxy"
	"github.com/floedb/floe/internal/sqldtest"
)

// faultRig is a replica behind a network that fails.
type faultRig struct {
	t     *testing.T
	what  string // for messages: the seed and what is hurt
	l     *ledger
	proxy *faultproxy.Proxy
	path  string
	rnd   *rand.Rand
	tries int
	good  int // tries that succeeded
	hung  int // tries that ended with their time
}

// tryTime ends a sync that waits for bytes which a fault took away.
const tryTime = 400 * time.Millisecond

func (g *faultRig) open(change ...func(*Config)) *Replicator {
	g.t.Helper()
	cfg := Config{Path: g.path, Remote: Remote{URL: g.proxy.URL}, Retries: NoRetries, DoubleRead: DoubleReadAlways}
	for _, f := range change {
		f(&cfg)
	}
	r, err := Open(cfg)
	if err != nil {
		g.t.Fatalf("%s: open: %v", g.what, err)
	}
	return r
}

func (g *faultRig) close(r *Replicator) {
	g.t.Helper()
	if err := r.Close(); err != nil {
		g.t.Fatalf("%s: close: %v", g.what, err)
	}
}

// try syncs once. Whatever comes of it, the file must be a state of the primary,
// and the primary's last one when the sync says so.
func (g *faultRig) try(r *Replicator) error {
	g.t.Helper()
	return g.tryFor(r, tryTime)
}

// tryFor is try for faults that keep no bytes back, after which a sync comes to its end by itself.
func (g *faultRig) tryFor(r *Replicator, limit time.Duration) error {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), limit)
	defer cancel()
	_, err := r.Sync(ctx)
	g.tries++
	g.checkError(err)
	if err != nil {
		if ctx.Err() != nil {
			g.hung++
		}
		checkLedger(g.t, g.path, fmt.Sprintf("%s, after %v", g.what, err))
		return err
	}
	g.good++
	g.checkEqual()
	return nil
}

// checkError fails where a fault of the network was taken for one of the file's,
// or of the primary's.
func (g *faultRig) checkError(err error) {
	g.t.Helper()
	for _, wrong := range []error{ErrDiverged, ErrPositionFile, ErrAhead, ErrWrongLog, ErrNotReplica, ErrPageSize} {
		if errors.Is(err, wrong) {
			g.t.Fatalf("%s: a fault was taken for another error: %v", g.what, err)
		}
	}
}

func (g *faultRig) checkEqual() {
	g.t.Helper()
	if diff := sqldtest.DiffPages(image(g.t, g.path), g.l.srv.PrimaryImage(g.t)); diff != "" {
		g.t.Fatalf("%s: replica and primary differ: %s", g.what, diff)
	}
	checkLedger(g.t, g.path, g.what)
}

// finish heals the network, syncs, and gives the number of faults that happened.
func (g *faultRig) finish() int {
	g.t.Helper()
	g.proxy.SetPlan(faultproxy.None)
	r := g.open(func(c *Config) { c.Retries = DefaultRetries })
	defer g.close(r)
	if _, err := r.Sync(g.t.Context()); err != nil {
		g.t.Fatalf("%s: sync over a healed network: %v", g.what, err)
	}
	g.checkEqual()
	n := g.proxy.Injected()
	g.t.Logf("%s: %d faults %v, %d tries, %d good, %d without an end", g.what, n, g.proxy.Counts(), g.tries, g.good, g.hung)
	return n
}

// bodies puts a proxy of HTTP bodies before the ledger's server, which hurts the
// answers of some methods.
func bodies(t *testing.T, what string, l *ledger, seed uint64, methods ...string) *faultRig {
	t.Helper()
	match := func(r *http.Request) bool {
		for _, m := range methods {
			if strings.HasSuffix(r.URL.Path, "/"+m) {
				return true
			}
		}
		return false
	}
	return rig(t, what, l, seed, faultproxy.StartHTTP(t, l.srv.Addr, faultproxy.None, match))
}

func rig(t *testing.T, what string, l *ledger, seed uint64, p *faultproxy.Proxy) *faultRig {
	return &faultRig{
		t: t, what: fmt.Sprintf("seed %d, %s", seed, what), l: l, proxy: p,
		path: filepath.Join(t.TempDir(), "replica.db"), rnd: rand.New(rand.NewPCG(seed, 9)),
	}
}

// captured reads the body of an answer that has an end.
func captured(t *testing.T, srv *sqldtest.Server, method string) []byte {
	t.Helper()
	c, err := newClient(Remote{URL: srv.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, err := c.call(t.Context(), method, frames.AppendLogOffset(nil, 0), 0)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	defer a.Close()
	body, err := io.ReadAll(a.r)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return body
}

// frameField is the tag and the length of a frame's bytes in its message.
var frameField = []byte{0x0a, 0x98, 0x20}

// frameOffsets finds where the frames of a captured answer begin.
func frameOffsets(body []byte) (at []int64) {
	for from := 0; ; {
		i := bytes.Index(body[from:], frameField)
		if i < 0 || from+i+len(frameField)+frames.Size > len(body) {
			return at
		}
		from += i + len(frameField)
		at = append(at, int64(from))
		from += frames.Size
	}
}

// weakSpots gives the offsets of an answer's bytes that its checksums do not
// cover: frame headers, the tags and lengths of messages, envelopes, trailers.
func weakSpots(body []byte) (at []int64) {
	for _, h := range frameOffsets(body) {
		for i := int64(-11); i < frames.HeaderSize; i++ {
			at = append(at, max(0, h+i))
		}
	}
	for i := max(0, len(body)-30); i < len(body); i++ {
		at = append(at, int64(i))
	}
	return at
}

// flipEveryOther flips one bit in every other stream, at one of some offsets. The
// reading that confirms another one is never hurt alike.
func flipEveryOther(seed uint64, at []int64) faultproxy.Plan {
	return func(n int) []faultproxy.Fault {
		if n%2 == 1 {
			return nil
		}
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		return []faultproxy.Fault{{Kind: faultproxy.Flip, Offset: at[rnd.IntN(len(at))], Mask: 1 << rnd.IntN(8)}}
	}
}

// flipIn flips one bit of every stream in one of the ranges of size bytes that
// begin at some offsets.
func flipIn(seed uint64, at []int64, size int64) faultproxy.Plan {
	return func(n int) []faultproxy.Fault {
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		off := at[rnd.IntN(len(at))] + rnd.Int64N(size)
		return []faultproxy.Fault{{Kind: faultproxy.Flip, Offset: off, Mask: 1 << rnd.IntN(8)}}
	}
}

// hurtFirstSyncs makes first syncs over a network that plan hurts.
func (g *faultRig) hurtFirstSyncs(tries int, plan faultproxy.Plan) {
	g.t.Helper()
	g.proxy.SetPlan(plan)
	dir := g.t.TempDir()
	for n := range tries {
		g.path = filepath.Join(dir, fmt.Sprintf("%d.db", n))
		r := g.open()
		_ = g.try(r) // checks what comes of it
		g.close(r)
	}
}

// hurtLaterSyncs follows a primary that goes on, over a network that plan hurts.
func (g *faultRig) hurtLaterSyncs(tries int, plan faultproxy.Plan) {
	g.t.Helper()
	g.proxy.SetPlan(plan)
	r := g.open()
	for range tries {
		if g.rnd.IntN(3) == 0 {
			if err := g.l.commit(g.rnd); err != nil {
				g.t.Fatal(err)
			}
		}
		_ = g.try(r) // checks what comes of it
		if g.rnd.IntN(4) == 0 {
			g.close(r)
			r = g.open()
		}
	}
	g.close(r)
}

// hurtWatches follows a primary live, over a network that plan hurts.
func (g *faultRig) hurtWatches(rounds int, plan faultproxy.Plan) {
	g.t.Helper()
	g.proxy.SetPlan(plan)
	for range rounds {
		r := g.open(func(c *Config) { c.Retries = 1 })
		ctx, cancel := context.WithCancel(g.t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Watch(ctx) }()
		for range 10 {
			if err := g.l.commit(g.rnd); err != nil {
				g.t.Fatal(err)
			}
			waitCtx, done := context.WithTimeout(ctx, 60*time.Millisecond)
			_, _ = r.AwaitChange(waitCtx, r.Position()) // lets the stream bring it, or not
			done()
		}
		cancel()
		g.checkError(<-ended)
		g.close(r)
		checkLedger(g.t, g.path, g.what)
	}
}

// compacted is a ledger whose server has snapshots of about a hundred frames.
func compacted(t *testing.T) *ledger {
	t.Helper()
	l := newLedger(t, sqldtest.Start(t, sqldtest.WithMaxLogSize(1)), 100)
	for i := range 60 {
		l.srv.Transaction(t,
			fmt.Sprintf("UPDATE a SET v = v + %d, pad = randomblob(800) WHERE id < 30", i),
			fmt.Sprintf("UPDATE b SET v = v + %d, pad = randomblob(800) WHERE id < 30", i))
	}
	return l
}

func TestFaultyNetworkNeverGivesAWrongPage(t *testing.T) {
	const seed = 1
	share := 1 // of the whole test
	if testing.Short() {
		share = 5
	}
	logged, snapped := newLedger(t, sqldtest.Start(t), 180), compacted(t)
	const batch, log, snap, hello = "BatchLogEntries", "LogEntries", "Snapshot", "Hello"
	injected := 0

	g := bodies(t, "weak spots of a log", logged, seed, batch)
	g.hurtFirstSyncs(200/share, flipEveryOther(seed, weakSpots(captured(t, logged.srv, batch))))
	injected += g.finish()

	g = bodies(t, "weak spots of snapshots", snapped, seed, snap, batch)
	g.hurtFirstSyncs(150/share, flipEveryOther(seed, weakSpots(captured(t, snapped.srv, snap))))
	injected += g.finish()

	g = bodies(t, "hello", logged, seed, hello)
	g.hurtLaterSyncs(200/share, flipEveryOther(seed, upTo(160)))
	injected += g.finish()

	g = bodies(t, "bodies of first syncs", snapped, seed, hello, snap, batch)
	g.hurtFirstSyncs(120/share, faultproxy.RandomPlan(seed, 400_000))
	injected += g.finish()

	g = bodies(t, "bodies of later syncs", logged, seed, hello, batch)
	g.hurtLaterSyncs(250/share, faultproxy.RandomPlan(seed, 20_000))
	injected += g.finish()

	g = rig(t, "connections", logged, seed, faultproxy.Start(t, logged.srv.Addr, nil))
	g.hurtLaterSyncs(200/share, faultproxy.RandomPlan(seed, 3_000))
	injected += g.finish()

	g = rig(t, "connections of first syncs", snapped, seed, faultproxy.Start(t, snapped.srv.Addr, nil))
	g.hurtFirstSyncs(80/share, faultproxy.RandomPlan(seed, 400_000))
	injected += g.finish()

	g = bodies(t, "live streams", logged, seed, hello, batch, log)
	g.hurtWatches(10/share, faultproxy.RandomPlan(seed, 20_000))
	injected += g.finish()

	if want := 1000 / share; injected < want {
		t.Errorf("%d faults happened, want %d at least", injected, want)
	}
}

// upTo gives the numbers below n.
func upTo(n int64) (all []int64) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestSilentServerIsAskedAgain(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 30)
	for _, method := range []string{"Hello", "BatchLogEntries"} {
		g := bodies(t, "a silent "+method, l, 1, method)
		g.proxy.SetPlan(faultproxy.Once(faultproxy.Fault{Kind: faultproxy.Delay, Offset: 20, Pause: time.Hour}))
		r := g.open(func(c *Config) { c.Retries = DefaultRetries })
		r.client.patience = 100 * time.Millisecond
		if _, err := r.Sync(t.Context()); err != nil {
			t.Errorf("%s: sync: %v", method, err)
		}
		g.close(r)
		g.checkEqual()
		if n := g.proxy.Injected(); n != 1 {
			t.Errorf("%s: %d faults happened, want 1", method, n)
		}
	}
}

func TestSilenceForGoodIsUnreachable(t *testing.T) {
	l := newLedger(t, sqldtest.Start(t), 30)
	g := bodies(t, "silence", l, 1, "Hello")
	g.proxy.SetPlan(func(int) []faultproxy.Fault {
		return []faultproxy.Fault{{Kind: faultproxy.Delay, Offset: 20, Pause: time.Hour}}
	})
	r := g.open()
	defer g.close(r)
	r.client.patience = 50 * time.Millisecond
	if _, err := r.Sync(t.Context()); !errors.Is(err, ErrUnreachable) || !errors.Is(err, errSilent) {
		t.Errorf("sync gives %v, want %v: %v", err, ErrUnreachable, errSilent)
	}
}

// Read once, a frame's page is what the chain of checksums vouches for.
func TestChecksumsFindEveryFlippedPage(t *testing.T) {
	const seed = 1
	once := func(c *Config) { c.DoubleRead = DoubleReadNever }
	l := newLedger(t, sqldtest.Start(t), 180)
	g := bodies(t, "pages", l, seed, "BatchLogEntries")
	inPages := frameOffsets(captured(t, l.srv, "BatchLogEntries"))
	for i := range inPages {
		inPages[i] += frames.HeaderSize
	}
	g.proxy.SetPlan(flipIn(seed, inPages, frames.PageSize))
	for range 100 {
		r := g.open(once)
		if err := g.tryFor(r, time.Minute); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: first sync gives %v, want %v", g.what, err, ErrCorrupt)
		}
		g.close(r)
	}
	g.finish()
	// A later sync of a new handle begins with the last frame applied.
	inPages = inPages[:1]
	for range 100 {
		commitSome(t, l, 1)
		g.proxy.SetPlan(faultproxy.Once(flipIn(g.rnd.Uint64(), inPages, frames.PageSize)(0)...))
		r := g.open(once, func(c *Config) { c.Retries = DefaultRetries })
		if err := g.tryFor(r, time.Minute); err != nil {
			t.Fatalf("%s: later sync: %v", g.what, err)
		}
		g.close(r)
	}
	g.finish()
}
