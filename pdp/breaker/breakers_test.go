package breaker_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

const (
	failure  = breaker.Failure
	success  = breaker.Success
	notKnown = breaker.NotKnown
)

func TestOpensAfterFailuresInARow(t *testing.T) {
	for name, tc := range map[string]struct {
		outcomes []breaker.Outcome
		want     breaker.State
		failures int64
	}{
		"four":                        {times(4, failure), breaker.Closed, 4},
		"five":                        {times(5, failure), breaker.Open, 5},
		"a success between":           {append(times(4, failure), success, failure), breaker.Closed, 1},
		"unknown is not a success":    {append(times(2, failure), notKnown, failure, failure, failure), breaker.Open, 5},
		"unknown is not a failure":    {append(times(4, failure), notKnown, notKnown), breaker.Closed, 4},
		"late results change nothing": {append(times(5, failure), success, failure, notKnown), breaker.Open, 5},
		"nothing known":               {times(20, notKnown), breaker.Closed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t)
			f.hear(byAgent, tc.outcomes...)
			s, err := f.Check(ctx, []breaker.Definition{byAgent}, bot, "next")
			if err != nil || s[0].State != tc.want || s[0].Failures != tc.failures || s[0].Probe || s[0].Key != "bot" {
				t.Fatalf("got %+v, %v", s, err)
			}
			if s[0].State == breaker.Open && (s[0].RetryAfter != time.Minute || s[0].RetryAt.UnixMicro() != f.now+60_000_000) {
				t.Fatalf("retry after %s, at %s", s[0].RetryAfter, s[0].RetryAt)
			}
		})
	}
}

func TestWhatBecomesOfAProbe(t *testing.T) {
	patient := byAgent
	patient.ProbeSeconds = 300
	one := []breaker.Definition{byAgent}
	reset := func(f *fuse, tenant, agent string) { _, _ = f.Reset(ctx, tenant, agent, "") }
	for name, tt := range map[string]struct {
		then  func(*fuse)
		wait  time.Duration
		may   bool
		probe bool
	}{
		"success closes":             {then: func(f *fuse) { f.tell("p", success, byAgent) }, may: true},
		"failure opens again":        {then: func(f *fuse) { f.tell("p", failure, byAgent) }, wait: 59 * time.Second},
		"for one cool-down":          {then: func(f *fuse) { f.tell("p", failure, byAgent) }, wait: 60 * time.Second, may: true, probe: true},
		"unknown opens again":        {then: func(f *fuse) { f.tell("p", notKnown, byAgent) }, wait: 59 * time.Second},
		"released: the next may":     {then: func(f *fuse) { _ = f.Release(ctx, one, bot, "p") }, may: true, probe: true},
		"no word":                    {then: func(*fuse) {}, wait: 59 * time.Second},
		"no word for a cool-down":    {then: func(*fuse) {}, wait: 60 * time.Second, may: true, probe: true},
		"another's success is late":  {then: func(f *fuse) { f.tell("old", success, byAgent) }},
		"another's release":          {then: func(f *fuse) { _ = f.Release(ctx, one, bot, "old") }},
		"restart does not admit two": {then: func(f *fuse) { f.restart() }, wait: 59 * time.Second},
		"reports after a restart":    {then: func(f *fuse) { f.restart(); f.tell("p", success, byAgent) }, may: true},
		"released after a restart":   {then: func(f *fuse) { f.restart(); _ = f.Release(ctx, one, bot, "p") }, may: true, probe: true},
		"reset":                      {then: func(f *fuse) { reset(f, "acme", "bot") }, may: true},
		"reset of another agent":     {then: func(f *fuse) { reset(f, "acme", "other") }},
		"reset of another tenant":    {then: func(f *fuse) { reset(f, "umbrella", "bot") }},
		"its own late success":       {then: func(f *fuse) { f.pass(time.Hour); f.tell("p", success, byAgent) }, may: true},
		"success after a successor": {then: func(f *fuse) {
			f.pass(time.Minute)
			f.want("a successor", "q", true, true, byAgent)
			f.tell("p", success, byAgent)
		}},
		"a closed breaker is clean": {then: func(f *fuse) {
			f.tell("p", success, byAgent)
			f.hear(byAgent, times(4, failure)...)
		}, may: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t)
			f.open(byAgent)
			f.pass(60*time.Second - time.Microsecond)
			f.want("cool-down not over", "early", false, false, byAgent)
			f.pass(time.Microsecond)
			f.want("cool-down over", "p", true, true, byAgent)
			f.want("asked again", "p", true, true, byAgent)
			f.want("a second one", "q", false, false, byAgent)
			tt.then(f)
			f.pass(tt.wait)
			f.want(name, "next", tt.may, tt.probe, byAgent)
		})
	}
	t.Run("a probe has a time of its own", func(t *testing.T) {
		f := newFuse(t)
		f.open(patient)
		f.pass(time.Minute)
		f.want("the probe", "p", true, true, patient)
		f.pass(299 * time.Second)
		f.want("it may still report", "q", false, false, patient)
		f.pass(time.Second)
		f.want("it is given up", "q", true, true, patient)
	})
}

