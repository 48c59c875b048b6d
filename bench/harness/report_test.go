package harness

import "testing"

func TestQuantileIsOfSortedValues(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{3}, 0.5, 3},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0.99, 4},
	} {
		if got := Quantile(c.values, c.q); got != c.want {
			t.Errorf("Quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestRatioIsOfMedians(t *testing.T) {
	r := Result{Series: []Series{
		NewSeries("floe", "s", []float64{9, 1, 2}),
		NewSeries("peer", "s", []float64{8, 8, 1}),
	}}
	r.Compare("floe", "peer", 0.3)
	r.Compare("floe", "serial", 1.2) // was not run
	if want := (Ratio{Name: "floe / peer", Value: 0.25, Goal: 0.3}); len(r.Ratios) != 1 || r.Ratios[0] != want {
		t.Errorf("ratios %v, want only %v", r.Ratios, want)
	}
}
