package limit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

// room is a server's part of this: a real database with an engine on it.
type room struct {
	limits *limit.Engine
	close  func()
}

func openRoom(t *testing.T, dir string, now func() time.Time) room {
	t.Helper()
	store, err := embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := store.OpenLedger()
	if err != nil {
		t.Fatal(err)
	}
	e, err := limit.New(limit.Config{HotCells: 64}, ledger, now)
	if err != nil {
		t.Fatal(err)
	}
	return room{e, func() {
		t.Helper()
		for _, close := range []func() error{
			func() error { return e.Close(context.Background()) }, store.Close,
		} {
			if err := close(); err != nil {
				t.Fatal(err)
			}
		}
	}}
}

func TestGracefulRestartKeepsExactValues(t *testing.T) {
	ctx, dir, now := context.Background(), t.TempDir(), time.Now()
	clock := func() time.Time { return now }
	callLimit := limit.Definition{Name: "calls", Measure: limit.Calls, Scope: []limit.Dimension{limit.Session}, WindowSeconds: 60, Max: 100}
	budget := limit.Definition{Name: "budget", Measure: limit.CostMicroUSD, Scope: []limit.Dimension{limit.Agent}, WindowSeconds: 86_400, Max: 1_000}
	defs := []limit.Definition{callLimit, budget}
	who := limit.Subject{Tenant: "t", Agent: "a", Session: "s", Tool: "search", Kind: "TOOL_CALL"}

	r := openRoom(t, dir, clock)
	for i := range 30 {
		if _, err := r.limits.Reserve(ctx, fmt.Sprint(i), defs, who, limit.Amounts{Calls: 1, CostMicroUSD: 10}, now.Add(time.Hour), limit.ReserveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.limits.Settle(ctx, "0", limit.Amounts{CostMicroUSD: 4}); err != nil {
		t.Fatal(err)
	}
	if err := r.limits.Refund(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	r.close()

	r = openRoom(t, dir, clock)
	defer r.close()
	status := func() (got []int64) {
		rows, truncated, err := r.limits.Usage(ctx, "t", defs, limit.UsageFilter{})
		if err != nil || truncated {
			t.Fatal(err, truncated)
		}
		slices.SortFunc(rows, func(a, b limit.Usage) int { return int(a.Status.Used - b.Status.Used) })
		for _, row := range rows {
			got = append(got, row.Status.Used)
		}
		return got
	}
	if got := status(); !slices.Equal(got, []int64{29, 284}) {
		t.Fatalf("calls and budget after a restart: %v, want 29 and 284", got)
	}
	again, err := r.limits.Settle(ctx, "0", limit.Amounts{CostMicroUSD: 500})
	if err != nil || !again.AlreadySettled || again.Charged.CostMicroUSD != 4 || again.Reserved.CostMicroUSD != 10 {
		t.Fatalf("a second report after a restart: %+v, %v", again, err)
	}
	if first, err := r.limits.Settle(ctx, "2", limit.Amounts{CostMicroUSD: 1}); err != nil || first.AlreadySettled {
		t.Fatalf("a first report after a restart: %+v, %v", first, err)
	}
	if err := r.limits.Refund(ctx, "3"); err != nil {
		t.Fatal(err)
	}
	if got := status(); !slices.Equal(got, []int64{28, 265}) {
		t.Fatalf("after settling and refunding: %v, want 28 and 265", got)
	}
}

func TestNothingIsAdmittedAfterClose(t *testing.T) {
	r := openRoom(t, t.TempDir(), time.Now)
	r.close()
	ctx, who := context.Background(), limit.Subject{Tenant: "t", Agent: "a", Session: "s", Tool: "x"}
	if _, err := r.limits.Reserve(ctx, "1", nil, who, limit.Amounts{}, time.Now(), limit.ReserveOptions{}); err == nil {
		t.Error("reserved after close")
	}
	if r.limits.Health() == nil {
		t.Error("healthy after close")
	}
}