// restart forgets all that is in memory.
func (f *fuse) restart() {
	f.t.Helper()
	*f = *f.fuse(f.t, breaker.Config{})
}

func TestPeekTakesNoProbe(t *testing.T) {
	f := newFuse(t)
	f.open(byAgent)
	f.pass(time.Minute)
	for range 2 {
		if s := f.peek(byAgent); s.Probe || s.State != breaker.HalfOpen || !s.RetryAt.IsZero() {
			t.Fatalf("got %+v", s)
		}
	}
	f.want("nobody had it", "p", true, true, byAgent)
}

func TestIsPerKey(t *testing.T) {
	f := newFuse(t)
	f.open(byTool)
	f.want("its own", "x", false, false, byTool)
	for name, other := range map[string]limit.Subject{
		"tool": {Tenant: "acme", Agent: "bot", Tool: "mail"}, "agent": {Tenant: "acme", Agent: "b", Tool: "search"},
		"tenant": {Tenant: "umbrella", Agent: "bot", Tool: "search"},
	} {
		if may, _ := f.goes(name, other, byTool); !may {
			t.Errorf("another %s is held back", name)
		}
	}
	if s, err := f.Check(ctx, []breaker.Definition{byTool}, limit.Subject{Tenant: "acme", Agent: "bot"}, "none"); err != nil || len(s) != 0 {
		t.Errorf("an action without a tool: %+v, %v", s, err)
	}
	narrow := byTool
	narrow.Tools, narrow.Kinds = []string{"mail"}, []string{"TOOL_CALL"}
	if s, err := f.Check(ctx, []breaker.Definition{narrow}, bot, "none"); err != nil || len(s) != 0 {
		t.Errorf("a row for another tool: %+v, %v", s, err)
	}
}

func TestResetAndList(t *testing.T) {
	f := newFuse(t)
	for _, tool := range []string{"x", "y"} {
		for _, agent := range []string{"a", "b"} {
			for i := range 2 {
				_, err := f.Record(ctx, []breaker.Definition{byTool}, limit.Subject{Tenant: "t", Agent: agent, Tool: tool}, fmt.Sprint(i), failure)
				must(t, err)
			}
		}
	}
	list := func(tenant string, most int) []breaker.Status {
		t.Helper()
		got, err := f.List(ctx, tenant, most)
		must(t, err)
		return got
	}
	if got := list("t", 3); len(got) != 3 || got[0].Key != "a/x" || len(list("t2", 3)) != 0 || len(list("t", -1)) != 0 {
		t.Fatalf("listed %+v", got)
	}
	for _, tc := range []struct {
		tenant, agent, tool string
		want, left          int
	}{{"t2", "a", "x", 0, 4}, {"t", "a", "x", 1, 3}, {"t", "b", "", 2, 1}, {"t", "", "", 1, 0}} {
		if n, err := f.Reset(ctx, tc.tenant, tc.agent, tc.tool); err != nil || n != tc.want || len(list("t", 9)) != tc.left {
			t.Fatalf("reset %+v: %d, %v, %d left", tc, n, err, len(list("t", 9)))
		}
	}
	if f.size() != 0 {
		t.Fatalf("%d records are left", f.size())
	}
	f.hear(byAgent, failure)
	if n, err := f.Reset(ctx, "acme", "", ""); err != nil || n != 0 || f.size() != 0 {
		t.Fatalf("a closed one that has counted: %d, %v, %d left", n, err, f.size())
	}
}

