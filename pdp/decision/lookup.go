package decision

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// anomalyPrefix begins the rule id of findings that a crossed threshold raises.
const anomalyPrefix = "anomaly."

// lookUp fetches what was there before: the session, the memory item, the breakers, the decision that a result
// belongs to.
func (e *Engine) lookUp(ctx context.Context, j *judgement) error {
	ctx, cancel := timely(ctx)
	defer cancel()
	var err error
	if err := e.holdSuspected(ctx, j); err != nil {
		e.stateFailure(j, "suspicion", err)
		return nil
	}
	if j.effect == Deny {
		return nil
	}
	if err := e.lookAtSession(ctx, j); err != nil {
		e.stateFailure(j, "session", err)
		return nil
	}
	if j.holdToChain(); j.effect == Deny {
		return nil
	}
	if err := e.lookAtMemory(ctx, j); err != nil {
		e.stateFailure(j, "memory", err)
		return nil
	}
	if j.repliedTo, err = e.findReplied(j); err != nil {
		e.stateFailure(j, "records", err)
		return nil
	}
	if j.breakers, err = e.Breakers.Check(ctx, j.snapshot.Tables.Breakers, j.subject(), j.id); err != nil {
		e.stateFailure(j, "breakers", err)
		return nil
	}
	j.probing = slices.ContainsFunc(j.breakers, func(b breaker.Status) bool { return b.Probe })
	return nil
}

// findApproval returns the approval that the request wants to redeem, if it may. Anything else is an error of the
// request: the first use of an approval stands, and another action is not what a person said yes to.
func (e *Engine) findApproval(ctx context.Context, j *judgement) (*approval.Approval, error) {
	if err := e.openState(j); err != nil {
		return nil, err
	}
	if j.req.ApprovalID == "" {
		return nil, nil
	}
	found, err := e.Approvals.Check(ctx, j.req.ApprovalID, j.redemption())
	if errors.Is(err, approval.ErrUsed) { // by another of those who asked together: this one asks again
		if again, failed := e.Approvals.AskAgain(ctx, j.req.ApprovalID, j.redemption()); again || failed != nil {
			return nil, failed
		}
	}
	if err != nil {
		return nil, err
	}
	j.approvers = approversOf(&found)
	return &found, nil
}

// approvalFailure tells a failing store, which denies, from an approval that may not be redeemed, which is an error of
// the request.
func (e *Engine) approvalFailure(ctx context.Context, j *judgement, err error) error {
	if problem, ok := errors.AsType[*approval.Error](err); ok && problem.Problem != approval.Unavailable {
		if logged := e.Log.Append(ctx, j.refusedEntry(problem)); logged != nil {
			e.Logger.Error("a refused redemption is missing in the decision log", "approval_id", j.req.ApprovalID, "error", logged.Error())
		}
		return err
	}
	e.stateFailure(j, "approvals", err)
	return nil
}

func (j *judgement) redemption() approval.Redemption {
	p, a := j.req.Principal, j.req.Action
	return approval.Redemption{
		Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, User: p.User, RequestedBy: j.caller.Subject,
		Digest: j.digest, Tool: j.tool(), SchemaDigest: a.SchemaDigest, BundleRevision: j.snapshot.Revision,
		EstimateCostMicroUSD: j.bill.estimate.CostMicroUSD, EstimateTokens: j.bill.estimate.Tokens,
		Canonical: j.canonical,
	}
}

// findReplied returns the decision that a result says it belongs to, if this very session was allowed to make the
// call. Anything else is unknown to policy.
func (e *Engine) findReplied(j *judgement) (*record, error) {
	if j.req.Action.Kind != action.KindToolResult {
		return nil, nil
	}
	r, err := e.loadRecord(j.req.Action.InReplyTo)
	switch {
	case errors.Is(err, errNoRecord):
		return nil, nil
	case err != nil:
		return nil, err
	}
	p := j.req.Principal
	called := r.Kind == action.KindToolCall || r.Kind == action.KindHTTPRequest
	same := called && r.Subject.Tenant == p.Tenant && r.Subject.Agent == p.Agent && r.Subject.Session == p.Session
	if !same || r.Effect != Allow || (j.req.Action.Tool != "" && j.req.Action.Tool != r.Tool) {
		return nil, nil
	}
	return r, nil
}

