package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

func TestDecideTranslatesBothWays(t *testing.T) {
	var got decision.Request
	var who identity.Caller
	expires := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := start(t, func(_ *Config, r *rig) {
		r.engine.decide = func(_ context.Context, c identity.Caller, req decision.Request) (decision.Response, error) {
			got, who = req, c
			return decision.Response{
				DecisionID: "d-9", Effect: decision.RequireApproval, ActionDigest: "pc1:ab", BundleRevision: "r2", ExpiresAt: expires,
				Reasons:     []decision.Reason{{Code: "C", Rule: "R", Message: "M", Severity: "high", Findings: []scan.Finding{{Rule: "f", Severity: "critical", Count: 2}}}},
				Obligations: []decision.Obligation{{ID: "o", Type: "t", Properties: map[string]string{"b": "2", "a": "1"}}},
				Approval:    &decision.Ticket{ID: "ap", State: "pending", ExpiresAt: expires, Quorum: 2},
				RetryAfter:  time.Minute, Degraded: []string{"unscanned"},
				Memory:   &decision.MemoryGrant{Seal: "s", ExpiresAt: expires, Labels: []string{"l"}},
				Estimate: action.Usage{CostMicroUSD: 9, Tokens: 7, Model: "m/1", InputTokens: 4, OutputTokens: 2},
			}, nil
		}
	})
	q := toolCall()
	q.RequestId, q.ApprovalId = "req", "018f"
	q.Principal.User, q.Principal.Delegation = "u", []string{"tok"}
	q.Action.CallId, q.Action.Server, q.Action.Estimate = "call", "srv", &portcullisv1.Usage{CostMicroUsd: 5, Tokens: 6, Model: "m/1", InputTokens: 4, OutputTokens: 2}
	out, err := r.decisions().Decide(r.as("agent"), q)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case who.Subject != "agent" || who.Tenant != "default":
		t.Errorf("caller %+v", who)
	case got.RequestID != "req" || got.ApprovalID != "018f" || got.Principal.User != "u" || len(got.Principal.Delegation) != 1:
		t.Errorf("request %+v", got)
	case got.Action.Kind != action.KindToolCall || got.Action.Tool != "calculator" || got.Action.Estimate != (action.Usage{CostMicroUSD: 5, Tokens: 6, Model: "m/1", InputTokens: 4, OutputTokens: 2}):
		t.Errorf("action %+v", got.Action)
	case fmt.Sprint(got.Action.Arguments) != "map[expression:6*7]" || got.Action.ArgumentsBytes != len(`{"expression":"6*7"}`):
		t.Errorf("arguments %v (%d bytes)", got.Action.Arguments, got.Action.ArgumentsBytes)
	}
	switch {
	case out.GetEffect() != portcullisv1.Effect_EFFECT_REQUIRE_APPROVAL || out.GetDecisionId() != "d-9":
		t.Errorf("answer %v", out)
	case out.GetReasons()[0].GetSeverity() != portcullisv1.Severity_SEVERITY_HIGH || out.GetReasons()[0].GetFindings()[0].GetSeverity() != portcullisv1.Severity_SEVERITY_CRITICAL:
		t.Errorf("reasons %v", out.GetReasons())
	case out.GetObligations()[0].GetProperties()[0].GetKey() != "a":
		t.Errorf("obligations %v", out.GetObligations())
	case out.GetApproval().GetState() != portcullisv1.ApprovalState_APPROVAL_STATE_PENDING || out.GetApproval().GetQuorum() != 2 || out.GetApproval().GetActionDigest() != "pc1:ab":
		t.Errorf("ticket %v", out.GetApproval())
	case !out.GetExpiresAt().AsTime().Equal(expires) || out.GetRetryAfter().AsDuration() != time.Minute || out.GetMemory().GetSeal() != "s":
		t.Errorf("times %v", out)
	case usageFrom(out.GetEstimate()) != (action.Usage{CostMicroUSD: 9, Tokens: 7, Model: "m/1", InputTokens: 4, OutputTokens: 2}):
		t.Errorf("estimate %v", out.GetEstimate())
	}
}

