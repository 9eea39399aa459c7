package server

import (
	"context"
	"log/slog"
	"time"

	"buf.build/go/protovalidate"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// Engine decides. Policy saying no is a Response; an error is about the request or the caller.
type Engine interface {
	Decide(ctx context.Context, caller identity.Caller, req decision.Request) (decision.Response, error)
	DecideBatch(ctx context.Context, caller identity.Caller, reqs []decision.Request) []decision.Result
	ReportOutcome(ctx context.Context, caller identity.Caller, outcome decision.Outcome) (decision.OutcomeResult, error)
	Observe(ctx context.Context, caller identity.Caller, o decision.Observation) (decision.Observed, error)
	Delegate(ctx context.Context, caller identity.Caller, d decision.Delegation) (decision.Delegated, error)
}

// decisionService is what agents and gateways call.
type decisionService struct {
	portcullisv1.UnimplementedDecisionServiceServer
	engine    Engine
	approvals Approvals
	rules     protovalidate.Validator
	heartbeat time.Duration
	stall     time.Duration
	log       *slog.Logger
}

func (s *decisionService) Decide(ctx context.Context, in *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
	req, err := requestFrom(in)
	if err != nil {
		return nil, err
	}
	caller, _ := identity.FromContext(ctx)
	resp, err := s.engine.Decide(ctx, caller, req)
	if err != nil {
		return nil, err
	}
	noteDecision(ctx, resp.DecisionID)
	return responseTo(resp), nil
}

// DecideBatch keeps the order. What is wrong with one question is that question's result and nobody else's.
func (s *decisionService) DecideBatch(ctx context.Context, in *portcullisv1.DecideBatchRequest) (*portcullisv1.DecideBatchResponse, error) {
	results := make([]*portcullisv1.BatchResult, len(in.GetRequests()))
	var reqs []decision.Request
	var places []int
	for i, q := range in.GetRequests() {
		req, err := s.question(q)
		if err != nil {
			results[i] = s.failed(ctx, err)
			continue
		}
		reqs, places = append(reqs, req), append(places, i)
	}
	if len(reqs) > 0 {
		caller, _ := identity.FromContext(ctx)
		answers := s.engine.DecideBatch(ctx, caller, reqs)
		for i, place := range places {
			switch {
			case i >= len(answers):
				results[place] = s.failed(ctx, errInternal)
			case answers[i].Err != nil:
				results[place] = s.failed(ctx, answers[i].Err)
			default:
				results[place] = &portcullisv1.BatchResult{Result: &portcullisv1.BatchResult_Response{Response: responseTo(answers[i].Response)}}
			}
		}
	}
	return &portcullisv1.DecideBatchResponse{Results: results}, nil
}

// question is what a single call goes through before the engine sees it.
func (s *decisionService) question(q *portcullisv1.DecideRequest) (decision.Request, error) {
	if err := fromRules(s.rules.Validate(q)); err != nil {
		return decision.Request{}, err
	}
	return requestFrom(q)
}

func (s *decisionService) failed(ctx context.Context, err error) *portcullisv1.BatchResult {
	f := report(ctx, s.log, portcullisv1.DecisionService_DecideBatch_FullMethodName, err)
	return &portcullisv1.BatchResult{Result: &portcullisv1.BatchResult_Error{Error: &portcullisv1.BatchError{
		Code: codeName(f.code), Reason: f.reason, Message: f.Error(),
	}}}
}

func (s *decisionService) ReportOutcome(ctx context.Context, in *portcullisv1.ReportOutcomeRequest) (*portcullisv1.ReportOutcomeResponse, error) {
	caller, _ := identity.FromContext(ctx)
	noteDecision(ctx, in.GetDecisionId())
	result, err := s.engine.ReportOutcome(ctx, caller, outcomeFrom(in))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.ReportOutcomeResponse{
		Applied: result.Applied, Charged: usageTo(result.Charged), Breakers: each(result.Breakers, breakerTo),
	}, nil
}

// Observe takes in what entered a session without a decision.
func (s *decisionService) Observe(ctx context.Context, in *portcullisv1.ObserveRequest) (*portcullisv1.ObserveResponse, error) {
	caller, _ := identity.FromContext(ctx)
	observed, err := s.engine.Observe(ctx, caller, observationFrom(in))
	if err != nil {
		return nil, err
	}
	return &portcullisv1.ObserveResponse{Whole: observed.Whole, SchemaDigests: observed.SchemaDigests}, nil
}

// Delegate hands some of the caller's rights on to another agent.
func (s *decisionService) Delegate(ctx context.Context, in *portcullisv1.DelegateRequest) (*portcullisv1.DelegateResponse, error) {
	caller, _ := identity.FromContext(ctx)
	wanted := delegationFrom(in.GetHolder(), in.GetRights())
	wanted.Principal = principalFrom(in.GetPrincipal())
	made, err := s.engine.Delegate(ctx, caller, wanted)
	if err != nil {
		return nil, err
	}
	return &portcullisv1.DelegateResponse{Token: made.Token, Id: made.ID, ExpiresAt: timeTo(made.ExpiresAt)}, nil
}
