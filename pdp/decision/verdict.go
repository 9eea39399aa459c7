package decision

import (
	"context"
	"errors"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// maxLooks is how often a verdict is ruled on anew because somebody else voted in between. Each time one of the votes
// before it was written down, and an ask ends after a bounded number of those.
const maxLooks = 100

// SubmitVerdict gives a person's verdict, if the approver policy that is live now lets them. A yes is ruled on as the ask
// stands, and written down only if it still stands so. Arguments that a reviewer changed are decided anew, from scratch:
// where policy denies them nothing is changed, and Result has the reasons.
//
// Errors are *approval.Error: besides those of the queue, Denied where policy does not let this person vote (with the
// policy's own code) or fails (APPROVER_POLICY_FAILED), and ErrPolicyChanged.
func (e *Engine) SubmitVerdict(ctx context.Context, id string, voter approval.Voter, b approval.Ballot) (approval.Result, error) {
	for range maxLooks {
		result, err := e.rule(ctx, id, voter, b)
		if !errors.Is(err, approval.ErrMoved) {
			if err == nil {
				e.tempo(voter, &result.Approval)
			}
			return result, err
		}
		if err := ctx.Err(); err != nil {
			return approval.Result{}, err
		}
	}
	return approval.Result{}, approval.ErrMoved
}

// rule looks at the ask as it stands, asks policy about the voter, and hands the ballot in.
func (e *Engine) rule(ctx context.Context, id string, voter approval.Voter, b approval.Ballot) (approval.Result, error) {
	a, err := e.Approvals.Get(ctx, id)
	if err != nil {
		return approval.Result{}, err
	}
	if err := voter.Eligible(&a, &b); err != nil {
		return approval.Result{}, err
	}
	if a.State != approval.Pending { // too late: it is recorded, and counts for nothing
		b.EditedArguments, b.Edit = "", nil
		return e.Approvals.SubmitVerdict(ctx, id, voter, b)
	}
	snapshot, err := e.Policies.Active()
	if err != nil {
		return approval.Result{}, approverPolicyFailed
	}
	if b.Verdict == approval.Approve && snapshot.Revision != a.BundleRevision {
		return approval.Result{}, approval.ErrPolicyChanged
	}
	revealed, err := e.Approvals.Reveal(ctx, id)
	if errors.Is(err, approval.ErrEnded) || err == nil && revealed.Approval.Sequence != a.Sequence {
		return approval.Result{}, approval.ErrMoved
	} else if err != nil {
		return approval.Result{}, err
	}
	act, err := action.ReadCanonical(revealed.Action)
	if err != nil {
		return approval.Result{}, approval.Damaged(err)
	}
	b.Sequence = a.Sequence
	if b.Stages, err = e.mayVote(ctx, snapshot, &a, act, voter, b.Verdict); err != nil {
		return approval.Result{}, err
	}
	if b.EditedArguments == "" {
		return e.Approvals.SubmitVerdict(ctx, id, voter, b)
	}
	anew, err := e.decideAnew(ctx, snapshot, &a, act, b.EditedArguments)
	if err != nil {
		return approval.Result{}, err
	}
	if anew.denied != nil {
		return approval.Result{Approval: a, Reason: "EDIT_DENIED", Reasons: anew.denied}, nil
	}
	// Who may approve the one need not be among those who may approve the other.
	b.Edit = &anew.edit
	if b.Stages, err = e.mayVote(ctx, snapshot, anew.applied(a), anew.act, voter, b.Verdict); err != nil {
		return approval.Result{}, err
	}
	return e.Approvals.SubmitVerdict(ctx, id, voter, b)
}

var approverPolicyFailed = &approval.Error{
	Problem: approval.Denied, Reason: "APPROVER_POLICY_FAILED", Detail: "the policy does not say who may approve this, so nobody may",
}

// mayVote asks policy, and returns the stages that a yes counts for.
func (e *Engine) mayVote(ctx context.Context, s *policy.Snapshot, a *approval.Approval, act *action.Action, voter approval.Voter, verdict approval.Verdict) ([]int, error) {
	limited, cancel := context.WithTimeout(ctx, e.cfg.EvalTimeout)
	defer cancel()
	ruling, err := e.Evaluator.Vote(limited, s, voteInput(s, a, act, voter, verdict, e.Approvals.Now()))
	if err != nil {
		e.Logger.Error("policy does not say who may approve; the verdict is refused", "approval_id", a.ID, "revision", s.Revision, "error", err.Error())
		return nil, approverPolicyFailed
	}
	if !ruling.GetMayVote() {
		refused := *approval.ErrNotAsked
		if code := ruling.GetCode(); code != "" {
			refused.Reason = code
		}
		if message := ruling.GetMessage(); message != "" {
			refused.Detail = message
		}
		return nil, &refused
	}
	stages := []int{} // not nil: policy has spoken
	for _, n := range ruling.GetStages() {
		if n >= 0 && !slices.Contains(stages, int(n)) {
			stages = append(stages, int(n))
		}
	}
	return stages, nil
}
