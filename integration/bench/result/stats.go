// Package result is what a bench found: medians, ratios with their intervals, and
// how they are written.
package result

import (
	"math/rand/v2"
	"slices"
)

// Median is the middle of values; 0 without any.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile is the value below which the part q of all lies.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Ratio is one of medians, with the interval that holds 95 of 100 of them when the
// measurements are drawn again.
type Ratio struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// resamples of the bootstrap.
const resamples = 2000

// RatioOf is the ratio of the medians of own to other. The resampling begins at
// the same place each time, so that the same measurements give the same interval.
func RatioOf(own, other []float64) Ratio {
	r := Ratio{Value: Median(own) / Median(other)}
	source := rand.New(rand.NewPCG(1, 2))
	draw := func(from []float64) []float64 {
		out := make([]float64, len(from))
		for i := range out {
			out[i] = from[source.IntN(len(from))]
		}
		return out
	}
	ratios := make([]float64, resamples)
	for i := range ratios {
		ratios[i] = Median(draw(own)) / Median(draw(other))
	}
	r.Low, r.High = Quantile(ratios, 0.025), Quantile(ratios, 0.975)
	return r
}
