package breaker_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// replicas are so many Breakers on one store.
func replicas(t *testing.T, d *depot, n int) []*fuse {
	t.Helper()
	out := make([]*fuse, n)
	for i := range out {
		out[i] = d.fuse(t, breaker.Config{})
	}
	return out
}

func TestThreat_E11_OneOfAHundredCallersIsTheProbe(t *testing.T) {
	for name, tc := range map[string]struct {
		replicas int
		lagging  bool
	}{"one process": {1, false}, "three replicas": {3, false}, "three replicas that know nothing of each other": {3, true}} {
		t.Run(name, func(t *testing.T) {
			d := newDepot()
			all := replicas(t, d, tc.replicas)
			all[0].open(byAgent)
			for round := range 5 {
				d.pass(60 * time.Second)
				for _, f := range all {
					f.look()
					if tc.lagging {
						f.lag()
					}
				}
				var went, probes atomic.Int64
				together(100, func(i int) {
					may, probe := all[i%len(all)].goes(fmt.Sprintf("r%d-%d", round, i), bot, byAgent)
					if may {
						went.Add(1)
					}
					if probe {
						probes.Add(1)
					}
				})
				if went.Load() != 1 || probes.Load() != 1 { // none of them reports, so the next round has one too
					t.Fatalf("round %d: %d went on, %d as probes; want exactly one", round, went.Load(), probes.Load())
				}
			}
		})
	}
}

// Two breakers, callers on three replicas that name them in different orders: one action gets both probes, and none is left
// lying about.
func TestThreat_E11_OneActionIsTheProbeOfAll(t *testing.T) {
	for round := range 20 {
		d := newDepot()
		all := replicas(t, d, 3)
		all[0].open(byTool)
		all[0].open(byAgent)
		d.pass(time.Minute)
		orders := [][]breaker.Definition{{byTool, byAgent}, {byAgent, byTool}}
		var went atomic.Int64
		together(30, func(i int) {
			if may, probe := all[i%3].goes(fmt.Sprint("d", i), bot, orders[i%2]...); may && probe {
				went.Add(1)
			}
		})
		if went.Load() != 1 {
			t.Fatalf("round %d: %d went on", round, went.Load())
		}
	}
}

func TestThreat_E11_AnActionThatIsHeldIsNoProbe(t *testing.T) {
	f := newFuse(t)
	quick, slow := byTool, byAgent
	f.open(quick)
	f.open(slow)
	f.pass(20 * time.Second)
	before := f.swaps
	f.want("slow holds", "1", false, false, quick, slow)
	if f.swaps != before {
		t.Fatal("it took quick's probe and gave it back")
	}
	f.want("quick's probe was not used up", "2", true, true, quick)
}

// The replica that probes dies. Its place is free after the probe's time, and its late word changes nothing.
func TestThreat_E11_TheProbingReplicaDies(t *testing.T) {
	d := newDepot()
	all := replicas(t, d, 2)
	all[0].open(byAgent)
	d.pass(time.Minute)
	all[0].want("the probe", "p", true, true, byAgent)
	all[0].fail(nil, nil)
	d.pass(time.Minute - time.Microsecond)
	all[1].want("its time is not over", "a", false, false, byAgent)
	d.pass(time.Microsecond)
	all[1].want("its time is over", "b", true, true, byAgent)
	for _, o := range []breaker.Outcome{success, failure, notKnown} {
		if got := all[0].tell("p", o, byAgent); len(got) != 0 {
			t.Fatalf("the dead one's word: %+v", got)
		}
	}
	all[0].want("still one", "c", false, false, byAgent)
	all[1].tell("b", success, byAgent)
	all[0].want("closed for all", "d", true, false, byAgent)
}

// A probe may report to another replica than the one that admitted it, and before that one has heard of it.
func TestThreat_E11_AProbeReportsToAnotherReplica(t *testing.T) {
	for outcome, want := range map[breaker.Outcome]breaker.State{success: breaker.Closed, failure: breaker.Open} {
		d := newDepot()
		all := replicas(t, d, 2)
		all[0].open(byAgent)
		d.pass(time.Minute)
		all[1].lag() // it sees a cool-down that is over, and no probe
		all[0].want("the probe", "p", true, true, byAgent)
		if got := all[1].tell("p", outcome, byAgent); len(got) != 1 || got[0].State != want {
			t.Fatalf("outcome %d: changes %+v", outcome, got)
		}
		if s := all[0].peek(byAgent); s.State != want {
			t.Fatalf("outcome %d: %+v", outcome, s)
		}
	}
}

