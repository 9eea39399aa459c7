package ledgertest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Harness is a ledger under test, and a hand on its time.
type Harness struct {
	Ledger  ledger.Ledger
	Records ledger.Records // nil: it keeps none
	// Advance moves the ledger's time on, as if that much had passed.
	Advance func(d time.Duration)
	// Prompt says that what counts nothing any more is gone at once, and not only when the ledger next tidies up.
	Prompt bool
}

// Run opens a ledger for each case. Cases use tenants of their own, so that ledgers may share a store.
func Run(t *testing.T, open func(t *testing.T, b Bounds) Harness) {
	t.Helper()
	for _, group := range []map[string]func(t *testing.T, r *rig){counting, periods, blocks, reservations, bounds, listings, records} {
		for name, run := range group {
			t.Run(name, func(t *testing.T) {
				h := open(t, Bounds{PerTenant: 12, PerOwner: 6, ReservationsPerOwner: 3})
				run(t, &rig{t: t, Harness: h, tenant: "tenant {" + rand.Text() + "}", holder: "holder"})
			})
		}
	}
	t.Run("random batches mean what the model says", func(t *testing.T) { compare(t, open) })
	t.Run("no interval of a window's length holds more than max", func(t *testing.T) { watch(t, open) })
}

// tester is what testing and rapid have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

// rig is what the cases talk to.
type rig struct {
	Harness
	t      tester
	tenant string
	holder string
	seq    int64
}

const (
	minute = int64(time.Minute / time.Microsecond)
	hour   = 60 * minute
)

// window is the period of most cases: an hour and a bit, in sub-buckets of a minute, so that the moments which a test takes
// never matter.
var window = ledger.Period{Kind: ledger.Sliding, Width: minute}

// ask is a hard line.
func ask(key string, want, most int64) ledger.Line {
	return ledger.Line{Key: []byte(key), Owner: "owner", Period: window, Want: want, Max: most, Class: ledger.Hard}
}

// note is a free line.
func note(key string, want int64) ledger.Line {
	l := ask(key, want, ledger.Unlimited)
	l.Class = ledger.Free
	return l
}

// draw is a line that asks for a block of exactly so many.
func draw(key string, need, most int64) ledger.Line {
	l := ask(key, 0, most)
	l.Need, l.Lease = need, hour
	return l
}

func (r *rig) batch(lines ...ledger.Line) *ledger.Batch {
	r.seq++
	return &ledger.Batch{Tenant: r.tenant, Holder: r.holder, Seq: r.seq, Lines: lines}
}

func (r *rig) send(b *ledger.Batch) *ledger.Receipt {
	r.t.Helper()
	receipt, err := r.Ledger.Do(r.t.Context(), b)
	if err != nil {
		r.t.Fatalf("do: %v", err)
	}
	if receipt.Epoch <= 0 || receipt.Now <= 0 || len(receipt.Lines) != len(b.Lines) || len(receipt.Current) != len(b.Reservations) {
		r.t.Fatalf("a receipt without epoch, time or lines: %+v", receipt)
	}
	return receipt
}

func (r *rig) do(lines ...ledger.Line) *ledger.Receipt {
	r.t.Helper()
	return r.send(r.batch(lines...))
}

// refused sends a batch that must fail like that.
func (r *rig) refused(b *ledger.Batch, want error) *ledger.Receipt {
	r.t.Helper()
	receipt, err := r.Ledger.Do(r.t.Context(), b)
	if !errors.Is(err, want) {
		r.t.Fatalf("do: %v, want %v", err, want)
	}
	return receipt
}

// look says where a cell stands.
func (r *rig) look(key string, p ledger.Period) ledger.LineReceipt {
	r.t.Helper()
	l := note(key, 0)
	l.Period = p
	return r.do(l).Lines[0]
}

// used checks how many units of a cell are in use.
func (r *rig) used(key string, want int64) {
	r.t.Helper()
	if got := r.look(key, window).Used; got != want {
		r.t.Fatalf("%s: %d in use, want %d", key, got, want)
	}
}

// verdict checks what came of a batch.
func (r *rig) verdict(got *ledger.Receipt, want ledger.Verdict) {
	r.t.Helper()
	if got.Verdict != want {
		r.t.Fatalf("verdict %d, want %d: %+v", got.Verdict, want, got.Lines)
	}
}

// settle moves the ledger's time to the middle of a sub-bucket, and says which one that is.
func (r *rig) settle(p ledger.Period) int64 {
	r.t.Helper()
	now := r.do(note("clock", 0)).Now
	index := p.Index(now) + 1
	start := index * p.Width
	if p.Kind != ledger.Sliding {
		start = p.End(index - 1)
	}
	r.Advance(time.Duration(start-now+minute/2) * time.Microsecond)
	return index
}

func (r *rig) cells(most int) map[string]ledger.Cell {
	r.t.Helper()
	all := map[string]ledger.Cell{}
	err := r.Ledger.Cells(context.Background(), r.tenant, most, func(c ledger.Cell) bool {
		if _, twice := all[string(c.Key)]; twice {
			r.t.Errorf("%q is listed twice", c.Key)
		}
		all[string(c.Key)] = c
		return true
	})
	if err != nil {
		r.t.Fatalf("cells: %v", err)
	}
	return all
}