func TestWhatAnObligationChangedIsHandedOn(t *testing.T) {
	got := responseTo(decision.Response{Effect: decision.Allow, Effective: &decision.Effective{
		ArgumentsJSON: `{"a":"redacted"}`, Content: "c",
		HTTP: &action.HTTPRequest{Method: "POST", URL: "u", Body: "b", Headers: []action.Header{{Name: "n", Value: "v"}}},
	}})
	h := got.GetEffectiveHttp()
	if got.GetEffectiveArgumentsJson() != `{"a":"redacted"}` || got.GetEffectiveContent() != "c" || h.GetMethod() != "POST" || h.GetUrl() != "u" ||
		h.GetBody() != "b" || h.GetHeaders()[0].GetName() != "n" || h.GetHeaders()[0].GetValue() != "v" {
		t.Errorf("got %v", got)
	}
	if got := responseTo(decision.Response{Effect: decision.Allow}); got.GetEffectiveHttp() != nil || got.GetEffectiveArgumentsJson() != "" {
		t.Errorf("got %v", got)
	}
}

func TestAnUnknownEffectIsADeny(t *testing.T) {
	for _, effect := range []decision.Effect{"", "maybe", "ALLOW"} {
		if got := responseTo(decision.Response{Effect: effect}).GetEffect(); got != portcullisv1.Effect_EFFECT_DENY {
			t.Errorf("%q became %v", effect, got)
		}
	}
}

