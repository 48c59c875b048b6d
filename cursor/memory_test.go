package cursor

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/internal/sqldtest"
)

// streamedRows is how many rows the test of memory reads.
func streamedRows() int {
	if testing.Short() {
		return 300_000
	}
	return 10_000_000
}

const maxResident = 100 << 20

// TestStreamNeedsLittleMemory reads a large result in a process of its own, whose memory the kernel has counted.
func TestStreamNeedsLittleMemory(t *testing.T) {
	if os.Getenv("FLOE_TEST_STREAM") != "" {
		stream(t)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("the peak of the resident memory is read from /proc")
	}
	cmd := sqldtest.Self(t.Context(), "-test.run=^TestStreamNeedsLittleMemory$", "-test.v", "-test.short="+fmt.Sprint(testing.Short()))
	cmd.Env = append(os.Environ(), "FLOE_TEST_STREAM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows, peak := reported(t, string(out))
	if rows != streamedRows() {
		t.Errorf("%d rows, want %d", rows, streamedRows())
	}
	if peak > maxResident {
		t.Errorf("%d rows took %d MB of memory, want at most %d MB", rows, peak>>20, maxResident>>20)
	}
	t.Logf("%d rows, at most %d kB resident", rows, peak>>10)
}

// reported takes the figures from the output of the other process.
func reported(t *testing.T, out string) (rows, peak int) {
	t.Helper()
	_, figures, _ := strings.Cut(out, "streamed ")
	if _, err := fmt.Sscanf(figures, "%d rows, peak %d bytes", &rows, &peak); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return rows, peak
}

func stream(t *testing.T) {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cur, err := Open(c, Limits{}, `WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
		SELECT i, 'the name of row ' || i, i / 3.0, iif(i % 7, NULL, i) FROM n LIMIT ?`, streamedRows())
	if err != nil {
		t.Fatal(err)
	}
	rows, sum := 0, int64(0)
	for batch, err := range cur.Batches(background) {
		if err != nil {
			t.Fatal(err)
		}
		rows += batch.Len()
		for _, i := range batch.Columns[0].Ints {
			sum += i
		}
	}
	if n := int64(rows); sum != n*(n+1)/2 {
		t.Fatalf("the sum of the first %d numbers is %d, want %d", n, sum, n*(n+1)/2)
	}
	fmt.Printf("streamed %d rows, peak %d bytes\n", rows, peakResident(t))
}

// peakResident is the largest resident memory that the process had, in bytes.
func peakResident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[1] != "kB" {
		t.Fatalf("no VmHWM in %q", status)
	}
	kB, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10
}

func BenchmarkFetch(b *testing.B) {
	c, err := engine.Open(":memory:", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(background, `CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n INTEGER, r REAL);
		WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)
		INSERT INTO t SELECT i, printf('the name of row %06d', i), i * 7, i / 3.0 FROM n`); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		cur, err := Open(c, Limits{}, "SELECT id, name, n, r FROM t")
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range cur.Batches(background) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/row")
}
