package limit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// TestThreat_E5_QuotasOfCounters: an agent and a tenant have so many, new ones are denied beyond, and those that are there go
// on and hold. What has happened finds room up to twice as far.
func TestThreat_E5_QuotasOfCounters(t *testing.T) {
	of := func(agent string, i int) *Subject {
		return &Subject{Tenant: "t", Agent: agent, Session: fmt.Sprint(i), Tool: "search", Kind: "TOOL_CALL"}
	}
	for name, tc := range map[string]struct {
		bounds ledgertest.Bounds
		flood  func(int) *Subject
	}{
		"an agent's":                  {ledgertest.Bounds{PerOwner: 10}, func(i int) *Subject { return of("a", i) }},
		"a tenant's, agents rotated":  {ledgertest.Bounds{PerTenant: 10, PerOwner: 5}, func(i int) *Subject { return of(fmt.Sprint(i), i) }},
		"a tenant's, sessions rotate": {ledgertest.Bounds{PerTenant: 10}, func(i int) *Subject { return of("a", i) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newBounded(tc.bounds)
			e, s := still(t, l), set(t, calls(2))
			var h Hold
			reserve := func(who *Subject) error { return e.Reserve(ctx, s, who, &Amounts{Calls: 1}, ReserveOptions{}, &h) }
			for i := range 10 {
				if err := reserve(tc.flood(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := reserve(tc.flood(10)); !errors.Is(err, ErrStateFull) {
				t.Fatalf("one more counter: %v", err)
			}
			if err := reserve(tc.flood(3)); err != nil || exceeded(h.Statuses()) {
				t.Fatalf("one that is there: %+v, %v", h.Statuses(), err)
			}
			if err := reserve(tc.flood(3)); err != nil || !exceeded(h.Statuses()) {
				t.Fatalf("does not hold: %+v, %v", h.Statuses(), err)
			}
			for i := 10; i < 20; i++ {
				if _, err := e.Add(ctx, s, tc.flood(i), &Amounts{Calls: 1}); err != nil {
					t.Fatalf("what has happened, counter %d: %v", i+1, err)
				}
			}
			if _, err := e.Add(ctx, s, tc.flood(20), &Amounts{Calls: 1}); !errors.Is(err, ErrStateFull) {
				t.Fatalf("past twice the bound: %v", err)
			}
			l.move(2 * time.Minute) // everything leaves its window
			if err := reserve(tc.flood(21)); err != nil {
				t.Fatalf("there is room again: %v", err)
			}
		})
	}
}

// TestReservationsBeyondTheirQuotaStayCharged: they find no room in the ledger, and so can't be settled.
func TestReservationsBeyondTheirQuotaStayCharged(t *testing.T) {
	e, s := still(t, newBounded(ledgertest.Bounds{ReservationsPerOwner: 3})), set(t, cost(1_000))
	for i := range 10 {
		reserve(t, e, fmt.Sprint(i), who("s"), Amounts{CostMicroUSD: 10}, s)
		flush(t, e)
	}
	settled := int64(0)
	for i := range 10 {
		switch _, err := e.Settle(ctx, s, "t", fmt.Sprint(i), Amounts{}); {
		case err == nil:
			settled++
		case !errors.Is(err, ErrUnknownReservation):
			t.Fatal(err)
		}
	}
	if n := used(t, e, who("s"), s); settled != 3 || n != 70 {
		t.Fatalf("%d were settled, %d of 70 are charged", settled, n)
	}
}
