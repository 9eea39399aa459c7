package approval_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// stream is a watch under way.
type stream struct {
	t    *testing.T
	next func() (approval.Event, error, bool)
	stop func()
}

func streamOf(t *testing.T, seq iter.Seq2[approval.Event, error], err error) stream {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull2(seq)
	t.Cleanup(stop)
	return stream{t, next, stop}
}

func (w *world) watch(id string, after uint64) stream {
	w.t.Helper()
	seq, err := w.Watch(w.t.Context(), id, after, nil)
	return streamOf(w.t, seq, err)
}

func (w *world) watchAll(f approval.Filter, cursor uint64) stream {
	w.t.Helper()
	seq, err := w.WatchAll(w.t.Context(), f, cursor, nil)
	return streamOf(w.t, seq, err)
}

func (s stream) want(sequence uint64, state approval.State) approval.Event {
	s.t.Helper()
	e, err, ok := s.next()
	if !ok || err != nil || e.Approval.Sequence != sequence || e.Approval.State != state {
		s.t.Fatalf("got %d %s, %v, more %v; want %d %s", e.Approval.Sequence, e.Approval.State, err, ok, sequence, state)
	}
	return e
}

func (s stream) wantEnd() {
	s.t.Helper()
	if e, err, ok := s.next(); ok {
		s.t.Fatalf("got %d %s, %v after the end", e.Approval.Sequence, e.Approval.State, err)
	}
}

func TestWatchSaysTheStateAtOnceAndThenEachChange(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))
	w.vote(a.ID, "ann", approval.Approve)
	s := w.watch(a.ID, 0)
	if e := s.want(2, approval.Pending); e.Approval.Missing() != 1 {
		t.Errorf("%d missing, want 1", e.Approval.Missing())
	}
	w.vote(a.ID, "bob", approval.Approve)
	s.want(3, approval.Approved)
	s.wantEnd()
	if n := w.Watching(); n != 0 {
		t.Errorf("%d streams are still watching", n)
	}
}

func TestWatchWhatHasEnded(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	w.vote(a.ID, "ann", approval.Approve)
	w.vote(a.ID, "late", approval.Reject)
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d"); err != nil {
		t.Fatal(err)
	}
	s := w.watch(a.ID, 0)
	s.want(2, approval.Approved) // the end of the stream, not what came after
	s.wantEnd()
	w.watch(a.ID, 2).wantEnd()
	w.watch(a.ID, 4).wantEnd()
	_, err := w.Watch(t.Context(), a.ID, 5, nil)
	wantErr(t, err, approval.ErrCursor)
	_, err = w.Watch(t.Context(), "unknown", 0, nil)
	wantErr(t, err, approval.ErrNotFound)
	if n := w.Watching(); n != 0 {
		t.Errorf("%d streams are still watching", n)
	}
}

// The stream is cut after every event, things go on, and it is resumed: no gap, no duplicate.
func TestThreat_B11_ResumeAtEveryEvent(t *testing.T) {
	steps := []struct {
		who string
		v   approval.Verdict
	}{{"ann", approval.Approve}, {"bob", approval.Approve}, {"cal", approval.Approve}, {"dan", approval.Approve}}
	for cut := 1; cut <= 5; cut++ {
		for away := 0; away <= len(steps); away++ { // steps that happen while nobody watches
			t.Run(fmt.Sprintf("cut after %d, away for %d", cut, away), func(t *testing.T) {
				w := newWorld(t, approval.Config{})
				a := w.ask(quorum(4))
				var got []uint64
				done := 0
				step := func() {
					if done < len(steps) {
						w.vote(a.ID, steps[done].who, steps[done].v)
						done++
					}
				}
				s := w.watch(a.ID, 0)
				for len(got) < cut {
					e, err, ok := s.next()
					if !ok || err != nil {
						t.Fatal(err)
					}
					got = append(got, e.Approval.Sequence)
					if len(got) < cut {
						step()
					}
				}
				s.stop()
				for range away {
					step()
				}
				s = w.watch(a.ID, got[len(got)-1])
				for done < len(steps) {
					step()
				}
				for {
					e, err, ok := s.next()
					if !ok {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e.Approval.Sequence)
				}
				if want := []uint64{1, 2, 3, 4, 5}; !slices.Equal(got, want) {
					t.Fatalf("heard %v, want %v", got, want)
				}
			})
		}
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	ctx, cancel := context.WithCancel(t.Context())
	seq, err := w.Watch(ctx, a.ID, 0, nil)
	s := streamOf(t, seq, err)
	s.want(1, approval.Pending)
	cancel()
	if _, err, ok := s.next(); !ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, more %v", err, ok)
	}
	s.wantEnd()
}

