package main

import (
	"context"
	"errors"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// desk is the approval queue as the server sees it: every verdict is on record.
type desk struct {
	*approval.Queue
	*program
}

// SubmitVerdict gives a verdict. It is durable before it is logged, and logged before it is answered.
func (d desk) SubmitVerdict(ctx context.Context, id string, who approval.Voter, b approval.Ballot) (approval.Result, error) {
	result, err := d.engine.SubmitVerdict(ctx, id, who, b)
	if err != nil {
		d.verdictRefused(ctx, id, who, b, err)
		return result, err
	}
	a := result.Approval
	d.record(decisionlog.Entry{Type: decisionlog.TypeVerdict, Verdict: verdictLine(ctx, id, who, b, result)})
	d.events.Publish(event.Event{
		Type: event.Verdict, Tenant: a.Tenant,
		Message: who.Named() + " said " + string(b.Verdict) + " to " + a.Tool + " of agent " + a.Agent,
		Attributes: map[string]string{
			"approval_id": id, "verdict": string(b.Verdict), "state": string(a.State), "agent": a.Agent, "tool": a.Tool,
		},
	})
	return result, nil
}

// verdictRefused puts on record who tried to decide what is not theirs to decide, or not as they saw it. An ask of another
// tenant does not exist for them, so there is nothing to tell; a form that is wrong is no verdict.
func (d desk) verdictRefused(ctx context.Context, id string, who approval.Voter, b approval.Ballot, cause error) {
	refused, ok := errors.AsType[*approval.Error](cause)
	if !ok || refused.Problem != approval.Denied && refused.Problem != approval.FailedPrecondition {
		return
	}
	a, err := d.Get(context.WithoutCancel(ctx), id) // who hangs up in time is on record all the same
	if err != nil || a.Tenant != who.Tenant {
		return
	}
	d.record(decisionlog.Entry{Type: decisionlog.TypeVerdict, Verdict: verdictLine(ctx, id, who, b, approval.Result{Approval: a, Reason: refused.Reason})})
	d.events.Publish(event.Event{
		Type: event.Verdict, Tenant: a.Tenant,
		Message: who.Named() + " may not say " + string(b.Verdict) + " to " + a.Tool + " of agent " + a.Agent + ": " + refused.Reason,
		Attributes: map[string]string{
			"approval_id": id, "refused": refused.Reason, "state": string(a.State), "agent": a.Agent, "tool": a.Tool,
		},
	})
}

// verdictLine is what the decision log keeps of a verdict.
func verdictLine(ctx context.Context, id string, who approval.Voter, b approval.Ballot, result approval.Result) *decisionlog.Verdict {
	a := result.Approval
	caller, _ := identity.FromContext(ctx)
	line := &decisionlog.Verdict{
		ApprovalID: id, DecisionID: a.DecisionID, Principal: principalOf(a), Tool: a.Tool, ActionDigest: a.Digest,
		Caller: decisionlog.Caller{Subject: who.Subject, CredentialID: caller.CredentialID, Method: caller.Method, Via: caller.Via}, Person: who.Named(),
		Verdict: string(b.Verdict), Applied: result.Applied, Reason: result.Reason, State: string(a.State), Comment: b.Comment,
		Edited: b.EditedArguments != "", EditedDigest: a.EditedDigest,
	}
	if t := b.Terms; t != nil {
		line.Grant = &decisionlog.Grant{Uses: int32(t.Uses), Seconds: int64(t.For / time.Second), AnySession: t.AnySession, Vary: t.Vary}
	}
	for _, r := range who.Roles {
		line.Caller.Roles = append(line.Caller.Roles, string(r))
	}
	return line
}

// RecordReveal writes down who looked at what is masked. What could not be written down is not shown.
func (d desk) RecordReveal(ctx context.Context, who identity.Caller, a approval.Approval, offset int64, reason string) error {
	err := d.decisions.Append(ctx, decisionlog.Entry{Type: decisionlog.TypeAdmin, Admin: &decisionlog.Admin{
		Caller: decisionlog.Caller{Subject: who.Subject, CredentialID: who.CredentialID, Method: who.Method, Via: who.Via},
		Act:    "approval_revealed", Reason: reason, Applied: true, Affected: 1,
		Target: decisionlog.Target{Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, Tool: a.Tool, ApprovalID: a.ID},
	}})
	if err != nil {
		d.log.Error("a reveal could not be recorded, and was refused", "approval_id", a.ID, "offset", offset, "error", err.Error())
		return approval.Unrecorded(err)
	}
	d.events.Publish(event.Event{
		Type: event.Verdict, Tenant: a.Tenant, Message: who.Subject + " looked at what is masked in an ask for " + a.Tool + " of agent " + a.Agent,
		Attributes: map[string]string{"approval_id": a.ID, "act": "revealed", "agent": a.Agent, "tool": a.Tool},
	})
	return nil
}

// Withdraw ends what is pending or not used up.
func (d desk) Withdraw(ctx context.Context, who identity.Caller, a approval.Approval, reason string) (approval.Result, error) {
	result, err := d.Cancel(ctx, a.ID, who.Subject+": "+reason)
	affected := int64(0)
	if result.Applied {
		affected = 1
	}
	d.acted(who, "approval_withdrawn", decisionlog.Target{Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, Tool: a.Tool, ApprovalID: a.ID}, reason, affected, err)
	return result, err
}

// followAgain is how long to wait before following the approvals again after the stream broke.
const followAgain = time.Second

// followApprovals records what becomes of approvals without a verdict: asked, redeemed, run out, withdrawn.
func (p *program) followApprovals(ctx context.Context) {
	var cursor uint64
	for ctx.Err() == nil {
		changes, err := p.approvals.WatchAll(ctx, approval.Filter{}, cursor, nil)
		if err == nil {
			for e, broken := range changes {
				if err = broken; err != nil {
					break
				}
				if e.Cursor > 0 {
					cursor = e.Cursor
					p.approvalChanged(e.Approval)
				}
			}
		}
		if ctx.Err() != nil {
			return
		}
		p.log.Error("approvals are not followed for a moment", "error", err)
		if errors.Is(err, approval.ErrCursor) { // what is older than the replay window is missing in the decision log
			cursor = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
}

func (p *program) approvalChanged(a approval.Approval) {
	var change string
	at := a.EndedAt
	switch {
	case a.Use != approval.Unused:
		change, at = string(a.Use), a.RedeemedAt
	case a.State == approval.Expired, a.State == approval.Cancelled:
		change = string(a.State)
	case a.Sequence == 1:
		change, at = "created", a.Created
	case !a.StageOpened.IsZero():
		change, at = "stage_opened", a.StageOpened
	default: // a verdict, which has a line of its own
		return
	}
	p.record(decisionlog.Entry{Type: decisionlog.TypeApproval, Time: at, Approval: &decisionlog.Approval{
		ApprovalID: a.ID, DecisionID: a.DecisionID, Principal: principalOf(a), Tool: a.Tool, ActionDigest: a.Digest,
		BundleRevision: a.BundleRevision, Change: change, State: string(a.State), Cause: a.Cause, Quorum: int32(a.Quorum),
	}})
	if change == string(approval.Expired) || change == string(approval.Cancelled) {
		p.events.Publish(event.Event{
			Type: event.Verdict, Tenant: a.Tenant, Message: "ask for " + a.Tool + " of agent " + a.Agent + " " + change,
			Attributes: map[string]string{"approval_id": a.ID, "state": string(a.State), "agent": a.Agent, "tool": a.Tool},
		})
	}
}

func principalOf(a approval.Approval) decisionlog.Principal {
	return decisionlog.Principal{Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, Run: a.Run, User: a.User}
}
