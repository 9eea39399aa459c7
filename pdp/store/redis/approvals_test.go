package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/approval/approvaltest"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// TestApprovalsConformance runs the contract of stores of approvals against a real Redis. Each case has keys of its own.
func TestApprovalsConformance(t *testing.T) {
	conformApprovals(t, Config{URL: redistest.Start(t).URL()})
}

// TestApprovalsOnACluster: all of their keys are in one slot.
func TestApprovalsOnACluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	cfg := Config{URL: nodes[0].URL(), Cluster: true}
	conformApprovals(t, cfg)
	a := openApprovals(t, join(t, cfg).Ledger)
	if err := a.Insert(t.Context(), anAsk("id1"), nil, noCaps); err != nil {
		t.Fatal(err)
	}
	if ids, _, err := a.listen(t.Context(), "0"); err != nil || len(ids) != 1 {
		t.Errorf("heard %v, %v", ids, err)
	}
}

func conformApprovals(t *testing.T, cfg Config) {
	t.Helper()
	r := join(t, cfg)
	approvaltest.Run(t, func(_ *testing.T, window int) approval.Store {
		scope := rand.Text()
		return r.approvalsAt("\x00"+scope, scope+":{approvals}:", window)
	})
}

func anAsk(id string) approval.Record {
	now := time.Now().UTC()
	return approval.Record{
		Approval: approval.Approval{ID: id, Tenant: "t", Agent: "a", State: approval.Pending, Sequence: 1, Created: now, Expires: now.Add(time.Hour)},
		Changes:  []approval.Change{{At: now, State: approval.Pending}}, Due: now.Add(time.Hour), ContentBytes: 3,
	}
}

var noCaps = approval.Caps{PerAgent: 100, PerTenant: 100, Total: 100, ContentBytes: 1e6}

func openApprovals(t *testing.T, l *Ledger) *Approvals {
	t.Helper()
	s, err := l.OpenApprovals(100)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestThreat_B2_AWriteIsCarriedOutOnce: one that is sent again because its answer was lost changes nothing more, and says that
// it was done; even where somebody else has changed the record since.
func TestThreat_B2_AWriteIsCarriedOutOnce(t *testing.T) {
	s := openApprovals(t, join(t, Config{URL: redistest.Start(t).URL()}).Ledger)
	ctx := t.Context()
	rec := anAsk("id1")
	known, _, err := s.l.tenants.of(s.scope)
	if err != nil {
		t.Fatal(err)
	}
	send := func(keys, args []string) (int, int) {
		t.Helper()
		answer, err := s.run(ctx, s.l.scripts.approvalsWrite, keys, append(s.l.caller(known), args...))
		if err != nil {
			t.Fatal(err)
		}
		refs, err := s.Changes(ctx, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		in := reader{rest: answer}
		return int(in.int()), len(refs)
	}
	keys, args, err := s.encode(nil, &rec, []byte("abc"), noCaps)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if what, changes := send(keys, args); what != writeDone || changes != 1 {
			t.Fatalf("insert %d: %d, %d changes", i, what, changes)
		}
	}
	old, err := s.load(ctx, "id1")
	if err != nil {
		t.Fatal(err)
	}
	next := old.rec
	next.Approval.State, next.Approval.Sequence = approval.Approved, 2
	next.Changes = append(next.Changes, approval.Change{State: approval.Approved})
	keys, args, err = s.encode(&old, &next, nil, approval.Caps{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if what, changes := send(keys, args); what != writeDone || changes != 2+min(i, 1) {
			t.Fatalf("update %d: %d, %d changes", i, what, changes)
		}
		if i == 0 {
			err := s.Update(ctx, "id1", func(r *approval.Record) approval.Effect {
				r.Approval.Use, r.Approval.Sequence = approval.Redeemed, 3
				r.Changes = append(r.Changes, approval.Change{State: approval.Approved, Use: approval.Redeemed})
				return approval.Write
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := s.Load(ctx, "id1"); err != nil || got.Approval.Use != approval.Redeemed {
		t.Errorf("%+v, %v", got.Approval, err)
	}
	if n, err := s.Pending(ctx, ""); err != nil || n != 0 {
		t.Errorf("%d pending, %v", n, err)
	}
	// Another write from the same point has lost.
	_, other, err := s.encode(&old, &next, nil, approval.Caps{})
	if err != nil {
		t.Fatal(err)
	}
	if what, changes := send(keys, other); what != writeConflict || changes != 3 {
		t.Errorf("from the same point: %d, %d changes", what, changes)
	}
}

// What was read before Redis was restarted can't be written after it: what it rests on may have been lost.
func TestNothingIsWrittenThatWasReadInAnEpochBefore(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	r := join(t, Config{URL: server.URL()})
	s := openApprovals(t, r.Ledger)
	if err := s.Insert(t.Context(), anAsk("id1"), nil, noCaps); err != nil {
		t.Fatal(err)
	}
	doubtful := []bool{}
	err := s.Update(t.Context(), "id1", func(rec *approval.Record) approval.Effect {
		if doubtful = append(doubtful, rec.Doubtful); len(doubtful) == 1 {
			server.Kill()
			server.Run()
			again(t, r)
		}
		rec.Approval.State, rec.Approval.Sequence = approval.Cancelled, 2
		rec.Changes = append(rec.Changes, approval.Change{State: approval.Cancelled})
		return approval.Write
	})
	if err != nil || len(doubtful) != 2 || doubtful[0] || !doubtful[1] {
		t.Errorf("%v, %v", doubtful, err)
	}
}

// TestThreat_B4_ExpiryGoesByTheStoresTime: neither a step of the Redis host's clock nor this machine's moves it.
func TestThreat_B4_ExpiryGoesByTheStoresTime(t *testing.T) {
	server := redistest.Start(t)
	r := join(t, Config{URL: server.URL()})
	s := openApprovals(t, r.Ledger)
	began := s.Now()
	for _, step := range []string{"3600000000", "-3600000000"} { // an hour ahead, an hour behind
		server.Do("SET", "stepped", step)
		for range 3 {
			if err := s.touch(t.Context()); err != nil {
				t.Fatal(err)
			}
			do(t, r, free("cell", 1)) // hears the time
		}
		if moved := s.Now().Sub(began); moved < -time.Second || moved > time.Minute { // what it can be at most may become known better
			t.Errorf("the host's clock stepped by %s µs, and the time by %s", step, moved)
		}
	}
	r.advance(time.Hour) // an hour passes
	if moved := s.Now().Sub(began); moved < time.Hour-time.Minute || moved > time.Hour+time.Minute {
		t.Errorf("an hour is %s", moved)
	}
	// A second process knows the same time, whatever its own clock says.
	other := openApprovals(t, join(t, Config{URL: server.URL()}).Ledger)
	if apart := other.Now().Sub(s.Now()); apart > time.Hour+time.Minute {
		t.Errorf("the two are %s apart", apart)
	}
}

// A time-out of Redis is no end of the caller's context: who hears it must not take it for a client that left.
func TestSilenceIsNotTheCallers(t *testing.T) {
	server := redistest.Start(t)
	s := openApprovals(t, join(t, Config{URL: server.URL(), Timeout: 50 * time.Millisecond}).Ledger)
	server.Do("CLIENT", "PAUSE", "600000")
	_, err := s.Load(t.Context(), "id1")
	if e := ledger.ErrUnavailable; !errors.Is(err, e) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, "id1"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
