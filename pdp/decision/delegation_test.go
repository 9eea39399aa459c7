package decision

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
)

// crew are agents of unlike profiles: `reader` may search and add, `mailer` may send besides, `chief` asks for less, and
// `clerk` acts for others only.
var crew = map[string]any{
	"agents": map[string]any{"agents": []any{
		map[string]any{"agent": "reader", "profile": "basic"},
		map[string]any{"agent": "mailer", "profile": "filtered", "trust": "medium"},
		map[string]any{"agent": "chief", "profile": "lenient", "trust": "high"},
		map[string]any{"agent": "clerk", "profile": "lenient", "acts": "delegated"},
	}},
	"profiles": map[string]any{"profiles": []any{map[string]any{
		"name": "lenient", "strictness": 0, "approve_high": "unless_proven", "tools": []any{"search", "calculator", "read_file", "send_email", "http_request"},
	}}},
}

// revocable gives an engine a list of what was revoked.
func revocable(r *room) {
	store, err := embedded.Open(r.t.TempDir())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = store.Close() })
	r.rooms.Revocations = must[*delegation.Revocations](r.t)(delegation.OpenRevocations(r.t.Context(), store, r.clock))
}

func rights(depth int, tools ...string) delegation.Rights {
	out := delegation.Rights{Depth: depth}
	for _, t := range tools {
		out.Tools = append(out.Tools, delegation.Tool{Name: t})
	}
	return out
}

// hand lets an agent delegate, with the tokens that it holds.
func (r *room) hand(held []string, from, to string, what delegation.Rights) ([]string, error) {
	r.t.Helper()
	made, err := r.engine.Delegate(r.t.Context(), gateway, Delegation{
		Principal: Principal{Tenant: "default", Agent: from, Session: "s1", Delegation: held}, Holder: to, Rights: what,
	})
	return append(slices.Clone(held), made.Token), err
}

func (r *room) handed(held []string, from, to string, what delegation.Rights) []string {
	r.t.Helper()
	return must[[]string](r.t)(r.hand(held, from, to, what))
}

// under is a request that carries tokens.
func under(chain []string, req Request) Request {
	req.Principal.Delegation = chain
	return req
}

func adds(agent string) Request { return call(agent, "calculator", `{"sum": "2+2"}`) }

func writes(agent string) Request {
	return call(agent, "send_email", `{"to": "ann@example.com", "body": "Lunch?"}`)
}

// A chain of four in which the third hop asks for more than it was given: refused when it is made, and denied where somebody
// had it signed all the same.
func TestThreat_A12_AChainOfFourThatWidensAtHopThree(t *testing.T) {
	r := newRoom(t, withTables(crew))
	one := r.handed(nil, "chief", "mailer", rights(3, "calculator", "search"))
	two := r.handed(one, "mailer", "reader", rights(2, "calculator"))
	_, err := r.hand(two, "reader", "clerk", rights(1, "calculator", "search"))
	if reasonOf(err) != "DELEGATION_WIDENS" {
		t.Fatalf("hop three widens: %v", err)
	}
	three := r.handed(two, "reader", "clerk", rights(1, "calculator"))
	four := r.handed(three, "clerk", "chief", rights(0, "calculator"))
	r.want(Allow, "", under(four, adds("chief")))
	r.want(Deny, "DELEGATION_EXCEEDED", under(four, call("chief", "search", `{"q": "x"}`)))

	// The same, but for a third token that was signed for wider rights: what verifies must not trust who signs.
	wide := delegation.Request{Tenant: "default", Issuer: "reader", Holder: "clerk", Rights: rights(1, "calculator", "search")}
	forged, _, err := delegation.Mint(r.rooms.Keys, wide, r.clock(), r.snapshot().Tables.RiskRank)
	if err != nil {
		t.Fatal(err)
	}
	r.want(Deny, "DELEGATION_INVALID", under(append(slices.Clone(two), forged), adds("clerk")))
}

