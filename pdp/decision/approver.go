package decision

import (
	"context"
	"slices"
	"time"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// layDown puts into a question for how long it stands and who may answer it from when on, as the approver policy says. What
// a decision of the bundle says of time and quorum can only be stricter.
func (e *Engine) layDown(ctx context.Context, j *judgement, ask *approval.Ask) error {
	a := approval.Approval{
		Tenant: ask.Tenant, Agent: ask.Agent, Session: ask.Session, Run: ask.Run, User: ask.User, Kind: ask.Kind, Tool: ask.Tool,
		Server: ask.Server, Digest: ask.Digest, Reasons: ask.Reasons, RequestedBy: ask.RequestedBy,
		RequestedByPerson: ask.RequestedByPerson, Owner: ask.Owner, EstimateCostMicroUSD: ask.EstimateCostMicroUSD, EstimateTokens: ask.EstimateTokens,
	}
	limited, cancel := context.WithTimeout(ctx, e.cfg.EvalTimeout)
	defer cancel()
	terms, err := j.snapshot.Terms(limited, reviewInput(j.snapshot, &a, &j.req.Action))
	if err != nil {
		return err
	}
	ask.TTL = time.Duration(terms.GetTtlSeconds()) * time.Second
	if j.ask.ttl > 0 {
		ask.TTL = min(ask.TTL, j.ask.ttl)
	}
	ask.Stages = stagesOf(terms, j.ask.quorum)
	return nil
}

// stagesOf reads what policy has laid down. No stage has a quorum below the least.
func stagesOf(terms *policyv1.ApprovalTerms, least int) []approval.Stage {
	out := make([]approval.Stage, len(terms.GetStages()))
	for i, s := range terms.GetStages() {
		out[i] = approval.Stage{
			After:  time.Duration(s.GetAfterSeconds()) * time.Second,
			Quorum: max(int(s.GetQuorum()), least), Groups: s.GetGroups(), Roles: s.GetRoles(),
		}
	}
	return out
}

// approverFailure denies where policy does not say who may approve.
func (e *Engine) approverFailure(j *judgement, err error) {
	e.Logger.Error("policy does not say who may approve; the action is denied",
		"decision_id", j.id, "revision", j.snapshot.Revision, "error", err.Error())
	j.deny("APPROVER_POLICY_FAILED", "engine.approval",
		"A person would have to approve this, and the policy does not say who may, so it is denied.", "high")
}

// reviewInput is what the approver policy sees of an ask. act is what would be done: with a reviewer's arguments, if there
// are any.
func reviewInput(s *policy.Snapshot, a *approval.Approval, act *action.Action) *policyv1.Input {
	profile, known := s.Tables.Profile(a.Tenant, a.Agent)
	amount, unclear := act.LargestAmount()
	review := &policyv1.Review{
		RequestedBy: approval.Fold(a.RequestedBy), RequestedByPerson: approval.Fold(a.RequestedByPerson), Owner: approval.Fold(a.Owner),
		Amount: amount, AmountUnclear: unclear, Edited: a.EditedDigest != "",
	}
	for _, r := range a.Reasons {
		review.Reasons = append(review.Reasons, &policyv1.Reason{Code: r.Code, Rule: r.Rule, Effect: "ask", Severity: r.Severity, Message: r.Message})
	}
	return &policyv1.Input{
		Principal: &policyv1.Principal{
			Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, Run: a.Run, User: a.User, Profile: profile, Known: known,
		},
		Action: &policyv1.Action{
			Kind: a.Kind, Tool: a.Tool, Server: a.Server, Digest: a.EffectiveDigest(),
			Estimate: &policyv1.Usage{CostMicroUsd: a.EstimateCostMicroUSD, Tokens: a.EstimateTokens},
		},
		Review: review,
	}
}

// voteInput is what it sees when somebody votes at a moment.
func voteInput(s *policy.Snapshot, a *approval.Approval, act *action.Action, voter approval.Voter, verdict approval.Verdict, now time.Time) *policyv1.Input {
	in := reviewInput(s, a, act)
	in.Review.ElapsedSeconds = int64(now.Sub(a.Created) / time.Second)
	in.Review.Verdict = string(verdict)
	for _, stage := range a.AllStages() {
		in.Review.Stages = append(in.Review.Stages, &policyv1.Stage{
			AfterSeconds: int64(stage.After / time.Second), Quorum: int32(stage.Quorum), Groups: stage.Groups, Roles: stage.Roles,
		})
	}
	for _, v := range a.Counting() {
		stages := make([]int32, len(v.Stages))
		for i, n := range v.Stages {
			stages[i] = int32(n)
		}
		in.Review.Votes = append(in.Review.Votes, &policyv1.Ballot{Person: approval.Fold(v.Person), Verdict: string(v.Verdict), Stages: stages})
	}
	groups := slices.Clone(voter.Groups)
	slices.Sort(groups)
	in.Review.Voter = &policyv1.Voter{
		Person: approval.Fold(voter.Named()), Subject: approval.Fold(voter.Subject), Roles: roleNames(voter.Roles), Groups: groups, Tenant: voter.Tenant,
	}
	return in
}
