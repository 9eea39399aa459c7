package approval_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// replica is one of several processes on one Redis, as far as approvals go.
type replica struct {
	*approval.Queue
	ledger *redis.Ledger
	keys   *seal.Keys
	stop   func()
}

func replicaOn(tb testing.TB, url string, keys *seal.Keys, change ...func(*redis.Config)) *replica {
	tb.Helper()
	cfg := redis.Config{URL: url, Timeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	l, err := redis.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	store, err := l.OpenApprovals(approval.ReplayWindow)
	if err != nil {
		tb.Fatal(err)
	}
	q, err := approval.New(approval.Config{MaxPendingPerAgent: 1000}, store, keys, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { q.Run(ctx) })
	r := &replica{Queue: q, ledger: l, keys: keys}
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); _ = l.Close() })
	tb.Cleanup(r.stop)
	redistest.Until(tb, "redis is reached", func() bool { return l.Status().Err == nil })
	return r
}

// replicasOn are several with the same keys.
func replicasOn(tb testing.TB, n int, url string, change ...func(*redis.Config)) (out []*replica) {
	tb.Helper()
	keys, err := seal.LoadOrCreate(filepath.Join(tb.TempDir(), "keys.json"))
	if err != nil {
		tb.Fatal(err)
	}
	for range n {
		out = append(out, replicaOn(tb, url, keys, change...))
	}
	return out
}

func (r *replica) must(tb testing.TB, doing string, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("%s: %v", doing, err)
	}
}

func (r *replica) vote(tb testing.TB, id, who string, v approval.Verdict) approval.Result {
	tb.Helper()
	result, err := r.SubmitVerdict(context.Background(), id, person(who), approval.Ballot{Verdict: v})
	r.must(tb, "vote", err)
	return result
}

