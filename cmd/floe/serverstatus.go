package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/floedb/floe"
	"github.com/floedb/floe/cmd/floe/internal/render"
	"github.com/floedb/floe/cmd/floe/internal/session"
)

// serverReport is the JSON of `floe status URL`.
type serverReport struct {
	URL           string  `json:"url"`
	Role          string  `json:"role"`
	Version       string  `json:"version,omitempty"`
	SQLite        string  `json:"sqlite"`
	LogID         string  `json:"log_id,omitempty"`
	FrameNo       *uint64 `json:"frame_no,omitempty"`
	NoReplication string  `json:"replication_error,omitempty"`
	DatabaseBytes int64   `json:"database_bytes,omitempty"`
	Pages         int64   `json:"pages,omitempty"`
	PageSize      int64   `json:"page_size,omitempty"`
	AnswerMS      float64 `json:"answer_ms"`
}

// serverStatus asks the server for what it tells. It has to answer SQL; what else it does not tell is left out.
func serverStatus(ctx context.Context, w io.Writer, name string, on remote, asJSON bool) error {
	rep := &serverReport{URL: withoutParameters(name), Role: "server"}
	if err := rep.askSQL(ctx, on.target(name)); err != nil {
		return fmt.Errorf("%s: %w", rep.URL, err)
	}
	rep.askPosition(ctx, name, on)
	rep.Version = serverVersion(ctx, name, on.authToken())
	if asJSON {
		return printJSON(w, rep)
	}
	return printFields(w, rep.fields())
}

func (s *serverReport) askSQL(ctx context.Context, target session.Target) error {
	sess, err := target.Open(ctx)
	if err != nil {
		return err
	}
	defer sess.Close()
	began := time.Now()
	_, err = sess.Run(ctx, "SELECT sqlite_version()", nil, session.RowFunc(func(row []any) error {
		s.SQLite, _ = row[0].(string)
		return nil
	}))
	if err != nil {
		return err
	}
	s.AnswerMS = float64(time.Since(began).Microseconds()) / 1000
	for sql, into := range map[string]*int64{"PRAGMA page_count": &s.Pages, "PRAGMA page_size": &s.PageSize} {
		// A server that refuses them only leaves the size unknown.
		_, _ = sess.Run(ctx, sql, nil, session.RowFunc(func(row []any) error {
			*into, _ = row[0].(int64)
			return nil
		}))
	}
	s.DatabaseBytes = s.Pages * s.PageSize
	return nil
}

// askPosition asks as a replica does that begins, but makes no file.
func (s *serverReport) askPosition(ctx context.Context, name string, on remote) {
	dir, err := os.MkdirTemp("", "floe-status-")
	if err != nil {
		s.NoReplication = err.Error()
		return
	}
	defer os.RemoveAll(dir)
	r, err := floe.OpenReplica(ctx, filepath.Join(dir, "none.db"), overHTTP(name), on.options(floe.WithRetries(0))...)
	if err != nil {
		s.NoReplication = err.Error()
		return
	}
	defer r.Close()
	p, err := r.Primary(ctx)
	if err != nil {
		s.NoReplication = err.Error()
		return
	}
	s.LogID, s.FrameNo = p.LogID.String(), frameNo(p)
}

// overHTTP is the same server by a URL for HTTP, without parameters.
func overHTTP(name string) string {
	scheme, rest, _ := strings.Cut(name, "://")
	rest, query, _ := strings.Cut(rest, "?")
	switch scheme = strings.ToLower(scheme); {
	case scheme == "ws", scheme == "libsql" && strings.Contains("&"+query+"&", "&tls=0&"):
		scheme = "http"
	case scheme == "wss", scheme == "libsql":
		scheme = "https"
	}
	return scheme + "://" + rest
}

// maxVersion is how long a version may be, in bytes.
const maxVersion = 200

// serverVersion gives what a libSQL server calls itself, "" if it does not say.
func serverVersion(ctx context.Context, name, token string) string {
	u, err := url.JoinPath(overHTTP(name), "version")
	if err != nil {
		return ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return ""
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxVersion+1))
	if err != nil || resp.StatusCode != http.StatusOK || len(b) > maxVersion {
		return ""
	}
	return render.Escape(strings.TrimSpace(string(b)))
}

func (s *serverReport) fields() []field {
	fs := []field{{"role", s.Role}, {"url", s.URL}}
	if s.Version != "" {
		fs = append(fs, field{"version", s.Version})
	}
	fs = append(fs, field{"sqlite", s.SQLite})
	switch {
	case s.NoReplication != "":
		fs = append(fs, field{"replication", "no: " + s.NoReplication})
	case s.FrameNo != nil:
		fs = append(fs, field{"log", s.LogID}, field{"frame", *s.FrameNo})
	default:
		fs = append(fs, field{"log", s.LogID}, field{"frame", "none yet"})
	}
	if s.DatabaseBytes > 0 {
		fs = append(fs, field{"database", byteText(float64(s.DatabaseBytes))},
			field{"pages", fmt.Sprintf("%d of %d bytes", s.Pages, s.PageSize)})
	}
	return append(fs, field{"answers in", fmt.Sprintf("%.1f ms", s.AnswerMS)})
}
