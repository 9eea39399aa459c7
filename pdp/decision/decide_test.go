package decision

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
)

func TestAllow(t *testing.T) {
	r := newRoom(t)
	resp := r.want(Allow, "", add())
	if resp.Approval != nil || resp.BundleRevision != r.snapshot().Revision || !resp.ExpiresAt.Equal(r.clock().Add(time.Minute)) || len(resp.Limits) == 0 {
		t.Fatalf("%+v", resp)
	}
	a := add().Action
	if digest, err := a.Digest(); err != nil || resp.ActionDigest != digest {
		t.Fatalf("digest %s, want %s, %v", resp.ActionDigest, digest, err)
	}
	lines := r.lines(decisionlog.TypeDecision)
	if len(lines) != 1 || lines[0].Decision.DecisionID != resp.DecisionID || lines[0].Decision.Effect != "allow" {
		t.Fatalf("the log holds %+v", lines)
	}
	if r.heard.effects[Allow] != 1 {
		t.Fatalf("observed %v", r.heard.effects)
	}
}

func TestDeny(t *testing.T) {
	r := newRoom(t)
	for code, req := range map[string]Request{
		"TOOL_BLOCKED":     call("demo-basic", "shell_command", `{"command": "ls"}`),
		"TOOL_NOT_ALLOWED": call("demo-basic", "send_email", ""),
		"TOOL_UNKNOWN":     call("demo-basic", "launch_rocket", ""),
	} {
		resp := r.want(Deny, code, req)
		if resp.Approval != nil || len(resp.Obligations) > 0 || resp.Memory != nil {
			t.Errorf("%s: %+v", code, resp)
		}
	}
	r.want(Deny, "TOOL_NOT_ALLOWED", call("nobody-knows-me", "search", "")) // the strictest profile
	if n := len(r.lines(decisionlog.TypeDecision)); n != 4 {
		t.Fatalf("%d lines in the log", n)
	}
}

func TestAsk(t *testing.T) {
	r := newRoom(t)
	resp := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	if resp.Approval == nil || resp.Approval.Quorum != 1 || !resp.ExpiresAt.Equal(r.clock().Add(300*time.Second)) || !resp.ExpiresAt.Equal(resp.Approval.ExpiresAt) {
		t.Fatalf("%+v, expires %s", resp.Approval, resp.ExpiresAt)
	}
	kept, err := r.rooms.Approvals.Get(t.Context(), resp.Approval.ID)
	if err != nil || kept.State != approval.Pending || kept.Digest != resp.ActionDigest || kept.RequestedBy != gateway.Subject || kept.DecisionID != resp.DecisionID {
		t.Fatalf("%+v, %v", kept, err)
	}
}

func TestThreat_I8_IdentityComesFromTheCredential(t *testing.T) {
	r := newRoom(t)
	one := gateway
	one.Agents = []string{"demo-basic"}
	for reason, change := range map[string]func(*Request){
		"MISMATCH_TENANT": func(req *Request) { req.Principal.Tenant = "other" },
		"MISMATCH_AGENT":  func(req *Request) { req.Principal.Agent = "demo-operator" },
	} {
		req := add()
		change(&req)
		if _, err := r.engine.Decide(t.Context(), one, req); reasonOf(err) != reason {
			t.Errorf("%v; want %s", err, reason)
		}
	}
	req := add()
	req.Principal.Tenant = ""
	if resp, err := r.engine.Decide(t.Context(), one, req); err != nil || resp.Effect != Allow {
		t.Errorf("no tenant: %v, %v", resp.Effect, err)
	}
}

func TestNoBundle(t *testing.T) {
	r := newRoom(t, func(r *room) { r.rooms.Policies = new(policy.Holder) })
	r.wantRefused("NO_BUNDLE", add())
	for _, result := range r.engine.DecideBatch(t.Context(), gateway, []Request{add(), add()}) {
		if reasonOf(result.Err) != "NO_BUNDLE" {
			t.Errorf("batch: %v", result.Err)
		}
	}
}

func TestThreat_E18_KillSwitch(t *testing.T) {
	for name, s := range map[string]killswitch.Switch{
		"tenant": {WholeTenant: true}, "agent": {Agent: "demo-basic"}, "session": {Session: "s1"}, "tool": {Tool: "CALCULATOR"},
		"all of them": {Agent: "demo-basic", Session: "s1", Tool: "calculator"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.want(Allow, "", add())
			r.kill(s, true)
			r.want(Deny, "KILL_SWITCH", add())
			if n := r.used("agent_calls_per_minute", add()); n != 1 {
				t.Errorf("%d calls counted; want 1", n)
			}
			r.kill(s, false)
			r.want(Allow, "", add())
		})
	}
}

