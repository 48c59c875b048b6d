package replicator

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/internal/liar"
)

func aboutHello(change func(*frames.Hello)) liar.PrimaryLie { return liar.PrimaryLie{Hello: change} }

// helloLies are lies in the answer to Hello.
func helloLies() []lieTest {
	refused := []error{errAny}
	return []lieTest{
		{name: "one frame more than there is", want: refused, lie: aboutHello(func(h *frames.Hello) { h.Current++ })},
		{name: "many frames more than there are", want: refused, lie: aboutHello(func(h *frames.Hello) { h.Current += 1 << 40 })},
		{name: "no frame any more", want: []error{ErrAhead}, later: true, lie: aboutHello(func(h *frames.Hello) { h.HasCurrent = false })},
		{name: "fewer frames than before", want: []error{ErrAhead}, later: true, lie: aboutHello(func(h *frames.Hello) { h.Current = 3 })},
		{name: "no log id", want: refused, lie: aboutHello(func(h *frames.Hello) { h.LogID = frames.LogID{} })},
		{name: "another log id", later: true, lie: aboutHello(func(h *frames.Hello) { h.LogID[3]++ })},
		{name: "a session token that no header carries", want: []error{nil, errAny}, lie: aboutHello(func(h *frames.Hello) { h.SessionToken = []byte("a\r\nx: y\x00\xff") })},
		{name: "a session token of 900 KB", want: []error{nil, errAny}, lie: aboutHello(func(h *frames.Hello) { h.SessionToken = make([]byte, 900<<10) })},
		{name: "a session token of 900 KB of text", want: []error{nil, errAny}, lie: aboutHello(func(h *frames.Hello) { h.SessionToken = repeated([]byte("x"), 900<<10) })},
		{name: "a session token that is another's auth token", lie: aboutHello(func(h *frames.Hello) { h.SessionToken = []byte("Bearer x") })},
	}
}

// of has a lie take over the answers of some methods.
func of(serve func(w http.ResponseWriter, r *http.Request), methods ...string) liar.PrimaryLie {
	return liar.PrimaryLie{Serve: func(w http.ResponseWriter, r *http.Request, a *liar.Answer) bool {
		if !slices.Contains(methods, a.Method) {
			return false
		}
		w.Header().Set("content-type", "application/grpc-web+proto")
		serve(w, r)
		return true
	}}
}

// answerTo has a lie be the whole answer of the methods that give frames, or of hello.
func answerTo(which string, serve func(w http.ResponseWriter, r *http.Request)) liar.PrimaryLie {
	if which == "hello" {
		return of(serve, "Hello")
	}
	return of(serve, "BatchLogEntries", "LogEntries", "Snapshot")
}

func bytesOf(b ...byte) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }
}

func text(contentType, body string, status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func trailers(s string) []byte {
	b := frames.AppendEnvelope(nil, []byte(s))
	b[0] = 0x80
	return b
}

func forever(piece []byte) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		liar.Forever(w, r, func(int) []byte { return piece })
	}
}

func headers(kv ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(kv); i += 2 {
			w.Header().Set(kv[i], kv[i+1])
		}
	}
}

