package decision

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// spending is a table of one limit of 1,000 micro-USD and one of 1,000 tokens.
func spending() func(*room) {
	return withTables(limitTable(
		limitRow("cost", 1000, map[string]any{"measure": "cost_micro_usd"}), limitRow("tokens", 1000, map[string]any{"measure": "tokens"}),
	))
}

func priced(cost, tokens int64) Request {
	req := add()
	req.Action.Estimate = action.Usage{CostMicroUSD: cost, Tokens: tokens}
	return req
}

func TestThreat_I5_AnOutcomeSettlesTheEstimate(t *testing.T) {
	for name, tc := range map[string]struct {
		status       OutcomeStatus
		actual       *action.Usage
		cost, tokens int64
	}{
		"below":              {Succeeded, &action.Usage{CostMicroUSD: 40, Tokens: 4}, 40, 4},
		"nothing":            {Succeeded, &action.Usage{}, 0, 0},
		"above":              {Succeeded, &action.Usage{CostMicroUSD: 700, Tokens: 70}, 700, 70},
		"above the limit":    {Succeeded, &action.Usage{CostMicroUSD: 5000, Tokens: 10}, 5000, 10},
		"one each way":       {Succeeded, &action.Usage{CostMicroUSD: 1, Tokens: 70}, 1, 70},
		"no actual":          {Succeeded, nil, 100, 10},
		"failed":             {Failed, &action.Usage{CostMicroUSD: 40, Tokens: 4}, 40, 4},
		"failed, no actual":  {Failed, nil, 100, 10},
		"unknown":            {Unknown, &action.Usage{CostMicroUSD: 40, Tokens: 4}, 40, 4},
		"unknown, no actual": {Unknown, nil, 100, 10},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, spending())
			resp := r.want(Allow, "", priced(100, 10))
			for i, applied := range []bool{true, false, false} { // the first report stands
				actual := tc.actual
				if i == 2 {
					actual = &action.Usage{CostMicroUSD: 9, Tokens: 9}
				}
				got := r.report(resp, tc.status, actual)
				if got.Applied != applied || got.Charged != (action.Usage{CostMicroUSD: tc.cost, Tokens: tc.tokens}) {
					t.Fatalf("report %d: %+v; want %d and %d charged", i, got, tc.cost, tc.tokens)
				}
				if c, k := r.used("cost", add()), r.used("tokens", add()); c != tc.cost || k != tc.tokens {
					t.Fatalf("report %d: %d and %d used; want %d and %d", i, c, k, tc.cost, tc.tokens)
				}
			}
			if n := len(r.lines(decisionlog.TypeOutcome)); n != 1 {
				t.Fatalf("%d outcomes in the log", n)
			}
			if tc.cost > 1000 {
				r.want(Deny, "LIMIT_EXCEEDED", priced(1, 0)) // the debt blocks what follows
			}
		})
	}
}

func TestOutcomeOfNothingThatWasAllowed(t *testing.T) {
	r := newRoom(t)
	allowed := r.want(Allow, "", add())
	stranger := gateway
	stranger.Agents = []string{"demo-filtered"}
	foreign := gateway
	foreign.Tenant = "other"
	for name, tc := range map[string]struct {
		caller identity.Caller
		id     string
		want   string
	}{
		"unknown":        {gateway, "01234567-89ab-7def-8123-456789abcdef", "DECISION_UNKNOWN"},
		"none":           {gateway, "", "DECISION_UNKNOWN"},
		"another agent":  {stranger, allowed.DecisionID, "DECISION_UNKNOWN"},
		"another tenant": {foreign, allowed.DecisionID, "DECISION_UNKNOWN"},
		"denied":         {gateway, r.want(Deny, "TOOL_BLOCKED", call("demo-basic", "shell_command", "")).DecisionID, "DECISION_NOT_ALLOWED"},
		"asked":          {gateway, r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail()).DecisionID, "DECISION_NOT_ALLOWED"},
	} {
		if _, err := r.engine.ReportOutcome(t.Context(), tc.caller, Outcome{DecisionID: tc.id, Status: Failed}); reasonOf(err) != tc.want {
			t.Errorf("%s: %v; want %s", name, err, tc.want)
		}
	}
	if n := r.used("failed_calls", add()); n != 0 {
		t.Errorf("%d failures counted", n)
	}
	r.pass(24 * time.Hour)
	if _, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{DecisionID: allowed.DecisionID, Status: Failed}); reasonOf(err) != "DECISION_UNKNOWN" {
		t.Errorf("a day later: %v", err)
	}
}