func TestWatchBeats(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask()
	beat := make(chan time.Time, 1)
	seq, err := w.Watch(t.Context(), a.ID, 0, beat)
	s := streamOf(t, seq, err)
	s.want(1, approval.Pending)
	beat <- start
	if e, err, ok := s.next(); !ok || err != nil || !e.Heartbeat {
		t.Fatalf("got %+v, %v", e, err)
	}
	// Nobody sweeps here: the watcher sees for itself that the time has passed.
	w.clock.move(300 * time.Second)
	s.want(2, approval.Expired)
	s.wantEnd()
}

func TestWatchersAreBounded(t *testing.T) {
	w := newWorld(t, approval.Config{MaxWatchers: 2})
	a := w.ask()
	first := w.watch(a.ID, 0)
	first.want(1, approval.Pending)
	w.watch(a.ID, 0).want(1, approval.Pending)
	_, err := w.Watch(t.Context(), a.ID, 0, nil)
	wantErr(t, err, approval.ErrTooManyWatchers)
	first.stop()
	w.watch(a.ID, 0).want(1, approval.Pending)
}

func TestAStreamThatIsNeverReadIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, approval.Config{})
		a := w.ask()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := w.Watch(ctx, a.ID, 0, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.WatchAll(ctx, approval.Filter{}, 0, nil); err != nil {
			t.Fatal(err)
		}
		if n := w.Watching(); n != 2 {
			t.Fatalf("%d streams are watching, want 2", n)
		}
		cancel()
		synctest.Wait()
		if n := w.Watching(); n != 0 {
			t.Fatalf("%d streams are still watching", n)
		}
	})
}

func TestWatchAllBeginsWithWhatIsPending(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a, b, c := w.ask(), w.ask(), w.ask()
	w.vote(b.ID, "ann", approval.Reject)
	s := w.watchAll(approval.Filter{Tenant: "acme"}, 0)
	wantID := func(e approval.Event, id string) {
		t.Helper()
		if e.Approval.ID != id {
			t.Fatalf("got %s, want %s", e.Approval.ID, id)
		}
	}
	first := s.want(1, approval.Pending)
	wantID(first, a.ID)
	if first.Cursor != 0 {
		t.Error("an event in the middle of the list can be resumed from")
	}
	second := s.want(1, approval.Pending)
	wantID(second, c.ID)
	w.vote(a.ID, "ann", approval.Approve)
	third := s.want(2, approval.Approved)
	wantID(third, a.ID)
	if err := w.Redeem(t.Context(), a.ID, redemption(), "d"); err != nil {
		t.Fatal(err)
	}
	if e := s.want(3, approval.Approved); e.Approval.Use != approval.Redeemed {
		t.Errorf("use %q", e.Approval.Use)
	}
	// Resumed from the list, and from the first change.
	for _, from := range []uint64{second.Cursor, third.Cursor} {
		s := w.watchAll(approval.Filter{}, from)
		if from == second.Cursor {
			wantID(s.want(2, approval.Approved), a.ID)
		}
		wantID(s.want(3, approval.Approved), a.ID)
	}
}

