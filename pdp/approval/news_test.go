package approval_test

import (
	"context"
	"sync/atomic"
	"testing"

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
