package approval_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

func (w *world) approved() approval.Approval {
	w.t.Helper()
	a := w.ask()
	w.vote(a.ID, "ann", approval.Approve)
	return w.get(a.ID)
}

func TestRedeemOnce(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.approved()
	checked, err := w.Check(t.Context(), a.ID, redemption())
	if err != nil || checked.ID != a.ID {
		t.Fatalf("check: %v", err)
	}
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatal(err)
	}
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatalf("the same decision again: %v", err)
	}
	wantErr(t, w.Redeem(t.Context(), a.ID, redemption(), "d2"), approval.ErrUsed)
	_, err = w.Check(t.Context(), a.ID, redemption())
	wantErr(t, err, approval.ErrUsed)
	if got := w.get(a.ID); got.RedeemedBy != "d1" || !got.RedeemedAt.Equal(start) || got.State != approval.Approved {
		t.Fatalf("got %+v", got)
	}
	wantErr(t, w.Redeem(t.Context(), a.ID, redemption(), ""), &approval.Error{Reason: "INVALID", Field: "decision_id"})
}

// Each bound field is changed once; every field of Redemption has to be in the table.
func TestThreat_B1_AChangedFieldIsAnotherAction(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.approved()
	fields := map[string]string{
		"Agent": "agent", "Session": "session", "User": "user", "RequestedBy": "requested_by", "Digest": "digest", "Tool": "tool",
		"SchemaDigest": "schema_digest", "BundleRevision": "bundle_revision",
		"EstimateCostMicroUSD": "estimate.cost_micro_usd", "EstimateTokens": "estimate.tokens",
	}
	kind := reflect.TypeFor[approval.Redemption]()
	for i := range kind.NumField() {
		name := kind.Field(i).Name
		if name == "Canonical" { // counts under a grant with values that may vary, and is tested there
			continue
		}
		want := redemption()
		var mutants []approval.Redemption
		switch f := reflect.ValueOf(&want).Elem().Field(i); v := f.Interface().(type) {
		case string:
			for _, m := range []string{v + "x", "", v[:max(len(v)-1, 0)], v + " "} {
				f.SetString(m)
				mutants = append(mutants, want)
			}
		case int64:
			f.SetInt(v + 1)
			mutants = append(mutants, want)
		}
		expect := error(&approval.Error{Reason: "APPROVAL_MISMATCH", Field: fields[name]})
		if name == "Tenant" {
			expect = approval.ErrNotFound
		}
		for _, m := range mutants {
			if _, err := w.Check(t.Context(), a.ID, m); !errors.Is(err, expect) {
				t.Errorf("check with another %s: %v", name, err)
			}
			if err := w.Redeem(t.Context(), a.ID, m, "d"); !errors.Is(err, expect) {
				t.Errorf("redeem with another %s: %v", name, err)
			}
		}
		if len(mutants) == 0 {
			t.Errorf("%s was not mutated", name)
		}
	}
	smaller := redemption()
	smaller.EstimateCostMicroUSD, smaller.EstimateTokens = 0, 0
	if err := w.Redeem(t.Context(), a.ID, smaller, "d"); err != nil {
		t.Errorf("a smaller estimate: %v", err)
	}
}

func TestMismatchIsToldBeforeTheState(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.approved()
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatal(err)
	}
	other := redemption()
	other.Digest = "pc1:bb"
	wantErr(t, w.Redeem(t.Context(), a.ID, other, "d1"), approval.ErrMismatch)
}

func TestThreat_B2_OneOfAHundredRedeems(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.approved()
	var won, used atomic.Int32
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			switch err := w.Redeem(t.Context(), a.ID, redemption(), fmt.Sprint("d", i)); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, approval.ErrUsed):
				used.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || used.Load() != 99 {
		t.Fatalf("%d redeemed and %d were told that it is used, want 1 and 99", won.Load(), used.Load())
	}
}

func TestThreat_B4_RunsOutByTheClock(t *testing.T) {
	ttl := 300 * time.Second
	for _, tc := range []struct {
		name  string
		moves []time.Duration // of the wall clock after the verdict
		want  error
	}{
		{"in time", []time.Duration{ttl - 1}, nil},
		{"at expiry", []time.Duration{ttl}, approval.ErrExpired},
		{"an hour forward", []time.Duration{time.Hour}, approval.ErrExpired},
		{"an hour forward and back", []time.Duration{time.Hour, -time.Hour}, approval.ErrExpired},
		{"an hour back", []time.Duration{-time.Hour}, nil},
		{"an hour back, then the time goes on", []time.Duration{-time.Hour, ttl}, approval.ErrExpired},
		{"set back again and again", []time.Duration{ttl / 2, -time.Hour, ttl / 2, -time.Hour}, approval.ErrExpired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, approval.Config{})
			a := w.approved()
			var err error
			for _, d := range tc.moves {
				w.clock.move(d)
				_, err = w.Check(t.Context(), a.ID, redemption())
			}
			wantErr(t, err, tc.want)
			wantErr(t, w.Redeem(t.Context(), a.ID, redemption(), "d"), tc.want)
		})
	}
}

func TestThreat_B4_ClockSetBackWhileDown(t *testing.T) {
	w := newWorld(t, approval.Config{})
	first := w.ask(quorum(2))
	w.clock.move(200 * time.Second)
	w.vote(first.ID, "ann", approval.Approve)
	w.clock.move(-time.Hour)
	after := w.crash()
	after.clock.move(100 * time.Second) // the 300th second of its life
	if r := after.vote(first.ID, "bob", approval.Approve); r.Applied {
		t.Fatal("the clock was set back while the server was down, and the ask lived on")
	}
}

// The other half of B5, that redeeming evaluates again, is pdp/decision's.
func TestThreat_B5_AnotherRevisionNeedsAnotherAsk(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.approved()
	swapped := redemption()
	swapped.BundleRevision = "rev2"
	wantErr(t, w.Redeem(t.Context(), a.ID, swapped, "d"), &approval.Error{Reason: "APPROVAL_MISMATCH", Field: "bundle_revision"})
	w.wantUse(a.ID, approval.Unused)
}
