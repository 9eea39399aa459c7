package decision

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/review"
)

// askPerson puts the action to a person, unless that would be one question too many: a no that still counts is not asked
// about again, what is being asked is joined, and where nobody can answer, policy may want to know at once. The approval
// is durable before the answer says so (I7).
func (e *Engine) askPerson(ctx context.Context, j *judgement) {
	if j.proposed != nil {
		// What is judged is the reviewer's action, what the agent will come back with is its own: no one ask is for both.
		j.deny("EDIT_OUTGROWN", "engine.approval",
			"A person has approved this with other arguments, and more asks now than was approved. Ask again without that approval.", "medium")
		return
	}
	canonical, err := j.req.Action.Canonical()
	if err != nil {
		e.Logger.Error("cannot write the action down for a reviewer", "decision_id", j.id, "error", err.Error())
		j.deny("APPROVAL_UNAVAILABLE", "engine.approval", "A person would have to approve this, and cannot be asked now.", "medium")
		return
	}
	answers := &j.snapshot.Tables.Answers
	earlier, err := e.Approvals.Earlier(ctx, j.redemption(), j.ask.rules, approval.Refusals{
		For: time.Duration(answers.Refusals.Seconds) * time.Second, AnySession: answers.Refusals.AnySession,
		AnyUser: !j.caller.Has(identity.RoleGateway), // an agent could name another for whom it acts, and ask again
	})
	if err != nil {
		e.stateFailure(j, "approvals", err)
		return
	}
	if earlier.Refused != nil {
		j.deny("APPROVAL_REFUSED", "engine.approval", "A person has refused this very action a short while ago. Do not ask for it again.", "medium")
		return
	}
	if answers.DenyNoRoute() && !e.Approvals.Attended(j.req.Principal.Tenant) && (e.Notified == nil || !e.Notified(j.req.Principal.Tenant)) {
		j.deny("NO_ROUTE", "engine.approval", "This needs a person's approval, and nobody is there to give it.", "medium")
		e.suppressed(j, "no_route")
		return
	}
	if earlier.Pending != nil {
		joined, err := e.Approvals.Join(ctx, earlier.Pending.ID, j.redemption(), j.ask.rules)
		if err == nil {
			e.waitFor(j, &joined)
			return
		}
		if !refused(err) {
			e.stateFailure(j, "approvals", err)
			return
		}
	}
	question := j.question(canonical)
	if err := e.layDown(ctx, j, &question); err != nil {
		e.approverFailure(j, err)
		return
	}
	created, err := e.Approvals.Create(ctx, question)
	switch {
	case errors.Is(err, approval.ErrTooManyPending):
		j.deny("APPROVALS_FULL", "engine.approval", "This agent asks for too many approvals. Wait for those that are open, and ask for fewer.", "medium")
		e.suppressed(j, "ask_rate")
	case err != nil:
		e.stateFailure(j, "approvals", err)
	default:
		e.waitFor(j, &created)
	}
}

func (e *Engine) waitFor(j *judgement, a *approval.Approval) {
	j.ticket = &Ticket{ID: a.ID, State: string(a.State), ExpiresAt: a.Expires, Quorum: a.Quorum, RequestState: e.stateOf(j, a)}
}

// question is what a person is asked.
func (j *judgement) question(canonical []byte) approval.Ask {
	p, a := j.req.Principal, j.req.Action
	reasons := make([]approval.Reason, len(j.reasons))
	for i, r := range j.reasons {
		reasons[i] = approval.Reason{Code: r.Code, Rule: r.Rule, Message: r.Message, Severity: r.Severity}
	}
	rate := j.snapshot.Tables.Answers.Asks
	view := review.New(j.snapshot.Scanner, canonical, j.findings, j.req.Says)
	view.SessionSaw, view.Origins = j.sessionSaw(), j.shownOrigins()
	return approval.Ask{
		Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Run: p.Run, User: p.User,
		RequestedBy: j.caller.Subject, RequestedByPerson: j.caller.Person, Owner: j.caller.Owner, DecisionID: j.id,
		Credential: approval.Credential{ID: j.caller.CredentialID, Method: j.caller.Method, Roles: j.caller.Roles},
		Kind:       string(a.Kind), Tool: j.tool(), Server: a.Server, SchemaDigest: a.SchemaDigest,
		Digest: j.digest, BundleRevision: j.snapshot.Revision,
		Reasons: reasons, Rules: j.ask.rules, Action: canonical,
		View:                 view.Encode(),
		EstimateCostMicroUSD: j.bill.estimate.CostMicroUSD, EstimateTokens: j.bill.estimate.Tokens,
		Grantable: j.grantable(),
		Rate:      approval.Rate{Window: time.Duration(rate.WindowSeconds) * time.Second, PerAgent: rate.PerAgent, PerSession: rate.PerSession},
	}
}

