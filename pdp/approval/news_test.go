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

// TestOnlyWhoIsWaitedForGivesWay: a redemption, which is a decision's and has no stream, does not stand back for nobody.
func TestOnlyWhoIsWaitedForGivesWay(t *testing.T) {
	w := newWorld(t, approval.Config{})
	steps := 0
	w.OnGiveWay(func() { steps++ })
	a := w.ask()
	s := w.watch(a.ID, 0)
	s.want(1, approval.Pending)
	w.vote(a.ID, "ann", approval.Approve)
	if steps == 0 {
		t.Error("the voter's answer goes first")
	}
	s.want(2, approval.Approved)
	s.wantEnd()
	steps = 0
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatal(err)
	}
	if steps != 0 {
		t.Errorf("a redemption gave way %d times", steps)
	}
}

// TestNobodyGivesWayForLong: on a machine that is busy each step is a turn of all that runs.
func TestNobodyGivesWayForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, approval.Config{})
		steps := 0
		w.OnGiveWay(func() { steps++; time.Sleep(time.Second) })
		a := w.ask(quorum(2))
		s := w.watch(a.ID, 0)
		s.want(1, approval.Pending)
		w.vote(a.ID, "ann", approval.Approve)
		if steps != 1 {
			t.Errorf("it gave way for %d s", steps)
		}
		s.want(2, approval.Pending)
	})
}