// TestThreat_B3_AskedVotedHeardRedeemedElsewhere: each step at another replica, and of all that try to redeem at once one does.
func TestThreat_B3_AskedVotedHeardRedeemedElsewhere(t *testing.T) {
	r := replicasOn(t, 3, redistest.Start(t).URL())
	for round := range 5 {
		a, err := r[0].Create(t.Context(), ask())
		r[0].must(t, "ask", err)
		heard := make(chan approval.Event, 8)
		events, err := r[2].Watch(t.Context(), a.ID, 0, nil)
		r[2].must(t, "watch", err)
		var wg sync.WaitGroup
		wg.Go(func() {
			for e, err := range events {
				if err != nil {
					t.Error(err)
				}
				heard <- e
			}
			close(heard)
		})
		if first := <-heard; first.Approval.State != approval.Pending {
			t.Fatalf("heard %s first", first.Approval.State)
		}
		revealed, err := r[1].Reveal(t.Context(), a.ID)
		r[1].must(t, "reveal", err)
		if string(revealed.Action) != string(ask().Action) {
			t.Errorf("revealed %q", revealed.Action)
		}
		if result := r[1].vote(t, a.ID, "ann", approval.Approve); !result.Applied {
			t.Fatalf("vote: %+v", result)
		}
		if last, ok := <-heard; !ok || last.Approval.State != approval.Approved {
			t.Fatalf("heard %+v", last)
		}
		wg.Wait()
		var mu sync.Mutex
		winners := 0
		for i := range 30 {
			wg.Go(func() {
				err := r[i%3].Redeem(context.WithoutCancel(t.Context()), a.ID, redemption(), fmt.Sprint("d", round, "-", i))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners++
				} else if !errors.Is(err, approval.ErrUsed) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if winners != 1 {
			t.Errorf("%d redeemed it", winners)
		}
	}
}

// What one replica's agents ask counts at all of them.
func TestCapsHoldOverReplicas(t *testing.T) {
	s := redistest.Start(t)
	keys, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var queues []*approval.Queue
	for range 2 {
		r := replicaOn(t, s.URL(), keys)
		store, err := r.ledger.OpenApprovals(100)
		if err != nil {
			t.Fatal(err)
		}
		q, err := approval.New(approval.Config{MaxPendingPerAgent: 7}, store, keys, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		queues = append(queues, q)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	asked := 0
	for i := range 30 {
		wg.Go(func() {
			_, err := queues[i%2].Create(context.WithoutCancel(t.Context()), ask())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				asked++
			} else if !errors.Is(err, approval.ErrAskRate) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked != 7 {
		t.Errorf("%d asks wait, at most 7", asked)
	}
}

// TestThreat_B2_ALostRedisGivesNoSecondUse: a Redis that may have forgotten the last writes, among them a use or a no, is not
// believed about what still lives. Where the operator vouches for it, it is.
func TestThreat_B2_ALostRedisGivesNoSecondUse(t *testing.T) {
	for _, c := range []struct {
		name     string
		vouched  bool
		options  []string
		wipe     bool
		pending  approval.State
		approved error
	}{
		{"kept, and vouched for", true, []string{"--appendonly", "yes", "--appendfsync", "always"}, false, approval.Pending, nil},
		{"kept, as far as one can see", false, []string{"--appendonly", "yes", "--appendfsync", "always"}, false, approval.Cancelled, approval.ErrCancelled},
		{"empty", false, nil, true, "", approval.ErrNotFound},
		{"empty, though vouched for", true, nil, true, "", approval.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := redistest.Start(t, c.options...)
			r := replicasOn(t, 2, s.URL(), func(cfg *redis.Config) { cfg.Durable = c.vouched })
			pending, err := r[0].Create(t.Context(), ask())
			r[0].must(t, "ask", err)
			approved, err := r[0].Create(t.Context(), ask())
			r[0].must(t, "ask", err)
			r[0].vote(t, approved.ID, "ann", approval.Approve)
			refused, err := r[0].Create(t.Context(), ask())
			r[0].must(t, "ask", err)
			r[0].vote(t, refused.ID, "ann", approval.Reject)
			_, err = r[0].Create(t.Context(), ask()) // nobody looks at this one again
			r[0].must(t, "ask", err)
			before, err := r[1].Watch(t.Context(), pending.ID, 1, nil)
			r[1].must(t, "watch", err)

			s.Kill()
			if c.wipe {
				s.Empty()
			}
			if _, err := r[0].Create(t.Context(), ask()); !unavailable(err) {
				t.Errorf("asked while redis is gone: %v", err)
			}
			if err := r[0].Redeem(t.Context(), approved.ID, redemption(), "d0"); !unavailable(err) {
				t.Errorf("redeemed while redis is gone: %v", err)
			}
			s.Run()
			for _, one := range r {
				redistest.Until(t, "redis is back", func() bool { return one.ledger.Status().Err == nil })
			}
			if c.pending == approval.Cancelled { // whoever watched hears of it, although nobody asks for anything
				hears(t, before, approval.Cancelled)
			}
			if err := r[1].Redeem(t.Context(), approved.ID, redemption(), "d1"); !errors.Is(err, c.approved) {
				t.Errorf("redeem: %v, want %v", err, c.approved)
			}
			if c.wipe {
				return
			}
			if got, err := r[1].Get(t.Context(), pending.ID); err != nil || got.State != c.pending {
				t.Errorf("pending before: %s, %v", got.State, err)
			}
			if got, err := r[1].Get(t.Context(), refused.ID); err != nil || got.State != approval.Rejected {
				t.Errorf("rejected before: %s, %v", got.State, err)
			}
			if c.pending == approval.Pending {
				r[0].vote(t, pending.ID, "ann", approval.Approve)
				hears(t, before, approval.Approved)
			}
			left := map[bool]int{true: 1, false: 0}[c.vouched]
			redistest.Until(t, "the sweeper has withdrawn what is in doubt", func() bool {
				n, err := r[0].Pending(t.Context(), "")
				return err == nil && n == left
			})
			if _, err := r[0].Create(t.Context(), ask()); err != nil {
				t.Errorf("a new ask: %v", err)
			}
		})
	}
}

func hears(t *testing.T, events iter.Seq2[approval.Event, error], want approval.State) {
	t.Helper()
	for e, err := range events {
		if err != nil || e.Approval.State != want {
			t.Fatalf("the watcher heard %s, %v; want %s", e.Approval.State, err, want)
		}
	}
}

func unavailable(err error) bool {
	e, ok := errors.AsType[*approval.Error](err)
	return ok && e.Problem == approval.Unavailable
}

// TestThreat_B18_ANoIsNotForgottenByAFailover: the copy of Redis that takes over has not heard of the no.
func TestThreat_B18_ANoIsNotForgottenByAFailover(t *testing.T) {
	s := redistest.Start(t)
	r := replicasOn(t, 2, s.URL())
	a, err := r[0].Create(t.Context(), ask())
	r[0].must(t, "ask", err)
	s.Do("SAVE")
	if result := r[1].vote(t, a.ID, "ann", approval.Reject); !result.Applied {
		t.Fatal(result)
	}
	s.Kill()
	s.Run() // with what was saved
	redistest.Until(t, "redis is back", func() bool { return r[0].ledger.Status().Err == nil })
	if result := r[0].vote(t, a.ID, "bob", approval.Approve); result.Applied || result.Approval.State != approval.Cancelled {
		t.Errorf("it was approved after a no: %+v", result)
	}
	if err := r[0].Redeem(t.Context(), a.ID, redemption(), "d1"); !errors.Is(err, approval.ErrCancelled) {
		t.Errorf("redeem: %v", err)
	}
}

// A partition is a gap: what was changed meanwhile is heard when it ends, once, by those who wait for one approval and for
// all, whether their stream lasted or they came again with what they had seen last.
func TestWhatHappenedInAGapIsHeard(t *testing.T) {
	s := redistest.Start(t)
	way := redistest.NewProxy(t, s.Addr)
	keys, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	here := replicaOn(t, s.URL(), keys)
	there := replicaOn(t, way.URL(), keys, func(c *redis.Config) { c.Timeout = 200 * time.Millisecond })
	a, err := here.Create(t.Context(), ask())
	here.must(t, "ask", err)
	var one, all []string
	var wg sync.WaitGroup
	began := make(chan struct{}, 2)
	hear := func(into *[]string, watch func(last approval.Event) (iter.Seq2[approval.Event, error], error)) {
		var last approval.Event
		for len(*into) < 2 {
			events, err := watch(last)
			if err == nil {
				for e, broken := range events {
					if err = broken; err != nil {
						break
					}
					last = e
					*into = append(*into, fmt.Sprint(e.Approval.Sequence, e.Approval.State))
					if len(*into) == 1 {
						began <- struct{}{}
					}
					if len(*into) == 2 {
						return
					}
				}
			}
			if !unavailable(err) {
				t.Errorf("%v", err)
				return
			}
			redistest.Until(t, "redis is reached again", func() bool { return there.ledger.Status().Err == nil })
		}
	}
	wg.Go(func() {
		hear(&one, func(last approval.Event) (iter.Seq2[approval.Event, error], error) {
			return there.Watch(context.WithoutCancel(t.Context()), a.ID, last.Approval.Sequence, nil)
		})
	})
	wg.Go(func() {
		hear(&all, func(last approval.Event) (iter.Seq2[approval.Event, error], error) {
			return there.WatchAll(context.WithoutCancel(t.Context()), approval.Filter{}, last.Cursor, nil)
		})
	})
	<-began
	<-began
	way.Cut()
	here.vote(t, a.ID, "ann", approval.Approve)
	redistest.Until(t, "it is noticed", func() bool { return there.ledger.Status().Err != nil })
	way.Mend()
	wg.Wait()
	if want := []string{"1pending", "2approved"}; !slices.Equal(one, want) || !slices.Equal(all, want) {
		t.Errorf("heard %v and %v", one, all)
	}
}