func TestThreat_E18_KillSwitchBetweenApproveAndRedeem(t *testing.T) {
	r := newRoom(t)
	redeem := r.approved(mail())
	r.kill(killswitch.Switch{Tool: "send_email"}, true)
	r.want(Deny, "KILL_SWITCH", redeem)
	r.kill(killswitch.Switch{Tool: "send_email"}, false)
	r.want(Allow, "", redeem) // it was not used up by the deny
}

func TestThreat_E18_KillSwitchWhileRedeeming(t *testing.T) {
	r := newRoom(t)
	redeem := r.approved(mail())
	r.asks.onUpdate = func() { r.kill(killswitch.Switch{Agent: "demo-filtered"}, true) }
	resp := r.want(Deny, "KILL_SWITCH", redeem)
	r.asks.onUpdate = nil
	if n := r.used("session_cost", redeem); n != 0 {
		t.Errorf("%d micro-USD are still charged", n)
	}
	if _, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{DecisionID: resp.DecisionID, Status: Succeeded}); reasonOf(err) != "DECISION_NOT_ALLOWED" {
		t.Errorf("outcome: %v", err)
	}
}

func TestThreat_A12_DelegationThatNothingCanVerifyDenies(t *testing.T) {
	r := newRoom(t)
	req := add()
	req.Principal.Delegation = []string{"token"}
	r.want(Deny, "DELEGATION_INVALID", req)
}

func TestThreat_I1_AFailingRoomDenies(t *testing.T) {
	write := Request{
		Principal: Principal{Tenant: "default", Agent: "demo-basic", Session: "s1"},
		Action:    action.Action{Kind: action.KindMemoryWrite, Content: "note", Memory: &action.MemoryRef{Layer: "long", Key: "k"}},
	}
	for name, tc := range map[string]struct {
		code   string
		req    func(*room) Request
		broken func(*room)
		option func(*room)
	}{
		"session, read":  {"STATE_UNAVAILABLE", nil, func(r *room) { r.history.getBroken.Store(true) }, nil},
		"session, write": {"STATE_UNAVAILABLE", nil, func(r *room) { r.history.putBroken.Store(true) }, nil},
		"records":        {"STATE_UNAVAILABLE", nil, func(r *room) { r.records.putBroken.Store(true) }, nil},
		"records of a result": {"STATE_UNAVAILABLE", func(r *room) Request {
			return result(add(), r.want(Allow, "", add()).DecisionID)
		}, func(r *room) { r.records.getBroken.Store(true) }, nil},
		"limits":                {"STATE_UNAVAILABLE", nil, func(r *room) { r.ledger.broken.Store(true) }, nil},
		"breakers":              {"STATE_UNAVAILABLE", nil, func(r *room) { r.fuses.readBroken.Store(true) }, nil},
		"approvals, create":     {"STATE_UNAVAILABLE", func(*room) Request { return mail() }, func(r *room) { r.asks.insertBroken.Store(true) }, nil},
		"approvals, check":      {"STATE_UNAVAILABLE", func(r *room) Request { return r.approved(mail()) }, func(r *room) { r.asks.loadBroken.Store(true) }, nil},
		"approvals, redeem":     {"STATE_UNAVAILABLE", func(r *room) Request { return r.approved(mail()) }, func(r *room) { r.asks.updateBroken.Store(true) }, nil},
		"log":                   {"LOG_UNAVAILABLE", nil, func(r *room) { r.log.broken.Store(true) }, nil},
		"log of an ask":         {"LOG_UNAVAILABLE", func(*room) Request { return mail() }, func(r *room) { r.log.broken.Store(true) }, nil},
		"log of a memory write": {"LOG_UNAVAILABLE", func(*room) Request { return write }, func(r *room) { r.log.broken.Store(true) }, nil},
		"sessions full": {
			"LIMIT_STATE_FULL", func(*room) Request { req := add(); req.Principal.Session = "s2"; return req }, func(r *room) { r.decide(add()) },
			func(r *room) {
				r.rooms.Sessions = sessions(r, provenance.Config{MaxPerAgent: 1})
			},
		},
		"counters full": {"LIMIT_STATE_FULL", nil, func(*room) {}, func(r *room) {
			limits := must[*limit.Engine](r.t)(limit.New(limit.Config{}, ledgertest.NewModel(ledgertest.Bounds{PerOwner: 1}, 1, 1), "test"))
			r.t.Cleanup(func() { _ = limits.Close(r.t.Context()) })
			r.rooms.Limits = limits
		}},
		"approvals full": {"APPROVALS_FULL", func(*room) Request { return mailTo("bob@example.com") }, func(r *room) { r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail()) }, func(r *room) {
			r.rooms.Approvals = must[*approval.Queue](r.t)(approval.New(approval.Config{MaxPendingPerAgent: 1}, r.asks, r.rooms.Keys, r.clock))
		}},
		"seal": {"SEAL_UNAVAILABLE", func(*room) Request {
			req := write
			req.Action.Memory = &action.MemoryRef{Layer: "long", Key: strings.Repeat("a place ", 1000)}
			return req
		}, func(*room) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var options []func(*room)
			if tc.option != nil {
				options = append(options, tc.option)
			}
			r := newRoom(t, options...)
			req := add()
			if tc.req != nil {
				req = tc.req(r)
			}
			tc.broken(r)
			resp := r.want(Deny, tc.code, req)
			if resp.Approval != nil || resp.Memory != nil || len(resp.Obligations) > 0 {
				t.Errorf("a deny with %+v, %+v, %+v", resp.Approval, resp.Memory, resp.Obligations)
			}
			if r.heard.effects[Deny] != 1 {
				t.Errorf("observed %v", r.heard.effects)
			}
			r.ledger.broken.Store(false)
			if n := r.used("agent_cost_per_day", req); n != 0 {
				t.Errorf("%d micro-USD stay charged", n)
			}
		})
	}
}