func TestWatchAllFilters(t *testing.T) {
	w := newWorld(t, approval.Config{})
	s := w.watchAll(approval.Filter{Tenant: "acme", Tool: "pay", States: []approval.State{approval.Approved}}, 0)
	pay := func(a *approval.Ask) { a.Tool = "pay" }
	foreign := w.ask(func(a *approval.Ask) { pay(a); a.Tenant = "umbrella" })
	voter := person("ann")
	voter.Tenant = "umbrella"
	if _, err := w.SubmitVerdict(t.Context(), foreign.ID, voter, approval.Ballot{Verdict: approval.Approve}); err != nil {
		t.Fatal(err)
	}
	w.vote(w.ask().ID, "ann", approval.Approve)
	w.vote(w.ask(pay).ID, "ann", approval.Reject)
	hit := w.ask(pay)
	w.vote(hit.ID, "ann", approval.Approve)
	if e := s.want(2, approval.Approved); e.Approval.ID != hit.ID {
		t.Fatalf("got %+v", e.Approval)
	}
}

// Cut at every event and resumed by cursor, the stream over all approvals has each change once, also across a
// restart.
func TestThreat_B11_ResumeAllAtEveryEvent(t *testing.T) {
	for cut := 1; cut <= 6; cut++ {
		t.Run(fmt.Sprint("cut after ", cut), func(t *testing.T) {
			w := newWorld(t, approval.Config{})
			var got []string
			var cursor uint64
			take := func(s stream, n int) {
				t.Helper()
				for range n {
					e, err, ok := s.next()
					if !ok || err != nil {
						t.Fatal(err)
					}
					cursor = e.Cursor
					got = append(got, fmt.Sprintf("%s %d", e.Approval.Tool, e.Approval.Sequence))
				}
			}
			s := w.watchAll(approval.Filter{}, 0)
			a := w.ask(func(a *approval.Ask) { a.Tool = "a" })
			b := w.ask(func(a *approval.Ask) { a.Tool = "b" })
			w.vote(b.ID, "ann", approval.Approve)
			w.vote(a.ID, "ann", approval.Reject)
			if err := w.Redeem(t.Context(), b.ID, func() approval.Redemption { r := redemption(); r.Tool = "b"; return r }(), "d"); err != nil {
				t.Fatal(err)
			}
			w.vote(a.ID, "bob", approval.Approve)
			take(s, cut)
			s.stop()
			w = w.crash()
			take(w.watchAll(approval.Filter{}, cursor), 6-cut)
			if want := []string{"a 1", "b 1", "b 2", "a 2", "b 3", "a 3"}; !slices.Equal(got, want) {
				t.Fatalf("heard %v, want %v", got, want)
			}
		})
	}
}

func TestThreat_E13_ASlowReaderIsCutOffAndNobodyWaits(t *testing.T) {
	w := newWorld(t, approval.Config{MaxPendingPerAgent: 100})
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(8)
	w.ask()
	s := w.watchAll(approval.Filter{}, 0)
	s.want(1, approval.Pending)
	old := w.watchAll(approval.Filter{}, 1) // keeps up until here
	for range 20 {                          // writers go on though nobody reads
		w.ask()
	}
	for _, slow := range []stream{s, old} {
		if _, err, _ := slow.next(); !errors.Is(err, approval.ErrSlow) {
			t.Fatalf("got %v, want ErrSlow", err)
		}
		slow.wantEnd()
	}
	_, err := w.WatchAll(t.Context(), approval.Filter{}, 1, nil)
	wantErr(t, err, approval.ErrCursor)
	_, err = w.WatchAll(t.Context(), approval.Filter{}, 22, nil)
	wantErr(t, err, approval.ErrCursor)
	within := w.watchAll(approval.Filter{}, 13)
	for range 8 {
		within.want(1, approval.Pending)
	}
	if n := w.Watching(); n != 1 {
		t.Fatalf("%d streams are watching, want the one", n)
	}
}

func TestWatchAllBeatsWithItsCursor(t *testing.T) {
	w := newWorld(t, approval.Config{})
	w.ask()
	beat := make(chan time.Time, 1)
	seq, err := w.WatchAll(t.Context(), approval.Filter{Agent: "nobody"}, 0, beat)
	s := streamOf(t, seq, err)
	beat <- start
	if e, err, ok := s.next(); !ok || err != nil || !e.Heartbeat || e.Cursor != 1 {
		t.Fatalf("got %+v, %v; want a heartbeat with cursor 1", e, err)
	}
}
