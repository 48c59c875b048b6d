package replicator

import (
	"strings"
	"testing"
)

func TestVectorIndexBecomesAnEmptyOneAndBack(t *testing.T) {
	tests := []struct{ name, in, out string }{
		{"plain", "CREATE INDEX i ON t(libsql_vector_idx(e))", "CREATE INDEX i ON t(e)WHERE 0--libsql_v))"},
		{"options", "CREATE INDEX i ON t ( libsql_vector_idx(e, 'metric=cosine', 'max_neighbors=8') )", "CREATE INDEX i ON t ( e)WHERE 0--libsql_v, 'metric=cosine', 'max_neighbors=8') )"},
		{"quoted names", `CREATE INDEX "libsql_vector_idx(" ON [t(] (libsql_vector_idx("my e"))`, `CREATE INDEX "libsql_vector_idx(" ON [t(] ("my e")WHERE 0--libsql_v))`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := withoutVectorCall(tt.in)
			if !ok || got != tt.out || len(got) != len(tt.in) {
				t.Errorf("got %q (%v), want %q", got, ok, tt.out)
			}
			if back := withVectorCalls(got); back != tt.in {
				t.Errorf("back: got %q, want %q", back, tt.in)
			}
		})
	}
}

func TestVectorIndexOverLinesKeepsItsLength(t *testing.T) {
	const in = "CREATE INDEX i ON t(\n libsql_vector_idx (\n e,\n 'metric=cosine'\n )\n)"
	const want = "CREATE INDEX i ON t(\n e   )WHERE 0--libsql_v,  'metric=cosine'  ) )"
	got, ok := withoutVectorCall(in)
	if !ok || got != want || len(got) != len(in) {
		t.Errorf("got %q (%v, %d bytes), want %q (%d bytes)", got, ok, len(got), want, len(in))
	}
	page := func(ddl string) []byte { return append(append(make([]byte, 100), ddl...), 1, 2, '\n', 'x') }
	if !sameBytes(2, page(got), page(in), true) {
		t.Errorf("%q on a page is not taken for the adapted %q", got, in)
	}
	if sameBytes(2, page(got), page(strings.Replace(in, "e,", "f,", 1)), true) {
		t.Error("an index of another column is taken for the same")
	}
}

func TestOtherIndexesAreLeftAlone(t *testing.T) {
	for _, sql := range []string{
		"CREATE INDEX i ON t(e)",
		"CREATE INDEX libsql_vector_idx ON t(e)",
		"CREATE INDEX i ON t(e) /* (libsql_vector_idx(e)) */",
		"CREATE INDEX i ON t(libsql_vector_idx",
	} {
		if got, ok := withoutVectorCall(sql); ok || got != sql {
			t.Errorf("got %q (%v), want it unchanged: %q", got, ok, sql)
		}
	}
}