// result is the result of a call, under the decision that allowed it.
func result(req Request, decisionID string) Request {
	return Request{
		Principal: req.Principal,
		Action:    action.Action{Kind: action.KindToolResult, Tool: req.Action.Tool, InReplyTo: decisionID, Content: "4"},
	}
}

// What was denied because it could not be recorded was not allowed for anybody who asks later.
func TestThreat_I7_WhatCouldNotBeLoggedWasNotAllowed(t *testing.T) {
	r := newRoom(t)
	r.log.broken.Store(true)
	resp := r.want(Deny, "LOG_UNAVAILABLE", add())
	r.log.broken.Store(false)
	if _, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{DecisionID: resp.DecisionID, Status: Failed}); reasonOf(err) != "DECISION_NOT_ALLOWED" {
		t.Errorf("its outcome: %v; want DECISION_NOT_ALLOWED", err)
	}
	r.want(Deny, "RESULT_UNKNOWN", result(add(), resp.DecisionID))
}

func TestThreat_E4_APolicyThatFailsDenies(t *testing.T) {
	for code, body := range map[string]string{
		policy.ReasonError:       "deny contains 1 if to_number(input.action.tool) > 0\n",
		policy.ReasonBadDecision: "deny contains {\"code\": \"no code\", \"rule\": \"x\", \"severity\": \"?\", \"message\": \"\", \"findings\": []} if input.action.tool == \"calculator\"\n",
		policy.ReasonTimeout:     "deny contains 1 if {\n\tinput.action.tool == \"calculator\"\n\tcount([1 | some x in numbers.range(1, 1000000); some y in numbers.range(1, 1000000); x == y]) > 0\n}\n",
	} {
		t.Run(code, func(t *testing.T) {
			b, err := builtIn().Overlay(&policy.Bundle{Source: "broken", Modules: map[string]string{
				"rules/broken.rego": "package portcullis.rules.broken\n\n" + body,
			}})
			if err != nil {
				t.Fatal(err)
			}
			if code == policy.ReasonError {
				b.Modules["rules/broken.rego"] = "package portcullis.rules.broken\n\ndeny contains 1 if {\n\tinput.action.tool == \"calculator\"\n\tto_number(input.action.tool) > 0\n}\n"
			}
			r := newRoom(t, func(r *room) { r.holder.Swap(compiled(b)); r.config.EvalTimeout = 50 * time.Millisecond })
			if code != policy.ReasonTimeout {
				r.engine.cfg.EvalTimeout = 5 * time.Second
			}
			r.want(Deny, code, add())
			r.want(Deny, code, add())
		})
	}
}

