package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// load is a number of callers, each of whom calls again as soon as the last call has returned.
type load struct {
	call        call
	concurrency int
	duration    time.Duration
	session     string // each caller has a session of its own, by this name and a number
}

// sample is what one round measured.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
}

// run calls for that long. The first error ends it: a figure that holds failed calls is none.
func (l load) run(ctx context.Context) (sample, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	took := make([][]time.Duration, l.concurrency)
	var callers sync.WaitGroup
	begun := time.Now()
	end := begun.Add(l.duration)
	for i := range l.concurrency {
		callers.Go(func() {
			session := fmt.Sprintf("%s-%d", l.session, i)
			mine := make([]time.Duration, 0, 1<<14)
			defer func() { took[i] = mine }()
			for n, at := i, begun; at.Before(end); n += l.concurrency {
				if err := l.call(ctx, session, n); err != nil {
					stop(err)
					return
				}
				now := time.Now()
				mine = append(mine, now.Sub(at))
				at = now
			}
		})
	}
	callers.Wait()
	whole := time.Since(begun)
	if err := context.Cause(ctx); err != nil {
		return sample{}, err
	}
	return newSample(slices.Concat(took...), whole), nil
}

func newSample(took []time.Duration, whole time.Duration) sample {
	slices.Sort(took)
	return sample{perSecond: float64(len(took)) / whole.Seconds(), p50: quantile(took, 0.50), p99: quantile(took, 0.99)}
}

// quantile is the smallest value that at least that share of a sorted list does not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(share*float64(len(sorted)) + 0.999999)
	return sorted[min(max(at, 1), len(sorted))-1]
}

// median of what several rounds measured.
func median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
