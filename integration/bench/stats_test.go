package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		series []float64
		want   stat
	}{
		{[]float64{7}, stat{1, 7, 7, 7}},
		{[]float64{2, 1}, stat{2, 1.25, 1.5, 1.75}},
		{[]float64{5, 1, 4, 2, 3}, stat{5, 2, 3, 4}},
		{[]float64{1, 2, 3, 1000}, stat{4, 1.75, 2.5, 252.25}},
	} {
		before := append([]float64{}, c.series...)
		if got := summary(c.series); got != c.want {
			t.Errorf("%v: %v, want %v", c.series, got, c.want)
		}
		for i := range before {
			if before[i] != c.series[i] {
				t.Errorf("%v was sorted in place: rounds would lose their order", before)
			}
		}
	}
	if s := summary(nil); s.N != 0 || !math.IsNaN(s.Median) {
		t.Errorf("nothing: %v", s)
	}
}

func sampled(random *rand.Rand, n int, median, spread float64) (s []float64) {
	for range n {
		s = append(s, median+spread*random.NormFloat64())
	}
	return s
}

// The interval has to hold the true ratio about as often as it says.
func TestBootstrapCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const tries = 100
	held := 0
	for range tries {
		a, b := sampled(random, 60, 3, 0.3), sampled(random, 60, 2, 0.3)
		e := ratio(a, b)
		if e.Low > e.Value || e.Value > e.High {
			t.Fatalf("%+v: the value lies outside of its interval", e)
		}
		if e.Low <= 1.5 && 1.5 <= e.High {
			held++
		}
	}
	if held < 85 {
		t.Errorf("%d of %d intervals hold the true ratio, want about 95", held, tries)
	}
}

func TestBootstrapNarrows(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	width := func(n int) float64 {
		e := ratio(sampled(random, n, 3, 0.3), sampled(random, n, 2, 0.3))
		return e.High - e.Low
	}
	if few, many := width(10), width(1000); many > few/3 {
		t.Errorf("the interval of 1000 rounds is %.3f wide, of 10 rounds %.3f", many, few)
	}
	constant := []float64{2, 2, 2}
	if e := ratio(constant, constant); e != (estimate{1, 1, 1}) {
		t.Errorf("of constants: %+v", e)
	}
}

func TestRatioAdded(t *testing.T) {
	series := func(v float64) []float64 { return []float64{v, v, v} }
	if e := ratioAdded(series(3), series(1), series(5), series(1)); e != (estimate{0.5, 0.5, 0.5}) {
		t.Errorf("(3-1)/(5-1): %+v", e)
	}
	if a, b := ratio([]float64{1, 2, 9, 4}, []float64{3, 1, 2}), ratio([]float64{1, 2, 9, 4}, []float64{3, 1, 2}); a != b {
		t.Errorf("the same series: %+v and %+v", a, b)
	}
}