func TestThreat_E6_HardLimitsDenyWhateverTheBundleSays(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("few", 2, nil))))
	r.want(Allow, "", add())
	r.want(Allow, "", add())
	resp := r.want(Deny, "LIMIT_EXCEEDED", add())
	if resp.RetryAfter <= 0 || resp.RetryAfter > 2*time.Minute {
		t.Errorf("retry after %s", resp.RetryAfter)
	}
	r.pass(2 * time.Minute)
	r.want(Allow, "", add())
}

// laxed is the default bundle with a control that looks at nothing.
func laxed(t *testing.T, control string, tables map[string]any) func(*room) {
	t.Helper()
	b, err := builtIn().Overlay(&policy.Bundle{
		Source: "lax", Modules: map[string]string{"rules/" + control + ".rego": "package portcullis.rules." + control + "\n\npassed := true\n"},
		Data: map[string]any{"tables": tables},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(r *room) { r.holder.Swap(compiled(b)) }
}

func TestASoftLimitAsksWhateverTheBundleSays(t *testing.T) {
	r := newRoom(t, laxed(t, "limits", limitTable(limitRow("soft", 1, map[string]any{"on_exceed": "require_approval"}))))
	r.want(Allow, "", add())
	r.want(Allow, "", r.approve(add(), r.want(RequireApproval, "LIMIT_NEEDS_APPROVAL", add())))
}

func TestThreat_E11_AnOpenBreakerDeniesWhateverTheBundleSays(t *testing.T) {
	r := newRoom(t, laxed(t, "breaker", map[string]any{}))
	for range 5 {
		r.report(r.want(Allow, "", add()), Failed, nil)
	}
	r.want(Deny, "BREAKER_OPEN", add())
	r.pass(coolDown)
	probe := r.want(Allow, "", add())
	r.want(Deny, "BREAKER_OPEN", add())
	r.report(probe, Succeeded, nil)
	r.want(Allow, "", add())
}

func TestThreat_E5_MadeUpToolsShareOneCounter(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("by_tool", 5, map[string]any{"scope": []any{"agent", "tool"}, "counts": "attempts"}))))
	for i := range 5 {
		r.want(Deny, "TOOL_UNKNOWN", call("demo-basic", fmt.Sprintf("made_up_%d", i), ""))
	}
	r.want(Deny, "LIMIT_EXCEEDED", call("demo-basic", "made_up_5", ""))
	r.want(Allow, "", add())
}

func TestASoftLimitAsks(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("soft", 1, map[string]any{"on_exceed": "require_approval"}))))
	r.want(Allow, "", add())
	resp := r.want(RequireApproval, "LIMIT_NEEDS_APPROVAL", add())
	if n := r.used("soft", add()); n != 1 {
		t.Fatalf("%d used after the ask", n)
	}
	r.want(Allow, "", r.approve(add(), resp))
	if n := r.used("soft", add()); n != 2 {
		t.Fatalf("%d used after it was redeemed", n)
	}
}

// A yes to going past one limit is no yes to going past another.
func TestThreat_B5_AnApprovalLiftsOnlyTheLimitThatAsked(t *testing.T) {
	soft := map[string]any{"on_exceed": "require_approval"}
	of := func(scope ...any) map[string]any {
		return map[string]any{"on_exceed": "require_approval", "scope": scope}
	}
	for name, options := range map[string]func(*room){
		"as shipped":                 withTables(limitTable(limitRow("first", 1, soft), limitRow("second", 2, of("agent")))),
		"whatever the bundle says":   laxed(t, "limits", limitTable(limitRow("first", 1, soft), limitRow("second", 2, of("agent")))),
		"the other one stands first": withTables(limitTable(limitRow("second", 2, of("agent")), limitRow("first", 1, soft))),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, options)
			r.want(Allow, "", add())
			redeem := r.approve(add(), r.want(RequireApproval, "LIMIT_NEEDS_APPROVAL", add())) // the first is used up
			elsewhere := add()
			elsewhere.Principal.Session = "s2"
			r.want(Allow, "", elsewhere) // now the second is, too
			asked := r.want(RequireApproval, "LIMIT_NEEDS_APPROVAL", redeem)
			if first, second := r.used("first", add()), r.used("second", add()); first != 1 || second != 2 {
				t.Fatalf("%d and %d used", first, second)
			}
			r.want(Allow, "", r.approve(add(), asked)) // this one asked for both
			if first, second := r.used("first", add()), r.used("second", add()); first != 2 || second != 3 {
				t.Fatalf("%d and %d used after it was redeemed", first, second)
			}
		})
	}
}

