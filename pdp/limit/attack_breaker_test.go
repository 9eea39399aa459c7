package limit_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// fuse is Breakers with their clock and ledger.
type fuse struct {
	*limit.Breakers
	t      *testing.T
	clock  *osClock
	ledger *shelf
	cfg    limit.BreakerConfig
}

func newFuse(t *testing.T, cfg limit.BreakerConfig) *fuse {
	t.Helper()
	f := &fuse{t: t, clock: &osClock{}, ledger: newShelf(), cfg: cfg}
	f.boot()
	t.Cleanup(func() { _ = f.Close(ctx) })
	return f
}

func (f *fuse) boot() {
	f.t.Helper()
	f.clock.boot()
	b, err := limit.NewBreakers(f.cfg, f.ledger, f.clock.now)
	if err != nil {
		f.t.Fatal(err)
	}
	f.Breakers = b
}

func (f *fuse) restart() {
	f.t.Helper()
	if err := f.Close(ctx); err != nil {
		f.t.Fatal(err)
	}
	f.boot()
}

var (
	byAgent = limit.BreakerDefinition{Name: "agent", Scope: []limit.Dimension{limit.Agent}, ConsecutiveFailures: 5, OpenSeconds: 60}
	byTool  = limit.BreakerDefinition{Name: "tool", Scope: []limit.Dimension{limit.Agent, limit.Tool}, ConsecutiveFailures: 2, OpenSeconds: 10}
)

// goes says whether an action may go on, and whether it is a probe.
func (f *fuse) goes(id string, who limit.Subject, defs ...limit.BreakerDefinition) (may, probe bool) {
	f.t.Helper()
	list, err := f.Check(ctx, defs, who, id)
	if err != nil {
		f.t.Fatal(err)
	}
	may = true
	for _, s := range list {
		may = may && (s.State == limit.Closed || s.Probe)
		probe = probe || s.Probe
	}
	return may, probe
}

func (f *fuse) want(why, id string, may, probe bool, defs ...limit.BreakerDefinition) {
	f.t.Helper()
	if m, p := f.goes(id, bot, defs...); m != may || p != probe {
		f.t.Fatalf("%s: may go on %v, is a probe %v; want %v, %v", why, m, p, may, probe)
	}
}

func (f *fuse) report(id string, o limit.Outcome, defs ...limit.BreakerDefinition) []limit.BreakerChange {
	f.t.Helper()
	changes, err := f.Record(ctx, defs, bot, id, o)
	if err != nil {
		f.t.Fatal(err)
	}
	return changes
}

func (f *fuse) open(d limit.BreakerDefinition) {
	f.t.Helper()
	for i := range d.ConsecutiveFailures {
		changes := f.report(fmt.Sprintf("open%d", i), limit.Failure, d)
		if opened := len(changes) == 1 && changes[0].State == limit.Open; opened != (i == d.ConsecutiveFailures-1) {
			f.t.Fatalf("failure %d: changes %+v", i+1, changes)
		}
	}
}

func TestBreakerOpensOnlyAfterSoManyInARow(t *testing.T) {
	f := newFuse(t, limit.BreakerConfig{})
	for range 3 {
		for range 4 {
			f.report("x", limit.Failure, byAgent)
		}
		f.report("x", limit.NotKnown, byAgent) // is no success
		f.want("four failures", "c", true, false, byAgent)
		f.report("x", limit.Success, byAgent)
	}
	for range 4 {
		f.report("x", limit.Failure, byAgent)
		f.report("x", limit.NotKnown, byAgent) // nor a failure
	}
	f.want("four failures and four unknown", "c", true, false, byAgent)
	f.report("x", limit.Failure, byAgent)
	f.want("five", "c", false, false, byAgent)
}

func TestThreat_E11_OneOfAHundredCallersIsTheProbe(t *testing.T) {
	for name, restart := range map[string]bool{"running": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t, limit.BreakerConfig{})
			f.open(byAgent)
			f.clock.pass(60 * time.Second)
			if restart {
				f.restart()
			}
			for round := range 3 {
				var went, probes atomic.Int64
				together(100, func(i int) {
					may, probe := f.goes(fmt.Sprintf("r%d-%d", round, i), bot, byAgent)
					if may {
						went.Add(1)
					}
					if probe {
						probes.Add(1)
					}
				})
				if went.Load() != 1 || probes.Load() != 1 {
					t.Fatalf("%d went on, %d as probes; want exactly one", went.Load(), probes.Load())
				}
				f.clock.pass(61 * time.Second) // it never reports: the next may try
			}
		})
	}
}

