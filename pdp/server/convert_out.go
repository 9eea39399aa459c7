package server

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// responseTo translates an answer. An effect that this package does not know is a deny.
func responseTo(r decision.Response) *portcullisv1.DecideResponse {
	out := &portcullisv1.DecideResponse{
		DecisionId: r.DecisionID, Effect: portcullisv1.Effect_EFFECT_DENY,
		Reasons: reasonsTo(r.Reasons), Obligations: obligationsTo(r.Obligations), Limits: each(r.Limits, limitTo),
		Degraded: r.Degraded, ExpiresAt: timeTo(r.ExpiresAt), ActionDigest: r.ActionDigest,
		BundleRevision: r.BundleRevision, Findings: findingsTo(r.Findings), Estimate: usageTo(r.Estimate),
	}
	switch r.Effect {
	case decision.Allow:
		out.Effect = portcullisv1.Effect_EFFECT_ALLOW
	case decision.RequireApproval:
		out.Effect = portcullisv1.Effect_EFFECT_REQUIRE_APPROVAL
	case decision.Deny:
	}
	if r.RetryAfter > 0 {
		out.RetryAfter = durationpb.New(r.RetryAfter)
	}
	if t := r.Approval; t != nil {
		out.Approval = &portcullisv1.ApprovalTicket{
			Id: t.ID, ActionDigest: r.ActionDigest, ExpiresAt: timeTo(t.ExpiresAt), Quorum: int32Of(t.Quorum), State: stateTo(t.State), EditedDigest: t.EditedDigest,
			RequestState: t.RequestState,
		}
	}
	if m := r.Memory; m != nil {
		out.Memory = &portcullisv1.MemoryGrant{
			Seal: m.Seal, ExpiresAt: timeTo(m.ExpiresAt), Labels: m.Labels, Sequence: m.Sequence, Untrusted: m.Untrusted,
		}
	}
	if e := r.Effective; e != nil {
		out.EffectiveArgumentsJson, out.EffectiveContent, out.EffectiveHttp = e.ArgumentsJSON, e.Content, httpTo(e.HTTP)
	}
	return out
}

func httpTo(h *action.HTTPRequest) *portcullisv1.HttpRequest {
	if h == nil {
		return nil
	}
	out := &portcullisv1.HttpRequest{Method: h.Method, Url: h.URL, Body: h.Body}
	for _, header := range h.Headers {
		out.Headers = append(out.Headers, &portcullisv1.HttpHeader{Name: header.Name, Value: header.Value})
	}
	return out
}

func reasonsTo(reasons []decision.Reason) []*portcullisv1.Reason {
	return each(reasons, func(r decision.Reason) *portcullisv1.Reason {
		return &portcullisv1.Reason{
			Code: r.Code, Rule: r.Rule, Message: r.Message, Severity: severityTo(r.Severity), Findings: findingsTo(r.Findings),
		}
	})
}

func obligationsTo(obligations []decision.Obligation) []*portcullisv1.Obligation {
	return each(obligations, func(o decision.Obligation) *portcullisv1.Obligation {
		out := &portcullisv1.Obligation{Id: o.ID, Type: o.Type}
		for _, key := range slices.Sorted(maps.Keys(o.Properties)) {
			out.Properties = append(out.Properties, &portcullisv1.ObligationProperty{Key: key, Value: o.Properties[key]})
		}
		return out
	})
}

func findingsTo(findings []scan.Finding) []*portcullisv1.Finding {
	return each(findings, func(f scan.Finding) *portcullisv1.Finding {
		return &portcullisv1.Finding{
			Rule: f.Rule, Category: f.Category, Severity: severityTo(f.Severity), Confidence: f.Confidence,
			Pointer: f.Pointer, Count: f.Count, Fingerprint: f.Fingerprint,
		}
	})
}

func limitTo(l limit.Status) *portcullisv1.LimitStatus {
	return &portcullisv1.LimitStatus{
		Name: l.Name, Scope: names(l.Scope), Measure: string(l.Measure), Used: l.Used, Max: l.Max, WindowSeconds: l.WindowSeconds,
		ResetsAt: stampOf(l.ResetsAt), Exceeded: l.Exceeded, OnExceed: string(l.OnExceed), Period: string(cmp.Or(l.Period, limit.Window)),
	}
}

func breakerTo(b breaker.Status) *portcullisv1.BreakerStatus {
	return &portcullisv1.BreakerStatus{Name: b.Name, State: string(b.State), Failures: b.Failures, RetryAt: stampOf(b.RetryAt), Key: b.Key}
}

func usageTo(u action.Usage) *portcullisv1.Usage {
	return &portcullisv1.Usage{
		CostMicroUsd: u.CostMicroUSD, Tokens: u.Tokens, Model: u.Model, InputTokens: u.InputTokens, OutputTokens: u.OutputTokens,
	}
}

// kindTo is the contract's value of a kind.
func kindTo(kind string) portcullisv1.ActionKind {
	return portcullisv1.ActionKind(portcullisv1.ActionKind_value["ACTION_KIND_"+strings.ToUpper(kind)])
}

func stateTo(state string) portcullisv1.ApprovalState {
	return portcullisv1.ApprovalState(portcullisv1.ApprovalState_value["APPROVAL_STATE_"+strings.ToUpper(state)])
}

func severityTo(severity string) portcullisv1.Severity {
	return portcullisv1.Severity(portcullisv1.Severity_value["SEVERITY_"+strings.ToUpper(severity)])
}

// timeTo is unset for the zero time.
func timeTo(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// stampOf is empty for the zero time.
func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// int32Of keeps counts inside what the contract can say.
func int32Of(n int) int32 {
	return int32(min(max(n, -1<<31), 1<<31-1))
}

func each[In, Out any](in []In, f func(In) Out) []Out {
	if in == nil {
		return nil
	}
	out := make([]Out, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

func names[S ~string](in []S) []string {
	return each(in, func(s S) string { return string(s) })
}