// TestBadFieldsAreNamed changes one thing of a good question at a time.
func TestBadFieldsAreNamed(t *testing.T) {
	args := func(text string) func(*portcullisv1.DecideRequest) {
		return func(q *portcullisv1.DecideRequest) {
			q.Action.Args = &portcullisv1.Action_ArgumentsJson{ArgumentsJson: text}
		}
	}
	structArgs := func(v *structpb.Value) func(*portcullisv1.DecideRequest) {
		return func(q *portcullisv1.DecideRequest) {
			q.Action.Args = &portcullisv1.Action_Arguments{Arguments: &structpb.Struct{Fields: map[string]*structpb.Value{"x": v}}}
		}
	}
	kind := func(k portcullisv1.ActionKind) func(*portcullisv1.DecideRequest) {
		return func(q *portcullisv1.DecideRequest) { q.Action = &portcullisv1.Action{Kind: k} }
	}
	cases := []struct {
		name, reason, field string
		spoil               func(*portcullisv1.DecideRequest)
	}{
		{"no principal", "INVALID_FIELD", "principal", func(q *portcullisv1.DecideRequest) { q.Principal = nil }},
		{"no action", "INVALID_FIELD", "action", func(q *portcullisv1.DecideRequest) { q.Action = nil }},
		{"no session", "INVALID_FIELD", "principal.session", func(q *portcullisv1.DecideRequest) { q.Principal.Session = "" }},
		{"odd agent", "INVALID_FIELD", "principal.agent", func(q *portcullisv1.DecideRequest) { q.Principal.Agent = "a b" }},
		{"huge request id", "INVALID_FIELD", "request_id", func(q *portcullisv1.DecideRequest) { q.RequestId = strings.Repeat("x", 129) }},
		{"unknown kind", "INVALID_FIELD", "action.kind", func(q *portcullisv1.DecideRequest) { q.Action.Kind = 99 }},
		{"too much money", "INVALID_FIELD", "action.estimate.cost_micro_usd", func(q *portcullisv1.DecideRequest) { q.Action.Estimate = &portcullisv1.Usage{CostMicroUsd: 1e15 + 1} }},
		{"negative tokens", "INVALID_FIELD", "action.estimate.input_tokens", func(q *portcullisv1.DecideRequest) { q.Action.Estimate = &portcullisv1.Usage{InputTokens: -1} }},
		{"too many tokens", "INVALID_FIELD", "action.estimate.output_tokens", func(q *portcullisv1.DecideRequest) {
			q.Action.Estimate = &portcullisv1.Usage{OutputTokens: 1e12 + 1}
		}},
		{"odd model", "INVALID_FIELD", "action.estimate.model", func(q *portcullisv1.DecideRequest) { q.Action.Estimate = &portcullisv1.Usage{Model: "a b"} }},
		{"negative cost", "INVALID_FIELD", "action.estimate.cost_micro_usd", func(q *portcullisv1.DecideRequest) { q.Action.Estimate = &portcullisv1.Usage{CostMicroUsd: -1} }},
		{"tool call without a tool", "FIELD_REQUIRED", "action.tool", func(q *portcullisv1.DecideRequest) { q.Action.Tool = "" }},
		{"NUL in a tool", "CONTROL_CHARACTER", "action.tool", func(q *portcullisv1.DecideRequest) { q.Action.Tool = "send\x00email" }},
		{"line break in a server", "CONTROL_CHARACTER", "action.server", func(q *portcullisv1.DecideRequest) { q.Action.Server = "a\nb" }},
		{"memory on a tool call", "FIELD_NOT_ALLOWED", "action.memory", func(q *portcullisv1.DecideRequest) { q.Action.Memory = &portcullisv1.MemoryRef{Key: "k"} }},
		{"http on a tool call", "FIELD_NOT_ALLOWED", "action.http", func(q *portcullisv1.DecideRequest) {
			q.Action.Http = &portcullisv1.HttpRequest{Method: "GET", Url: "https://example.com"}
		}},
		{"memory write without memory", "FIELD_REQUIRED", "action.memory", kind(portcullisv1.ActionKind_ACTION_KIND_MEMORY_WRITE)},
		{"memory read without memory", "FIELD_REQUIRED", "action.memory", kind(portcullisv1.ActionKind_ACTION_KIND_MEMORY_READ)},
		{"memory delete without memory", "FIELD_REQUIRED", "action.memory", kind(portcullisv1.ActionKind_ACTION_KIND_MEMORY_DELETE)},
		{"result without its decision", "FIELD_REQUIRED", "action.in_reply_to", kind(portcullisv1.ActionKind_ACTION_KIND_TOOL_RESULT)},
		{"message without its sender", "FIELD_REQUIRED", "action.from_agent", kind(portcullisv1.ActionKind_ACTION_KIND_MESSAGE)},
		{"http request without http", "FIELD_REQUIRED", "action.http", kind(portcullisv1.ActionKind_ACTION_KIND_HTTP_REQUEST)},
		{"line break in a header", "CONTROL_CHARACTER", "action.http.headers", func(q *portcullisv1.DecideRequest) {
			q.Action = &portcullisv1.Action{Kind: portcullisv1.ActionKind_ACTION_KIND_HTTP_REQUEST, Http: &portcullisv1.HttpRequest{
				Method: "GET", Url: "https://example.com", Headers: []*portcullisv1.HttpHeader{{Name: "x", Value: "a\r\nb"}},
			}}
		}},
		{"empty arguments text", action.ReasonEmpty, "action.arguments_json", args("")},
		{"arguments that are a list", action.ReasonNotAnObject, "action.arguments_json", args("[]")},
		{"duplicate key", action.ReasonDuplicateKey, "action.arguments_json", args(`{"to":"a","to":"b"}`)},
		{"lone surrogate", action.ReasonLoneSurrogate, "action.arguments_json", args(`{"a":"\ud800"}`)},
		{"byte-order mark", action.ReasonByteOrderMark, "action.arguments_json", args("\ufeff{}")},
		{"NUL in arguments", action.ReasonNUL, "action.arguments_json", args(`{"a":"\u0000"}`)},
		{"two values", action.ReasonTrailingText, "action.arguments_json", args(`{} {}`)},
		{"NaN in a Struct", action.ReasonNotANumber, "action.arguments", structArgs(structpb.NewNumberValue(math.NaN()))},
		{"a Struct's value of no kind", action.ReasonUnsupportedType, "action.arguments", structArgs(&structpb.Value{})},
		{"context too large", action.ReasonTooLarge, "context", func(q *portcullisv1.DecideRequest) {
			q.Context = &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewStringValue(strings.Repeat("y", 64<<10))}}
		}},
	}
	r := start(t, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := toolCall()
			c.spoil(q)
			_, err := r.decisions().Decide(r.as("agent"), q)
			wantWire(t, err, codes.InvalidArgument, c.reason, c.field)
		})
	}
}

