package breaker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// byRate opens at half of at least ten reports in a minute, and by nothing else.
var byRate = breaker.Definition{
	Name: "rate", FailureRatePercent: 50, RateWindowSeconds: 60, MinimumCalls: 10, OpenSeconds: 60, JitterPercent: new(int64),
}

// part is a part of byRate's window.
const part = 6 * time.Second

func TestOpensByRate(t *testing.T) {
	type steps = []any // outcomes, and times that pass
	for name, tc := range map[string]struct {
		steps steps
		want  breaker.State
	}{
		"half of ten":                 {steps{times(5, success), times(5, failure)}, breaker.Open},
		"less than half":              {steps{times(6, success), times(5, failure)}, breaker.Closed},
		"too few to tell":             {steps{times(9, failure)}, breaker.Closed},
		"enough to tell":              {steps{times(10, failure)}, breaker.Open},
		"a success that makes it ten": {steps{times(9, failure), success}, breaker.Open},
		"unknown has no part in it":   {steps{times(4, success), times(5, failure), times(9, notKnown)}, breaker.Closed},
		"flapping":                    {steps{success, failure, success, failure, success, failure, success, failure, success, failure}, breaker.Open},
		"within the window":           {steps{times(5, success), 59 * time.Second, times(5, failure)}, breaker.Open},
		"successes of long ago":       {steps{times(100, success), 67 * time.Second, times(10, failure)}, breaker.Open},
		"failures of long ago":        {steps{times(9, failure), 67 * time.Second, times(4, failure)}, breaker.Closed},
		"at the window's edges":       {steps{times(5, failure), 59 * time.Second, times(5, failure)}, breaker.Open},
		"a healthy tool's bad moment": {steps{times(100, success), part, times(99, failure)}, breaker.Closed},
		"a healthy tool's bad minute": {steps{times(100, success), part, times(100, failure)}, breaker.Open},
		"healthy after a failure":     {steps{failure, times(40, success), part, times(40, success), part, times(40, success), times(99, failure)}, breaker.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t)
			for _, s := range tc.steps {
				switch s := s.(type) {
				case time.Duration:
					f.pass(s)
				case breaker.Outcome:
					f.hear(byRate, s)
				case []breaker.Outcome:
					f.hear(byRate, s...)
				}
			}
			if s := f.peek(byRate); s.State != tc.want {
				t.Fatalf("got %+v", s)
			}
		})
	}
}

func TestARateSaysHowManyFailuresItTook(t *testing.T) {
	f := newFuse(t)
	f.hear(byRate, append(append(times(4, failure), times(5, success)...), failure)...)
	if s := f.peek(byRate); s.State != breaker.Open || s.Failures != 5 {
		t.Fatalf("got %+v", s)
	}
}

func TestARowWithoutNumbersOpensByEither(t *testing.T) {
	either := breaker.Definition{Name: "either"}
	f := newFuse(t)
	if got := f.hear(either, times(5, failure)...); got != breaker.Open {
		t.Fatalf("five in a row: %q", got)
	}
	f = newFuse(t)
	if got := f.hear(either, append(times(4, failure), append(times(5, success), failure)...)...); got != breaker.Open {
		t.Fatalf("half of ten: %q", got)
	}
	f = newFuse(t)
	if got := f.hear(byRate, times(9, failure)...); got != "" {
		t.Fatalf("nine in a row, by rate alone: %q", got)
	}
}

func TestABreakerThatClosesBeginsAnew(t *testing.T) {
	long := byRate
	long.RateWindowSeconds = 3600
	f := newFuse(t)
	f.hear(long, append(times(10, success), times(10, failure)...)...)
	f.pass(time.Minute)
	f.want("the probe", "p", true, true, long)
	if got := f.tell("p", success, long); len(got) != 1 || got[0].State != breaker.Closed {
		t.Fatalf("changes %+v", got)
	}
	f.hear(long, append(times(4, success), times(5, failure)...)...) // would be too few of 29
	if s := f.peek(long); s.State != breaker.Closed {
		t.Fatalf("nine reports since it closed: %+v", s)
	}
	if got := f.hear(long, failure); got != breaker.Open {
		t.Fatalf("six of ten since it closed: %q", got)
	}
}

// A tool that works costs the store nothing; one that fails now and then costs a bounded number of writes.
func TestSuccessesOfAHealthyToolAreNotWritten(t *testing.T) {
	f := newFuse(t)
	f.hear(byRate, times(10_000, success)...)
	if f.swaps != 0 {
		t.Fatalf("%d swaps for a tool that works", f.swaps)
	}
	f.hear(byRate, failure)
	for range 10 {
		f.hear(byRate, times(1_000, success)...)
		f.pass(part)
	}
	if f.swaps > 1+10 {
		t.Fatalf("%d swaps for one failure and ten parts of its window", f.swaps)
	}
	f.pass(2 * part)
	f.hear(byRate, times(1_000, success)...)
	if f.size() != 0 {
		t.Fatal("it is clean again, and has a record")
	}
	before := f.swaps
	f.hear(byRate, times(1_000, success)...)
	if f.swaps != before {
		t.Fatalf("%d swaps since it is clean", f.swaps-before)
	}
	f = newFuse(t)
	f.hear(byRate, failure)
	f.hear(byRate, times(1_000, success)...)
	if f.swaps > 1+9 {
		t.Fatalf("%d swaps for one failure, a minimum of ten and a part", f.swaps)
	}
}

