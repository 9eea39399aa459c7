package limit_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// charged is what the naive log remembers: units at a real time, until they are given back.
type charged struct {
	at    time.Duration
	units int64
	id    string
	open  bool
}

// worst is the most units that any closed interval of length window held. It is quadratic and obviously right.
func worst(log []*charged, window time.Duration) (most int64) {
	for i := range log {
		var sum int64
		for _, c := range log[i:] {
			if c.at-log[i].at > window {
				break
			}
			sum += c.units
		}
		most = max(most, sum)
	}
	return most
}

// someTime hits the edges of windows and of their parts as well as what is between.
func someTime(t *rapid.T, window time.Duration) time.Duration {
	part := window / 60
	base := rapid.SampledFrom([]time.Duration{
		0, 1, part - 1, part, part + 1, window / 2, window - part, window - 1, window, window + 1, window + part, 3 * window,
	}).Draw(t, "base")
	return max(base+time.Duration(rapid.Int64Range(-100, 100).Draw(t, "jitter")), 0)
}

func TestThreat_E10_NoScheduleFitsMoreThanTheLimitIntoAWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := moneyPer("money", rapid.Int64Range(1, 50).Draw(t, "max"), rapid.SampledFrom([]int64{1, 7, 60, 61, 3600}).Draw(t, "window"))
		window := time.Duration(d.WindowSeconds) * time.Second
		r := newRig(t, limit.Config{HotCells: 2, RecentReservations: 1})
		defer func() { _ = r.Close(ctx) }()
		var log []*charged
		charge := func(t *rapid.T) {
			units := rapid.Int64Range(0, d.Max).Draw(t, "units")
			if id, ok := r.try(bot, money(units), d); ok {
				log = append(log, &charged{at: r.clock.real, units: units, id: id, open: true})
			}
		}
		pick := func(t *rapid.T) *charged {
			var open []*charged
			for _, c := range log {
				if c.open {
					open = append(open, c)
				}
			}
			if len(open) == 0 {
				t.Skip("nothing is reserved")
			}
			one := rapid.SampledFrom(open).Draw(t, "reservation")
			one.open = false
			return one
		}
		t.Repeat(map[string]func(*rapid.T){
			"charge": charge, "charge again": charge, "and again": charge,
			"refund": func(t *rapid.T) {
				one := pick(t)
				if err := r.Refund(ctx, one.id); err == nil {
					one.units = 0
				}
			},
			"settle below": func(t *rapid.T) {
				one := pick(t)
				actual := rapid.Int64Range(0, one.units).Draw(t, "actual")
				if s, err := r.Settle(ctx, one.id, money(actual)); err == nil {
					one.units = s.Charged.CostMicroUSD
				}
			},
			"time passes": func(t *rapid.T) { r.clock.pass(someTime(t, window)) },
			"evict":       func(*rapid.T) { r.evict() },
			"crash":       func(*rapid.T) { r.crash() },
			"restart": func(t *rapid.T) { // with a wall clock that was set back meanwhile, or not
				if rapid.Bool().Draw(t, "set back") {
					r.clock.turn(-someTime(t, window))
				}
				r.restart()
			},
			"": func(t *rapid.T) {
				if got := worst(log, window); got > d.Max {
					t.Fatalf("an interval of %s held %d units, the limit is %d", window, got, d.Max)
				}
			},
		})
	})
}

func TestWhoKeepsAskingGetsNearlyTheLimit(t *testing.T) {
	for _, d := range []limit.Definition{callsPer("a", 1, 60), callsPer("a", 7, 1), callsPer("a", 300, 60), callsPer("a", 50, 3600)} {
		r := attack(t, limit.Config{})
		const windows = 10
		window := time.Duration(d.WindowSeconds) * time.Second
		got := int64(0)
		for r.clock.real < windows*window {
			if _, ok := r.try(bot, call, d); ok {
				got++
			} else {
				r.clock.pass(window / 997)
			}
		}
		if floor := float64(windows) * float64(d.Max) * (1 - 1.0/60); float64(got) < floor {
			t.Errorf("%d per %d s: admitted %d in %d windows, want at least %.0f", d.Max, d.WindowSeconds, got, windows, floor)
		}
	}
}

// A 60th of a second is no whole number of nanoseconds: parts that are rounded down are shorter than the window together.
func TestThreat_E10_AWindowIsNotANanosecondTooShort(t *testing.T) {
	for _, seconds := range []int64{1, 7, 11, 59, 60, 61, 86_400} {
		d, window := callsPer("calls", 1, seconds), time.Duration(seconds)*time.Second
		for _, part := range []time.Duration{window / 60, (window + 59) / 60} { // rounded down and up
			for before := range time.Duration(3) { // the end of a part is where it shows
				r := attack(t, limit.Config{})
				r.clock.pass(part - time.Duration(began.UnixNano())%part + part - before)
				r.allow(bot, call, d)
				r.clock.pass(window)
				r.deny(bot, call, d)
			}
		}
	}
}
