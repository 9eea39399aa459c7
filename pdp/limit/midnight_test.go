package limit

import (
	"testing"
	"time"
)

// TestARefundFromBeforeMidnightTakesNothingOutOfTheNewDay: a replica that is unsure of the time spent a unit as of tomorrow,
// and the ledger has booked it today.
func TestARefundFromBeforeMidnightTakesNothingOutOfTheNewDay(t *testing.T) {
	d := cost(1600)
	d.WindowSeconds, d.Period = 0, PerDay
	for name, giveBack := range map[string]func(e *Engine, s *Set, h *Hold) error{
		"refund": func(e *Engine, _ *Set, h *Hold) error { e.Refund(h); return tellAll(e) },
		"settlement": func(e *Engine, s *Set, h *Hold) error {
			if err := e.Keep(h, "1", micros(time.Hour)); err != nil {
				return err
			}
			_, err := e.Settle(ctx, s, "t", "1", Amounts{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &hurried{shared: newShared(), ahead: 20_000}
			l.move(16*time.Hour - 10*time.Millisecond) // to midnight
			e, other, s := still(t, l), still(t, l), set(t, d)
			var first, h Hold
			for _, hold := range []*Hold{&first, &h} { // the second from a block
				if err := e.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, hold); err != nil {
					t.Fatal(err)
				}
			}
			if err := tellAll(e); err != nil {
				t.Fatal(err)
			}
			l.move(time.Minute)
			if err := other.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, new(Hold)); err != nil {
				t.Fatal(err)
			}
			if err := giveBack(e, s, &h); err != nil {
				t.Fatal(err)
			}
			_ = e.Close(ctx)
			_ = other.Close(ctx)
			if n := left(t, l.shared); n != 1 {
				t.Fatalf("%d units count today, one was spent", n)
			}
		})
	}
}
