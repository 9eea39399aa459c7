package ledgertest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// change is one compare-and-set: "" stands for nothing.
func (r *rig) change(id, old, record string) ledger.Reservation {
	v := ledger.Reservation{ID: id, Owner: "owner", ExpiresAt: r.now() + hour}
	if old != "" {
		v.Old = []byte(old)
	}
	if record != "" {
		v.New = []byte(record)
	}
	return v
}

func (r *rig) now() int64 {
	earliest, _, known := r.Ledger.Now()
	if !known {
		return r.do(note("clock", 0)).Now
	}
	return earliest
}

func (r *rig) with(b *ledger.Batch, changes ...ledger.Reservation) *ledger.Batch {
	b.Reservations = changes
	return b
}

func (r *rig) kept(id, want string) {
	r.t.Helper()
	got, err := r.Ledger.Reservation(context.Background(), r.tenant, id)
	if err != nil || (got == nil) != (want == "") || string(got) != want {
		r.t.Fatalf("%s is %q, %v; want %q", id, got, err, want)
	}
}

var reservations = map[string]func(t *testing.T, r *rig){
	"a reservation changes by compare and set": func(t *testing.T, r *rig) {
		got := r.send(r.with(r.batch(), r.change("a", "", "one")))
		if string(got.Current[0]) != "one" || got.Dropped {
			t.Fatalf("%+v", got)
		}
		r.kept("a", "one")
		r.send(r.with(r.batch(), r.change("a", "one", "two")))
		r.kept("a", "two")
		r.send(r.with(r.batch(), r.change("a", "two", "two")))
		r.kept("a", "two")
		if got = r.send(r.with(r.batch(), r.change("a", "two", ""))); got.Current[0] != nil {
			t.Fatalf("%q", got.Current[0])
		}
		r.kept("a", "")
	},

	"a conflict changes nothing and says what is": func(t *testing.T, r *rig) {
		r.send(r.with(r.batch(), r.change("a", "", "one\x00"), r.change("b", "", "b")))
		for _, changes := range [][]ledger.Reservation{
			{r.change("a", "two", "x"), r.change("b", "b", "x")},
			{r.change("a", "", "x"), r.change("b", "b", "")},
			{r.change("a", "one", "x"), r.change("b", "b", "x")},
		} {
			got := r.refused(r.with(r.batch(note("cell", 1)), changes...), ledger.ErrConflict)
			if got == nil || string(got.Current[0]) != "one\x00" || string(got.Current[1]) != "b" {
				t.Fatalf("%+v", got)
			}
		}
		got := r.refused(r.with(r.batch(note("cell", 1)), r.change("none", "x", "y")), ledger.ErrConflict)
		if got == nil || got.Current[0] != nil {
			t.Fatalf("%+v", got)
		}
		r.kept("a", "one\x00")
		r.kept("b", "b")
		r.used("cell", 0)
	},

	"an empty record is not none": func(t *testing.T, r *rig) {
		v := r.change("a", "", "")
		v.New = []byte{}
		r.send(r.with(r.batch(), v))
		got, err := r.Ledger.Reservation(t.Context(), r.tenant, "a")
		if got == nil || len(got) != 0 || err != nil {
			t.Fatalf("%v, %v", got, err)
		}
		r.refused(r.with(r.batch(), r.change("a", "", "x")), ledger.ErrConflict)
		v.Old = []byte{}
		v.New = []byte("x")
		r.send(r.with(r.batch(), v))
		r.kept("a", "x")
	},

	"reservations change whatever the verdict is": func(_ *testing.T, r *rig) {
		r.verdict(r.send(r.with(r.batch(ask("a", 2, 1)), r.change("a", "", "one"))), ledger.Denied)
		r.kept("a", "one")
	},

	"many settle at once, one counts": func(t *testing.T, r *rig) {
		index := r.send(r.with(r.batch(note("a", 10)), r.change("a", "", "held"))).Lines[0].Index
		var won, seq atomic.Int64
		seq.Store(r.seq)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				l := note("a", 0)
				l.Refunds = []ledger.Stamp{{Index: index, Units: 1}}
				b := &ledger.Batch{
					Tenant: r.tenant, Holder: r.holder, Seq: seq.Add(1), Lines: []ledger.Line{l},
					Reservations: []ledger.Reservation{{ID: "a", Owner: "owner", Old: []byte("held"), New: fmt.Append(nil, "settled ", i), ExpiresAt: r.now() + hour}},
				}
				if _, err := r.Ledger.Do(context.Background(), b); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d settled", won.Load())
		}
		r.used("a", 9)
	},

	"a new reservation without room is left out, and stays charged": func(t *testing.T, r *rig) {
		for i := range 3 {
			if r.send(r.with(r.batch(note("a", 1)), r.change(fmt.Sprint(i), "", "x"))).Dropped {
				t.Fatal("dropped within bounds")
			}
		}
		got := r.send(r.with(r.batch(note("a", 1)), r.change("0", "x", "y"), r.change("new", "", "x")))
		if !got.Dropped || got.Current[1] != nil || !bytes.Equal(got.Current[0], []byte("y")) {
			t.Fatalf("%+v", got)
		}
		r.kept("new", "")
		r.kept("0", "y")
		r.used("a", 4)
		r.send(r.with(r.batch(), r.change("0", "y", "")))
		if r.send(r.with(r.batch(), r.change("new", "", "x"))).Dropped {
			t.Fatal("no room after one was deleted")
		}
		other := r.change("other's", "", "x")
		other.Owner = "other"
		if r.send(r.with(r.batch(), other)).Dropped {
			t.Fatal("another owner's room")
		}
	},

	"what has expired makes room": func(t *testing.T, r *rig) {
		for i := range 3 {
			v := r.change(fmt.Sprint(i), "", "x")
			v.ExpiresAt = r.now() + minute
			r.send(r.with(r.batch(), v))
		}
		r.Advance(2 * time.Minute)
		// Embedded sweeps as it goes; a store that counts by expiry has room at once.
		deadline, ctx := time.After(10*time.Second), t.Context()
		for r.send(r.with(r.batch(), r.change("new", "", "x"))).Dropped {
			select {
			case <-deadline:
				t.Fatal("no room")
			case <-ctx.Done():
				t.Fatal(ctx.Err())
			default:
			}
		}
	},
}

