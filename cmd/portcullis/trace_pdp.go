package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/corpus"
)

// tracedPDP is a server as a corpus sees it.
type tracedPDP struct {
	decisions pb.DecisionServiceClient
}

// tracedReviewer is the approver's side of it.
type tracedReviewer struct {
	approvals pb.ApprovalServiceClient
}

// player connects. done closes what it opened.
func (c traceCmd) player(io streams) (_ *corpus.Player, done func(), err error) {
	conn, err := c.connect(asAgent)
	if err != nil {
		return nil, nil, err
	}
	pdp := tracedPDP{pb.NewDecisionServiceClient(conn)}
	p := &corpus.Player{Decider: pdp, Oracle: c.Oracle, MaxWait: c.MaxWait}
	if !c.NoPrompt {
		p.Observer = pdp
	}
	done = func() { _ = conn.Close() }
	if c.KeepAsks {
		return p, done, nil
	}
	reviewer, err := c.reviewerConn()
	switch {
	case err == nil:
		p.Reviewer = tracedReviewer{pb.NewApprovalServiceClient(reviewer)}
		return p, func() { _, _ = reviewer.Close(), conn.Close() }, nil
	case c.Oracle:
		done()
		return nil, nil, err
	default:
		fmt.Fprintf(io.err, "no approver's credential, so asks stay open (%v)\n", err)
		return p, done, nil
	}
}

func (c traceCmd) reviewerConn() (*grpc.ClientConn, error) {
	r := c.remote
	if c.ApproverToken == "" && r.Token != "" {
		return nil, errors.New("--token is the agent's: give --approver-token as well")
	}
	r.Token = c.ApproverToken
	return r.connect(asApprover)
}

func tracedPrincipal(s corpus.Session) *pb.Principal {
	return &pb.Principal{Agent: s.Agent, Session: s.ID, Run: runName(s.Run)}
}

// runName is a row's id as the contract takes names.
func runName(id string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:@/-", r)) {
			return r
		}
		return '-'
	}, id)
	return clean[:min(len(clean), 128)]
}

// Observe tells what the user said.
func (p tracedPDP) Observe(ctx context.Context, s corpus.Session, prompt string) error {
	_, err := p.decisions.Observe(ctx, &pb.ObserveRequest{
		Principal: tracedPrincipal(s), Spans: []*pb.ObservedSpan{{Origin: pb.Origin_ORIGIN_USER, Text: prompt}},
	})
	return err
}

// Decide asks about a call.
func (p tracedPDP) Decide(ctx context.Context, s corpus.Session, c corpus.Call, approval string) (corpus.Answer, error) {
	resp, err := p.decisions.Decide(ctx, &pb.DecideRequest{
		Principal: tracedPrincipal(s),
		Action: &pb.Action{
			Kind: pb.ActionKind_ACTION_KIND_TOOL_CALL, Tool: c.Tool,
			Args: &pb.Action_ArgumentsJson{ArgumentsJson: string(c.Arguments)},
		},
		ApprovalId: approval,
	})
	if err != nil {
		return corpus.Answer{}, err
	}
	out := corpus.Answer{
		Decision: resp.GetDecisionId(), Effect: corpus.Deny,
		Approval: resp.GetApproval().GetId(), Digest: resp.GetApproval().GetActionDigest(),
	}
	for _, r := range resp.GetReasons() {
		out.Reasons = append(out.Reasons, r.GetCode())
	}
	switch resp.GetEffect() {
	case pb.Effect_EFFECT_ALLOW:
		out.Effect = corpus.Allow
	case pb.Effect_EFFECT_REQUIRE_APPROVAL:
		out.Effect = corpus.Ask
	default: // what is not known is a deny
		if busy(resp) {
			out.Busy = resp.GetRetryAfter().AsDuration()
		}
	}
	return out, nil
}

// busy is true if the call was denied for nothing but limits that other sessions use up too.
func busy(resp *pb.DecideResponse) bool {
	for _, r := range resp.GetReasons() {
		if r.GetCode() != "LIMIT_EXCEEDED" {
			return false
		}
	}
	shared := false
	for _, l := range resp.GetLimits() {
		if !l.GetExceeded() || l.GetOnExceed() != "deny" {
			continue
		}
		if slices.Contains(l.GetScope(), "session") || l.GetMeasure() != "calls" {
			return false
		}
		shared = true
	}
	return shared
}

// Result reports what came back. The answer is the server's to act on: a model would not see a result that was denied,
// and a recorded run goes on without one.
func (p tracedPDP) Result(ctx context.Context, s corpus.Session, decision, tool, text string) error {
	_, err := p.decisions.Decide(ctx, &pb.DecideRequest{
		Principal: tracedPrincipal(s),
		Action: &pb.Action{
			Kind: pb.ActionKind_ACTION_KIND_TOOL_RESULT, Tool: tool, Content: text, InReplyTo: decision,
		},
	})
	return err
}

// Succeeded reports an outcome.
func (p tracedPDP) Succeeded(ctx context.Context, decision string) error {
	_, err := p.decisions.ReportOutcome(ctx, &pb.ReportOutcomeRequest{
		DecisionId: decision, Status: pb.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED,
	})
	return err
}

// Review answers an ask. A yes that came too late is an error: the run would not be what it says.
func (r tracedReviewer) Review(ctx context.Context, approval, digest string, yes bool) error {
	verdict := pb.Verdict_VERDICT_REJECT
	if yes {
		verdict = pb.Verdict_VERDICT_APPROVE
	}
	resp, err := r.approvals.SubmitVerdict(ctx, &pb.SubmitVerdictRequest{
		ApprovalId: approval, Verdict: verdict, ExpectedDigest: digest, Comment: "portcullis trace",
	})
	if err != nil {
		return err
	}
	if yes && !resp.GetApplied() {
		return fmt.Errorf("the verdict was not applied: %s", plain(resp.GetReason()))
	}
	return nil
}