func TestErrorsNeverRepeatAValue(t *testing.T) {
	const secret = "hunter2"
	r := start(t, nil)
	for _, spoil := range []func(*portcullisv1.DecideRequest){
		func(q *portcullisv1.DecideRequest) { q.Principal.Agent = secret + " x" },
		func(q *portcullisv1.DecideRequest) { q.Action.Tool = secret + "\x00" },
		func(q *portcullisv1.DecideRequest) {
			q.Action.Args = &portcullisv1.Action_ArgumentsJson{ArgumentsJson: `{"` + secret + `":` + secret}
		},
	} {
		q := toolCall()
		spoil(q)
		_, err := r.decisions().Decide(r.as("agent"), q)
		if code, _, _ := wire(err); code != codes.InvalidArgument || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
	}
	if strings.Contains(r.logs.String(), secret) {
		t.Error("the log repeats a value")
	}
}

// TestEngineErrorsBecomeCodes has one row for every sort of error that the engine knows.
func TestEngineErrorsBecomeCodes(t *testing.T) {
	cases := []struct {
		err           error
		code          codes.Code
		reason, field string
	}{
		{&decision.Error{Problem: decision.Invalid, Reason: "REQUEST_ID_REUSED", Field: "request_id", Detail: "x"}, codes.InvalidArgument, "REQUEST_ID_REUSED", "request_id"},
		{&decision.Error{Problem: decision.PermissionDenied, Reason: "P", Detail: "x"}, codes.PermissionDenied, "P", ""},
		{&decision.Error{Problem: decision.NotFound, Reason: "N", Detail: "x"}, codes.NotFound, "N", ""},
		{&decision.Error{Problem: decision.FailedPrecondition, Reason: "F", Detail: "x"}, codes.FailedPrecondition, "F", ""},
		{&decision.Error{Problem: decision.ResourceExhausted, Reason: "R", Detail: "x"}, codes.ResourceExhausted, "R", ""},
		{&decision.Error{Problem: decision.Unavailable, Reason: "NO_BUNDLE", Detail: "x"}, codes.Unavailable, "NO_BUNDLE", ""},
		{fmt.Errorf("deep: %w", &decision.Error{Problem: decision.NotFound, Reason: "N", Detail: "x"}), codes.NotFound, "N", ""},
		{&decision.Error{Problem: 77, Reason: "X", Detail: "x"}, codes.Internal, "INTERNAL", ""},
		{&action.Error{Field: "http.url", Reason: "NUMBER_RANGE", Detail: "x"}, codes.InvalidArgument, "NUMBER_RANGE", "action.http.url"},
		{&identity.MismatchError{Field: "agent"}, codes.PermissionDenied, "PRINCIPAL_MISMATCH", "principal.agent"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", ""},
		{errors.New("disk /var/secret is gone"), codes.Internal, "INTERNAL", ""},
	}
	r := start(t, nil)
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			r.engine.decide = func(context.Context, identity.Caller, decision.Request) (decision.Response, error) {
				return decision.Response{}, c.err
			}
			_, err := r.decisions().Decide(r.as("agent"), toolCall())
			wantWire(t, err, c.code, c.reason, c.field)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("an unforeseen error is told: %v", err)
			}
		})
	}
	if !strings.Contains(r.logs.String(), "disk /var/secret is gone") {
		t.Error("an unforeseen error is not in the log")
	}
}

func TestAPanicIsInternalAndNotACrash(t *testing.T) {
	r := start(t, func(c *Config, r *rig) {
		c.MaxCalls, c.MaxCallsPerTenant = 1, 1
		r.engine.decide = func(context.Context, identity.Caller, decision.Request) (decision.Response, error) {
			panic("hunter2")
		}
	})
	for range 3 { // a panic gives its place of the cap back
		_, err := r.decisions().Decide(r.as("agent"), toolCall())
		wantWire(t, err, codes.Internal, "INTERNAL", "")
	}
	r.engine.decide = nil
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	if log := r.logs.String(); !strings.Contains(log, "panic while answering") || strings.Contains(log, "hunter2") {
		t.Error("the log lacks the panic, or repeats what was panicked with")
	}
	if metrics := get(t, r, "/metrics"); !strings.Contains(metrics, `grpc_code="Internal",grpc_method="Decide"`) {
		t.Error("metrics do not count the panic")
	}
}

