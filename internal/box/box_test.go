package box

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValuesStayWhatTheyAre(t *testing.T) {
	var texts Batch[string]
	var ints Batch[int64]
	var times Batch[time.Time]
	var got, want []any
	for i := range 1000 {
		at := time.Unix(int64(i), 0).UTC()
		got = append(got, texts.Any(at.String()), ints.Any(int64(i)), times.Any(at))
		want = append(want, at.String(), int64(i), at)
		if i%100 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestOneAllocationIsForManyValues(t *testing.T) {
	var texts Batch[string]
	sink := make([]any, 0, 1000)
	n := testing.AllocsPerRun(10, func() {
		sink = sink[:0]
		for range 640 {
			sink = append(sink, texts.Any("text"))
		}
	})
	if n > 12 {
		t.Errorf("640 values made %v allocations, want 12 at most", n)
	}
}

func TestOneValueTakesNoMoreThanItself(t *testing.T) {
	var b Batch[int64]
	b.Any(1)
	if b.size != 1 {
		t.Errorf("the first piece of memory is for %d values, want 1", b.size)
	}
}