// The broader profile of a sub-agent does not help who asks it, and the broader one of who asks does not help the sub-agent.
func TestThreat_A12_TheSubAgentsBroaderProfileDoesNotHelpTheAsker(t *testing.T) {
	r := newRoom(t, withTables(crew))
	if _, err := r.hand(nil, "reader", "mailer", rights(0, "send_email")); reasonOf(err) != "DELEGATION_WIDENS" {
		t.Errorf("reader hands on what it may not do: %v", err)
	}
	chain := r.handed(nil, "reader", "mailer", rights(0, "calculator"))
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", func() Request { q := writes("mailer"); q.Principal.Session = "own"; return q }())
	r.want(Deny, "DELEGATION_EXCEEDED", under(chain, writes("mailer")))
	r.want(Allow, "", under(chain, adds("mailer")))

	up := r.handed(nil, "chief", "reader", rights(0, "send_email"))
	r.want(Deny, "TOOL_NOT_ALLOWED", under(up, writes("reader")))

	// A profile that changes after the token was made counts as it is now.
	tables := map[string]any{"profiles": map[string]any{"profiles": []any{map[string]any{"name": "basic", "tools": []any{"search"}}}}}
	for k, v := range crew {
		if k != "profiles" {
			tables[k] = v
		}
	}
	tables["profiles"].(map[string]any)["profiles"] = append(tables["profiles"].(map[string]any)["profiles"].([]any), crew["profiles"].(map[string]any)["profiles"].([]any)...) //nolint:forcetypeassert // as written above
	r.holder.Swap(tuned(t, tables))
	r.want(Deny, "DELEGATION_EXCEEDED", under(chain, adds("mailer")))
}

// A rule that would ask the one asks the other: chief need not prove who is affected to its own profile, mailer has to.
func TestThreat_A12_PolicyIsAskedAsEachAgentOfTheChain(t *testing.T) {
	r := newRoom(t, withTables(crew))
	user(t, r, "chief", "write to ann@example.com: Lunch?")
	r.want(Allow, "", writes("chief"))
	chain := r.handed(nil, "mailer", "chief", rights(0, "send_email"))
	q := under(chain, writes("chief"))
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", q)
}

