package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

func TestReserveIsAllOrNothing(t *testing.T) {
	hard, wide, alert := calls(1), calls(100), calls(1)
	wide.Name, wide.Scope, wide.Counts = "wide", []Dimension{Tenant}, Attempts
	alert.Name, alert.OnExceed = "alert", Alert
	e := replica(t, newShared(), Config{})
	defs := set(t, wide, hard, alert)
	reserve(t, e, "1", who("s"), Amounts{Calls: 1}, defs)

	s := reserve(t, e, "2", who("s"), Amounts{Calls: 1}, defs)
	if len(s) != 3 || s[0].Exceeded || !s[1].Exceeded || !s[2].Exceeded {
		t.Fatalf("statuses are not complete: %+v", s)
	}
	for _, one := range s {
		if one.Used != 1 {
			t.Errorf("%s was charged although a hard limit denies: used %d", one.Name, one.Used)
		}
	}
}

func TestReserveAsks(t *testing.T) {
	soft, attempts, allowed := calls(1), calls(100), cost(100)
	soft.Name, soft.OnExceed = "soft", RequireApproval
	attempts.Name, attempts.Counts = "attempts", Attempts
	defs := set(t, soft, attempts, allowed)
	want := Amounts{Calls: 1, CostMicroUSD: 10}
	e := replica(t, newShared(), Config{})
	reserve(t, e, "1", who("s"), want, defs)

	s := reserve(t, e, "2", who("s"), want, defs)
	if !s[0].Exceeded || s[0].Used != 1 || s[1].Used != 2 || s[2].Used != 10 {
		t.Fatalf("without approval only attempts are charged: %+v", s)
	}
	var h Hold
	if err := e.Reserve(ctx, defs, who("s"), &want, ReserveOptions{Approved: []string{soft.Name}}, &h); err != nil {
		t.Fatal(err)
	}
	if s = h.Statuses(); !s[0].Exceeded || s[0].Used != 2 || s[1].Used != 3 || s[2].Used != 20 {
		t.Fatalf("an approval lets the action past the soft limit, and charges it: %+v", s)
	}
	hard := allowed
	hard.Name, hard.Max = "hard", 5
	if err := e.Reserve(ctx, set(t, soft, attempts, allowed, hard), who("s"), &want, ReserveOptions{Approved: []string{soft.Name}}, &h); err != nil || h.Statuses()[0].Used != 2 {
		t.Fatalf("no approval lets anything past a hard limit: %+v, %v", h.Statuses(), err)
	}
}

// TestThreat_E6_ConcurrentCallers: a thousand at once, on one engine and on three.
func TestThreat_E6_ConcurrentCallers(t *testing.T) {
	for name, replicas := range map[string]int{"one": 1, "three": 3} {
		t.Run(name, func(t *testing.T) {
			l := newShared()
			var list []*Engine
			for range replicas {
				list = append(list, replica(t, l, Config{}))
			}
			defs := set(t, calls(100))
			var admitted atomic.Int64
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() {
					var h Hold
					if err := list[i%replicas].Reserve(ctx, defs, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
						t.Error(err)
						return
					}
					if !exceeded(h.Statuses()) {
						admitted.Add(1)
					}
				})
			}
			wg.Wait()
			if got := admitted.Load(); got != 100 {
				t.Fatalf("%d were admitted, not 100; %d batches", got, l.dos.Load())
			}
			t.Logf("%d batches", l.dos.Load())
		})
	}
}

