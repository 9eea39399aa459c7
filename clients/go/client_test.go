package portcullis

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const (
	allow = portcullisv1.Effect_EFFECT_ALLOW
	deny  = portcullisv1.Effect_EFFECT_DENY
	ask   = portcullisv1.Effect_EFFECT_REQUIRE_APPROVAL
)

// Only a whole, current allow with known obligations is a yes. Each row changes one thing.
func TestOnlyAnAllowIsAllowed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*portcullisv1.DecideResponse)
		effect  portcullisv1.Effect
		reason  string
		allowed bool
	}{
		"allow":                {func(*portcullisv1.DecideResponse) {}, allow, "", true},
		"known obligation":     {func(r *portcullisv1.DecideResponse) { r.Obligations = []*portcullisv1.Obligation{{Type: "known"}} }, allow, "", true},
		"deny":                 {func(r *portcullisv1.DecideResponse) { r.Effect = deny }, deny, "", false},
		"unset effect":         {func(r *portcullisv1.DecideResponse) { r.Effect = 0 }, deny, ReasonEffectUnknown, false},
		"new effect":           {func(r *portcullisv1.DecideResponse) { r.Effect = 9 }, deny, ReasonEffectUnknown, false},
		"ask without approval": {func(r *portcullisv1.DecideResponse) { r.Effect = ask }, deny, ReasonUnreachable, false},
		"unknown obligation": {func(r *portcullisv1.DecideResponse) {
			r.Obligations = []*portcullisv1.Obligation{{Type: "known"}, {Type: "new"}}
		}, deny, ReasonObligationUnmet, false},
		"changed arguments": {func(r *portcullisv1.DecideResponse) { r.EffectiveArgumentsJson = "{}" }, deny, ReasonArgumentsChanged, false},
		"changed content":   {func(r *portcullisv1.DecideResponse) { r.EffectiveContent = "x" }, deny, ReasonArgumentsChanged, false},
		"changed request":   {func(r *portcullisv1.DecideResponse) { r.EffectiveHttp = &portcullisv1.HttpRequest{} }, deny, ReasonArgumentsChanged, false},
		"nothing to use": {func(r *portcullisv1.DecideResponse) {
			r.Obligations = []*portcullisv1.Obligation{{Type: "use_effective"}}
		}, deny, ReasonObligationUnmet, false},
		"no id":     {func(r *portcullisv1.DecideResponse) { r.DecisionId = "" }, deny, ReasonUnreachable, false},
		"no digest": {func(r *portcullisv1.DecideResponse) { r.ActionDigest = "" }, deny, ReasonUnreachable, false},
		"no expiry": {func(r *portcullisv1.DecideResponse) { r.ExpiresAt = nil }, deny, ReasonUnreachable, false},
		"expired":   {func(r *portcullisv1.DecideResponse) { r.ExpiresAt = timestamppb.New(time.Now().Add(-time.Second)) }, allow, ReasonExpired, false},
		"empty":     {func(r *portcullisv1.DecideResponse) { proto.Reset(r) }, deny, ReasonEffectUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := answer(allow)
			tc.change(in)
			client := start(t, &fakePDP{decide: always(in)}, func(c *Config) {
				c.Obligations = map[string]func(context.Context, *portcullisv1.Obligation) error{"known": func(context.Context, *portcullisv1.Obligation) error { return nil }}
			})
			d := client.Decide(t.Context(), ToolCall("x", nil))
			if d.Allowed() != tc.allowed || d.Effect != tc.effect {
				t.Fatalf("allowed %v, effect %v", d.Allowed(), d.Effect)
			}
			err := d.Err()
			if (err == nil) != tc.allowed {
				t.Fatalf("Err() = %v", err)
			}
			if tc.reason != "" && !strings.Contains(err.Error(), tc.reason) {
				t.Fatalf("Err() = %v, want %s", err, tc.reason)
			}
		})
	}
}

func TestNoDecisionIsAllowedByDefault(t *testing.T) {
	t.Parallel()
	var none *Decision
	for name, d := range map[string]*Decision{"nil": none, "zero": {}, "by hand": {Effect: allow, ExpiresAt: time.Now().Add(time.Hour)}} {
		if d.Allowed() || d.Err() == nil {
			t.Errorf("%s: allowed", name)
		}
	}
}

func TestFailedCallsAreDenies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		code   codes.Code
		reason string
	}{
		"unavailable":        {status.Error(codes.Unavailable, "x"), codes.Unavailable, ReasonUnreachable},
		"somebody's refusal": {status.Error(codes.PermissionDenied, "x"), codes.PermissionDenied, ReasonUnreachable},
		"used approval":      {refusal(codes.FailedPrecondition, "APPROVAL_USED"), codes.FailedPrecondition, "APPROVAL_USED"},
		"bad credential":     {refusal(codes.Unauthenticated, "BAD_CREDENTIAL"), codes.Unauthenticated, "BAD_CREDENTIAL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := start(t, &fakePDP{decide: func(context.Context, *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
				return nil, tc.err
			}})
			d := client.Decide(t.Context(), ToolCall("x", nil))
			if d.Allowed() || d.Effect != deny || d.Code != tc.code || d.Reasons[0].Code != tc.reason {
				t.Fatalf("got %v %v %v", d.Effect, d.Code, d.Reasons)
			}
			if status.Code(d.Err()) != tc.code {
				t.Fatalf("cause lost: %v", errors.Unwrap(d.Err()))
			}
		})
	}
}