// answerLies are whole answers that are none.
func answerLies() (all []lieTest) {
	refused := []error{errAny}
	for _, which := range []string{"hello", "frames"} {
		add := func(name string, serve func(http.ResponseWriter, *http.Request), want ...error) {
			if want == nil {
				want = refused
			}
			all = append(all, lieTest{name: which + ": " + name, want: want, lie: answerTo(which, serve)})
		}
		endless := func(name string, serve func(http.ResponseWriter, *http.Request)) {
			all = append(all, lieTest{name: which + ": " + name, want: []error{errAny}, lasts: true, lie: answerTo(which, serve)})
		}
		add("nothing at all", bytesOf())
		add("half an envelope", bytesOf(0, 0, 0))
		add("an envelope of 4 GB", bytesOf(0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3))
		add("an envelope of 1 MB that ends", bytesOf(0, 0, 0x10, 0, 0, 1, 2, 3))
		add("flags that are none", bytesOf(0x7f, 0, 0, 0, 1, 0))
		add("a compressed envelope", bytesOf(1, 0, 0, 0, 1, 0))
		add("an empty message", bytesOf(0, 0, 0, 0, 0))
		add("a message of noise", bytesOf(frames.AppendEnvelope(nil, repeated([]byte{0xff, 0x07}, 3000))...))
		add("trailers alone that say success", bytesOf(trailers("grpc-status:0\r\n")...))
		add("trailers of 4 GB", bytesOf(0x80, 0xff, 0xff, 0xff, 0xff, 'g'))
		add("trailers without a status", bytesOf(trailers("a:b\r\n")...))
		add("a status that is no number", bytesOf(trailers("grpc-status:zero\r\n")...))
		add("a negative status", bytesOf(trailers("grpc-status:-1\r\n")...))
		add("a status of 2^64", headers("grpc-status", "18446744073709551616"))
		add("a status in the header and trailers that differ", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("grpc-status", "13")
			liar.WriteTrailers(w, frames.Status{})
		})
		add("a status of success without a message", headers("grpc-status", "0"))
		add("the token in a message", headers("grpc-status", "13", "grpc-message", "you sent "+lieToken+", Bearer "+lieToken))
		add("the token in trailers", bytesOf(trailers("grpc-status:13\r\ngrpc-message:you sent "+lieToken+"\r\n")...))
		add("the token in pieces of percent signs", headers("grpc-status", "13", "grpc-message", "you sent %73ecret%2Etoken-of%5fthe.liar"))
		add("controls in a message", headers("grpc-status", "13", "grpc-message", "%1b[2J%0d%0a%00%ff%fe%e2%80%ae"))
		add("controls in trailers", bytesOf(trailers("grpc-status:13\r\ngrpc-message:\x1b[2J\x07%ff%00\r\n")...))
		add("a message of 60 KB", bytesOf(trailers("grpc-status:13\r\ngrpc-message:"+strings.Repeat("x", 60000)+"\r\n")...))
		add("the token in a content type", text("text/"+lieToken, "", 200))
		add("a page of HTML", text("text/html", "<html>sign in</html>", 200), ErrNotLibSQL)
		add("a page of HTML with an error", text("text/html", "<html>\x1b[2J"+lieToken+"</html>", 404), ErrNotLibSQL)
		add("no content", text("application/grpc-web", "", 204))
		add("a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+lieToken, http.StatusTemporaryRedirect)
		}, ErrNotLibSQL)
		add("401 for good", text("text/plain", lieToken, 401), ErrAuth)
		add("a status of HTTP with the token", func(w http.ResponseWriter, _ *http.Request) { rawStatus(w, "500 "+lieToken+" \x1b[2J") })
		add("an encoding that nobody asked for", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("content-encoding", "br")
			_, _ = w.Write(repeated([]byte{0x55}, 1000))
		})
		add("a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		endless("silence", func(w http.ResponseWriter, r *http.Request) { liar.Flush(w); <-r.Context().Done() })
		endless("empty messages", forever(make([]byte, 5)))
		endless("a message of 4 GB, of noise", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte{0, 0xff, 0xff, 0xff, 0xff})
			forever(repeated([]byte{0x55}, 4096))(w, r)
		})
		endless("a message of 4 GB, of fields that are not known", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte{0, 0xff, 0xff, 0xff, 0xff})
			forever(repeated([]byte{0x50, 1}, 2048))(w, r)
		})
		endless("trailers without an end", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte{0x80, 0xff, 0xff, 0xff, 0xff})
			forever([]byte("a:b\r\n"))(w, r)
		})
		endless("a bomb of gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("content-encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros := make([]byte, 1<<20)
			for r.Context().Err() == nil {
				if _, err := z.Write(zeros); err != nil {
					return
				}
				_ = z.Flush()
			}
		})
		endless("an error whose body has no end", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			forever(repeated([]byte("x"), 100))(w, r)
		})
	}
	return all
}

// trailerLies are statuses in the trailers of answers that have nothing else: other servers than libSQL's give them so.
func trailerLies() (all []lieTest) {
	for _, c := range statusLies() {
		status := c.lie.Status
		c.lie.Serve = func(w http.ResponseWriter, _ *http.Request, a *liar.Answer) bool {
			s := status(a.Method)
			if s == nil {
				return false
			}
			w.Header().Set("content-type", "application/grpc-web+proto")
			liar.WriteTrailers(w, *s)
			return true
		}
		c.name += " in trailers"
		all = append(all, c)
	}
	return all
}

// rawStatus answers with a status line that net/http would not write.
func rawStatus(w http.ResponseWriter, status string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", status)
}

