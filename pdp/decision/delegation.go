package decision

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
)

// delegationRule is the engine's own check of delegations.
const delegationRule = "engine.delegation"

// labelDelegated begins the labels of a session that has acted for others, each with an agent's name. The session can't
// shake them off by leaving a token out: what it once did for an agent, it goes on doing within that agent's rights. There
// are no more of them than a chain has links, because a chain that lacks one is denied.
const labelDelegated = "delegated:"

// verify checks the delegations of a principal. A chain of none is nil.
func (e *Engine) verify(caller identity.Caller, p Principal, tables *policy.Tables) (*delegation.Chain, error) {
	if len(p.Delegation) == 0 {
		return nil, nil //nolint:nilnil // nothing is delegated
	}
	return delegation.Verify(e.Keys, p.Delegation, delegation.Presenter{
		Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, User: p.User, UserBelieved: caller.Has(identity.RoleGateway),
	}, delegation.Checks{Now: e.Now(), MaxLinks: tables.MaxDelegations(), Ranks: tables.RiskRank, Revoked: e.revoked})
}

func (e *Engine) revoked(tenant, id string) bool {
	return e.Revocations != nil && e.Revocations.Revoked(tenant, id)
}

// stopped says which kill switch stops the action: one on the agent, or on any for whom it acts.
func (e *Engine) stopped(j *judgement) (killswitch.Switch, bool) {
	target := j.target()
	s, stopped := e.Switches.Match(target)
	for i := 0; !stopped && i < len(j.askers); i++ {
		target.Agent = j.askers[i]
		s, stopped = e.Switches.Match(target)
	}
	return s, stopped
}

// refuseDelegation denies a chain that does not hold, and an action that is not within all of it.
func (e *Engine) refuseDelegation(j *judgement) {
	p := j.req.Principal
	switch {
	case j.chainErr != nil:
		e.reportChain(j)
		j.deny("DELEGATION_INVALID", delegationRule,
			"The delegation tokens of this request do not hold, so the action is denied. Ask whoever delegated for new ones.", "high")
	case j.snapshot.Tables.ActsDelegated(p.Tenant, append(j.askers, p.Agent)[0]): // who began it all
		j.deny("DELEGATION_REQUIRED", delegationRule, "The agent with whom this begins acts only for others, and nobody has delegated it.", "high")
	case j.chain != nil:
		if beyond := j.beyondChain(); beyond != "" {
			j.deny("DELEGATION_EXCEEDED", delegationRule, "What was delegated does not include this action: "+beyond, "high")
		}
	}
}

// reportChain tells operators why a chain does not hold. The agent is not told: it would learn what to try next.
func (e *Engine) reportChain(j *judgement) {
	p, cause := j.req.Principal, string(delegation.CauseOf(j.chainErr))
	e.Logger.Warn("a delegation does not hold; the action is denied",
		"decision_id", j.id, "tenant", p.Tenant, "agent", p.Agent, "session", p.Session, "cause", cause, "error", j.chainErr.Error())
	e.Events.Publish(event.Event{
		Type: event.Delegation, Tenant: p.Tenant, Message: "agent " + p.Agent + " presented a delegation that does not hold: " + cause,
		Attributes: map[string]string{"agent": p.Agent, "session": p.Session, "cause": cause},
	})
}

// beyondChain says in which way the action is beyond what was delegated, or nothing. Policy is asked about the rest, as each
// agent of the chain.
func (j *judgement) beyondChain() (how string) {
	p, a, tables := j.req.Principal, &j.req.Action, &j.snapshot.Tables
	if !j.chain.PermitsCost(j.bill.estimate.CostMicroUSD) {
		return "it may cost more."
	}
	if a.Kind != action.KindToolCall && a.Kind != action.KindHTTPRequest {
		return ""
	}
	tool := j.tool()
	if !j.chain.Permits(tool, a.Server) {
		return "a token lacks the tool."
	}
	for _, agent := range j.askers {
		if !tables.MayUse(p.Tenant, agent, tool) {
			return "the profile of an agent that delegated lacks the tool."
		}
	}
	if j.chain.MaxRisk() != "" {
		if rank, known := tables.ToolRank(tool); !known || !j.chain.PermitsRisk(rank, tables.RiskRank) {
			return "the tool's risk level is higher."
		}
	}
	return ""
}

// holdToChain denies an action that leaves out an agent for whom its session has acted before.
func (j *judgement) holdToChain() {
	if dropped(j.session.Labels, j.askers) {
		j.deny("DELEGATION_DROPPED", delegationRule,
			"This session has acted for an agent that is missing in the delegation tokens. Send all of them, or begin a new session.", "high")
	}
}

