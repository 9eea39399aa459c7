package decision

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// evaluate asks policy and merges its answer with what the engine holds by itself. Policy can only be stricter.
func (e *Engine) evaluate(ctx context.Context, j *judgement) error {
	limited, cancel := context.WithTimeout(ctx, e.cfg.EvalTimeout)
	defer cancel()
	// First as if nobody had approved: an approval lifts only what asked when the person said yes. What asks now besides
	// needs a person of its own, who is asked about all of it: that approval is used in this one's place.
	answer, err := e.ask(limited, j, false)
	if err == nil && j.approval != nil && !j.softNo && coveredBy(answer, j.approval.Rules) {
		answer, err = e.ask(limited, j, true)
	}
	if err == nil {
		answer, err = e.findGrant(limited, j, answer)
	}
	if err != nil {
		e.policyFailure(j, err)
		return nil
	}
	j.merge(answer)
	return nil
}

// coveredBy says whether every rule that asks is among those that asked before.
func coveredBy(answer *policyv1.Decision, rules []string) bool {
	for _, r := range answer.GetReasons() {
		if r.GetEffect() == "ask" && !slices.Contains(rules, r.GetRule()) {
			return false
		}
	}
	return true
}

// policyFailure denies where policy gave no decision (I1), each way of failing with its own code.
func (e *Engine) policyFailure(j *judgement, err error) {
	code := policy.ReasonError
	if f, ok := errors.AsType[*policy.Failure](err); ok {
		code = f.Reason
	}
	e.Logger.Error("policy gave no decision; the action is denied",
		"decision_id", j.id, "revision", j.snapshot.Revision, "reason", code, "error", err.Error())
	j.deny(code, "engine.policy", "The policy could not decide about this action, so it is denied.", "high")
}

// merge takes over policy's answer: deny before ask before allow, and never wider than the engine's own.
func (j *judgement) merge(answer *policyv1.Decision) {
	j.effect = effectOf(answer.GetEffect())
	for _, r := range answer.GetReasons() {
		if j.effect == Deny && r.GetEffect() == "ask" {
			continue // asking would not help, so nobody is told that it might
		}
		reason := Reason{Code: r.GetCode(), Rule: r.GetRule(), Message: r.GetMessage(), Severity: r.GetSeverity()}
		for _, f := range j.findings {
			if slices.Contains(r.GetFindings(), f.Rule) {
				reason.Findings = append(reason.Findings, f)
			}
		}
		j.reasons = append(j.reasons, reason)
		if r.GetEffect() == "ask" {
			j.ask.rules = append(j.ask.rules, r.GetRule())
		}
	}
	slices.SortStableFunc(j.reasons, func(a, b Reason) int { return severityRank(b.Severity) - severityRank(a.Severity) })
	for _, o := range answer.GetObligations() {
		j.obligations = append(j.obligations, Obligation{ID: o.GetId(), Type: o.GetType(), Properties: o.GetProperties()})
	}
	j.ask.ttl = time.Duration(answer.GetApproval().GetTtlSeconds()) * time.Second
	j.ask.quorum = int(answer.GetApproval().GetQuorum())
	if j.openBreaker() && j.effect != Deny { // held here too, whatever the bundle says
		j.deny("BREAKER_OPEN", "engine.breaker", "This tool failed too often; wait before trying again.", "medium")
	}
	if j.softNo && j.effect == Allow {
		j.effect = RequireApproval
		for _, name := range j.soft {
			j.reasons = append(j.reasons, Reason{
				Code: "LIMIT_NEEDS_APPROVAL", Rule: limitsRule, Severity: "medium",
				Message: "The limit " + name + " is used up; going past it needs a person's approval.",
			})
		}
	}
	for _, name := range j.soft { // also those that an earlier approval lifted: this one may be used in its place
		j.ask.rules = append(j.ask.rules, limitsRule+"/"+name)
	}
	if j.effect == Allow {
		j.reasons = nil
	}
	for _, b := range j.breakers {
		if b.Holds() {
			j.retryAfter = max(j.retryAfter, b.RetryAfter)
		}
	}
}

// effectOf reads an effect that the schema has already checked; anything else is a deny.
func effectOf(s string) Effect {
	if e := Effect(s); e == Allow || e == RequireApproval {
		return e
	}
	return Deny
}

func (j *judgement) openBreaker() bool {
	return slices.ContainsFunc(j.breakers, func(b breaker.Status) bool { return b.Holds() })
}

