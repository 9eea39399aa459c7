package ledgertest

import (
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// as is another holder on the same ledger.
func (r *rig) as(holder string) *rig {
	other := *r
	other.holder, other.seq = holder, 0
	return &other
}

// stands checks a cell's numbers.
func (r *rig) stands(got ledger.LineReceipt, used, block int64) {
	r.t.Helper()
	if got.Used != used || got.Block != block {
		r.t.Fatalf("%d in use, %d in the block; want %d and %d", got.Used, got.Block, used, block)
	}
}

var blocks = map[string]func(t *testing.T, r *rig){
	"need is met first, then a share of the room": func(_ *testing.T, r *rig) {
		l := ask("a", 1, 1600)
		l.Need, l.Block, l.Lease = 99, 1000, hour
		share := ledger.Share(1500, 1600, false)
		r.stands(r.do(l).Lines[0], 100+share, 99+share)
		other := r.as("other")
		l.Need = 0
		l.Want = 0
		room := 1600 - 100 - share
		r.stands(other.do(l).Lines[0], 100+share+ledger.Share(room, 1600, true), ledger.Share(room, 1600, true))
	},

	"a block is no larger than the room": func(_ *testing.T, r *rig) {
		r.stands(r.do(draw("a", 100, 7)).Lines[0], 7, 7)
		r.stands(r.as("other").do(draw("a", 100, 7)).Lines[0], 7, 0)
		r.verdict(r.as("third").do(ask("a", 1, 7)), ledger.Denied)
	},

	"a block of no more than was asked for": func(_ *testing.T, r *rig) {
		l := draw("a", 3, 100_000)
		l.Block = 5
		r.stands(r.do(l).Lines[0], 5, 5)
	},

	"what is not allowed gets no block": func(_ *testing.T, r *rig) {
		r.do(note("b", 10))
		r.stands(r.do(draw("a", 5, 10), ask("b", 1, 10)).Lines[0], 0, 0)
		r.stands(r.do(draw("a", 5, 10), soft(ask("b", 1, 10))).Lines[0], 0, 0)
	},

	"without a lease there is no new block": func(_ *testing.T, r *rig) {
		l := draw("a", 5, 10)
		l.Lease = 0
		r.stands(r.do(l).Lines[0], 0, 0)
	},

	"spent units leave the block for their sub-bucket": func(t *testing.T, r *rig) {
		index := r.settle(window)
		r.do(draw("a", 5, 10))
		r.Advance(2 * time.Minute)
		l := note("a", 0)
		l.Spent = []ledger.Stamp{{Index: index, Units: 2}, {Index: index + 1, Units: 1}, {Index: index + 99, Units: 1}} // the last is later than now
		got := r.do(l).Lines[0]
		r.stands(got, 5, 1)
		if got.ResetsAt != window.End(index) {
			t.Fatalf("resets at %d, want %d", got.ResetsAt, window.End(index))
		}
		r.until(window.End(index), minute/2)
		r.stands(r.look("a", window), 3, 0) // what is left of the block counts as spent when its lease ended
		r.until(window.End(index+2), minute/2)
		r.stands(r.look("a", window), 1, 0) // what was later than now counted from then
	},

	"what a block does not hold is left out": func(_ *testing.T, r *rig) {
		index := r.settle(window)
		r.do(draw("a", 5, 100))
		l := note("a", 0)
		l.Spent, l.Returned = []ledger.Stamp{{Index: index, Units: 4}, {Index: index, Units: 4}}, 4
		r.stands(r.do(l).Lines[0], 5, 0)
		r.stands(r.as("a stranger").do(l).Lines[0], 5, 0)
	},

	"returned units are free again": func(_ *testing.T, r *rig) {
		r.do(draw("a", 5, 10))
		l := ask("a", 8, 10)
		l.Returned = 3
		got := r.do(l)
		r.verdict(got, ledger.Allowed)
		r.stands(got.Lines[0], 10, 2)
	},

	"a block that expires counts as spent then": func(_ *testing.T, r *rig) {
		r.settle(window)
		l := draw("a", 5, 10)
		l.Lease = 10 * minute
		at := r.do(l).Now
		over := window.Index(at + l.Lease)
		r.Advance(11 * time.Minute)
		got := r.look("a", window)
		r.stands(got, 5, 0)
		if got.ResetsAt != window.End(over) {
			r.t.Fatalf("resets at %d, want %d", got.ResetsAt, window.End(over))
		}
		late := note("a", 0) // its holder lives after all: all was counted already
		late.Held, late.Returned, late.Spent = 5, 2, []ledger.Stamp{{Index: over, Units: 3}}
		late.Epoch = r.do(note("clock", 0)).Epoch
		r.stands(r.do(late).Lines[0], 5, 0)
		r.until(window.End(over), -minute/2)
		r.used("a", 5)
		r.until(window.End(over), minute/2)
		r.used("a", 0)
	},

	"a lease is renewed, and left alone where none is given": func(_ *testing.T, r *rig) {
		l := draw("a", 5, 10)
		l.Lease = 10 * minute
		r.do(l)
		r.Advance(6 * time.Minute)
		l.Need = 0
		r.stands(r.do(l).Lines[0], 5, 5)
		r.Advance(6 * time.Minute)
		l.Lease = 0
		r.stands(r.do(l).Lines[0], 5, 5)
		r.Advance(6 * time.Minute)
		r.stands(r.do(l).Lines[0], 5, 0)
	},

	"a batch that was overtaken is refused": func(_ *testing.T, r *rig) {
		late := r.batch(ask("b", 1, 10), draw("a", 0, 10))
		late.Lines[1].Returned = 3
		r.do(draw("a", 5, 10))
		r.refused(late, ledger.ErrStale)
		late.Seq = r.seq // the very number that was seen
		r.refused(late, ledger.ErrStale)
		r.used("b", 0)
		r.stands(r.do(note("a", 0)).Lines[0], 5, 5)
		r.as("other").do(draw("a", 1, 10)) // numbers are each holder's own
	},

	"a returned block still remembers its number": func(_ *testing.T, r *rig) {
		late := r.batch(draw("a", 3, 10))
		r.do(draw("a", 5, 10))
		back := draw("a", 0, 10)
		back.Returned = 5
		r.do(back)
		r.refused(late, ledger.ErrStale)
		r.used("a", 0)
	},

	"a block of another epoch is taken at its holder's word": func(_ *testing.T, r *rig) {
		epoch := r.do(note("clock", 0)).Epoch
		l := draw("a", 0, 10)
		l.Held, l.Epoch = 7, epoch
		r.stands(r.do(l).Lines[0], 0, 0) // of this epoch, it would be known
		l.Epoch = epoch - 1
		l.Spent = []ledger.Stamp{{Index: 1, Units: 2}} // left the window long ago
		l.Returned = 1
		r.stands(r.do(l).Lines[0], 4, 4)
		l.Spent, l.Returned = nil, 0
		l.Held = 2
		r.stands(r.do(l).Lines[0], 4, 4) // a larger one is known
		l.Held = 9
		r.stands(r.do(l).Lines[0], 9, 9)
	},

	"blocks saturate": func(_ *testing.T, r *rig) {
		r.do(draw("a", ledger.MaxUnits, ledger.Unlimited))
		r.stands(r.as("other").do(draw("a", 5, ledger.Unlimited)).Lines[0], ledger.MaxUnits, 0)
		r.used("a", ledger.MaxUnits)
	},
}