// owned is a line of some owner.
func owned(owner, key string, want int64) ledger.Line {
	l := ask(key, want, 100)
	l.Owner = owner
	return l
}

var bounds = map[string]func(t *testing.T, r *rig){
	"an owner has only so many cells": func(t *testing.T, r *rig) {
		for i := range 6 {
			r.verdict(r.do(owned("a", fmt.Sprint("a", i), 1)), ledger.Allowed)
		}
		got := r.do(owned("a", "a0", 1), owned("a", "one more", 1))
		r.verdict(got, ledger.Full)
		if got.Lines[0].Charged || got.Lines[1].Charged {
			t.Fatalf("%+v", got)
		}
		r.used("a0", 1)
		r.verdict(r.do(owned("a", "a0", 1)), ledger.Allowed) // what there is goes on
		r.verdict(r.do(owned("b", "b0", 1)), ledger.Allowed)
		looking := owned("a", "only looking", 0)
		r.verdict(r.do(looking), ledger.Allowed)
		drawing := looking
		drawing.Block, drawing.Lease = 1, hour
		r.verdict(r.do(drawing), ledger.Full)
	},

	"a tenant has only so many cells": func(_ *testing.T, r *rig) {
		for i := range 12 {
			r.verdict(r.do(owned(fmt.Sprint(i), fmt.Sprint(i), 1)), ledger.Allowed)
		}
		r.verdict(r.do(owned("another", "another", 1)), ledger.Full)
	},

	"cells of one batch count together": func(_ *testing.T, r *rig) {
		lines := make([]ledger.Line, 7)
		for i := range lines {
			lines[i] = owned("a", fmt.Sprint(i), 1)
		}
		r.verdict(r.do(lines...), ledger.Full)
		r.verdict(r.do(lines[:6]...), ledger.Allowed)
	},

	"a denial comes before a full table": func(_ *testing.T, r *rig) {
		for i := range 6 {
			r.do(owned("a", fmt.Sprint("a", i), 1))
		}
		r.verdict(r.do(owned("a", "new", 1), owned("a", "a0", 100)), ledger.Denied)
	},

	"overdraw reaches twice as far": func(_ *testing.T, r *rig) {
		for i := range 12 {
			b := r.batch(owned("a", fmt.Sprint(i), 1))
			b.Overdraw = true
			r.verdict(r.send(b), ledger.Allowed)
		}
		b := r.batch(owned("a", "one more", 1))
		b.Overdraw = true
		r.verdict(r.send(b), ledger.Full)
	},

	"what has happened in another epoch is never full": func(_ *testing.T, r *rig) {
		for i := range 6 {
			r.do(owned("a", fmt.Sprint("a", i), 1))
		}
		l := owned("a", "held", 0)
		l.Held, l.Lease = 5, hour
		r.stands(r.do(l).Lines[0], 5, 5)
	},

	"a cell that counts nothing makes room": func(_ *testing.T, r *rig) {
		var index int64
		for i := range 6 {
			index = r.do(owned("a", fmt.Sprint("a", i), 1)).Lines[0].Index
		}
		l := owned("a", "a0", 0)
		l.Refunds = []ledger.Stamp{{Index: index, Units: 1}}
		r.do(l)
		r.verdict(r.do(owned("a", "new", 1)), ledger.Allowed)
	},

	"who pays is whoever made the cell": func(_ *testing.T, r *rig) {
		for i := range 6 {
			r.do(owned("a", fmt.Sprint("a", i), 1))
			r.do(owned("b", fmt.Sprint("a", i), 1))
		}
		r.verdict(r.do(owned("a", "new", 1)), ledger.Full)
		r.verdict(r.do(owned("b", "new", 1)), ledger.Allowed)
	},
}

