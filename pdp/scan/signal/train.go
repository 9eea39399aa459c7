package signal

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Sample is a text to learn from.
type Sample struct {
	Text   string
	Attack bool
}

// What training does. The numbers were tried on a few values each, by cross-validation.
const (
	epochs       = 60
	learningRate = 0.5
	decay        = 1e-4 // of the weights, at each step
	gain         = 64   // of the mean weight of a window's features
)

// example is a window of a sample, with the features as often as they occur.
type example struct {
	features []uint32
	attack   float64
	weight   float64
}

// Train fits a model. The same samples in the same order give the same model on machines of one kind; it has no rates, which
// are a matter of CrossValidate.
func Train(samples []Sample) *Model {
	var examples []example
	attacks := 0
	for _, s := range samples {
		windows := windowsOf(s.Text)
		for _, w := range windows {
			e := example{features: w, weight: 1 / float64(len(windows))}
			if s.Attack {
				e.attack = 1
			}
			examples = append(examples, e)
		}
		if s.Attack {
			attacks++
		}
	}
	// Both kinds weigh alike, however many there are of each.
	balance := [2]float64{float64(len(samples)) / float64(2*max(1, len(samples)-attacks)), float64(len(samples)) / float64(2*max(1, attacks))}

	weights := make([]float64, 1<<tableBits)
	squares := make([]float64, 1<<tableBits)
	bias, biasSquares := 0.0, 1e-6
	order := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same order each time
	for range epochs {
		order.Shuffle(len(examples), func(i, j int) { examples[i], examples[j] = examples[j], examples[i] })
		for _, e := range examples {
			n := float64(max(len(e.features), leastFeatures))
			sum := 0.0
			for _, f := range e.features {
				sum += weights[f]
			}
			p := 1 / (1 + math.Exp(-(bias + gain*sum/n)))
			step := (p - e.attack) * e.weight * balance[int(e.attack)]
			biasSquares += step * step
			bias -= learningRate * step / math.Sqrt(biasSquares)
			g := step * gain / n
			for _, f := range e.features {
				squares[f] += g * g
				weights[f] -= learningRate * (g/math.Sqrt(squares[f]+1e-6) + decay*weights[f]) * 0.1
			}
		}
	}
	return quantise(weights, bias)
}

// quantise keeps the weights in a byte each. The largest are cut, so that the many small ones keep their place.
func quantise(weights []float64, bias float64) *Model {
	var sizes []float64
	for _, w := range weights {
		if w != 0 {
			sizes = append(sizes, math.Abs(w))
		}
	}
	slices.Sort(sizes)
	top := 1.0
	if len(sizes) > 0 {
		top = sizes[len(sizes)*999/1000]
	}
	m := &Model{bias: float32(bias), scale: float32(gain * top / 127), weights: make([]int8, len(weights))}
	for i, w := range weights {
		m.weights[i] = int8(math.Round(max(-127, min(127, w/top*127))))
	}
	return m
}

// windowsOf are the features of each window that Score looks at.
func windowsOf(text string) (windows [][]uint32) {
	if len(text) > 2*maxBytes {
		return append(windowsOf(text[:maxBytes]), windowsOf(text[len(text)-maxBytes:])...)
	}
	var segments [][]uint32
	walk(text, func(at int, feature uint32) {
		for len(segments) <= at/segmentBytes {
			segments = append(segments, nil)
		}
		segments[at/segmentBytes] = append(segments[at/segmentBytes], feature)
	})
	for i, s := range segments {
		if i == 0 && len(segments) > 1 {
			continue // it is part of the next
		}
		if i > 0 {
			s = append(slices.Clone(segments[i-1]), s...)
		}
		windows = append(windows, s)
	}
	return windows
}

const folds = 5

// fold is the part of the cross-validation that a text belongs to. Texts that begin alike, as variants of one jailbreak
// do, are kept together: what was learnt from one would else be tried on the other.
func fold(text string) int {
	h := fnv.New32a()
	letters := 0
	for _, c := range strings.ToLower(text) {
		if c >= 'a' && c <= 'z' {
			_, _ = h.Write([]byte{byte(c)}) // never fails
			if letters++; letters == 24 {
				break
			}
		}
	}
	return int(h.Sum32() % folds)
}

// CrossValidate gives each sample the score of a model that was trained without it and its like.
func CrossValidate(samples []Sample) []float64 {
	return CrossValidateAs(samples, func(text string) string { return text })
}

// CrossValidateAs is CrossValidate for the texts as rewrite writes them, by models that have learnt from them as they are.
func CrossValidateAs(samples []Sample, rewrite func(string) string) []float64 {
	scores := make([]float64, len(samples))
	for f := range folds {
		var rest []Sample
		for _, s := range samples {
			if fold(s.Text) != f {
				rest = append(rest, s)
			}
		}
		m := Train(rest)
		for i, s := range samples {
			if fold(s.Text) == f {
				scores[i] = m.Score(rewrite(s.Text))
			}
		}
	}
	return scores
}

// SetRates takes the steps of FalsePositives from scores that CrossValidate gave the samples.
func (m *Model) SetRates(samples []Sample, scores []float64) {
	var benign, attack []float64
	for i, s := range samples {
		if s.Attack {
			attack = append(attack, scores[i])
		} else {
			benign = append(benign, scores[i])
		}
	}
	slices.Sort(benign)
	m.rates = nil
	for _, perTenThousand := range []int{10, 20, 50, 100, 200, 500, 1000} {
		threshold := Threshold(benign, float64(perTenThousand)/10_000)
		reached := 0
		for _, s := range attack {
			if s >= threshold {
				reached++
			}
		}
		m.rates = append(m.rates, Rate{float32(threshold), uint16(perTenThousand), uint16(1000 * reached / max(1, len(attack)))})
	}
}

// Threshold is the least score that at most a rate of the benign scores, which must be sorted, reach.
func Threshold(benign []float64, rate float64) float64 {
	may := int(rate * float64(len(benign)))
	return math.Nextafter(benign[len(benign)-1-may], math.Inf(1))
}
