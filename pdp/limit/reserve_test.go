package limit

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestReserveIsAllOrNothing(t *testing.T) {
	hard, wide, alert := calls(1), calls(100), calls(1)
	wide.Name, wide.Scope, wide.Counts = "wide", []Dimension{Tenant}, Attempts
	alert.Name, alert.OnExceed = "alert", Alert
	e := manual(t, small, newMemory(), newHands())
	defs := []Definition{wide, hard, alert}
	reserve(t, e, "1", who("s"), Amounts{Calls: 1}, defs...)

	s := reserve(t, e, "2", who("s"), Amounts{Calls: 1}, defs...)
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
	defs := []Definition{soft, attempts, allowed}
	want := Amounts{Calls: 1, CostMicroUSD: 10}
	e := manual(t, small, newMemory(), newHands())
	reserve(t, e, "1", who("s"), want, defs...)

	s := reserve(t, e, "2", who("s"), want, defs...)
	if !s[0].Exceeded || s[0].Used != 1 || s[1].Used != 2 || s[2].Used != 10 {
		t.Fatalf("without approval only attempts are charged: %+v", s)
	}
	s, err := e.Reserve(ctx, "3", defs, who("s"), want, newHands().t.Add(time.Hour), ReserveOptions{Approved: true})
	if err != nil || !s[0].Exceeded || s[0].Used != 2 || s[1].Used != 3 || s[2].Used != 20 {
		t.Fatalf("an approval lets the action past the soft limit, and charges it: %+v, %v", s, err)
	}
	hard := allowed
	hard.Name, hard.Max = "hard", 5
	if s, err = e.Reserve(ctx, "4", append(defs, hard), who("s"), want, newHands().t, ReserveOptions{Approved: true}); err != nil || s[0].Used != 2 {
		t.Fatalf("no approval lets anything past a hard limit: %+v, %v", s, err)
	}
}

func TestReserveSoftLimitOfAttemptsIsNotPassedByAsking(t *testing.T) {
	soft := calls(1)
	soft.OnExceed, soft.Counts = RequireApproval, Attempts
	e := manual(t, small, newMemory(), newHands())
	for i, want := range []int64{1, 1, 1} {
		if s := reserve(t, e, string(rune('a'+i)), who("s"), Amounts{Calls: 1}, soft)[0]; s.Used != want {
			t.Fatalf("call %d: used %d, want %d", i, s.Used, want)
		}
	}
}