func TestOneOfManyReportsIsApplied(t *testing.T) {
	r := newRoom(t, spending())
	resp := r.want(Allow, "", priced(100, 10))
	r.records.gets.Store(0)
	r.records.onPut = func() { // the first is about to be kept: nobody else may have begun
		for range 10_000 {
			runtime.Gosched()
		}
		if n := r.records.gets.Load(); n != 1 {
			t.Errorf("%d reports on one decision at a time", n)
		}
	}
	var wg sync.WaitGroup
	var applied atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			got, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{resp.DecisionID, Failed, &action.Usage{CostMicroUSD: int64(i)}})
			if err != nil {
				t.Error(err)
			}
			if got.Applied {
				applied.Add(1)
			}
		})
	}
	wg.Wait()
	if n := r.used("failed_calls", add()); applied.Load() != 1 || n != 1 {
		t.Fatalf("%d reports applied, %d failures counted", applied.Load(), n)
	}
}

func TestAnOutcomeThatCannotBeRecordedIsReportedAgain(t *testing.T) {
	for name, broken := range map[string]func(*room) *atomic.Bool{
		"records, read":  func(r *room) *atomic.Bool { return &r.records.getBroken },
		"records, write": func(r *room) *atomic.Bool { return &r.records.putBroken },
		"log":            func(r *room) *atomic.Bool { return &r.log.broken },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, spending())
			resp := r.want(Allow, "", priced(100, 10))
			broken(r).Store(true)
			cost := action.Usage{CostMicroUSD: 40}
			if _, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{resp.DecisionID, Succeeded, &cost}); reasonOf(err) != "STATE_UNAVAILABLE" {
				t.Fatalf("%v", err)
			}
			broken(r).Store(false)
			if got := r.report(resp, Succeeded, &cost); got.Charged.CostMicroUSD != 40 || r.used("cost", add()) != 40 {
				t.Fatalf("%+v, %d used", got, r.used("cost", add()))
			}
		})
	}
}

// coolDown is the longest that the shipped table holds a tool back, with all of its jitter.
const coolDown = 66 * time.Second

func TestThreat_E11_FailuresOpenTheBreaker(t *testing.T) {
	r := newRoom(t)
	use := func() Response { t.Helper(); return r.want(Allow, "", add()) }
	fail := func() OutcomeResult { t.Helper(); return r.report(use(), Failed, nil) }
	for range 4 {
		fail()
	}
	r.report(use(), Succeeded, nil) // a success between them begins the count anew
	for range 4 {
		fail()
	}
	r.report(use(), Unknown, nil) // neither
	before := use()
	if got := fail(); len(got.Breakers) != 1 || got.Breakers[0].State != breaker.Open || !slices.Equal(r.heard.breakers, []string{"open"}) {
		t.Fatalf("after 5 in a row: %+v, observed %v", got.Breakers, r.heard.breakers)
	}
	resp := r.want(Deny, "BREAKER_OPEN", add())
	if resp.RetryAfter < time.Minute || resp.RetryAfter > coolDown {
		t.Errorf("retry after %s", resp.RetryAfter)
	}
	r.want(Allow, "", call("demo-basic", "search", ""))        // another tool
	r.want(Allow, "", call("demo-filtered", "calculator", "")) // another agent
	r.report(before, Succeeded, nil)                           // began before it opened, so it says nothing
	r.want(Deny, "BREAKER_OPEN", add())

	r.pass(coolDown)
	probe := use()
	r.want(Deny, "BREAKER_OPEN", add()) // one at a time
	r.report(probe, Failed, nil)
	r.want(Deny, "BREAKER_OPEN", add())
	r.pass(coolDown)
	r.report(use(), Succeeded, nil)
	use()
	use()
}