func TestRefundGivesBackAllButAttempts(t *testing.T) {
	attempts := calls(100)
	attempts.Name, attempts.Counts = "attempts", Attempts
	for name, between := range map[string]func(*Engine){
		"at once": func(*Engine) {}, "after a report": func(e *Engine) { flush(t, e) },
	} {
		t.Run(name, func(t *testing.T) {
			e := still(t, newShared()) // no report of its own is under way
			var h Hold
			for range 3 { // the second from a block
				if err := e.Reserve(ctx, set(t, calls(10), cost(10), attempts), who("s"), &Amounts{Calls: 1, CostMicroUSD: 5}, ReserveOptions{}, &h); err != nil {
					t.Fatal(err)
				}
				between(e)
				e.Refund(&h)
				between(e)
				e.Refund(&h) // does nothing
			}
			got := []int64{used(t, e, who("s"), set(t, calls(10))), used(t, e, who("s"), set(t, cost(10))), used(t, e, who("s"), set(t, attempts))}
			if got[0] != 0 || got[1] != 0 || got[2] != 3 {
				t.Fatalf("calls, cost, attempts: %v", got)
			}
		})
	}
}

func TestSettleOnce(t *testing.T) {
	for name, tc := range map[string]struct{ actual, want, blockedAt int64 }{
		"below gives back":        {3, 3, 8},
		"exact":                   {5, 5, 6},
		"nothing used":            {0, 0, 11},
		"above is debt, past max": {25, 25, 0},
	} {
		for where, elsewhere := range map[string]bool{"here": false, "at another replica": true} {
			t.Run(name+" "+where, func(t *testing.T) {
				l := newShared()
				e := replica(t, l, Config{})
				at := e
				d, both := set(t, cost(10)), set(t, cost(10), calls(5))
				reserve(t, e, "1", who("s"), Amounts{Calls: 1, CostMicroUSD: 5}, both)
				if elsewhere {
					flush(t, e)
					at = replica(t, l, Config{})
				}
				got, err := at.Settle(ctx, d, "t", "1", Amounts{CostMicroUSD: tc.actual})
				if err != nil || got.AlreadySettled || got.Late || got.Reserved.CostMicroUSD != 5 || got.Charged.CostMicroUSD != tc.actual {
					t.Fatalf("first report: %+v, %v", got, err)
				}
				again, err := e.Settle(ctx, d, "t", "1", Amounts{CostMicroUSD: 1})
				if err != nil || !again.AlreadySettled || again.Charged != got.Charged {
					t.Fatalf("second report: %+v, %v", again, err)
				}
				flush(t, e)
				l.move(300 * time.Millisecond) // longer than a view is believed
				if got := used(t, at, who("s"), d); got != tc.want {
					t.Fatalf("used %d, want %d", got, tc.want)
				}
				if got := used(t, e, who("s"), set(t, calls(5))); got != 1 {
					t.Fatalf("calls are not settled: %d", got)
				}
				if s := reserve(t, at, "2", who("s"), Amounts{CostMicroUSD: tc.blockedAt}, d)[0]; !s.Exceeded {
					t.Fatalf("%d more should not fit: %+v", tc.blockedAt, s)
				}
			})
		}
	}
}

func TestCloseIsExact(t *testing.T) {
	l := newShared()
	e := replica(t, l, Config{})
	for i := range 7 {
		reserve(t, e, string(rune('a'+i)), who("s"), Amounts{Calls: 1}, set(t, calls(1000)))
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if used, blocks := booked(t, l); used != 7 || blocks != 0 {
		t.Fatalf("%d used, %d in blocks", used, blocks)
	}
}

func TestACrashCountsTheWholeBlock(t *testing.T) {
	l := newShared()
	e := replica(t, l, Config{})
	for i := range 7 {
		reserve(t, e, string(rune('a'+i)), who("s"), Amounts{Calls: 1}, set(t, calls(1000)))
	}
	before, blocks := booked(t, l)
	if blocks == 0 || before < 7 {
		t.Fatalf("%d used, %d in blocks", before, blocks)
	}
	l.breaks(func(*ledger.Batch) (error, error) { return errDisk, nil }) // nobody hears of it again
	l.move(e.cfg.Lease + time.Second)
	if after, blocks := booked(t, l); after != before || blocks != 0 {
		t.Fatalf("%d used, %d in blocks; before the crash %d", after, blocks, before)
	}
}
