package limit

import (
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// ticking is a ledger in memory on the machine's clock.
type ticking struct {
	*ledgertest.Model
	begin time.Time
}

func newTicking() *ticking {
	return &ticking{ledgertest.NewModel(ledgertest.Bounds{}, 1, 1), time.Now()}
}

func (l *ticking) Now() (earliest, latest int64, known bool) {
	now := 1 + int64(time.Since(l.begin)/time.Microsecond)
	return now, now, true
}

// BenchmarkHotCharge is one call against limits whose cells are hot, beside the least that a counter can cost: a mutex and
// a map, with the same key.
func BenchmarkHotCharge(b *testing.B) {
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
	second, third, fourth := calls(1<<50), calls(1<<50), calls(1<<50)
	second.Name, third.Name, fourth.Name = "b", "c", "d"
	third.Scope, fourth.Scope = []Dimension{Agent}, []Dimension{Tenant}
	for name, defs := range map[string]*Set{
		"one limit":   set(b, calls(1<<50)),
		"four limits": set(b, calls(1<<50), second, third, fourth),
	} {
		b.Run(name, func(b *testing.B) {
			e := replica(b, newTicking(), Config{})
			subject, want := who("s"), Amounts{Calls: 1}
			var h Hold
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Reserve(ctx, defs, subject, &want, ReserveOptions{}, &h); err != nil {
					b.Fatal(err)
				}
				if err := e.Keep(&h, "id", 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var _ ledger.Ledger = (*ticking)(nil)
