package server

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// Approvals is the queue of what people are asked: pdp/approval's. What it finds by an id may be another tenant's; the
// handlers look at that before they show or change anything.
type Approvals interface {
	Get(ctx context.Context, id string) (approval.Approval, error)
	Reveal(ctx context.Context, id string) (approval.Revealed, error)
	// RecordReveal writes down who looked at what is masked, and why. It is durable when it returns nil.
	RecordReveal(ctx context.Context, caller identity.Caller, a approval.Approval, offset int64, reason string) error
	List(ctx context.Context, f approval.Filter, pageSize int, pageToken string) ([]approval.Approval, string, error)
	// Withdraw ends what is pending or not used up, and is on record.
	Withdraw(ctx context.Context, caller identity.Caller, a approval.Approval, reason string) (approval.Result, error)
	// Attend says that somebody who may vote watches, until leave is called.
	Attend(tenant string) (leave func())
	SubmitVerdict(ctx context.Context, id string, voter approval.Voter, ballot approval.Ballot) (approval.Result, error)
	Watch(ctx context.Context, id string, after uint64, beat <-chan time.Time) (iter.Seq2[approval.Event, error], error)
	WatchAll(ctx context.Context, f approval.Filter, cursor uint64, beat <-chan time.Time) (iter.Seq2[approval.Event, error], error)
}

const defaultPageSize = 50

// approvalService is what people call.
type approvalService struct {
	portcullisv1.UnimplementedApprovalServiceServer
	approvals Approvals
	rules     protovalidate.Validator
	heartbeat time.Duration
	stall     time.Duration
	log       *slog.Logger
}