// user observes what the user said in the session of call.
func user(t *testing.T, r *room, agent, text string) {
	t.Helper()
	caller := gateway
	caller.ObserveAsUser = true
	if _, err := r.engine.Observe(t.Context(), caller, Observation{
		Principal: Principal{Tenant: "default", Agent: agent, Session: "s1"}, Spans: []Span{{Origin: origin.User, Text: text}},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDelegationBinds(t *testing.T) {
	r := newRoom(t, withTables(crew))
	all := rights(0, "calculator", "send_email")
	with := func(change func(*delegation.Rights)) []string {
		t.Helper()
		w := all
		change(&w)
		return r.handed(nil, "chief", "mailer", w)
	}
	alone := identity.Caller{Subject: "mailer", Roles: []identity.Role{identity.RoleAgent}, Tenant: "default", Agents: []string{"mailer"}, CredentialID: "c2"}
	for name, tc := range map[string]struct {
		chain  []string
		req    Request
		caller identity.Caller
		code   string
	}{
		"holds":               {with(func(*delegation.Rights) {}), adds("mailer"), gateway, ""},
		"a low risk":          {with(func(w *delegation.Rights) { w.MaxRisk = "MEDIUM" }), adds("mailer"), gateway, ""},
		"a higher risk":       {with(func(w *delegation.Rights) { w.MaxRisk = "MEDIUM" }), writes("mailer"), gateway, "DELEGATION_EXCEEDED"},
		"a cost within":       {with(func(w *delegation.Rights) { w.MaxCostMicroUSD = 10 }), costing(10), gateway, ""},
		"a cost beyond":       {with(func(w *delegation.Rights) { w.MaxCostMicroUSD = 10 }), costing(11), gateway, "DELEGATION_EXCEEDED"},
		"its session":         {with(func(w *delegation.Rights) { w.Session = "s1" }), adds("mailer"), gateway, ""},
		"another session":     {with(func(w *delegation.Rights) { w.Session = "s2" }), adds("mailer"), gateway, "DELEGATION_INVALID"},
		"its user":            {with(func(w *delegation.Rights) { w.User = "ann" }), asUser(adds("mailer"), "ann"), gateway, ""},
		"another user":        {with(func(w *delegation.Rights) { w.User = "ann" }), asUser(adds("mailer"), "bob"), gateway, "DELEGATION_INVALID"},
		"a user of its own":   {with(func(w *delegation.Rights) { w.User = "ann" }), asUser(adds("mailer"), "ann"), alone, "DELEGATION_INVALID"},
		"another holder":      {with(func(*delegation.Rights) {}), adds("chief"), gateway, "DELEGATION_INVALID"},
		"rubbish":             {[]string{"x"}, adds("mailer"), gateway, "DELEGATION_INVALID"},
		"only for others":     {nil, adds("clerk"), gateway, "DELEGATION_REQUIRED"},
		"a tool of no server": {with(func(w *delegation.Rights) { w.Tools = []delegation.Tool{{Name: "calculator", Server: "x"}} }), adds("mailer"), gateway, "DELEGATION_EXCEEDED"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := r.engine.Decide(t.Context(), tc.caller, under(tc.chain, tc.req))
			if err != nil {
				t.Fatal(err)
			}
			want := Deny
			if tc.code == "" {
				want = Allow
			}
			wantAnswer(t, resp, want, tc.code)
		})
	}
}

func costing(micro int64) Request {
	q := adds("mailer")
	q.Action.Estimate = action.Usage{CostMicroUSD: micro}
	return q
}

func asUser(q Request, name string) Request {
	q.Principal.User = name
	return q
}

// An agent can't speak for another with its own credential, nor hand on in its name.
func TestThreat_C3_WhoDelegatesIsWhoTheCredentialSays(t *testing.T) {
	r := newRoom(t, withTables(crew))
	alone := identity.Caller{Subject: "mailer", Roles: []identity.Role{identity.RoleAgent}, Tenant: "default", Agents: []string{"mailer"}, CredentialID: "c2"}
	_, err := r.engine.Delegate(t.Context(), alone, Delegation{
		Principal: Principal{Tenant: "default", Agent: "chief", Session: "s1"}, Holder: "mailer", Rights: rights(0, "calculator"),
	})
	if reasonOf(err) != "MISMATCH_AGENT" {
		t.Errorf("mailer delegates as chief: %v", err)
	}
	chain := r.handed(nil, "chief", "reader", rights(1, "calculator"))
	if _, err := r.hand(chain, "mailer", "clerk", rights(0, "calculator")); reasonOf(err) != "DELEGATION_INVALID" {
		t.Errorf("a stolen token is handed on: %v", err)
	}
	if _, err := r.hand(nil, "clerk", "reader", rights(0, "calculator")); reasonOf(err) != "DELEGATION_REQUIRED" {
		t.Errorf("an agent without rights of its own hands them on: %v", err)
	}
}

// What a session does for an agent, it goes on doing within that agent's rights: leaving the token out gains nothing.
func TestThreat_A12_ATokenIsNotDropped(t *testing.T) {
	r := newRoom(t, withTables(crew))
	chain := r.handed(nil, "reader", "mailer", rights(1, "calculator"))
	r.want(Allow, "", under(chain, adds("mailer")))
	r.want(Deny, "DELEGATION_DROPPED", writes("mailer"))
	other := r.handed(nil, "chief", "reader", rights(1, "calculator"))
	longer := r.handed(other, "reader", "mailer", rights(0, "calculator"))
	r.want(Allow, "", under(longer, adds("mailer")))
	r.want(Deny, "DELEGATION_DROPPED", under(chain, adds("mailer")))
	if _, err := r.hand(nil, "mailer", "clerk", rights(0, "send_email")); reasonOf(err) != "DELEGATION_DROPPED" {
		t.Errorf("it hands on what it holds without the token: %v", err)
	}
	own := writes("mailer")
	own.Principal.Session = "s2"
	r.want(RequireApproval, "RISK_NEEDS_APPROVAL", own)
}

func TestAChainEndsWithItsTimeARevocationAndAKillSwitch(t *testing.T) {
	r := newRoom(t, withTables(crew), revocable)
	chain := r.handed(nil, "chief", "mailer", rights(0, "calculator"))
	q := under(chain, adds("mailer"))
	q.RequestID = "again"
	resp := r.want(Allow, "", q)
	if resp.ExpiresAt.After(r.clock().Add(time.Hour)) {
		t.Error("an answer outlives its chain")
	}
	r.kill(killswitch.Switch{Agent: "chief"}, true)
	r.want(Deny, "KILL_SWITCH", q)
	if _, err := r.hand(nil, "chief", "mailer", rights(0, "calculator")); reasonOf(err) != "KILL_SWITCH" {
		t.Errorf("a stopped agent delegates: %v", err)
	}
	r.kill(killswitch.Switch{Agent: "chief"}, false)
	r.want(Allow, "", q)

	id := must[*delegation.Token](t)(delegation.Peek(chain[0])).ID
	if _, err := r.rooms.Revocations.Revoke(t.Context(), "default", id); err != nil {
		t.Fatal(err)
	}
	r.want(Deny, "DELEGATION_INVALID", q) // also where the same request was allowed before

	q = under(r.handed(nil, "chief", "mailer", rights(0, "calculator")), adds("mailer"))
	r.pass(time.Hour - 10*time.Second)
	if resp := r.want(Allow, "", q); resp.ExpiresAt.After(r.clock().Add(10 * time.Second)) {
		t.Errorf("an answer until %s outlives its chain", resp.ExpiresAt)
	}
	r.pass(10 * time.Second)
	r.want(Deny, "DELEGATION_INVALID", q)
}

// The log has who acted for whom, and why a chain did not hold; the agent hears only that it did not.
func TestTheLogKnowsTheChain(t *testing.T) {
	r := newRoom(t, withTables(crew))
	chain := r.handed(nil, "chief", "mailer", rights(0, "calculator"))
	r.want(Allow, "", under(chain, adds("mailer")))
	denied := r.want(Deny, "DELEGATION_INVALID", under(chain, adds("chief")))
	var seen []string
	for _, line := range r.lines(decisionlog.TypeDecision) {
		if d := line.Decision.Principal.Delegation; d != nil {
			seen = append(seen, fmt.Sprint(d.Agents, len(d.IDs), d.Cause))
		}
	}
	if want := []string{"[chief] 1", "[] 0holder"}; strings.Join(seen, ";") != strings.Join(want, ";") {
		t.Errorf("%q; want %q", seen, want)
	}
	for _, reason := range denied.Reasons {
		if strings.Contains(reason.Message, "holder") {
			t.Errorf("the agent is told the cause: %s", reason.Message)
		}
	}
}

func TestTheTableBoundsChains(t *testing.T) {
	tables := map[string]any{"profiles": crew["profiles"], "agents": map[string]any{"max_delegations": 1, "agents": crew["agents"].(map[string]any)["agents"]}} //nolint:forcetypeassert // as written above
	r := newRoom(t, withTables(tables))
	one := r.handed(nil, "chief", "mailer", rights(3, "calculator"))
	r.want(Allow, "", under(one, adds("mailer")))
	if _, err := r.hand(one, "mailer", "reader", rights(0, "calculator")); reasonOf(err) != "DELEGATION_WIDENS" {
		t.Errorf("deeper than the table admits: %v", err)
	}
}

// Adding a link never turns a deny or an ask into an allow, and a chain never into less than any agent's own answer.
func TestThreat_A5_ALinkMoreNeverAllows(t *testing.T) {
	r := newRoom(t, withTables(crew))
	agents := []string{"reader", "mailer", "chief", "clerk", "demo-airgapped", "stranger"}
	tools := []string{"search", "calculator", "read_file", "send_email", "http_request", "file_delete"}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		session := fmt.Sprint("p", n)
		n++
		at := func(q Request, chain []string) int {
			n++
			q.Principal.Session = fmt.Sprint(session, "-", n) // labels of one trial are none of the next
			resp, err := r.engine.Decide(r.t.Context(), gateway, under(chain, q))
			if err != nil {
				t.Fatalf("decide: %v", err)
			}
			return slices.Index([]Effect{Allow, RequireApproval, Deny}, resp.Effect)
		}
		tool := rapid.SampledFrom(tools).Draw(t, "tool")
		acts := func(agent string) Request { return call(agent, tool, `{"q": "x"}`) }
		first := rapid.SampledFrom(agents).Draw(t, "first")
		var chain []string
		before, holder := at(acts(first), nil), first
		for i := range rapid.IntRange(1, 3).Draw(t, "links") {
			next := rapid.SampledFrom(agents).Draw(t, "next")
			request := delegation.Request{
				Tenant: "default", Issuer: holder, Holder: next,
				Rights: rights(5-i, rapid.SliceOfNDistinct(rapid.SampledFrom(tools), 1, 6, rapid.ID).Draw(t, "tools")...),
			}
			if i > 0 {
				c, err := delegation.Verify(r.rooms.Keys, chain, delegation.Presenter{Tenant: "default", Agent: holder, Session: "s"},
					delegation.Checks{Now: r.clock(), MaxLinks: 8, Ranks: r.snapshot().Tables.RiskRank})
				if err != nil {
					t.Fatalf("%v", err)
				}
				request.Chain = c
			}
			raw, _, err := delegation.Mint(r.rooms.Keys, request, r.clock(), r.snapshot().Tables.RiskRank) // the engine refuses more
			if err != nil {
				return
			}
			chain, holder = append(chain, raw), next
			after := at(acts(holder), chain)
			if after < before {
				t.Fatalf("%s: %d tokens give %d, fewer gave %d", tool, len(chain), after, before)
			}
			if own := at(acts(holder), nil); first != "clerk" && holder != "clerk" && after < own {
				t.Fatalf("%s: %s may do more for others (%d) than by itself (%d)", tool, holder, after, own)
			}
			before = after
		}
	})
}