// input is all that policy may look at.
func (j *judgement) input(approved bool) policy.Input {
	p, a := j.req.Principal, j.req.Action
	in := &policyv1.Input{
		Principal: &policyv1.Principal{
			Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Run: p.Run, User: p.User,
			Profile: j.profile, Known: j.knownAgent, Trust: j.snapshot.Tables.Trust(p.Tenant, p.Agent),
			DelegationDepth: int32(len(p.Delegation)), Delegation: j.delegationInput(),
			AuthenticatedBy: j.caller.Method, Roles: roleNames(j.caller.Roles),
		},
		Action: &policyv1.Action{
			Kind: string(a.Kind), Tool: a.Tool, Server: a.Server,
			ContentBytes: int64(len(a.Content)), ArgumentsBytes: int64(a.ArgumentsBytes), Digest: j.judged(),
			Estimate:       &policyv1.Usage{CostMicroUsd: j.bill.estimate.CostMicroUSD, Tokens: j.bill.estimate.Tokens},
			Price:          string(j.bill.price),
			Memory:         memoryInput(&j.memory),
			InReplyToKnown: j.repliedTo != nil,
			Role:           roleInput(&j.role),
			Sinks:          j.sinks,
			Steering:       j.steers,
		},
		Session: &policyv1.Session{
			Labels: j.session.Labels, Tools: j.session.Tools, MemoryItems: j.session.MemoryItems,
			Repeats: j.session.Repeats, StartedAt: stamp(j.session.StartedAt), Ended: j.session.Ended,
			Cycle:        &policyv1.Cycle{Length: j.session.Cycle.Length, Rounds: j.session.Cycle.Rounds},
			Private:      slices.Contains(j.session.Labels, labelPrivate),
			RepeatsLevel: string(j.loop.repeats), CycleLevel: string(j.loop.cycle),
			Untrusted: j.sessionUntrusted(), Surprise: j.compared.input(),
		},
		Approval: &policyv1.Approval{State: "none"},
		Degraded: j.degraded,
		Now:      &policyv1.Now{Time: stamp(j.now), Ns: j.now.UnixNano()},
	}
	if a.Memory != nil {
		in.Action.Memory.Layer = a.Memory.Layer
		in.Action.Memory.ItemCharacters = int64(utf8.RuneCountInString(a.Content))
	}
	if approved {
		in.Approval = &policyv1.Approval{State: "approved", Approvers: j.approvers}
	}
	for _, f := range j.facts {
		in.Facts = append(in.Facts, factInput(f))
	}
	for _, f := range j.findings {
		in.Findings = append(in.Findings, &policyv1.Finding{
			Rule: f.Rule, Category: f.Category, Severity: f.Severity, Confidence: f.Confidence,
			Pointer: f.Pointer, Count: f.Count, Fingerprint: f.Fingerprint,
		})
	}
	for _, t := range j.traced {
		in.Provenance = append(in.Provenance, &policyv1.Provenance{Pointer: t.Pointer, Sink: t.sink, Origins: t.Origins})
	}
	for _, s := range j.limits {
		in.Limits = append(in.Limits, &policyv1.Limit{
			Name: s.Name, Exceeded: s.Exceeded, Used: s.Used, Remaining: s.Remaining, Max: s.Max,
			WindowSeconds: s.WindowSeconds, ResetsAt: stamp(s.ResetsAt), OnExceed: string(s.OnExceed),
			Period: string(cmp.Or(s.Period, limit.Window)),
		})
	}
	for _, b := range j.breakers {
		in.Breakers = append(in.Breakers, &policyv1.Breaker{
			Name: b.Name, State: string(b.State), Failures: b.Failures, RetryAt: stamp(b.RetryAt), Probe: b.Probe,
		})
	}
	return policy.Input{Input: in, Arguments: a.Arguments}
}

func memoryInput(m *memoryState) *policyv1.Memory {
	return &policyv1.Memory{Seal: m.seal, Labels: m.labels, Untrusted: m.untrusted, Instructs: m.instructs}
}

func roleInput(r *role) *policyv1.ToolRole {
	return &policyv1.ToolRole{
		Source: r.Source, Writes: r.Writes, Fetches: r.fetches, Sends: r.Sends, Irreversible: r.Irreversible, External: r.external,
		Private: r.Private, Persists: r.Persists, Description: r.description,
	}
}

// stamp is RFC 3339 in UTC; empty for no time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func factInput(f action.Fact) *policyv1.Fact {
	return &policyv1.Fact{
		Pointer: f.Pointer, Type: f.Type, Class: f.Class, Host: f.Host, Scheme: f.Scheme,
		Flags: f.Flags, Programs: f.Programs, NearMissOf: f.NearMissOf,
	}
}
