package approval_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// running starts the sweeper on the time of a synctest bubble.
func running(t *testing.T, w *world) (stop func()) {
	t.Helper()
	var err error
	if w.Queue, err = approval.New(w.cfg, w.store, w.keys, time.Now); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

func TestRunExpiresOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, approval.Config{})
		stop := running(t, w)
		defer stop()
		long := w.ask()
		short := w.ask(func(a *approval.Ask) { a.TTL = 1500 * time.Millisecond })
		began := time.Now()
		s := w.watch(short.ID, 0)
		s.want(1, approval.Pending)
		if e := s.want(2, approval.Expired); !e.Approval.EndedAt.Equal(short.Expires) {
			t.Errorf("ended at %s, want %s", e.Approval.EndedAt, short.Expires)
		}
		if took := time.Since(began); took != 1500*time.Millisecond {
			t.Errorf("expired after %s, want 1.5 s", took)
		}
		w.wantState(long.ID, approval.Pending)
		if err := w.Health(); err != nil {
			t.Errorf("health: %v", err)
		}
	})
}

func TestRunLapsesAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, approval.Config{Retention: time.Hour})
		stop := running(t, w)
		defer stop()
		a := w.ask()
		w.vote(a.ID, "ann", approval.Approve)
		time.Sleep(300 * time.Second)
		synctest.Wait()
		if rec, content, err := w.store.Content(t.Context(), a.ID); err != nil || rec.Approval.Use != approval.Lapsed || content != nil {
			t.Fatalf("after its time: use %q, %d bytes of content, %v", rec.Approval.Use, len(content), err)
		}
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		w.wantState(a.ID, approval.Approved)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		_, err := w.Get(t.Context(), a.ID)
		wantErr(t, err, approval.ErrNotFound)
	})
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, approval.Config{})
		stop := running(t, w)
		defer stop()
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w.Health() == nil {
			t.Fatal("the store is gone, and the sweeper is healthy")
		}
	})
}

func TestSweepKeepsNoMoreThanConfigured(t *testing.T) {
	w := newWorld(t, approval.Config{MaxKept: 3})
	var ids []string
	for range 6 {
		a := w.ask()
		ids = append(ids, a.ID)
		w.vote(a.ID, "ann", approval.Reject)
	}
	live, approved := w.ask(), w.approved()
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		_, err := w.Get(t.Context(), id)
		if gone := err != nil; gone != (i < 3) {
			t.Errorf("number %d of 6: %v", i, err)
		}
	}
	w.wantState(live.ID, approval.Pending)
	w.wantState(approved.ID, approval.Approved)
}

func TestSweepOfManyAtOnce(t *testing.T) {
	w := newWorld(t, approval.Config{MaxPendingPerAgent: 1000})
	s := w.watchAll(approval.Filter{States: []approval.State{approval.Expired}}, 0)
	for range 300 { // more than one batch
		w.ask()
	}
	w.clock.move(300 * time.Second)
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		s.want(2, approval.Expired)
	}
}

// The database is copied as it lies on disk, nothing is shut down, and a new server starts on the copy.
func TestThreat_B15_NothingPromisedIsLost(t *testing.T) {
	w := newWorld(t, approval.Config{})
	a := w.ask(quorum(2))

	after := w.crash() // after the ask was answered
	after.wantState(a.ID, approval.Pending)
	if r, err := after.Reveal(t.Context(), a.ID); err != nil || string(r.Action) != string(ask().Action) {
		t.Fatalf("the action was lost: %v", err)
	}

	w.vote(a.ID, "ann", approval.Approve)
	after = w.crash() // after a verdict was answered
	if r := after.vote(a.ID, "Ann", approval.Approve); r.Applied {
		t.Fatal("a vote was forgotten, and counted again")
	}
	if r := after.vote(a.ID, "bob", approval.Approve); !r.Applied || r.Approval.State != approval.Approved {
		t.Fatalf("the vote before the crash does not count: %+v", r)
	}

	w.vote(a.ID, "bob", approval.Approve)
	after = w.crash()
	if err := after.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatalf("approved before the crash: %v", err)
	}

	if err := w.Redeem(t.Context(), a.ID, redemption(), "d1"); err != nil {
		t.Fatal(err)
	}
	after = w.crash() // after it was redeemed
	wantErr(t, after.Redeem(t.Context(), a.ID, redemption(), "d2"), approval.ErrUsed)
	after.wantState(a.ID, approval.Approved)
}

func TestThreat_B15_WhatRanOutWhileDownIsExpiredAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, approval.Config{})
		stop := running(t, w)
		pending := w.ask()
		approved := w.approved()
		stop() // down
		time.Sleep(time.Hour)
		stop = running(t, w)
		defer stop()
		synctest.Wait()
		for id, want := range map[string]string{pending.ID: "expired", approved.ID: "approved lapsed"} {
			rec, err := w.store.Load(t.Context(), id)
			if got := string(rec.Approval.State); err != nil || (got != want && got+" "+string(rec.Approval.Use) != want) {
				t.Errorf("got %s %s, %v; want %s", got, rec.Approval.Use, err, want)
			}
		}
	})
}
