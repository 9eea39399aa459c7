package approval_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// readsCounted is a store that counts how often a record is read.
type readsCounted struct {
	approval.Store
	loads atomic.Int64
}

func (s *readsCounted) Load(ctx context.Context, id string) (approval.Record, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx, id)
}

// TestAWatcherIsHandedWhatWasCommitted: a verdict of this process reaches the stream without a read of the store.
func TestAWatcherIsHandedWhatWasCommitted(t *testing.T) {
	w := newWorld(t, approval.Config{})
	store := &readsCounted{Store: w.store}
	var err error
	if w.Queue, err = approval.New(w.cfg, store, w.keys, w.clock.now); err != nil {
		t.Fatal(err)
	}
	a := w.ask(quorum(3))
	s := w.watch(a.ID, 0)
	s.want(1, approval.Pending)
	before := store.loads.Load()
	w.vote(a.ID, "ann", approval.Approve)
	w.vote(a.ID, "bob", approval.Approve)
	if e := s.want(2, approval.Pending); e.Approval.Missing() != 2 || len(e.Approval.Votes) != 1 {
		t.Errorf("%d missing after %d votes, want 2 after 1", e.Approval.Missing(), len(e.Approval.Votes))
	}
	s.want(3, approval.Pending)
	w.vote(a.ID, "cid", approval.Approve)
	s.want(4, approval.Approved)
	s.wantEnd()
	if n := store.loads.Load() - before; n != 0 {
		t.Errorf("the store was read %d times", n)
	}
}

// TestNewsInAnyOrder: two commits may be told of in either order, and one twice. The stream says each change once, in order.
func TestNewsInAnyOrder(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(3))
	s := w.watch(a.ID, 0)
	s.want(1, approval.Pending)
	w.vote(a.ID, "ann", approval.Approve)
	second, err := w.store.Load(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.vote(a.ID, "bob", approval.Approve)
	w.Committed(second) // the first vote, told of after the second
	s.want(2, approval.Pending)
	s.want(3, approval.Pending)
	w.Committed(second)
	w.vote(a.ID, "cid", approval.Approve)
	w.Committed(second)
	s.want(4, approval.Approved)
	s.wantEnd()
}

// TestOldNewsHidesNothing: what another process has written is found also where news of an earlier change lie in hand.
func TestOldNewsHidesNothing(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))
	first, err := w.store.Load(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	s := w.watch(a.ID, 0)
	s.want(1, approval.Pending)
	other, err := approval.New(w.cfg, w.store, w.keys, w.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{Verdict: approval.Approve}); err != nil {
		t.Fatal(err)
	}
	w.Committed(first)
	s.want(2, approval.Pending)
}

// TestThreat_B17_AYesToWhatWasNotSeenInFull: the queue itself refuses it, of what stands at that moment.
func TestThreat_B17_AYesToWhatWasNotSeenInFull(t *testing.T) {
	w := newWorld(t, approval.Config{})
	long := func(a *approval.Ask) { a.Action = make([]byte, 64<<10+1) }
	a := w.ask(long)
	_, err := w.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{Verdict: approval.Approve})
	wantErr(t, err, approval.ErrNotSeen)
	w.wantState(a.ID, approval.Pending)
	if r, err := w.SubmitVerdict(t.Context(), a.ID, person("ann"), approval.Ballot{Verdict: approval.Approve, SeenInFull: true}); err != nil || !r.Applied {
		t.Fatalf("%+v %v", r, err)
	}
	b := w.ask(long)
	if r := w.vote(b.ID, "ann", approval.Reject); !r.Applied {
		t.Errorf("a no: %+v", r)
	}
}

// TestThreat_E18_NewsHideNothingThatCameAfter: what a kill switch, the sweeper or another process has done is told of without a
// record. A stream hears of it at once also where news of an earlier change are in hand, whichever was told of first.
func TestThreat_E18_NewsHideNothingThatCameAfter(t *testing.T) {
	for name, tell := range map[string]func(w *world, id string){
		"this process":                   func(*world, string) {}, // it has told
		"another process":                func(w *world, id string) { w.Heard(id) },
		"another process, after a break": func(w *world, _ string) { w.Heard() },
	} {
		for _, newsLast := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, news last %t", name, newsLast), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, approval.Config{})
					a := w.ask(quorum(2))
					ctx, cancel := context.WithTimeout(t.Context(), time.Second) // of the bubble: nothing takes time there
					defer cancel()
					seq, err := w.Watch(ctx, a.ID, 0, nil)
					s := streamOf(t, seq, err)
					s.want(1, approval.Pending)
					w.vote(a.ID, "ann", approval.Approve)
					voted, err := w.store.Load(t.Context(), a.ID)
					if err != nil {
						t.Fatal(err)
					}
					killer := w.Queue
					if name != "this process" {
						if killer, err = approval.New(w.cfg, w.store, w.keys, w.clock.now); err != nil {
							t.Fatal(err)
						}
					}
					if n, err := killer.CancelWhere(t.Context(), approval.Scope{Tenant: "acme"}, "kill switch"); n != 1 || err != nil {
						t.Fatalf("cancelled %d, %v", n, err)
					}
					tell(w, a.ID)
					if newsLast {
						w.Committed(voted)
					}
					s.want(2, approval.Pending)
					s.want(3, approval.Cancelled)
					s.wantEnd()
				})
			})
		}
	}
}

// TestTheAgentGoesFirst: whoever voted stands back while an agent waits, and nobody else does: not a redemption, which is a
// decision's and has no stream, nor who stops many agents at once.
func TestTheAgentGoesFirst(t *testing.T) {
	w := newWorld(t, approval.Config{})
	steps := 0
	w.OnStepBack(func(d time.Duration) {
		if steps++; d <= 0 || d > time.Millisecond {
			t.Errorf("it stands back for %s", d)
		}
	})
	want := func(what string, n int) {
		t.Helper()
		if steps != n {
			t.Errorf("%s: stood back %d times, not %d", what, steps, n)
		}
		steps = 0
	}
	a := w.ask()
	s := w.watch(a.ID, 0)
	s.want(1, approval.Pending)
	w.vote(a.ID, "ann", approval.Approve)
	want("a yes", 1)
	s.want(2, approval.Approved)
	s.wantEnd()
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatal(err)
	}
	want("a use", 0)
	w.vote(a.ID, "bob", approval.Approve)
	want("a yes that nobody waits for", 0)
	b := w.ask()
	s = w.watch(b.ID, 0)
	s.want(1, approval.Pending)
	if _, err := w.CancelAll(t.Context(), "stop"); err != nil {
		t.Fatal(err)
	}
	want("the end of everything", 0)
	s.want(2, approval.Cancelled)
	s.wantEnd()
}