func dropped(labels, askers []string) bool {
	return slices.ContainsFunc(labels, func(l string) bool {
		agent, is := strings.CutPrefix(l, labelDelegated)
		return is && !slices.Contains(askers, agent)
	})
}

// delegatedLabels mark the session of an action that was not denied.
func (j *judgement) delegatedLabels() (out []string) {
	if j.effect == Deny {
		return nil
	}
	for _, agent := range j.askers {
		out = append(out, labelDelegated+agent)
	}
	return out
}

// ask asks policy as the agent, and as each agent for whom it acts; the strictest answer stands. So nothing that any of
// them would be denied or asked about is let pass because another does it, whatever the rules look at.
func (e *Engine) ask(ctx context.Context, j *judgement, approved bool) (*policyv1.Decision, error) {
	in := j.input(approved)
	answer, err := e.Evaluator.Evaluate(ctx, j.snapshot, in)
	for i := 0; err == nil && i < len(j.askers); i++ {
		as, tables := proto.CloneOf(in.Input), &j.snapshot.Tables
		who := as.GetPrincipal()
		who.Agent = j.askers[i]
		who.Profile, who.Known = tables.Profile(who.GetTenant(), who.GetAgent())
		who.Trust = tables.Trust(who.GetTenant(), who.GetAgent())
		var other *policyv1.Decision
		if other, err = e.Evaluator.Evaluate(ctx, j.snapshot, policy.Input{Input: as, Arguments: in.Arguments}); err == nil {
			answer = stricter(answer, other)
		}
	}
	return answer, err
}

// stricter merges two answers: the stronger effect, the reasons and obligations of both, the shorter time and the larger
// quorum. Neither is changed: they may be remembered.
func stricter(a, b *policyv1.Decision) *policyv1.Decision {
	out := proto.CloneOf(a)
	if strength(b) > strength(a) {
		out.Effect = b.GetEffect()
	}
	for _, r := range b.GetReasons() {
		if !slices.ContainsFunc(out.GetReasons(), func(o *policyv1.Reason) bool { return proto.Equal(o, r) }) {
			out.Reasons = append(out.Reasons, r)
		}
	}
	for _, o := range b.GetObligations() {
		if !slices.ContainsFunc(out.GetObligations(), func(x *policyv1.Obligation) bool { return proto.Equal(x, o) }) {
			out.Obligations = append(out.Obligations, o)
		}
	}
	out.Approval = &policyv1.Ask{
		TtlSeconds: min(a.GetApproval().GetTtlSeconds(), b.GetApproval().GetTtlSeconds()),
		Quorum:     max(a.GetApproval().GetQuorum(), b.GetApproval().GetQuorum()),
	}
	return out
}

func strength(d *policyv1.Decision) int {
	return slices.Index([]Effect{Allow, RequireApproval, Deny}, effectOf(d.GetEffect()))
}

func (j *judgement) delegationInput() *policyv1.Delegation {
	if j.chain == nil {
		return &policyv1.Delegation{}
	}
	return &policyv1.Delegation{Agents: j.askers, Tools: j.chain.Tools(), MaxRisk: j.chain.MaxRisk()}
}

// Delegation is what an agent wants to hand on.
type Delegation struct {
	Principal Principal // who hands it on, with the tokens that it holds itself
	Holder    string
	Rights    delegation.Rights
	NotBefore time.Time     // zero: now
	Lifetime  time.Duration // zero: the default
}

// Delegated is a new token.
type Delegated struct {
	Token     string
	ID        string
	ExpiresAt time.Time
}

