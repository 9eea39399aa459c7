package ledgertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// compare sends random batches to a ledger and to the model, which follows the ledger's time and epoch. Their receipts must
// be equal, to the last number.
func compare(t *testing.T, open func(t *testing.T, b Bounds) Harness) {
	t.Helper()
	b := Bounds{PerTenant: 8, PerOwner: 5, ReservationsPerOwner: 3}
	h := open(t, b)
	if !h.Prompt {
		b = Bounds{}
		h = open(t, b)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := &duel{rig: rig{t: t, Harness: h, tenant: rand.Text()}, model: NewModel(b, 0, 1), seqs: map[string]int64{}}
		d.send(&ledger.Batch{Tenant: d.tenant, Holder: "nobody", Seq: 1}) // the clocks meet
		t.Repeat(map[string]func(*rapid.T){
			"batch":   d.batch,
			"advance": d.advance,
			"list":    d.list,
		})
	})
}

// duel is two ledgers that are told the same.
type duel struct {
	order int64 // of the last batch
	rig
	model *Model
	epoch int64
	last  int64
	seqs  map[string]int64
}

var (
	duelKeys    = rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"})
	duelHolders = rapid.SampledFrom([]string{"one", "two", "three"})
	duelUnits   = rapid.OneOf(rapid.Int64Range(0, 12), rapid.Int64Range(0, 12), rapid.Int64Range(0, ledger.MaxUnits))
	duelPeriods = rapid.SampledFrom([]ledger.Period{
		{Kind: ledger.Sliding, Width: 1_000_000}, {Kind: ledger.Sliding, Width: 1_000_000}, {Kind: ledger.Sliding, Width: 60_000_000}, {Kind: ledger.Sliding, Width: 7_300_000},
	})
	duelOthers = []ledger.Period{{Kind: ledger.Day}, {Kind: ledger.Month}, {Kind: ledger.Whole, Width: maxIdle}}
)

const maxIdle = 300 * 24 * hour

// line is anything that a sender might say. A key's kind of period is always the same, as the contract has it.
func (d *duel) line(t *rapid.T, key string) ledger.Line {
	l := ledger.Line{
		Key: []byte(key), Owner: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "owner"), Period: duelPeriods.Draw(t, "period"),
		Want: duelUnits.Draw(t, "want"), Max: rapid.OneOf(rapid.Int64Range(-1, 40), rapid.Just(ledger.Unlimited)).Draw(t, "max"),
		Class: ledger.Class(rapid.IntRange(0, 2).Draw(t, "class")), Attempts: rapid.Bool().Draw(t, "attempts"),
	}
	if n := int(key[0]) - 'f'; n >= 0 {
		l.Period = duelOthers[n]
	}
	if rapid.Bool().Draw(t, "draws") {
		l.Need, l.Block = rapid.Int64Range(0, 9).Draw(t, "need"), duelUnits.Draw(t, "block")
		l.Lease = rapid.SampledFrom([]int64{0, 5_000_000, 50_000_000, hour}).Draw(t, "lease")
	}
	l.Spent = d.stamps(t, "spent", l.Period)
	l.Refunds = d.stamps(t, "refund", l.Period)
	l.Returned = rapid.OneOf(rapid.Just(int64(0)), duelUnits).Draw(t, "returned")
	l.Held = rapid.OneOf(rapid.Just(int64(0)), duelUnits).Draw(t, "held")
	l.Epoch = d.epoch - rapid.SampledFrom([]int64{0, 0, 0, min(d.epoch, 1)}).Draw(t, "epoch")
	return l
}

func (d *duel) stamps(t *rapid.T, name string, p ledger.Period) []ledger.Stamp {
	var stamps []ledger.Stamp
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, name) {
		index := p.Index(d.last) + rapid.Int64Range(-70, 2).Draw(t, "back")
		stamps = append(stamps, ledger.Stamp{Index: max(index, 0), Units: duelUnits.Draw(t, "units")})
	}
	return stamps
}

func (d *duel) batch(t *rapid.T) {
	d.t = t
	b := &ledger.Batch{
		Tenant: d.tenant, Holder: duelHolders.Draw(t, "holder"),
		Overdraw: rapid.SampledFrom([]bool{false, false, true}).Draw(t, "overdraw"),
	}
	d.seqs[b.Holder] += rapid.SampledFrom([]int64{1, 1, 1, 1, 0}).Draw(t, "number")
	b.Seq = d.seqs[b.Holder]
	for _, key := range rapid.SliceOfNDistinct(duelKeys, 0, 4, rapid.ID[string]).Draw(t, "keys") {
		b.Lines = append(b.Lines, d.line(t, key))
	}
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"r", "s", "t", "u"}), 0, 2, rapid.ID[string]).Draw(t, "ids") {
		v := ledger.Reservation{
			ID: id, Owner: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "owner"), ExpiresAt: d.last + 10_000*hour, // after the end: a ledger may forget then, and need not
			Old: d.record(t, "old"), New: d.record(t, "new"),
		}
		if rapid.IntRange(0, 3).Draw(t, "right") > 0 {
			v.Old, _ = d.model.Reservation(context.Background(), d.tenant, id)
		}
		b.Reservations = append(b.Reservations, v)
	}
	d.send(b)
}

func (d *duel) record(t *rapid.T, name string) []byte {
	return rapid.SampledFrom([][]byte{nil, {}, []byte("x"), []byte("y\x00")}).Draw(t, name)
}