func TestWhatBecomesOfAProbe(t *testing.T) {
	for name, tt := range map[string]struct {
		then  func(*fuse)
		wait  time.Duration
		may   bool
		probe bool
	}{
		"success closes":             {then: func(f *fuse) { f.report("p", limit.Success, byAgent) }, may: true},
		"failure opens again":        {then: func(f *fuse) { f.report("p", limit.Failure, byAgent) }, wait: 59 * time.Second},
		"for one cool-down":          {then: func(f *fuse) { f.report("p", limit.Failure, byAgent) }, wait: 60 * time.Second, may: true, probe: true},
		"unknown opens again":        {then: func(f *fuse) { f.report("p", limit.NotKnown, byAgent) }, wait: 59 * time.Second},
		"released: the next may":     {then: func(f *fuse) { _ = f.Release(ctx, "p") }, may: true, probe: true},
		"no word":                    {then: func(*fuse) {}, wait: 59 * time.Second},
		"no word for a cool-down":    {then: func(*fuse) {}, wait: 60 * time.Second, may: true, probe: true},
		"another's success is late":  {then: func(f *fuse) { f.report("old", limit.Success, byAgent) }},
		"another's release":          {then: func(f *fuse) { _ = f.Release(ctx, "old") }},
		"restart does not admit two": {then: func(f *fuse) { f.restart() }, wait: 59 * time.Second},
		"reports after a restart":    {then: func(f *fuse) { f.restart(); f.report("p", limit.Success, byAgent) }, may: true},
		"released after a restart":   {then: func(f *fuse) { f.restart(); _ = f.Release(ctx, "p") }, may: true, probe: true},
		"reset":                      {then: func(f *fuse) { _, _ = f.Reset(ctx, "acme", "bot", "") }, may: true},
		"reset of another agent":     {then: func(f *fuse) { _, _ = f.Reset(ctx, "acme", "other", "") }},
		"reset of another tenant":    {then: func(f *fuse) { _, _ = f.Reset(ctx, "umbrella", "bot", "") }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t, limit.BreakerConfig{})
			f.open(byAgent)
			f.clock.pass(60 * time.Second)
			f.want("cool-down over", "p", true, true, byAgent)
			tt.then(f)
			f.clock.pass(tt.wait)
			f.want(name, "next", tt.may, tt.probe, byAgent)
		})
	}
}

func TestLateOutcomesChangeNothingWhileOpen(t *testing.T) {
	f := newFuse(t, limit.BreakerConfig{})
	f.open(byAgent)
	f.clock.pass(30 * time.Second)
	for _, o := range []limit.Outcome{limit.Success, limit.NotKnown, limit.Failure} {
		if changes := f.report("late", o, byAgent); len(changes) != 0 {
			t.Fatalf("outcome %d: %+v", o, changes)
		}
	}
	f.clock.pass(29 * time.Second)
	f.want("still open", "a", false, false, byAgent)
	f.clock.pass(time.Second)
	f.want("on time", "b", true, true, byAgent)
}

func TestNoProbeOfOneBreakerWhileAnotherBlocks(t *testing.T) {
	f := newFuse(t, limit.BreakerConfig{})
	f.open(byTool)
	f.open(byAgent)
	f.clock.pass(10 * time.Second) // tool is ready, agent is not
	f.want("agent blocks", "a", false, false, byTool, byAgent)
	if may, probe := f.goes("b", bot, byTool); !may || !probe { // nobody holds tool's probe
		t.Fatalf("tool alone: %v, %v", may, probe)
	}
	if err := f.Release(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	f.clock.pass(50 * time.Second)
	f.want("both are ready", "c", true, true, byTool, byAgent)
	f.want("and both are taken", "d", false, false, byTool, byAgent)
	if err := f.Release(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	f.want("and both released", "e", true, true, byTool, byAgent)
	f.report("e", limit.Success, byTool, byAgent)
	f.want("and both closed", "f", true, false, byTool, byAgent)
}

func TestThreat_E5_AnAgentFillsOnlyItsOwnTable(t *testing.T) {
	f := newFuse(t, limit.BreakerConfig{MaxBreakersPerTenantAgent: 10})
	bySession := limit.BreakerDefinition{Name: "session", Scope: []limit.Dimension{limit.Session}, ConsecutiveFailures: 2, OpenSeconds: 10}
	defs := []limit.BreakerDefinition{bySession}
	full := false
	for i := range 100 {
		who := session("bot", i)
		if _, err := f.Check(ctx, defs, who, fmt.Sprint("d", i)); errors.Is(err, limit.ErrStateFull) {
			full = true // stricter: what could not be counted does not run
			continue
		}
		if full {
			t.Fatal("went on although its failures can't be counted")
		}
		if _, err := f.Record(ctx, defs, who, fmt.Sprint("d", i), limit.Failure); err != nil {
			t.Fatal(err)
		}
	}
	if !full {
		t.Fatal("never full")
	}
	for _, who := range []limit.Subject{session("other", 1), {Tenant: "umbrella", Agent: "bot", Session: "1"}} {
		for range 2 {
			if _, err := f.Record(ctx, defs, who, "x", limit.Failure); err != nil {
				t.Fatal(err)
			}
		}
		if may, _ := f.goes("y", who, bySession); may {
			t.Fatal("another agent's breaker did not open")
		}
	}
}

func TestABreakerThatStandsThereTwiceOpensAllTheSame(t *testing.T) {
	f := newFuse(t, limit.BreakerConfig{})
	for i := range 20 {
		if _, err := f.Record(ctx, []limit.BreakerDefinition{byAgent, byAgent}, bot, fmt.Sprint("d", i), limit.Failure); err != nil {
			return // refused: as good
		}
	}
	f.want("20 failures", "a", false, false, byAgent)
}

func TestBreakersDenyWhileTheLedgerFails(t *testing.T) {
	f := newFuse(t, limit.BreakerConfig{})
	f.open(byAgent)
	f.ledger.fail(nil, errFire)
	f.report("late", limit.Failure, byTool)
	if err := f.Flush(ctx); !errors.Is(err, limit.ErrUnavailable) && f.Health() == nil {
		t.Fatalf("flush: %v", err)
	}
	f.clock.pass(61 * time.Second)
	if _, err := f.Check(ctx, []limit.BreakerDefinition{byAgent}, bot, "a"); !errors.Is(err, limit.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	f.ledger.fail(nil, nil)
	if err := f.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	f.want("recovers", "b", true, true, byAgent)
	f.restart()
	f.want("and kept that", "c", false, false, byAgent)
	f.ledger.fail(errFire, nil)
	if _, err := limit.NewBreakers(f.cfg, f.ledger, f.clock.now); !errors.Is(err, errFire) {
		t.Fatalf("start: %v", err)
	}
	f.ledger.fail(nil, nil)
}
