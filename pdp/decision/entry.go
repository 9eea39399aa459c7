package decision

import (
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// entry is the line of the decision log: all that explains the answer, and no value of the action.
func (j *judgement) entry(took time.Duration) decisionlog.Entry {
	p, a := j.req.Principal, j.req.Action
	d := &decisionlog.Decision{
		DecisionID: j.id, RequestID: j.req.RequestID, Caller: callerEntry(j.caller),
		Principal: decisionlog.Principal{
			Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Run: p.Run, User: p.User, Profile: j.profile,
			Delegation: j.delegationEntry(),
		},
		Action: decisionlog.Action{
			Kind: string(a.Kind), Tool: a.Tool, Server: a.Server, SchemaDigest: a.SchemaDigest, Digest: j.digest,
			CallID: a.CallID, ArgumentsBytes: int64(a.ArgumentsBytes), ContentBytes: int64(len(a.Content)),
			Estimate: usageEntry(j.bill.estimate), Price: string(j.bill.price), InReplyTo: a.InReplyTo, FromAgent: a.FromAgent,
		},
		Effect: string(j.effect), Findings: findingEntries(j.findings), Degraded: j.degraded,
		BundleRevision: j.snapshot.Revision, DurationMicros: took.Microseconds(),
		Breakers: breakerEntries(slices.Concat(j.suspicion, j.breakers)), StageMicros: map[string]int64{},
	}
	for name, t := range j.took {
		d.StageMicros[name] = t.Microseconds()
	}
	for _, r := range j.reasons {
		d.Reasons = append(d.Reasons, decisionlog.Reason{
			Code: r.Code, Rule: r.Rule, Message: r.Message, Severity: r.Severity, Findings: findingEntries(r.Findings),
		})
	}
	for _, o := range slices.Concat(j.obligations, j.redactions) {
		d.Obligations = append(d.Obligations, o.ID)
	}
	for _, s := range j.limits {
		d.Limits = append(d.Limits, decisionlog.Limit{Name: s.Name, Used: s.Used, Max: s.Max, Exceeded: s.Exceeded})
	}
	d.Memory, d.Surprise = j.memoryEntry(), j.compared.entry()
	if j.ticket != nil {
		d.Approval = &decisionlog.ApprovalRef{ID: j.ticket.ID, State: j.ticket.State, Redeemed: j.redeemed, EditedDigest: j.ticket.EditedDigest}
	}
	return decisionlog.Entry{Time: j.now, Type: decisionlog.TypeDecision, Decision: d}
}

func (j *judgement) delegationEntry() *decisionlog.Delegation {
	switch {
	case j.chainErr != nil:
		return &decisionlog.Delegation{Cause: string(delegation.CauseOf(j.chainErr))}
	case j.chain != nil:
		return &decisionlog.Delegation{Agents: j.askers, IDs: j.chain.IDs()}
	}
	return nil
}

// refusedEntry is the line for a redemption that was refused: somebody tried to use an approval for something else, too
// late, or again (B1).
func (j *judgement) refusedEntry(why *approval.Error) decisionlog.Entry {
	p := j.req.Principal
	return decisionlog.Entry{Time: j.now, Type: decisionlog.TypeApproval, Approval: &decisionlog.Approval{
		ApprovalID: j.req.ApprovalID, DecisionID: j.id, Tool: j.tool(), ActionDigest: j.digest, BundleRevision: j.snapshot.Revision,
		Principal: decisionlog.Principal{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Run: p.Run, User: p.User, Profile: j.profile},
		Change:    "redemption_refused", Cause: strings.TrimSpace(why.Reason + " " + why.Field),
	}}
}

func outcomeEntry(now time.Time, caller identity.Caller, o Outcome, r *record, result OutcomeResult) decisionlog.Entry {
	out := &decisionlog.Outcome{
		DecisionID: o.DecisionID, Caller: callerEntry(caller), Tool: r.Tool, Status: string(o.Status),
		Principal: decisionlog.Principal{
			Tenant: r.Subject.Tenant, Agent: r.Subject.Agent, Session: r.Subject.Session, User: r.Subject.User,
		},
		Applied: result.Applied, Charged: usageEntry(result.Charged), Breakers: breakerEntries(result.Breakers),
	}
	if o.Actual != nil {
		u := usageEntry(*o.Actual)
		out.Actual = &u
	}
	return decisionlog.Entry{Time: now, Type: decisionlog.TypeOutcome, Outcome: out}
}

// observationEntry is the line for what entered a session: who said what sort of thing, and how much; never the text.
func observationEntry(now time.Time, caller identity.Caller, p Principal, o *Observation, whole bool) decisionlog.Entry {
	line := &decisionlog.Observation{
		Caller: callerEntry(caller), Whole: whole, Tools: int64(len(o.Tools)),
		Principal: decisionlog.Principal{Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Run: p.Run, User: p.User},
	}
	for _, s := range o.Spans {
		line.Spans = append(line.Spans, decisionlog.ObservedSpan{Origin: kindNames[s.Origin], Name: s.Name, Bytes: int64(len(s.Text))})
	}
	return decisionlog.Entry{Time: now, Type: decisionlog.TypeObservation, Observation: line}
}

// kindNames are the origins that a caller can name.
var kindNames = map[origin.Kind]string{origin.User: "user", origin.Untrusted: "untrusted", origin.Agent: "agent"}

func callerEntry(c identity.Caller) decisionlog.Caller {
	return decisionlog.Caller{
		Subject: c.Subject, Roles: roleNames(c.Roles), CredentialID: c.CredentialID, Method: c.Method,
	}
}

func usageEntry(u action.Usage) decisionlog.Usage {
	return decisionlog.Usage{
		CostMicroUSD: u.CostMicroUSD, Tokens: u.Tokens, Model: u.Model, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens,
	}
}

func findingEntries(findings []scan.Finding) []decisionlog.Finding {
	out := make([]decisionlog.Finding, len(findings))
	for i, f := range findings {
		out[i] = decisionlog.Finding(f)
	}
	return out
}

func breakerEntries(breakers []breaker.Status) []decisionlog.Breaker {
	out := make([]decisionlog.Breaker, len(breakers))
	for i, b := range breakers {
		out[i] = decisionlog.Breaker{Name: b.Name, Key: b.Key, State: string(b.State), Failures: b.Failures}
	}
	return out
}

func roleNames(roles []identity.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	slices.Sort(out)
	return out
}