// Failures on replicas that do not hear of each other add up, and one of them says that the breaker opened.
func TestThreat_E11_FailuresOfAllReplicasAddUp(t *testing.T) {
	for round := range 20 {
		d := newDepot()
		all := replicas(t, d, 3)
		for _, f := range all {
			f.lag()
		}
		var mu sync.Mutex
		var changes []breaker.Change
		together(5, func(i int) {
			got := all[i%3].tell(fmt.Sprint("d", i), failure, byAgent)
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, got...)
		})
		if len(changes) != 1 || changes[0].State != breaker.Open || changes[0].Failures != 5 || changes[0].Key != "bot" {
			t.Fatalf("round %d: changes %+v", round, changes)
		}
		for _, f := range all {
			f.look()
			f.want("open for all", "x", false, false, byAgent)
		}
	}
}

// However often a dead tool is asked for, so many calls as open it get through, and one for each cool-down.
func TestThreat_E11_ADeadToolIsCalledAsRarelyAsPromised(t *testing.T) {
	f := newFuse(t)
	calls := 0
	for second := range 3600 {
		for n := range 3 {
			id := fmt.Sprintf("%d-%d", second, n)
			if may, _ := f.goes(id, bot, byAgent); may {
				calls++
				f.tell(id, failure, byAgent)
			}
		}
		f.pass(time.Second)
	}
	if most := 5 + 3600/60; calls > most || calls < most-2 {
		t.Fatalf("%d calls in an hour, want about %d", calls, most)
	}
}

// A tool that fails every other time never fails twice in a row.
func TestThreat_E11_Flapping(t *testing.T) {
	f := newFuse(t)
	either := breaker.Definition{Name: "either"}
	calls := 0
	for ; calls < 100; calls++ {
		if may, _ := f.goes(fmt.Sprint(calls), bot, either); !may {
			break
		}
		f.tell(fmt.Sprint(calls), []breaker.Outcome{success, failure}[calls%2], either)
	}
	if calls != 10 {
		t.Fatalf("%d calls before it opened, want 10", calls)
	}
}

// The answer says when to come back: then and not before there is a probe, jitter or not.
func TestThreat_E11_RetryAfterIsExact(t *testing.T) {
	wide := byAgent
	wide.JitterPercent = new(int64(50))
	waits := map[time.Duration]bool{}
	for i := range 30 {
		d := newDepot()
		d.vague = int64(i) * 1_000 // the ledger's time is not known exactly
		f := d.fuse(t, breaker.Config{})
		f.open(wide)
		s := f.peek(wide)
		waits[s.RetryAfter] = true
		if s.RetryAfter < time.Minute || s.RetryAfter > 90*time.Second+30*time.Millisecond {
			t.Fatalf("retry after %s", s.RetryAfter)
		}
		f.pass(s.RetryAfter - time.Microsecond)
		f.want("too early", "a", false, false, wide)
		f.pass(time.Microsecond)
		f.want("on time", "b", true, true, wide)
	}
	if len(waits) < 20 {
		t.Fatalf("%d different cool-downs of 30: they would all probe at once", len(waits))
	}
}

// What is not known about the ledger's time makes a cool-down longer, never shorter.
func TestThreat_E9_AVagueClockOpensNothingEarly(t *testing.T) {
	f := newFuse(t)
	f.vague = (10 * time.Second).Microseconds() // it may be ten seconds later than the earliest
	f.open(byAgent)
	f.pass(60 * time.Second)
	f.want("perhaps a minute later, perhaps not", "a", false, false, byAgent)
	f.pass(10 * time.Second)
	f.want("a minute later for sure", "b", true, true, byAgent)
	f.pass(69 * time.Second)
	f.want("the probe has its time", "c", false, false, byAgent)
	f.tell("b", failure, byAgent)
	f.pass(69 * time.Second)
	f.want("perhaps a minute after the probe, perhaps not", "d", false, false, byAgent)
	f.pass(time.Second)
	f.want("a minute after the probe for sure", "e", true, true, byAgent)
}

// A probe that was reset and knows nothing ends no row of failures.
func TestAProbeThatWasResetAndKnowsNothing(t *testing.T) {
	d := newDepot()
	all := replicas(t, d, 2)
	all[0].open(byAgent)
	d.pass(time.Minute)
	all[0].want("the probe", "p", true, true, byAgent)
	all[1].lag()
	if _, err := all[0].Reset(ctx, "acme", "", ""); err != nil {
		t.Fatal(err)
	}
	all[0].hear(byAgent, failure)
	all[1].tell("p", notKnown, byAgent)
	if s := all[0].peek(byAgent); s.State != breaker.Closed || s.Failures != 1 {
		t.Fatalf("got %+v", s)
	}
}