func TestThreat_E11_OneProbeOfManyAtOnce(t *testing.T) {
	r := newRoom(t)
	for range 5 {
		r.report(r.want(Allow, "", add()), Failed, nil)
	}
	r.pass(coolDown)
	var wg sync.WaitGroup
	var allowed atomic.Int64
	for range 50 {
		wg.Go(func() {
			if resp, err := r.engine.Decide(t.Context(), gateway, add()); err == nil && resp.Effect == Allow {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 1 {
		t.Fatalf("%d probes", allowed.Load())
	}
}

func TestAProbeThatIsDeniedIsGivenBack(t *testing.T) {
	r := newRoom(t)
	for range 5 {
		r.report(r.want(Allow, "", add()), Failed, nil)
	}
	r.pass(coolDown)
	big := add()
	big.Action.Estimate.Tokens = 8001
	resp := r.want(Deny, "TOO_MANY_TOKENS", big)
	if slices.Contains(codes(resp.Reasons), "BREAKER_OPEN") {
		t.Fatalf("it was not the probe: %v", codes(resp.Reasons))
	}
	r.want(Allow, "", add())
}

// events collects what the hub publishes while do runs.
func (r *room) events(do func()) []event.Event {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	seq, err := r.rooms.Events.Watch(ctx, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	do()
	r.rooms.Events.Publish(event.Event{Message: "the end"})
	var out []event.Event
	for e, err := range seq {
		if err != nil || e.Message == "the end" {
			break
		}
		out = append(out, e)
	}
	return out
}

func TestThreat_A8_AnUnusualRateIsNoticed(t *testing.T) {
	for effect, want := range map[string]struct {
		effect Effect
		code   string
	}{"alert": {Allow, ""}, "ask": {RequireApproval, "ANOMALY"}, "deny": {Deny, "ANOMALY"}} {
		t.Run(effect, func(t *testing.T) {
			var options []func(*room)
			if effect != "alert" { // the default
				options = append(options, withTables(map[string]any{"anomalies": map[string]any{
					"anomalies": []any{map[string]any{"name": "tool_calls_per_minute", "effect": effect}},
				}}))
			}
			r := newRoom(t, options...)
			early := r.events(func() {
				for range 29 {
					if resp := r.want(Allow, "", add()); len(resp.Findings) > 0 {
						t.Fatalf("%+v", resp.Findings)
					}
				}
			})
			if len(early) > 0 || r.heard.anomalies["tool_calls_per_minute"] != 0 {
				t.Fatalf("too early: %v", early)
			}
			var resp Response
			heard := r.events(func() { resp = r.want(want.effect, want.code, add()) })
			if len(resp.Findings) != 1 || resp.Findings[0].Rule != "anomaly.tool_calls_per_minute" {
				t.Errorf("findings %+v", resp.Findings)
			}
			if len(heard) != 1 || heard[0].Type != event.Anomaly || heard[0].Attributes["threshold"] != "tool_calls_per_minute" || heard[0].Tenant != "default" {
				t.Errorf("events %+v", heard)
			}
			if r.heard.anomalies["tool_calls_per_minute"] != 1 {
				t.Errorf("observed %v", r.heard.anomalies)
			}
			if log := r.lines(decisionlog.TypeDecision); len(log[len(log)-1].Decision.Findings) != 1 {
				t.Errorf("the log does not say it")
			}
		})
	}
}

func TestThreat_A7_FailedCallsAreNoticed(t *testing.T) {
	r := newRoom(t)
	tools := []string{"calculator", "search", "read_file"} // several, so that no breaker opens before
	for i := range 4 {
		r.report(r.want(Allow, "", call("demo-basic", tools[i%3], "")), Failed, nil)
	}
	if n := r.heard.anomalies["failed_calls"]; n != 0 {
		t.Fatalf("noticed after 4, %d times", n)
	}
	heard := r.events(func() { r.report(r.want(Allow, "", call("demo-basic", "calculator", "")), Failed, nil) })
	if n := r.heard.anomalies["failed_calls"]; n != 1 || len(heard) != 1 || heard[0].Attributes["threshold"] != "failed_calls" {
		t.Fatalf("after 5: observed %d, %+v", n, heard)
	}
}
