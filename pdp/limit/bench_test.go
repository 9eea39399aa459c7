package limit

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

// BenchmarkReserveHot is one call against one limit whose cell is hot, beside the least that a counter can cost. It runs
// on a real clock with commits beside it, into a ledger in memory.
func BenchmarkReserveHot(b *testing.B) {
	b.Run("mutex and map", func(b *testing.B) {
		var mu sync.Mutex
		counts := map[string]int64{}
		key := "tenant/agent/session"
		b.ReportAllocs()
		for b.Loop() {
			mu.Lock()
			if counts[key] < 1<<50 {
				counts[key]++
			}
			mu.Unlock()
		}
	})
	for name, defs := range map[string][]Definition{
		"one limit":   {calls(1 << 50)},
		"four limits": {calls(1 << 50), four("b"), four("c"), four("d")},
		"with money":  {cost(1 << 50)},
	} {
		b.Run(name, func(b *testing.B) {
			e, err := New(Config{}, newMemory(), time.Now)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close(ctx)
			ids := make([]string, 1<<20)
			for i := range ids {
				ids[i] = strconv.Itoa(i)
			}
			subject, expires, i := who("s"), time.Now().Add(time.Hour), 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Reserve(ctx, ids[i%len(ids)], defs, subject, Amounts{Calls: 1, CostMicroUSD: 1}, expires, ReserveOptions{}); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func four(name string) Definition {
	d := calls(1 << 50)
	d.Name, d.Scope = name, []Dimension{Agent, Tool}
	return d
}
