package floe_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/floedb/floe"
	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// badServers are servers, or the lack of one, that a replica cannot follow.
func badServers(t *testing.T) map[string]struct {
	url  string
	opts []floe.Option
	want error
} {
	t.Helper()
	locked := sqldtest.Start(t, sqldtest.WithJWT())
	fill(t, locked, 3)
	names := sqldtest.Start(t, sqldtest.WithNamespaces())
	plain := sqldtest.Start(t)
	serve := func(start func(http.Handler) *httptest.Server, status int, body string) string {
		s := start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("content-type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	secure := serve(httptest.NewTLSServer, http.StatusOK, "<html>")
	return map[string]struct {
		url  string
		opts []floe.Option
		want error
	}{
		"missing token":            {locked.URL, nil, floe.ErrAuth},
		"wrong token":              {locked.URL, []floe.Option{floe.WithAuthToken("wrong")}, floe.ErrAuth},
		"token of another key":     {locked.URL, []floe.Option{floe.WithAuthToken("eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl")}, floe.ErrAuth},
		"wrong namespace":          {names.URL, []floe.Option{floe.WithNamespace("nobody")}, floe.ErrNamespaceNotFound},
		"HTML server":              {serve(httptest.NewServer, http.StatusOK, "<html>hello"), nil, floe.ErrNotLibSQL},
		"404 server":               {serve(httptest.NewServer, http.StatusNotFound, "not here"), nil, floe.ErrNotLibSQL},
		"TLS to a plain server":    {strings.Replace(plain.URL, "http:", "libsql:", 1), nil, floe.ErrNotLibSQL},
		"plain to a TLS server":    {strings.Replace(secure, "https:", "http:", 1), nil, floe.ErrNotLibSQL},
		"unknown certificate":      {secure, nil, floe.ErrNotLibSQL},
		"port that nobody answers": {gone.URL, nil, floe.ErrUnreachable},
	}
}

func TestBadServersChangeNothing(t *testing.T) {
	good := sqldtest.Start(t)
	fill(t, good, 5)
	for name, tt := range badServers(t) {
		t.Run(name, func(t *testing.T) {
			opts := append([]floe.Option{floe.WithRetries(0)}, tt.opts...)
			for what, path := range map[string]string{"new": newPath(t), "existing": newPath(t)} {
				if what == "existing" {
					synced(t, path, good)
				}
				before := contents(t, filepath.Dir(path))
				r, err := floe.OpenReplica(limit(t), path, tt.url, opts...)
				if err != nil {
					t.Fatal("open:", err)
				}
				_, err = r.Sync(limit(t))
				wantErrorIs(t, err, tt.want)
				err = r.Watch(shortly(t))
				if tt.want != floe.ErrUnreachable {
					wantErrorIs(t, err, tt.want)
				}
				closeReplica(t, r)
				unchanged(t, filepath.Dir(path), before)
			}
		})
	}
}

// TestRedirectsAreNotFollowed has the token go to the server of the URL only.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		srv := httptest.NewServer(http.RedirectHandler(other.URL, status))
		t.Cleanup(srv.Close)
		for what, opts := range map[string][]floe.Option{
			"own client":   {floe.WithAuthToken("secret")},
			"given client": {floe.WithAuthToken("secret"), floe.WithHTTPClient(&http.Client{})},
		} {
			r, err := floe.OpenReplica(limit(t), newPath(t), srv.URL, opts...)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Sync(limit(t))
			wantErrorIs(t, err, floe.ErrNotLibSQL)
			if err == nil || !strings.Contains(err.Error(), "redirect") || strayed.Load() != 0 {
				t.Errorf("%s, status %d: %v, and %d requests to where it leads, want an error and none", what, status, err, strayed.Load())
			}
			closeReplica(t, r)
		}
	}
}

// shortly gives a context for what goes on until it ends.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(limit(t), 3e8)
	t.Cleanup(cancel)
	return ctx
}

func TestGoodTokensAndNamespacesAreTaken(t *testing.T) {
	srv := sqldtest.Start(t, sqldtest.WithJWT(), sqldtest.WithNamespaces())
	srv.CreateNamespace(t, "other")
	other := srv.In("other")
	fill(t, other, 5)
	r := openNew(t, srv, floe.WithAuthToken(srv.Token(sqldtest.ReadOnly())), floe.WithNamespace("other"))
	mustSync(t, r)
	wantEqual(t, r.Path(), other)
}

