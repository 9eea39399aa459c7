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

var tools = []BreakerDefinition{{Name: "tools", Scope: []Dimension{Agent, Tool}}} // 5 failures, 60 s

func newBreakers(tb testing.TB, cfg BreakerConfig, ledger Ledger, clock *hands) *Breakers {
	tb.Helper()
	b, err := NewBreakers(cfg, ledger, clock.now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func check(tb testing.TB, b *Breakers, id string) BreakerStatus {
	tb.Helper()
	s, err := b.Check(ctx, tools, who("s"), id)
	if err != nil {
		tb.Fatal(err)
	}
	return s[0]
}

// report returns the state that the breaker changed to, or nothing.
func report(tb testing.TB, b *Breakers, id string, o Outcome) BreakerState {
	tb.Helper()
	changes, err := b.Record(ctx, tools, who("s"), id, o)
	if err != nil {
		tb.Fatal(err)
	}
	if len(changes) == 0 {
		return ""
	}
	return changes[0].State
}

func fail(tb testing.TB, b *Breakers, n int) (last BreakerState) {
	tb.Helper()
	for i := range n {
		last = report(tb, b, fmt.Sprint("f", i), Failure)
	}
	return last
}

func TestBreakerDefinitionValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		def BreakerDefinition
		ok  bool
	}{
		"defaults":          {BreakerDefinition{Name: "b"}, true},
		"all":               {BreakerDefinition{Name: "b", Scope: []Dimension{Tenant, Tool}, ConsecutiveFailures: 3, OpenSeconds: 10}, true},
		"no name":           {BreakerDefinition{}, false},
		"unknown dimension": {BreakerDefinition{Name: "b", Scope: []Dimension{"host"}}, false},
		"negative failures": {BreakerDefinition{Name: "b", ConsecutiveFailures: -1}, false},
		"more than a day":   {BreakerDefinition{Name: "b", OpenSeconds: 86_401}, false},
		"empty kind":        {BreakerDefinition{Name: "b", Kinds: []string{""}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.def.Validate(); (err == nil) != tc.ok {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestBreakerOpensAfterFailuresInARow(t *testing.T) {
	for name, tc := range map[string]struct {
		outcomes []Outcome
		want     BreakerState
		failures int64
	}{
		"four":                        {[]Outcome{Failure, Failure, Failure, Failure}, Closed, 4},
		"five":                        {[]Outcome{Failure, Failure, Failure, Failure, Failure}, Open, 5},
		"a success between":           {[]Outcome{Failure, Failure, Failure, Failure, Success, Failure}, Closed, 1},
		"unknown is not a success":    {[]Outcome{Failure, Failure, NotKnown, Failure, Failure, Failure}, Open, 5},
		"unknown is not a failure":    {[]Outcome{Failure, Failure, Failure, Failure, NotKnown}, Closed, 4},
		"late results change nothing": {[]Outcome{Failure, Failure, Failure, Failure, Failure, Success, Failure}, Open, 5},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newHands()
			b := newBreakers(t, BreakerConfig{}, newMemory(), clock)
			for i, o := range tc.outcomes {
				report(t, b, fmt.Sprint(i), o)
			}
			s := check(t, b, "next")
			if s.State != tc.want || s.Failures != tc.failures || s.Probe || s.Key != "a/search" {
				t.Fatalf("got %+v", s)
			}
			if s.State == Open && !s.RetryAt.Equal(clock.now().Add(time.Minute)) {
				t.Fatalf("retry at %s", s.RetryAt)
			}
		})
	}
}

func TestBreakerProbe(t *testing.T) {
	clock := newHands()
	opened := func(t *testing.T) *Breakers {
		t.Helper()
		b := newBreakers(t, BreakerConfig{}, newMemory(), clock)
		if got := fail(t, b, 5); got != Open {
			t.Fatalf("the fifth failure changed it to %q", got)
		}
		clock.move(time.Minute - 1)
		if s := check(t, b, "early"); s.State != Open || s.Probe {
			t.Fatalf("before the cool-down is over: %+v", s)
		}
		clock.move(1)
		if s := check(t, b, "probe"); s.State != HalfOpen || !s.Probe {
			t.Fatalf("after the cool-down: %+v", s)
		}
		if s := check(t, b, "probe"); !s.Probe {
			t.Fatalf("asked again: %+v", s)
		}
		if s := check(t, b, "second"); s.State != HalfOpen || s.Probe || s.RetryAt.IsZero() {
			t.Fatalf("a second one beside the probe: %+v", s)
		}
		return b
	}
	for name, tc := range map[string]struct {
		outcome Outcome
		change  BreakerState
		next    BreakerState
	}{
		"success closes":   {Success, Closed, Closed},
		"failure re-opens": {Failure, Open, Open},
		"unknown re-opens": {NotKnown, Open, Open},
	} {
		t.Run(name, func(t *testing.T) {
			b := opened(t)
			if got := report(t, b, "probe", tc.outcome); got != tc.change {
				t.Fatalf("changed to %q, want %q", got, tc.change)
			}
			if s := check(t, b, "next"); s.State != tc.next || s.Probe {
				t.Fatalf("the next one: %+v", s)
			}
		})
	}
	t.Run("another's success does not close", func(t *testing.T) {
		b := opened(t)
		if got := report(t, b, "second", Success); got != "" {
			t.Fatalf("changed to %q", got)
		}
	})
	t.Run("a probe without outcome times out", func(t *testing.T) {
		b := opened(t)
		clock.move(time.Minute)
		if s := check(t, b, "next"); !s.Probe {
			t.Fatalf("got %+v", s)
		}
		if got := report(t, b, "probe", Success); got != "" {
			t.Fatalf("the old probe's success changed it to %q", got)
		}
		if got := report(t, b, "next", Success); got != Closed {
			t.Fatalf("the new probe's success changed it to %q", got)
		}
	})
	t.Run("a probe that may not run lets the next one try", func(t *testing.T) {
		b := opened(t)
		if err := b.Release(ctx, "probe"); err != nil {
			t.Fatal(err)
		}
		if s := check(t, b, "next"); !s.Probe {
			t.Fatalf("got %+v", s)
		}
	})
	t.Run("peeking takes no probe", func(t *testing.T) {
		b := opened(t)
		if err := b.Release(ctx, "probe"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if s, err := b.Peek(ctx, tools, who("s")); err != nil || s[0].Probe || s[0].State != HalfOpen {
				t.Fatalf("got %+v, %v", s, err)
			}
		}
		if s := check(t, b, "next"); !s.Probe {
			t.Fatalf("got %+v", s)
		}
	})
}

func TestThreat_E11_OneProbeOfAHundred(t *testing.T) {
	clock := newHands()
	b := newBreakers(t, BreakerConfig{}, newMemory(), clock)
	fail(t, b, 5)
	clock.move(time.Minute)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if s, err := b.Check(ctx, tools, who("s"), fmt.Sprint(i)); err == nil && (s[0].State == Closed || s[0].Probe) {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 1 {
		t.Fatalf("%d passed, want 1", passed.Load())
	}
}

// An action that another breaker holds back must not use up a probe.
func TestThreat_E11_HeldActionIsNoProbe(t *testing.T) {
	clock := newHands()
	b := newBreakers(t, BreakerConfig{}, newMemory(), clock)
	quick := BreakerDefinition{Name: "quick", ConsecutiveFailures: 1, OpenSeconds: 10}
	slow := BreakerDefinition{Name: "slow", ConsecutiveFailures: 1, OpenSeconds: 100}
	both := []BreakerDefinition{quick, slow}
	if _, err := b.Record(ctx, both, who("s"), "f", Failure); err != nil {
		t.Fatal(err)
	}
	clock.move(20 * time.Second)
	s, err := b.Check(ctx, both, who("s"), "1")
	if err != nil || s[0].Probe || s[0].State != HalfOpen || s[1].State != Open {
		t.Fatalf("got %+v, %v", s, err)
	}
	if s, err = b.Check(ctx, both[:1], who("s"), "2"); err != nil || !s[0].Probe {
		t.Fatalf("the probe was used up: %+v, %v", s, err)
	}
}

func TestBreakerIsPerKey(t *testing.T) {
	b := newBreakers(t, BreakerConfig{}, newMemory(), newHands())
	fail(t, b, 5)
	for name, other := range map[string]Subject{
		"tool": {Tenant: "t", Agent: "a", Tool: "mail"}, "agent": {Tenant: "t", Agent: "b", Tool: "search"},
		"tenant": {Tenant: "t2", Agent: "a", Tool: "search"},
	} {
		if s, err := b.Check(ctx, tools, other, name); err != nil || s[0].State != Closed {
			t.Errorf("another %s: %+v, %v", name, s, err)
		}
	}
	if s, err := b.Check(ctx, tools, Subject{Tenant: "t", Agent: "a"}, "none"); err != nil || len(s) != 0 {
		t.Errorf("an action without a tool: %+v, %v", s, err)
	}
}

func TestBreakerResetAndList(t *testing.T) {
	ledger, clock := newMemory(), newHands()
	b := newBreakers(t, BreakerConfig{}, ledger, clock)
	for _, tool := range []string{"x", "y"} {
		for _, agent := range []string{"a", "b"} {
			for i := range 5 {
				if _, err := b.Record(ctx, tools, Subject{Tenant: "t", Agent: agent, Tool: tool}, fmt.Sprint(i), Failure); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if got := b.List("t", 3); len(got) != 3 || got[0].Key != "a/x" || len(b.List("t2", 3)) != 0 {
		t.Fatalf("listed %+v", got)
	}
	for _, tc := range []struct {
		tenant, agent, tool string
		want, left          int
	}{{"t2", "a", "x", 0, 4}, {"t", "a", "x", 1, 3}, {"t", "b", "", 2, 1}, {"t", "", "", 1, 0}} {
		if n, err := b.Reset(ctx, tc.tenant, tc.agent, tc.tool); err != nil || n != tc.want || len(b.List("t", 9)) != tc.left {
			t.Fatalf("reset %+v: %d, %v, %d left", tc, n, err, len(b.List("t", 9)))
		}
	}
	if ledger.size(BreakerSpace) != 0 {
		t.Fatalf("%d are left in the ledger", ledger.size(BreakerSpace))
	}
}

func TestBreakerTableIsBoundedAndStricter(t *testing.T) {
	clock := newHands()
	b := newBreakers(t, BreakerConfig{MaxBreakers: 100, MaxBreakersPerTenantAgent: 3}, newMemory(), clock)
	subject := func(i int) Subject { return Subject{Tenant: "t", Agent: "a", Tool: fmt.Sprint(i)} }
	for i := range 3 {
		if _, err := b.Record(ctx, tools, subject(i), "d", Failure); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Check(ctx, tools, subject(9), "d"); !errors.Is(err, ErrStateFull) {
		t.Fatalf("a failure of this could not be counted: %v", err)
	}
	if _, err := b.Check(ctx, tools, subject(1), "d"); err != nil {
		t.Fatalf("one that is counted goes on: %v", err)
	}
	if _, err := b.Check(ctx, tools, Subject{Tenant: "t", Agent: "b", Tool: "x"}, "d"); err != nil {
		t.Fatalf("another agent goes on: %v", err)
	}
	clock.move(25 * time.Hour)
	b.forget()
	if _, err := b.Check(ctx, tools, subject(9), "d"); err != nil {
		t.Fatalf("a day later: %v", err)
	}
}

func TestBreakerSurvivesARestartAndAFailingLedger(t *testing.T) {
	ledger, clock := newMemory(), newHands()
	b := newBreakers(t, BreakerConfig{}, ledger, clock)
	fail(t, b, 5)
	clock.move(time.Minute)
	if s := check(t, b, "probe"); !s.Probe {
		t.Fatalf("got %+v", s)
	}
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	b = newBreakers(t, BreakerConfig{}, ledger, clock)
	if s := check(t, b, "other"); s.State != HalfOpen || s.Probe {
		t.Fatalf("the probe was forgotten: %+v", s)
	}
	ledger.fail(nil, errDisk)
	if got := report(t, b, "probe", Success); got != Closed {
		t.Fatalf("changed to %q", got)
	}
	if err := b.Flush(ctx); b.Health() == nil {
		t.Fatalf("a failing ledger is not seen: %v", err)
	}
	if _, err := b.Check(ctx, tools, who("s"), "x"); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	ledger.fail(nil, nil)
	if err := b.Flush(ctx); err != nil || b.Health() != nil || ledger.size(BreakerSpace) != 0 {
		t.Fatalf("after it is back: %v, %v, %d records", err, b.Health(), ledger.size(BreakerSpace))
	}
}