// grantable says how far a grant of this action may go. What runs other programs could run any; what is no call has no
// arguments to tell one from another; what passes a limit is a matter of this time.
func (j *judgement) grantable() approval.Grantable {
	most := j.snapshot.Tables.Answers.Grants
	g := approval.Grantable{Uses: most.Uses, For: time.Duration(most.Seconds) * time.Second}
	sink := func(pointer string) {
		if strings.Contains(pointer, "/"+hiddenName) { // nobody could tell whether it is this one that may vary
			pointer = "/arguments"
		}
		pointer, _, _ = strings.Cut(pointer, linkSuffix)
		g.Sinks = append(g.Sinks, pointer)
	}
	for _, t := range j.traced {
		if t.sink {
			sink(t.Pointer)
		}
	}
	for _, f := range j.facts {
		if slices.Contains(f.Flags, action.FlagWrapper) || slices.Contains(f.Flags, action.FlagUnparsable) {
			g.Refused = "it runs a program that runs others, or a command that could not be read"
		}
		if f.Type == action.FactCommand {
			sink(f.Pointer)
		}
	}
	slices.Sort(g.Sinks)
	g.Sinks = slices.Compact(g.Sinks)
	if k := j.req.Action.Kind; k != action.KindToolCall && k != action.KindHTTPRequest {
		g.Refused = "it is neither a tool call nor an HTTP request"
	}
	if len(j.soft) > 0 {
		g.Refused = "it goes past a limit, which each time needs a yes of its own"
	}
	return g
}

// suppressed tells operators of an ask that no person saw.
func (e *Engine) suppressed(j *judgement, why string) {
	e.Observer.Anomaly(why)
	p := j.req.Principal
	e.Events.Publish(event.Event{
		Type: event.Anomaly, Tenant: p.Tenant, Message: "an ask of agent " + p.Agent + " was denied: " + why,
		Attributes: map[string]string{"threshold": why, "agent": p.Agent, "session": p.Session, "tool": j.tool(), "decision_id": j.id},
	})
}

// findGrant looks for a grant that covers what policy asks about, and evaluates as if it had been approved. Limits are
// charged already, so what goes past one is never granted.
func (e *Engine) findGrant(ctx context.Context, j *judgement, answer *policyv1.Decision) (*policyv1.Decision, error) {
	if effectOf(answer.GetEffect()) != RequireApproval || j.anew || j.approval != nil || j.softNo || len(j.soft) > 0 {
		return answer, nil
	}
	canonical, err := j.req.Action.Canonical()
	if err != nil {
		return answer, nil //nolint:nilerr // askPerson says so
	}
	j.canonical = canonical
	grants, err := e.Approvals.Granted(ctx, j.redemption())
	if err != nil {
		return answer, nil //nolint:nilerr // then a person is asked
	}
	grantable := j.grantable()
	for i := range grants {
		if !coveredBy(answer, grants[i].Rules) || !grants[i].Grant.Holds(grantable) {
			continue
		}
		j.approval, j.ungranted = &grants[i], answer
		j.approvers = approversOf(j.approval)
		return e.Evaluator.Evaluate(ctx, j.snapshot, j.input(true))
	}
	return answer, nil
}

func approversOf(a *approval.Approval) []string {
	var names []string
	for _, v := range a.Votes {
		if v.Verdict == approval.Approve && v.Applied && v.EditedDigest == a.EditedDigest {
			names = append(names, cmp.Or(v.Person, v.Subject))
		}
	}
	slices.Sort(names)
	return names
}

// refused tells an approval that may not be used from a store that cannot say.
func refused(err error) bool {
	problem, ok := errors.AsType[*approval.Error](err)
	return ok && problem.Problem != approval.Unavailable
}