func TestFilesThatAreNoReplicaAreRefused(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	tests := map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"somebody's own database": {func(t *testing.T, path string) {
			makeDatabase(t, path, "CREATE TABLE own(a)")
		}, floe.ErrNotReplica},
		"a text file":              {func(t *testing.T, path string) { writeFile(t, path, []byte("hello")) }, floe.ErrNotReplica},
		"an empty file":            {func(t *testing.T, path string) { writeFile(t, path, nil) }, floe.ErrNotReplica},
		"a short position file":    {cutPosition(srv, 24), floe.ErrPositionFile},
		"a long position file":     {cutPosition(srv, 33), floe.ErrPositionFile},
		"an empty position file":   {cutPosition(srv, 0), floe.ErrPositionFile},
		"a position of zeros only": {zeroPosition(srv), floe.ErrPositionFile},
		"pages of 8192 bytes": {func(t *testing.T, path string) {
			makeDatabase(t, path, "PRAGMA page_size = 8192; CREATE TABLE own(a)")
			synced(t, path+".good", srv)
			copyFile(t, path+".good-client_wal_index", path+"-client_wal_index")
			writeFile(t, path+"-floe-lock", nil)
		}, floe.ErrPageSize},
		"a directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			tt.make(t, path)
			before := contents(t, filepath.Dir(path))
			r, err := floe.OpenReplica(limit(t), path, srv.URL)
			if err == nil {
				_, err = r.Sync(limit(t))
				closeReplica(t, r)
			}
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			after := contents(t, filepath.Dir(path))
			delete(before, filepath.Base(path)+"-floe-lock") // names whoever tried last
			delete(after, filepath.Base(path)+"-floe-lock")
			if fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("the directory changed from %v to %v", before, after)
			}
		})
	}
}

func makeDatabase(t *testing.T, path, sql string) {
	t.Helper()
	c, err := engine.Open(path, engine.OpenReadWrite|engine.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec(limit(t), sql), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// cutPosition makes a replica with a position file of n bytes.
func cutPosition(srv *sqldtest.Server, n int) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		synced(t, path, srv)
		b := append(readFile(t, path+"-client_wal_index"), make([]byte, n)...)
		writeFile(t, path+"-client_wal_index", b[:n])
	}
}

func zeroPosition(srv *sqldtest.Server) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		synced(t, path, srv)
		writeFile(t, path+"-client_wal_index", make([]byte, 32))
	}
}

// A position file with one bit wrong is an error, or leads to the right database.
func TestEveryBitOfThePositionFileMatters(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 40)
	master := newPath(t)
	synced(t, master, srv)
	good := readFile(t, master+"-client_wal_index")
	fill(t, srv, 40) // so that wrong positions are in the primary's log
	step := 1
	if testing.Short() {
		step = 5
	}
	dir, outcomes := t.TempDir(), map[string]int{}
	for bit := 0; bit < 8*len(good); bit += step {
		path := filepath.Join(dir, fmt.Sprintf("%d.db", bit))
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		copyFile(t, master, path)
		writeFile(t, path+"-client_wal_index", bad)
		outcomes[outcomeOf(t, srv, path, bit)]++
	}
	t.Log(outcomes)
}

// outcomeOf syncs a replica that is not as it should be.
func outcomeOf(t *testing.T, srv *sqldtest.Server, path string, bit int) string {
	t.Helper()
	before := image(t, path)
	r, err := floe.OpenReplica(limit(t), path, srv.URL, floe.WithRetries(0))
	if err == nil {
		_, err = r.Sync(limit(t))
		closeReplica(t, r)
	}
	for _, known := range []error{floe.ErrPositionFile, floe.ErrAhead, floe.ErrDiverged} {
		if errors.Is(err, known) {
			if diff := sqldtest.DiffPages(image(t, path), before); diff != "" {
				t.Errorf("bit %d: refused with %v, but changed: %s", bit, err, diff)
			}
			return known.Error()
		}
	}
	if err != nil {
		t.Errorf("bit %d: unexpected error %v", bit, err)
		return "other error"
	}
	if diff := sqldtest.DiffPages(image(t, path), srv.PrimaryImage(t)); diff != "" {
		t.Errorf("bit %d: synced to a wrong database: %s", bit, diff)
	}
	return "right"
}

