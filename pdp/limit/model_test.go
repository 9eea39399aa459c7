package limit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The engine against a log of timestamps, over random schedules of everything that happens to it: charges, refunds,
// settlements, commits that succeed and fail, a cache that holds next to nothing, clock steps and graceful restarts.
func TestRandomSchedulesNeverPassALimitNorForgetAUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const length = int64(time.Minute)
		limit := rapid.Int64Range(1, 12).Draw(t, "max")
		d := cost(limit)
		d.WindowSeconds = 60
		clock, ledger := newHands(), newMemory()
		cfg := Config{HotCells: 1, RecentReservations: 1}.withDefaults()
		start := func() *Engine {
			e, err := open(cfg, ledger, clock.now)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		e := start()
		defer func() { _ = e.Close(ctx) }()

		type entry struct {
			at, n, debt, debtAt int64
			open                bool
			id                  string
		}
		logs := map[string][]*entry{}
		var all []*entry
		exact := func(session string, now int64) (sum int64) {
			for _, x := range logs[session] {
				if x.at >= now-length {
					sum += x.n
				}
				if x.debtAt >= now-length {
					sum += x.debt
				}
			}
			return sum
		}
		pick := func() *entry {
			if len(all) == 0 {
				t.Skip()
			}
			return all[rapid.IntRange(0, len(all)-1).Draw(t, "reservation")]
		}
		broken := false
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				session, n := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "session"), rapid.Int64Range(1, 4).Draw(t, "units")
				id := fmt.Sprint(len(all))
				s, err := e.Reserve(ctx, id, []Definition{d}, who(session), Amounts{CostMicroUSD: n}, clock.now().Add(240*time.Hour), ReserveOptions{})
				if broken {
					if err == nil {
						t.Fatal("charged although the ledger is broken")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				now := e.clock.latest.Load()
				if !s[0].Exceeded {
					x := &entry{at: now, n: n, debtAt: -length, open: true, id: id}
					all, logs[session] = append(all, x), append(logs[session], x)
				}
				sum := exact(session, now)
				if s[0].Used < sum {
					t.Fatalf("the engine counts %d, the log %d", s[0].Used, sum)
				}
				if !s[0].Exceeded && sum > limit {
					t.Fatalf("%d in a window, max %d", sum, limit)
				}
			},
			"refund": func(t *rapid.T) {
				x := pick()
				if err := e.Refund(ctx, x.id); err == nil && x.open {
					x.n, x.open = 0, false
				} else if err == nil && x.debt > 0 {
					t.Fatal("a settled reservation was refunded")
				}
			},
			"settle": func(t *rapid.T) {
				x, actual := pick(), rapid.Int64Range(0, 6).Draw(t, "actual")
				if _, err := e.Settle(ctx, x.id, Amounts{CostMicroUSD: actual}); err == nil && x.open {
					x.open = false
					if actual <= x.n {
						x.n = actual
					} else {
						x.debt, x.debtAt = actual-x.n, e.clock.latest.Load()
					}
				}
			},
			"time":  func(t *rapid.T) { clock.move(time.Duration(rapid.Int64Range(0, length).Draw(t, "ns"))) },
			"step":  func(t *rapid.T) { clock.move(-time.Duration(rapid.Int64Range(0, 3*length).Draw(t, "ns"))) },
			"flush": func(*rapid.T) { broken = e.Flush(ctx) != nil },
			"fault": func(*rapid.T) {
				ledger.fail(nil, errDisk)
				broken = e.Flush(ctx) != nil || broken
				ledger.fail(nil, nil)
			},
			"sweep": func(*rapid.T) { e.sweepSome(ctx) },
			"restart": func(t *rapid.T) {
				if err := e.Close(ctx); err != nil {
					t.Fatal(err)
				}
				e, broken = start(), false
			},
		})
	})
}