// Successes that stood in a record count on when it goes.
func TestSuccessesOutliveTheRecord(t *testing.T) {
	f := newFuse(t)
	f.hear(byRate, failure)
	f.pass(10 * part)
	f.hear(byRate, times(100, success)...)
	f.pass(part) // the failure has left the window, the successes have not
	f.hear(byRate, success)
	if f.size() != 0 {
		t.Fatal("the record is still there")
	}
	if got := f.hear(byRate, times(60, failure)...); got != "" {
		t.Fatalf("60 failures among 101 successes: %s", got)
	}
}

// With several replicas, each report from the first failure on counts towards the minimum.
func TestReportsOfAllReplicasCount(t *testing.T) {
	d := newDepot()
	a, b, c := d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{})
	a.hear(byRate, times(3, failure)...)
	b.hear(byRate, times(5, success)...)
	if got := c.hear(byRate, failure); got != "" {
		t.Fatalf("nine reports: %s", got)
	}
	if got := c.hear(byRate, failure); got != breaker.Open {
		t.Fatalf("five of ten, on three replicas: %q", got)
	}
}

// The rate can be too high by what others have reported in this part of the window, and by no more.
func TestSuccessesOfOtherReplicasAreKnownWithinAPart(t *testing.T) {
	d := newDepot()
	a, b := d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{})
	b.hear(byRate, times(100, success)...)
	a.hear(byRate, times(2, failure)...)
	d.pass(part)
	b.hear(byRate, success)
	if got := a.hear(byRate, times(97, failure)...); got != "" {
		t.Fatalf("99 failures among 101 successes on another replica: %s", got)
	}
	b.hear(byRate, times(1_000, success)...) // in this part: all but the first, which ends a row, are not known yet
	if got := a.hear(byRate, times(3, failure)...); got != breaker.Open {
		t.Fatalf("the stricter side: %q", got)
	}
}

// After an error nobody knows whether successes were added. Twice would hide failures.
func TestSuccessesAreNotAddedTwice(t *testing.T) {
	f := newFuse(t)
	f.hear(byRate, times(9, success)...)
	f.deaf = true
	if _, err := f.Record(ctx, []breaker.Definition{byRate}, bot, "x", failure); err == nil {
		t.Fatal("no error")
	}
	f.deaf = false
	if got := f.hear(byRate, times(8, failure)...); got != breaker.Open {
		t.Fatalf("nine failures among nine successes: %q", got)
	}
}

func TestAWindowOfAnotherWidthGoesOn(t *testing.T) {
	f := newFuse(t)
	f.hear(byRate, times(6, failure)...)
	longer := byRate
	longer.RateWindowSeconds = 600
	f.pass(70 * time.Second)
	if got := f.hear(longer, times(4, failure)...); got != breaker.Open {
		t.Fatalf("ten failures in ten minutes: %q", got)
	}
}

func TestAShorterWindowGoesOn(t *testing.T) {
	f := newFuse(t)
	longer := byRate
	longer.RateWindowSeconds = 600
	f.hear(longer, times(6, failure)...)
	if got := f.hear(byRate, times(4, failure)...); got != breaker.Open {
		t.Fatalf("ten failures just now: %q", got)
	}
	f = newFuse(t)
	f.hear(longer, times(6, failure)...)
	f.pass(130 * time.Second)
	if got := f.hear(byRate, times(9, failure)...); got != "" {
		t.Fatalf("nine failures in a minute: %q", got)
	}
}

// The replica that saw a breaker open need not be the one that sees it close.
func TestABreakerThatClosesElsewhereBeginsAnew(t *testing.T) {
	long := byRate
	long.RateWindowSeconds = 3600
	d := newDepot()
	a, b := d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{})
	a.hear(long, append(times(100, success), times(100, failure)...)...)
	d.pass(time.Minute)
	b.want("the probe", "p", true, true, long)
	b.tell("p", success, long)
	if got := a.hear(long, times(10, failure)...); got != breaker.Open {
		t.Fatalf("ten failures since it closed: %q", got)
	}
}

// An agent that makes keys without end pushes out its own successes, not those of a tool that works.
func TestThreat_E5_AFloodOfKeysLeavesOthersTheirSuccesses(t *testing.T) {
	f := newDepot().fuse(t, breaker.Config{MaxTallies: 100})
	row := byRate
	row.Scope = []limit.Dimension{limit.Session}
	f.hear(row, times(100, success)...)
	for i := range 10_000 {
		who := limit.Subject{Tenant: "umbrella", Agent: "flood", Session: fmt.Sprint(i), Tool: "search", Kind: "TOOL_CALL"}
		_, err := f.Record(ctx, []breaker.Definition{row}, who, fmt.Sprint("f", i), success)
		must(t, err)
	}
	if got := f.hear(row, times(99, failure)...); got != "" {
		t.Fatalf("99 failures among 100 successes: %s", got)
	}
}

func TestMoreToolsThanTalliesAreStricter(t *testing.T) {
	f := newDepot().fuse(t, breaker.Config{MaxTallies: 3})
	who := func(i int) limit.Subject {
		return limit.Subject{Tenant: "acme", Agent: "bot", Tool: fmt.Sprint("tool", i)}
	}
	record := func(who limit.Subject, id string, o breaker.Outcome) (opened bool) {
		t.Helper()
		changes, err := f.Record(ctx, []breaker.Definition{byRate}, who, id, o)
		must(t, err)
		return len(changes) > 0
	}
	for i := range 50 {
		for n := range 20 {
			record(who(i), fmt.Sprint(i, n), success)
		}
	}
	opened := 0
	for i := range 50 {
		for n := range 19 {
			if record(who(i), fmt.Sprint("f", i, "-", n), failure) {
				opened++
			}
		}
	}
	if opened < 47 || opened == 50 {
		t.Fatalf("%d of 50 opened: all but those whose successes are still known", opened)
	}
}