// Delegate makes a token for an agent that hands on what it may do itself, or less. The caller's credential says which
// agent that is.
func (e *Engine) Delegate(ctx context.Context, caller identity.Caller, d Delegation) (Delegated, error) {
	p := d.Principal
	var err error
	if p.Tenant, err = caller.Bind(p.Tenant, p.Agent); err != nil {
		return Delegated{}, err
	}
	snapshot, err := e.Policies.Active()
	if err != nil {
		return Delegated{}, &Error{Problem: Unavailable, Reason: "NO_BUNDLE", Detail: "no policy bundle is active"}
	}
	chain, err := e.verify(caller, p, &snapshot.Tables)
	if err != nil {
		return Delegated{}, invalidChain()
	}
	var askers []string
	if chain != nil {
		askers = chain.Agents()
	}
	facts, err := e.Sessions.Facts(ctx, provenance.ID{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session}, "")
	switch {
	case err != nil:
		e.Logger.Error("cannot look at the session of who delegates", "error", err.Error())
		return Delegated{}, &Error{Problem: Unavailable, Reason: "STATE_UNAVAILABLE", Detail: "the session could not be read; try again"}
	case facts.Ended:
		return Delegated{}, &Error{Problem: FailedPrecondition, Reason: "SESSION_ENDED", Field: "principal.session", Detail: "the session has ended"}
	case dropped(facts.Labels, askers):
		return Delegated{}, refusedDelegation("DELEGATION_DROPPED", "the session has acted for an agent that is missing in the tokens")
	}
	for _, agent := range append(askers, p.Agent) {
		if _, stopped := e.Switches.Match(killswitch.Target{Tenant: p.Tenant, Agent: agent, Session: p.Session}); stopped {
			return Delegated{}, refusedDelegation("KILL_SWITCH", "an operator has stopped an agent of the chain")
		}
	}
	return e.mint(snapshot, caller, delegation.Request{
		Tenant: p.Tenant, Issuer: p.Agent, Holder: d.Holder, Rights: d.Rights, NotBefore: d.NotBefore, Lifetime: d.Lifetime, Chain: chain,
	})
}

// Mint makes a first token in the name of an agent. It is for operators.
func (e *Engine) Mint(caller identity.Caller, tenant, issuer string, d Delegation) (Delegated, error) {
	snapshot, err := e.Policies.Active()
	if err != nil {
		return Delegated{}, &Error{Problem: Unavailable, Reason: "NO_BUNDLE", Detail: "no policy bundle is active"}
	}
	return e.mint(snapshot, caller, delegation.Request{
		Tenant: tenant, Issuer: issuer, Holder: d.Holder, Rights: d.Rights, NotBefore: d.NotBefore, Lifetime: d.Lifetime,
	})
}

func (e *Engine) mint(snapshot *policy.Snapshot, caller identity.Caller, r delegation.Request) (Delegated, error) {
	tables := &snapshot.Tables
	links := 1
	if r.Chain != nil {
		links += len(r.Chain.Tokens)
	}
	if links > tables.MaxDelegations() {
		return Delegated{}, refusedDelegation("DELEGATION_WIDENS", "the chain would have more links than the bundle admits")
	}
	if r.Chain == nil && tables.ActsDelegated(r.Tenant, r.Issuer) {
		return Delegated{}, refusedDelegation("DELEGATION_REQUIRED", "this agent acts only for others, and has nothing of its own to hand on")
	}
	for _, t := range r.Rights.Tools {
		if !tables.MayUse(r.Tenant, r.Issuer, t.Name) {
			return Delegated{}, refusedDelegation("DELEGATION_WIDENS", "the profile of who delegates lacks a tool")
		}
	}
	raw, token, err := delegation.Mint(e.Keys, r, e.Now(), tables.RiskRank)
	switch {
	case err == nil:
	case delegation.CauseOf(err) == delegation.Widens:
		return Delegated{}, refusedDelegation("DELEGATION_WIDENS", strings.TrimPrefix(err.Error(), "delegation: "))
	case delegation.CauseOf(err) == delegation.Refused:
		return Delegated{}, &Error{Problem: FailedPrecondition, Reason: "DELEGATION_REFUSED", Field: "rights", Detail: strings.TrimPrefix(err.Error(), "delegation: ")}
	default:
		return Delegated{}, err
	}
	e.Logger.Info("a delegation was made", "id", token.ID, "tenant", r.Tenant, "issuer", r.Issuer, "holder", r.Holder, "by", caller.Subject, "until", token.ExpiresAt())
	e.Events.Publish(event.Event{
		Type: event.Delegation, Tenant: r.Tenant, Message: "agent " + r.Issuer + " delegates to agent " + r.Holder,
		Attributes: map[string]string{"id": token.ID, "issuer": r.Issuer, "holder": r.Holder},
	})
	return Delegated{Token: raw, ID: token.ID, ExpiresAt: token.ExpiresAt()}, nil
}

func refusedDelegation(reason, detail string) error {
	return &Error{Problem: PermissionDenied, Reason: reason, Field: "rights", Detail: detail}
}

func invalidChain() error {
	return &Error{
		Problem: PermissionDenied, Reason: "DELEGATION_INVALID", Field: "principal.delegation",
		Detail: "the delegation tokens do not hold",
	}
}
