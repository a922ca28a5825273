package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// stat is a series of measurements in short.
type stat struct {
	N              int
	Q1, Median, Q3 float64
}

func summary(series []float64) stat {
	s := slices.Sorted(slices.Values(series))
	return stat{len(s), quantile(s, 0.25), quantile(s, 0.5), quantile(s, 0.75)}
}

// quantile of a sorted series, between its neighbours where it falls between two.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low == len(sorted)-1 {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// estimate is a number that was computed from medians, with the interval that holds
// it in 95 % of the resamples.
type estimate struct{ Value, Low, High float64 }

// resamples is enough for the 2.5th percentile to rest on 25 of them.
const resamples = 1000

// bootstrap computes f of the medians of all series, and how far it moves when the
// measurements are drawn anew, with replacement, out of those that there are (Efron's
// percentile bootstrap). The same series give the same interval.
func bootstrap(f func(medians []float64) float64, series ...[]float64) estimate {
	random := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, len(series))
	var scratch []float64
	for i, s := range series {
		medians[i] = summary(s).Median
	}
	e := estimate{Value: f(medians)}
	values := make([]float64, resamples)
	for r := range values {
		for i, s := range series {
			scratch = scratch[:0]
			for range s {
				scratch = append(scratch, s[random.IntN(len(s))])
			}
			slices.Sort(scratch)
			medians[i] = quantile(scratch, 0.5)
		}
		values[r] = f(medians)
	}
	slices.Sort(values)
	e.Low, e.High = quantile(values, 0.025), quantile(values, 0.975)
	return e
}

// ratio is a/b.
func ratio(a, b []float64) estimate {
	return bootstrap(func(m []float64) float64 { return m[0] / m[1] }, a, b)
}

// ratioAdded is (a-bareA)/(b-bareB): what a adds to the command alone, over what b
// adds to it.
func ratioAdded(a, bareA, b, bareB []float64) estimate {
	return bootstrap(func(m []float64) float64 { return (m[0] - m[1]) / (m[2] - m[3]) }, a, bareA, b, bareB)
}