var listings = map[string]func(t *testing.T, r *rig){
	"cells in use are listed": func(t *testing.T, r *rig) {
		index := r.settle(window)
		r.do(note("spent", 5), draw("held", 7, 100))
		l := note("given back", 5)
		r.do(l)
		l.Want, l.Refunds = 0, []ledger.Stamp{{Index: index, Units: 5}}
		r.do(l)
		all := r.cells(10)
		if len(all) != 2 {
			t.Fatalf("%v", all)
		}
		if c := all["spent"]; c.Owner != "owner" || c.Period != window || c.Used != 5 || c.Blocks != 0 || c.ResetsAt != window.End(index) {
			t.Errorf("%+v", c)
		}
		if c := all["held"]; c.Used != 7 || c.Blocks != 7 || c.ResetsAt != 0 {
			t.Errorf("%+v", c)
		}
	},

	"at most so many are listed": func(t *testing.T, r *rig) {
		for i := range 5 {
			r.do(note(fmt.Sprint(i), 1))
		}
		if all := r.cells(3); len(all) != 3 {
			t.Fatalf("%d", len(all))
		}
		n := 0
		if err := r.Ledger.Cells(t.Context(), r.tenant, 10, func(ledger.Cell) bool { n++; return n < 2 }); err != nil || n != 2 {
			t.Fatalf("%d, %v", n, err)
		}
	},

	"what has left its window is not listed": func(t *testing.T, r *rig) {
		r.do(note("a", 1))
		r.Advance(time.Duration(window.Length()+minute) * time.Microsecond)
		if all := r.cells(3); len(all) != 0 {
			t.Fatalf("%v", all)
		}
	},

	"a ledger that has lost nothing has nothing to recover": func(t *testing.T, r *rig) {
		r.do(note("a", 1))
		if was, err := r.Ledger.Recover(t.Context(), r.tenant); was || err != nil {
			t.Fatalf("%v, %v", was, err)
		}
		if s := r.Ledger.Status(); s.Err != nil || len(s.Amnesia) != 0 {
			t.Fatalf("%+v", s)
		}
	},
}
