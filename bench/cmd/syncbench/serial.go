package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/floedb/floe/frames"
)

// serial downloads frames and throws them away: one BatchLogEntries request after the other over one connection,
// nothing verified, nothing written. It is what a client that waits for each answer cannot do better than.
type serial struct {
	url     string
	http    http.Client
	session string
	body    bytes.Buffer
	next    uint64
}

func openSerial(url string) (*serial, error) {
	s := &serial{url: url}
	msg, err := s.call("Hello", frames.AppendHelloRequest(nil))
	if err != nil {
		return nil, err
	}
	hello, err := frames.ParseHelloResponse(msg)
	if err != nil {
		return nil, err
	}
	s.session = string(hello.SessionToken)
	return s, nil
}

// sync downloads up to the end of the log.
func (s *serial) sync() error {
	for {
		msg, err := s.call("BatchLogEntries", frames.AppendLogOffset(nil, s.next))
		if err != nil {
			return err
		}
		n, err := countFields(msg)
		if err != nil || n == 0 {
			return err
		}
		s.next += n
	}
}

// call returns the one message of an answer, valid until the next call.
func (s *serial) call(method string, msg []byte) ([]byte, error) {
	body, err := s.ask(context.Background(), method, msg)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	s.body.Reset()
	if _, err := s.body.ReadFrom(body); err != nil {
		return nil, err
	}
	return firstMessage(s.body.Bytes())
}

// ask sends a request and returns the body of its answer.
func (s *serial) ask(ctx context.Context, method string, msg []byte) (io.ReadCloser, error) {
	envelope := bytes.NewReader(frames.AppendEnvelope(nil, msg))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/wal_log.ReplicationLog/"+method, envelope)
	if err != nil {
		return nil, err
	}
	req.Header.Set("content-type", "application/grpc-web")
	req.Header.Set("x-namespace-bin", "ZGVmYXVsdA")
	if s.session != "" {
		req.Header.Set("x-session-token", s.session)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	if status := res.Header.Get("grpc-status"); status != "" && status != "0" {
		res.Body.Close()
		return nil, fmt.Errorf("%s: status %s: %s", method, status, res.Header.Get("grpc-message"))
	}
	return res.Body, nil
}

// listen reads the live stream from the end of what was downloaded on, and sends the time at which the last frame of
// each commit has arrived. It ends with ctx.
func (s *serial) listen(ctx context.Context, arrived chan<- time.Time) error {
	body, err := s.ask(ctx, "LogEntries", frames.AppendLogOffset(nil, s.next))
	if err != nil {
		return err
	}
	defer body.Close()
	env := frames.NewEnvelopeReader(bufio.NewReaderSize(body, 64<<10))
	var msg []byte
	for {
		if _, _, err := env.Next(); err != nil {
			return err
		}
		if msg, err = env.AppendPayload(msg[:0], 2*frames.Size); err != nil {
			return err
		}
		frame, err := frames.ParseFrameMessage(msg)
		if err != nil {
			return err
		}
		if frames.Frame(frame.Data).IsCommit() {
			arrived <- time.Now()
		}
	}
}

// firstMessage takes the first envelope off a body.
func firstMessage(body []byte) ([]byte, error) {
	env := frames.NewEnvelopeReader(bytes.NewReader(body))
	kind, size, err := env.Next()
	if err != nil {
		return nil, err
	}
	if kind != frames.EnvelopeData {
		return nil, errors.New("an answer without a message")
	}
	rest := body[frames.EnvelopeSize:]
	if uint64(len(rest)) < uint64(size) {
		return nil, io.ErrUnexpectedEOF
	}
	return rest[:size], nil
}

// countFields counts the frames of a BatchLogEntries answer: a message of nothing but length-delimited fields.
func countFields(msg []byte) (n uint64, err error) {
	for len(msg) > 0 {
		_, _, size := protowire.ConsumeField(msg)
		if size < 0 {
			return n, protowire.ParseError(size)
		}
		msg = msg[size:]
		n++
	}
	return n, nil
}

func (s *serial) close() error {
	s.http.CloseIdleConnections()
	return nil
}