func TestThreat_C6_SilentPDPDeniesAtTheDeadline(t *testing.T) {
	t.Parallel()
	// Accepts connections, and never says a word.
	hole, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hole.Close() })
	client := connect(t, hole.Addr().String(), func(c *Config) { c.Timeout = 300 * time.Millisecond })
	began := time.Now()
	d := client.Decide(t.Context(), ToolCall("x", nil))
	if d.Allowed() || d.Code != codes.DeadlineExceeded || d.Reasons[0].Code != ReasonUnreachable {
		t.Fatalf("got %v %v %v", d.Effect, d.Code, d.Reasons)
	}
	if took := time.Since(began); took < 250*time.Millisecond || took > 3*time.Second {
		t.Fatalf("took %v", took)
	}
}

func TestThreat_C6_StuckAnswerDeniesAtTheDeadline(t *testing.T) {
	t.Parallel()
	client := start(t, &fakePDP{decide: func(ctx context.Context, _ *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, func(c *Config) { c.Timeout = 200 * time.Millisecond })
	if d := client.Decide(t.Context(), ToolCall("x", nil)); d.Allowed() || d.Code != codes.DeadlineExceeded {
		t.Fatalf("got %v %v", d.Effect, d.Code)
	}
}

func TestRequestCarriesEverything(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	var got *portcullisv1.DecideRequest
	var token string
	client := start(t, &fakePDP{decide: func(ctx context.Context, in *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
		got, token = in, bearerOf(ctx)
		return answer(allow), nil
	}}, func(c *Config) { c.Token, c.TokenFile = "", file })
	action := Action{
		Tool: "t", Server: "srv", CallID: "c", SchemaDigest: "ab", Arguments: map[string]any{"n": int64(9007199254740993)},
		Estimate: &portcullisv1.Usage{Tokens: 7},
	}
	client.As(Principal{Agent: "b", Session: "s2", User: "u"}).Decide(t.Context(), action, RequestID("r"), Redeem("ap"))
	if got.GetRequestId() != "r" || got.GetApprovalId() != "ap" || got.GetPrincipal().GetAgent() != "b" || got.GetPrincipal().GetUser() != "u" {
		t.Fatalf("got %v", got)
	}
	a := got.GetAction()
	if a.GetKind() != portcullisv1.ActionKind_ACTION_KIND_TOOL_CALL || a.GetArgumentsJson() != `{"n":9007199254740993}` || a.GetServer() != "srv" || a.GetEstimate().GetTokens() != 7 {
		t.Fatalf("got %v", a)
	}
	if token != "Bearer first" {
		t.Fatalf("token %q", token)
	}
	write("second")
	if client.Decide(t.Context(), action); token != "Bearer second" {
		t.Fatalf("a renewed token is not used: %q", token)
	}
	write("\n")
	if d := client.Decide(t.Context(), action); d.Allowed() || d.Reasons[0].Code != ReasonUnreachable {
		t.Fatalf("allowed without a credential: %v", d.Reasons)
	}
}

func TestThreat_C5_ConfigurationThatGivesTheTokenAwayIsRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"plain text off loopback": {Addr: "192.0.2.1:7070", Token: "x"},
		"plain text to a name":    {Addr: "localhost.example.com:7070", Token: "x"},
		"scheme":                  {Addr: "dns:///example.com:7070", Token: "x"},
		"no credential":           {},
		"two credentials":         {Token: "x", TokenFile: "y"},
		"no such file":            {TokenFile: filepath.Join(t.TempDir(), "none")},
		"header injection":        {Token: "x\nadmin: yes"},
		"negative timeout":        {Token: "x", Timeout: -1},
	} {
		if client, err := New(cfg); err == nil {
			_ = client.Close()
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "admin") {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var heard []*portcullisv1.ObserveRequest
	var refused error
	client := start(t, &fakePDP{observe: func(in *portcullisv1.ObserveRequest) error {
		heard = append(heard, in)
		return refused
	}})
	if err := errors.Join(client.ObserveUser(t.Context(), "hello"), client.ObserveDocument(t.Context(), "page", "text")); err != nil {
		t.Fatal(err)
	}
	user, page := heard[0].GetSpans()[0], heard[1].GetSpans()[0]
	if user.GetOrigin() != portcullisv1.Origin_ORIGIN_USER || user.GetText() != "hello" || heard[0].GetPrincipal().GetAgent() != "a" {
		t.Errorf("the user's words came as %v", heard[0])
	}
	if page.GetOrigin() != portcullisv1.Origin_ORIGIN_UNTRUSTED || page.GetName() != "page" || page.GetText() != "text" {
		t.Errorf("the document came as %v", heard[1])
	}
	refused = status.Error(codes.PermissionDenied, "no")
	if err := client.ObserveUser(t.Context(), "hello"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("got %v", err)
	}
}
