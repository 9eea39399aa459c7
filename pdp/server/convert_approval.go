package server

import (
	"strings"
	"time"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/review"
)

func approvalTo(a approval.Approval) *portcullisv1.Approval {
	return &portcullisv1.Approval{
		Id: a.ID, State: stateTo(string(a.State)), DecisionId: a.DecisionID, Sequence: a.Sequence,
		Principal: &portcullisv1.Principal{Tenant: a.Tenant, Agent: a.Agent, Session: a.Session, Run: a.Run, User: a.User},
		Kind:      kindTo(a.Kind), Tool: a.Tool, Server: a.Server, ActionDigest: a.Digest, BundleRevision: a.BundleRevision,
		Reasons:   each(a.Reasons, approvalReasonTo),
		CreatedAt: timeTo(a.Created), ExpiresAt: timeTo(a.Expires), EndedAt: timeTo(a.EndedAt),
		Quorum: int32Of(a.Quorum), Votes: each(a.Votes, voteTo),
		RedeemedAt: timeTo(a.RedeemedAt), RedeemedBy: a.RedeemedBy,
		Estimate: &portcullisv1.Usage{CostMicroUsd: a.EstimateCostMicroUSD, Tokens: a.EstimateTokens},
		Grant:    grantTo(a.Grant), Joined: int32Of(a.Joined), Withdrawn: a.Use == approval.Revoked,
		Stages: each(a.AllStages(), stageTo), Stage: int32Of(a.Stage), EditedDigest: a.EditedDigest, ApprovalsMissing: int32Of(a.Missing()),
	}
}

func approvalReasonTo(r approval.Reason) *portcullisv1.Reason {
	return &portcullisv1.Reason{Code: r.Code, Rule: r.Rule, Message: r.Message, Severity: severityTo(r.Severity)}
}

func stageTo(s approval.Stage) *portcullisv1.ApprovalStage {
	return &portcullisv1.ApprovalStage{AfterSeconds: int64(s.After / time.Second), Quorum: int32Of(s.Quorum), Groups: s.Groups, Roles: s.Roles}
}

func grantTo(g *approval.Grant) *portcullisv1.GrantStatus {
	if g == nil {
		return nil
	}
	return &portcullisv1.GrantStatus{Uses: int32Of(g.Uses), Used: int32Of(g.Used), AnySession: g.AnySession, Vary: g.Vary}
}

func voterFrom(c identity.Caller) approval.Voter {
	return approval.Voter{Subject: c.Subject, Tenant: c.Tenant, Roles: c.Roles, Person: c.Person, Groups: c.Groups}
}

func termsFrom(g *portcullisv1.Grant) *approval.Terms {
	if g == nil {
		return nil
	}
	return &approval.Terms{Uses: int(g.GetUses()), For: time.Duration(g.GetSeconds()) * time.Second, AnySession: g.GetAnySession(), Vary: g.GetVary()}
}

func voteTo(v approval.Vote) *portcullisv1.Vote {
	out := &portcullisv1.Vote{
		Subject: v.Subject, Verdict: portcullisv1.Verdict_VERDICT_REJECT, Comment: cleanComment(v.Comment), At: timeTo(v.At), Applied: v.Applied,
		Person: v.Person, EditedDigest: v.EditedDigest, Stages: each(v.Stages, int32Of),
	}
	if v.Verdict == approval.Approve {
		out.Verdict = portcullisv1.Verdict_VERDICT_APPROVE
	}
	return out
}

// verdictTo is what the asker hears. Of the votes it hears the last comment that counted.
func verdictTo(a approval.Approval, heartbeat bool) *portcullisv1.WatchVerdictResponse {
	out := &portcullisv1.WatchVerdictResponse{
		ApprovalId: a.ID, State: stateTo(string(a.State)), Sequence: a.Sequence, Heartbeat: heartbeat,
		ExpiresAt: timeTo(a.Expires), ApprovalsMissing: int32Of(a.Missing()),
	}
	for _, v := range a.Votes {
		if v.Applied {
			out.Comment = cleanComment(v.Comment)
		}
	}
	return out
}

func stateFrom(s portcullisv1.ApprovalState) approval.State {
	return approval.State(strings.ToLower(strings.TrimPrefix(s.String(), "APPROVAL_STATE_")))
}

// pageTo is a page of an action that a reviewer looks at.
func pageTo(r approval.Revealed, offset int64, revealed bool) (*portcullisv1.ReviewView, error) {
	v, err := review.Decode(r.View)
	if err != nil {
		return nil, err
	}
	page := v.Page(r.Action, offset, revealed)
	out := &portcullisv1.ReviewView{
		ActionJson: page.Text, ActionBytes: int64(len(r.Action)), Truncated: len(r.Action) > review.PageBytes,
		Offset: int64(page.Offset), NextOffset: int64(page.Next), Findings: findingsTo(v.Findings), AgentSays: v.Says,
		SessionSaw: v.SessionSaw,
	}
	for _, o := range v.Origins {
		out.Origins = append(out.Origins, &portcullisv1.ValueOrigin{Pointer: o.Pointer, Sink: o.Sink, Origins: o.Origins})
	}
	if !revealed {
		out.Masked = int32Of(len(v.Masked))
	}
	return out, nil
}