func TestBatchKeepsOrderAndErrors(t *testing.T) {
	r := start(t, func(_ *Config, r *rig) {
		r.engine.decide = func(_ context.Context, _ identity.Caller, q decision.Request) (decision.Response, error) {
			if q.RequestID == "gone" {
				return decision.Response{}, &decision.Error{Problem: decision.NotFound, Reason: "NO_APPROVAL", Field: "approval_id", Detail: "unknown"}
			}
			return decision.Response{DecisionID: q.RequestID, Effect: decision.Allow}, nil
		}
	})
	question := func(id string, spoil func(*portcullisv1.DecideRequest)) *portcullisv1.DecideRequest {
		q := toolCall()
		q.RequestId = id
		if spoil != nil {
			spoil(q)
		}
		return q
	}
	out, err := r.decisions().DecideBatch(r.as("agent"), &portcullisv1.DecideBatchRequest{Requests: []*portcullisv1.DecideRequest{
		question("one", nil),
		question("two", func(q *portcullisv1.DecideRequest) { q.Principal = nil }),
		question("gone", nil),
		question("four", func(q *portcullisv1.DecideRequest) { q.Action.Tool = "" }),
		question("five", nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, result := range out.GetResults() {
		if e := result.GetError(); e != nil {
			got = append(got, e.GetCode()+" "+e.GetReason())
			continue
		}
		got = append(got, result.GetResponse().GetDecisionId())
	}
	want := "one|INVALID_ARGUMENT INVALID_FIELD|NOT_FOUND NO_APPROVAL|INVALID_ARGUMENT FIELD_REQUIRED|five"
	if strings.Join(got, "|") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	_, err = r.decisions().DecideBatch(r.as("agent"), &portcullisv1.DecideBatchRequest{})
	wantWire(t, err, codes.InvalidArgument, "INVALID_FIELD", "requests")
	_, err = r.decisions().DecideBatch(r.as("agent"), &portcullisv1.DecideBatchRequest{Requests: make([]*portcullisv1.DecideRequest, 101)})
	wantWire(t, err, codes.InvalidArgument, "INVALID_FIELD", "requests")
}

func TestReportOutcome(t *testing.T) {
	var got decision.Outcome
	r := start(t, func(_ *Config, r *rig) {
		r.engine.outcome = func(_ context.Context, _ identity.Caller, o decision.Outcome) (decision.OutcomeResult, error) {
			got = o
			return decision.OutcomeResult{Applied: true, Charged: action.Usage{CostMicroUSD: 3}}, nil
		}
	})
	out, err := r.decisions().ReportOutcome(r.as("agent"), &portcullisv1.ReportOutcomeRequest{
		DecisionId: "d1", Status: portcullisv1.OutcomeStatus_OUTCOME_STATUS_FAILED, Actual: &portcullisv1.Usage{Tokens: 4},
	})
	if err != nil || !out.GetApplied() || out.GetCharged().GetCostMicroUsd() != 3 {
		t.Fatalf("%v %v", out, err)
	}
	if got.Status != decision.Failed || got.DecisionID != "d1" || got.Actual == nil || got.Actual.Tokens != 4 {
		t.Errorf("outcome %+v", got)
	}
	_, err = r.decisions().ReportOutcome(r.as("agent"), &portcullisv1.ReportOutcomeRequest{DecisionId: "d1"})
	wantWire(t, err, codes.InvalidArgument, "INVALID_FIELD", "status")
}

func TestThreat_C7_ABusyTenantLeavesRoomForOthers(t *testing.T) {
	entered, release := make(chan string, 8), make(chan struct{})
	r := start(t, func(c *Config, r *rig) {
		c.MaxCalls, c.MaxCallsPerTenant = 4, 2
		r.engine.decide = func(_ context.Context, c identity.Caller, _ decision.Request) (decision.Response, error) {
			entered <- c.Tenant
			<-release
			return decision.Response{Effect: decision.Allow}, nil
		}
	})
	results := make(chan error, 8)
	ask := func(token string) {
		go func() {
			_, err := r.decisions().Decide(r.as(token), toolCall())
			results <- err
		}()
	}
	ask("agent")
	ask("agent")
	<-entered
	<-entered
	ask("agent")
	wantWire(t, <-results, codes.ResourceExhausted, "ADMISSION", "")
	ask("other-agent")
	if tenant := <-entered; tenant != "other" {
		t.Errorf("tenant %s", tenant)
	}
	close(release)
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