// reserve charges every limit or none. A hard limit denies here, whatever policy would say.
func (e *Engine) reserve(ctx context.Context, j *judgement) error {
	ctx, cancel := timely(ctx)
	defer cancel()
	who, want, lifted := j.subject(), j.wants(), j.limitsLifted()
	who.Sink, want.Amount = e.recipient(j)
	if j.charged != "" { // by the first answer to this request id
		want = limit.Amounts{}
	}
	err := e.Limits.Reserve(ctx, j.snapshot.Tables.LimitSet, &who, &want, limit.ReserveOptions{Approved: lifted}, &j.hold)
	j.limits = j.hold.Statuses()
	if j.hold.Local {
		j.degrade(limitsLocal)
	}
	if err != nil {
		e.observeLimits(j, err)
		e.stateFailure(j, "limits", err)
		return nil
	}
	defer func() { e.observeLimits(j, nil) }()
	j.reserved = true
	for _, s := range j.limits {
		if !s.Exceeded {
			continue
		}
		switch s.OnExceed {
		case limit.Deny:
			j.reserved = false // nothing was charged
			if s.Amnesia {
				j.deny("LIMIT_STATE_LOST", "engine.limits",
					"What was used of the limit "+s.Name+" is not known at the moment, so the action is denied.", "high")
			} else {
				j.deny("LIMIT_EXCEEDED", "engine.limits", "The limit "+s.Name+" is used up, so the action is denied.", "medium")
			}
			if wait := s.ResetsAt.Sub(j.now); wait > j.retryAfter {
				j.retryAfter = wait
			}
		case limit.RequireApproval:
			j.soft = append(j.soft, s.Name)
			j.softNo = j.softNo || !slices.Contains(lifted, s.Name)
		case limit.Alert:
			e.anomaly(j, s)
		}
	}
	return nil
}

// limitsLifted names the limits that a person has approved to pass: those that asked then. Others have to ask themselves.
func (j *judgement) limitsLifted() (names []string) {
	if j.approval == nil {
		return nil
	}
	for _, rule := range j.approval.Rules {
		if name, of := strings.CutPrefix(rule, limitsRule+"/"); of {
			names = append(names, name)
		}
	}
	return names
}

// limitsLocal says that a limit went on with what was leased before, because the shared ledger did not answer.
const limitsLocal = "limits_local"

// limitsRule is the engine's own check of limits. An approval has it with the name of each limit that asked.
const limitsRule = "engine.limits"

// anomaly raises a crossed threshold: a finding that policy can act on, a metric and an event.
func (e *Engine) anomaly(j *judgement, s limit.Status) {
	j.findings = append(j.findings, scan.Finding{
		Rule: anomalyPrefix + s.Name, Category: "suspicion", Severity: "medium", Confidence: "high", Count: 1,
	})
	e.raise(j.subject(), s)
}

func (e *Engine) raise(who limit.Subject, s limit.Status) {
	e.Observer.Anomaly(s.Name)
	e.Events.Publish(event.Event{
		Type: event.Anomaly, Tenant: who.Tenant,
		Message: "threshold " + s.Name + " crossed by agent " + who.Agent,
		Attributes: map[string]string{
			"threshold": s.Name, "agent": who.Agent, "session": who.Session, "tool": who.Tool,
			"scope": strings.Join(dimensions(s.Scope), ","),
		},
	})
}

func dimensions(scope []limit.Dimension) []string {
	out := make([]string, len(scope))
	for i, d := range scope {
		out[i] = string(d)
	}
	return out
}