func (d *duel) send(b *ledger.Batch) {
	d.t.Helper()
	got, err := d.Ledger.Do(context.Background(), b)
	if errors.Is(err, ledger.ErrUnavailable) {
		d.t.Fatalf("do: %v", err)
	}
	if got != nil {
		d.last, d.epoch = got.Now, got.Epoch
		d.model.Set(got.Now, got.Epoch)
	}
	if errors.Is(err, ledger.ErrStale) && !d.Prompt {
		return // it may remember the number of a block that is over
	}
	want, wantErr := d.model.Do(context.Background(), b)
	if (err == nil) != (wantErr == nil) || wantErr != nil && !errors.Is(err, wantErr) {
		d.t.Fatalf("%+v: %v, want %v", b, err, wantErr)
	}
	if got == nil || want == nil {
		return
	}
	for i := range want.Current {
		if (got.Current[i] == nil) != (want.Current[i] == nil) || string(got.Current[i]) != string(want.Current[i]) {
			d.t.Fatalf("reservation %d is %q, want %q", i, got.Current[i], want.Current[i])
		}
	}
	if got.Order <= d.order && err == nil {
		d.t.Fatalf("batch %d of its tenant was carried out, after %d", got.Order, d.order)
	}
	d.order = got.Order
	got.Current, want.Current, got.Order, want.Order = nil, nil, 0, 0
	if len(got.Lines) == 0 {
		got.Lines, want.Lines = nil, nil
	}
	for i := range want.Lines {
		if !want.Lines[i].Charged { // Index says nothing then
			got.Lines[i].Index, want.Lines[i].Index = 0, 0
		}
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		d.t.Fatalf("%s\nreceipt %+v\nwant    %+v", describe(b), got, want)
	}
}

func describe(b *ledger.Batch) string {
	var s strings.Builder
	fmt.Fprintf(&s, "batch of %s, %d", b.Holder, b.Seq)
	for _, l := range b.Lines {
		fmt.Fprintf(&s, "\n%s %+v", l.Key, l)
	}
	return s.String()
}

func (d *duel) advance(t *rapid.T) {
	d.Advance(time.Duration(rapid.SampledFrom([]int64{100_000, 1_000_000, 10_000_000, 70_000_000, hour, 30 * hour}).Draw(t, "µs")) * time.Microsecond)
}

// list compares what is in use; the clocks meet in a batch first.
func (d *duel) list(t *rapid.T) {
	d.t = t
	d.send(&ledger.Batch{Tenant: d.tenant, Holder: "nobody", Seq: 1})
	got := d.cells(100)
	want := (&rig{t: t, Harness: Harness{Ledger: d.model}, tenant: d.tenant}).cells(100)
	for key, c := range got {
		w := want[key]
		if !d.Prompt {
			c.Owner = w.Owner
		}
		if w.Owner != c.Owner || w.Used != c.Used || w.Blocks != c.Blocks || w.Period != c.Period || w.ResetsAt != c.ResetsAt {
			t.Fatalf("%s: %+v, want %+v", key, c, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d cells, want %d", len(got), len(want))
	}
}

// watch charges at random times, in all the ways there are, and looks at every interval of a window's length: none may hold
// more than max, by the times at which units were really spent.
func watch(t *testing.T, open func(t *testing.T, b Bounds) Harness) {
	t.Helper()
	h := open(t, Bounds{})
	rapid.Check(t, func(t *rapid.T) {
		const most = 20
		r := &rig{t: t, Harness: h, tenant: rand.Text(), holder: "holder"}
		p := ledger.Period{Kind: ledger.Sliding, Width: 60_000_000}
		var spent []ledger.Stamp // Index is the time
		block, epoch := int64(0), int64(0)
		var report []ledger.Stamp
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			l := over(p, ask("cell", rapid.Int64Range(0, 6).Draw(t, "want"), most))
			l.Need, l.Block, l.Lease = rapid.Int64Range(0, 2).Draw(t, "need"), rapid.Int64Range(0, 9).Draw(t, "block"), hour
			l.Held, l.Epoch, l.Spent = block, epoch, report
			if rapid.Bool().Draw(t, "returns") {
				l.Returned = block
			}
			got := r.do(l)
			if got.Verdict == ledger.Allowed && l.Want > 0 {
				spent = append(spent, ledger.Stamp{Index: got.Now, Units: l.Want})
			}
			block, epoch, report = got.Lines[0].Block, got.Epoch, nil
			for range rapid.IntRange(0, int(block)).Draw(t, "spends") { // of the block, later, without asking
				r.Advance(time.Duration(rapid.Int64Range(0, 40_000_000).Draw(t, "µs")) * time.Microsecond)
				earliest, latest, _ := r.Ledger.Now()
				if latest >= got.Now+l.Lease {
					break
				}
				spent = append(spent, ledger.Stamp{Index: earliest, Units: 1})
				report = append(report, ledger.Stamp{Index: p.Index(latest), Units: 1})
			}
			r.Advance(time.Duration(rapid.SampledFrom([]int64{0, 1_000_000, 30_000_000, 600_000_000, hour - 1, hour, hour + 240_000_000}).Draw(t, "µs")) * time.Microsecond)
		}
		for i := range spent {
			sum := int64(0)
			for _, s := range spent[i:] {
				if s.Index-spent[i].Index < ledger.Parts*p.Width {
					sum += s.Units
				}
			}
			if sum > most {
				t.Fatalf("%d units in one window of max %d: %v", sum, most, spent)
			}
		}
	})
}
