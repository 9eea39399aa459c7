package decision

import (
	"fmt"
	"sync"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/event"
)

// looping is a room where loops of 3 calls are warned of, of 5 asked about and of 7 denied, and nothing is exempt.
func looping(t *testing.T) *room {
	t.Helper()
	at := map[string]any{"warn_calls": 3, "ask_calls": 5, "deny_calls": 7}
	return newRoom(t, withTables(map[string]any{"loops": map[string]any{"repeats": at, "cycles": at, "exempt_tools": []any{}}}))
}

func sum(of string) Request { return call("demo-basic", "calculator", `{"sum": "`+of+`"}`) }

func TestThreat_A8_TheSameCallAgainAndAgainIsStopped(t *testing.T) {
	r := newRoom(t, withTables(map[string]any{
		"loops":  map[string]any{"exempt_tools": []any{}}, // thresholds as they are shipped
		"limits": map[string]any{"limits": []any{map[string]any{"name": "session_calls_per_minute", "max": 1000}}},
	}))
	effects := map[Effect]int{}
	for i := range 62 {
		resp := r.decide(sum("1+1"))
		effects[resp.Effect]++
		n := i + 1
		want, code := Allow, ""
		switch {
		case n >= 30:
			want, code = Deny, "LOOP"
		case n >= 20:
			want, code = RequireApproval, "LOOP"
		}
		wantAnswer(t, resp, want, code)
		if warned := len(resp.Findings) > 0 && resp.Findings[0].Rule == "anomaly.loop_repeats"; warned != (n >= 10) {
			t.Fatalf("call %d: findings %+v", n, resp.Findings)
		}
	}
	if effects[Allow] != 19 || effects[RequireApproval] != 10 || effects[Deny] != 33 {
		t.Fatalf("%v", effects)
	}
	r.want(Allow, "", sum("2+2"))
	elsewhere := sum("1+1")
	elsewhere.Principal.Session = "s2"
	r.want(Allow, "", elsewhere)
}

func TestThreat_A8_WhatStandsBesideACallMakesNoOther(t *testing.T) {
	for name, vary := range map[string]func(a *action.Action, i string){
		"server":      func(a *action.Action, i string) { a.Server = i },
		"schema":      func(a *action.Action, i string) { a.SchemaDigest = i },
		"call id":     func(a *action.Action, i string) { a.CallID = i },
		"content":     func(a *action.Action, i string) { a.Content = i },
		"in reply to": func(a *action.Action, i string) { a.InReplyTo = i },
		"from agent":  func(a *action.Action, i string) { a.FromAgent = i },
		"estimate":    func(a *action.Action, i string) { a.Estimate.CostMicroUSD = int64(len(i)) },
		"memory":      func(a *action.Action, i string) { a.Memory = &action.MemoryRef{Layer: "l", Key: i} },
		"http": func(a *action.Action, i string) {
			a.HTTP = &action.HTTPRequest{Method: "GET", URL: "https://example.com/" + i}
		},
		"how it's spelt": func(a *action.Action, i string) { a.ArgumentsBytes += len(i) },
	} {
		t.Run(name, func(t *testing.T) {
			r := looping(t)
			for i := range 6 {
				req := sum("1+1")
				vary(&req.Action, fmt.Sprint("x", i))
				r.decide(req)
			}
			r.want(Deny, "LOOP", sum("1+1"))
		})
	}
}

func TestThreat_A8_ARequestIsItsMethodURLAndBody(t *testing.T) {
	get := func(url, body, trace string) Request {
		req := call("demo-operator", "", "")
		req.Action.Kind = action.KindHTTPRequest
		req.Action.HTTP = &action.HTTPRequest{Method: "POST", URL: url, Body: body, Headers: []action.Header{{Name: "x-trace", Value: trace}}}
		return req
	}
	r := looping(t)
	for i := range 6 {
		r.decide(get("https://example.com/a", "", fmt.Sprint(i)))
	}
	r.want(Deny, "LOOP", get("https://example.com/a", "", "7"))
	for name, other := range map[string]Request{"url": get("https://example.com/b", "", ""), "body": get("https://example.com/a", "x", "")} {
		if got := codes(r.decide(other).Reasons); len(got) > 0 && got[0] == "LOOP" {
			t.Errorf("another %s is the same request", name)
		}
	}
}