func TestAPositionAheadOfThePrimaryIsRefused(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	synced(t, path, srv)
	b := readFile(t, path+"-client_wal_index")
	binary.LittleEndian.PutUint64(b[16:], srv.FrameNo(t)+10)
	writeFile(t, path+"-client_wal_index", append(b[:24], make([]byte, 8)...))
	before := contents(t, filepath.Dir(path))
	r := openAt(t, path, srv)
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrAhead)
	closeReplica(t, r)
	unchanged(t, filepath.Dir(path), before)
}

// rewound makes a server whose data is put back to an earlier state after a
// replica had synced later ones.
func rewound(t *testing.T) (srv *sqldtest.Server, r *floe.Replica) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	backup := filepath.Join(t.TempDir(), "backup")
	srv = sqldtest.Start(t, sqldtest.WithDir(dir))
	fill(t, srv, 10)
	srv.Stop()
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	srv.Restart(t)
	fill(t, srv, 10)
	r = openNew(t, srv, floe.WithRetries(1))
	mustSync(t, r)
	srv.Stop()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}
	srv.Restart(t)
	return srv, r
}

func TestAPrimaryThatLostCommitsIsNoticed(t *testing.T) {
	srv, r := rewound(t)
	before := image(t, r.Path())
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrAhead)

	srv.Exec(t, "CREATE TABLE another(a)")
	for i := range 20 {
		srv.Exec(t, fmt.Sprintf("INSERT INTO another VALUES (%d)", i))
	}
	_, err = r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrDiverged)
	closeReplica(t, r)
	again := openAt(t, r.Path(), srv)
	_, err = again.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrDiverged)
	if diff := sqldtest.DiffPages(image(t, r.Path()), before); diff != "" {
		t.Error("the replica changed:", diff)
	}
}

func TestALocallyChangedReplicaIsNoticed(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	path := newPath(t)
	synced(t, path, srv)
	shell(t, path, "UPDATE t SET a = 'forged'")
	before := contents(t, filepath.Dir(path))
	r := openAt(t, path, srv)
	_, err := r.Sync(limit(t))
	wantErrorIs(t, err, floe.ErrDiverged)
	closeReplica(t, r)
	unchanged(t, filepath.Dir(path), before)
}

// mountSmall mounts a file system of the size in a new directory.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("this process may not mount a file system: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir
}

func remount(t *testing.T, dir, options string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
		t.Skipf("this process may not mount a file system: %v: %s", err, out)
	}
}

func TestAReadOnlyDirectory(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	for _, have := range []bool{false, true} {
		t.Run(fmt.Sprintf("replica there: %v", have), func(t *testing.T) {
			dir := mountSmall(t, "3m")
			path := filepath.Join(dir, "replica.db")
			if have {
				synced(t, path, srv)
			}
			fill(t, srv, 5)
			remount(t, dir, "ro")
			before := contents(t, dir)
			r := openAt(t, path, srv)
			if _, err := r.Sync(limit(t)); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want %v and the path", err, syscall.EROFS)
			}
			unchanged(t, dir, before)
			remount(t, dir, "rw")
			mustSync(t, r)
			wantEqual(t, path, srv)
			closeReplica(t, r)
		})
	}
}

func TestAFullDisk(t *testing.T) {
	for _, have := range []bool{false, true} {
		t.Run(fmt.Sprintf("replica there: %v", have), func(t *testing.T) {
			srv := sqldtest.Start(t)
			fill(t, srv, 5)
			dir := mountSmall(t, "3m")
			path := filepath.Join(dir, "replica.db")
			r := openAt(t, path, srv, floe.WithRetries(0))
			if have {
				mustSync(t, r)
			}
			fillPages(t, srv, 1500)
			_, err := r.Sync(limit(t))
			wantErrorIs(t, err, syscall.ENOSPC, engine.Full, engine.IOErr)
			if have {
				wantQuery(t, r, "SELECT count(*) FROM t", "5")
				wantWhole(t, path)
			} else if exists(t, path) {
				t.Error("a part of a first sync is there as a database")
			}
			remount(t, dir, "size=64m")
			mustSync(t, r)
			wantEqual(t, path, srv)
			closeReplica(t, r)
		})
	}
}