// An approval that a person gave under a chain is not used without it.
func TestThreat_A12_AnApprovalIsBoundToItsChain(t *testing.T) {
	r := newRoom(t, withTables(crew), revocable)
	chain := r.handed(nil, "mailer", "chief", rights(0, "send_email"))
	q := under(chain, writes("chief"))
	redeem := r.approved(q)
	bare := redeem
	bare.Principal.Delegation = nil
	r.want(Deny, "DELEGATION_DROPPED", bare)
	id := must[*delegation.Token](t)(delegation.Peek(chain[0])).ID
	if _, err := r.rooms.Revocations.Revoke(t.Context(), "default", id); err != nil {
		t.Fatal(err)
	}
	r.want(Deny, "DELEGATION_INVALID", redeem)
}

func TestMintChecksTheIssuersProfile(t *testing.T) {
	r := newRoom(t, withTables(crew))
	_, err := r.engine.Mint(identity.Caller{Subject: "root"}, "default", "reader", Delegation{Holder: "mailer", Rights: rights(0, "send_email")})
	if reasonOf(err) != "DELEGATION_WIDENS" {
		t.Errorf("got %v", err)
	}
	if _, err := r.engine.Mint(identity.Caller{Subject: "root"}, "default", "clerk", Delegation{Holder: "mailer", Rights: rights(0, "search")}); reasonOf(err) != "DELEGATION_REQUIRED" {
		t.Errorf("an agent that acts only for others begins a chain: %v", err)
	}
	_, err = r.engine.Mint(identity.Caller{Subject: "root"}, "default", "reader", Delegation{Holder: "reader", Rights: rights(0, "search")})
	if e, ok := errors.AsType[*Error](err); !ok || e.Problem != FailedPrecondition || e.Reason != "DELEGATION_REFUSED" {
		t.Errorf("got %v", err)
	}
}