func TestNoProbeOfOneBreakerWhileAnotherHolds(t *testing.T) {
	f := newFuse(t)
	f.open(byTool)
	f.open(byAgent)
	f.pass(10 * time.Second) // tool is ready, agent is not
	f.want("agent holds", "a", false, false, byTool, byAgent)
	f.want("nobody holds tool's probe", "b", true, true, byTool)
	must(t, f.Release(ctx, []breaker.Definition{byTool}, bot, "b"))
	f.pass(50 * time.Second)
	f.want("both are ready", "c", true, true, byTool, byAgent)
	f.want("and both are taken", "d", false, false, byTool, byAgent)
	must(t, f.Release(ctx, []breaker.Definition{byTool, byAgent}, bot, "c"))
	f.want("and both released", "e", true, true, byTool, byAgent)
	if got := f.tell("e", success, byTool, byAgent); len(got) != 2 || got[0].State != breaker.Closed || got[1].State != breaker.Closed {
		t.Fatalf("changes %+v", got)
	}
	f.want("and both closed", "f", true, false, byTool, byAgent)
}

func TestAReportThatIsSentAgainCountsOnce(t *testing.T) {
	t.Run("the same row twice", func(t *testing.T) {
		f := newFuse(t)
		for i := range 5 {
			f.tell(fmt.Sprint(i), failure, byAgent, byAgent)
		}
		if s := f.peek(byAgent); s.State != breaker.Open || s.Failures != 5 {
			t.Fatalf("got %+v", s)
		}
	})
	t.Run("the answer was lost", func(t *testing.T) {
		f := newFuse(t)
		f.hear(byAgent, times(3, failure)...)
		f.deaf = true
		for range 3 {
			if _, err := f.Record(ctx, []breaker.Definition{byAgent}, bot, "x", failure); err != nil && !errors.Is(err, limit.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		f.deaf = false
		if s := f.peek(byAgent); s.Failures != 4 {
			t.Fatalf("got %+v", s)
		}
		f.deaf = true
		if _, err := f.Record(ctx, []breaker.Definition{byAgent}, bot, "y", failure); !errors.Is(err, limit.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		f.deaf = false
		if got := f.tell("y", failure, byAgent); len(got) != 1 || got[0].State != breaker.Open {
			t.Fatalf("nobody was told that it opened: %+v", got)
		}
	})
}

func TestIsForgottenAfterADay(t *testing.T) {
	f := newFuse(t)
	f.open(byAgent)
	f.hear(byTool, failure)
	f.pass(24*time.Hour + time.Second)
	if s := f.peek(byTool); s.State != breaker.Closed || s.Failures != 0 {
		t.Fatalf("a failure of yesterday: %+v", s)
	}
	if s := f.peek(byAgent); s.State != breaker.HalfOpen {
		t.Fatalf("a day after it opened: %+v", s)
	}
	f.pass(time.Minute)
	f.want("a day after its cool-down", "x", true, false, byAgent)
	if got := f.hear(byTool, failure); got != "" {
		t.Fatalf("it remembered: %s", got)
	}
}

func TestThreat_E5_AnAgentFillsOnlyItsOwnTable(t *testing.T) {
	f := newDepot().fuse(t, breaker.Config{MaxPerTenant: 100, MaxPerTenantAgent: 10})
	bySession := breaker.Definition{Name: "session", Scope: []limit.Dimension{limit.Session}, ConsecutiveFailures: 2}
	defs := []breaker.Definition{bySession}
	session := func(agent string, n int) limit.Subject {
		return limit.Subject{Tenant: "acme", Agent: agent, Session: fmt.Sprint(n)}
	}
	full := 0
	for i := range 100 {
		who := session("bot", i)
		if _, err := f.Check(ctx, defs, who, fmt.Sprint("d", i)); errors.Is(err, limit.ErrStateFull) {
			full++ // stricter: what could not be counted does not run
			continue
		}
		if full > 0 {
			t.Fatal("went on although its failures can't be counted")
		}
		_, err := f.Record(ctx, defs, who, fmt.Sprint("d", i), failure)
		must(t, err)
	}
	if full != 90 {
		t.Fatalf("%d were refused, want 90", full)
	}
	if _, err := f.Check(ctx, defs, session("bot", 3), "again"); err != nil {
		t.Fatalf("one that is counted goes on: %v", err)
	}
	for _, who := range []limit.Subject{session("other", 1), {Tenant: "umbrella", Agent: "bot", Session: "1"}} {
		for i := range 2 {
			_, err := f.Record(ctx, defs, who, fmt.Sprint(i), failure)
			must(t, err)
		}
		if may, _ := f.goes("y", who, bySession); may {
			t.Fatal("another agent's breaker did not open")
		}
	}
	// What has happened is counted past the bound, and no further than twice.
	for i := range 30 {
		_, err := f.Record(ctx, defs, session("bot", 100+i), fmt.Sprint("late", i), failure)
		if full := errors.Is(err, limit.ErrStateFull); full != (i >= 10) || err != nil && !full {
			t.Fatalf("late failure %d: %v", i, err)
		}
	}
	f.pass(25 * time.Hour)
	clear(f.records) // as a store does
	if _, err := f.Check(ctx, defs, session("bot", 99), "d"); err != nil {
		t.Fatalf("a day later: %v", err)
	}
}

func TestATenantHasABound(t *testing.T) {
	f := newDepot().fuse(t, breaker.Config{MaxPerTenant: 10, MaxPerTenantAgent: 4})
	for i := range 10 {
		_, err := f.Record(ctx, []breaker.Definition{byAgent}, limit.Subject{Tenant: "acme", Agent: fmt.Sprint(i)}, "d", failure)
		must(t, err)
	}
	if _, err := f.Check(ctx, []breaker.Definition{byAgent}, bot, "x"); !errors.Is(err, limit.ErrStateFull) {
		t.Fatalf("got %v", err)
	}
}

func TestDeniesWhileTheStoreFails(t *testing.T) {
	one := []breaker.Definition{byAgent}
	calls := map[string]func(f *fuse) error{
		"check":   func(f *fuse) error { _, err := f.Check(ctx, one, bot, "a"); return err },
		"peek":    func(f *fuse) error { _, err := f.Peek(ctx, one, bot); return err },
		"record":  func(f *fuse) error { _, err := f.Record(ctx, one, bot, "a", failure); return err },
		"release": func(f *fuse) error { return f.Release(ctx, one, bot, "a") },
		"reset":   func(f *fuse) error { _, err := f.Reset(ctx, "acme", "", ""); return err },
		"list":    func(f *fuse) error { _, err := f.List(ctx, "acme", 9); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t)
			f.fail(errFire, nil)
			if err := call(f); !errors.Is(err, limit.ErrUnavailable) || !errors.Is(err, errFire) {
				t.Fatalf("got %v", err)
			}
			if f.Health() == nil {
				t.Fatal("healthy")
			}
			f.fail(nil, nil)
			if err := f.Health(); err != nil {
				t.Fatalf("after it is back: %v", err)
			}
			f.unknown = true
			if err := call(f); !errors.Is(err, limit.ErrUnavailable) {
				t.Fatalf("without a time: %v", err)
			}
			f.unknown = false
			must(t, call(f))
		})
	}
	t.Run("no probe that is not on record", func(t *testing.T) {
		f := newFuse(t)
		f.open(byAgent)
		f.pass(time.Minute)
		f.fail(nil, errFire)
		if err := calls["check"](f); !errors.Is(err, limit.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		f.fail(nil, nil)
		f.want("recovers", "b", true, true, byAgent)
	})
}

func TestARecordThatCannotBeReadHoldsBackUntilItIsReset(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"bit":     func(raw []byte) []byte { raw[len(raw)/2] ^= 1; return raw },
		"short":   func(raw []byte) []byte { return raw[:len(raw)-1] },
		"empty":   func([]byte) []byte { return []byte{} },
		"version": func(raw []byte) []byte { raw[0] = 9; return raw },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFuse(t)
			f.hear(byAgent, failure)
			for key, raw := range f.records["acme"] {
				f.records["acme"][key] = spoil([]byte(string(raw)))
			}
			if _, err := f.Check(ctx, []breaker.Definition{byAgent}, bot, "x"); !errors.Is(err, limit.ErrUnavailable) || !strings.Contains(err.Error(), "agent bot") {
				t.Fatalf("got %v", err)
			}
			if _, err := f.Record(ctx, []breaker.Definition{byAgent}, bot, "x", success); !errors.Is(err, limit.ErrUnavailable) {
				t.Fatalf("a report: %v", err)
			}
			f.want("another breaker", "x", true, false, byTool)
			if s := f.peek(byAgent); s.State != breaker.Open {
				t.Fatalf("got %+v", s)
			}
			if list, err := f.List(ctx, "acme", 9); err != nil || len(list) != 1 || list[0].Name != "agent" {
				t.Fatalf("listed %+v, %v", list, err)
			}
			if n, err := f.Reset(ctx, "acme", "bot", ""); err != nil || n != 1 {
				t.Fatalf("reset %d, %v", n, err)
			}
			f.want("reset", "y", true, false, byAgent)
		})
	}
}