func TestThreat_A8_CallsAtOnceAreCountedOneByOne(t *testing.T) {
	r := looping(t)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		effects = map[Effect]int{}
	)
	for range 40 {
		wg.Go(func() {
			resp, err := r.engine.Decide(t.Context(), gateway, sum("1+1"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			effects[resp.Effect]++
		})
	}
	wg.Wait()
	if effects[Allow] != 4 || effects[RequireApproval] != 2 || effects[Deny] != 34 {
		t.Fatalf("%v; want 4 allowed, 2 asked about, 34 denied", effects)
	}
}

func TestThreat_A8_DeniedCallsCount(t *testing.T) {
	r := looping(t)
	unknown := call("demo-basic", "database_delete", `{"all": true}`)
	for range 6 {
		r.want(Deny, "TOOL_BLOCKED", unknown)
	}
	r.want(Deny, "LOOP", unknown)
}

func TestThreat_A8_AnApprovalAndARepeatedRequestCountOnce(t *testing.T) {
	r := looping(t)
	for range 4 {
		r.want(Allow, "", sum("1+1"))
	}
	asked := r.want(RequireApproval, "LOOP", sum("1+1")) // the fifth
	r.want(Allow, "", r.approve(sum("1+1"), asked))
	repeated := sum("1+1")
	repeated.RequestID = "r1"
	for range 5 {
		r.want(RequireApproval, "LOOP", repeated) // the sixth, whose approval comes last of all
	}
	asked = r.decide(repeated)
	r.want(Allow, "", r.approve(sum("1+1"), asked))
	r.want(Deny, "LOOP", sum("1+1")) // the seventh
}

func TestThreat_A8_ARedemptionThatIsDeniedCounts(t *testing.T) {
	r := looping(t)
	for range 4 {
		r.want(Allow, "", sum("1+1"))
	}
	req := r.approve(sum("1+1"), r.want(RequireApproval, "LOOP", sum("1+1")))
	r.want(RequireApproval, "LOOP", sum("1+1"))
	r.want(Deny, "LOOP", sum("1+1"))
	denied := r.want(Deny, "LOOP", req) // a deny is never lifted
	f, err := r.rooms.Sessions.Facts(t.Context(), (&judgement{req: req}).sessionID(), denied.ActionDigest)
	if err != nil || f.Repeats != 7 {
		t.Fatalf("%d calls before the last, %v; want 7: four, two asks, a deny, and the redemption", f.Repeats, err)
	}
}

func TestThreat_A9_PingPongIsStopped(t *testing.T) {
	for name, round := range map[string][]string{
		"two": {"1", "2"}, "three": {"1", "2", "3"}, "four": {"1", "2", "3", "4"}, "one of them twice": {"1", "1", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			at := map[string]any{"warn_calls": 10, "ask_calls": 20, "deny_calls": 30}
			r := newRoom(t, withTables(map[string]any{
				"loops":  map[string]any{"repeats": map[string]any{"warn_calls": 100, "ask_calls": 100, "deny_calls": 100}, "cycles": at, "exempt_tools": []any{}},
				"limits": map[string]any{"limits": []any{map[string]any{"name": "session_calls_per_minute", "max": 1000}}},
			}))
			for i := range 40 {
				resp := r.decide(sum(round[i%len(round)]))
				switch n := i + 1; {
				case n >= 30:
					wantAnswer(t, resp, Deny, "LOOP")
				case n >= 20:
					wantAnswer(t, resp, RequireApproval, "LOOP")
				default:
					wantAnswer(t, resp, Allow, "")
				}
			}
			r.want(Allow, "", sum("something else"))
			r.want(Allow, "", sum(round[0])) // the circle is broken
		})
	}
}

func TestALoopIsHeardOfOnceALevel(t *testing.T) {
	r := looping(t)
	heard := r.events(func() {
		for range 12 {
			r.decide(sum("1+1"))
		}
	})
	var levels []string
	for _, e := range heard {
		if e.Type == event.Anomaly && e.Attributes["threshold"] == "loop_repeats" {
			levels = append(levels, e.Attributes["level"])
		}
	}
	if fmt.Sprint(levels) != "[warn ask deny]" || r.heard.anomalies["loop_repeats"] != 3 {
		t.Fatalf("events %v, observed %v", levels, r.heard.anomalies)
	}
}

func TestAnExemptToolMayBeCalledAgainAndAgain(t *testing.T) {
	r := newRoom(t) // calculator is exempt in these tests' tables
	for range 40 {
		r.want(Allow, "", sum("1+1"))
	}
	for i := range 40 {
		r.want(Allow, "", sum(fmt.Sprint(i%2)))
	}
}