func TestFilesOfFramesThatDoNotFitAreRefused(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	other := sqldtest.Start(t, sqldtest.WithMaxLogSize(1))
	for range 4 {
		fillPages(t, other, 500)
	}
	path := newPath(t)
	synced(t, path, srv)
	at := srv.FrameNo(t)
	fill(t, srv, 5)
	whole := readFile(t, pullFile(t, srv, at+1))
	flipped := append([]byte(nil), whole...)
	flipped[len(flipped)/2] ^= 1
	tests := map[string]struct {
		file func(t *testing.T) string
		want error
	}{
		"snapshot of another log": {func(t *testing.T) string { return snapshotOf(t, other) }, floe.ErrWrongLog},
		"archive of another log":  {func(t *testing.T) string { return pullFile(t, other, 0) }, floe.ErrWrongLog},
		"archive after a gap":     {func(t *testing.T) string { return pullFile(t, srv, at+3) }, floe.ErrGap},
		"truncated archive":       {func(t *testing.T) string { return temp(t, whole[:len(whole)-10]) }, floe.ErrCorrupt},
		"half an archive":         {func(t *testing.T) string { return temp(t, whole[:len(whole)/2]) }, floe.ErrCorrupt},
		"archive with a bit over": {func(t *testing.T) string { return temp(t, flipped) }, floe.ErrCorrupt},
		"some other file":         {func(t *testing.T) string { return temp(t, []byte("hello")) }, floe.ErrCorrupt},
		"empty file":              {func(t *testing.T) string { return temp(t, nil) }, floe.ErrCorrupt},
		"no file":                 {func(t *testing.T) string { return newPath(t) }, os.ErrNotExist},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := contents(t, filepath.Dir(path))
			r := openAt(t, path, nil)
			_, err := r.ApplyFile(limit(t), tt.file(t))
			wantErrorIs(t, err, tt.want)
			closeReplica(t, r)
			unchanged(t, filepath.Dir(path), before)
		})
	}
	r := openAt(t, path, nil)
	if _, err := r.ApplyFile(limit(t), temp(t, whole)); err != nil {
		t.Fatal("the whole archive:", err)
	}
	wantEqual(t, path, srv)
}

func temp(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	writeFile(t, path, b)
	return path
}

// snapshotOf waits for the server to have made a snapshot file.
func snapshotOf(t *testing.T, srv *sqldtest.Server) (name string) {
	t.Helper()
	eventually(t, "a snapshot", func() bool {
		found, _ := filepath.Glob(filepath.Join(srv.SnapshotDir(srv.Namespace), "*.snap"))
		if len(found) > 0 {
			name = found[0]
		}
		return len(found) > 0
	})
	return name
}

// syncOnce is the second process that syncs the replica.
func syncOnce(args []string) error {
	ctx := context.Background()
	r, err := floe.OpenReplica(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	_, err = r.Sync(ctx)
	return errors.Join(err, r.Close())
}

// freezeOnce is the second process that wants to freeze the replica.
func freezeOnce(args []string) error {
	ctx := context.Background()
	r, err := floe.OpenReplica(ctx, args[0], "")
	if err != nil {
		return err
	}
	_, err = r.Freeze(ctx)
	var locked *floe.LockedError
	if errors.As(err, &locked) {
		fmt.Println(locked.Holder)
	}
	return errors.Join(err, r.Close())
}

func TestASecondProcessIsToldWhoHoldsTheReplica(t *testing.T) {
	srv := sqldtest.Start(t)
	fill(t, srv, 5)
	r := openNew(t, srv)
	mustSync(t, r)
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	watch := begin(func() error { return r.Watch(ctx) })
	eventually(t, "a live watch", func() bool { st, err := floe.Inspect(r.Path()); return err == nil && st.Holder != "" })
	out, err := child(t, "freeze", r.Path()).Output()
	if want := fmt.Sprintf("process %d on host", os.Getpid()); err == nil || !strings.Contains(string(out), want) {
		t.Errorf("the second process says %q (%v), want the holder %q", out, err, want)
	}
	cancel()
	if err := within(t, "watch", watch); !errors.Is(err, context.Canceled) {
		t.Error("watch:", err)
	}
	fill(t, srv, 5)
	mustSync(t, r)
	closeReplica(t, r)
	if out, err := child(t, "sync", r.Path(), srv.URL).CombinedOutput(); err != nil {
		t.Errorf("with the replica let go: %v: %s", err, out)
	}
	wantEqual(t, r.Path(), srv)
}