func TestRefusesCallsThatMakeNoSense(t *testing.T) {
	f := newFuse(t)
	one := []breaker.Definition{byAgent}
	for name, call := range map[string]func() error{
		"no id":         func() error { _, err := f.Check(ctx, one, bot, ""); return err },
		"a long id":     func() error { _, err := f.Check(ctx, one, bot, strings.Repeat("x", 129)); return err },
		"report no id":  func() error { _, err := f.Record(ctx, one, bot, "", failure); return err },
		"release no id": func() error { return f.Release(ctx, one, bot, "") },
		"no tenant":     func() error { _, err := f.Check(ctx, one, limit.Subject{Agent: "a"}, "x"); return err },
		"a long agent": func() error {
			_, err := f.Check(ctx, one, limit.Subject{Tenant: "t", Agent: strings.Repeat("x", 1025)}, "x")
			return err
		},
		"many rows": func() error { _, err := f.Peek(ctx, make([]breaker.Definition, 257), bot); return err },
	} {
		if err := call(); !errors.Is(err, limit.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, cfg := range map[string]breaker.Config{
		"negative": {MaxPerTenant: -1}, "agent beyond tenant": {MaxPerTenant: 5, MaxPerTenantAgent: 6},
		"no bound": {MaxPerTenant: 1_000_000}, "timeout": {Timeout: time.Hour}, "tallies": {MaxTallies: -1},
	} {
		if _, err := breaker.New(cfg, f.window); err == nil {
			t.Errorf("a configuration (%s) was taken", name)
		}
	}
}

// A store that is gone is not waited for once a record.
func TestAResetStopsAtTheFirstError(t *testing.T) {
	f := newFuse(t)
	for i := range 500 {
		_, err := f.Record(ctx, []breaker.Definition{byTool}, limit.Subject{Tenant: "acme", Agent: "bot", Tool: fmt.Sprint(i)}, "x", failure)
		must(t, err)
	}
	var tries atomic.Int64
	f.swapping = func() { tries.Add(1) }
	f.fail(nil, errFire)
	if n, err := f.Reset(ctx, "acme", "", ""); n != 0 || !errors.Is(err, limit.ErrUnavailable) {
		t.Fatalf("%d closed, %v", n, err)
	}
	if tries.Load() > 100 {
		t.Fatalf("%d tries", tries.Load())
	}
	f.fail(nil, nil)
	if _, err := f.Reset(ctx, "acme", "", ""); err != nil || f.size() != 0 {
		t.Fatalf("%v, %d left", err, f.size())
	}
}
