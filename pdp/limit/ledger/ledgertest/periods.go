package ledgertest

import (
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

func over(p ledger.Period, l ledger.Line) ledger.Line { l.Period = p; return l }

// until moves the ledger's time to so many microseconds after a time.
func (r *rig) until(at, after int64) {
	r.t.Helper()
	now := r.do(note("clock", 0)).Now
	r.Advance(time.Duration(at+after-now) * time.Microsecond)
}

var periods = map[string]func(t *testing.T, r *rig){
	"a sliding window forgets when a sub-bucket has wholly left": func(t *testing.T, r *rig) {
		index := r.settle(window)
		got := r.do(ask("a", 5, 10)).Lines[0]
		if got.Index != index || got.ResetsAt != window.End(index) {
			t.Fatalf("%+v, want index %d, resets at %d", got, index, window.End(index))
		}
		r.until(window.End(index), -minute/2)
		r.used("a", 5)
		r.verdict(r.do(ask("a", 6, 10)), ledger.Denied)
		r.until(window.End(index), minute/2)
		r.used("a", 0)
		r.verdict(r.do(ask("a", 10, 10)), ledger.Allowed)
	},

	"who keeps asking gets nearly all": func(t *testing.T, r *rig) {
		r.settle(window)
		const most, rounds = 60, 5
		admitted, from := 0, r.do(note("clock", 0)).Now
		until := from + rounds*ledger.Parts*window.Width
		for now := from; now < until; {
			got := r.do(ask("a", 1, most))
			if now = got.Now; got.Verdict == ledger.Allowed {
				admitted++
			} else {
				r.Advance(7 * time.Second)
			}
		}
		if least := rounds * most * 59 / 60; admitted < least {
			t.Fatalf("%d admitted in %d windows of %d, want at least %d", admitted, rounds, most, least)
		}
	},

	"a day ends at midnight": func(_ *testing.T, r *rig) { r.calendar(ledger.Period{Kind: ledger.Day}) },

	"a month ends with its last day": func(_ *testing.T, r *rig) {
		for range 14 { // a February among them
			r.calendar(ledger.Period{Kind: ledger.Month})
		}
	},

	"a whole budget does not forget": func(t *testing.T, r *rig) {
		p := ledger.Period{Kind: ledger.Whole, Width: 2 * hour}
		for range 5 {
			got := r.do(over(p, ask("a", 1, 5))).Lines[0]
			if got.ResetsAt != 0 || got.Index != 0 {
				t.Fatalf("%+v", got)
			}
			r.Advance(time.Hour)
		}
		r.verdict(r.do(over(p, ask("a", 1, 5))), ledger.Denied)
	},

	"a longer window keeps what the shorter held": func(_ *testing.T, r *rig) {
		r.settle(window)
		r.do(note("a", 5))
		longer := ledger.Period{Kind: ledger.Sliding, Width: 2 * minute}
		r.Advance(time.Duration(2*window.Length()/3) * time.Microsecond)
		if got := r.do(over(longer, ask("a", 6, 10))); got.Verdict != ledger.Denied || got.Lines[0].Used != 5 {
			r.t.Fatalf("%+v", got)
		}
		r.do(over(longer, note("a", 1))) // takes the cell over for good
		r.Advance(time.Duration(2*window.Length()/3) * time.Microsecond)
		if got := r.look("a", longer); got.Used != 6 {
			r.t.Fatalf("%+v", got)
		}
	},

	"a shorter window never frees too soon": func(_ *testing.T, r *rig) {
		r.settle(window)
		shorter := ledger.Period{Kind: ledger.Sliding, Width: minute / 2}
		r.do(note("a", 5))
		r.do(over(shorter, note("a", 1)))
		r.Advance(time.Duration(ledger.Parts*shorter.Width) * time.Microsecond)
		if got := r.look("a", shorter); got.Used != 6 {
			r.t.Fatalf("%+v", got)
		}
		r.Advance(3 * time.Minute)
		if got := r.look("a", shorter); got.Used != 0 {
			r.t.Fatalf("%+v", got)
		}
	},
}

// calendar spends on the last hour of a day or a month, and finds it whole in the next.
func (r *rig) calendar(p ledger.Period) {
	r.t.Helper()
	now := r.do(note("clock", 0)).Now
	end := p.End(p.Index(now))
	if end-now < 2*hour {
		r.until(end, hour)
		end = p.End(p.Index(end))
	}
	r.until(end, -hour)
	got := r.do(over(p, ask("calendar", 5, 10)))
	if l := got.Lines[0]; got.Verdict != ledger.Allowed || l.Used != 5 || l.ResetsAt != end || l.Index != p.Index(end-1) {
		r.t.Fatalf("%+v, want a reset at %d", got, end)
	}
	r.verdict(r.do(over(p, ask("calendar", 6, 10))), ledger.Denied)
	r.until(end, minute)
	if l := r.look("calendar", p); l.Used != 0 || l.ResetsAt != 0 {
		r.t.Fatalf("after the end: %+v", l)
	}
}
