package frames_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/floedb/floe/frames"
	"github.com/floedb/floe/testdata"
)

// payload gives the message of a captured answer that has one.
func payload(t *testing.T, name string) []byte {
	t.Helper()
	e := frames.NewEnvelopeReader(bytes.NewReader(testdata.Read(t, name)))
	if kind, _, err := e.Next(); err != nil || kind != frames.EnvelopeData {
		t.Fatalf("first envelope of %s: kind %d, %v; want data", name, kind, err)
	}
	message, err := e.AppendPayload(nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestHelloOfARealServer(t *testing.T) {
	empty, err := frames.ParseHelloResponse(payload(t, "wire/hello-empty.bin"))
	if err != nil {
		t.Fatal(err)
	}
	filled, err := frames.ParseHelloResponse(payload(t, "wire/hello.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if empty.LogID.IsZero() || empty.LogID != filled.LogID || len(empty.SessionToken) == 0 || empty.GenerationID == "" {
		t.Errorf("got %+v and %+v; want the same log id in both, a token and a generation", empty, filled)
	}
	batch := capturedBatch(t, "wire/batch.bin")
	if last := batch[len(batch)-1].Data.FrameNo(); !filled.HasCurrent || filled.Current != last {
		t.Errorf("current frame %d (%t), want the last one of the log, %d", filled.Current, filled.HasCurrent, last)
	}
	if empty.HasCurrent {
		t.Errorf("current frame %d of an empty log, want none", empty.Current)
	}
}

func TestHelloComesBackAsItWasAppended(t *testing.T) {
	for _, want := range []frames.Hello{
		{LogID: testLogID},
		{LogID: testLogID, HasCurrent: true},
		{GenerationID: "g", GenerationStart: 7, LogID: testLogID, SessionToken: []byte("token"), Current: math.MaxUint64, HasCurrent: true},
	} {
		got, err := frames.ParseHelloResponse(frames.AppendHello(nil, want))
		if err != nil {
			t.Errorf("%+v: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("hello (-want +got):\n%s", diff)
		}
	}
}

func TestRequestsAreWhatServersExpect(t *testing.T) {
	if got, want := frames.AppendHelloRequest(nil), []byte{0x08, 0x01}; !bytes.Equal(got, want) {
		t.Errorf("hello request % x, want % x", got, want)
	}
	if got, want := frames.AppendLogOffset(nil, 300), []byte{0x08, 0xac, 0x02}; !bytes.Equal(got, want) {
		t.Errorf("offset 300 is % x, want % x", got, want)
	}
	for _, want := range []uint64{0, 1, math.MaxUint64} {
		if got, err := frames.ParseLogOffset(frames.AppendLogOffset(nil, want)); got != want || err != nil {
			t.Errorf("offset %d came back as %d, %v", want, got, err)
		}
	}
}

func TestCommitFramesOfALiveStreamHaveTheirTime(t *testing.T) {
	e := frames.NewEnvelopeReader(bytes.NewReader(testdata.Read(t, "wire/stream.bin")))
	chain := (*frames.Chain)(nil)
	timed := 0
	var message []byte
	for range 2 {
		_, length, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if message, err = e.AppendPayload(message[:0], int(length)); err != nil {
			t.Fatal(err)
		}
		m, err := frames.ParseFrameMessage(message)
		if err != nil {
			t.Fatal(err)
		}
		if chain == nil {
			chain = frames.NewOpenChain(m.Data.FrameNo())
		}
		if err := chain.Verify(m.Data); err != nil {
			t.Fatal(err)
		}
		if m.Timestamp != 0 {
			timed++
			if !m.Data.IsCommit() || m.Timestamp < 1_700_000_000_000 || m.Timestamp > 4_000_000_000_000 {
				t.Errorf("frame %d, commit %t, at %d ms; want a commit in this century", m.Data.FrameNo(), m.Data.IsCommit(), m.Timestamp)
			}
		}
	}
	if timed == 0 {
		t.Error("no frame has a time")
	}
}

func TestFrameMessagesComeBackAsTheyWereAppended(t *testing.T) {
	f := makeLog(1, 1)[0]
	for _, want := range []frames.FrameMessage{
		{Data: f},
		{Data: f, Timestamp: 1_700_000_000_123},
		{Data: f, Timestamp: -1, HasDurable: true},
		{Data: f, Durable: math.MaxUint64, HasDurable: true},
	} {
		got, err := frames.ParseFrameMessage(frames.AppendFrameMessage(nil, want))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got, sameFrame); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	}
}

// unknownFields is one field of each wire type with numbers nobody uses.
func unknownFields() []byte {
	b := protowire.AppendTag(nil, 1000, protowire.VarintType)
	b = protowire.AppendVarint(b, math.MaxUint64)
	b = protowire.AppendTag(b, 1001, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, 1)
	b = protowire.AppendTag(b, 1002, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 1)
	b = protowire.AppendTag(b, 1003, protowire.BytesType)
	return protowire.AppendBytes(b, make([]byte, 300))
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	f := makeLog(1, 1)[0]
	want := frames.FrameMessage{Data: f, Timestamp: 5}
	message := append(unknownFields(), frames.AppendFrameMessage(nil, want)...)
	got, err := frames.ParseFrameMessage(append(message, unknownFields()...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameFrame); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
	hello := frames.Hello{LogID: testLogID, Current: 3, HasCurrent: true}
	gotHello, err := frames.ParseHelloResponse(append(unknownFields(), frames.AppendHello(nil, hello)...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hello, gotHello); diff != "" {
		t.Errorf("hello (-want +got):\n%s", diff)
	}
}

func TestMalformedMessagesAreRefused(t *testing.T) {
	f := makeLog(1, 1)[0]
	good := frames.AppendFrameMessage(nil, frames.FrameMessage{Data: f, Timestamp: 300})
	cases := []struct {
		name    string
		message []byte
		want    error
	}{
		{"empty", nil, frames.ErrShortFrame},
		{"cut in the data", good[:100], frames.ErrMalformed},
		{"cut in the time", good[:len(good)-1], frames.ErrMalformed},
		{"data too short", frames.AppendFrameMessage(nil, frames.FrameMessage{Data: f[:frames.Size-1]}), frames.ErrShortFrame},
		{"data as a number", []byte{0x08, 0x01}, frames.ErrMalformed},
		{"time as bytes", []byte{0x12, 0x00}, frames.ErrMalformed},
		{"length beyond the end", []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, frames.ErrMalformed},
		{"field number 0", []byte{0x00}, frames.ErrMalformed},
		{"endless varint", bytes.Repeat([]byte{0xff}, 11), frames.ErrMalformed},
	}
	for _, c := range cases {
		if _, err := frames.ParseFrameMessage(c.message); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := frames.ParseHelloResponse(nil); !errors.Is(err, frames.ErrLogID) {
		t.Errorf("hello without a log id: error %v, want %v", err, frames.ErrLogID)
	}
	if _, err := frames.ParseHelloResponse([]byte{0x1a, 0x05}); !errors.Is(err, frames.ErrMalformed) {
		t.Errorf("hello cut short: error %v, want %v", err, frames.ErrMalformed)
	}
	if _, err := frames.ParseLogOffset([]byte{0x0a, 0x00}); !errors.Is(err, frames.ErrMalformed) {
		t.Errorf("offset as bytes: error %v, want %v", err, frames.ErrMalformed)
	}
}

func TestParsingAFrameMessageDoesNotAllocate(t *testing.T) {
	message := frames.AppendFrameMessage(nil, frames.FrameMessage{Data: makeLog(1, 1)[0], Timestamp: 1})
	if n := testing.AllocsPerRun(100, func() {
		if _, err := frames.ParseFrameMessage(message); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("ParseFrameMessage allocates %v times, want 0", n)
	}
}
