package decision

import (
	"context"
	"errors"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// anew is an action with a reviewer's arguments, decided.
type anew struct {
	act    *action.Action
	edit   approval.Edit
	denied []approval.Reason // why policy denies it; nil if it does not
}

// applied is the approval as it would be with the edit.
func (n *anew) applied(a approval.Approval) *approval.Approval {
	a.EditedDigest, a.Reasons, a.Rules, a.Stages = n.edit.Digest, n.edit.Reasons, n.edit.Rules, n.edit.Stages
	return &a
}

// decideAnew decides what was asked for, with other arguments, as if the asker had proposed it now: all that decides looks
// at it, from the kill switches to Rego. Nothing is kept of it: the session has not done it, no call is counted, limits
// get back all but attempts. Delegation tokens are not kept with an ask, so an agent that may act only within a chain
// is denied here; redeeming decides once more, with the tokens of that request.
func (e *Engine) decideAnew(ctx context.Context, s *policy.Snapshot, a *approval.Approval, asked *action.Action, text string) (*anew, error) {
	if asked.Arguments == nil {
		return nil, editProblem("NO_ARGUMENTS", "the action has no arguments that could be changed")
	}
	arguments, err := action.ParseArguments(text, action.DefaultBounds())
	if malformed, ok := errors.AsType[*action.Error](err); ok {
		return nil, editProblem(malformed.Reason, malformed.Detail)
	} else if err != nil {
		return nil, err
	}
	act := *asked
	act.Arguments, act.ArgumentsBytes = arguments, len(text)
	j, err := e.open(identity.Caller{
		Subject: a.RequestedBy, Roles: a.Credential.Roles, Tenant: a.Tenant, Agents: []string{a.Agent},
		Method: a.Credential.Method, CredentialID: a.Credential.ID,
	}, Request{
		Principal: Principal{Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, Run: a.Run, User: a.User}, Action: act,
	}, s)
	if err != nil {
		return nil, editProblem("CANNOT_DECIDE", "the action cannot be decided anew: reject it, and let the agent ask again")
	}
	j.anew, j.replayed = true, true
	j.bill = approvedBill(a)
	ctx, cancel := timely(context.WithoutCancel(ctx))
	defer cancel()
	defer func() {
		if err := e.unsuspect(ctx, j); err != nil {
			e.Logger.Error("a probe is not released; it times out", "approval_id", a.ID, "error", err.Error())
		}
		e.giveBack(ctx, j)
		e.Outflow.Drop(j.sessionID(), j.id)
	}()
	for _, stage := range deciding {
		if err := stage.run(e, ctx, j); err != nil {
			return nil, err
		}
		if j.effect == Deny {
			return &anew{act: &act, denied: reasonsOf(j)}, nil
		}
	}
	canonical, err := j.req.Action.Canonical()
	if err != nil {
		return nil, editProblem("CANNOT_DECIDE", "the action cannot be written down")
	}
	question := j.question(canonical)
	if err := e.layDown(ctx, j, &question); err != nil {
		e.approverFailure(j, err)
		return &anew{act: &act, denied: reasonsOf(j)}, nil
	}
	return &anew{act: &act, edit: approval.Edit{
		Digest: j.digest, Action: canonical, View: question.View, Rules: question.Rules, Reasons: question.Reasons, Stages: question.Stages,
	}}, nil
}

// approvedBill is what the ask was told to cost at most; redeeming looks at the price again.
func approvedBill(a *approval.Approval) bill {
	b := bill{estimate: action.Usage{CostMicroUSD: a.EstimateCostMicroUSD, Tokens: a.EstimateTokens}, price: priceNone}
	if a.EstimateTokens > 0 {
		b.price = priceKnown
	}
	return b
}

func editProblem(reason, detail string) error {
	return &Error{Problem: Invalid, Reason: reason, Field: "edited_arguments_json", Detail: detail}
}

func reasonsOf(j *judgement) []approval.Reason {
	out := make([]approval.Reason, len(j.reasons))
	for i, r := range j.reasons {
		out[i] = approval.Reason{Code: r.Code, Rule: r.Rule, Message: r.Message, Severity: r.Severity}
	}
	return out
}

// redeeming finds the approval to redeem. If a reviewer has changed the arguments, it is the changed action that is decided
// from here on, and the answer tells the caller to carry that out.
func (e *Engine) redeeming(ctx context.Context, j *judgement) error {
	ctx, cancel := timely(ctx)
	defer cancel()
	var err error
	if j.approval, err = e.findApproval(ctx, j); err != nil {
		return e.approvalFailure(ctx, j, err)
	}
	if j.approval == nil || j.approval.EditedDigest == "" {
		return nil
	}
	raw, err := e.Approvals.Edited(ctx, j.approval.ID)
	if err != nil {
		return e.approvalFailure(ctx, j, err)
	}
	act, err := action.ReadCanonical(raw)
	if err == nil {
		var digest string
		if digest, err = act.Digest(); err == nil && digest != j.approval.EditedDigest {
			err = errors.New("the action that is kept is not the one that was approved")
		}
	}
	if err != nil {
		e.stateFailure(j, "approvals", err)
		return nil
	}
	proposed := j.req.Action
	j.proposed = &proposed
	act.CallID, act.Estimate = proposed.CallID, proposed.Estimate
	j.req.Action = *act
	return nil
}
