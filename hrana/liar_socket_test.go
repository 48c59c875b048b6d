package hrana_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"github.com/floedb/floe/hrana"
	"github.com/floedb/floe/internal/liar"
)

// socketLies are messages of a WebSocket that answer nothing, or too much.
func socketLies() (all []lieCase) {
	add := func(name string, fine bool, say func(s *liar.Socket, answer hrana.ServerMsg)) *lieCase {
		all = append(all, lieCase{name: name, only: overSocket, fine: fine, lie: liar.HranaLie{Message: say}})
		return &all[len(all)-1]
	}
	failed := &hrana.Error{Message: "who sent " + lieToken + "?", Code: "\x1b[2J"}
	add("an answer to another request", false, func(s *liar.Socket, a hrana.ServerMsg) { a.ID += 1000; s.Send(a) })
	add("an answer to a request of before", false, func(s *liar.Socket, a hrana.ServerMsg) { a.ID = 0; a.ID--; s.Send(a) })
	add("an answer to the greatest request", false, func(s *liar.Socket, a hrana.ServerMsg) { a.ID = 1<<31 - 1; s.Send(a) })
	add("an answer twice", true, func(s *liar.Socket, a hrana.ServerMsg) { s.Send(a); s.Send(a) })
	add("an answer after one to nobody", false, func(s *liar.Socket, a hrana.ServerMsg) {
		s.Send(hrana.ServerMsg{Kind: hrana.MsgResponseError, ID: a.ID + 7, Error: failed})
		s.Send(a)
	})
	add("hello_ok to no hello", false, func(s *liar.Socket, a hrana.ServerMsg) { s.Send(hrana.ServerMsg{Kind: hrana.MsgHelloOK}); s.Send(a) })
	add("hello_error to no hello", false, func(s *liar.Socket, a hrana.ServerMsg) {
		s.Send(hrana.ServerMsg{Kind: hrana.MsgHelloError, Error: failed})
		s.Send(a)
	})
	add("an answer of another kind", false, func(s *liar.Socket, a hrana.ServerMsg) {
		a.Response = &hrana.Response{Kind: hrana.ReqStoreSQL}
		s.Send(a)
	})
	add("an error with the token", false, func(s *liar.Socket, a hrana.ServerMsg) {
		s.Send(hrana.ServerMsg{Kind: hrana.MsgResponseError, ID: a.ID, Error: failed})
	})
	add("a message of the other type", false, func(s *liar.Socket, a hrana.ServerMsg) {
		kind := websocket.MessageBinary
		if s.Encoding == hrana.Protobuf {
			kind = websocket.MessageText
		}
		_ = s.Conn.Write(s.Context, kind, s.Bytes(a))
	})
	add("an empty message", false, func(s *liar.Socket, _ hrana.ServerMsg) { s.Write(nil) })
	add("noise", false, func(s *liar.Socket, _ hrana.ServerMsg) { s.Write(bytes.Repeat([]byte{0xff}, 100)) })
	for _, code := range []websocket.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 3000, 4999} {
		add(fmt.Sprintf("close code %d", code), false, func(s *liar.Socket, _ hrana.ServerMsg) {
			go s.Conn.Close(code, "\x1b[2J"+lieToken) // waits for the other side, which is read by the goroutine that calls
		})
	}
	add("an end without a close", false, func(s *liar.Socket, _ hrana.ServerMsg) { s.Conn.CloseNow() })
	add("a message beyond the bound", false, func(s *liar.Socket, _ hrana.ServerMsg) { s.Write(bytes.Repeat([]byte(" "), 9<<20)) })
	add("a message of fragments without an end", false, func(s *liar.Socket, _ hrana.ServerMsg) { // beyond the bound some time
		go func() {
			kind := websocket.MessageText
			if s.Encoding == hrana.Protobuf {
				kind = websocket.MessageBinary
			}
			w, err := s.Conn.Writer(s.Context, kind)
			for err == nil {
				_, err = w.Write(bytes.Repeat([]byte(" "), 64<<10))
			}
		}()
	})
	add("silence", false, func(*liar.Socket, hrana.ServerMsg) {}).lasts = true
	add("pings without an end", false, func(s *liar.Socket, _ hrana.ServerMsg) {
		for range 8 { // a ping whose context ends would close the connection
			go func() {
				for s.Context.Err() == nil {
					_ = s.Conn.Ping(s.Context)
				}
			}()
		}
	}).lasts = true
	for name, message := range map[string]hrana.ServerMsg{
		"hello_ok": {Kind: hrana.MsgHelloOK}, "hello_error": {Kind: hrana.MsgHelloError, Error: failed},
		"answers to nobody": {Kind: hrana.MsgResponseError, ID: 1 << 30, Error: failed},
	} {
		add(name+" without an end", false, func(s *liar.Socket, _ hrana.ServerMsg) {
			go func() {
				for s.Context.Err() == nil {
					s.Send(message)
				}
			}()
		})
	}
	return all
}

// helloLies are what a WebSocket says to a hello.
func helloLies() (all []lieCase) {
	add := func(name string, fine bool, say func(s *liar.Socket)) *lieCase {
		all = append(all, lieCase{name: name, only: overSocket, fine: fine, lie: liar.HranaLie{Hello: say}})
		return &all[len(all)-1]
	}
	refused := hrana.ServerMsg{Kind: hrana.MsgHelloError, Error: &hrana.Error{Message: "not " + lieToken, Code: lieToken}}
	add("refused with the token", false, func(s *liar.Socket) { s.Send(refused) }).want = hrana.ErrUnauthorized
	add("taken twice", true, func(s *liar.Socket) {
		s.Send(hrana.ServerMsg{Kind: hrana.MsgHelloOK})
		s.Send(hrana.ServerMsg{Kind: hrana.MsgHelloOK})
	})
	add("taken and refused", true, func(s *liar.Socket) {
		s.Send(hrana.ServerMsg{Kind: hrana.MsgHelloOK})
		s.Send(refused)
	})
	add("answered as a request", false, func(s *liar.Socket) {
		s.Send(hrana.ServerMsg{Kind: hrana.MsgResponseError, ID: 1, Error: refused.Error})
	})
	add("noise", false, func(s *liar.Socket) { s.Write(bytes.Repeat([]byte{0xff}, 100)) })
	add("closed", false, func(s *liar.Socket) { go s.Conn.Close(1008, lieToken) })
	add("silence", false, func(*liar.Socket) {}).lasts = true
	return all
}

func TestLiesOfASocket(t *testing.T) { tellLies(t, socketLies()) }
func TestLiesToAHello(t *testing.T)  { tellLies(t, helloLies()) }