// A reset that is overtaken deletes what is there by then.
func TestAResetIsOvertaken(t *testing.T) {
	d := newDepot()
	f, other := d.fuse(t, breaker.Config{}), d.fuse(t, breaker.Config{})
	f.hear(byAgent, times(4, failure)...)
	var once atomic.Bool
	d.swapping = func() {
		if once.CompareAndSwap(false, true) {
			other.hear(byAgent, failure)
		}
	}
	if n, err := f.Reset(ctx, "acme", "", ""); err != nil || n != 1 || d.size() != 0 {
		t.Fatalf("%d closed, %v, %d left", n, err, d.size())
	}
}

// A reset among probes and reports: whatever the order, the breaker ends in a state that its reports explain.
func TestThreat_E11_ResetRaces(t *testing.T) {
	for round := range 50 {
		d := newDepot()
		all := replicas(t, d, 3)
		all[0].open(byAgent)
		d.pass(time.Minute)
		all[0].want("the probe", "p", true, true, byAgent)
		together(4, func(i int) {
			switch i {
			case 0:
				if _, err := all[1].Reset(ctx, "acme", "bot", ""); err != nil {
					t.Error(err)
				}
			case 1:
				all[2].tell("p", failure, byAgent)
			default:
				all[i-2].goes(fmt.Sprint("q", i), bot, byAgent)
			}
		})
		s := all[0].peek(byAgent)
		counted := s.State == breaker.Closed && s.Failures <= 1 // reset before the report, or after
		if !counted {
			t.Fatalf("round %d: %+v", round, s)
		}
	}
}

// Somebody else is always faster: the call ends with its time, and says so.
func TestASwapThatNeverWinsEnds(t *testing.T) {
	d := newDepot()
	f := d.fuse(t, breaker.Config{Timeout: 30 * time.Millisecond})
	other := d.fuse(t, breaker.Config{})
	many := byAgent
	many.ConsecutiveFailures = 1_000_000
	var busy atomic.Bool
	n := 0
	d.swapping = func() {
		if busy.CompareAndSwap(false, true) {
			n++
			other.tell(fmt.Sprint("other", n), failure, many)
			busy.Store(false)
		}
	}
	_, err := f.Record(ctx, []breaker.Definition{many}, bot, "x", failure)
	if !errors.Is(err, limit.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if n < 3 {
		t.Fatalf("tried %d times", n)
	}
}

// A slow store holds nobody longer than the time-out, however many probes an action would be.
func TestASlowStoreEndsACheck(t *testing.T) {
	d := newDepot()
	f := d.fuse(t, breaker.Config{Timeout: 20 * time.Millisecond})
	var rows []breaker.Definition
	for i := range 20 {
		row := byAgent
		row.Name = fmt.Sprint("row", i)
		rows = append(rows, row)
		f.open(row)
	}
	f.pass(time.Minute)
	var late atomic.Int64
	done := make(chan struct{})
	d.swapping = func() { late.Add(1); <-time.After(15 * time.Millisecond) }
	go func() {
		defer close(done)
		if _, err := f.Check(ctx, rows, bot, "x"); !errors.Is(err, limit.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}()
	<-done
	if late.Load() > 6 {
		t.Fatalf("%d swaps of 15 ms in 20 ms", late.Load())
	}
}

// What an action took is given back when another is faster with the rest.
func TestThreat_E11_APartOfTheProbesIsGivenBack(t *testing.T) {
	d := newDepot()
	all := replicas(t, d, 2)
	first, second := byTool, byAgent
	first.Name, second.Name, first.OpenSeconds = "1", "2", 60
	all[0].open(first)
	all[0].open(second)
	d.pass(time.Minute)
	n := 0
	d.swapping = func() {
		if n++; n == 2 { // the second of its probes
			all[1].want("faster", "other", true, true, second)
		}
	}
	all[0].want("too slow", "slow", false, false, first, second)
	d.swapping = nil
	all[1].want("the first is free again", "third", true, true, first)
}

// Replicas whose tables name the rows in another order do not each take what the other needs.
func TestThreat_E11_ReplicasTakeProbesInOneOrder(t *testing.T) {
	d := newDepot()
	all := replicas(t, d, 2)
	all[0].open(byTool)
	all[0].open(byAgent)
	d.pass(time.Minute)
	all[1].lag() // it sees both free
	ended, stuck, won := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var n atomic.Int64
	d.swapping = func() {
		switch n.Add(1) {
		case 2: // the first one has one probe
			go func() {
				defer close(ended)
				all[1].goes("second", bot, byAgent, byTool)
			}()
			select {
			case <-ended:
			case <-stuck:
			}
		case 5: // the second one has the other, saw that the first one is taken, and is about to give up
			close(stuck)
			<-won
		}
	}
	may, _ := all[0].goes("first", bot, byTool, byAgent)
	close(won)
	<-ended
	if !may {
		t.Fatal("each took one, and gave it back")
	}
}
