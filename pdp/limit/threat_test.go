package limit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestThreat_E6_ThousandCallersGetExactlyTheCap(t *testing.T) {
	clock := newHands()
	e, err := New(small, newMemory(), clock.now)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(ctx)
	agent, session := calls(100), calls(1_000)
	agent.Name, agent.Scope = "agent", []Dimension{Agent}
	defs := []Definition{session, agent}
	var wg sync.WaitGroup
	var admitted, failed atomic.Int64
	for i := range 1_000 {
		wg.Go(func() {
			s, err := e.Reserve(ctx, fmt.Sprint(i), defs, who(fmt.Sprint(i%7)), Amounts{Calls: 1}, clock.now(), ReserveOptions{})
			switch {
			case err != nil:
				failed.Add(1)
			case !exceeded(s):
				admitted.Add(1)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 100 || failed.Load() != 0 {
		t.Fatalf("%d admitted, %d failed, want exactly 100 and 0", admitted.Load(), failed.Load())
	}
}

// Money: callers reserve, settle at what they like and refund at once; what stands never passes the cap but by a debt.
func TestThreat_E6_ReservedAndSettledStayUnderTheCap(t *testing.T) {
	clock := newHands()
	e, err := New(small, newMemory(), clock.now)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(ctx)
	d := cost(1_000)
	var stands atomic.Int64
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 200 {
				id := fmt.Sprintf("%d/%d", w, i)
				s, err := e.Reserve(ctx, id, []Definition{d}, who("s"), Amounts{CostMicroUSD: 10}, clock.now().Add(time.Hour), ReserveOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				if s[0].Used > d.Max {
					t.Errorf("used %d", s[0].Used)
				}
				if s[0].Exceeded {
					continue
				}
				stands.Add(10)
				switch i % 3 {
				case 0:
					stands.Add(-10)
					err = e.Refund(ctx, id)
				case 1:
					stands.Add(-6)
					_, err = e.Settle(ctx, id, Amounts{CostMicroUSD: 4})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := used(t, e, who("s"), d); got != stands.Load() || got > d.Max {
		t.Fatalf("the ledger says %d, the callers %d, max %d", got, stands.Load(), d.Max)
	}
}

// The flood that breaks a counter which lives only in the cache: new keys without end push the victims' cells out.
func TestThreat_E5_KeyFloodLoosensNoLimit(t *testing.T) {
	keys := 300_000
	if testing.Short() || raceDetector {
		keys = 30_000
	}
	const victims, limit = 50, 300
	clock := newHands()
	e, err := New(Config{HotCells: 500, MaxKeysPerTenantAgent: 1_000_000, MaxKeysPerTenant: 1_000_000, MaxPending: 400_000}, newMemory(), clock.now)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(ctx)
	victim, flooded := calls(limit), calls(10)
	flooded.Name = "flooded"
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(keys))
	for range 2 {
		wg.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				s := who(fmt.Sprint("flood", n))
				s.Agent = "flooder"
				if _, err := e.Reserve(ctx, fmt.Sprint("f", n), []Definition{flooded}, s, Amounts{Calls: 1}, clock.now(), ReserveOptions{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var admitted [victims]atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for i := 0; i < limit || left.Load() > 0; i++ {
				v := i % victims
				s, err := e.Reserve(ctx, fmt.Sprintf("v%d/%d", w, i), []Definition{victim}, who(fmt.Sprint("victim", v)), Amounts{Calls: 1}, clock.now(), ReserveOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				if !exceeded(s) {
					admitted[v].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for v := range victims { // take what may be left, so that too strict is seen too
		for i := range limit + 1 {
			if !exceeded(reserve(t, e, fmt.Sprintf("last%d/%d", v, i), who(fmt.Sprint("victim", v)), Amounts{Calls: 1}, victim)) {
				admitted[v].Add(1)
			}
		}
		if got := admitted[v].Load(); got != limit {
			t.Errorf("victim %d got %d, want exactly %d", v, got, limit)
		}
	}
	if s := e.Stats(); s.HotEvicted+s.HotRejected == 0 {
		t.Fatalf("the flood pushed nothing out of the cache, so this shows nothing: %+v", s)
	}
}

func TestThreat_E5_OverflowIsStricter(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg   Config
		flood func(int) Subject
		still Subject // somebody who must still get a new counter
	}{
		"per agent": {
			Config{MaxKeysPerTenantAgent: 10},
			func(i int) Subject { return who(fmt.Sprint(i)) },
			Subject{Tenant: "t", Agent: "b", Session: "s"},
		},
		"per tenant, agents rotated": {
			Config{MaxKeysPerTenant: 10, MaxKeysPerTenantAgent: 5},
			func(i int) Subject { return Subject{Tenant: "t", Agent: fmt.Sprint(i), Session: "s"} },
			Subject{Tenant: "other", Agent: "a", Session: "s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock, ledger := newHands(), newMemory()
			cfg := tc.cfg
			cfg.HotCells = 64
			e := manual(t, cfg, ledger, clock)
			for i := range 10 {
				reserve(t, e, fmt.Sprint(i), tc.flood(i), Amounts{Calls: 1}, calls(2))
			}
			s, err := e.Reserve(ctx, "x", []Definition{calls(2)}, tc.flood(10), Amounts{Calls: 1}, clock.now(), ReserveOptions{})
			if !errors.Is(err, ErrStateFull) || len(s) != 1 || s[0].Used != 0 {
				t.Fatalf("the 11th counter: %+v, %v", s, err)
			}
			if s := reserve(t, e, "known", tc.flood(3), Amounts{Calls: 1}, calls(2))[0]; s.Used != 2 {
				t.Fatalf("a counter that exists goes on: %+v", s)
			}
			if s := reserve(t, e, "known2", tc.flood(3), Amounts{Calls: 1}, calls(2))[0]; !s.Exceeded {
				t.Fatalf("and holds: %+v", s)
			}
			reserve(t, e, "still", tc.still, Amounts{Calls: 1}, calls(2))
			flush(t, e)

			clock.move(2 * time.Minute) // everything has left its window
			e.sweepSome(ctx)
			flush(t, e)
			if n := ledger.size(CellSpace); n != 0 || e.keys.size() != 0 {
				t.Fatalf("%d cells are left in the ledger, %d in the quota", n, e.keys.size())
			}
			reserve(t, e, "again", tc.flood(10), Amounts{Calls: 1}, calls(2))
		})
	}
}

func TestThreat_E5_RefundedSessionsUseUpNoKeys(t *testing.T) {
	e := manual(t, Config{HotCells: 64, MaxKeysPerTenantAgent: 10}, newMemory(), newHands())
	for i := range 1_000 { // each denied by policy
		id := fmt.Sprint(i)
		reserve(t, e, id, who(id), Amounts{Calls: 1}, calls(2))
		if err := e.Refund(ctx, id); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			flush(t, e)
		}
	}
}

func TestThreat_E5_PendingIsBounded(t *testing.T) {
	e := manual(t, Config{HotCells: 64, MaxPending: 20}, newMemory(), newHands())
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = e.Reserve(ctx, fmt.Sprint(n), []Definition{calls(2)}, who(fmt.Sprint(n)), Amounts{Calls: 1}, time.Time{}, ReserveOptions{})
	}
	if !errors.Is(err, ErrStateFull) || e.Stats().Pending > 20 {
		t.Fatalf("after %d: %v, %d wait", n, err, e.Stats().Pending)
	}
	flush(t, e)
	if e.Stats().Pending != 0 {
		t.Fatalf("%d wait after a commit", e.Stats().Pending)
	}
	reserve(t, e, "again", who("again"), Amounts{Calls: 1}, calls(2))
}

func TestThreat_E9_ClockStepsFreeNothing(t *testing.T) {
	clock, ledger := newHands(), newMemory()
	e := manual(t, small, ledger, clock)
	reserve(t, e, "1", who("s"), Amounts{Calls: 2}, calls(2))
	for _, step := range []time.Duration{-time.Second, -time.Hour, 30 * time.Minute, -48 * time.Hour} {
		clock.move(step)
		if s := reserve(t, e, "step"+step.String(), who("s"), Amounts{Calls: 1}, calls(2))[0]; !s.Exceeded {
			t.Fatalf("a step of %s freed the window: %+v", step, s)
		}
	}
	flush(t, e)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = manual(t, small, ledger, clock) // a process that starts with its clock two days back
	if s := reserve(t, e, "after", who("s"), Amounts{Calls: 1}, calls(2))[0]; !s.Exceeded {
		t.Fatalf("a restart with a clock behind freed the window: %+v", s)
	}
	if behind := e.Stats().ClockBehind; behind < 47*time.Hour {
		t.Fatalf("operators are not told: behind by %s", behind)
	}
}

func TestThreat_E9_ClockNeverGoesBack(t *testing.T) {
	source := newHands()
	c := newClock(source.now, source.now().Add(time.Hour).UnixNano())
	at := c.now()
	for _, tc := range []struct{ step, moved time.Duration }{
		{time.Minute, time.Minute}, // the ledger has seen an hour more
		{time.Hour, time.Hour},
		{-2 * time.Hour, 0},
		{time.Hour, 0},
		{2 * time.Hour, time.Hour},
	} {
		source.move(tc.step)
		now := c.now()
		if got := time.Duration(now - at); got != tc.moved {
			t.Fatalf("a step of %s moved the clock by %s, want %s", tc.step, got, tc.moved)
		}
		at = now
	}
}

func TestThreat_E10_BurstsAtTheEdgeThroughTheEngine(t *testing.T) {
	clock := newHands()
	e := manual(t, small, newMemory(), clock)
	d := calls(10)
	var log []unit
	for i := range 600 { // asks twice every 0.7 s
		for j := range 2 {
			if !exceeded(reserve(t, e, fmt.Sprint(i, "/", j), who("s"), Amounts{Calls: 1}, d)) {
				log = append(log, unit{clock.now().UnixNano(), 1})
			}
		}
		clock.move(700 * time.Millisecond)
	}
	if got := most(log, int64(time.Minute)); got != d.Max {
		t.Fatalf("the fullest minute holds %d, want %d", got, d.Max)
	}
}

func TestLedgerFailuresDeny(t *testing.T) {
	ledger := newMemory()
	e := manual(t, small, ledger, newHands())
	attempt := func(session string) error {
		_, err := e.Reserve(ctx, "id"+session, []Definition{calls(5)}, who(session), Amounts{Calls: 1}, time.Time{}, ReserveOptions{})
		return err
	}
	t.Run("read", func(t *testing.T) {
		ledger.fail(errDisk, nil)
		defer ledger.fail(nil, nil)
		if err := attempt("s1"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDisk) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("write", func(t *testing.T) {
		if err := attempt("s2"); err != nil {
			t.Fatal(err)
		}
		ledger.fail(nil, errDisk)
		if err := e.Flush(ctx); !errors.Is(err, ErrUnavailable) || e.Health() == nil {
			t.Fatalf("flush: %v, health: %v", err, e.Health())
		}
		if err := attempt("s3"); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("charged although nothing can be kept: %v", err)
		}
		ledger.fail(nil, nil)
		flush(t, e)
		if e.Health() != nil {
			t.Fatalf("still unwell: %v", e.Health())
		}
		if err := attempt("s3"); err != nil {
			t.Fatal(err)
		}
		if got := used(t, e, who("s2"), calls(5)); got != 1 || ledger.size(CellSpace) != 1 {
			t.Fatalf("the failed commit lost a charge: %d, %d cells", got, ledger.size(CellSpace))
		}
	})
	t.Run("damaged", func(t *testing.T) {
		key := string(appendKey(nil, "calls", 1, sessionBit|agentBit, &Subject{Tenant: "t", Agent: "a", Session: "bad"}))
		ledger.spaces[CellSpace][key] = []byte("nonsense")
		if err := attempt("bad"); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a damaged counter was read as %v", err)
		}
	})
}

func TestLedgerThatHangsDenies(t *testing.T) {
	ledger := &stuck{memory: newMemory(), entered: make(chan struct{}), leave: make(chan struct{})}
	e, err := New(Config{FlushEvery: time.Millisecond, StallAfter: 5 * time.Millisecond, HotCells: 64}, ledger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(ctx)
	if _, err := e.Reserve(ctx, "1", []Definition{calls(5)}, who("s"), Amounts{Calls: 1}, time.Time{}, ReserveOptions{}); err != nil {
		t.Fatal(err)
	}
	<-ledger.entered
	tooLong := time.After(10 * time.Second)
	for e.Health() == nil {
		select {
		case <-tooLong:
			close(ledger.leave)
			t.Fatal("a hanging commit is not seen")
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := e.Reserve(ctx, "2", []Definition{calls(5)}, who("s"), Amounts{Calls: 1}, time.Time{}, ReserveOptions{}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	close(ledger.leave)
	if err := e.Flush(ctx); err != nil || e.Health() != nil {
		t.Fatalf("does not recover: %v, %v", err, e.Health())
	}
}

// A cell that the cache has dropped while its commit is under way is neither in the cache nor, yet, in the ledger.
func TestCellIsHeldWhileItsCommitIsUnderWay(t *testing.T) {
	ledger := &stuck{memory: newMemory(), entered: make(chan struct{}), leave: make(chan struct{})}
	e := manual(t, small, ledger, newHands())
	reserve(t, e, "1", who("s"), Amounts{Calls: 1, CostMicroUSD: 1}, calls(9), cost(9))
	flushed := make(chan error)
	go func() { flushed <- e.Flush(ctx) }()
	<-ledger.entered
	for _, s := range e.shards {
		s.mu.Lock()
		for _, c := range s.cells.frozen {
			e.hot.Del(c.hash)
		}
		clear(s.recent)
		s.mu.Unlock()
	}
	got := reserve(t, e, "2", who("s"), Amounts{Calls: 1, CostMicroUSD: 1}, calls(9), cost(9))
	err := e.Refund(ctx, "1")
	close(ledger.leave)
	if failed := <-flushed; failed != nil {
		t.Fatal(failed)
	}
	if got[0].Used != 2 || got[1].Used != 2 || err != nil {
		t.Fatalf("used %d and %d, want 2 and 2; refund: %v", got[0].Used, got[1].Used, err)
	}
	flush(t, e)
	if got := used(t, e, who("s"), cost(9)); got != 1 {
		t.Fatalf("after it: %d, want 1", got)
	}
}

// stuck holds its first commit until leave is closed.
type stuck struct {
	*memory
	once           sync.Once
	entered, leave chan struct{}
}

func (s *stuck) Commit(ctx context.Context, changes []Change) error {
	s.once.Do(func() { close(s.entered) })
	<-s.leave
	return s.memory.Commit(ctx, changes)
}