func TestExceededFromWhenOn(t *testing.T) {
	for name, tc := range map[string]struct {
		measure  Measure
		onExceed OnExceed
		want     []bool // by call, each of one unit, max 2
	}{
		"a line is passed":            {Calls, Deny, []bool{false, false, true}},
		"a threshold is reached":      {Calls, Alert, []bool{false, true, true}},
		"failures hold at their max":  {Failures, Deny, []bool{false, false, true}},
		"failures alert at their max": {Failures, Alert, []bool{false, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			e := manual(t, small, newMemory(), newHands())
			d := calls(2)
			d.Measure, d.OnExceed = tc.measure, tc.onExceed
			var got []bool
			for i := range tc.want {
				s := reserve(t, e, string(rune('a'+i)), who("s"), Amounts{Calls: 1}, d)
				got = append(got, exceeded(s))
				if _, err := e.Add(ctx, []Definition{d}, who("s"), Amounts{Failures: 1}); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Fatalf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAlertCountsPastItsMax(t *testing.T) {
	d := calls(1)
	d.OnExceed = Alert
	e := manual(t, small, newMemory(), newHands())
	for i := range 3 {
		reserve(t, e, string(rune('a'+i)), who("s"), Amounts{Calls: 1}, d)
	}
	if got := used(t, e, who("s"), d); got != 3 {
		t.Fatalf("used %d", got)
	}
}

func TestRefundGivesBackAllButAttempts(t *testing.T) {
	attempts := calls(100)
	attempts.Name, attempts.Counts = "attempts", Attempts
	for name, between := range map[string]func(*Engine){
		"at once": func(*Engine) {}, "after a commit": func(e *Engine) { flush(t, e) },
	} {
		t.Run(name, func(t *testing.T) {
			e := manual(t, small, newMemory(), newHands())
			reserve(t, e, "1", who("s"), Amounts{Calls: 1, CostMicroUSD: 5}, calls(10), cost(10), attempts)
			between(e)
			for range 2 { // idempotent
				if err := e.Refund(ctx, "1"); err != nil {
					t.Fatal(err)
				}
				between(e)
			}
			got := []int64{used(t, e, who("s"), calls(10)), used(t, e, who("s"), cost(10)), used(t, e, who("s"), attempts)}
			if !slices.Equal(got, []int64{0, 0, 1}) {
				t.Fatalf("calls, cost, attempts: %v", got)
			}
		})
	}
	e := manual(t, small, newMemory(), newHands())
	if err := e.Refund(ctx, "never"); !errors.Is(err, ErrUnknownReservation) {
		t.Fatalf("an unknown id: %v", err)
	}
}

func TestRefundDoesNotMakeUpForOthers(t *testing.T) {
	clock := newHands()
	e := manual(t, small, newMemory(), clock)
	reserve(t, e, "old", who("s"), Amounts{Calls: 2}, calls(10))
	clock.move(2 * time.Minute) // the old units have left the window
	reserve(t, e, "new", who("s"), Amounts{Calls: 3}, calls(10))
	if err := e.Refund(ctx, "old"); err != nil {
		t.Fatal(err)
	}
	if got := used(t, e, who("s"), calls(10)); got != 3 {
		t.Fatalf("a late refund took units of another: used %d, want 3", got)
	}
}

func TestReserveTwiceUnderOneID(t *testing.T) {
	e := manual(t, small, newMemory(), newHands())
	reserve(t, e, "1", who("s"), Amounts{Calls: 1}, calls(10))
	if _, err := e.Reserve(ctx, "1", []Definition{calls(10)}, who("s"), Amounts{Calls: 1}, time.Time{}, ReserveOptions{}); !errors.Is(err, ErrDuplicate) {
		t.Fatalf("got %v", err)
	}
	if got := used(t, e, who("s"), calls(10)); got != 1 {
		t.Fatalf("used %d", got)
	}
}

func TestSettleOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		actual, want, blockedAt int64
	}{
		"below gives back":        {3, 3, 8},
		"exact":                   {5, 5, 6},
		"nothing used":            {0, 0, 11},
		"above is debt, past max": {25, 25, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := manual(t, small, newMemory(), newHands())
			d := cost(10)
			reserve(t, e, "1", who("s"), Amounts{Calls: 1, CostMicroUSD: 5}, d, calls(5))
			got, err := e.Settle(ctx, "1", Amounts{CostMicroUSD: tc.actual})
			if err != nil || got.AlreadySettled || got.Late || got.Reserved.CostMicroUSD != 5 || got.Charged.CostMicroUSD != tc.actual {
				t.Fatalf("first report: %+v, %v", got, err)
			}
			again, err := e.Settle(ctx, "1", Amounts{CostMicroUSD: 1})
			if err != nil || !again.AlreadySettled || again.Charged != got.Charged {
				t.Fatalf("second report: %+v, %v", again, err)
			}
			if got := used(t, e, who("s"), d); got != tc.want {
				t.Fatalf("used %d, want %d", got, tc.want)
			}
			if got := used(t, e, who("s"), calls(5)); got != 1 {
				t.Fatalf("calls are not settled: %d", got)
			}
			if s := reserve(t, e, "2", who("s"), Amounts{CostMicroUSD: tc.blockedAt}, d)[0]; !s.Exceeded {
				t.Fatalf("%d more should not fit: %+v", tc.blockedAt, s)
			}
			if err := e.Refund(ctx, "1"); !errors.Is(err, ErrSettled) {
				t.Fatalf("a settled action was refunded: %v", err)
			}
		})
	}
}

func TestSettleWithoutEstimateBooksAll(t *testing.T) {
	e := manual(t, small, newMemory(), newHands())
	reserve(t, e, "1", who("s"), Amounts{Calls: 1}, cost(10))
	if _, err := e.Settle(ctx, "1", Amounts{CostMicroUSD: 7}); err != nil {
		t.Fatal(err)
	}
	if got := used(t, e, who("s"), cost(10)); got != 7 {
		t.Fatalf("used %d", got)
	}
}

func TestSettleOfWhatIsNotOpen(t *testing.T) {
	e := manual(t, small, newMemory(), newHands())
	reserve(t, e, "1", who("s"), Amounts{CostMicroUSD: 5}, cost(10))
	if err := e.Refund(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "never"} {
		if _, err := e.Settle(ctx, id, Amounts{CostMicroUSD: 9}); !errors.Is(err, ErrUnknownReservation) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestThreat_E7_ReservationThatIsNeverSettled(t *testing.T) {
	clock, ledger := newHands(), newMemory()
	e := manual(t, small, ledger, clock)
	d := cost(100)
	d.WindowSeconds = 86_400
	for _, id := range []string{"quiet", "late", "over"} { // each reserves for an hour
		reserve(t, e, id, who("s"), Amounts{CostMicroUSD: 10}, d)
	}
	flush(t, e)
	clock.move(2 * time.Hour)
	if got := used(t, e, who("s"), d); got != 30 {
		t.Fatalf("unsettled reservations are charged in full: used %d, want 30", got)
	}
	for id, want := range map[string]struct{ actual, charged int64 }{"late": {1, 10}, "over": {25, 25}} {
		got, err := e.Settle(ctx, id, Amounts{CostMicroUSD: want.actual})
		if err != nil || !got.Late || got.Charged.CostMicroUSD != want.charged {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	if got := used(t, e, who("s"), d); got != 45 {
		t.Fatalf("late reports give nothing back and still charge: used %d, want 45", got)
	}
	flush(t, e)
	e.sweepSome(ctx)
	flush(t, e)
	if n := ledger.size(ReservationSpace); n != 0 || e.reservations.size() != 0 {
		t.Fatalf("%d expired reservations are kept, %d in the quota", n, e.reservations.size())
	}
	if _, err := e.Settle(ctx, "quiet", Amounts{}); !errors.Is(err, ErrUnknownReservation) {
		t.Fatalf("closed by expiry: %v", err)
	}
	if got := used(t, e, who("s"), d); got != 45 {
		t.Fatalf("a swept reservation stays charged: used %d, want 45", got)
	}
}

func TestStatusFields(t *testing.T) {
	clock := newHands()
	e := manual(t, small, newMemory(), clock)
	if s := reserve(t, e, "0", who("s"), Amounts{}, calls(3))[0]; !s.ResetsAt.IsZero() || s.Remaining != 3 || s.OnExceed != Deny {
		t.Fatalf("empty: %+v", s)
	}
	at := clock.now()
	s := reserve(t, e, "1", who("s"), Amounts{Calls: 2}, calls(3))[0]
	if s.Used != 2 || s.Remaining != 1 || s.Max != 3 || s.WindowSeconds != 60 || s.Measure != Calls || s.Exceeded {
		t.Fatalf("got %+v", s)
	}
	if wait := s.ResetsAt.Sub(at); wait < time.Minute || wait > 61*time.Second {
		t.Fatalf("resets after %s, want 60 to 61 s", wait)
	}
	clock.move(s.ResetsAt.Sub(at) - time.Nanosecond)
	if got := used(t, e, who("s"), calls(3)); got != 2 {
		t.Fatalf("left before resets_at: %d", got)
	}
	clock.move(time.Nanosecond)
	if got := used(t, e, who("s"), calls(3)); got != 0 {
		t.Fatalf("still there at resets_at: %d", got)
	}
}
