package shell

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
)

// evaluate gives the value of an expression of SQL.
func evaluate(t testing.TB, conn *engine.Conn, expr string) (value any) {
	t.Helper()
	err := conn.Query(t.Context(), "SELECT "+expr, nil, func(s *engine.Stmt) error {
		value = s.ColumnValue(0)
		return nil
	})
	if err != nil {
		t.Fatalf("%.200s: %v", expr, err)
	}
	return value
}

func memory(t testing.TB) *engine.Conn {
	t.Helper()
	conn, err := engine.Open(":memory:", engine.OpenReadWrite|engine.OpenCreate|engine.OpenMemory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestLiteralsComeBackBitForBit(t *testing.T) {
	conn := memory(t)
	random := rand.New(rand.NewPCG(4, 2))
	values := []any{
		nil, int64(math.MaxInt64), int64(math.MinInt64), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1),
		math.Inf(1), math.Inf(-1), 1e15, 1e16, 123456789012345680.0, "", []byte{}, []byte{0, 255}, "\xff not UTF-8 \x00",
	}
	for range 5000 {
		if x := math.Float64frombits(random.Uint64()); x == x {
			values = append(values, x)
		}
		values = append(values, random.NormFloat64()*1e6)
	}
	for _, v := range values {
		got := evaluate(t, conn, literal(v))
		if x, ok := v.(float64); ok {
			if y, ok := got.(float64); !ok || math.Float64bits(x) != math.Float64bits(y) {
				t.Errorf("%v came back as %v, by %s", v, got, literal(v))
			}
		} else if diff := cmp.Diff(v, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", literal(v), diff)
		}
	}
}

func FuzzTextLiteral(f *testing.F) {
	for _, text := range []string{"", "it's", "a\x00b\r\n", `\n` + "\n", `\(n0)\n` + "\n", "\n\r\x1a\x00\\0\\r\\z\\n", "\xff\n", `\` + "\n", ";\n.quit\n"} {
		f.Add(text)
	}
	conn := memory(f)
	f.Fuzz(func(t *testing.T, text string) {
		expr := textLiteral(text)
		if strings.ContainsAny(expr, "\x00\n\r\x1a") {
			t.Fatalf("the literal of %q has a line end or a NUL: %q", text, expr)
		}
		if got := evaluate(t, conn, expr); got != text {
			t.Errorf("%q came back as %q, by %s", text, got, expr)
		}
	})
}