// A yes to a risky tool is no yes to going past a limit that nobody spoke of then.
func TestThreat_B5_AnApprovalLiftsOnlyWhatAsked(t *testing.T) {
	soft := limitRow("soft", 1, map[string]any{"on_exceed": "require_approval", "counts": "allowed"})
	r := newRoom(t, withTables(limitTable(soft)))
	asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", mail())
	if slices.Contains(codes(asked.Reasons), "LIMIT_NEEDS_APPROVAL") {
		t.Fatal("the limit asked although nothing was used")
	}
	used := add()
	used.Principal = mail().Principal
	r.want(Allow, "", used) // now the limit is used up
	redeem := r.approve(mail(), asked)
	again := r.decide(redeem)
	if again.Effect != RequireApproval || !slices.Contains(codes(again.Reasons), "LIMIT_NEEDS_APPROVAL") {
		t.Fatalf("the old approval gave %s %v", again.Effect, codes(again.Reasons))
	}
	if n := r.used("soft", used); n != 1 {
		t.Fatalf("%d used", n)
	}
}

func TestThreat_A6_AnAgentsLimitHoldsOverItsSessions(t *testing.T) {
	r := newRoom(t, withTables(limitTable(limitRow("agent_few", 50, map[string]any{"scope": []any{"tenant", "agent"}, "counts": "attempts"}))))
	allowed := 0
	for i := range 100 {
		req := add()
		req.Principal.Session = fmt.Sprintf("s%d", i)
		if r.decide(req).Effect == Allow {
			allowed++
		}
	}
	if allowed != 50 {
		t.Fatalf("%d of 100 sessions were let through; the agent may have 50", allowed)
	}
}

func TestThreat_I5_WhatIsNotAllowedIsNotCharged(t *testing.T) {
	tables := limitTable(
		limitRow("spent", 1000, map[string]any{"measure": "cost_micro_usd"}),
		limitRow("tried", 1000, map[string]any{"counts": "attempts"}),
		limitRow("done", 1000, nil),
	)
	priced := func(req Request) Request { req.Action.Estimate.CostMicroUSD = 100; return req }
	r := newRoom(t, withTables(tables))
	check := func(what string, req Request, spent, tried, done int64) {
		t.Helper()
		if s, a, d := r.used("spent", req), r.used("tried", req), r.used("done", req); s != spent || a != tried || d != done {
			t.Errorf("%s: %d spent, %d tried, %d done; want %d, %d, %d", what, s, a, d, spent, tried, done)
		}
	}
	denied := priced(call("demo-filtered", "shell_command", ""))
	r.want(Deny, "TOOL_BLOCKED", denied)
	check("deny", denied, 0, 1, 0)
	asked := r.want(RequireApproval, "RISK_NEEDS_APPROVAL", priced(mail()))
	check("ask", denied, 0, 2, 0)
	redeem := r.approve(priced(mail()), asked)
	r.want(Allow, "", redeem)
	check("redeem", denied, 100, 3, 1)
	r.wantRefused("APPROVAL_USED", redeem)
	check("redeem twice", denied, 100, 3, 1)
	r.want(Deny, "LIMIT_EXCEEDED", func() Request { req := priced(mail()); req.Action.Estimate.CostMicroUSD = 901; return req }())
	check("hard limit", denied, 100, 3, 1) // all or nothing
}

func TestBatchKeepsItsOrderOnOneSnapshot(t *testing.T) {
	r := newRoom(t)
	first := r.snapshot().Revision
	reqs := []Request{add(), call("demo-basic", "shell_command", ""), mail(), {Principal: Principal{Tenant: "other", Agent: "x"}}, add()}
	// The first line of the log swaps the bundle: what follows must not see it.
	r.engine.Log = logFunc{r.log, func() {
		r.holder.Swap(tuned(t, map[string]any{"blocked": map[string]any{"tools": []any{"calculator"}}}))
	}}
	out := r.engine.DecideBatch(t.Context(), gateway, reqs)
	for i, want := range []Effect{Allow, Deny, RequireApproval, "", Allow} {
		if got := out[i]; got.Response.Effect != want || (want == "") != (got.Err != nil) || want != "" && got.Response.BundleRevision != first {
			t.Errorf("%d: %s %v of %s, %v; want %s of %s", i, got.Response.Effect, codes(got.Response.Reasons), got.Response.BundleRevision, got.Err, want, first)
		}
	}
	r.want(Deny, "TOOL_BLOCKED", add())
}