// statusLies are statuses where no primary gives them, for as long as the lie is told.
func statusLies() (all []lieTest) {
	say := func(method string, code int, message string) liar.PrimaryLie {
		return liar.PrimaryLie{Status: func(m string) *frames.Status {
			if m != method && !(method == "frames" && m != "Hello" && m != "Snapshot") {
				return nil
			}
			return &frames.Status{Code: code, Message: message}
		}}
	}
	add := func(want error, method string, code int, message string) {
		all = append(all, lieTest{
			name: fmt.Sprintf("%d %s to %s", code, message, method), want: []error{want}, lie: sayAtOnce(say(method, code, message)),
		})
	}
	add(errAny, "frames", 9, "NO_HELLO")
	add(errAny, "frames", 9, "NEED_SNAPSHOT")
	add(errAny, "frames", 9, "NAMESPACE_DOESNT_EXIST")
	add(ErrNamespaceNotFound, "Hello", 9, "NAMESPACE_DOESNT_EXIST")
	add(errAny, "Hello", 9, "NO_HELLO")
	add(errAny, "Hello", 9, "NEED_SNAPSHOT")
	add(errAny, "Hello", 11, "out of range")
	add(errAny, "frames", 11, "out of range")
	add(ErrAuth, "frames", 16, lieToken)
	add(ErrAuth, "Hello", 7, lieToken)
	add(ErrNotLibSQL, "Hello", 12, "unimplemented")
	add(ErrNotLibSQL, "frames", 12, "unimplemented")
	return all
}

// sayAtOnce has the answers with a status hold nothing else, in headers as libSQL's server does.
func sayAtOnce(lie liar.PrimaryLie) liar.PrimaryLie {
	lie.Serve = func(w http.ResponseWriter, _ *http.Request, a *liar.Answer) bool {
		s := lie.Status(a.Method)
		if s == nil {
			return false
		}
		liar.WriteStatus(w, *s)
		return true
	}
	return lie
}

// endlessLies are answers with frames that never come to an end.
func endlessLies() []lieTest {
	grow := func(h *frames.Hello) { h.Current = 1 << 40 }
	chain := func(page func(i int) uint32) func(w http.ResponseWriter, r *http.Request, a *liar.Answer) bool {
		return func(w http.ResponseWriter, r *http.Request, a *liar.Answer) bool {
			if a.Method == "Hello" {
				return false
			}
			w.Header().Set("content-type", "application/grpc-web+proto")
			liar.WriteFrames(w, a.Frames[:max(0, len(a.Frames)-1)])
			no, sum := a.Next+uint64(max(0, len(a.Frames)-1)), liar.Sum(a.Frames[:max(0, len(a.Frames)-1)])
			if no == a.Next {
				sum = a.Prev
			}
			buf := make([]byte, frames.PageSize)
			liar.Forever(w, r, func(i int) []byte {
				sum = frames.Checksum(sum, buf)
				f := liar.Frame(frames.Header{FrameNo: no, Checksum: sum, PageNo: page(i)}, buf)
				no++
				return frames.AppendEnvelope(nil, frames.AppendFrameMessage(nil, frames.FrameMessage{Data: f}))
			})
			return true
		}
	}
	return []lieTest{
		{name: "a transaction without an end", want: []error{errAny}, lasts: true,
			lie: liar.PrimaryLie{Hello: grow, Serve: chain(func(i int) uint32 { return uint32(i%5000 + 2) })}},
		{name: "a transaction without an end, of one page", want: []error{errAny}, lasts: true,
			lie: liar.PrimaryLie{Hello: grow, Serve: chain(func(int) uint32 { return 2 })}},
	}
}

// oneLog is the shorter of the logs, for lies that have nothing to do with its length.
func oneLog(t *testing.T) map[string]liar.Log {
	return map[string]liar.Log{"one request": lieLogs(t)["one request"]}
}

func TestLiesInHello(t *testing.T)   { runLies(t, lieLogs(t), false, helloLies()) }
func TestLiesInAnswers(t *testing.T) { runLies(t, oneLog(t), false, answerLies()) }

func TestLiesInTrailers(t *testing.T)   { runLies(t, oneLog(t), false, trailerLies()) }
func TestLiesInStatuses(t *testing.T)   { runLies(t, oneLog(t), false, statusLies()) }
func TestLiesWithoutAnEnd(t *testing.T) { runLies(t, lieLogs(t), false, endlessLies()) }