// Every commit is a consistent cut: what the cells hold is what reservations say, so that a crash after any commit can
// neither give anything back twice nor give back what was never charged.
func TestEveryCommitIsAConsistentCut(t *testing.T) {
	clock, ledger := newHands(), newMemory()
	var bad atomic.Int64
	ledger.onCommit = func(spaces map[Space]map[string][]byte) {
		var cells, held int64
		for _, v := range spaces[CellSpace] {
			_, w, _ := decodeCell(v)
			cells += w.sum
		}
		for id, v := range spaces[ReservationSpace] {
			r, _ := decodeReservation(id, v)
			for _, c := range r.charges {
				held += c.units
			}
			if r.state == stateSettled {
				held += r.settled.Charged.CostMicroUSD
			}
		}
		if cells != held {
			bad.Add(1)
		}
	}
	// No quota may be reached: what has no place in the ledger is charged all the same.
	e := manual(t, Config{HotCells: 64, MaxPending: 1_000_000}, ledger, clock)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 2_000 {
				id := fmt.Sprintf("%d/%d", w, i)
				_, err := e.Reserve(ctx, id, []Definition{cost(MaxUnits)}, who(fmt.Sprint(i%20)), Amounts{CostMicroUSD: 10}, clock.now().Add(time.Hour), ReserveOptions{})
				if err == nil && i%3 == 0 {
					err = e.Refund(ctx, id)
				} else if err == nil && i%3 == 1 {
					_, err = e.Settle(ctx, id, Amounts{CostMicroUSD: int64(i % 20)})
				}
				if err == nil && i%50 == w {
					err = e.Flush(ctx) // beside the other three
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if bad.Load() != 0 || ledger.commits < 50 {
		t.Fatalf("%d of %d commits hold cells that are not what the reservations say", bad.Load(), ledger.commits)
	}
}

func TestCommittedStateIsWhatACrashLeaves(t *testing.T) {
	clock, ledger := newHands(), newMemory()
	e := manual(t, small, ledger, clock)
	reserve(t, e, "1", who("s"), Amounts{CostMicroUSD: 5}, cost(10))
	flush(t, e)
	if err := e.Refund(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	crashed := ledger.copy() // before the refund is committed
	flush(t, e)
	after := ledger.copy()

	e = manual(t, small, crashed, clock)
	if got := used(t, e, who("s"), cost(10)); got != 5 {
		t.Fatalf("before: %d, want 5", got)
	}
	e = manual(t, small, after, clock)
	if err := e.Refund(ctx, "1"); err != nil { // still idempotent
		t.Fatal(err)
	}
	if got := used(t, e, who("s"), cost(10)); got != 0 {
		t.Fatalf("after: %d, want 0", got)
	}
}

func TestReservationsBeyondTheirQuotaStayCharged(t *testing.T) {
	clock, ledger := newHands(), newMemory()
	e := manual(t, Config{HotCells: 64, MaxReservationsPerTenantAgent: 3, RecentReservations: 256}, ledger, clock)
	for i := range 600 {
		reserve(t, e, fmt.Sprint(i), who("s"), Amounts{CostMicroUSD: 1}, cost(1_000))
	}
	flush(t, e)
	if n := ledger.size(ReservationSpace); n != 3 {
		t.Fatalf("%d reservations in the ledger, want 3", n)
	}
	known := int64(0)
	for i := range 600 {
		if err := e.Refund(ctx, fmt.Sprint(i)); err == nil {
			known++
		}
	}
	if got := used(t, e, who("s"), cost(1_000)); known < 3 || known > 256+3 || got != 600-known {
		t.Fatalf("%d were refunded, %d are charged, want 600 together", known, got)
	}
}

func TestUsage(t *testing.T) {
	clock := newHands()
	e := manual(t, small, newMemory(), clock)
	tenant := calls(10)
	tenant.Name, tenant.Scope = "tenant", []Dimension{Tenant}
	defs := []Definition{calls(5), tenant, cost(100)}
	for i := range 4 {
		for j := range i + 1 {
			reserve(t, e, fmt.Sprint(i, "/", j), who(fmt.Sprint("s", i)), Amounts{Calls: 1}, defs...)
		}
	}
	foreign := who("s0")
	foreign.Tenant = "t2"
	reserve(t, e, "foreign", foreign, Amounts{Calls: 1}, defs...)

	for name, tc := range map[string]struct {
		filter    UsageFilter
		want      []string // name, session, used
		truncated bool
	}{
		"all, fullest first": {UsageFilter{}, []string{"tenant  10", "calls s3 4", "calls s2 3", "calls s1 2", "calls s0 1"}, false},
		"most rows":          {UsageFilter{MaxRows: 2}, []string{"tenant  10", "calls s3 4"}, true},
		"one row":            {UsageFilter{MaxRows: 1}, []string{"tenant  10"}, true},
		"by session":         {UsageFilter{Session: "s2"}, []string{"calls s2 3"}, false},
		"by limit":           {UsageFilter{Limit: "tenant"}, []string{"tenant  10"}, false},
		"by other agent":     {UsageFilter{Agent: "b"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			rows, truncated, err := e.Usage(ctx, "t", defs, tc.filter)
			var got []string
			for _, r := range rows {
				got = append(got, fmt.Sprint(r.Status.Name, " ", r.Subject.Session, " ", r.Status.Used))
			}
			if err != nil || truncated != tc.truncated || fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Fatalf("got %q (truncated %v, %v)", got, truncated, err)
			}
		})
	}
}
