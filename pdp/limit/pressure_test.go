package limit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// crowd makes calls from so many sessions that nobody has seen before.
func crowd(e *Engine, s *Set, name string, n int) (refused error) {
	var h Hold
	for i := range n {
		who := who(fmt.Sprint(name, i))
		if err := e.Reserve(ctx, s, who, &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
			refused = err
		}
	}
	return refused
}

func narrow(t *testing.T, l ledger.Ledger, pending int) *Engine {
	t.Helper()
	e := still(t, l)
	e.cfg.MaxPending = pending
	return e
}

// TestThreat_E5_AFloodOfKeysFillsNoTable: past half of the table new counters hold nothing, and so need no place in it.
func TestThreat_E5_AFloodOfKeysFillsNoTable(t *testing.T) {
	l := newShared()
	e, s := narrow(t, l, 20), set(t, calls(1600))
	if err := crowd(e, s, "flood", 100); err != nil {
		t.Fatal(err)
	}
	if n := e.Stats().Pending; n < 10 || n > 12 {
		t.Fatalf("%d are pending, want about half of 20", n)
	}
	if n := admit(t, e, s, 10, 1); n != 10 {
		t.Fatalf("%d of 10 calls of somebody else went through", n)
	}
}

// TestThreat_E5_WhatWaitsForTheLedgerIsBounded: nothing more is charged than can be told.
func TestThreat_E5_WhatWaitsForTheLedgerIsBounded(t *testing.T) {
	const pending = 20
	l := newShared()
	e, s := narrow(t, l, pending), set(t, cost(1600))
	var h Hold
	for i := 0; ; i++ {
		if err := e.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, &h); err != nil {
			t.Fatal(err)
		}
		err := e.Keep(&h, fmt.Sprint(i), micros(time.Hour))
		if e.Stats().Pending > pending {
			t.Fatalf("%d are pending", e.Stats().Pending)
		}
		if err != nil {
			if !errors.Is(err, ErrStateFull) || i != pending-1 {
				t.Fatalf("reservation %d: %v", i, err)
			}
			break
		}
	}
	e.Refund(&h) // what could not be kept is still held
	if err := e.Reserve(ctx, s, who("new"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, &h); !errors.Is(err, ErrStateFull) {
		t.Fatalf("a counter that finds no place: %v", err)
	}
	if _, err := e.Add(ctx, s, who("new"), &Amounts{CostMicroUSD: 1}); !errors.Is(err, ErrStateFull) {
		t.Fatalf("a debt that finds no place: %v", err)
	}
	flush(t, e)
	if err := e.Reserve(ctx, s, who("new"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, &h); err != nil {
		t.Fatalf("when the ledger has heard of it: %v", err)
	}
	if n := used(t, e, who("s"), s); n != pending-1 {
		t.Fatalf("%d count, %d were kept", n, pending-1)
	}
}

// TestStampsAreBounded: what a cell remembers of a time without the ledger fits in its memory and into one report, and none
// of it is forgotten.
func TestStampsAreBounded(t *testing.T) {
	p := ledger.SlidingOver(1)
	t.Run("while it spends", func(t *testing.T) {
		c := &cell{period: p}
		for i := range int64(10 * mostStamps) {
			c.spend(i*p.Width, 1)
		}
		if n := len(c.spent); n > mostStamps || sumOf(c.spent) != 10*mostStamps {
			t.Fatalf("%d stamps with %d units", n, sumOf(c.spent))
		}
	})
	t.Run("when it tells", func(t *testing.T) {
		c, l := &cell{key: "k", period: p}, &ledger.Line{}
		for i := range int64(2 * ledger.MaxStamps) {
			c.spent = append(c.spent, ledger.Stamp{Index: i, Units: 1})
			c.refunds = append(c.refunds, ledger.Stamp{Index: i, Units: 1})
		}
		c.report(l, false)
		if sumOf(l.Spent) != 2*ledger.MaxStamps || l.Spent[0].Index != 2*ledger.MaxStamps-1 {
			t.Fatalf("%d units told, the newest in %d", sumOf(l.Spent), l.Spent[0].Index)
		}
		b := ledger.Batch{Tenant: "t", Holder: "h", Lines: []ledger.Line{*l}}
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