func (s *approvalService) ListApprovals(ctx context.Context, in *portcullisv1.ListApprovalsRequest) (*portcullisv1.ListApprovalsResponse, error) {
	tenant, err := ownTenant(ctx, "")
	if err != nil {
		return nil, err
	}
	filter := approval.Filter{Tenant: tenant, Agent: in.GetAgent(), Tool: in.GetTool()}
	for _, state := range in.GetStates() {
		if state == portcullisv1.ApprovalState_APPROVAL_STATE_UNSPECIFIED {
			return nil, invalid("INVALID_FIELD", "states", "holds an unspecified state")
		}
		filter.States = append(filter.States, stateFrom(state))
	}
	page, next, err := s.approvals.List(ctx, filter, cmp.Or(int(in.GetPageSize()), defaultPageSize), in.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &portcullisv1.ListApprovalsResponse{Approvals: each(page, approvalTo), NextPageToken: next}, nil
}

// GetApproval shows what the reviewer must see as long as there is something to decide; after that, the record alone.
func (s *approvalService) GetApproval(ctx context.Context, in *portcullisv1.GetApprovalRequest) (*portcullisv1.GetApprovalResponse, error) {
	tenant, err := ownTenant(ctx, "")
	if err != nil {
		return nil, err
	}
	found, err := ofTenant(ctx, s.approvals, tenant, in.GetApprovalId())
	if err != nil {
		return nil, err
	}
	revealed, err := s.approvals.Reveal(ctx, found.ID)
	if errors.Is(err, approval.ErrEnded) {
		return &portcullisv1.GetApprovalResponse{Approval: approvalTo(found)}, nil
	}
	if err != nil {
		return nil, err
	}
	view, err := pageTo(revealed, in.GetOffset(), false)
	if err != nil {
		return nil, err
	}
	return &portcullisv1.GetApprovalResponse{Approval: approvalTo(revealed.Approval), View: view}, nil
}

// RevealApproval shows a page with nothing masked. It is on record before it is answered.
func (s *approvalService) RevealApproval(ctx context.Context, in *portcullisv1.RevealApprovalRequest) (*portcullisv1.RevealApprovalResponse, error) {
	caller, _ := identity.FromContext(ctx)
	reason := cleanComment(in.GetReason())
	if strings.TrimSpace(reason) == "" {
		return nil, invalid("INVALID_FIELD", "reason", "is empty")
	}
	found, err := ofTenant(ctx, s.approvals, caller.Tenant, in.GetApprovalId())
	if err != nil {
		return nil, err
	}
	revealed, err := s.approvals.Reveal(ctx, found.ID)
	if err != nil {
		return nil, err
	}
	view, err := pageTo(revealed, in.GetOffset(), true)
	if err != nil {
		return nil, err
	}
	if err := s.approvals.RecordReveal(ctx, caller, revealed.Approval, in.GetOffset(), reason); err != nil {
		return nil, err
	}
	return &portcullisv1.RevealApprovalResponse{View: view}, nil
}

// ofTenant finds an approval. For a tenant, those of others do not exist.
func ofTenant(ctx context.Context, approvals Approvals, tenant, id string) (approval.Approval, error) {
	found, err := approvals.Get(ctx, id)
	if err == nil && (tenant == "" || found.Tenant != tenant) {
		return approval.Approval{}, approval.ErrNotFound
	}
	return found, err
}

func (s *approvalService) SubmitVerdict(ctx context.Context, in *portcullisv1.SubmitVerdictRequest) (*portcullisv1.SubmitVerdictResponse, error) {
	caller, _ := identity.FromContext(ctx)
	verdict := approval.Reject
	if in.GetVerdict() == portcullisv1.Verdict_VERDICT_APPROVE {
		verdict = approval.Approve
	}
	result, err := s.approvals.SubmitVerdict(ctx, in.GetApprovalId(), voterFrom(caller), approval.Ballot{
		Verdict: verdict, Comment: cleanComment(in.GetComment()), ExpectedDigest: in.GetExpectedDigest(), Terms: termsFrom(in.GetGrant()),
		EditedArguments: in.GetEditedArgumentsJson(), SeenInFull: in.GetSeenInFull(),
	})
	if err != nil {
		return nil, err
	}
	return &portcullisv1.SubmitVerdictResponse{
		Applied: result.Applied, Approval: approvalTo(result.Approval), Reason: result.Reason, Reasons: each(result.Reasons, approvalReasonTo),
	}, nil
}

// SubmitVerdicts gives verdicts one after another, each as if it had been alone. A verdict on many that does not name what
// it is for would be a yes to whatever is there.
func (s *approvalService) SubmitVerdicts(ctx context.Context, in *portcullisv1.SubmitVerdictsRequest) (*portcullisv1.SubmitVerdictsResponse, error) {
	out := &portcullisv1.SubmitVerdictsResponse{}
	for _, verdict := range in.GetVerdicts() {
		if err := ctx.Err(); err != nil {
			return nil, err // those before stand: giving them again changes nothing
		}
		var resp *portcullisv1.SubmitVerdictResponse
		err := fromRules(s.rules.Validate(verdict))
		if err == nil && verdict.GetExpectedDigest() == "" {
			err = approval.ErrDigestNeeded
		}
		if err == nil {
			resp, err = s.SubmitVerdict(ctx, verdict)
		}
		if err != nil {
			f := report(ctx, s.log, portcullisv1.ApprovalService_SubmitVerdicts_FullMethodName, err)
			out.Results = append(out.Results, &portcullisv1.VerdictResult{Result: &portcullisv1.VerdictResult_Error{Error: &portcullisv1.VerdictError{
				Code: codeName(f.code), Reason: f.reason, Message: f.Error(),
			}}})
			continue
		}
		out.Results = append(out.Results, &portcullisv1.VerdictResult{Result: &portcullisv1.VerdictResult_Response{Response: resp}})
	}
	return out, nil
}

// CancelApproval withdraws what is pending, or approved and not used up.
func (s *approvalService) CancelApproval(ctx context.Context, in *portcullisv1.CancelApprovalRequest) (*portcullisv1.CancelApprovalResponse, error) {
	caller, _ := identity.FromContext(ctx)
	found, err := ofTenant(ctx, s.approvals, caller.Tenant, in.GetApprovalId())
	if err != nil {
		return nil, err
	}
	result, err := s.approvals.Withdraw(ctx, caller, found, cleanComment(in.GetReason()))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.CancelApprovalResponse{Applied: result.Applied, Approval: approvalTo(result.Approval), Reason: result.Reason}, nil
}

func (s *approvalService) WatchApprovals(in *portcullisv1.WatchApprovalsRequest, stream grpc.ServerStreamingServer[portcullisv1.WatchApprovalsResponse]) error {
	ctx := stream.Context()
	tenant, err := ownTenant(ctx, "")
	if err != nil {
		return err
	}
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	if caller, _ := identity.FromContext(ctx); identity.Allowed(caller, identity.RoleApprover) {
		defer s.approvals.Attend(tenant)()
	}
	events, err := s.approvals.WatchAll(ctx, approval.Filter{Tenant: tenant}, in.GetAfterCursor(), beat.C)
	if err != nil {
		return err
	}
	return deliver(stream, s.stall, func(out *outbox[portcullisv1.WatchApprovalsResponse]) error {
		last := in.GetAfterCursor()
		for e, err := range events {
			if err != nil {
				if draining(ctx) {
					_ = out.send(&portcullisv1.WatchApprovalsResponse{Cursor: last, Heartbeat: true, Draining: true}, last)
				}
				return err
			}
			m := &portcullisv1.WatchApprovalsResponse{Cursor: e.Cursor, Heartbeat: e.Heartbeat}
			if !e.Heartbeat {
				m.Approval = approvalTo(e.Approval)
			}
			if err := out.send(m, e.Cursor); err != nil {
				return err
			}
			last = max(last, e.Cursor)
		}
		return nil
	})
}

// draining says whether the stream ends because the server is about to stop.
func draining(ctx context.Context) bool { return errors.Is(context.Cause(ctx), error(errDraining)) }

// WatchVerdict is for those whom the ask concerns: the credential that asked, as long as it may speak for the agent,
// and the people of the tenant. To everybody else there is no such approval.
func (s *decisionService) WatchVerdict(in *portcullisv1.WatchVerdictRequest, stream grpc.ServerStreamingServer[portcullisv1.WatchVerdictResponse]) error {
	ctx := stream.Context()
	caller, _ := identity.FromContext(ctx)
	found, err := ofTenant(ctx, s.approvals, caller.Tenant, in.GetApprovalId())
	if err != nil {
		return err
	}
	if !concerns(caller, found) {
		return approval.ErrNotFound
	}
	noteDecision(ctx, found.DecisionID)
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	events, err := s.approvals.Watch(ctx, found.ID, in.GetAfterSequence(), beat.C)
	if err != nil {
		return err
	}
	return deliver(stream, s.stall, func(out *outbox[portcullisv1.WatchVerdictResponse]) error {
		last, sent := found, in.GetAfterSequence()
		for e, err := range events {
			if err != nil {
				if draining(ctx) {
					m := verdictTo(last, true)
					m.Sequence, m.Draining = sent, true
					_ = out.send(m, sent)
				}
				return err
			}
			if !e.Heartbeat {
				last = e.Approval
			}
			if err := out.send(verdictTo(last, e.Heartbeat), last.Sequence); err != nil {
				return err
			}
			sent = last.Sequence
		}
		return nil
	})
}

func concerns(caller identity.Caller, a approval.Approval) bool {
	if a.Tenant != caller.Tenant {
		return false
	}
	if identity.Allowed(caller, machines...) {
		return caller.Subject == a.RequestedBy && caller.MaySpeakFor(a.Tenant, a.Agent)
	}
	return identity.Allowed(caller, reviewers...)
}
