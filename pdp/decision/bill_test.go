package decision

import (
	"math"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// itself is the credential of an agent of its own.
var itself = identity.Caller{
	Subject: "demo-basic", Roles: []identity.Role{identity.RoleAgent}, Tenant: "default", Agents: []string{"demo-basic"},
	Method: "bearer", CredentialID: "c2",
}

// billed is a room with limits on money and tokens in which adding up costs 100 micro-USD and 10 tokens, and no less than
// 30 and 4; and in which one model has a price.
func billed(t *testing.T, more ...func(*room)) *room {
	t.Helper()
	tables := limitTable(
		limitRow("cost", 1000, map[string]any{"measure": "cost_micro_usd"}), limitRow("tokens", 1_000_000, map[string]any{"measure": "tokens"}),
	)
	tables["estimates"] = map[string]any{"estimates": []any{map[string]any{
		"name": "sums", "tools": []any{"calculator"}, "cost_micro_usd": 100, "tokens": 10, "floor_cost_micro_usd": 30, "floor_tokens": 4,
	}}}
	tables["prices"] = map[string]any{"prices": []any{map[string]any{
		"model": "m/1", "input_micro_usd_per_million_tokens": 3_000_000, "output_micro_usd_per_million_tokens": 15_000_000,
		"source": "made up", "as_of": "2026-11-25",
	}}}
	return newRoom(t, append([]func(*room){withTables(tables)}, more...)...)
}

// stating is a call whose caller expects this usage.
func stating(u action.Usage) Request {
	req := add()
	req.Action.Estimate = u
	return req
}

func (r *room) by(caller identity.Caller, req Request) Response {
	r.t.Helper()
	resp, err := r.engine.Decide(r.t.Context(), caller, req)
	if err != nil {
		r.t.Fatalf("decide: %v", err)
	}
	return resp
}

func TestThreat_E8_ACallerCanRaiseItsEstimateAndNeverLowerIt(t *testing.T) {
	for name, tc := range map[string]struct {
		stated, want action.Usage
		price        string
	}{
		"nothing":                  {action.Usage{}, action.Usage{CostMicroUSD: 100, Tokens: 10}, "none"},
		"less":                     {action.Usage{CostMicroUSD: 99, Tokens: 9}, action.Usage{CostMicroUSD: 100, Tokens: 10}, "stated"},
		"more money":               {action.Usage{CostMicroUSD: 101}, action.Usage{CostMicroUSD: 101, Tokens: 10}, "none"},
		"more tokens":              {action.Usage{CostMicroUSD: 1, Tokens: 11}, action.Usage{CostMicroUSD: 100, Tokens: 11}, "stated"},
		"tokens of nobody's":       {action.Usage{Tokens: 11}, action.Usage{CostMicroUSD: 100, Tokens: 11}, "unnamed"},
		"parts beyond the sum":     {action.Usage{Tokens: 1, InputTokens: 20, OutputTokens: 5}, action.Usage{CostMicroUSD: 100, Tokens: 25, InputTokens: 20, OutputTokens: 5}, "unnamed"},
		"a price":                  {action.Usage{Model: "m/1", InputTokens: 40, OutputTokens: 8}, action.Usage{CostMicroUSD: 240, Tokens: 48, Model: "m/1", InputTokens: 40, OutputTokens: 8}, "known"},
		"a price below what is":    {action.Usage{Model: "m/1", InputTokens: 10, Tokens: 10}, action.Usage{CostMicroUSD: 100, Tokens: 10, Model: "m/1", InputTokens: 10}, "known"},
		"a price below the stated": {action.Usage{CostMicroUSD: 900, Model: "m/1", InputTokens: 40}, action.Usage{CostMicroUSD: 900, Tokens: 40, Model: "m/1", InputTokens: 40}, "known"},
		"no parts: the dearer":     {action.Usage{Model: "m/1", Tokens: 20}, action.Usage{CostMicroUSD: 300, Tokens: 20, Model: "m/1"}, "known"},
		"a model, and no tokens":   {action.Usage{Model: "m/1"}, action.Usage{CostMicroUSD: 150, Tokens: 10, Model: "m/1"}, "known"},
		"rounded up":               {action.Usage{CostMicroUSD: 100, Model: "m/1", InputTokens: 101}, action.Usage{CostMicroUSD: 303, Tokens: 101, Model: "m/1", InputTokens: 101}, "known"},
	} {
		t.Run(name, func(t *testing.T) {
			r := billed(t)
			resp := r.by(gateway, stating(tc.stated))
			wantAnswer(t, resp, Allow, "")
			if resp.Estimate != tc.want {
				t.Errorf("counts for %+v, want %+v", resp.Estimate, tc.want)
			}
			if got := r.used("cost", add()); got != tc.want.CostMicroUSD {
				t.Errorf("%d micro-USD are reserved, want %d", got, tc.want.CostMicroUSD)
			}
			if got := r.used("tokens", add()); got != tc.want.Tokens {
				t.Errorf("%d tokens are reserved, want %d", got, tc.want.Tokens)
			}
			line := r.lines(decisionlog.TypeDecision)[0].Decision.Action
			if line.Price != tc.price || line.Estimate != usageEntry(tc.want) {
				t.Errorf("logged as %s, %+v", line.Price, line.Estimate)
			}
		})
	}
}

func TestThreat_E8_SumsStopAtTheirEnd(t *testing.T) {
	tables := &policy.Tables{}
	for name, stated := range map[string]action.Usage{
		"all": {CostMicroUSD: math.MaxInt64, Tokens: math.MaxInt64, InputTokens: math.MaxInt64, OutputTokens: math.MaxInt64, Model: "x"},
	} {
		got := estimated(tables, gateway, action.KindToolCall, "x", stated).estimate
		if got.CostMicroUSD != policy.MaxCostMicroUSD || got.Tokens != policy.MaxTokens {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestThreat_E8_NegativeAmountsAreRefused(t *testing.T) {
	r := billed(t)
	allowed := r.want(Allow, "", add())
	for name, u := range map[string]action.Usage{
		"money": {CostMicroUSD: -1}, "tokens": {Tokens: -1}, "read": {InputTokens: math.MinInt64}, "written": {OutputTokens: -1},
	} {
		if _, err := r.engine.Decide(t.Context(), gateway, stating(u)); reasonOf(err) != "NEGATIVE_AMOUNT" {
			t.Errorf("%s: decided, %v", name, err)
		}
		if _, err := r.engine.ReportOutcome(t.Context(), gateway, Outcome{DecisionID: allowed.DecisionID, Status: Succeeded, Actual: &u}); reasonOf(err) != "NEGATIVE_AMOUNT" {
			t.Errorf("%s: reported, %v", name, err)
		}
	}
	if got := r.used("cost", add()); got != 100 {
		t.Errorf("%d micro-USD are charged, want 100", got)
	}
}

func TestThreat_E7_AnAgentCannotReportItsBillAway(t *testing.T) {
	for name, tc := range map[string]struct {
		caller   identity.Caller
		status   OutcomeStatus
		reported *action.Usage
		want     action.Usage
	}{
		"nothing":                {itself, Succeeded, &action.Usage{}, action.Usage{CostMicroUSD: 30, Tokens: 4}},
		"nothing, as a failure":  {itself, Failed, &action.Usage{}, action.Usage{CostMicroUSD: 30, Tokens: 4}},
		"nothing, as unknown":    {itself, Unknown, &action.Usage{}, action.Usage{CostMicroUSD: 30, Tokens: 4}},
		"a little":               {itself, Succeeded, &action.Usage{CostMicroUSD: 29, Tokens: 4}, action.Usage{CostMicroUSD: 30, Tokens: 4}},
		"more than the floor":    {itself, Succeeded, &action.Usage{CostMicroUSD: 60, Tokens: 6}, action.Usage{CostMicroUSD: 60, Tokens: 6}},
		"no usage":               {itself, Succeeded, nil, action.Usage{CostMicroUSD: 100, Tokens: 10}},
		"a gateway knows better": {gateway, Succeeded, &action.Usage{}, action.Usage{}},
		"and by a few":           {gateway, Succeeded, &action.Usage{CostMicroUSD: 1, Tokens: 1}, action.Usage{CostMicroUSD: 1, Tokens: 1}},
		"debt":                   {itself, Succeeded, &action.Usage{CostMicroUSD: 500, Tokens: 50}, action.Usage{CostMicroUSD: 500, Tokens: 50}},
		"priced":                 {gateway, Succeeded, &action.Usage{Model: "m/1", InputTokens: 10, OutputTokens: 4}, action.Usage{CostMicroUSD: 90, Tokens: 14}},
		"an unknown model":       {itself, Succeeded, &action.Usage{CostMicroUSD: 1, Model: "m/2", Tokens: 9}, action.Usage{CostMicroUSD: 100, Tokens: 9}},
		"unknown to a gateway":   {gateway, Succeeded, &action.Usage{Model: "m/2", Tokens: 9}, action.Usage{CostMicroUSD: 100, Tokens: 9}},
		"which states the cost":  {gateway, Succeeded, &action.Usage{CostMicroUSD: 7, Model: "m/2", Tokens: 9}, action.Usage{CostMicroUSD: 7, Tokens: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			r := billed(t)
			allowed := r.by(itself, add())
			wantAnswer(t, allowed, Allow, "")
			result, err := r.engine.ReportOutcome(t.Context(), tc.caller, Outcome{DecisionID: allowed.DecisionID, Status: tc.status, Actual: tc.reported})
			if err != nil || result.Charged.CostMicroUSD != tc.want.CostMicroUSD || result.Charged.Tokens != tc.want.Tokens {
				t.Fatalf("charged %+v, %v; want %+v", result.Charged, err, tc.want)
			}
			if cost, tokens := r.used("cost", add()), r.used("tokens", add()); cost != tc.want.CostMicroUSD || tokens != tc.want.Tokens {
				t.Errorf("%d micro-USD and %d tokens count, want %+v", cost, tokens, tc.want)
			}
		})
	}
}

func TestThreat_E7_ZerosDoNotKeepABudgetOpen(t *testing.T) {
	r := billed(t)
	allowed := 0
	for range 100 {
		resp := r.by(itself, stating(action.Usage{}))
		if resp.Effect != Allow {
			wantAnswer(t, resp, Deny, "LIMIT_EXCEEDED")
			break
		}
		allowed++
		if _, err := r.engine.ReportOutcome(t.Context(), itself, Outcome{DecisionID: resp.DecisionID, Status: Succeeded, Actual: &action.Usage{}}); err != nil {
			t.Fatal(err)
		}
	}
	if allowed != 31 { // 31 × 30 + 100 is more than 1,000
		t.Fatalf("%d calls of at least 30 micro-USD on a budget of 1,000", allowed)
	}
}

func TestAFloorIsTheOneOfTheDecision(t *testing.T) {
	r := billed(t)
	allowed := r.by(itself, add())
	r.holder.Swap(tuned(t, map[string]any{})) // a bundle without floors comes
	result, err := r.engine.ReportOutcome(t.Context(), itself, Outcome{DecisionID: allowed.DecisionID, Status: Succeeded, Actual: &action.Usage{}})
	if err != nil || result.Charged.CostMicroUSD != 30 {
		t.Fatalf("charged %+v, %v", result.Charged, err)
	}
}

func TestAnUnknownPriceIsForPolicy(t *testing.T) {
	tokens := action.Usage{Model: "m/2", Tokens: 50}
	costly := action.Usage{CostMicroUSD: 5, Model: "m/2", Tokens: 50}
	for name, tc := range map[string]struct {
		caller  identity.Caller
		stated  action.Usage
		unknown string // what the table says; empty: what is shipped
		effect  Effect
		code    string
	}{
		"asked about":            {gateway, tokens, "", RequireApproval, "PRICE_UNKNOWN"},
		"denied":                 {gateway, tokens, "deny", Deny, "PRICE_UNKNOWN"},
		"allowed":                {gateway, tokens, "allow", Allow, ""},
		"a gateway states it":    {gateway, costly, "deny", Allow, ""},
		"an agent can't":         {itself, costly, "deny", Deny, "PRICE_UNKNOWN"},
		"no model":               {itself, action.Usage{Tokens: 50}, "deny", Allow, ""},
		"a known one":            {itself, action.Usage{Model: "m/1", Tokens: 50}, "deny", Allow, ""},
		"a known one, odd case":  {itself, action.Usage{Model: "M/1", Tokens: 50}, "deny", Deny, "PRICE_UNKNOWN"},
		"a known one, and space": {itself, action.Usage{Model: "m/1 ", Tokens: 50}, "deny", Deny, "PRICE_UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			r := billed(t)
			if tc.unknown != "" {
				r.holder.Swap(tuned(t, map[string]any{"prices": map[string]any{
					"unpriced": []any{map[string]any{"name": "unknown", "effect": tc.unknown}},
					"prices": []any{map[string]any{
						"model": "m/1", "input_micro_usd_per_million_tokens": 3_000_000, "output_micro_usd_per_million_tokens": 15_000_000,
						"source": "made up", "as_of": "2026-11-25",
					}},
				}}))
			}
			wantAnswer(t, r.by(tc.caller, stating(tc.stated)), tc.effect, tc.code)
		})
	}
}

func TestAnApprovedUnknownPriceIsReserved(t *testing.T) {
	r := billed(t)
	req := stating(action.Usage{Model: "m/2", Tokens: 50})
	asked := r.want(RequireApproval, "PRICE_UNKNOWN", req)
	resp := r.want(Allow, "", r.approve(req, asked))
	if resp.Estimate.CostMicroUSD != 100 || resp.Estimate.Tokens != 50 {
		t.Fatalf("counts for %+v", resp.Estimate)
	}
	again := r.want(RequireApproval, "PRICE_UNKNOWN", req)
	dearer := r.approve(req, again)
	dearer.Action.Estimate.Tokens = 51
	r.wantRefused("APPROVAL_MISMATCH", dearer)
}

// A new bundle with other defaults is another decision, not another request.
func TestARepeatedRequestUnderOtherDefaults(t *testing.T) {
	r := billed(t)
	req := add()
	req.RequestID = "r1"
	first := r.want(Allow, "", req)
	r.holder.Swap(tuned(t, map[string]any{"estimates": map[string]any{"estimates": []any{
		map[string]any{"name": "sums", "tools": []any{"calculator"}, "cost_micro_usd": 500},
	}}}))
	if second := r.want(Allow, "", req); second.DecisionID == first.DecisionID || second.Estimate.CostMicroUSD != 500 {
		t.Fatalf("%+v, then %+v", first, second)
	}
}
