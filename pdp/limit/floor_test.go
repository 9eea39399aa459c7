package limit

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// clocked is a ledger in memory on the time of the test's bubble.
type clocked struct {
	*ledgertest.Model
	offset int64
}

func (l clocked) Now() (earliest, latest int64, known bool) {
	now := time.Now().UnixMicro() + l.offset
	return now, now, true
}

func (l clocked) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	now, _, _ := l.Now()
	l.Set(now, 1)
	return l.Model.Do(ctx, b)
}

// TestProveWhoKeepsAskingGetsNearlyTheLimit: without faults a caller who asks again and again is let in at least
// max × (1 − 1/60) times a window, with the reports, refills and leases of an engine that runs as it does in a server.
func TestProveWhoKeepsAskingGetsNearlyTheLimit(t *testing.T) {
	const windows = 130 // so many that one sub-bucket more in each would show
	for range proof(1, 50) {
		for _, seconds := range []int64{1, 60} {
			synctest.Test(t, func(t *testing.T) {
				d := calls(1 + rand.Int64N(3_000))
				d.WindowSeconds = seconds
				window := time.Duration(seconds) * time.Second
				gap := int64(window)/1_000 + rand.Int64N(int64(window)/1_000)
				l := clocked{ledgertest.NewModel(ledgertest.Bounds{}, 1, 1), rand.Int64N(micros(window))} // anywhere in a sub-bucket
				e, err := New(Config{}, l, "asked")
				if err != nil {
					t.Fatal(err)
				}
				s, got := set(t, d), int64(0)
				var h Hold
				for begin := time.Now(); time.Since(begin) < windows*window; time.Sleep(time.Duration(gap)) {
					for { // all that there is at once, as who is greedy does
						if err := e.Reserve(ctx, s, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
							t.Fatal(err)
						}
						if exceeded(h.Statuses()) {
							break
						}
						got++
					}
				}
				if floor := windows * float64(d.Max) * (1 - 1.0/60); float64(got) < floor {
					t.Errorf("%d per %s, asked every %s: %d in %d windows, want at least %.0f", d.Max, window, time.Duration(gap), got, windows, floor)
				}
				if err := e.Close(ctx); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
