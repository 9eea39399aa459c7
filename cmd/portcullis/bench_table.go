package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// benchRounds is what was measured of one workload at one concurrency, a sample a round.
type benchRounds struct {
	decide, echo []sample
}

// benchResult is the median of the rounds. Scripts read it by its JSON names.
type benchResult struct {
	Workload    string     `json:"workload"`
	Concurrency int        `json:"concurrency"`
	Rounds      int        `json:"rounds"`
	Seconds     float64    `json:"seconds"` // a round
	Decide      benchSide  `json:"decide"`
	Echo        benchSide  `json:"echo"`
	TimesEcho   benchRatio `json:"times_echo"`
}

type benchSide struct {
	PerSecond float64 `json:"per_second"`
	P50Micros float64 `json:"p50_us"`
	P99Micros float64 `json:"p99_us"`
}

// benchRatio says how many times an echo a decision takes: 1 would be for free. Each is the median of the rounds' own
// ratios, because what disturbs the machine disturbs both of a round.
type benchRatio struct {
	PerRequest float64 `json:"per_request"` // from requests a second
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
}

func (m benchRounds) result() benchResult {
	var ratio struct{ rate, p50, p99 []float64 }
	for i := range m.decide {
		d, e := m.decide[i], m.echo[i]
		ratio.rate = append(ratio.rate, over(e.perSecond, d.perSecond))
		ratio.p50 = append(ratio.p50, over(float64(d.p50), float64(e.p50)))
		ratio.p99 = append(ratio.p99, over(float64(d.p99), float64(e.p99)))
	}
	return benchResult{
		Decide: side(m.decide), Echo: side(m.echo),
		TimesEcho: benchRatio{PerRequest: median(ratio.rate), P50: median(ratio.p50), P99: median(ratio.p99)},
	}
}

func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func side(samples []sample) benchSide {
	var rate []float64
	var p50, p99 []time.Duration
	for _, s := range samples {
		rate, p50, p99 = append(rate, s.perSecond), append(p50, s.p50), append(p99, s.p99)
	}
	return benchSide{PerSecond: median(rate), P50Micros: micros(median(p50)), P99Micros: micros(median(p99))}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func printBench(w io.Writer, results []benchResult) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload\tat once\tdecide/s\tp50 µs\tp99 µs\techo/s\tp50 µs\tp99 µs\ttimes echo: each\tp50\tp99\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t\n", r.Workload, r.Concurrency,
			r.Decide.PerSecond, r.Decide.P50Micros, r.Decide.P99Micros, r.Echo.PerSecond, r.Echo.P50Micros, r.Echo.P99Micros,
			r.TimesEcho.PerRequest, r.TimesEcho.P50, r.TimesEcho.P99)
	}
	if len(results) > 0 {
		fmt.Fprintf(t, "\nmedians of %d rounds of %gs; the echo is a bare gRPC server that returns the same request, in a process of its own\n",
			results[0].Rounds, results[0].Seconds)
	}
	return t.Flush()
}
