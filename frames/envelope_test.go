package frames_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
)

func TestARealAnswerIsAMessageAndTrailers(t *testing.T) {
	for _, name := range []string{"wire/hello.bin", "wire/batch.bin", "wire/batch-empty.bin"} {
		e := frames.NewEnvelopeReader(bytes.NewReader(testdata.Read(t, name)))
		kind, length, err := e.Next()
		if err != nil || kind != frames.EnvelopeData {
			t.Fatalf("%s: first envelope %d, %v; want data", name, kind, err)
		}
		message, err := io.ReadAll(e)
		if err != nil || len(message) != int(length) {
			t.Errorf("%s: payload of %d bytes, %v; want %d", name, len(message), err, length)
		}
		if kind, _, err = e.Next(); err != nil || kind != frames.EnvelopeTrailers {
			t.Fatalf("%s: second envelope %d, %v; want trailers", name, kind, err)
		}
		text, err := e.AppendPayload(nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if status, err := frames.ParseTrailers(text); err != nil || !status.OK() {
			t.Errorf("%s: status %+v, %v; want success", name, status, err)
		}
		if _, _, err := e.Next(); err != io.EOF {
			t.Errorf("%s: behind the trailers: error %v, want %v", name, err, io.EOF)
		}
	}
}

func TestEnvelopesComeBackAsTheyWereAppended(t *testing.T) {
	body := frames.AppendEnvelope(nil, []byte("one"))
	body = frames.AppendEnvelope(body, nil)
	body = frames.AppendEnvelope(body, bytes.Repeat([]byte("x"), 200_000))
	body = frames.AppendTrailers(body, frames.Status{Code: 9, Message: "NO_HELLO"})
	e := frames.NewEnvelopeReader(iotest.HalfReader(bytes.NewReader(body)))
	var got []int
	var last []byte
	for {
		_, length, err := e.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if last, err = e.AppendPayload(last[:0], 200_000); err != nil || len(last) != int(length) {
			t.Fatalf("payload of %d bytes, %v; want %d", len(last), err, length)
		}
		got = append(got, len(last))
	}
	if diff := cmp.Diff([]int{3, 0, 200_000, len("grpc-status:9\r\ngrpc-message:NO_HELLO\r\n")}, got); diff != "" {
		t.Errorf("payload lengths (-want +got):\n%s", diff)
	}
}

func TestNextPassesOverWhatWasNotRead(t *testing.T) {
	body := frames.AppendEnvelope(nil, []byte("not read"))
	body = frames.AppendEnvelope(body, []byte("read"))
	e := frames.NewEnvelopeReader(bytes.NewReader(body))
	for range 2 {
		if _, _, err := e.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := e.AppendPayload(nil, 4); string(got) != "read" || err != nil {
		t.Errorf("payload %q, %v; want %q", got, err, "read")
	}
}

func TestABodyCutInsideAnEnvelopeIsUnexpected(t *testing.T) {
	body := frames.AppendEnvelope(nil, []byte("payload"))
	for cut := 1; cut < len(body); cut++ {
		for name, read := range map[string]func(*frames.EnvelopeReader) error{
			"append": func(e *frames.EnvelopeReader) error { _, err := e.AppendPayload(nil, 100); return err },
			"read":   func(e *frames.EnvelopeReader) error { _, err := io.ReadAll(e); return err },
			"skip":   func(e *frames.EnvelopeReader) error { _, _, err := e.Next(); return err },
		} {
			e := frames.NewEnvelopeReader(bytes.NewReader(body[:cut]))
			_, _, err := e.Next()
			if err == nil {
				err = read(e)
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at %d, %s: error %v, want %v", cut, name, err, io.ErrUnexpectedEOF)
			}
		}
	}
}

func TestEnvelopesNobodyAskedForAreRefused(t *testing.T) {
	for _, flag := range []byte{0x01, 0x81, 0x40} {
		if _, _, err := frames.NewEnvelopeReader(bytes.NewReader([]byte{flag, 0, 0, 0, 0})).Next(); !errors.Is(err, frames.ErrEnvelope) {
			t.Errorf("flags %#x: error %v, want %v", flag, err, frames.ErrEnvelope)
		}
	}
	e := frames.NewEnvelopeReader(bytes.NewReader([]byte{0, 0x7f, 0xff, 0xff, 0xff}))
	if _, length, err := e.Next(); err != nil || length != math.MaxInt32 {
		t.Fatalf("length %d, %v; want %d", length, err, math.MaxInt32)
	}
	if _, err := e.AppendPayload(nil, 1<<20); !errors.Is(err, frames.ErrTooLarge) {
		t.Errorf("2 GB with a limit of 1 MB: error %v, want %v", err, frames.ErrTooLarge)
	}
	got, err := e.AppendPayload(nil, math.MaxInt32)
	if !errors.Is(err, io.ErrUnexpectedEOF) || cap(got) > 1<<20 {
		t.Errorf("2 GB that are not there: error %v, %d bytes taken; want %v, at most 1 MB", err, cap(got), io.ErrUnexpectedEOF)
	}
}

func TestErrorsOfARealServerAreRead(t *testing.T) {
	cases := []struct {
		file string
		want frames.Status
	}{
		{"wire/error-no-hello.txt", frames.Status{Code: 9, Message: "NO_HELLO"}},
		{"wire/error-need-snapshot.txt", frames.Status{Code: 9, Message: "NEED_SNAPSHOT"}},
		{"wire/error-namespace.txt", frames.Status{Code: 9, Message: "NAMESPACE_DOESNT_EXIST"}},
		{"wire/error-snapshot.txt", frames.Status{Code: 13, Message: "No such file or directory (os error 2)"}},
	}
	for _, c := range cases {
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(testdata.Read(t, c.file))), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := frames.ParseStatus(res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message"))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.file, diff)
		}
	}
}

func TestTrailersComeBackAsTheyWereAppended(t *testing.T) {
	for _, want := range []frames.Status{
		{},
		{Code: 14, Message: "snapshot not found"},
		{Code: 2, Message: " 100% \r\n\x00 größer\xff "},
	} {
		e := frames.NewEnvelopeReader(bytes.NewReader(frames.AppendTrailers(nil, want)))
		if _, _, err := e.Next(); err != nil {
			t.Fatal(err)
		}
		text, err := e.AppendPayload(nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		got, err := frames.ParseTrailers(text)
		if err != nil {
			t.Errorf("%+v: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	}
}

func TestTrailersAreReadAsTheyMayBeWritten(t *testing.T) {
	cases := []struct {
		text string
		want frames.Status
	}{
		{"grpc-status: 0\r\n", frames.Status{}},
		{"GRPC-Status:5\nother: x\nGrpc-Message: a:b", frames.Status{Code: 5, Message: "a:b"}},
		{"grpc-message:%zz%4\r\ngrpc-status:1\r\n", frames.Status{Code: 1, Message: "%zz%4"}},
	}
	for _, c := range cases {
		got, err := frames.ParseTrailers([]byte(c.text))
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v; want %+v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "grpc-message:x\r\n", "grpc-status:x\r\n", "grpc-status:-1\r\n", "grpc-status\r\n"} {
		if got, err := frames.ParseTrailers([]byte(text)); !errors.Is(err, frames.ErrStatus) {
			t.Errorf("%q: %+v, error %v; want %v", text, got, err, frames.ErrStatus)
		}
	}
}
